"""A chart's resources to Facts: which results are chosen, which one is under review, what contradicts what."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from cds_service.facts import CodedResult, Facts, MissingData, Moment, Patient, Reason, Result
from cds_service.fhir.coded import meanings_coded, read_coded
from cds_service.fhir.condition import read_conditions
from cds_service.fhir.dates import observed_at, read_moment
from cds_service.fhir.meaning import is_uncoded_b2m, meanings
from cds_service.fhir.medication import read_medications
from cds_service.fhir.observation import Surroundings, read_observation, read_uncoded
from cds_service.fhir.procedure import read_procedures
from cds_service.fhir.shape import Json, text
from cds_service.fhir.sorting import Chart
from cds_service.fhir.status import COUNTING
from cds_service.knowledge import terms
from cds_service.knowledge.terms import Analyte, LoincCode, names
from cds_service.knowledge.terms.coded import CodedTerm

_MOST_B2M = 12
_MOST_COMPANIONS = 8
_KIDNEY = "kidney"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOT_A_RESULT = (Reason.ENTERED_IN_ERROR, Reason.STATUS)
_NO_TIME = (Reason.NO_DATE, Reason.FUTURE)

Reading = Result | MissingData


class _Candidate(NamedTuple):
    """An Observation with the analyte that its code stands for; ``place`` is its index in the chart.

    ``code`` is None where it is called B2M and not coded. ``counts``: its status lets it be a result.
    ``ambiguous``: its codings stand for more than one analyte.
    """

    place: int
    resource: Json
    analyte: Analyte
    code: LoincCode | None
    when: Moment | None
    counts: bool
    ambiguous: bool = False


class _Read(NamedTuple):
    places: frozenset[int]
    reading: Reading


def read(chart: Chart, *, as_of: datetime, newest_within_days: int | None = None) -> Facts:
    """The facts of a chart.

    Args:
        chart: the patient's resources.
        as_of: when the chart is read, with a zone; results from after it are not read.
        newest_within_days: where no results are under review, how old the newest B2M may be to count; None: any age.
    """
    patient = _read_patient(chart)
    beside = Surroundings(as_of, patient, chart.referred)
    b2m, others = _candidates(chart.observations)
    reads = [_Read(frozenset({c.place}), _read(c, beside)) for found in b2m.values() for c in _newest(found, chart)]
    pool = [] if chart.ordered else _under_review(_without_conflicts(reads), chart, as_of, newest_within_days)
    moments = [r.when for r in pool if r.when] + [test.taken(as_of) for test in chart.ordered]
    b2m_moments = [r.reading.when for r in reads if r.reading.when]
    companions = [c for found in others.values() for c in _nearest(found, moments, b2m_moments)]
    reads += [_Read(frozenset({c.place}), _read(c, beside)) for c in companions]
    kept = _without_conflicts(reads)
    coded, coded_fates = _read_coded(chart, as_of)
    problems, unread, unnamed = read_conditions(chart.conditions, as_of)
    medications, unread_drugs, unrecognised = read_medications(chart.medications, chart.referred, as_of)
    procedures, unread_procedures = read_procedures(chart.procedures, as_of)
    lists = (*chart.missing, *unread, *unread_drugs, *unread_procedures)
    readings = [*(r.reading for r in kept), *coded]
    return Facts(
        as_of=as_of,
        patient=patient,
        under_review={r.specimen: r for r in reversed(pool)},
        results=tuple(r for r in readings if isinstance(r, Result)),
        problems=problems,
        unrecognised_problems=unnamed,
        medications=medications,
        unrecognised_medications=unrecognised,
        procedures=procedures,
        coded=tuple(r for r in coded if isinstance(r, CodedResult)),
        missing=(*lists, *(r for r in readings if isinstance(r, MissingData))),
        unknown=frozenset(m.item for m in lists),
        ignored=chart.ignored,
        fates=_fates([*b2m.values(), *others.values()], kept) | coded_fates,
        ordered=chart.ordered,
        also_ordered=chart.also_ordered,
    )


def _read_coded(chart: Chart, as_of: datetime) -> tuple[list[CodedResult | MissingData], dict[int, str]]:
    """The coded results, the newest few of each item, and what became of each Observation that carries one."""
    found: dict[CodedTerm, list[tuple[int, Json, Moment | None]]] = defaultdict(list)
    for place, resource in enumerate(chart.observations):
        for term in meanings_coded(resource):
            found[term].append((place, resource, observed_at(resource)))
    readings: list[CodedResult | MissingData] = []
    fates: dict[int, str] = {}
    for term, candidates in found.items():
        newest_first = sorted(candidates, key=lambda c: c[2].sort_key() if c[2] else _LONG_AGO, reverse=True)
        for rank, (place, resource, when) in enumerate(newest_first):
            if rank >= _MOST_COMPANIONS:
                fates.setdefault(place, "not-chosen")
                continue
            reading = read_coded(resource, term, when, as_of)
            readings.append(reading)
            fates[place] = str(reading.reason) if isinstance(reading, MissingData) else "read"
    return readings, fates


def _fates(candidates: list[list[_Candidate]], kept: list[_Read]) -> dict[int, str]:
    """What became of each candidate: read, a duplicate of one that was, not chosen, or why it could not be read."""
    fates = {c.place: "not-chosen" for found in candidates for c in found}
    for places, reading in kept:
        first, *others = sorted(places)
        if isinstance(reading, Result):
            fates |= {first: "read", **dict.fromkeys(others, "duplicate")}
        else:
            fates |= dict.fromkeys(places, str(reading.reason))
    return fates


def _candidates(observations: Iterable[Json]) -> tuple[dict[str, list[_Candidate]], dict[str, list[_Candidate]]]:
    """The Observations whose code we know, by analyte: those of B2M, and the others."""
    b2m: dict[str, list[_Candidate]] = defaultdict(list)
    others: dict[str, list[_Candidate]] = defaultdict(list)
    for place, resource in enumerate(observations):
        found = meanings(resource)
        if found:
            analyte, code = next((match for match in found if match[0].is_b2m), found[0])
            ambiguous = len(found) > 1 and len({match[0].key for match in found}) > 1
            candidate = _candidate(place, resource, analyte, code, ambiguous)
            (b2m if analyte.is_b2m else others)[analyte.key].append(candidate)
        elif is_uncoded_b2m(resource):
            analyte = terms.analytes()[names.UNCODED]
            b2m[analyte.key].append(_candidate(place, resource, analyte, None))
    return b2m, others


def _candidate(
    place: int, resource: Json, analyte: Analyte, code: LoincCode | None, ambiguous: bool = False
) -> _Candidate:
    counts = text(resource, "status") in COUNTING
    return _Candidate(place, resource, analyte, code, observed_at(resource), counts, ambiguous)


def _read(candidate: _Candidate, beside: Surroundings) -> Reading:
    if candidate.code is None:
        return read_uncoded(candidate.resource, candidate.when, beside)
    reading = read_observation(candidate.resource, candidate.analyte, candidate.code, candidate.when, beside)
    if not candidate.ambiguous:
        return reading
    analyte = candidate.analyte
    return MissingData(
        analyte.key,
        Reason.CODE_CONFLICT,
        reading.printed,
        reference=reading.reference,
        when=candidate.when,
        specimen=analyte.specimen,
    )


def _newest(found: list[_Candidate], chart: Chart) -> list[_Candidate]:
    """The newest few results of B2M, those with a status that counts first, and all that are under review.

    Those not later than what is under review go before the later ones, of which the newest is read in any case.
    """
    reviewed = chart.under_review or frozenset()
    until = max((_at(c) for c in found if c.place in reviewed), default=None)
    newest = max(found, key=lambda c: (c.counts, _at(c)))
    ordered = sorted(found, key=lambda c: (c.counts, until is None or _at(c) <= until, _at(c)), reverse=True)
    return [c for rank, c in enumerate(ordered) if rank < _MOST_B2M or c.place in reviewed or c is newest]


def _at(candidate: _Candidate) -> datetime:
    return candidate.when.sort_key() if candidate.when else _LONG_AGO


def _nearest(found: list[_Candidate], moments: list[Moment], b2m: list[Moment]) -> list[_Candidate]:
    """The few companions nearest in time to each result under review, those with a status that counts first.

    Of kidney function also the nearest to every other B2M that was read, and the newest of long before: how it
    developed is read beside the B2M.
    """
    chosen = [c for moment in moments for c in _by_distance(found, moment)[:_MOST_COMPANIONS]]
    if not moments:
        chosen = _by_distance(found, None)[:_MOST_COMPANIONS]
    if found[0].analyte.group == _KIDNEY and moments:
        chosen += [min(found, key=_distance_to(moment)) for moment in b2m]
        long_before = [c for c in found if c.counts and c.when and _is_long_before(c.when, moments[0])]
        chosen += sorted(long_before, key=_at, reverse=True)[:1]
    return list({c.place: c for c in chosen}.values())


def _by_distance(found: list[_Candidate], moment: Moment | None) -> list[_Candidate]:
    return sorted(found, key=_distance_to(moment))


def _distance_to(moment: Moment | None) -> Callable[[_Candidate], tuple[bool, bool, int]]:
    """Ranks candidates by how near they lie to ``moment``, those with a status that counts first."""

    def rank(candidate: _Candidate) -> tuple[bool, bool, int]:
        when = candidate.when
        return not candidate.counts, when is None, when.days_until(moment) if when and moment else 0

    return rank


def _is_long_before(when: Moment, moment: Moment) -> bool:
    return when.last < moment.first and when.days_until(moment) > terms.limit("kidney_long_before_days_above")


def _under_review(reads: list[_Read], chart: Chart, as_of: datetime, within_days: int | None) -> list[Reading]:
    """What a card may be about, the first of each specimen first: the results that the hook names, else the newest."""
    if chart.under_review is not None:
        named = _coded_where_there_are([r.reading for r in reads if r.places & chart.under_review])
        return sorted(_newest_first(named), key=lambda reading: isinstance(reading, MissingData))
    usable = [r.reading for r in reads if isinstance(r.reading, Result) or r.reading.reason not in _NOT_A_RESULT]
    dated = _newest_first(r for r in usable if isinstance(r, Result) or r.reason not in _NO_TIME)
    if not dated:
        return _newest_first(usable) if within_days is None else []
    newest = dated[0].when
    if newest is None or (within_days is not None and newest.days_old(as_of) > within_days):
        return []
    return _coded_where_there_are([r for r in dated if r.when and r.when.days_until(newest) == 0])


def _coded_where_there_are(readings: list[Reading]) -> list[Reading]:
    """Without what is called B2M and not coded, where a coded B2M is there as well; it stays among what is missing."""
    coded = [r for r in readings if not (isinstance(r, MissingData) and r.item == names.UNCODED)]
    return coded or readings


def _newest_first(readings: Iterable[Reading]) -> list[Reading]:
    """Newest first; of one time, a final result before a provisional one before what could not be read."""

    def rank(reading: Reading) -> tuple[datetime, bool, bool]:
        final = isinstance(reading, Result) and not reading.provisional
        return reading.when.sort_key() if reading.when else _LONG_AGO, final, isinstance(reading, Result)

    return sorted(readings, key=rank, reverse=True)


def _without_conflicts(reads: list[_Read]) -> list[_Read]:
    """One reading for each result that was sent twice; a MissingData in place of two that contradict each other."""
    same_time: dict[object, list[_Read]] = defaultdict(list)
    for read_ in reads:
        same_time[_time_key(read_)].append(read_)
    return [_merged(group) for group in same_time.values()]


def _time_key(read_: _Read) -> object:
    reading = read_.reading
    if isinstance(reading, MissingData):
        return read_.places
    analyte = terms.analytes()[reading.analyte]
    code = reading.loinc if analyte.codes_differ else ""
    return reading.analyte, code, reading.provisional, reading.when.instant or reading.when.last


def _merged(group: list[_Read]) -> _Read:
    results = [r.reading for r in group if isinstance(r.reading, Result)]
    if len(results) < 2:
        return group[0]
    places = frozenset().union(*(r.places for r in group))
    values = [r.value for r in results]
    agree = max(values) - min(values) <= max(values) * terms.limit("duplicates_differ_above")
    if agree and len({r.comparator for r in results}) == 1:
        return _Read(places, min(results, key=lambda r: r.printed_unit.molar))
    first = results[0]
    printed = " and ".join(dict.fromkeys(r.printed for r in results))
    missing = MissingData(first.analyte, Reason.CONFLICT, printed, first.reference, first.when, first.specimen)
    return _Read(places, missing)


def _read_patient(chart: Chart) -> Patient:
    """Sex and birth date, each only where it is what FHIR says it should be."""
    if chart.patient is None or chart.patient.get("modifierExtension"):
        return Patient(chart.patient_id)
    gender = text(chart.patient, "gender")
    birth = read_moment(text(chart.patient, "birthDate"))
    return Patient(chart.patient_id, gender if gender in ("female", "male") else None, birth)
