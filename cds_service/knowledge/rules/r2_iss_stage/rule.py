"""The R2-ISS points and group of newly diagnosed myeloma, as ranges where something is not known."""

from cds_service.facts import Facts, legible
from cds_service.knowledge import cytogenetics, myeloma, revised_iss
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.revised_iss import R2_ISS_GROUPS

_POINTS = {"del-17p": "del_17p", "t-4-14": "t_4_14", "gain-1q": "gain_1q"}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Counts points for what ISS stages, where LDH or one of the abnormalities is known."""
    b2m = myeloma.to_stage(facts, rule)
    if b2m is None:
        return None
    albumins, _ = myeloma.albumins_beside(facts, rule, b2m)
    iss = myeloma.iss_stages(b2m.interval, albumins, rule)
    ldh = revised_iss.ldh_beside(facts, rule, b2m)
    lesions = {key: cytogenetics.lesion(facts, rule, b2m, key) for key in _POINTS}
    adverse = {"ldh": ldh.high} | {_POINTS[key]: lesion.present for key, lesion in lesions.items()}
    points = revised_iss.r2_iss_points(iss, adverse, rule)
    groups = revised_iss.r2_iss_groups(points, rule)
    if set(adverse.values()) == {None} or groups == R2_ISS_GROUPS:
        return None
    values = {
        "points": " to ".join(dict.fromkeys(legible(end.normalize()) for end in (min(points), max(points)))),
        "groups": " or ".join(filter(None, (", ".join(groups[:-1]), groups[-1]))),
        "basis": f"ISS {myeloma.numerals(iss)}; {ldh.described}; {cytogenetics.described(lesions.values())}",
    }
    return rule.finding(
        "several_groups" if len(groups) > 1 else "one_group",
        facts.specimen,
        values=values,
        notes=revised_iss.notes_on_inputs(facts, rule, b2m, ldh, lesions),
        inputs=(b2m, *albumins, *ldh.results),
        thresholds=("ldh_limits_above",) if ldh.high is not None else (),
    )
