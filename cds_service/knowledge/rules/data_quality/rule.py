"""Whether the B2M result under review, and what should be read beside it, can be interpreted at all."""

from decimal import Decimal

from cds_service.facts import Facts, MissingData, Reason, Result, legible
from cds_service.knowledge import states, terms
from cds_service.knowledge.model import Finding, Rule

_COVERED = {"serum", "urine"}
_PRINTED_LIMIT = 80
_SAID_AS = {
    Reason.NOT_GIVEN: "not given",
    Reason.INCOMPLETE: "given in part only",
    Reason.UNAVAILABLE: "could not be had",
    Reason.REFUSED: "refused by the FHIR server",
    Reason.LATE: "not received in time",
    Reason.NO_UNIT: "no unit",
    Reason.UNKNOWN_UNIT: "unit not known",
    Reason.UNIT_CONFLICT: "two units",
    Reason.WRONG_DIMENSION: "unit does not fit the code",
    Reason.NOT_CONVERTIBLE: "not convertible",
    Reason.IMPLAUSIBLE: "implausible",
    Reason.CONFLICT: "two results contradict each other",
    Reason.FUTURE: "dated in the future",
    Reason.NO_DATE: "no date",
    Reason.CODE_CONFLICT: "code and name, or two codes, contradict each other",
    Reason.UNCODED: "carries no code this service knows",
    Reason.SPECIMEN_CONFLICT: "specimen and code contradict each other",
    Reason.INVALID: "not readable",
    Reason.MODIFIER: "carries a modifier",
    Reason.NO_VALUE: "no value",
    Reason.UNREADABLE_VALUE: "value not readable",
    Reason.NO_SUBJECT: "does not say whose it is",
}
_GROUPS = {
    "kidney": "kidney results",
    "myeloma": "myeloma companions",
    "conditions": "problem list",
    "urine": "urine results",
}
_LIST_IN_PART = "problem list (incomplete: relapse, transplant or dialysis may be missing from it)"
_NEEDED_OF_GROUP = {"kidney": "creatinine", "myeloma": "albumin", "urine": "urine-ph"}
_GROUPS_OF_SPECIMEN = {"serum": ("b2m", "kidney", "myeloma", "conditions"), "urine": ("b2m", "urine", "conditions")}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """The gravest doubt leads; the others stand beside it as notes."""
    companions = _companions(facts, rule)
    values = {"companions": companions} if companions else {}
    asides = _asides(facts, companions)
    missing, b2m = facts.b2m_missing, facts.b2m
    if missing:
        values |= _values_of_missing(missing)
        return rule.finding(missing.reason.replace("-", "_"), facts.specimen, values=values, notes=asides)
    if b2m is None:
        return None
    values |= {"label": _label(b2m.analyte), "b2m": b2m.display}
    doubt = _doubt(facts, b2m)
    if doubt == "unit_doubt" and b2m.suspicion:
        values |= {"unit": b2m.suspicion.likely_unit, "otherwise": _otherwise(b2m)}
    said = [doubt, *asides] if doubt else list(asides)
    if not said:
        return None
    lead, *others = said
    return rule.finding(lead, facts.specimen, values=values, notes=tuple(others), inputs=(b2m,))


def _label(analyte: str) -> str:
    short = terms.analytes()[analyte].short
    return short[0].upper() + short[1:]


def _values_of_missing(missing: MissingData) -> dict[str, str]:
    values = {"label": _label(missing.item), "printed": missing.printed[:_PRINTED_LIMIT]}
    if missing.reason is Reason.IMPLAUSIBLE:
        values["otherwise"] = f"; the size of the number would fit {missing.hint}" if missing.hint else ""
    return values


def _doubt(facts: Facts, b2m: Result) -> str | None:
    if b2m.suspicion and b2m.suspicion.likely_unit:
        return "unit_doubt"
    if b2m.suspicion and states.dialysis(facts) is states.Dialysis.NO:
        return "very_high"
    if b2m.provisional:
        return "provisional"
    return None if b2m.specimen in _COVERED else "not_covered"


def _otherwise(b2m: Result) -> str:
    value = b2m.suspicion and b2m.suspicion.value
    return f"; it would then be {legible(value)} {b2m.unit}" if value else ""


def _asides(facts: Facts, companions: str) -> tuple[str, ...]:
    b2m = facts.b2m
    newer = b2m and any(_is_newer(r, b2m) for r in facts.series(b2m.analyte))
    in_error = b2m and any(
        m.reason is Reason.ENTERED_IN_ERROR and m.item == b2m.analyte and m.when and _after(m, b2m)
        for m in facts.missing
    )
    asked = {"newer_exists": newer, "later_in_error": in_error, "companions": bool(companions)}
    return tuple(name for name, holds in asked.items() if holds)


def _is_newer(other: Result, b2m: Result) -> bool:
    return other is not b2m and other.when.sort_key() > b2m.when.sort_key()


def _after(missing: MissingData, b2m: Result) -> bool:
    return missing.when is not None and missing.when.sort_key() > b2m.when.sort_key()


def _companions(facts: Facts, rule: Rule) -> str:
    """What could not be used, in words; only what this specimen is read beside."""
    groups = _GROUPS_OF_SPECIMEN.get(facts.specimen, ())
    said = [
        _LIST_IN_PART
        if m.item == "conditions" and m.reason is Reason.INCOMPLETE
        else f"{_GROUPS.get(m.item) or terms.analytes()[m.item].short} ({_SAID_AS[m.reason]})"
        for m in facts.missing
        if m.reason in _SAID_AS
        and _group_of(m) in groups
        and m is not facts.b2m_missing
        and not _replaced(facts, m)
        and not _needless(facts, m, rule)
    ]
    if facts.b2m and facts.specimen == "serum":
        said += _stale(facts, facts.b2m, rule)
    unique = list(dict.fromkeys(said))
    return ", ".join(unique[:6]) + (" and others" if len(unique) > 6 else "")


def _group_of(missing: MissingData) -> str:
    analyte = terms.analytes().get(missing.item)
    return analyte.group if analyte else missing.item


def _replaced(facts: Facts, missing: MissingData) -> bool:
    """Whether a readable result at least as new makes the unreadable one unimportant."""
    if missing.when is None:
        return False
    if missing.reason is Reason.UNCODED:
        return any(terms.analytes()[r.analyte].is_b2m and r.when.last >= missing.when.first for r in facts.results)
    return any(r.when.sort_key() >= missing.when.sort_key() for r in facts.series(missing.item))


def _needless(facts: Facts, missing: MissingData, rule: Rule) -> bool:
    """Whether a group came in part only, and the part held what is needed of it."""
    needed = _NEEDED_OF_GROUP.get(missing.item)
    if missing.reason is not Reason.INCOMPLETE or needed is None or facts.b2m is None:
        return False
    days = rule.value("albumin_days_to" if missing.item == "myeloma" else "creatinine_days_to")
    nearest = facts.nearest((needed,), facts.b2m.when, days)
    return nearest is not None and nearest.when.days_until(facts.b2m.when) <= days


def _stale(facts: Facts, b2m: Result, rule: Rule) -> list[str]:
    asked: dict[str, Decimal] = {"creatinine": rule.value("creatinine_days_to")}
    if states.active(facts, "myeloma"):
        asked["albumin"] = rule.value("albumin_days_to")
    said = []
    for key, days in asked.items():
        nearest = facts.nearest((key,), b2m.when, days)
        apart = nearest.when.days_until(b2m.when) if nearest else 0
        if nearest and apart > days:
            said.append(f"{terms.analytes()[key].short} ({apart} days from the B2M)")
    return said
