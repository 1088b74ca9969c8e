"""What serum B2M means in lymphomas that have no index here: said beside another finding, grading nothing."""

from cds_service.facts import Facts
from cds_service.knowledge import context, lymphoid
from cds_service.knowledge.model import Finding, Rule

_BY_KEY = {
    "hodgkin-lymphoma": "hodgkin",
    "mantle-cell-lymphoma": "mantle_cell",
    "dlbcl": "dlbcl",
    "sll": "small_lymphocytic",
    "cns-lymphoma": "other",
    "lymphoma": "other",
}
#: What is said of these is of the time before treatment.
_BEFORE_TREATMENT = {kind.key: kind for kind in (lymphoid.HODGKIN, lymphoid.MANTLE_CELL, lymphoid.DLBCL)}
#: Beside a named disease a less exact entry is the same one: SLL beside CLL, lymphoma beside any.
_SAID_BY_ANOTHER = {
    "sll": ("cll", "cll-relapse"),
    "lymphoma": ("cll", "cll-relapse", "follicular-lymphoma", "waldenstrom"),
}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Speaks of the first of these lymphomas that is active, confirmed, and untreated where that matters."""
    b2m = lymphoid.readable_b2m(facts)
    if b2m is None:
        return None
    there = [
        outcome
        for key, outcome in _BY_KEY.items()
        if context.present(facts, key)
        and not context.present(facts, *_SAID_BY_ANOTHER.get(key, ()))
        and not (key in _BEFORE_TREATMENT and lymphoid.is_treated(facts, _BEFORE_TREATMENT[key], b2m.when))
    ]
    if not there:
        return None
    notes = tuple(note for note, holds in lymphoid.confounders(facts, b2m.when).items() if holds)
    return rule.finding(there[0], facts.specimen, notes=notes, inputs=(b2m,))
