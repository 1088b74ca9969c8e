"""What the chart tells of treatment: a drug names no disease, and no list is not "untreated"."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

from cds_service.facts import Evidence, Facts, Medication, Moment

_MEDICATIONS = "medications"
_UNDATED = datetime.max.replace(tzinfo=UTC)


class Treatment(Enum):
    """What the medication list says of one kind of treatment before a day."""

    BEGUN = "begun"
    POSSIBLY_BEGUN = "possibly begun"
    NONE_RECOGNISED = "no such drug recognised in the list"
    UNKNOWN = "no list"


@dataclass(frozen=True, slots=True)
class Course:
    """What was found: the treatment, the drug that shows it, and when the first such drug began if that is later."""

    treatment: Treatment
    drug: Medication | None = None
    later: Medication | None = None


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


def _is_current(medication: Medication, day: Moment, within_days: Decimal) -> bool:
    if medication.ongoing and medication.end is None:
        return True
    ended = medication.end or medication.start
    return ended is not None and (ended.last >= day.first or ended.days_until(day) <= within_days)


def list_is_whole(facts: Facts) -> bool:
    """Whether the medication list came, and all of it: only then does "not in it" mean anything."""
    return _MEDICATIONS not in facts.unknown


def course_before(facts: Facts, day: Moment, proof: str, hint: str) -> Course:
    """What the list says of treatment with drugs of class ``proof`` (or ``hint``, which only may be it) before ``day``.

    A drug begun on the day itself, or without a date, only may have been begun before: the sample may come first.
    """
    proving, hinting = drugs_of(facts, proof), drugs_of(facts, hint)
    before = [m for m in proving if m.start is not None and m.start.last < day.first]
    later = min((m for m in proving if m.start and m.start.first > day.last), key=_start, default=None)
    if before:
        return Course(Treatment.BEGUN, min(before, key=_start), later)
    unclear = [m for m in proving if m is not later and not (m.start and m.start.first > day.last)]
    unclear += [m for m in hinting if not (m.start and m.start.first > day.last)]
    if unclear:
        return Course(Treatment.POSSIBLY_BEGUN, unclear[0], later)
    if not list_is_whole(facts):
        return Course(Treatment.UNKNOWN, None, later)
    return Course(Treatment.NONE_RECOGNISED, None, later)


def _start(medication: Medication) -> datetime:
    return medication.start.sort_key() if medication.start else _UNDATED
