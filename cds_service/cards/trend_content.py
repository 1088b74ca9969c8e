"""What the trend chart shows of a chart: which results, which of them are joined, what is marked, which limits hold."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from cds_service.cards.compose import SIDES
from cds_service.cards.markdown import plain
from cds_service.facts import Evidence, Facts, Moment, Procedure, Result, legible
from cds_service.knowledge import series, states, terms, treatment
from cds_service.knowledge.kidney import REPORTED_EGFR
from cds_service.knowledge.model import Finding, Rule

_EGFR = (*REPORTED_EGFR, "egfr-schwartz")
_REPLACED = ("dialysis", "kidney-transplant", "stem-cell-transplant")
_TRANSPLANTATION = "-transplantation"
#: The lists whose lack would leave events out of the chart, as prefetch groups.
_LISTS = {"medications": "medications", "procedures": "procedures", "conditions": "problems"}
_LONGEST_NAME = 60


class Kind(StrEnum):
    """What an event is."""

    TREATMENT = "treatment"
    REPLACEMENT = "dialysis or transplant"
    MEASUREMENT = "laboratory or method"


@dataclass(frozen=True, slots=True)
class Event:
    """Something marked in time, or without a date. ``words`` may hold text from the chart, on one line and cut."""

    kind: Kind
    when: Moment | None
    words: str


@dataclass(frozen=True, slots=True)
class Joint:
    """Two results that may be compared. ``surely``: of one laboratory and method, and both of them plain numbers."""

    before: Result
    after: Result
    surely: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold that decided, on which side of it, and what it is in the words of each rule that used it."""

    value: Decimal
    side: str
    uses: tuple[tuple[str, str], ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of those rules, the shortest first."""
        return tuple(sorted(dict(self.uses), key=len))


@dataclass(frozen=True, slots=True)
class Series:
    """Results of one panel, oldest first, in the one ``unit``."""

    name: str
    unit: str
    results: tuple[Result, ...]

    @property
    def title(self) -> str:
        """The name with the unit, for the head of a panel."""
        is_word = self.name[:2].islower()
        name = f"{self.name[0].upper()}{self.name[1:]}" if is_word else self.name
        return ", ".join(part for part in (name, self.unit) if part)


def b2m_series(facts: Facts) -> Series | None:
    """The B2M of the specimen that is looked at; None where the chart holds no result of it that can be read."""
    here, missing, order = facts.b2m, facts.b2m_missing, facts.order
    analyte = here.analyte if here else order.analyte if order else missing.item if missing else ""
    return _series(terms.analytes()[analyte].short, facts.series(analyte)) if facts.series(analyte) else None


def kidney_series(facts: Facts) -> Series | None:
    """The eGFR that laboratories reported, the creatinine or the cystatin C: whichever the chart has most of."""
    kinds = {"eGFR as reported": _EGFR, "creatinine": ("creatinine",), "cystatin C": ("cystatin-c",)}
    found = {name: [r for analyte in keys for r in facts.series(analyte)] for name, keys in kinds.items()}
    name = max(found, key=lambda kind: len(found[kind]))
    return _series(name, found[name]) if found[name] else None


def _series(name: str, results: Iterable[Result]) -> Series:
    ordered = tuple(sorted(results, key=lambda r: r.when.sort_key()))
    return Series(name, ordered[0].unit, ordered)


# ------------------------------------------------------------------ what may be compared


def joints(results: Sequence[Result]) -> tuple[Joint, ...]:
    """Every usable result with the one before it, where the two may be compared and their order is certain."""
    usable = [r for r in results if series.is_usable(r)]
    changed = {after for after, _ in _changes(usable)}
    return tuple(
        Joint(before, after, bool(series.are_alike(before, after)) and not (before.comparator or after.comparator))
        for before, after in pairwise(usable)
        if after not in changed and before.analyte == after.analyte and series.came_before(before, after)
    )


def _changes(results: Sequence[Result]) -> Iterator[tuple[Result, tuple[str, ...]]]:
    """The results that differ in laboratory or method from any since the last change, and what in words."""
    since: list[Result] = []
    for result in results:
        other = next((r for r in reversed(since) if series.differ_in(result, r)), None)
        if other:
            yield result, tuple(_change(name, other, result) for name in series.differ_in(result, other))
            since = []
        since.append(result)


def _change(name: str, before: Result, after: Result) -> str:
    """ "laboratory: one, then another", or that it is another one where no text of a result says which."""
    stated = {"laboratory": (before.laboratory, after.laboratory), "method": (before.method, after.method)}
    pair = stated.get(name)
    return f"{name}: {short(pair[0])}, then {short(pair[1])}" if pair else f"other {name}"


def short(text: str) -> str:
    """Text from the chart on one line, without control characters, and cut."""
    line = plain(text)
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"


# ------------------------------------------------------------------ what is marked


def events(facts: Facts, results: Sequence[Result]) -> tuple[Event, ...]:
    """Treatment begun, dialysis and transplants, changes of laboratory or method, in their order; undated last."""
    found = [*_begun(facts), *_replaced(facts)]
    found += [Event(Kind.MEASUREMENT, r.when, "; ".join(words)) for r, words in _changes(results)]
    dated = [event for event in dict.fromkeys(found) if event.when]
    undated = [event for event in dict.fromkeys(found) if not event.when]
    return (*sorted(dated, key=lambda e: _begins(e.when)), *undated)


def _begins(when: Moment | None) -> str:
    return when.first.isoformat() if when else "9999"


def _begun(facts: Facts) -> Iterator[Event]:
    """The first entry of every drug that was given, taken or ordered."""
    classes = {name for medication in facts.medications for name in medication.classes}
    drugs = treatment.drugs_of(facts, *classes)
    for label in dict.fromkeys(m.label for m in drugs):
        first = min((m for m in drugs if m.label == label), key=lambda m: _begins(m.start))
        verb = "ordered" if first.evidence is Evidence.ORDERED else "begun"
        yield Event(Kind.TREATMENT, first.start, f"{short(label)} {verb}")


def _replaced(facts: Facts) -> Iterator[Event]:
    for problem in states.active(facts, *_REPLACED):
        if states.is_confirmed(problem):
            yield Event(Kind.REPLACEMENT, problem.onset, f"{short(problem.label)} (problem list)")
    sessions: dict[str, list[Procedure]] = {}
    for procedure in facts.procedures:
        if procedure.key.endswith(_TRANSPLANTATION):
            yield Event(Kind.REPLACEMENT, procedure.when, short(procedure.label))
        else:
            sessions.setdefault(procedure.label, []).append(procedure)
    for label, entries in sessions.items():
        ordered = sorted(entries, key=lambda p: _begins(p.when))
        last = ordered[-1].when
        until = f", the last of {len(entries)} on {series.day_of(last)}" if len(entries) > 1 and last else ""
        yield Event(Kind.REPLACEMENT, ordered[0].when, f"{short(label)}{until}")


def lists_not_whole(facts: Facts) -> tuple[str, ...]:
    """The lists of which only part came, or nothing: what is not marked may still have been."""
    return tuple(words for group, words in _LISTS.items() if group in facts.unknown)


# ------------------------------------------------------------------ what decided


def limits(facts: Facts, findings: Iterable[Finding], rules: Iterable[Rule], analyte: str) -> tuple[Limit, ...]:
    """The thresholds of ``analyte`` that decided what was found of this specimen, each value once, lowest first."""
    by_id = {rule.id: rule for rule in rules}
    found: dict[tuple[Decimal, str], dict[str, str]] = {}
    for finding in findings:
        thresholds = by_id[finding.rule].thresholds if finding.specimen == facts.specimen else {}
        for name in finding.thresholds:
            threshold, side = thresholds.get(name), SIDES[name.rsplit("_", 1)[-1]]
            if threshold and threshold.of == analyte:
                found.setdefault((threshold.value, side), {})[finding.rule] = threshold.says
    drawn = (Limit(value, side, tuple(uses.items())) for (value, side), uses in found.items())
    return tuple(sorted(drawn, key=lambda limit: limit.value))


# ------------------------------------------------------------------ in words


def in_words(
    b2m: Series, kidney: Series | None, found: Sequence[Limit], marked: Sequence[Event], under_review: Result | None
) -> str:
    """The whole chart for those who do not see it."""
    parts = [_series_in_words(b2m, under_review)]
    parts += [f"Thresholds: {'; '.join(limit_in_words(limit, b2m.unit) for limit in found)}."] if found else []
    parts += [f"Marked: {'; '.join(event_in_words(event) for event in marked)}."] if marked else []
    parts.append(_series_in_words(kidney) if kidney else "No creatinine or eGFR was read.")
    return plain(" ".join(parts))


def _series_in_words(shown: Series, under_review: Result | None = None) -> str:
    told = [f"{result_in_words(r)}{' (under review)' if r == under_review else ''}" for r in shown.results]
    return f"{shown.title}, oldest first: {'; '.join(told)}."


def result_in_words(result: Result) -> str:
    """Day and value, as printed where that is another, the laboratory's range, what keeps it from being compared."""
    parts = [f"{series.day_of(result.when)} {result.quantity}"]
    parts += [f"printed {short(result.printed)}"] if result.printed != result.quantity else []
    given = result.reference_range
    parts += [f"laboratory's range {short(given.printed)}"] if given and given.printed else []
    parts += ["provisional"] * result.provisional + ["value in doubt"] * (result.suspicion is not None)
    return ", ".join(parts)


def limit_in_words(limit: Limit, unit: str) -> str:
    """A threshold with all that it was used for."""
    uses = ", ".join(f"{words} ({rule})" for rule, words in limit.uses)
    return f"{limit.side} {legible(limit.value)} {unit}".rstrip() + f": {uses}"


def event_in_words(event: Event) -> str:
    """An event behind its day."""
    return f"{series.day_of(event.when) if event.when else 'without a date'} {event.words}"


def ranges_in_words(results: Iterable[Result]) -> str:
    """The laboratory's ranges that can be drawn, as printed; where they change, each with its first result's day."""
    first: dict[str, str] = {}
    for result in results:
        given = result.reference_range
        if given and given.high is not None:
            first.setdefault(short(given.printed), series.day_of(result.when))
    changing = "; ".join(f"{printed} (from {day})" for printed, day in first.items())
    return changing if len(first) > 1 else "".join(first)
