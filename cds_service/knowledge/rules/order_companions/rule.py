"""What to order with a B2M that is being ordered, and what of collection and timing decides whether it can be read."""

from cds_service.facts import Facts, Moment
from cds_service.knowledge import companions, kidney, myeloma, states, terms, urine
from cds_service.knowledge.model import Finding, Proposal, Rule
from cds_service.knowledge.proposals import order_of
from cds_service.knowledge.states import Dialysis
from cds_service.knowledge.terms import limit
from cds_service.knowledge.treatment import Treatment

#: What tells active myeloma from what precedes it.
_OF_PLASMA_CELLS = ("creatinine", "calcium", "haemoglobin", "m-protein", "light-chains")
#: By outcome, what is ordered with it, in order of use.
_TESTS = {
    "serum": ("kidney",),
    "myeloma": ("albumin", "creatinine", "ldh"),
    "suspected_myeloma": (*_OF_PLASMA_CELLS, "albumin", "ldh"),
    "precursor": _OF_PLASMA_CELLS,
    "waldenstrom": ("haemoglobin", "platelets", "m-protein", "albumin", "ldh", "kidney"),
    "dlbcl": ("ldh", "kidney"),
    "follicular_lymphoma": ("haemoglobin", "kidney"),
    "dialysis": (),
    "post_dialysis": ("b2m-serum-before-session",),
    "urine": ("urine-ph", "b2m-serum", "urine-creatinine", "kidney"),
    "urine ratio": ("urine-ph", "b2m-serum", "kidney"),
    "24 h urine": ("b2m-serum", "kidney"),
    "CSF": ("b2m-serum-beside-csf",),
}
_CADMIUM = ("cadmium-urine", "cadmium-blood")
#: Haemofiltration mostly goes on by day and night, in an acute illness.
_NO_SESSIONS = {"peritoneal-dialysis", "haemofiltration"}
_SERUM = ("serum", "post-dialysis serum")
_POST_DIALYSIS = "b2m-serum-post-dialysis"
_COLLECTED = "24 h urine"
_OUTCOMES = {_COLLECTED: "urine_24h", "CSF": "csf"}
#: A stage or an index of untreated disease.
_BEFORE_TREATMENT = ("myeloma", "suspected_myeloma", "waldenstrom", "dlbcl", "follicular_lymphoma")
_COMPARED_BEFORE_SESSION = (*_BEFORE_TREATMENT, "precursor", "serum")
#: What is said whether or not a test is missing.
_ALWAYS = ("dialysis", "not_on_dialysis")
_LISTS = {"conditions", "procedures"}
_MOST_NAMED = 3


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Names what is neither ordered nor recent; on dialysis it also tells when to take the sample."""
    when = facts.taken
    if facts.order is None or when is None:
        return None
    about = _about_serum(facts, rule, when) if facts.specimen in _SERUM else _about_urine_or_csf(facts, when)
    found = companions.to_order(facts, rule, _tests(facts, about, when)) if about else ()
    if not found and about not in _ALWAYS:
        return None
    analytes = [terms.analytes()[test.key] for test in found]
    why = _why_no_fluid_load(facts, rule, when)
    called = [_called(analyte, facts.specimen) for analyte in analytes]
    return rule.finding(
        _outcome(about, why),
        facts.specimen,
        values={"tests": ", ".join(called), "named": _named(rule, called), "why": why},
        notes=_notes(facts, about, {analyte.group for analyte in analytes}, [a.key for a in analytes]),
        thresholds=tuple(dict.fromkeys(test.within for test in found if test.within)),
        proposals=tuple(_order(rule, analyte, about) for analyte in analytes),
    )


def _tests(facts: Facts, about: str, when: Moment) -> tuple[str, ...]:
    """What is asked for; first the markers of cadmium where an adult's urine is measured for it."""
    tests = _TESTS.get(about, ())
    for_cadmium = facts.specimen in urine.SPECIMENS and states.exposed_to_cadmium(facts)
    return (*_CADMIUM, *tests) if for_cadmium and states.is_child(facts, when) is not True else tests


def _outcome(about: str, why_no_fluid_load: str) -> str:
    if about in ("urine", "urine ratio"):
        return "urine_no_fluid_load" if why_no_fluid_load else "urine"
    return _OUTCOMES.get(about, about)


def _order(rule: Rule, analyte: terms.Analyte, about: str) -> Proposal:
    if about == "post_dialysis":
        return order_of(analyte, rule.orders["b2m-serum-before-session"], "before the session")
    return order_of(analyte, rule.orders[analyte.key])


def _named(rule: Rule, called: list[str]) -> str:
    """The tests, as far as a summary has room for them."""
    in_full = ", ".join(called)
    fits = len(in_full) <= rule.placeholders["named"]
    return in_full if fits else f"{', '.join(called[:_MOST_NAMED])} and others"


def _why_no_fluid_load(facts: Facts, rule: Rule, when: Moment) -> str:
    """Why no fluid load is named for this urine: the first reason that the chart gives, "" for none."""
    child, low = states.is_child(facts, when), rule.value("no_fluid_load_egfr_below")
    found = kidney.kidney_function(facts, when, rule.value("fluid_load_egfr_days_to"))
    reasons = {
        "under 18 years": child is True,
        "age not known": child is None,
        "acute kidney injury": kidney.is_acutely_injured(facts, when),
        "chronic kidney disease": bool(states.active(facts, "ckd", "end-stage-kidney-disease")),
        "heart failure": bool(states.active(facts, "heart-failure")),
        "eGFR below 30, or perhaps so": found is not None and found.egfr.is_below(low) is not False,
        "dialysis not excluded": states.dialysis(facts) is not Dialysis.NO,
        "problem list not given in full": "conditions" in facts.unknown,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _called(analyte: terms.Analyte, beside: str) -> str:
    """An analyte by its name; beside urine it is said which creatinine is meant."""
    of_serum = analyte.key == "creatinine" and beside in urine.SPECIMENS
    return f"{analyte.specimen} {analyte.short}" if of_serum else analyte.short


def _about_serum(facts: Facts, rule: Rule, when: Moment) -> str:
    """Which question a serum B2M raises; "" for none."""
    dialysis = states.dialysis(facts)
    if facts.specimen != "serum":
        known = dialysis is Dialysis.NO and not facts.unknown & _LISTS
        return "" if _has_no_sessions(facts) else "not_on_dialysis" if known else "post_dialysis"
    if dialysis is Dialysis.YES:
        return "" if _has_no_sessions(facts) or _POST_DIALYSIS in facts.also_ordered else "dialysis"
    found = _about_myeloma(facts, rule, when) or companions.index_awaited(facts, rule, when).replace("-", "_")
    return found or ("precursor" if companions.precursor(facts, when) else "serum")


def _about_urine_or_csf(facts: Facts, when: Moment) -> str:
    """The kind of specimen where a rule would read its result; "" where none would. A ratio may be of 24 hours."""
    if states.pregnant(facts, when):
        return ""
    if facts.specimen in urine.SPECIMENS:
        collected = facts.order is not None and companions.is_of_24_hours(facts.order.loinc)
        return "" if states.dialysis(facts) is Dialysis.YES else _COLLECTED if collected else facts.specimen
    return facts.specimen if states.is_child(facts, when) is False else ""


def _has_no_sessions(facts: Facts) -> bool:
    """Whether the dialysis recorded lately is only of the kinds that go on by day and night."""
    sessions = states.dialysis_sessions(facts, limit("dialysis_session_days_to"))
    return bool(sessions) and all(session.key in _NO_SESSIONS for session in sessions)


def _about_myeloma(facts: Facts, rule: Rule, when: Moment) -> str:
    """Whether the B2M may be for a stage of untreated myeloma, new or only suspected so far; "" for neither."""
    entries = states.active(facts, "myeloma")
    if not entries or not _is_untreated(facts, when):
        return ""
    if not any(states.is_confirmed(p) for p in entries):
        return "suspected_myeloma"
    days = states.days_from_diagnosis(facts, when, "myeloma")
    is_new = days is None or days[0] <= rule.value("diagnosis_days_to")
    return "myeloma" if is_new and not myeloma.may_still_smoulder(facts, entries) else ""


def _is_untreated(facts: Facts, when: Moment) -> bool:
    """Whether an adult's myeloma may still be before treatment, by the problems, drugs and procedures at hand."""
    return (
        not states.myeloma_returned_or_in_remission(facts)
        and not states.stem_cells_transplanted(facts, when)
        and states.is_child(facts, when) is not True
        and myeloma.course_before(facts, when).treatment is not Treatment.BEGUN
    )


def _notes(facts: Facts, about: str, groups: set[str], keys: list[str]) -> tuple[str, ...]:
    doubts = {
        "chart_in_part": bool(facts.unknown & groups),
        "problems_unknown": about == "serum" and "conditions" in facts.unknown,
        "lists_unknown": about == "post_dialysis" and bool(facts.unknown & _LISTS),
        "cadmium": bool(set(keys) & set(states.CADMIUM)),
        "treatment_unknown": about in _BEFORE_TREATMENT and "medications" in facts.unknown,
        "dialysis_unclear": about in _COMPARED_BEFORE_SESSION and states.dialysis(facts) is Dialysis.UNCLEAR,
    }
    return tuple(note for note, holds in doubts.items() if holds)
