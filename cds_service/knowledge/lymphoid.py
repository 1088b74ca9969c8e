"""What the rules on CLL, lymphoma and Waldenström ask alike: whether an index applies, and how it is concluded.

Each function takes the rule that asks: its own TOML holds the limits and the notes, under the same names in each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cds_service.facts import Facts, Moment, Problem, Result
from cds_service.knowledge import scores, states
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.treatment import Course, Treatment, baseline_ends, course_before

#: How an item is called that asks for the laboratory's own upper limit.
OWN_LIMIT = "{} above the laboratory's own limit"

_AGAINST_LYMPHOMA = ("anti-lymphoma", "possible-anti-lymphoma")
_AGAINST_MYELOMA = ("anti-myeloma", "possible-anti-myeloma")
_RETURNED_OR_REMISSION = {"recurrence", "relapse", "remission"}
_GRAVEST_FIRST = (Treatment.BEGUN, Treatment.POSSIBLY_BEGUN, Treatment.UNKNOWN, Treatment.NONE_RECOGNISED)
_NOTE_ON_TREATMENT = {
    Treatment.UNKNOWN: "treatment_unknown",
    Treatment.NONE_RECOGNISED: "no_treatment_recognised",
    Treatment.POSSIBLY_BEGUN: "treatment_possible",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A disease by its keys: the active ones first named, then those of its relapse and remission.

    ``not_beside``: beside one of these no index of it holds (transformed disease, another site). ``drugs``: the classes
    that show its treatment, each with the class that only may.
    """

    key: str
    relapse: tuple[str, ...] = ()
    remission: tuple[str, ...] = ()
    not_beside: tuple[str, ...] = ()
    drugs: tuple[tuple[str, str], ...] = (_AGAINST_LYMPHOMA,)


CLL = Kind("cll", ("cll-relapse",), ("cll-remission",), ("dlbcl",))
FOLLICULAR = Kind("follicular-lymphoma", (), ("follicular-lymphoma-remission",), ("dlbcl",))
DLBCL = Kind("dlbcl", (), ("dlbcl-remission",), ("cns-lymphoma",))
#: Waldenström is treated with proteasome inhibitors too.
WALDENSTROM = Kind("waldenstrom", (), ("waldenstrom-remission",), ("dlbcl",), (_AGAINST_LYMPHOMA, _AGAINST_MYELOMA))


@dataclass(frozen=True, slots=True)
class Disease:
    """An active, confirmed disease beside a B2M that may be interpreted, with what is known of its treatment.

    ``treated_from``: when the first drug after the B2M began. ``days``: the fewest and the most between its oldest
    recorded onset and the B2M, None where no onset is recorded. ``why_not``: the reason why no index of untreated
    disease applies ("returned", "transplanted", "treated"), or "".
    """

    b2m: Result
    problems: tuple[Problem, ...]
    course: Course
    treated_from: Moment | None
    days: tuple[int, int] | None
    why_not: str


def readable_b2m(facts: Facts) -> Result | None:
    """The B2M of an adult, or of an age not known, that is final, in no doubtful unit and not taken on dialysis."""
    b2m = facts.b2m
    if b2m is None or b2m.provisional or (b2m.suspicion and b2m.suspicion.likely_unit):
        return None
    if states.is_child(facts, b2m.when) is True or states.dialysis(facts) is states.Dialysis.YES:
        return None
    return b2m


def confirmed(facts: Facts, *keys: str) -> tuple[Problem, ...]:
    """The active problems of the given keys that are more than suspected."""
    return tuple(p for p in states.active(facts, *keys) if states.is_confirmed(p))


def in_chart(facts: Facts, kind: Kind) -> Disease | None:
    """The disease as the chart has it; None where it is not there, or nothing can be said of its B2M."""
    b2m, problems = readable_b2m(facts), confirmed(facts, kind.key, *kind.relapse)
    if b2m is None or not problems or states.active(facts, *kind.not_beside):
        return None
    courses = [course_before(facts, b2m.when, proof, hint) for proof, hint in kind.drugs]
    course = min(courses, key=lambda c: _GRAVEST_FIRST.index(c.treatment))
    found = {
        "returned": _returned(facts, kind),
        "transplanted": states.stem_cells_transplanted(facts, b2m.when),
        "treated": course.treatment is Treatment.BEGUN,
    }
    why_not = next((reason for reason, holds in found.items() if holds), "")
    classes = [drug_class for pair in kind.drugs for drug_class in pair]
    treated_from = baseline_ends(facts, b2m.when, *classes)
    return Disease(b2m, problems, course, treated_from, _days_from_diagnosis(facts, kind, b2m.when), why_not)


def _returned(facts: Facts, kind: Kind) -> bool:
    """Whether the chart tells of relapse or remission, by code or by clinical status."""
    coded = facts.problems_of(*kind.relapse, *kind.remission)
    by_status = (p for p in facts.problems_of(kind.key) if p.clinical_status in _RETURNED_OR_REMISSION)
    return any(p.verification_status not in states.REFUTED for p in (*coded, *by_status))


def _days_from_diagnosis(facts: Facts, kind: Kind, when: Moment) -> tuple[int, int] | None:
    """An entry that is over counts for the age of the disease, one that was refuted does not."""
    entries = facts.problems_of(kind.key, *kind.relapse, *kind.remission)
    onsets = [p.onset for p in entries if p.onset and p.verification_status not in states.REFUTED]
    if not onsets:
        return None
    oldest = min(onsets, key=lambda onset: onset.first)
    ends = [abs((when.first - day).days) for day in (oldest.first, oldest.last)]
    within = oldest.first <= when.first <= oldest.last
    return (0 if within else min(ends)), max(ends)


def no_index(facts: Facts, rule: Rule, disease: Disease) -> Finding:
    """Says why no index applies."""
    drug = disease.course.drug
    values = {"drug": drug.label} if drug and disease.why_not == "treated" else {}
    return rule.finding(disease.why_not, facts.specimen, values=values, inputs=(disease.b2m,))


def is_recent(rule: Rule, disease: Disease) -> bool:
    """Whether the diagnosis is recent, or not known to be older."""
    return disease.days is None or disease.days[0] <= rule.value("diagnosis_days_to")


# ------------------------------------------------------------------ the conclusion


def conclude(
    facts: Facts,
    rule: Rule,
    disease: Disease,
    items: Sequence[scores.Item],
    possible: Sequence[str],
    *,
    notes: tuple[str, ...] = (),
    thresholds: tuple[str, ...] = (),
) -> Finding:
    """The index: a finding of its own where the disease is new and few groups remain, else something said beside."""
    narrow = len(possible) <= rule.value("groups_left_to")
    missing = [item.name for item in items if not item.is_known]
    values = {
        "b2m": shown(disease.b2m, rule.placeholders["b2m"]),
        "groups": scores.one_of(possible),
        "points": scores.span(scores.totals(items)),
        "counted": _counted(items),
        "missing": ", ".join(missing),
    }
    return rule.finding(
        "index" if narrow and is_recent(rule, disease) else "beside",
        facts.specimen,
        values={name: text for name, text in values.items() if name in rule.placeholders},
        notes=(*(("missing",) if missing else ()), *notes, *_notes(facts, rule, disease)),
        inputs=(disease.b2m, *(result for item in items for result in item.results if result is not disease.b2m)),
        thresholds=thresholds,
    )


def shown(result: Result, longest: int) -> str:
    """A result for reading: as filed with its canonical quantity, or that alone where both are too long."""
    return result.display if len(result.display) <= longest else result.quantity


def _counted(items: Iterable[scores.Item]) -> str:
    known = [(item.name, max(item.points)) for item in items if item.is_known]
    return ", ".join(f"{name} {points:f}" for name, points in known if points) or "nothing"


def _notes(facts: Facts, rule: Rule, disease: Disease) -> tuple[str, ...]:
    when, days = disease.b2m.when, disease.days
    asked = {
        _NOTE_ON_TREATMENT[disease.course.treatment]: True,
        "diagnosed_earlier": not is_recent(rule, disease),
        "onset_unknown": days is None or days[0] <= rule.value("diagnosis_days_to") < days[1],
        "status_unstated": any(not (p.clinical_status and p.verification_status) for p in disease.problems),
        "age_unknown": states.is_child(facts, when) is None,
        **confounders(facts, when),
    }
    return tuple(note for note, holds in asked.items() if holds)


def confounders(facts: Facts, when: Moment) -> dict[str, bool]:
    """What else in the chart keeps a B2M from speaking of a lymphoid disease alone, by the name of its note."""
    return {
        "dialysis_unclear": states.dialysis(facts) is states.Dialysis.UNCLEAR,
        "pregnancy": states.pregnant(facts, when),
        "hlh": bool(states.active(facts, "hlh")),
    }


def near_limit(rule: Rule, b2m: Result, limit: str) -> tuple[str, ...]:
    """The note on a B2M so near to the threshold ``limit`` that another laboratory might give another answer."""
    near = scores.is_near(b2m, rule.value(limit), rule.value("near_percent_to"))
    return ("near_limit",) if near else ()


def level_item(b2m: Result, holds: bool | None, worth: Decimal = scores.ONE_POINT) -> scores.Item:
    """The item that counts the B2M itself."""
    return scores.yes_or_no("serum B2M", holds, worth, (b2m,))
