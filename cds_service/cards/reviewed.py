"""What a card says of the review of its rules: the site's own sign-offs, and where there is none."""

from collections.abc import Iterable, Sequence

from cds_service.cards.markdown import escape
from cds_service.knowledge.model import Rule

_NOBODY = "No clinician has reviewed them."


def review_told(rules: Iterable[Rule]) -> str:
    """Who has reviewed the rules that speak on a card, as Markdown; nothing where the project's review says it all.

    A sign-off of another version, of other files or of other numbers is named and does not count.
    """
    speaking = list({rule.id: rule for rule in rules}.values())
    signed = [rule for rule in speaking if rule.signed_off]
    others = [r for r in speaking if not r.signed_off and r.review.status != "clinically reviewed"]
    if not others:
        told = f"Reviewed here: {_by_whom(signed)}." if signed else ""
    elif signed:
        counted = f"{len(signed)} of {len(speaking)} rules on this card reviewed here: {_by_whom(signed)}."
        told = f"{counted} No clinician has reviewed {_named(others)}."
    else:
        told = _NOBODY
    return f"{told} {_outdated(others)}".strip()


def _by_whom(signed: Sequence[Rule]) -> str:
    """Each sign-off once, the oldest first."""
    offs = sorted({(o.on, o.by, o.role) for o in (rule.signed_off for rule in signed) if o})
    return "; ".join(f"{escape(by)} ({escape(role)}), {on}" for on, by, role in offs)


def _named(rules: Sequence[Rule]) -> str:
    return ", ".join(rule.id for rule in rules)


def _outdated(rules: Sequence[Rule]) -> str:
    """The newest sign-off of each of these rules, where it is of what the rule no longer is."""
    offs = [(rule, rule.outdated_sign_offs[0]) for rule in rules if rule.outdated_sign_offs]
    said = "; ".join(
        f"{rule.id} {one.version}, {one.on}{' (changed since)' if one.version == rule.version else ''}"
        for rule, one in offs
    )
    return f"Outdated, so that it does not count: the review here of {said}." if said else ""
