"""Inflammatory disease in the problem list beside a raised serum B2M, with its evidence and CRP, ESR and ferritin."""

from cds_service.facts import Facts, Result
from cds_service.knowledge import context, states
from cds_service.knowledge.model import Finding, Rule

_MARKERS = ("crp", "esr", "ferritin")
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
    return _found(facts, rule, b2m, "inflammation", diseases) if b2m and diseases else None


def _side_of_hlh_limit(facts: Facts, rule: Rule, b2m: Result) -> tuple[str, ...]:
    """The limit is of adults with lymphoma-associated HLH: nothing of it for others, or at an age not known."""
    if states.is_child(facts, b2m.when) is not False or not states.active(facts, *states.LYMPHOID):
        return ()
    return (_SIDE_OF_HLH_LIMIT[b2m.interval.is_above(rule.value("hlh_worse_above"))],)


def _found(facts: Facts, rule: Rule, b2m: Result, outcome: str, notes: tuple[str, ...]) -> Finding:
    markers = context.beside(facts, b2m.when, rule.value("markers_days_to"), *_MARKERS)
    return rule.finding(
        outcome,
        facts.specimen,
        values={"markers": context.in_words(markers, b2m.when) or "no CRP, ESR or ferritin result"},
        notes=notes,
        inputs=(b2m, *markers),
        thresholds=(
            *(("hlh_worse_above",) if set(notes) & set(_SIDE_OF_HLH_LIMIT.values()) else ()),
            "markers_days_to",
        ),
    )
