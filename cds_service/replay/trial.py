"""A call tried out: decided with neither a store nor a FHIR server at hand, told in full, and kept nowhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cds_service.config import Settings
from cds_service.errors import CallError
from cds_service.fhir.local_codes import LocalCodes
from cds_service.fhir.shape import Json
from cds_service.hooks.operation_outcome import status_of
from cds_service.knowledge.terms import analytes
from cds_service.replay.amend import Entry, codes_of, entry_of, observations
from cds_service.replay.calls import Recorded
from cds_service.replay.compare import Difference, compare
from cds_service.replay.explain import Explanation, explain
from cds_service.replay.outcome import Outcome, patient_of
from cds_service.rules_in_force import InForce


@dataclass(frozen=True, slots=True)
class Row:
    """A result, or what could not be read of one; ``entry`` is what may be changed of it, None where nothing may."""

    cells: tuple[str, ...]
    reference: str
    analyte: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Trial:
    """A call with what it came to; ``found`` is None where it was refused."""

    call: Recorded
    as_of: datetime
    outcome: Outcome
    found: Explanation | None
    results: tuple[Row, ...] = ()
    missing: tuple[Row, ...] = ()


def try_out(call: Recorded, now: InForce, as_of: datetime, settings: Settings, codes: LocalCodes) -> Trial:
    """Decides a call by the rules that are in force, as of ``as_of``."""
    about = Outcome(call.name, patient_of(call.request), call.service, as_of.isoformat(), status=200)
    try:
        found = explain(call, now.rules, as_of, settings=settings, codes=codes, silent=now.silent)
    except CallError as error:
        refused = Outcome(*_key(about), status=status_of(error), problem=error.message)
        return Trial(call, as_of, refused, None)
    cards = tuple(card.model_dump(mode="json", exclude_none=True) for card in found.decision.cards)
    decided = Outcome(*_key(about), status=200, cards=cards)
    return Trial(call, as_of, decided, found, *_rows(call.request, found, codes))


def _key(outcome: Outcome) -> tuple[str, str, str, str]:
    return outcome.name, outcome.patient, outcome.service, outcome.as_of


def _rows(request: Json, found: Explanation, codes: LocalCodes) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    facts, held = found.decision.facts, observations(request)
    if facts is None:
        return (), ()

    def row(cells: tuple[str, ...], reference: str, analyte: str) -> Row:
        known = codes_of(analyte, codes) if analyte in analytes() else frozenset()
        return Row(cells, reference, analyte, entry_of(held.get(reference, []), known))

    results = zip(facts.results, found.results, strict=True)
    missing = zip(facts.missing, found.missing, strict=True)
    return (
        tuple(row(cells, result.reference, result.analyte) for result, cells in results),
        tuple(row(cells, lack.reference, lack.item) for lack, cells in missing),
    )


def changes(before: Trial, after: Trial) -> list[Difference]:
    """What differs between two trials of a call: its cards first, then each rule that says something else."""
    return [*compare([before.outcome], [after.outcome]), *_of_rules(before, after)]


def _of_rules(before: Trial, after: Trial) -> Iterator[Difference]:
    left, right = _verdicts(before), _verdicts(after)
    for specimen, rule in dict.fromkeys([*left, *right]):
        old, new = left.get((specimen, rule), "not run"), right.get((specimen, rule), "not run")
        if old != new:
            yield Difference(f"rule, {specimen}", after.call.name, after.outcome.patient, rule, old, new)


def _verdicts(trial: Trial) -> dict[tuple[str, str], str]:
    rows = trial.found.rules if trial.found else []
    return {(specimen, rule): said if said == "no" else f"{said}: {because}" for specimen, rule, said, because in rows}
