"""Serum B2M on dialysis, or after a session: what it is not compared with, and what is published as context."""

from cds_service.facts import Facts, Moment, Procedure, Result
from cds_service.knowledge import context, series, states
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.states import Dialysis
from cds_service.knowledge.terms import limit

_POST_DIALYSIS = "post-dialysis serum"
_BLOOD = {"haemodialysis", "haemodiafiltration", "haemofiltration"}
_PERITONEAL = {"peritoneal-dialysis"}
#: Haemofiltration is not among them: of longer ago it bridged an acute illness.
_LASTING = {"haemodialysis", "haemodiafiltration"} | _PERITONEAL
#: Of adults on long-term dialysis; haemofiltration is of an acute illness.
_EXPECTED_HIGH = ("haemodialysis", "peritoneal", "modality_open")
_MOST_ENTRIES, _MOST_CREATININES = 4, 2
#: SNOMED CT: dependence on haemodialysis due to end-stage renal disease, the one diagnosis that names the kind.
_DEPENDS_ON_HAEMODIALYSIS = "428982002"


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Speaks of every readable serum B2M on dialysis, in doubt about it, and of a post-dialysis sample."""
    b2m = facts.b2m
    status = states.dialysis(facts)
    post = facts.specimen == _POST_DIALYSIS
    if b2m is None or (status is Dialysis.NO and not post):
        return None
    if status is Dialysis.UNCLEAR and not post:
        near = facts.within(("creatinine",), b2m.when, limit("dialysis_creatinine_days_to"))[:_MOST_CREATININES]
        values = {"b2m": b2m.display, "entries": _entries(facts), "creatinine": context.in_words(near, b2m.when)}
        note = "creatinine_of_child" if near and _of_child(facts, b2m) else "creatinine" if near else "no_creatinine"
        return rule.finding("unclear", facts.specimen, values=values, notes=(note,), inputs=(b2m, *near))
    sessions = _sessions(facts, b2m)
    outcome = "post_dialysis" if post else "child" if _of_child(facts, b2m) else _outcome(facts, sessions)
    acute = _acute(facts, rule, b2m)
    low = outcome in _EXPECTED_HIGH and not acute and b2m.interval.is_below(rule.value("low_below")) is True
    return rule.finding(
        outcome,
        facts.specimen,
        values={"b2m": b2m.display, "modality": _modality(facts, sessions), "acute": acute},
        notes=(("low",) if low else ()) + _notes(facts, b2m, sessions, outcome, acute=bool(acute)),
        inputs=(b2m,),
        thresholds=("low_below",) if low else (),
    )


def _of_child(facts: Facts, b2m: Result) -> bool:
    return states.is_child(facts, b2m.when) is True


def _entries(facts: Facts) -> str:
    """What the chart holds of dialysis, end-stage kidney disease and transplantation, with its dates."""
    problems = states.active(facts, "dialysis", "end-stage-kidney-disease", "kidney-transplant")
    found = [f"{p.label} ({_dated(p.onset)})" for p in problems]
    procedures = [p for p in facts.procedures if p.key in _BLOOD | _PERITONEAL | {"dialysis", "kidney-transplantation"}]
    found += [f"{p.label} ({_dated(p.when)})" for p in procedures]
    told = list(dict.fromkeys(found))
    return ", ".join(told[:_MOST_ENTRIES]) + (" and others" if len(told) > _MOST_ENTRIES else "")


def _dated(when: Moment | None) -> str:
    return series.day_of(when) if when else "no date"


def _sessions(facts: Facts, b2m: Result) -> tuple[Procedure, ...]:
    """The dialysis procedures that tell the kind: those near the B2M, else the last that the chart has.

    Without a code for dialysis only those of some weeks before count.
    """
    recent = states.dialysis_sessions(facts, limit("dialysis_session_days_to"))
    if any(session.key in _BLOOD | _PERITONEAL for session in recent):
        return recent
    if _is_coded(facts):
        return (*recent, *_last_of_any_age(facts, b2m))
    return recent or states.dialysis_sessions(facts, limit("dialysis_unclear_days_to"))


def _is_coded(facts: Facts) -> bool:
    return bool(states.dialysis_codes(facts))


def _last_of_any_age(facts: Facts, b2m: Result) -> tuple[Procedure, ...]:
    """The last lasting dialysis before the B2M, and after any transplantation."""
    grafted = [when.last for when in states.kidney_grafts(facts) if when]
    dated = [(p.when, p) for p in facts.procedures if p.when and p.key in _LASTING]
    before = [
        (when.last, p) for when, p in dated if when.first <= b2m.when.last and all(when.last > day for day in grafted)
    ]
    newest = max((day for day, _ in before), default=None)
    return tuple(p for day, p in before if day == newest)


def _outcome(facts: Facts, sessions: tuple[Procedure, ...]) -> str:
    kinds = {session.key for session in sessions} & (_BLOOD | _PERITONEAL)
    if _named_by_diagnosis(facts):
        kinds |= {"haemodialysis"}
    if "haemofiltration" in kinds and kinds <= _BLOOD:
        return "haemofiltration"
    if kinds and kinds <= _BLOOD:
        return "haemodialysis"
    return "peritoneal" if kinds == _PERITONEAL else "modality_open"


def _named_by_diagnosis(facts: Facts) -> bool:
    return any(_DEPENDS_ON_HAEMODIALYSIS in p.code.split() for p in states.active(facts, "dialysis"))


def _modality(facts: Facts, sessions: tuple[Procedure, ...]) -> str:
    """The kinds of dialysis in words, and the day of the last procedure."""
    named = [session for session in sessions if session.key in _BLOOD | _PERITONEAL]
    labels = [session.label for session in named]
    labels += ["haemodialysis"] if _named_by_diagnosis(facts) else []
    kinds = ", ".join(dict.fromkeys(labels)) or "modality not stated"
    last = max((session.when.last for session in named or sessions if session.when), default=None)
    return f"{kinds}; last recorded {last.isoformat()}" if last else kinds


def _acute(facts: Facts, rule: Rule, b2m: Result) -> str:
    """What in the chart says that dialysis may not be for long: acute kidney injury, a kidney newly transplanted."""
    found = [f"{p.label} ({_dated(p.onset)})" for p in states.acute_kidney_injuries(facts, b2m.when)]
    grafted = [when for when in states.kidney_grafts(facts) if when]
    lately = [when for when in grafted if when.days_until(b2m.when) <= rule.value("new_graft_days_to")]
    return ", ".join(found + [f"kidney transplant ({_dated(when)})" for when in lately[:1]])


def _notes(facts: Facts, b2m: Result, sessions: tuple[Procedure, ...], outcome: str, *, acute: bool) -> tuple[str, ...]:
    status = states.dialysis(facts)
    by_procedure = status is Dialysis.YES and not _is_coded(facts)
    same_day = any(s.when and s.when.is_precise and s.when.last >= b2m.when.first for s in sessions)
    by_blood = outcome in ("haemodialysis", "modality_open")
    for_long = not (by_procedure or acute)
    asked = {
        "not_in_chart": status is Dialysis.NO,
        "by_procedure": by_procedure,
        "acute": acute,
        "long_term": not for_long and by_blood,
        "pre_post_unknown": by_blood and not same_day,
        "same_day_session": by_blood and same_day,
        "residual": outcome in _EXPECTED_HIGH,
        "target": by_blood and for_long,
        "association": by_blood and for_long,
    }
    return tuple(note for note, holds in asked.items() if holds)
