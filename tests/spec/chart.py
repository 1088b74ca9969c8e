"""The ``given`` of a rule's case as Facts: results in words as a laboratory prints them, problems by their key."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cds_service.facts import Facts, MissingData, Patient, Problem, Reason, ReferenceRange, Result
from cds_service.fhir import units
from cds_service.fhir.dates import read_moment
from cds_service.knowledge import terms

TAKEN = datetime(2026, 3, 2, 8, 10, tzinfo=UTC)
AS_OF = TAKEN + timedelta(days=1)
_PRINTED = re.compile(r"(?P<comparator><=|>=|<|>)?(?P<number>-?[\d.]+) (?P<unit>.+)")
_B2M = {"serum": "b2m-serum", "urine": "b2m-urine", "CSF": "b2m-csf"}
_SETTINGS = {"specimen", "age", "sex", "born", "problems", "missing", "unknown", "upper_limit"}


def facts_of(given: dict[str, Any]) -> Facts:
    """The facts that a case is about, seen for its specimen."""
    specimen = given.get("specimen", "serum")
    results = [_result(name, printed, given, specimen) for name, printed in given.items() if name not in _SETTINGS]
    missing = tuple(_missing(entry, specimen) for entry in given.get("missing", ()))
    under_review: dict[str, Result | MissingData] = {m.specimen: m for m in missing if m.specimen}
    under_review |= {r.specimen: r for r in results if r.reference == "Observation/b2m"}
    return Facts(
        as_of=AS_OF,
        patient=_patient(given),
        under_review=under_review,
        results=tuple(results),
        problems=tuple(_problem(entry) for entry in given.get("problems", ())),
        missing=missing,
        unknown=frozenset(given.get("unknown", ())),
        specimen=specimen,
    )


def _result(name: str, entry: Any, given: dict[str, Any], specimen: str) -> Result:
    about = entry if isinstance(entry, dict) else {"is": entry}
    key = _B2M[specimen] if name.startswith("b2m") else name.split("@")[0]
    analyte = terms.analytes()[key]
    match = _PRINTED.fullmatch(about["is"])
    assert match, f"cannot read the case's {name} = {about['is']!r}"
    unit = units.read_unit({"unit": match["unit"]})
    assert not isinstance(unit, Reason), match["unit"]
    canonical = units.convert(Decimal(match["number"]), match["comparator"] or "", unit, analyte)
    assert canonical
    loinc = about.get("loinc") or next(c.code for c in analyte.loinc if units.fits(unit, c))
    upper = given.get("upper_limit") if name == "b2m" else None
    when = read_moment((TAKEN + timedelta(days=float(about.get("days", 0)))).isoformat())
    assert when
    return Result(
        analyte=key,
        specimen=analyte.specimen,
        value=canonical.value,
        shown=canonical.shown,
        interval=canonical.interval,
        central=canonical.central,
        unit=analyte.canonical.ucum,
        comparator=match["comparator"] or "",
        printed=about["is"],
        filed=about["is"],
        printed_unit=canonical.printed_unit,
        when=when,
        loinc=loinc,
        reference=f"Observation/{name}",
        provisional=about.get("provisional", False),
        reference_range=_range(upper),
        suspicion=units.suspicion(canonical, analyte),
    )


def _range(upper: str | None) -> ReferenceRange | None:
    if upper is None:
        return None
    return ReferenceRange(None, None if upper == "as text" else Decimal(upper), f"up to {upper}")


def _missing(entry: dict[str, Any], specimen: str) -> MissingData:
    key = _B2M[specimen] if entry["item"] == "b2m" else entry["item"]
    return MissingData(
        key,
        Reason(entry["reason"]),
        entry.get("printed", ""),
        when=read_moment((TAKEN + timedelta(days=float(entry.get("days", 0)))).isoformat()),
        specimen=specimen if entry["item"].startswith("b2m") and entry.get("under_review", True) else "",
        hint=entry.get("hint", ""),
    )


def _patient(given: dict[str, Any]) -> Patient:
    age = given.get("age", 60)
    born = given.get("born") or (None if age == "unknown" else f"{TAKEN.year - age}-03-02")
    sex = given.get("sex", "female")
    return Patient("p", None if sex == "unknown" else sex, read_moment(born) if born else None)


def day(days: int) -> str:
    return (TAKEN + timedelta(days=days)).date().isoformat()


def _problem(entry: Any) -> Problem:
    about = entry if isinstance(entry, dict) else {"key": entry}
    term = next(t for t in terms.problem_terms() if t.key == about["key"])
    onset = None
    if about.get("onset_days", -5) != "unknown":
        onset = read_moment(about.get("onset") or day(about.get("onset_days", -5)))
    return Problem(
        key=term.key,
        label=term.label,
        family=term.family,
        code=about.get("code", "any"),
        clinical_status=about.get("clinical", "active"),
        verification_status=about.get("verification", "confirmed"),
        onset=onset,
        abated=about.get("abated", False) or "ended_days" in about,
        abatement=read_moment(day(about["ended_days"])) if "ended_days" in about else None,
    )
