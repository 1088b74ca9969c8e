"""What to order with a B2M that is being ordered, and what of collection and timing decides whether it can be read."""

from cds_service.facts import Facts, Moment
from cds_service.knowledge import companions, myeloma, states, terms, urine
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.proposals import order_of
from cds_service.knowledge.states import Dialysis
from cds_service.knowledge.terms import limit
from cds_service.knowledge.treatment import Treatment, course_before

#: By outcome, what is ordered with it, in order of use.
_TESTS = {
    "serum": ("kidney",),
    "myeloma": ("albumin", "creatinine", "ldh"),
    "dialysis": (),
    "post_dialysis": ("b2m-serum-before-session",),
    "urine": ("urine-ph", "b2m-serum", "urine-creatinine", "kidney"),
    "urine ratio": ("urine-ph", "b2m-serum", "kidney"),
    "24 h urine": ("b2m-serum", "kidney"),
    "CSF": ("b2m-serum-beside-csf",),
}
_SERUM = ("serum", "post-dialysis serum")
_POST_DIALYSIS = "b2m-serum-post-dialysis"
_OUTCOMES = {"urine ratio": "urine", "24 h urine": "urine_24h", "CSF": "csf"}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Names what is neither ordered nor recent; on dialysis it also tells when to take the sample."""
    when = facts.taken
    if facts.order is None or when is None:
        return None
    about = _about_serum(facts, rule, when) if facts.specimen in _SERUM else _about_urine_or_csf(facts, when)
    found = companions.to_order(facts, rule, _TESTS[about]) if about else ()
    if not found and about != "dialysis":
        return None
    analytes = [terms.analytes()[test.key] for test in found]
    return rule.finding(
        _OUTCOMES.get(about, about),
        facts.specimen,
        values={"tests": ", ".join(_called(analyte, facts.specimen) for analyte in analytes)},
        notes=_notes(facts, about, {analyte.group for analyte in analytes}),
        thresholds=tuple(dict.fromkeys(test.within for test in found if test.within)),
        proposals=tuple(order_of(analyte, rule.orders[analyte.key]) for analyte in analytes),
    )


def _called(analyte: terms.Analyte, beside: str) -> str:
    """An analyte by its name; beside urine it is said which creatinine is meant."""
    of_serum = analyte.key == "creatinine" and beside in urine.SPECIMENS
    return f"{analyte.specimen} {analyte.short}" if of_serum else analyte.short


def _about_serum(facts: Facts, rule: Rule, when: Moment) -> str:
    """Which question a serum B2M raises; "" for none."""
    if facts.specimen != "serum":
        return "post_dialysis"
    if states.dialysis(facts) is Dialysis.YES:
        return "" if _is_peritoneal(facts) or _POST_DIALYSIS in facts.also_ordered else "dialysis"
    return "myeloma" if _is_to_be_staged(facts, rule, when) else "serum"


def _about_urine_or_csf(facts: Facts, when: Moment) -> str:
    """The kind of specimen where a rule would read its result; "" where none would."""
    if states.pregnant(facts, when):
        return ""
    if facts.specimen in urine.SPECIMENS:
        return "" if states.dialysis(facts) is Dialysis.YES else facts.specimen
    return facts.specimen if states.is_child(facts, when) is False else ""


def _is_peritoneal(facts: Facts) -> bool:
    sessions = states.dialysis_sessions(facts, limit("dialysis_session_days_to"))
    return bool(sessions) and all(session.key == "peritoneal-dialysis" for session in sessions)


def _is_to_be_staged(facts: Facts, rule: Rule, when: Moment) -> bool:
    """Whether the B2M may be for a stage of newly diagnosed, untreated myeloma, by the problems and drugs at hand."""
    days = states.days_from_diagnosis(facts, when, "myeloma")
    return (
        any(states.is_confirmed(p) for p in states.active(facts, "myeloma"))
        and not states.myeloma_returned_or_in_remission(facts)
        and not states.active(facts, "smouldering-myeloma")
        and not states.stem_cells_transplanted(facts, when)
        and states.is_child(facts, when) is not True
        and (days is None or days[0] <= rule.value("diagnosis_days_to"))
        and course_before(facts, when, *myeloma.ANTI_MYELOMA).treatment is not Treatment.BEGUN
    )


def _notes(facts: Facts, about: str, groups: set[str]) -> tuple[str, ...]:
    doubts = {
        "chart_in_part": bool(facts.unknown & groups),
        "problems_unknown": about == "serum" and "conditions" in facts.unknown,
        "treatment_unknown": about == "myeloma" and "medications" in facts.unknown,
        "dialysis_unclear": about in ("serum", "myeloma") and states.dialysis(facts) is Dialysis.UNCLEAR,
    }
    return tuple(note for note, holds in doubts.items() if holds)
