"""What was read of one patient's chart, as plain frozen values that keep where they came from.

Numbers are ``Decimal`` in the analyte's canonical unit (``knowledge/terms/analytes.toml``), with the text as
printed beside them. What is missing or cannot be read is a ``MissingData``, never an exception and never a guess.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar, TypeVarTuple, cast

from cds_service.facts.values import Interval as Interval
from cds_service.facts.values import Moment as Moment
from cds_service.facts.values import legible as legible
from cds_service.facts.values import to_digits as to_digits

_Asked = TypeVarTuple("_Asked")
_Answer = TypeVar("_Answer")

#: The longest text of a result in a card's summary, in characters.
DISPLAY_LIMIT = 40


class Reason(StrEnum):
    """Why a datum counts as missing."""

    NOT_GIVEN = "not-given"
    INCOMPLETE = "incomplete"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    LATE = "late"
    INVALID = "invalid-resource"
    STATUS = "status"
    ENTERED_IN_ERROR = "entered-in-error"
    NO_SUBJECT = "no-subject"
    MODIFIER = "modifier-extension"
    NO_VALUE = "no-value"
    UNREADABLE_VALUE = "unreadable-value"
    NO_UNIT = "no-unit"
    UNKNOWN_UNIT = "unknown-unit"
    UNIT_CONFLICT = "unit-conflict"
    WRONG_DIMENSION = "wrong-dimension"
    NOT_CONVERTIBLE = "not-convertible"
    IMPLAUSIBLE = "implausible"
    NO_DATE = "no-date"
    FUTURE = "future-date"
    CONFLICT = "conflicting-results"
    CODE_CONFLICT = "code-conflict"
    UNCODED = "uncoded"
    SPECIMEN_CONFLICT = "specimen-conflict"


@dataclass(frozen=True, slots=True)
class MissingData:
    """Something a rule could have used and cannot: what, why, and where it was seen.

    ``item`` is an analyte key or a prefetch group; ``printed`` is text from the chart (escape it); ``hint`` names the
    unit that an implausible number would fit.
    """

    item: str
    reason: Reason
    printed: str = ""
    reference: str = ""
    when: Moment | None = None
    specimen: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceRange:
    """The laboratory's own reference range, in the analyte's canonical unit; ``printed`` as it stood there.

    Without ``low`` and ``high`` it was given and cannot be used. ``high_open``: printed as "<", the limit itself
    lies outside.
    """

    low: Decimal | None
    high: Decimal | None
    printed: str
    high_open: bool = False

    def is_exceeded_by(self, interval: Interval) -> bool | None:
        """Whether every value lies above the range; None where some do and some do not, or it has no upper limit."""
        if self.high is None:
            return None
        if not self.high_open:
            return interval.is_above(self.high)
        below = interval.is_below(self.high)
        return None if below is None else not below


@dataclass(frozen=True, slots=True)
class PrintedUnit:
    """The unit in which a result was filed, as it is shown to people, and its worth in canonical units."""

    text: str
    factor: Decimal
    molar: bool = False


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A value that more likely stands for another unit. ``value``: what it would then be, in the canonical unit.

    ``likely_unit`` is "" where the value is only unusual; ``possible_unit`` is then the unit that ``value`` is for.
    """

    likely_unit: str
    value: Decimal | None
    interval: Interval | None = None
    possible_unit: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One laboratory result.

    ``value`` is the central number and ``shown`` how it is read; ``interval`` is what may be concluded from, wider than
    ``value`` for a comparator ("<3.5") or a conversion from moles; ``central`` leaves the latter aside, for comparing
    with what was converted the same way. All are in ``unit``, the analyte's canonical unit as it is shown to people.
    ``printed`` is the text from the chart (escape it), ``filed`` the same in units and digits that are safe to show.
    ``laboratory`` and ``method`` are what the chart calls them (escape them), "" where it does not say: for telling
    whether two results were measured alike.
    """

    analyte: str
    specimen: str
    value: Decimal
    shown: str
    interval: Interval
    central: Interval
    unit: str
    comparator: str
    printed: str
    filed: str
    printed_unit: PrintedUnit
    when: Moment
    loinc: str
    reference: str
    provisional: bool = False
    reference_range: ReferenceRange | None = None
    suspicion: Suspicion | None = None
    laboratory: str = ""
    method: str = ""

    @property
    def quantity(self) -> str:
        """Value and canonical unit: for reading, never for comparing."""
        number = f"{self.comparator}{self.shown}"
        return f"{number} {self.unit}".strip()

    @property
    def display(self) -> str:
        """The result as filed, with the canonical quantity behind it where its number is another."""
        if not self.unit:
            return self.quantity
        if self.printed_unit.factor == 1 and not self.printed_unit.molar and len(self.filed) <= DISPLAY_LIMIT:
            return self.filed
        both = f"{self.filed} ({self.quantity})"
        return both if len(both) <= DISPLAY_LIMIT else self.quantity


@dataclass(frozen=True, slots=True)
class Patient:
    """Who the chart is about: only what rules use. ``birth`` may be a year or a month."""

    id: str
    sex: str | None = None
    birth: Moment | None = None

    def age_on(self, when: Moment) -> tuple[int, int] | None:
        """Lowest and highest age in completed years on ``when``; None where the birth date is unknown or later."""
        if self.birth is None:
            return None
        youngest = _completed_years(self.birth.last, when.first)
        oldest = _completed_years(self.birth.first, when.last)
        return (max(youngest, 0), oldest) if oldest >= 0 else None


def _completed_years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


@dataclass(frozen=True, slots=True)
class Problem:
    """A diagnosis in the chart that the knowledge has a name for (``knowledge/terms/problems.toml``)."""

    key: str
    label: str
    family: str
    code: str
    clinical_status: str = ""
    verification_status: str = ""
    onset: Moment | None = None
    abated: bool = False
    abatement: Moment | None = None
    reference: str = ""


class Evidence(StrEnum):
    """How the chart knows of a drug: what was given weighs more than what was said, ordered or planned."""

    ADMINISTERED = "administered"
    STATED = "stated"
    ORDERED = "ordered"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Medication:
    """A drug in the chart that the knowledge has a name for (``knowledge/terms/drugs.toml``).

    ``classes`` are what rules ask for ("anti-myeloma", "tubulotoxic", ...). ``systemic`` is None where the drug also
    comes in local forms and nothing says which it is. ``start`` and ``end`` are None where the chart does not tell;
    ``ongoing`` says whether its status is still a current one.
    """

    key: str
    label: str
    classes: frozenset[str]
    code: str
    evidence: Evidence
    ongoing: bool
    systemic: bool | None = True
    start: Moment | None = None
    end: Moment | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A procedure that took place, of a kind that the knowledge has a name for (``terms/procedures.toml``)."""

    key: str
    label: str
    code: str
    when: Moment | None = None
    ongoing: bool = False
    reference: str = ""


class Presence(StrEnum):
    """What a coded result says."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class CodedResult:
    """A result given as a code and not as a number (``knowledge/terms/coded.toml``): genomics, serology, status.

    ``printed`` is the text from the chart (escape it). ``when`` is None where the result is not dated.
    """

    item: str
    label: str
    presence: Presence
    printed: str
    code: str
    when: Moment | None = None
    provisional: bool = False
    reference: str = ""


@dataclass(frozen=True, slots=True)
class OrderedTest:
    """A B2M test that is being ordered: its analyte, specimen and code, the draft order.

    ``planned`` is when the sample is to be taken, None where the order does not say.
    """

    analyte: str
    specimen: str
    loinc: str
    reference: str = ""
    planned: Moment | None = None

    def taken(self, as_of: datetime) -> Moment:
        """When the sample is to be taken, seen from ``as_of``: then, unless a later time is planned."""
        later = self.planned and self.planned.sort_key() > as_of
        return self.planned if self.planned and later else Moment.at(as_of)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules may ask of one chart at one time.

    ``under_review`` maps a specimen to the B2M result a card is about: a ``Result``, or the ``MissingData`` that stands
    in its place. Rules look at one specimen at a time: ``specimen``, set by ``of``. ``unknown`` names the prefetch
    groups of which "not there" does not mean "none"; ``ignored`` counts, by reason, what was not read. ``fates`` says
    what became of each Observation of the chart whose code we know, by its place. ``unrecognised_medications``:
    what those entries of the medication list are called that name no drug we know, "" where they do not say (text from
    the chart: escape it); ``unrecognised_problems`` likewise of the active entries of the problem list.

    Where B2M tests are being ordered, rules look at these (``ordered``) and no result is under review;
    ``also_ordered`` are the analytes of all the draft orders.
    """

    as_of: datetime
    patient: Patient
    under_review: dict[str, "Result | MissingData"] = field(default_factory=dict)
    results: tuple[Result, ...] = ()
    problems: tuple[Problem, ...] = ()
    unrecognised_problems: tuple[str, ...] = ()
    medications: tuple[Medication, ...] = ()
    unrecognised_medications: tuple[str, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    coded: tuple[CodedResult, ...] = ()
    missing: tuple[MissingData, ...] = ()
    unknown: frozenset[str] = frozenset()
    ignored: dict[str, int] = field(default_factory=dict)
    fates: dict[int, str] = field(default_factory=dict)
    specimen: str = ""
    ordered: tuple[OrderedTest, ...] = ()
    also_ordered: frozenset[str] = frozenset()
    _answers: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, specimen: str) -> "Facts":
        """The same facts, seen for the B2M result of ``specimen``; one view of each, so that it keeps its answers."""
        view: Facts = self._answers.get(specimen) or replace(self, specimen=specimen)
        self._answers[specimen] = view
        return view

    @property
    def b2m(self) -> Result | None:
        """The readable B2M result under review in this specimen, or None."""
        found = self.under_review.get(self.specimen)
        return found if isinstance(found, Result) else None

    @property
    def b2m_missing(self) -> MissingData | None:
        """Why the B2M result under review in this specimen could not be read, or None."""
        found = self.under_review.get(self.specimen)
        return found if isinstance(found, MissingData) else None

    @property
    def specimens(self) -> tuple[str, ...]:
        """The specimens that the rules are asked about: those of the tests being ordered, else those under review."""
        return tuple(dict.fromkeys([test.specimen for test in self.ordered] or self.under_review))

    @property
    def order(self) -> OrderedTest | None:
        """The B2M test of this specimen that is being ordered, or None."""
        return next((test for test in self.ordered if test.specimen == self.specimen), None)

    @property
    def taken(self) -> Moment | None:
        """When the sample that rules look at was taken, or is to be; None where there is none."""
        if self.order:
            return self.order.taken(self.as_of)
        return self.b2m.when if self.b2m else None

    def series(self, analyte: str) -> tuple[Result, ...]:
        """All readable results of ``analyte``, newest first."""
        found = [r for r in self.results if r.analyte == analyte]
        return tuple(sorted(found, key=lambda r: r.when.sort_key(), reverse=True))

    def nearest(self, analytes: tuple[str, ...], to: Moment, within_days: Decimal) -> Result | None:
        """The final result closest in time to ``to``: of the first of ``analytes`` that has one within ``within_days``.

        Where none is that near, the closest of all, so that its age can be told.
        """
        final = [[r for r in self.series(analyte) if not r.provisional] for analyte in analytes]
        closest = [min(found, key=lambda r: r.when.distance(to)) for found in final if found]
        near = [r for r in closest if r.when.days_until(to) <= within_days]
        return next(iter(near or sorted(closest, key=lambda r: r.when.distance(to))), None)

    def within(self, analytes: tuple[str, ...], of: Moment, days: Decimal) -> tuple[Result, ...]:
        """The final results of ``analytes`` no further than ``days`` from ``of``, nearest first."""
        found = [r for r in self.results if r.analyte in analytes and not r.provisional]
        return tuple(sorted((r for r in found if r.when.days_until(of) <= days), key=lambda r: r.when.distance(of)))

    def problems_of(self, *keys: str) -> Iterator[Problem]:
        """The problems of the given keys, in chart order."""
        return (p for p in self.problems if p.key in keys)


def answered_once(question: Callable[[Facts, *_Asked], _Answer]) -> Callable[[Facts, *_Asked], _Answer]:
    """Keeps the answer to a question about a chart as long as these facts live: many rules ask the same.

    What else it is asked with has to be hashable.
    """

    @wraps(question)
    def answer(facts: Facts, /, *asked: *_Asked) -> _Answer:
        answers, key = facts._answers, (question, asked)
        if key not in answers:
            answers[key] = question(facts, *asked)
        return cast("_Answer", answers[key])

    return answer
