"""Inflammatory disease in the problem list beside a raised serum B2M, with its evidence and CRP, ESR and ferritin."""

from cds_service.facts import Facts, Result
from cds_service.knowledge import context, states, verdicts
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.verdicts import Judged

_OF_ACTIVITY = (verdicts.CRP, verdicts.ESR)
_MARKERS = (*_OF_ACTIVITY, verdicts.FERRITIN)
_NOTES = {
    "rheumatoid_arthritis": ("rheumatoid-arthritis",),
    "lupus_or_still": ("sle", "adult-onset-still"),
    "bowel": ("crohn", "ulcerative-colitis"),
    "sjogren": ("sjogren",),
    "sarcoidosis": ("sarcoidosis",),
}
_SIDE_OF_HLH_LIMIT = {True: "hlh_above", False: "hlh_not_above", None: "hlh_unclear"}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """HLH speaks beside any level that can be read, the other diseases only where a level is to be explained."""
    diseases = tuple(note for note, keys in _NOTES.items() if context.present(facts, *keys))
    b2m = context.readable(facts)
    if b2m and context.present(facts, "hlh"):
        return _found(facts, rule, b2m, "hlh", (*_side_of_hlh_limit(facts, rule, b2m), *diseases))
    b2m = context.level_to_explain(facts, rule)
    if not (b2m and diseases):
        return None
    active = [one.verdict.speaks_for for one in _markers(facts, rule, b2m) if one.companion in _OF_ACTIVITY]
    quiet = bool(active) and all(high is False for high in active)
    return _found(facts, rule, b2m, "inflammation_quiet" if quiet else "inflammation", diseases)


def _side_of_hlh_limit(facts: Facts, rule: Rule, b2m: Result) -> tuple[str, ...]:
    """The limit is of adults with lymphoma-associated HLH: nothing of it for others, or at an age not known."""
    if states.is_child(facts, b2m.when) is not False or not states.active(facts, *states.LYMPHOID):
        return ()
    return (_SIDE_OF_HLH_LIMIT[b2m.interval.is_above(rule.value("hlh_worse_above"))],)


def _markers(facts: Facts, rule: Rule, b2m: Result) -> tuple[Judged, ...]:
    """Those of which there is a result, each with how it lies by its own laboratory's limit."""
    near = verdicts.near(facts, b2m, rule.value("markers_days_to"), _MARKERS)
    return tuple(one for one in near if one.result)


def _found(facts: Facts, rule: Rule, b2m: Result, outcome: str, notes: tuple[str, ...]) -> Finding:
    markers = _markers(facts, rule, b2m)
    said = (one.with_distance(b2m.when) for one in markers)
    return rule.finding(
        outcome,
        facts.specimen,
        values={"markers": ", ".join(said) or "no CRP, ESR or ferritin result"},
        notes=notes,
        inputs=(b2m, *(one.result for one in markers if one.result)),
        thresholds=(
            *(("hlh_worse_above",) if set(notes) & set(_SIDE_OF_HLH_LIMIT.values()) else ()),
            "markers_days_to",
        ),
    )
