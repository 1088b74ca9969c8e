"""The R2-ISS points and group of newly diagnosed myeloma, as ranges where something is not known."""

from collections.abc import Collection
from decimal import Decimal

from cds_service.facts import Facts, legible
from cds_service.knowledge import myeloma, revised_iss, scores
from cds_service.knowledge.cytogenetics import if_found_earlier
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.revised_iss import R2_ISS_GROUPS, Basis

_POINTS = {"del-17p": "del_17p", "t-4-14": "t_4_14", "gain-1q": "gain_1q"}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Counts points for what ISS stages, where LDH or one of the abnormalities is known."""
    basis = revised_iss.basis(facts, rule, _POINTS)
    if basis is None:
        return None
    points = revised_iss.r2_iss_points(basis.iss, _adverse(basis), rule)
    groups = revised_iss.r2_iss_groups(points, rule)
    if set(_adverse(basis).values()) == {None} or groups == R2_ISS_GROUPS:
        return None
    values = {
        "points": _in_words(points),
        "groups": scores.one_of(groups),
        "basis": basis.described,
        "found_earlier": _by_earlier(basis, groups, rule),
        "before": _by_b2m_before(facts, rule, basis, groups),
    }
    also = myeloma.also_raised(facts)
    return rule.finding(
        "several_groups" if len(groups) > 1 else "one_group",
        facts.specimen,
        values=values | also.values | {"off_dialysis": myeloma.off_dialysis(facts)},
        notes=(*revised_iss.notes_on_basis(facts, rule, basis), *also.notes),
        inputs=basis.results,
        coded=basis.coded,
        thresholds=basis.thresholds,
    )


def _adverse(basis: Basis) -> dict[str, bool | None]:
    return {"ldh": basis.ldh.high} | {_POINTS[key]: lesion.present for key, lesion in basis.lesions.items()}


def _by_earlier(basis: Basis, groups: tuple[str, ...], rule: Rule) -> str:
    points = revised_iss.r2_iss_points(basis.iss, _adverse(basis.with_found_earlier()), rule)
    counted = revised_iss.r2_iss_groups(points, rule)
    would = f"R2-ISS would be {scores.one_of(counted)} ({_in_words(points)})"
    return if_found_earlier(would if counted != groups else "")


def _by_b2m_before(facts: Facts, rule: Rule, basis: Basis, groups: tuple[str, ...]) -> str:
    """What the group would be by a B2M of before drugs that may be treatment; "" where it is the same."""
    found = revised_iss.by_b2m_before_drugs(facts, rule, basis)
    if found is None:
        return ""
    points = revised_iss.r2_iss_points(found[0].iss, _adverse(basis), rule)
    otherwise = revised_iss.r2_iss_groups(points, rule)
    said = f"By the serum B2M of before {found[1].begun}: {scores.one_of(otherwise)} ({_in_words(points)})."
    return said if otherwise != groups else ""


def _in_words(points: Collection[Decimal]) -> str:
    """The points or their range, with their noun: "1 point", "1.5 to 3 points"."""
    ends = dict.fromkeys(legible(end.normalize()) for end in (min(points), max(points)))
    return f"{' to '.join(ends)} {'point' if set(points) == {scores.ONE_POINT} else 'points'}"
