"""What the rules on CLL, lymphoma and Waldenström ask alike: whether an index applies, and how it is concluded.

Each function takes the rule that asks: its own TOML holds the limits and the notes, under the same names in each.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cds_service.facts import CodedResult, Facts, Medication, Moment, Presence, Problem, Result, answered_once
from cds_service.knowledge import context, levels, scores, states, treatment
from cds_service.knowledge.before_drugs import Before, last_before
from cds_service.knowledge.context import present
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.treatment import Course, Treatment, baseline_ends, course_before

#: How an item is called that asks for the laboratory's own upper limit.
OWN_LIMIT = "{} above the laboratory's own limit"

#: Entries that may be a less exact name of a disease with an index of its own.
_LESS_EXACT = ("lymphoma", "sll")
_AGAINST_LYMPHOMA = ("anti-lymphoma", "possible-anti-lymphoma")
_AGAINST_MYELOMA = ("anti-myeloma", "possible-anti-myeloma")
_RETURNED_OR_REMISSION = {"recurrence", "relapse", "remission"}
_GRAVEST_FIRST = (Treatment.BEGUN, Treatment.POSSIBLY_BEGUN, Treatment.UNKNOWN, Treatment.NONE_RECOGNISED)


@dataclass(frozen=True, slots=True, eq=False)  # one object a kind: a question's answer is kept under it
class Kind:
    """A disease by its keys: the active ones first named, then those of its relapse and remission.

    ``not_beside``: beside one of these no index of it holds (transformed disease, another site). ``may_become``, where
    active, and ``may_come_from``, active or over: beside one of these it may be one transformed disease, which is said.
    ``drugs``: the classes that show its treatment, each with the class that only may.
    """

    key: str
    relapse: tuple[str, ...] = ()
    remission: tuple[str, ...] = ()
    not_beside: tuple[str, ...] = ()
    may_become: tuple[str, ...] = ()
    may_come_from: tuple[str, ...] = ()
    drugs: tuple[tuple[str, str], ...] = (_AGAINST_LYMPHOMA,)

    @property
    def recorded_as(self) -> tuple[str, ...]:
        """The keys of the entries the first of which dates the disease, less exact names of it among them."""
        return (self.key, *self.relapse, *self.remission, *self.may_come_from, *_LESS_EXACT)


CLL = Kind("cll", ("cll-relapse",), ("cll-remission",), may_become=("dlbcl", "hodgkin-lymphoma"))
FOLLICULAR = Kind("follicular-lymphoma", (), ("follicular-lymphoma-remission",), may_become=("dlbcl",))
#: Waldenström and mantle cell lymphoma are treated with proteasome inhibitors too.
WALDENSTROM = Kind(
    "waldenstrom",
    (),
    ("waldenstrom-remission",),
    may_become=("dlbcl",),
    drugs=(_AGAINST_LYMPHOMA, _AGAINST_MYELOMA),
)
_INDOLENT = tuple(key for kind in (CLL, FOLLICULAR, WALDENSTROM) for key in (kind.key, *kind.relapse, *kind.remission))
DLBCL = Kind("dlbcl", (), ("dlbcl-remission",), ("cns-lymphoma",), may_come_from=(*_INDOLENT, "sll"))
HODGKIN = Kind("hodgkin-lymphoma", (), ("lymphoma-remission",))
MANTLE_CELL = Kind("mantle-cell-lymphoma", (), ("lymphoma-remission",), drugs=(_AGAINST_LYMPHOMA, _AGAINST_MYELOMA))

#: Cancers that raise serum B2M each by itself, in the order in which they are named beside one another.
_RAISING = (*states.LYMPHOID, "myeloma", "myeloma-relapse")
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Disease:
    """An active, confirmed disease beside a B2M that may be interpreted, with what is known of its treatment.

    ``steroids``: those of the list where it shows no other drug of a regimen, begun or maybe begun before the B2M.
    ``treated_from``: when the first drug after the B2M began. ``days``: the fewest and the most between its oldest
    recorded onset and the B2M, None where no onset is recorded. ``transformation``: the first problem with which it may
    be one transformed disease. ``others``: what else in the list, if only suspected, raises serum B2M by itself.
    ``why_not``: the reason why no index of untreated disease applies ("transformed", "returned", "transplanted",
    "treated"), or "".
    """

    b2m: Result
    problems: tuple[Problem, ...]
    course: Course
    steroids: tuple[Medication, ...]
    treated_from: Moment | None
    days: tuple[int, int] | None
    transformation: Problem | None
    others: tuple[Problem, ...]
    why_not: str


@answered_once
def readable_b2m(facts: Facts) -> Result | None:
    """The B2M of an adult, or of an age not known, that is final, in no doubtful unit and not taken on dialysis."""
    b2m = facts.b2m
    if b2m is None or not levels.can_be_compared(b2m):
        return None
    if states.is_child(facts, b2m.when) is True or states.dialysis(facts) is states.Dialysis.YES:
        return None
    return None if states.is_coded_unclear(facts) else b2m


@answered_once
def in_chart(facts: Facts, kind: Kind) -> Disease | None:
    """The disease as the chart has it; None where it is not there, or nothing can be said of its B2M."""
    b2m, problems = readable_b2m(facts), present(facts, kind.key, *kind.relapse)
    if b2m is None or not problems or states.active(facts, *kind.not_beside):
        return None
    course, other = _course(facts, kind, b2m.when), _transformation(facts, kind)
    classes = [drug_class for pair in kind.drugs for drug_class in pair]
    treated_from = baseline_ends(facts, b2m.when, *classes)
    days = _days_from_diagnosis(facts, kind, b2m.when)
    why_not = _why_not(facts, kind, b2m.when, course)
    steroids = _steroids_alone(facts, kind, b2m.when, course)
    return Disease(b2m, problems, course, steroids, treated_from, days, other, _others(facts, kind), why_not)


def is_treated(facts: Facts, kind: Kind, when: Moment) -> bool:
    """Whether drugs, a transplant, relapse or remission tell that the disease is or was under treatment."""
    begun = _course(facts, kind, when).treatment is Treatment.BEGUN
    return begun or states.stem_cells_transplanted(facts, when) or _returned(facts, kind)


def _others(facts: Facts, kind: Kind) -> tuple[Problem, ...]:
    of_it = {kind.key, *kind.relapse, *_LESS_EXACT}
    return states.active(facts, *(key for key in _RAISING if key not in of_it))


def awaits_index(facts: Facts, rule: Rule, kind: Kind, when: Moment, *, new_only: bool) -> bool:
    """Whether an index may hold for the disease at ``when``, for which no B2M is there yet.

    ``new_only``: whether the index is one of new disease alone.
    """
    if not present(facts, kind.key, *kind.relapse) or states.active(facts, *kind.not_beside):
        return False
    days = _days_from_diagnosis(facts, kind, when)
    is_old = days is not None and days[0] > rule.value("diagnosis_days_to")
    is_child = states.is_child(facts, when) is True
    return not (is_child or (new_only and is_old) or _why_not(facts, kind, when, _course(facts, kind, when)))


def _course(facts: Facts, kind: Kind, when: Moment) -> Course:
    courses = [course_before(facts, when, proof, hint, *kind.recorded_as) for proof, hint in kind.drugs]
    return min(courses, key=lambda c: _GRAVEST_FIRST.index(c.treatment))


def _steroids_alone(facts: Facts, kind: Kind, when: Moment, course: Course) -> tuple[Medication, ...]:
    is_none = course.treatment is Treatment.NONE_RECOGNISED
    return treatment.steroids_before(facts, when, "glucocorticoid", *kind.recorded_as) if is_none else ()


def _why_not(facts: Facts, kind: Kind, when: Moment, course: Course) -> str:
    found = {
        "transformed": _transformation(facts, kind) is not None,
        "returned": _returned(facts, kind),
        "transplanted": states.stem_cells_transplanted(facts, when),
        "treated": course.treatment is Treatment.BEGUN,
    }
    return next((reason for reason, holds in found.items() if holds), "")


def _days_from_diagnosis(facts: Facts, kind: Kind, when: Moment) -> tuple[int, int] | None:
    return states.days_from_diagnosis(facts, when, kind.key, *kind.relapse, *kind.remission)


def _transformation(facts: Facts, kind: Kind) -> Problem | None:
    """The first problem beside which this disease may be one transformed disease, suspected ones included."""
    earlier = (p for p in facts.problems_of(*kind.may_come_from) if p.verification_status not in states.REFUTED)
    return next(iter((*states.active(facts, *kind.may_become), *earlier)), None)


def _returned(facts: Facts, kind: Kind) -> bool:
    """Whether the chart tells of relapse or remission, by code or by clinical status."""
    coded = facts.problems_of(*kind.relapse, *kind.remission)
    by_status = (p for p in facts.problems_of(kind.key) if p.clinical_status in _RETURNED_OR_REMISSION)
    return any(p.verification_status not in states.REFUTED for p in (*coded, *by_status))


def index_of(facts: Facts, rule: Rule, kind: Kind, count: Callable[[Facts, Rule, Disease], Finding]) -> Finding | None:
    """What ``count`` makes of the disease where the index may hold for it; else why it does not.

    A rule without that reason among its outcomes leaves it to another rule on the same disease and is silent; one with
    the outcome "not_new" gives the index to new disease alone.
    """
    disease = in_chart(facts, kind)
    if disease is None:
        return None
    if disease.why_not:
        return _no_index(facts, rule, disease) if disease.why_not in rule.outcomes else None
    if "not_new" in rule.outcomes and not is_recent(rule, disease):
        return rule.finding("not_new", facts.specimen, inputs=(disease.b2m,))
    return count(facts, rule, disease)


def _no_index(facts: Facts, rule: Rule, disease: Disease) -> Finding:
    """Says why no index applies."""
    values = {
        "transformed": {"other": disease.transformation.label} if disease.transformation else {},
        "treated": treatment.in_words(facts, disease.course.drugs),
    }.get(disease.why_not, {})
    notes = ("regimen",) if disease.why_not == "treated" and disease.course.by_regimen else ()
    return rule.finding(
        disease.why_not, facts.specimen, values=_placed(rule, values), notes=notes, inputs=(disease.b2m,)
    )


def _placed(rule: Rule, values: dict[str, str]) -> dict[str, str]:
    """Those of the values that the rule has a place for."""
    return {name: text for name, text in values.items() if name in rule.placeholders}


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
    wording: Mapping[str, str] | None = None,
    told: Collection[str] = (),
) -> Finding:
    """The index: a finding of its own where the disease is new and few groups remain, else something said beside.

    ``wording``: what else fills the rule's wording. ``told``: the items of which a note of their own tells why they
    count both ways.
    """
    narrow = len(possible) <= rule.value("groups_left_to")
    missing = [item.name for item in items if not item.is_known and item.name not in told]
    values = {
        "b2m": shown(disease.b2m, rule.placeholders["b2m"]),
        "groups": scores.one_of(possible),
        "points": scores.span(scores.totals(items)),
        "counted": _counted(items),
        "missing": ", ".join(missing),
        "diseases": _side_by_side(disease),
        **treatment.in_words(facts, disease.steroids or disease.course.drugs),
        **(wording or {}),
    }
    before = _higher_before_drugs(facts, rule, disease)
    return rule.finding(
        "index" if narrow and is_recent(rule, disease) else "beside",
        facts.specimen,
        values=_placed(rule, values | (before.values if before else {})),
        notes=(
            *(("missing",) if missing else ()),
            *notes,
            *_notes(facts, rule, disease),
            *(("before_drugs",) if before else ()),
        ),
        inputs=tuple(dict.fromkeys((disease.b2m, *_of(items), *([before.result] if before else [])))),
        coded=tuple(coded for item in items for coded in item.coded),
        thresholds=thresholds,
    )


def _of(items: Iterable[scores.Item]) -> Iterator[Result]:
    return (result for item in items for result in item.results)


def _higher_before_drugs(facts: Facts, rule: Rule, disease: Disease) -> Before | None:
    """A B2M of before the drugs that may be treatment, if it was higher: the index may then read too low."""
    before = last_before(facts, rule, disease.b2m, disease.course)
    return before if before and before.result.value > disease.b2m.value else None


def shown(result: Result, longest: int) -> str:
    """A result for reading: as filed with its canonical quantity, or that alone where both are too long."""
    return result.display if len(result.display) <= longest else result.quantity


def _counted(items: Iterable[scores.Item]) -> str:
    given = [(item, max(item.points)) for item in items if item.is_known]
    return ", ".join(f"{item.name} {points:f}{_dated(item)}" for item, points in given if points) or "nothing"


def _dated(item: scores.Item) -> str:
    """The days of the coded results that give an item its points; results that are numbers stand in the table."""
    days = context.days_of(c for c in item.coded if c.presence is Presence.PRESENT)
    return f" ({days})" if days else ""


def _side_by_side(disease: Disease) -> str:
    """The disease and the others by name, in an order that is the same for each of them."""
    places = {p.label: _RAISING.index(p.key) for p in (*disease.problems, *disease.others)}
    labels = sorted(places, key=lambda label: places[label])
    named = [*labels[:_MOST_NAMED], *(["others"] if labels[_MOST_NAMED:] else [])]
    return f"{', '.join(named[:-1])} and {named[-1]}" if disease.others else ""


def _notes(facts: Facts, rule: Rule, disease: Disease) -> tuple[str, ...]:
    when, days = disease.b2m.when, disease.days
    asked = {
        "side_by_side": bool(disease.others),
        "steroid_alone" if disease.steroids else treatment.NOTES[disease.course.treatment]: True,
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


def b2m_above_own_limit(facts: Facts, b2m: Result) -> bool | None:
    """Whether it lies above its laboratory's limit; not known where only pregnancy may have put it there."""
    above = scores.above_own_limit(b2m)
    return None if above and states.pregnant(facts, b2m.when) else above


def dated(results: Mapping[str, CodedResult], when: Moment) -> str:
    """Results by their names, each with what it says, its day and how long before ``when`` that was."""
    said = [
        f"{name} {r.presence} ({context.days_of([r])}, {context.in_days_or_years(r.when.days_until(when))} before)"
        for name, r in results.items()
        if r.when
    ]
    return " and ".join(said)


def near_limit(rule: Rule, b2m: Result, limit: str) -> tuple[str, ...]:
    """The note on a B2M so near to the threshold ``limit`` that another laboratory might give another answer."""
    near = scores.is_near(b2m, rule.value(limit), rule.value("near_percent_to"))
    return ("near_limit",) if near else ()


def level_item(b2m: Result, holds: bool | None, worth: Decimal = scores.ONE_POINT) -> scores.Item:
    """The item that counts the B2M itself."""
    return scores.yes_or_no("serum B2M", holds, worth, (b2m,))
