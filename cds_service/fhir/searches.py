"""What is asked of an EHR, by prefetch key: as prefetch templates in the discovery document, or by ourselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from urllib.parse import quote

from cds_service.errors import ConfigurationError
from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes
from cds_service.knowledge.terms.groups import group_of_code, tokens_of_groups

PATIENT = "patient"
#: What a template holds as it is, as clients expect it; a site's own codes may need more.
_PLAIN = "/:|,-_.~"
_LONGEST_TEMPLATE = 2000
PAGE_SIZE = 50
LIST_PAGE_SIZE = 200
#: Groups of results that may be asked for together: a joined page that is full would leave all of them unknown, so the
#: group with results every day is asked for alone.
ALONE = "kidney"


@dataclass(frozen=True, slots=True)
class Search:
    """A FHIR search within one patient's chart. ``params`` are those beside ``patient``; each stands once."""

    resource_type: str
    params: tuple[tuple[str, str], ...]
    page_size: int

    def template(self) -> str:
        """The search as a prefetch template."""
        said = "".join(f"&{name}={quote(value, safe=_PLAIN)}" for name, value in self.parameters())
        return f"{self.resource_type}?patient={{{{context.patientId}}}}{said}"

    def parameters(self) -> list[tuple[str, str]]:
        """All parameters but ``patient``."""
        return [*self.params, ("_count", str(self.page_size))]


_LISTS = {
    "conditions": Search("Condition", (), LIST_PAGE_SIZE),
    "medications": Search("MedicationRequest", (("_include", "MedicationRequest:medication"),), LIST_PAGE_SIZE),
    "procedures": Search("Procedure", (), LIST_PAGE_SIZE),
}


@cache
def searches(codes: LocalCodes = NO_LOCAL_CODES) -> Mapping[str, Search]:
    """Every search, by prefetch key: one for each group of results, so that no group pushes another off the page.

    ``codes``: a site's own, asked for beside LOINC's.

    Raises:
        ConfigurationError: they make a template longer than servers take.
    """
    tokens = {group: [f"{system}|{code}" for system, code in held] for group, held in tokens_of_groups().items()}
    for (system, code), means in codes.means.items():
        tokens[group_of_code()[means]].append(f"{system}|{code}")
    results = {group: _of_results(held, PAGE_SIZE) for group, held in tokens.items()}
    for group, search in results.items():
        if len(search.template()) >= _LONGEST_TEMPLATE:
            raise ConfigurationError(
                f"SITE_PROFILE: with the local_code entries the prefetch template {group!r} has "
                f"{len(search.template())} characters; below {_LONGEST_TEMPLATE} are expected. Register fewer codes."
            )
    return MappingProxyType({**results, **_LISTS})


def _of_results(tokens: Iterable[str], page_size: int) -> Search:
    return Search("Observation", (("code", ",".join(tokens)), ("_sort", "-date")), page_size)


def joined(asked: Mapping[str, Search]) -> list[tuple[tuple[str, ...], Search]]:
    """The searches for ``asked`` in as few as keep it decidable what is complete, each with the keys that it is for."""
    results = [key for key, search in asked.items() if search.resource_type == "Observation" and key != ALONE]
    plan: list[tuple[tuple[str, ...], Search]] = []
    plan += [((key,), replace(search, page_size=LIST_PAGE_SIZE)) for key, search in asked.items() if key not in results]
    if results:
        tokens = [dict(asked[key].params)["code"] for key in results]
        plan.insert(0, (tuple(results), _of_results(tokens, LIST_PAGE_SIZE)))
    return plan
