"""The ``given`` of a rule's case as Facts.

Results are in words as a laboratory prints them: ``b2m`` is the one under review, every other name an analyte's key
with an optional "@" and a name of its own ("creatinine@earlier"); as a table ``{ is = "4 mg/L", days = -3, ... }`` with
days from the B2M (or dated = "2026-03-02"), loinc, provisional, upper_limit, lower_limit, laboratory, method, analyte
(another one than that of the name). ``problems``, ``medications``, ``procedures`` and ``coded`` (item = "present") go
by their keys, as tables with ``days`` and more. ``unknown`` names groups of which "not there" does not mean "none".
``unrecognised_medications`` lists what the entries are called that name no drug we know, "" where they do not say,
``unrecognised_problems`` what the active ones of the problem list are that name no diagnosis we know.
``ordered`` names the specimens of the B2M tests that are being ordered (as a table with ``loinc``, another than the
first code of its analyte), in ``planned_days`` if not now, and
``also_ordered`` the analytes of the other drafts; ``days`` are then those from the call.
A name that is not known is an error: a case that is not read as it was meant proves nothing.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from cds_service.errors import KnowledgeError
from cds_service.facts import (
    CodedResult,
    Evidence,
    Facts,
    Medication,
    MissingData,
    OrderedTest,
    Patient,
    Presence,
    Problem,
    Procedure,
    Reason,
    ReferenceRange,
    Result,
)
from cds_service.fhir import units
from cds_service.fhir.dates import read_moment
from cds_service.fhir.gather import prefetch_templates
from cds_service.knowledge import terms
from cds_service.knowledge.terms import treatments
from cds_service.knowledge.terms.coded import coded_terms

TAKEN = datetime(2026, 3, 2, 8, 10, tzinfo=UTC)
AS_OF = TAKEN + timedelta(days=1)
_PRINTED = re.compile(r"(?P<comparator><=|>=|<|>)?(?P<number>-?[\d.]+) (?P<unit>.+)")
_B2M = {
    "serum": "b2m-serum",
    "urine": "b2m-urine",
    "urine ratio": "b2m-urine-ratio",
    "24 h urine": "b2m-urine-rate",
    "CSF": "b2m-csf",
    "CSF/serum ratio": "b2m-csf-serum-ratio",
    "post-dialysis serum": "b2m-serum-post-dialysis",
}
_SETTINGS = {
    "specimen", "age", "sex", "born", "problems", "missing", "unknown", "upper_limit", "medications",
    "unrecognised_medications", "unrecognised_problems", "procedures", "coded", "ordered", "also_ordered",
    "planned_days",
}  # fmt: skip


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


_Term = TypeVar("_Term", bound=_Keyed)


def facts_of(given: dict[str, Any]) -> Facts:
    """The facts that a case is about, seen for its specimen.

    Raises:
        KnowledgeError: something in ``given`` is not known, or cannot be read; the message names it.
    """
    try:
        return _facts(given)
    except (ValueError, ArithmeticError, TypeError, AttributeError, LookupError) as error:
        raise KnowledgeError(f"given cannot be read: {error}") from error


def _named(terms_there: Iterable[_Term], key: str, kind: str) -> _Term:
    """The term of this key."""
    found = next((term for term in terms_there if term.key == key), None)
    if found is None:
        raise KnowledgeError(f"given: no {kind} is called {key!r}")
    return found


def _about(entry: Any, main: str, parts: str) -> dict[str, Any]:
    """An entry as a table: a text alone stands for ``main``; ``parts`` names what else it may hold."""
    about: dict[str, Any] = entry if isinstance(entry, dict) else {main: entry}
    unknown = sorted(set(about) - {main, *parts.split()})
    if unknown:
        raise KnowledgeError(f"given: {unknown} in {about} means nothing; {main} {parts} do")
    return about


def _facts(given: dict[str, Any]) -> Facts:
    specimen = given.get("specimen", "serum")
    results = [_result(name, printed, given, specimen) for name, printed in given.items() if name not in _SETTINGS]
    missing = tuple(_missing(entry, specimen) for entry in given.get("missing", ()))
    under_review: dict[str, Result | MissingData] = {m.specimen: m for m in missing if m.specimen}
    under_review |= {r.specimen: r for r in results if r.reference == "Observation/b2m"}
    facts = Facts(
        as_of=AS_OF,
        patient=_patient(given),
        under_review=under_review,
        results=tuple(results),
        problems=tuple(_problem(entry) for entry in given.get("problems", ())),
        unrecognised_problems=tuple(given.get("unrecognised_problems", ())),
        medications=tuple(_medication(entry) for entry in given.get("medications", ())),
        unrecognised_medications=tuple(given.get("unrecognised_medications", ())),
        procedures=tuple(_procedure(entry) for entry in given.get("procedures", ())),
        coded=tuple(_coded(item, entry) for item, entry in given.get("coded", {}).items()),
        missing=missing,
        unknown=_groups(given.get("unknown", ())),
        specimen=specimen,
    )
    return _with_orders(facts, given) if "ordered" in given else facts


def _with_orders(facts: Facts, given: dict[str, Any]) -> Facts:
    """The facts at the time at which B2M tests are being ordered."""
    planned = read_moment(day(given["planned_days"])) if "planned_days" in given else None
    about = [_about(entry, "specimen", "loinc") for entry in given["ordered"]]
    tests = [_named(terms.analytes().values(), _B2M[each["specimen"]], "B2M") for each in about]
    codes = [each.get("loinc", test.loinc[0].code) for each, test in zip(about, tests, strict=True)]
    others = [_named(terms.analytes().values(), key, "analyte") for key in given.get("also_ordered", ())]
    return replace(
        facts,
        as_of=TAKEN,
        specimen=tests[0].specimen,
        ordered=tuple(
            OrderedTest(t.key, t.specimen, code, planned=planned) for t, code in zip(tests, codes, strict=True)
        ),
        also_ordered=frozenset(analyte.key for analyte in (*tests, *others)),
    )


def _groups(named: Iterable[str]) -> frozenset[str]:
    known = prefetch_templates()
    unheard = sorted(set(named) - set(known))
    if unheard:
        raise KnowledgeError(f"given: unknown = {unheard}; expected some of {sorted(known)}")
    return frozenset(named)


def _result(name: str, entry: Any, given: dict[str, Any], specimen: str) -> Result:
    about = _about(entry, "is", "days dated loinc provisional upper_limit lower_limit laboratory method analyte")
    key = name.split("@")[0]
    key = about.get("analyte") or (_B2M[specimen] if key == "b2m" else key)
    analyte = _named(terms.analytes().values(), key, "setting or analyte")
    match = _PRINTED.fullmatch(about["is"])
    unit = units.read_unit({"unit": match["unit"]}) if match else None
    if match is None or unit is None or isinstance(unit, Reason):
        raise KnowledgeError(f"given: {name} = {about['is']!r} is not a number with a unit that is known")
    canonical = units.convert(Decimal(match["number"]), match["comparator"] or "", unit, analyte)
    loinc = about.get("loinc") or next((c.code for c in analyte.loinc if units.fits(unit, c)), "")
    if canonical is None or not loinc:
        raise KnowledgeError(f"given: {name} = {about['is']!r} is not in a unit of {analyte.label}")
    upper = about.get("upper_limit", given.get("upper_limit") if name == "b2m" else None)
    lower = about.get("lower_limit")
    taken = TAKEN + timedelta(days=float(about.get("days", 0)))
    when = read_moment(about.get("dated") or taken.isoformat())
    if when is None:
        raise KnowledgeError(f"given: {name} is dated {about['dated']!r}, which is no date")
    return Result(
        analyte=key,
        specimen=analyte.specimen,
        value=canonical.value,
        shown=canonical.shown,
        interval=canonical.interval,
        central=canonical.central,
        unit=analyte.canonical.reads,
        comparator=match["comparator"] or "",
        printed=about["is"],
        filed=units.filed_quantity(Decimal(match["number"]), match["comparator"] or "", unit, {"unit": match["unit"]}),
        printed_unit=canonical.printed_unit,
        when=when,
        loinc=loinc,
        reference=f"Observation/{name}",
        provisional=about.get("provisional", False),
        reference_range=_range(upper, lower),
        suspicion=units.suspicion(canonical, analyte),
        laboratory=about.get("laboratory", ""),
        method=about.get("method", ""),
    )


def _range(upper: str | None, lower: str | None = None) -> ReferenceRange | None:
    if upper is None and lower is None:
        return None
    low, high = (None if limit in (None, "as text") else Decimal(limit) for limit in (lower, upper))
    return ReferenceRange(low, high, f"up to {upper}" if lower is None else f"{lower} to {upper or ''}")


def _missing(entry: dict[str, Any], specimen: str) -> MissingData:
    entry = _about(entry, "item", "reason printed days hint under_review")
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
    """The date so many days from the B2M."""
    return (TAKEN + timedelta(days=days)).date().isoformat()


def _problem(entry: Any) -> Problem:
    about = _about(entry, "key", "onset_days onset code clinical verification abated ended_days")
    term = _named(terms.problem_terms(), about["key"], "problem")
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


def _medication(entry: Any) -> Medication:
    """A drug by its key: begun ``days`` from the B2M (None: undated), ordered unless ``evidence`` says otherwise."""
    about = _about(entry, "key", "days ended_days evidence ongoing systemic")
    term = _named(treatments.drug_terms(), about["key"], "drug")
    return Medication(
        key=term.key,
        label=term.label,
        classes=frozenset(term.classes),
        code="any",
        evidence=Evidence(about.get("evidence", "ordered")),
        ongoing=about.get("ongoing", True),
        systemic=about.get("systemic", True) if about.get("systemic") != "unknown" else None,
        start=None if about.get("days") == "unknown" else read_moment(day(about.get("days", -30))),
        end=read_moment(day(about["ended_days"])) if "ended_days" in about else None,
        reference=f"MedicationRequest/{term.key}",
    )


def _procedure(entry: Any) -> Procedure:
    """A procedure by its key, ``days`` from the B2M ("unknown": undated)."""
    about = _about(entry, "key", "days ongoing")
    term = _named(treatments.procedure_terms(), about["key"], "procedure")
    when = None if about.get("days") == "unknown" else read_moment(day(about.get("days", -1)))
    return Procedure(term.key, term.label, "any", when, about.get("ongoing", False))


def _coded(item: str, entry: Any) -> CodedResult:
    """A coded result by its item, with an optional "@" and a name of its own behind it."""
    about = _about(entry, "is", "printed code days provisional")
    term = _named(coded_terms(), item.split("@")[0], "coded item")
    return CodedResult(
        item=term.key,
        label=term.label,
        presence=Presence(about["is"]),
        printed=str(about.get("printed", about["is"])),
        code=about.get("code", "any"),
        when=None if about.get("days") == "unknown" else read_moment(day(about.get("days", -2))),
        provisional=about.get("provisional", False),
        reference=f"Observation/{term.key}",
    )
