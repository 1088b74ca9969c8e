"""Serum B2M on dialysis, or after a session: what it is not compared with, and what is published as context."""

from cds_service.facts import Facts, Procedure, Result
from cds_service.knowledge import states
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.states import Dialysis
from cds_service.knowledge.terms import limit

_POST_DIALYSIS = "post-dialysis serum"
_BLOOD = {"haemodialysis", "haemodiafiltration", "haemofiltration"}
_PERITONEAL = {"peritoneal-dialysis"}
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
        return rule.finding("unclear", facts.specimen, values={"b2m": b2m.display}, inputs=(b2m,))
    sessions = _sessions(facts)
    outcome = "post_dialysis" if post else _outcome(facts, sessions)
    return rule.finding(
        outcome,
        facts.specimen,
        values={"b2m": b2m.display, "modality": _modality(facts, sessions)},
        notes=_notes(facts, b2m, sessions, outcome, status),
        inputs=(b2m,),
    )


def _sessions(facts: Facts) -> tuple[Procedure, ...]:
    """The dialysis procedures that tell the kind: those near the B2M, else those of some weeks before."""
    recent = states.dialysis_sessions(facts, limit("dialysis_session_days_to"))
    return recent or states.dialysis_sessions(facts, limit("dialysis_unclear_days_to"))


def _outcome(facts: Facts, sessions: tuple[Procedure, ...]) -> str:
    kinds = {session.key for session in sessions} & (_BLOOD | _PERITONEAL)
    if _named_by_diagnosis(facts):
        kinds |= {"haemodialysis"}
    if kinds and kinds <= _BLOOD:
        return "haemodialysis"
    return "peritoneal" if kinds == _PERITONEAL else "modality_open"


def _named_by_diagnosis(facts: Facts) -> bool:
    return any(_DEPENDS_ON_HAEMODIALYSIS in p.code.split() for p in states.active(facts, "dialysis"))


def _modality(facts: Facts, sessions: tuple[Procedure, ...]) -> str:
    """The kinds of dialysis in words, and the day of the last procedure."""
    labels = [session.label for session in sessions if session.key in _BLOOD | _PERITONEAL]
    labels += ["haemodialysis"] if _named_by_diagnosis(facts) else []
    kinds = ", ".join(dict.fromkeys(labels)) or "modality not stated"
    last = max((session.when.last for session in sessions if session.when), default=None)
    return f"{kinds}; last recorded {last.isoformat()}" if last else kinds


def _notes(
    facts: Facts, b2m: Result, sessions: tuple[Procedure, ...], outcome: str, status: Dialysis
) -> tuple[str, ...]:
    coded = any(states.is_confirmed(p) for p in states.active(facts, "dialysis"))
    same_day = any(s.when and s.when.is_precise and s.when.last >= b2m.when.first for s in sessions)
    by_blood = outcome in ("haemodialysis", "modality_open")
    asked = {
        "not_in_chart": status is Dialysis.NO,
        "by_procedure": status is Dialysis.YES and not coded,
        "pre_post_unknown": by_blood and not same_day,
        "same_day_session": by_blood and same_day,
        "residual": outcome != "post_dialysis",
        "target": by_blood,
        "association": by_blood,
    }
    return tuple(note for note, holds in asked.items() if holds)
