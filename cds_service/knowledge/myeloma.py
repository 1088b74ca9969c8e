"""What the rules that stage or grade myeloma ask alike: whether it may be staged, and which stages the data allow.

Each function takes the rule that asks: its own TOML holds the limits, under the same names in each of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from cds_service.facts import CodedResult, Facts, Interval, Moment, Problem, Result
from cds_service.knowledge import states, treatment
from cds_service.knowledge.model import Rule
from cds_service.knowledge.terms.coded import stage_of_answer
from cds_service.knowledge.treatment import Course, Treatment, began_by

_NUMERALS = {1: "I", 2: "II", 3: "III"}
_DAY = len("2026-03-02")

#: The drug classes that are anti-myeloma treatment, or may be.
ANTI_MYELOMA = ("anti-myeloma", "possible-anti-myeloma")
_ALBUMIN = ("albumin", "albumin-electrophoresis")
_SMOULDERING, _MGUS, AL_AMYLOIDOSIS = "smouldering-myeloma", "mgus-or-smouldering", "al-amyloidosis"
#: What precedes myeloma; D47.2 may be either.
PRECURSORS = (_SMOULDERING, _MGUS)
#: All of which a drug may have been given for before it became the myeloma that is staged.
_TREATED_ALIKE = ("myeloma", "myeloma-relapse", "myeloma-remission", *PRECURSORS, AL_AMYLOIDOSIS)
#: How a headline names a lymphoid cancer; the others are of the non-Hodgkin kind.
_ABBREVIATED = {"cll": "CLL", "cll-relapse": "CLL", "sll": "SLL", "waldenstrom": "WM", "hodgkin-lymphoma": "HL"}
_OTHER_LYMPHOMA = "NHL"
_MOST_NAMED = 2
_OFF_DIALYSIS = ", and not on dialysis"
_RECORDED = {"iss-stage": "ISS", "r-iss-stage": "R-ISS"}


@dataclass(frozen=True, slots=True)
class Myeloma:
    """Myeloma in the chart beside a B2M: the active problems, what is known of its treatment, why it is not staged.

    ``why_not`` is the first reason why a stage of newly diagnosed, untreated, active, confirmed myeloma does not apply,
    "" where none is known.
    """

    problems: tuple[Problem, ...]
    course: Course
    why_not: str


def in_chart(facts: Facts, rule: Rule, b2m: Result) -> Myeloma | None:
    """Myeloma as the chart has it, or None where there is none."""
    problems = states.active(facts, "myeloma")
    again = states.myeloma_returned_or_in_remission(facts)
    if not (problems or again):
        return None
    course = course_before(facts, b2m.when)
    reason = "relapse_or_remission" if again else _why_not(facts, rule, b2m, problems, course)
    return Myeloma(problems, course, reason)


def course_before(facts: Facts, when: Moment) -> Course:
    """What the list says of anti-myeloma treatment before ``when``."""
    return treatment.course_before(facts, when, *ANTI_MYELOMA, *_TREATED_ALIKE)


def without_myeloma(facts: Facts) -> Problem | None:
    """Active smouldering myeloma, else MGUS, else AL amyloidosis, in a chart that holds no myeloma.

    None where it holds myeloma, if only in relapse or remission. MGUS beside Waldenström is what preceded that.
    """
    if states.active(facts, "myeloma") or states.myeloma_returned_or_in_remission(facts):
        return None
    said = {_MGUS} if any(states.is_confirmed(p) for p in states.active(facts, "waldenstrom")) else set()
    keys = (key for key in (*PRECURSORS, AL_AMYLOIDOSIS) if key not in said)
    return next((problem for key in keys for problem in states.active(facts, key)), None)


@dataclass(frozen=True, slots=True)
class AlsoRaised:
    """What else in the problem list, confirmed or suspected, raises serum B2M by itself: HLH and lymphoid cancers."""

    hlh: bool
    lymphoid: tuple[Problem, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes that say so, by their names in each rule."""
        return (*(("hlh",) if self.hlh else ()), *(("lymphoid",) if self.lymphoid else ()))

    @property
    def values(self) -> dict[str, str]:
        """What fills the notes: ``other``, the lymphoid cancers."""
        labels = list(dict.fromkeys(problem.label for problem in self.lymphoid))
        and_others = " and others" if labels[_MOST_NAMED:] else ""
        return {"other": (", " if and_others else " and ").join(labels[:_MOST_NAMED]) + and_others}

    @property
    def abbreviated(self) -> str:
        """The first of them as a headline names it, HLH before the others; "" where there is none."""
        if self.hlh:
            return "HLH"
        return next((_ABBREVIATED.get(problem.key, _OTHER_LYMPHOMA) for problem in self.lymphoid), "")


def also_raised(facts: Facts) -> AlsoRaised:
    """What of this the chart holds beside myeloma."""
    return AlsoRaised(bool(states.active(facts, "hlh")), states.active(facts, *states.LYMPHOID))


def note_on_treatment(facts: Facts, b2m: Result, course: Course) -> tuple[str, dict[str, str]]:
    """The note on what the list says of treatment, and its words; where it holds a steroid alone, that this is none."""
    is_none = course.treatment is Treatment.NONE_RECOGNISED
    steroid = treatment.steroids_before(facts, b2m.when, "glucocorticoid", *_TREATED_ALIKE) if is_none else ()
    note = "steroid_alone" if steroid else treatment.NOTES[course.treatment]
    return note, treatment.in_words(facts, steroid or course.drugs)


def off_dialysis(facts: Facts) -> str:
    """The condition that a stage has besides, where it is not clear whether the patient is on dialysis; else ""."""
    return _OFF_DIALYSIS if states.dialysis(facts) is states.Dialysis.UNCLEAR else ""


def to_stage(facts: Facts, rule: Rule) -> Result | None:
    """The B2M that a stage of newly diagnosed myeloma may rest on; None without one, or where its unit is in doubt."""
    b2m = facts.b2m
    if b2m is None or (b2m.suspicion and b2m.suspicion.likely_unit):
        return None
    chart = in_chart(facts, rule, b2m)
    return b2m if chart and not chart.why_not else None


def _why_not(facts: Facts, rule: Rule, b2m: Result, myeloma: tuple[Problem, ...], course: Course) -> str:
    days = states.days_from_diagnosis(facts, b2m.when, "myeloma")
    found = {
        "unconfirmed": not any(states.is_confirmed(p) for p in myeloma),
        "child": states.is_child(facts, b2m.when) is True,
        "dialysis": states.dialysis(facts) is states.Dialysis.YES,
        "dialysis_coded": states.is_coded_unclear(facts),
        "transplanted": states.stem_cells_transplanted(facts, b2m.when),
        "treated": course.treatment is Treatment.BEGUN,
        "smouldering": may_still_smoulder(facts, myeloma),
        "not_new": days is not None and days[0] > rule.value("diagnosis_days_to"),
        "staged_earlier": bool(staged_earlier(facts, rule, b2m)),
        "provisional": b2m.provisional,
        "high_value": bool(b2m.suspicion and b2m.suspicion.value is None and b2m.suspicion.likely_unit),
    }
    return next((reason for reason, holds in found.items() if holds), "")


def may_still_smoulder(facts: Facts, myeloma: tuple[Problem, ...]) -> bool:
    """Whether smouldering myeloma is active and no confirmed myeloma is known to have a later onset."""
    onsets = [p.onset for p in states.active(facts, _SMOULDERING)]
    dated = [onset for onset in onsets if onset]
    if not dated or len(dated) < len(onsets):
        return bool(onsets)
    newest = max(onset.last for onset in dated)
    return not any(states.is_confirmed(p) and p.onset and p.onset.first > newest for p in myeloma)


def staged_earlier(facts: Facts, rule: Rule, b2m: Result) -> str:
    """The newest stage that was recorded longer before the B2M than a new diagnosis may lie from it; "" without one."""
    last_day = b2m.when.first - timedelta(days=int(rule.value("diagnosis_days_to")))
    before = [c for c in _recorded(facts, *_RECORDED) if c.when and c.when.last < last_day]
    newest = max(before, key=_order, default=None)
    return f"{_RECORDED[newest.item]} {_dated(newest)}" if newest else ""


def albumins_beside(facts: Facts, rule: Rule, b2m: Result) -> tuple[tuple[Result, ...], bool]:
    """The albumin results of the day nearest to the B2M, and whether there are only ones too far off."""
    pairing = rule.value("albumin_pairing_days_to")
    near = [r for r in facts.within(_ALBUMIN, b2m.when, pairing) if not _is_under_treatment(facts, b2m, r)]
    if not near:
        return (), facts.nearest(_ALBUMIN, b2m.when, pairing) is not None
    same_day = [r for r in near if r.when.last == near[0].when.last]
    best = min((r.analyte for r in same_day), key=_ALBUMIN.index)
    return tuple(r for r in same_day if r.analyte == best), False


def _is_under_treatment(facts: Facts, b2m: Result, result: Result) -> bool:
    return began_by(facts, b2m.when, result.when, *ANTI_MYELOMA)


def iss_stages_of(facts: Facts, rule: Rule, b2m: Result) -> frozenset[int]:
    """The stages that remain possible by a B2M and the albumin near it."""
    albumins, _ = albumins_beside(facts, rule, b2m)
    return iss_stages(b2m.interval, albumins, rule)


def iss_stages(b2m: Interval, albumins: tuple[Result, ...], rule: Rule) -> frozenset[int]:
    """The stages that remain possible: all that any one of the albumin results allows."""
    if not albumins:
        return possible_iss_stages(b2m, None, rule)
    return frozenset().union(*(possible_iss_stages(b2m, albumin.interval, rule) for albumin in albumins))


def possible_iss_stages(b2m: Interval, albumin: Interval | None, rule: Rule) -> frozenset[int]:
    """Every ISS stage that some value within the two intervals gives; no albumin means any albumin."""
    stage_1 = b2m.is_below(rule.value("b2m_stage_1_below"))
    below_3 = b2m.is_below(rule.value("b2m_stage_3_from"))
    albumin_low = None if albumin is None else albumin.is_below(rule.value("albumin_stage_1_from"))
    stages = set()
    if stage_1 is not False:
        stages |= {1} if albumin_low is False else {2} if albumin_low else {1, 2}
    if stage_1 is not True and below_3 is not False:
        stages.add(2)
    if below_3 is not True:
        stages.add(3)
    return frozenset(stages)


def numerals(stages: Iterable[int]) -> str:
    """Stages in words: "II", "I or II", "I, II or III"."""
    names = [_NUMERALS[stage] for stage in sorted(stages)]
    return " or ".join(names) if len(names) < 3 else "I, II or III"


def recorded_otherwise(facts: Facts, item: str, computed: frozenset[int]) -> str:
    """The newest stage that the chart records as ``item`` (coded.toml), dated, where it is not among ``computed``.

    "" where it is, or where the chart records none that can be read.
    """
    newest = max(_recorded(facts, item), key=_order, default=None)
    if newest is None or stage_of_answer(newest.code) in {_NUMERALS[stage] for stage in computed}:
        return ""
    return _dated(newest)


def _recorded(facts: Facts, *items: str) -> list[CodedResult]:
    """The final entries of the chart that name a stage."""
    return [c for c in facts.coded if c.item in items and not c.provisional and stage_of_answer(c.code)]


def _dated(stage: CodedResult) -> str:
    dated = f"of {stage.when.printed[:_DAY]}" if stage.when else "undated"
    return f"{stage_of_answer(stage.code)}, {dated}"


def _order(coded: CodedResult) -> str:
    """By day, what is undated first."""
    return coded.when.last.isoformat() if coded.when else ""
