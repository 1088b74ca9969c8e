"""The category of the OSHA cadmium standard, from urine B2M per creatinine and the cadmium results beside it."""

from itertools import product
from typing import NamedTuple

from cds_service.facts import Facts, Interval, Result
from cds_service.knowledge import levels, states, urine
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.urine import Acidity

_RATIO = "urine ratio"
#: By analyte: the name of its limits in the rule, and what it is called.
_MARKERS = {
    "b2m-urine-ratio": ("b2m", "urine B2M"),
    "cadmium-urine-ratio": ("urine_cadmium", "urine cadmium"),
    "cadmium-blood": ("blood_cadmium", "blood cadmium"),
}
_ALONE = "the B2M limb only"
_NOT_PER_GRAM = "it is not per gram of creatinine"
_MYELOMA = (
    "myeloma", "myeloma-relapse", "myeloma-remission", "smouldering-myeloma", "plasma-cell-leukaemia", "plasmacytoma",
)  # fmt: skip
_MAY_BE_LOW = {
    Acidity.ACID: "the urine pH is below 6",
    Acidity.ADJUSTED: "the pH of the voided urine is not known",
    Acidity.UNKNOWN: "the urine pH is not known",
}
_PH = {Acidity.ACID: "ph_acid", Acidity.ADJUSTED: "ph_unknown", Acidity.UNKNOWN: "ph_unknown"}


class _Marker(NamedTuple):
    """One of the three markers, and the categories that its result allows."""

    result: Result
    categories: tuple[str, ...]

    @property
    def limits(self) -> str:
        return _MARKERS[self.result.analyte][0]

    @property
    def label(self) -> str:
        return _MARKERS[self.result.analyte][1]


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """The highest category of the markers that there are, where nothing else explains a high urine B2M."""
    b2m = facts.b2m
    if b2m is None or not _can_be_read(b2m) or not states.exposed_to_cadmium(facts) or _is_no_place(facts, b2m):
        return None
    if facts.specimen != _RATIO:
        beside = _RATIO in facts.under_review
        return None if beside else _without_b2m(facts, rule, b2m, "no_ratio", _NOT_PER_GRAM)
    if cause := _other_cause(facts, rule, b2m):
        return _without_b2m(facts, rule, b2m, "other_cause", cause)
    if _is_implausible(rule, b2m):
        cadmium = _cadmium(facts, rule, b2m)
        return rule.finding(
            "implausible",
            facts.specimen,
            values={"b2m": b2m.display, "by": _by(cadmium)},
            notes=("cadmium_alone",) if cadmium else (),
            inputs=(b2m, *(marker.result for marker in cadmium)),
            thresholds=_limits(cadmium),
        )
    return _categorised(facts, rule, b2m)


def _without_b2m(facts: Facts, rule: Rule, b2m: Result, outcome: str, cause: str) -> Finding:
    """Why the urine B2M gives no category; urine and blood cadmium give one where it is, or may be, above A."""
    cadmium = _cadmium(facts, rule, b2m)
    overall = _overall(cadmium)
    if "A" in overall:
        return rule.finding(outcome, facts.specimen, values={"cause": cause}, inputs=(b2m,))
    return rule.finding(
        "without_b2m",
        facts.specimen,
        values={
            "b2m": b2m.quantity,
            "cause": cause,
            "markers": _listed(_deciding(cadmium, overall)),
            "by": _by(cadmium),
            "categories": " or ".join(overall),
        },
        notes=("workers",),
        inputs=(b2m, *(marker.result for marker in cadmium)),
        thresholds=_limits(cadmium),
    )


def _can_be_read(b2m: Result) -> bool:
    """A ratio whose unit is in doubt is read as far as to say that it gives no category."""
    return levels.can_be_compared(b2m) or (b2m.specimen == _RATIO and not b2m.provisional)


def _is_no_place(facts: Facts, b2m: Result) -> bool:
    on_dialysis = states.dialysis(facts) is states.Dialysis.YES
    return on_dialysis or states.pregnant(facts, b2m.when) or states.is_child(facts, b2m.when) is True


def _other_cause(facts: Facts, rule: Rule, b2m: Result) -> str:
    recorded = [p for p in facts.problems_of(*_MYELOMA) if p.verification_status not in states.REFUTED]
    if recorded:
        return f"{recorded[0].label} is in the chart"
    above = {r: r.interval.is_above(rule.value("high_load_above")) for r in _serum_near(facts, rule, b2m)}
    high = next((r for r, known in above.items() if known), None)
    may_be = next((r for r, known in above.items() if known is None), None)
    if high:
        return f"serum B2M ({high.quantity}) is above 4.5 mg/L (service default)"
    return f"serum B2M ({may_be.quantity}) may be above 4.5 mg/L (service default)" if may_be else ""


def _serum_near(facts: Facts, rule: Rule, b2m: Result) -> list[Result]:
    """The serum B2M near it that may hold a category back: of a doubtful unit none does."""
    near = facts.within(("b2m-serum",), b2m.when, rule.value("serum_days_to"))
    return [result for result in near if levels.can_be_compared(result)]


def _is_implausible(rule: Rule, b2m: Result) -> bool:
    low = b2m.interval.is_below(rule.value("implausible_below"))
    may_be_mixed_up = low and b2m.interval.low is not None
    return bool(may_be_mixed_up or b2m.interval.is_above(rule.value("implausible_above")))


def _categorised(facts: Facts, rule: Rule, b2m: Result) -> Finding:
    markers = [_marker(rule, b2m), *_cadmium(facts, rule, b2m)]
    overall = _overall(markers)
    ph = urine.ph_of(facts, rule, b2m)
    there = {marker.label for marker in markers}
    missing = [label for _, label in _MARKERS.values() if label not in there]
    serum_known = bool(_serum_near(facts, rule, b2m))
    may_be_higher = [_MAY_BE_LOW[ph.acidity]] if ph.acidity in _MAY_BE_LOW else []
    may_be_higher += (
        [f"not found, or not usable, within 14 days (service default): {_listed(missing)}"] if missing else []
    )
    outcome = _outcome(overall, is_open=bool(may_be_higher))
    return rule.finding(
        outcome,
        facts.specimen,
        values={
            "b2m": b2m.quantity,
            "markers": _listed(_deciding(markers, overall)) if len(markers) > 1 else _ALONE,
            "by": _by(markers),
            "categories": " or ".join(overall),
            "missing": _listed(missing),
            "open": "; ".join(may_be_higher),
        },
        notes=_notes(facts, markers[0], outcome, missing=bool(missing), acidity=ph.acidity, serum_known=serum_known),
        inputs=(*(marker.result for marker in markers), *((ph.result,) if ph.result else ())),
        thresholds=_limits(markers),
    )


def _outcome(overall: tuple[str, ...], *, is_open: bool) -> str:
    if overall == ("A",) and is_open:
        return "at_least_a"
    return f"category_{overall[0].lower()}" if len(overall) == 1 else "several"


def _deciding(markers: list[_Marker], overall: tuple[str, ...]) -> list[str]:
    """The markers that may reach the overall category; the others do not raise it."""
    return [marker.label for marker in markers if set(marker.categories) & set(overall)]


def _overall(markers: list[_Marker]) -> tuple[str, ...]:
    """The categories that the highest of the markers may be; A of none."""
    return tuple(sorted({max(each, default="A") for each in product(*(marker.categories for marker in markers))}))


def _by(markers: list[_Marker]) -> str:
    return ", ".join(f"{m.label} {m.result.quantity} ({' or '.join(m.categories)})" for m in markers)


def _limits(markers: list[_Marker]) -> tuple[str, ...]:
    return tuple(f"{marker.limits}_{side}_above" for marker in markers for side in ("b", "c"))


def _cadmium(facts: Facts, rule: Rule, b2m: Result) -> list[_Marker]:
    """The nearest urine and blood cadmium of the same set as the urine B2M."""
    near = facts.within(states.CADMIUM, b2m.when, rule.value("set_days_to"))
    nearest = [next((r for r in near if r.analyte == key), None) for key in _MARKERS]
    return [_marker(rule, result) for result in nearest if result]


def _marker(rule: Rule, result: Result) -> _Marker:
    return _Marker(result, _categories(rule, result.interval, _MARKERS[result.analyte][0]))


def _categories(rule: Rule, interval: Interval, limits: str) -> tuple[str, ...]:
    from_b, from_c = (interval.is_above(rule.value(f"{limits}_{side}_above")) for side in ("b", "c"))
    possible = {"A": from_b is not True, "B": from_b is not False and from_c is not True, "C": from_c is not False}
    return tuple(category for category, holds in possible.items() if holds)


def _listed(labels: list[str]) -> str:
    return " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)


def _notes(
    facts: Facts, b2m: _Marker, outcome: str, *, missing: bool, acidity: Acidity, serum_known: bool
) -> tuple[str, ...]:
    # At least A says itself why it may be higher; C cannot be.
    may_be_higher = outcome not in ("category_c", "at_least_a")
    asked = {
        "marker_missing": missing and may_be_higher,
        _PH.get(acidity, ""): acidity in _PH and may_be_higher,
        "removal": "C" in b2m.categories,
        "influenza": b2m.categories != ("A",),
        "serum_unknown": b2m.categories != ("A",) and not serum_known,
        "problems_unknown": "conditions" in facts.unknown,
        "workers": True,
    }
    return tuple(note for note, holds in asked.items() if holds)
