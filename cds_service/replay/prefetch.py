"""What a FHIR server that holds nothing but a chart would answer to a prefetch template."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

from cds_service.fhir.meaning import is_uncoded_b2m, with_components
from cds_service.fhir.shape import Json, codings, objects, text
from cds_service.knowledge.terms import LOINC, analytes

_TOKEN = re.compile(r"\{\{\s*context\.(\w+)\s*\}\}")
#: What a search for one kind of resource is answered with as well, in a chart that holds it so.
_ALSO = {"MedicationRequest": ("MedicationStatement", "MedicationAdministration")}
_REFERRED_TO = {"MedicationRequest": "Medication", "Observation": "Specimen"}
_B2M = {f"{LOINC}|{code.code}" for analyte in analytes().values() if analyte.is_b2m for code in analyte.loinc}
#: Search parameters that choose nothing here: whose it is is known already, and nothing is held back.
_OF_NO_ACCOUNT = {"patient", "subject", "_sort", "_count", "_include", "_format"}


def answer(template: str, context: Json, chart: Iterable[Json], kind_of_bundle: str = "searchset") -> Any:
    """The resource or searchset for a template, from the whole chart of the patient; None where there is none.

    Understood: reads by id, and searches by type with ``code``, ``category`` and ``_id``. A parameter that is not
    understood chooses nothing, so that more is sent than was asked, never less: what a result or an order refers to
    goes with it, and so do drugs however the chart holds them, and B2M under no code but its name. As a "collection"
    the Bundle is no page of a search: however long, it is all there is.
    """
    path, _, search = filled(template, context).partition("?")
    kind, _, identity = path.partition("/")
    chart = list(chart)
    held = [resource for resource in chart if resource.get("resourceType") in (kind, *_ALSO.get(kind, ()))]
    if identity:
        return next((resource for resource in held if text(resource, "id") == identity), None)
    wanted = {name: set(",".join(values).split(",")) for name, values in parse_qs(search).items()}
    found = [resource for resource in held if _fits(resource, wanted)]
    beside = [r for r in chart if found and r.get("resourceType") == _REFERRED_TO.get(kind)]
    entries = [(resource, "match") for resource in found] + [(resource, "include") for resource in beside]
    return {
        "resourceType": "Bundle",
        "type": kind_of_bundle,
        "total": len(found),
        "entry": [{"resource": resource, "search": {"mode": mode}} for resource, mode in entries],
    }


def filled(template: str, context: Json) -> str:
    """A prefetch template with its tokens filled from the context."""
    return _TOKEN.sub(lambda token: str(context.get(token[1], "")), template)


def _fits(resource: Json, wanted: dict[str, set[str]]) -> bool:
    return all(_has(resource, name, values) for name, values in wanted.items() if name not in _OF_NO_ACCOUNT)


def _has(resource: Json, name: str, values: set[str]) -> bool:
    tokens = {unquote(value) for value in values}
    if name == "code":
        named = is_uncoded_b2m(resource) and not tokens.isdisjoint(_B2M)
        return named or any(_is_any(codings(part, "code"), tokens) for part in with_components(resource))
    if name == "category":
        return any(_is_any(codings({"code": category}, "code"), tokens) for category in objects(resource, "category"))
    return text(resource, "id") in tokens if name == "_id" else True


def _is_any(pairs: list[tuple[str, str]], tokens: set[str]) -> bool:
    return any(f"{system}|{code}" in tokens or code in tokens for system, code in pairs)
