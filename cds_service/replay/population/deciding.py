"""One patient's rows to decisions, and these to rows of the results: the same for every engine."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import lru_cache, reduce
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from cds_service.cards.compose import EXTENSION
from cds_service.config import Settings, SiteProfile
from cds_service.decide import Decision, decide
from cds_service.errors import CallError
from cds_service.facts import Moment
from cds_service.fhir.bundle import newer_version, with_contained
from cds_service.fhir.dates import observed_at
from cds_service.fhir.gather import B2M, prefetch_templates
from cds_service.fhir.local_codes import LocalCodes
from cds_service.fhir.meaning import is_b2m, with_components
from cds_service.fhir.searches import PATIENT
from cds_service.fhir.shape import Json, text
from cds_service.fhir.status import COUNTING
from cds_service.hooks.body import parse_call
from cds_service.knowledge.model import load
from cds_service.record.pseudonyms import Pseudonyms
from cds_service.replay.calls import OF_NOBODY, SERVICES, as_held, for_charts
from cds_service.replay.inputs import parse
from cds_service.replay.population.staging import owner_of
from cds_service.rules_in_force import in_force

#: A chart is taken whole, however long it is; the limit on calls is there for whoever waits for an answer.
_ALL_ENTRIES = 1_000_000
_END_OF_DAY = time(23, 59, 59)
#: Under which prefetch key what kinds of resources go; each kind stands under one, results of all groups under B2M's.
_KINDS = {
    B2M: ("Observation", "Specimen"),
    "conditions": ("Condition",),
    "medications": ("MedicationRequest", "MedicationStatement", "MedicationAdministration", "Medication"),
    "procedures": ("Procedure",),
}


@dataclass(frozen=True, slots=True)
class Basis:
    """By what a population is decided.

    ``as_of``: the time of all decisions; None for the end of the day of each patient's newest B2M, or with
    ``every_result`` of each of them, never later than ``started``. ``client``: whose pseudonyms stand for the ids; None
    for the ids themselves.
    """

    settings: Settings
    site: SiteProfile
    started: datetime
    as_of: datetime | None = None
    every_result: bool = False
    pseudonyms: Pseudonyms = field(default_factory=Pseudonyms)
    client: str | None = None

    def codes(self) -> LocalCodes:
        """The site's own codes."""
        return LocalCodes(self.site.local_codes)


class Result(NamedTuple):
    """A finding, or that a call came to none; at least one for each call.

    ``call`` is "chart", or the hookInstance of a request. ``shown``: "card", "no card", or "silent" as the rule is at
    this site. ``results_json`` names the results that decided, ``missing_json`` what was missing in the call, and why.
    ``problem``: why the call, or one rule, could not be decided.
    """

    patient: str
    as_of: str
    call: str
    specimen: str = ""
    rule: str = ""
    version: str = ""
    finding: str = ""
    shown: str = ""
    values_json: str = "{}"
    results_json: str = "[]"
    missing_json: str = "[]"
    problem: str = ""


@lru_cache(maxsize=1)
def decider(basis: Basis) -> "Decider":
    """What decides by ``basis`` in this process, made once.

    Raises:
        ConfigurationError: the site's profile cannot be used.
    """
    return Decider(basis)


class Decider:
    """Decides patients by one basis.

    Raises:
        ConfigurationError: the site's profile cannot be used.
    """

    def __init__(self, basis: Basis) -> None:
        self.basis, self._codes = basis, basis.codes()
        self._rules = in_force(load(), basis.site)
        self.rules = self._rules.rules
        self._whole = basis.settings.model_copy(update={"max_entries": _ALL_ENTRIES})

    def __call__(self, patient: str, rows: Iterable[tuple[str, str]]) -> Iterator[Result]:
        """The results of a patient. ``rows``: kind and body of each row, in any order, some perhaps twice."""
        bodies = sorted(set(rows))
        chart = [body for kind, body in bodies if kind != "request"]
        if chart:
            yield from self._of_chart(patient, chart)
        for kind, body in bodies:
            if kind == "request":
                yield from self._of_request(patient, body)

    def _of_chart(self, patient: str, bodies: Sequence[str]) -> Iterator[Result]:
        try:
            resources = self._resources(patient, bodies)
            times = self._times(resources)
        except Exception as error:  # one patient's chart may be broken in any way; the others must still be read
            yield self._undecided(patient, self.basis.started, "chart", error)
            return
        for as_of in times:
            yield from self._decided(patient, as_of, "chart", chart_request(patient, resources), self._whole)

    def _resources(self, patient: str, bodies: Iterable[str]) -> list[Json]:
        parts = [self._codes.translated(part) for body in bodies for part in with_contained(parse(body.encode()))]
        shared = [part for part in parts if part.get("resourceType") in OF_NOBODY]
        own = [part for part in parts if part.get("resourceType") not in OF_NOBODY and owner_of(part) == patient]
        return [*(as_held(part, patient) for part in own), *shared]

    def _of_request(self, patient: str, body: str) -> Iterator[Result]:
        request = parse(body.encode())
        name = _instance(request)
        try:
            as_of = self._times(self._brought(request))[-1]
        except Exception as error:  # likewise
            yield self._undecided(patient, self.basis.started, name, error)
            return
        yield from self._decided(patient, as_of, name, request, self.basis.settings)

    def _brought(self, request: Json) -> list[Json]:
        prefetch = request.get("prefetch")
        brought = [request["context"].get("results"), *(prefetch.values() if isinstance(prefetch, dict) else ())]
        return [
            self._codes.translated(r) for value in brought if isinstance(value, dict) for r in with_contained(value)
        ]

    def _times(self, resources: Iterable[Json]) -> list[datetime]:
        """As of when to decide, in order: never empty."""
        if self.basis.as_of:
            return [self.basis.as_of]
        b2m = [part for resource in resources for part in with_components(resource) if is_b2m(part)]
        when = [observed_at(part) for part in b2m if text(part, "status") in COUNTING]
        ends = sorted({min(_end_of_day(moment), self.basis.started) for moment in when if moment})
        return (ends if self.basis.every_result else ends[-1:]) or [self.basis.started]

    def _decided(self, patient: str, as_of: datetime, name: str, request: Json, settings: Settings) -> Iterator[Result]:
        rules, silent = self.rules, self._rules.silent
        try:
            call = parse_call(request)
            decision = decide(call, rules=rules, as_of=as_of, settings=settings, codes=self._codes, silent=silent)
        except Exception as error:  # likewise
            yield self._undecided(patient, as_of, name, error)
            return
        yield from self._told(decision, Result(self._key("patient", patient), as_of.isoformat(), name))

    def _told(self, decision: Decision, about: Result) -> Iterator[Result]:
        missing = decision.facts.missing if decision.facts else decision.chart.missing
        about = about._replace(missing_json=_json(list(dict.fromkeys(f"{m.item}: {m.reason}" for m in missing))))
        said = {(r["id"], r.get("finding")) for c in decision.cards for r in c.extension[EXTENSION].get("rules", ())}
        for finding in decision.findings:
            silent = finding.rule in self._rules.silent
            on_card = (finding.rule, finding.outcome) in said
            yield about._replace(
                specimen=finding.specimen,
                rule=finding.rule,
                version=finding.version,
                finding=finding.outcome,
                shown="silent" if silent else "card" if on_card else "no card",
                values_json=_json(dict(sorted(finding.values.items()))),
                results_json=_json([self._key("result", reference) for reference in finding.references]),
            )
        for failure in decision.failures:
            problem = f"the rule could not be run ({failure.error})"
            yield about._replace(specimen=failure.specimen, rule=failure.rule, problem=problem)
        if not (decision.findings or decision.failures):
            yield about

    def _undecided(self, patient: str, as_of: datetime, name: str, error: Exception) -> Result:
        problem = error.message if isinstance(error, CallError) else f"could not be decided ({type(error).__name__})"
        return Result(self._key("patient", patient), as_of.isoformat(), name, problem=problem)

    def _key(self, kind: Any, identifier: str) -> str:
        if self.basis.client is None:
            return identifier
        return self.basis.pseudonyms.of(kind, self.basis.client, identifier) or ""


def chart_request(patient: str, resources: Sequence[Json]) -> Json:
    """A call about a patient whose whole chart is ``resources``: what is not in it is none.

    It comes to the same as ``replay.calls.chart_call``, whose prefetch is searched for each template.
    """
    prefetch: Json = dict.fromkeys(prefetch_templates())
    persons = [resource for resource in resources if resource.get("resourceType") == "Patient"]
    prefetch[PATIENT] = reduce(lambda one, other: newer_version(one, other) or one, persons) if persons else None
    for key, kinds in _KINDS.items():
        entries = [{"resource": resource} for resource in resources if resource.get("resourceType") in kinds]
        prefetch[key] = {"resourceType": "Bundle", "type": "collection", "entry": entries} if entries else None
    hook, _ = for_charts(SERVICES)
    context = {"userId": "Practitioner/population", "patientId": patient}
    return {"hook": hook, "hookInstance": str(uuid4()), "context": context, "prefetch": prefetch}


def _instance(request: Json) -> str:
    """The hookInstance of a request, which is a UUID, or "request"."""
    try:
        return str(UUID(text(request, "hookInstance")))
    except ValueError:
        return "request"


def _end_of_day(moment: Moment) -> datetime:
    """When the last day that a moment may stand for ends, in its own offset, or UTC."""
    return datetime.combine(moment.last, _END_OF_DAY, moment.instant.tzinfo if moment.instant else UTC)


def _json(value: object) -> str:
    """JSON without the half characters that JSON can escape and no encoding has."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
