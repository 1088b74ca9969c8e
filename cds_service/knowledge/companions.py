"""Which tests would tell more of a B2M and are not at hand: never measured, too long ago, or without their limit.

What was measured and could not be read, and what was not sent, is another question (missing_companions). The limits in
time are those of the rule that asks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from cds_service.facts import Facts, Moment, Presence, Problem, Reason, Result
from cds_service.knowledge import context, cytogenetics, kidney, levels, lymphoid, myeloma, states, terms, urine
from cds_service.knowledge.cytogenetics import Lesion, State
from cds_service.knowledge.model import Rule
from cds_service.knowledge.terms.coded import coded_terms
from cds_service.knowledge.treatment import Treatment
from cds_service.knowledge.urine import Acidity


class Why(Enum):
    """Why a test counts as missing."""

    NOT_FOUND = "none in the chart"
    STALE = "too far from the B2M"
    NO_UPPER_LIMIT = "without the laboratory's upper limit"
    CONTRADICTORY = "reported present and absent"
    NO_SHARE = "reported without the share of cells"


@dataclass(frozen=True, slots=True)
class Missing:
    """A test that is missing: the key of its analyte or coded item, why, and the nearest result where there is one.

    ``within`` names the threshold in days from the B2M, "" for what belongs to the same urine, or to no time.
    ``lesion`` is what was reported of an abnormality and cannot be used.
    """

    key: str
    why: Why
    nearest: Result | None = None
    within: str = ""
    lesion: Lesion | None = None


@dataclass(frozen=True, slots=True)
class _Test:
    """A test that is asked for: the analytes any of which answers, the one to ask for first; within which time.

    ``within`` names a threshold in days, or is "" for a result of the same urine.
    """

    keys: tuple[str, ...]
    within: str = "blood_days_to"
    upper_limit: bool = False


_CREATININE = _Test(("creatinine",), "creatinine_days_to")
_KIDNEY = _Test(("creatinine", "cystatin-c", *kidney.REPORTED_EGFR, "egfr-schwartz"), "creatinine_days_to")
_ALBUMIN = _Test(("albumin", "albumin-electrophoresis"))
_LDH = _Test(("ldh",), upper_limit=True)
_CALCIUM = _Test(("calcium", "calcium-moles", "calcium-corrected", "calcium-corrected-moles"))
_HEMOGLOBIN = _Test(("hemoglobin", "hemoglobin-moles"))
_PLATELETS, _M_PROTEIN = _Test(("platelets",)), _Test(("m-protein",))
_LIGHT_CHAINS = _Test(("free-light-chain-ratio", "kappa-free", "lambda-free"))
#: What tells MGUS and smouldering myeloma from active myeloma.
_OF_PRECURSOR = (_CREATININE, _CALCIUM, _HEMOGLOBIN, _M_PROTEIN, _LIGHT_CHAINS)
_SERUM_B2M = _Test(("b2m-serum",), "serum_b2m_days_to")
_URINE_PH, _URINE_CREATININE = _Test(("urine-ph",), ""), _Test(("urine-creatinine",), "")
_URINE_ALBUMIN = _Test(("urine-albumin-ratio", "urine-albumin", "urine-protein-ratio", "urine-protein"), "")
_PHOSPHATE = _Test(("phosphate",))
_CADMIUM = (_Test(("cadmium-urine-ratio",)), _Test(("cadmium-blood",)))
_DEL_17P, _TP53_MUTATION = "del-17p", "tp53-mutation"
#: What one FISH panel of myeloma tells.
FISH = (_DEL_17P, "t-4-14", "t-14-16", "t-14-20", "gain-1q")
_SHARE = _Test(("del-17p-cells",))
#: Reported, and yet the test that decides: why.
_UNUSABLE = {State.OUTSIDE: Why.STALE, State.CONTRADICTORY: Why.CONTRADICTORY}
_TP53 = (_DEL_17P, _TP53_MUTATION)
_IGHV = "ighv-unmutated"
#: Whose index holds for new disease alone.
_NEW_ONLY = (lymphoid.FOLLICULAR, lymphoid.DLBCL)
_OF_24_HOURS = "24 hour"
_CREATININE_DAYS = "creatinine_days_to"
_NO_RESULT = (Reason.STATUS, Reason.ENTERED_IN_ERROR)


def missing(facts: Facts, rule: Rule) -> tuple[Missing, ...]:
    """The tests that are missing for the B2M under review, in order of use; each once."""
    b2m = facts.b2m
    if b2m is None or not levels.can_be_compared(b2m):
        return ()
    if facts.specimen == "serum":
        found = _beside_serum(facts, rule, b2m)
    elif facts.specimen in urine.SPECIMENS:
        found = _beside_urine(facts, rule, b2m)
    else:
        found = _beside_csf(facts, rule, b2m)
    return tuple({one.key: one for one in found}.values())


def diseases(facts: Facts, rule: Rule) -> tuple[str, ...]:
    """The keys of the diagnoses with a stage or index here that may hold, in the order in which they are asked."""
    b2m = context.readable(facts)
    if b2m is None or facts.specimen != "serum":
        return ()
    chart = myeloma.in_chart(facts, rule, b2m)
    found = ["myeloma"] if chart and not chart.why_not else []
    for kind in (lymphoid.CLL, lymphoid.WALDENSTROM, *_NEW_ONLY):
        disease = lymphoid.in_chart(facts, kind)
        holds = disease and not disease.why_not and (kind not in _NEW_ONLY or lymphoid.is_recent(rule, disease))
        found += [kind.key] if holds else []
    return tuple(found)


def _beside_serum(facts: Facts, rule: Rule, b2m: Result) -> Iterator[Missing]:
    if context.readable(facts) is None or states.dialysis(facts) is not states.Dialysis.NO:
        return
    asked = diseases(facts, rule)
    if "myeloma" in asked:
        decided = b2m.interval.is_below(rule.value("b2m_stage_1_below")) is False
        tests = [_CREATININE, _LDH] if decided else [_ALBUMIN, _CREATININE, _LDH]
        yield from _results(facts, rule, b2m, tests)
        yield from _genetics_of_myeloma(facts, rule, b2m)
        yield from _results(facts, rule, b2m, [_CALCIUM, _HEMOGLOBIN])
    if lymphoid.CLL.key in asked:
        aberrant = any(c.item in _TP53 and c.presence is Presence.PRESENT for c in facts.coded)
        yield from _coded(facts, (*(() if aberrant else _TP53), _IGHV))
    if lymphoid.WALDENSTROM.key in asked:
        yield from _results(facts, rule, b2m, [_HEMOGLOBIN, _PLATELETS, _M_PROTEIN, _ALBUMIN, _LDH])
    if lymphoid.DLBCL.key in asked:
        yield from _results(facts, rule, b2m, [_LDH])
    if lymphoid.FOLLICULAR.key in asked:
        yield from _results(facts, rule, b2m, [_HEMOGLOBIN])
    if not asked and precursor(facts, b2m.when):
        yield from _results(facts, rule, b2m, _OF_PRECURSOR)
    yield from _results(facts, rule, b2m, [_KIDNEY])


def precursor(facts: Facts, when: Moment) -> Problem | None:
    """Confirmed, untreated MGUS or smouldering myeloma alone, for which other tests are asked than for a stage.

    None beside myeloma or AL amyloidosis: what it became is then known.
    """
    found = myeloma.without_myeloma(facts)
    if found is None or not states.is_confirmed(found) or states.active(facts, myeloma.AL_AMYLOIDOSIS):
        return None
    course = myeloma.course_before(facts, when)
    return None if course.treatment is Treatment.BEGUN else found


def _beside_urine(facts: Facts, rule: Rule, b2m: Result) -> Iterator[Missing]:
    if not _is_urine_read(facts, b2m):
        return
    if states.exposed_to_cadmium(facts) and states.is_child(facts, b2m.when) is not True:
        yield from _results(facts, rule, b2m, _CADMIUM)
    above = levels.of_urine(facts, rule, b2m).above
    if above is False:
        return
    tests = {
        "urine": [_URINE_PH, _SERUM_B2M, _URINE_ALBUMIN, _URINE_CREATININE, _KIDNEY],
        "urine ratio": [_URINE_PH, _SERUM_B2M, _URINE_ALBUMIN, _KIDNEY],
        "24 h urine": [_SERUM_B2M, _KIDNEY],
    }
    kind = "24 h urine" if is_of_24_hours(b2m.loinc) else facts.specimen
    yield from _results(facts, rule, b2m, tests[kind])
    if is_tubular(facts, rule):
        yield from _results(facts, rule, b2m, [_PHOSPHATE])


def _is_urine_read(facts: Facts, b2m: Result) -> bool:
    """Whether any rule reads this urine: not in pregnancy, nor on dialysis."""
    return not states.pregnant(facts, b2m.when) and states.dialysis(facts) is not states.Dialysis.YES


def is_of_24_hours(loinc: str) -> bool:
    """Whether a code is of a urine that was collected over 24 hours: ratios to creatinine are of either kind."""
    return _OF_24_HOURS in terms.analyte_of_loinc()[loinc][1].name


def is_tubular(facts: Facts, rule: Rule) -> bool:
    """Whether the urine B2M is raised and a serum B2M near it is not: what tells more is what else the tubule loses."""
    b2m = facts.b2m
    if b2m is None or not levels.of_urine(facts, rule, b2m).above:
        return False
    near = facts.within(("b2m-serum",), b2m.when, rule.value("serum_b2m_days_to"))
    serum = next((r for r in near if levels.can_be_compared(r)), None)
    return serum is not None and levels.of_serum(facts, rule, serum).above is False


def needs_fresh_void(facts: Facts, rule: Rule) -> bool:
    """Whether a urine B2M is not raised and its pH does not let it count: then only another urine tells more."""
    b2m = facts.b2m
    if b2m is None or facts.specimen not in urine.SPECIMENS or not levels.can_be_compared(b2m):
        return False
    if not _is_urine_read(facts, b2m) or levels.of_urine(facts, rule, b2m).above is not False:
        return False
    acidity = urine.ph_of(facts, rule, b2m).acidity
    not_sent = acidity is Acidity.UNKNOWN and _is_not_known(facts, _URINE_PH)
    return acidity is not Acidity.VOUCHES and not not_sent


def _beside_csf(facts: Facts, rule: Rule, b2m: Result) -> Iterator[Missing]:
    compared = states.is_child(facts, b2m.when) is False and not states.pregnant(facts, b2m.when)
    if facts.specimen == "CSF" and compared and not b2m.comparator:
        yield from _results(facts, rule, b2m, [_SERUM_B2M])


def index_awaited(facts: Facts, rule: Rule, when: Moment) -> str:
    """The key of the first lymphoid disease whose index may take a B2M of ``when`` and other laboratory results; ""."""
    kinds = (lymphoid.WALDENSTROM, *_NEW_ONLY)
    asked = (k.key for k in kinds if lymphoid.awaits_index(facts, rule, k, when, new_only=k in _NEW_ONLY))
    return next(asked, "")


#: What may be ordered with a B2M. Kidney function is answered by any measure of it.
_TO_ORDER = {
    "kidney": _KIDNEY,
    "calcium": _CALCIUM,
    "haemoglobin": _HEMOGLOBIN,
    "platelets": _PLATELETS,
    "m-protein": _M_PROTEIN,
    "light-chains": _LIGHT_CHAINS,
    "creatinine": _CREATININE,
    "albumin": _ALBUMIN,
    "ldh": _LDH,
    "b2m-serum": _SERUM_B2M,
    "b2m-serum-beside-csf": _Test(("b2m-serum",), "serum_beside_csf_days_to"),
    "b2m-serum-before-session": _Test(("b2m-serum",), ""),
    "urine-ph": _URINE_PH,
    "urine-creatinine": _URINE_CREATININE,
    "cadmium-urine": _CADMIUM[0],
    "cadmium-blood": _CADMIUM[1],
}


@dataclass(frozen=True, slots=True)
class ToOrder:
    """A test to order with a B2M: the key of its analyte, and the threshold in days of earlier results, "" for none."""

    key: str
    within: str


def to_order(facts: Facts, rule: Rule, names: Iterable[str]) -> tuple[ToOrder, ...]:
    """Which of the tests of these names are neither being ordered nor answered by a result near enough.

    A provisional result answers: its sample is in the laboratory already. What has to be of the same urine or session
    only another draft answers.
    """
    tests = [_TO_ORDER[name] for name in names]
    return tuple(ToOrder(test.keys[0], _window(facts, test)) for test in tests if not _is_answered(facts, rule, test))


def _window(facts: Facts, test: _Test) -> str:
    """The threshold in days of a test: in acute kidney injury a creatinine is soon out of date."""
    is_creatinine = test.within == _CREATININE_DAYS
    return kidney.creatinine_window(facts, facts.taken) if facts.taken and is_creatinine else test.within


def _is_answered(facts: Facts, rule: Rule, test: _Test) -> bool:
    if facts.also_ordered.intersection(test.keys):
        return True
    when = facts.taken
    if when is None or not test.within:
        return False
    found = (r for r in facts.results if r.analyte in test.keys and _has_limit(r, test))
    return any(r.when.days_until(when) <= rule.value(_window(facts, test)) for r in found)


def _has_limit(result: Result, test: _Test) -> bool:
    """Whether a result has the upper limit without which it answers nothing, where it needs one."""
    return not test.upper_limit or bool(result.reference_range and result.reference_range.high is not None)


def _results(facts: Facts, rule: Rule, b2m: Result, tests: Iterable[_Test]) -> Iterator[Missing]:
    for test in tests:
        if _is_not_known(facts, test):
            continue
        within = _window(facts, test)
        final = [r for r in facts.results if r.analyte in test.keys and not r.provisional]
        fresh = [r for r in final if _is_fresh(rule, b2m, r, within)]
        nearest = min(final, key=lambda r: r.when.distance(b2m.when), default=None)
        if not fresh:
            yield Missing(test.keys[0], Why.STALE if nearest else Why.NOT_FOUND, nearest, within)
        elif not any(_has_limit(r, test) for r in fresh):
            yield Missing(test.keys[0], Why.NO_UPPER_LIMIT, nearest, within)


def _genetics_of_myeloma(facts: Facts, rule: Rule, b2m: Result) -> Iterator[Missing]:
    """What decides the genetic criteria; the share of a del(17p) only while no TP53 mutation decides its criterion."""
    yield from _lesions(facts, rule, b2m, FISH)
    present = {key: cytogenetics.lesion(facts, rule, b2m, key).present for key in _TP53}
    shares = cytogenetics.del_17p_shares(facts, rule, b2m)
    if present[_DEL_17P] and not present[_TP53_MUTATION] and not shares and not _is_not_known(facts, _SHARE):
        yield Missing(_SHARE.keys[0], Why.NO_SHARE)
    yield from _lesions(facts, rule, b2m, (_TP53_MUTATION, "del-1p32"))


def _lesions(facts: Facts, rule: Rule, b2m: Result, keys: Iterable[str]) -> Iterator[Missing]:
    """Those never reported, outside the time window or contradictory; a report that is not clear or final is one."""
    for key in keys:
        yield from _coded(facts, (key,))
        lesion = cytogenetics.lesion(facts, rule, b2m, key)
        if lesion.state in _UNUSABLE:
            yield Missing(key, _UNUSABLE[lesion.state], lesion=lesion)


def _is_fresh(rule: Rule, b2m: Result, result: Result, within: str) -> bool:
    if not within:
        return urine.is_of_one_urine(b2m, result, timedelta(hours=int(rule.value("same_urine_hours_to"))))
    return result.when.days_until(b2m.when) <= rule.value(within)


def _is_not_known(facts: Facts, test: _Test) -> bool:
    """Whether the results that would hold it did not come in full, or it was measured and could not be read."""
    group = terms.analytes()[test.keys[0]].group
    unread = (m for m in facts.missing if m.item in test.keys and m.reason not in _NO_RESULT)
    return group in facts.unknown or any(
        m.when is None or all(r.when.sort_key() < m.when.sort_key() for r in facts.series(m.item)) for m in unread
    )


def _coded(facts: Facts, keys: tuple[str, ...]) -> Iterator[Missing]:
    """What was never reported; a report that is not clear is one."""
    reported = {c.item for c in facts.coded} | {m.item for m in facts.missing if m.reason not in _NO_RESULT}
    group = {term.key: term.group for term in coded_terms()}
    return (Missing(key, Why.NOT_FOUND) for key in keys if key not in reported and group[key] not in facts.unknown)
