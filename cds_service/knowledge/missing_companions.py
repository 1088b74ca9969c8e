"""What a B2M result is read beside and could not be used, in words: only what the rules of its specimen ask for.

What was measured too long ago is a missing test (companions), not one that could not be used.
"""

from cds_service.facts import Facts, MissingData, Reason
from cds_service.knowledge import kidney, states, terms
from cds_service.knowledge.model import Rule

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
    "b2m": "other B2M results",
    "kidney": "kidney results",
    "myeloma": "myeloma companions",
    "conditions": "problem list",
    "urine": "urine results",
    "medications": "medication list",
    "procedures": "procedures",
    "blood": "blood counts",
    "other": "cytogenetics",
}
_LIST_IN_PART = "problem list (incomplete: relapse, transplant or dialysis may be missing from it)"
#: What the medication list is asked for beside a serum level that is or may be raised.
_CONFOUNDERS = "not checked in full for interferon alfa, ciclosporin, lithium"
_NEEDED_OF_GROUP = {"kidney": "creatinine", "myeloma": "albumin", "urine": "urine-ph"}
_URINE = ("b2m", "urine", "conditions", "medications")
_GROUPS_OF_SPECIMEN = {
    "serum": ("b2m", "kidney", "myeloma", "conditions"),
    "post-dialysis serum": ("b2m", "conditions", "procedures"),
    "urine": _URINE,
    "24 h urine": _URINE,
    "urine ratio": _URINE,
    "CSF": ("b2m", "conditions"),
    "CSF/serum ratio": ("conditions",),
}
#: Of other groups the single analytes that a specimen is read beside.
_ALSO_IN_URINE = ("creatinine", "phosphate", *states.CADMIUM)
_ITEMS_OF_SPECIMEN = dict.fromkeys(("urine", "24 h urine", "urine ratio"), _ALSO_IN_URINE)
_TRANSPLANTS = ("stem-cell-transplant", "kidney-transplant", "kidney-transplant-rejection", "other-transplant")
_KIDNEY_REPLACEMENT = ("dialysis", "end-stage-kidney-disease", "ckd", "acute-kidney-injury")
#: Groups that serum is read beside only where one of these diagnoses is in the chart.
_WITH_DIAGNOSIS = {
    "medications": ("myeloma", *states.LYMPHOID, *_TRANSPLANTS),
    "procedures": ("myeloma", *_KIDNEY_REPLACEMENT, *_TRANSPLANTS),
    "blood": states.LYMPHOID,
    "other": ("myeloma", "cll", "cll-relapse"),
}
_MOST_NAMED = 6


def in_words(facts: Facts, rule: Rule) -> str:
    """What could not be used, and why, as one phrase; "" where nothing is lacking.

    The limits in time and the level that counts as raised are those of the rule that asks.
    """
    raised = _may_be_raised(facts, rule)
    groups = _groups(facts, raised=raised)
    said = [
        _named(m, raised=raised)
        for m in facts.missing
        if m.reason in _SAID_AS
        and (_group_of(m) in groups or m.item in _ITEMS_OF_SPECIMEN.get(facts.specimen, ()))
        and m is not facts.b2m_missing
        and not _replaced(facts, m)
        and not _needless(facts, m, rule)
    ]
    unique = list(dict.fromkeys(said))
    return ", ".join(unique[:_MOST_NAMED]) + (" and others" if len(unique) > _MOST_NAMED else "")


def _named(missing: MissingData, *, raised: bool) -> str:
    if missing.item == "conditions" and missing.reason is Reason.INCOMPLETE:
        return _LIST_IN_PART
    matters = f"; {_CONFOUNDERS}" if missing.item == "medications" and raised else ""
    return f"{_GROUPS.get(missing.item) or terms.analytes()[missing.item].short} ({_SAID_AS[missing.reason]}{matters})"


def _groups(facts: Facts, *, raised: bool) -> tuple[str, ...]:
    """The groups that the rules of this specimen read; drugs also matter to a raised serum level."""
    always = _GROUPS_OF_SPECIMEN.get(facts.specimen, ())
    if facts.specimen != "serum":
        return always
    asked = tuple(group for group, keys in _WITH_DIAGNOSIS.items() if states.active(facts, *keys))
    return (*always, *asked, *(("medications",) if raised else ()))


def _may_be_raised(facts: Facts, rule: Rule) -> bool:
    """Whether a serum level is, or may be, above the laboratory's limit, or above the lowest that laboratories give."""
    b2m = facts.b2m
    if b2m is None or facts.specimen != "serum":
        return False
    given = b2m.reference_range
    if given and given.high is not None:
        return given.is_exceeded_by(b2m.central) is not False
    return b2m.interval.is_above(rule.value("raised_above")) is not False


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
    within = "albumin_days_to" if missing.item == "myeloma" else kidney.creatinine_window(facts, facts.b2m.when)
    days = rule.value(within)
    nearest = facts.nearest((needed,), facts.b2m.when, days)
    return nearest is not None and nearest.when.days_until(facts.b2m.when) <= days
