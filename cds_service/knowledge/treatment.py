"""What the chart tells of treatment: a drug names no disease, and no list is not "untreated"."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

from cds_service.facts import Evidence, Facts, Medication, Moment, answered_once
from cds_service.knowledge.states import first_diagnosed
from cds_service.knowledge.terms import limit
from cds_service.knowledge.unrecognised import quoted

_MEDICATIONS = "medications"
_STEROID = "glucocorticoid"
_ALSO_IN_AUTOIMMUNITY = "also-in-autoimmunity"
#: Lithium, by a code of its own or by the class of ATC.
LITHIUM = frozenset({"lithium", "atc-N05AN"})
_MOST_NAMED = 2
_DAY = len("2026-03-02")
_UNDATED = datetime.max.replace(tzinfo=UTC)


class Treatment(Enum):
    """What the medication list says of one kind of treatment before a day."""

    BEGUN = "begun"
    POSSIBLY_BEGUN = "possibly begun"
    NONE_RECOGNISED = "no such drug recognised in the list"
    UNKNOWN = "no list"


#: The note that says what is known of treatment, by its name in each rule that has one; BEGUN is an outcome instead.
NOTES = {
    Treatment.UNKNOWN: "treatment_unknown",
    Treatment.NONE_RECOGNISED: "no_treatment_recognised",
    Treatment.POSSIBLY_BEGUN: "treatment_possible",
}


@dataclass(frozen=True, slots=True)
class Course:
    """What was found: the treatment, the drugs that show it, and when the first such drug began if that is later.

    ``by_regimen``: none of the drugs shows it alone, their having begun together does.
    """

    treatment: Treatment
    drugs: tuple[Medication, ...] = ()
    later: Medication | None = None
    by_regimen: bool = False


def drugs_of(facts: Facts, *classes: str) -> tuple[Medication, ...]:
    """The drugs of any of ``classes`` that were given, taken or ordered, neither only planned nor of a local form."""
    wanted = set(classes)
    of_class = (m for m in facts.medications if m.classes & wanted)
    return tuple(m for m in of_class if m.evidence is not Evidence.PLANNED and m.systemic is not False)


def baseline_ends(facts: Facts, sample: Moment, *classes: str) -> Moment | None:
    """The first day on which a drug that is or may be treatment has begun, not before ``sample`` and not on its day."""
    starts = [m.start for m in drugs_of(facts, *classes) if m.start and m.start.last >= sample.first]
    next_day = sample.last + timedelta(days=1)
    later = [s if s.first > sample.last else Moment(s.printed, next_day, next_day) for s in starts]
    return min(later, key=lambda start: start.first, default=None)


def began_by(facts: Facts, sample: Moment, when: Moment, *classes: str) -> bool:
    """Whether a drug that is or may be treatment had begun by ``when``, some day after ``sample``: baseline no more.

    One begun on the sample's own day leaves what was taken on that day as it is, and ends the baseline with it.
    """
    ends = baseline_ends(facts, sample, *classes)
    return ends is not None and when.last > sample.last and ends.first <= when.last


def current_drugs(facts: Facts, day: Moment, within_days: Decimal, *classes: str) -> tuple[Medication, ...]:
    """The drugs of any of ``classes`` given on ``day``, or ended no more than ``within_days`` before it.

    Without those begun after it. What is over and tells no end counts from its start.
    """
    begun = [m for m in drugs_of(facts, *classes) if m.start is None or m.start.first <= day.last]
    return tuple(m for m in begun if _is_current(m, day, within_days))


def ended_at_no_time_told(facts: Facts, day: Moment, *classes: str) -> tuple[Medication, ...]:
    """The drugs of any of ``classes`` that are over or on hold, nothing tells since when; without those begun later.

    One that was administered ended with its administration.
    """
    untold = (m for m in drugs_of(facts, *classes) if not m.ongoing and m.end is None)
    not_given = (m for m in untold if m.evidence is not Evidence.ADMINISTERED)
    return tuple(m for m in not_given if _may_have_begun_by(m, day))


def _is_current(medication: Medication, day: Moment, within_days: Decimal) -> bool:
    if medication.ongoing and medication.end is None:
        return True
    ended = medication.end or medication.start
    return ended is not None and (ended.last >= day.first or ended.days_until(day) <= within_days)


def list_is_whole(facts: Facts) -> bool:
    """Whether the medication list came, and all of it: only then does "not in it" mean anything."""
    return _MEDICATIONS not in facts.unknown


@answered_once
def course_before(facts: Facts, day: Moment, proof: str, hint: str, *diseases: str) -> Course:
    """What the list says of treatment with drugs of class ``proof`` (or ``hint``, which only may be it) before ``day``.

    A drug begun on the day itself, or without a date, only may have been begun before: the sample may come first.
    Drugs that each only may be it and began together, or one of them and a steroid, are taken for a regimen; a steroid
    alone is none, beside a drug that may be treatment it is named. What began long before the first of ``diseases``
    was recorded makes no regimen of it, and what is over and also given in autoimmunity proves none: it only may be.
    """
    proving, hinting, steroids = drugs_of(facts, proof), drugs_of(facts, hint), drugs_of(facts, _STEROID)
    diagnosed = first_diagnosed(facts, *diseases)
    later = min((m for m in proving if m.start and m.start.first > day.last), key=_start, default=None)
    before = sorted((m for m in proving if _begun_before(m, day) and not _was_for_another(m, diagnosed)), key=_start)
    if before:
        return Course(Treatment.BEGUN, (before[0],), later)
    of_it = [m for m in (*hinting, *steroids) if _begun_before(m, day) and not _is_long_before(m, diagnosed)]
    regimen = _regimen(of_it)
    if regimen:
        return Course(Treatment.BEGUN, regimen, later, by_regimen=True)
    unclear = [m for m in (*proving, *hinting) if _may_have_begun_by(m, day)]
    if unclear:
        beside = [m for m in steroids if _may_have_begun_by(m, day)]
        return Course(Treatment.POSSIBLY_BEGUN, each_once((*unclear, *beside)), later)
    return Course(Treatment.NONE_RECOGNISED if list_is_whole(facts) else Treatment.UNKNOWN, (), later)


def _begun_before(medication: Medication, day: Moment) -> bool:
    return medication.start is not None and medication.start.last < day.first


def _is_long_before(medication: Medication, diagnosed: Moment | None) -> bool:
    """Whether it began so long before the first recorded diagnosis that it was hardly given for the disease."""
    if medication.start is None or diagnosed is None:
        return False
    return medication.start.last < diagnosed.first - timedelta(days=int(limit("before_diagnosis_days_to")))


def _was_for_another(medication: Medication, diagnosed: Moment | None) -> bool:
    """Whether a drug that is over and has other uses was hardly given for the disease."""
    is_over = not medication.ongoing and _ALSO_IN_AUTOIMMUNITY in medication.classes
    return is_over and _is_long_before(medication, diagnosed)


def _may_have_begun_by(medication: Medication, day: Moment) -> bool:
    return medication.start is None or medication.start.first <= day.last


def _regimen(drugs: Sequence[Medication]) -> tuple[Medication, ...]:
    """The earliest drugs that began close enough to one another to be one regimen, each named once, steroids last.

    Two at least, and not steroids alone, which treat too much else.
    """
    together = limit("one_regimen_days_to")
    by_start = sorted(drugs, key=_start)
    for first in by_start:
        near = each_once(m for m in by_start if m.start and first.start and first.start.days_until(m.start) <= together)
        steroids = tuple(m for m in near if _STEROID in m.classes)
        others = tuple(m for m in near if m not in steroids)
        if others and len(near) > 1:
            return (*others, *steroids)
    return ()


def each_once(medications: Iterable[Medication]) -> tuple[Medication, ...]:
    """The first entry of each drug."""
    found: dict[str, Medication] = {}
    for medication in medications:
        found.setdefault(medication.key, medication)
    return tuple(found.values())


def steroids_before(facts: Facts, day: Moment, drug_class: str, *diseases: str) -> tuple[Medication, ...]:
    """The steroids of ``drug_class`` that had or may have begun by ``day``, each once: alone they prove no treatment.

    Without those that were over long before the first of ``diseases`` was recorded.
    """
    diagnosed = first_diagnosed(facts, *diseases)
    begun = sorted((m for m in drugs_of(facts, drug_class) if _may_have_begun_by(m, day)), key=_start)
    return each_once(m for m in begun if m.ongoing or not _is_long_before(m, diagnosed))


def _start(medication: Medication) -> datetime:
    return medication.start.sort_key() if medication.start else _UNDATED


# ------------------------------------------------------------------ in words


def in_words(facts: Facts, drugs: Sequence[Medication]) -> dict[str, str]:
    """What fills the wording of a rule: ``drug``, each with the day it began, and ``others``, which no code tells."""
    named = [f"{m.label} ({m.start.printed[:_DAY] if m.start else 'undated'})" for m in drugs]
    listed = " and ".join(named) if len(named) <= _MOST_NAMED else f"{', '.join(named[:_MOST_NAMED])} and others"
    return {"drug": listed, "others": _others(facts)}


def _others(facts: Facts) -> str:
    """How many entries of the list tell nothing, and what the first are called, as the end of a sentence."""
    count = len(facts.unrecognised_medications)
    entries = "1 other entry of the list carries" if count == 1 else f"{count} other entries of the list carry"
    return f"; {entries} no code that this service knows{unrecognised(facts)}" if count else ""


def unrecognised(facts: Facts) -> str:
    """What the first entries are called that name no drug we know, in brackets; "" where none is called anything."""
    named = quoted(facts.unrecognised_medications)
    return f" ({named})" if named else ""
