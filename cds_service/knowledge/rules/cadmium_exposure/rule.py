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
_CADMIUM = ("cadmium-urine-ratio", "cadmium-blood", "cadmium-urine")
_MYELOMA = ("myeloma", "myeloma-relapse", "myeloma-remission", "smouldering-myeloma", "plasma-cell-other")
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
    if b2m is None or not _can_be_read(b2m) or not _shows_cadmium(facts) or _is_no_place(facts, b2m):
        return None
    if facts.specimen != _RATIO:
        beside = _RATIO in facts.under_review
        return None if beside else rule.finding("no_ratio", facts.specimen, inputs=(b2m,))
    if cause := _other_cause(facts, rule, b2m):
        return rule.finding("other_cause", facts.specimen, values={"cause": cause}, inputs=(b2m,))
    if _is_implausible(rule, b2m):
        return rule.finding("implausible", facts.specimen, values={"b2m": b2m.display}, inputs=(b2m,))
    return _categorised(facts, rule, b2m)


def _can_be_read(b2m: Result) -> bool:
    """A ratio whose unit is in doubt is read as far as to say that it gives no category."""
    return levels.can_be_compared(b2m) or (b2m.specimen == _RATIO and not b2m.provisional)


def _shows_cadmium(facts: Facts) -> bool:
    results = any(r.analyte in _CADMIUM and not r.provisional for r in facts.results)
    return results or bool(states.active(facts, "cadmium"))


def _is_no_place(facts: Facts, b2m: Result) -> bool:
    on_dialysis = states.dialysis(facts) is states.Dialysis.YES
    return on_dialysis or states.pregnant(facts, b2m.when) or states.is_child(facts, b2m.when) is True


def _other_cause(facts: Facts, rule: Rule, b2m: Result) -> str:
    recorded = [p for p in facts.problems_of(*_MYELOMA) if p.verification_status not in states.REFUTED]
    if recorded:
        return f"{recorded[0].label} is in the chart"
    serum = _serum_near(facts, rule, b2m)
    high = any(r.interval.is_above(rule.value("high_load_above")) is not False for r in serum)
    return "serum B2M is, or may be, above 4.5 mg/L (service default)" if high else ""


def _serum_near(facts: Facts, rule: Rule, b2m: Result) -> list[Result]:
    """The serum B2M near it that may hold a category back: of a doubtful unit none does."""
    near = facts.within(("b2m-serum",), b2m.when, rule.value("serum_days_to"))
    return [result for result in near if levels.can_be_compared(result)]


def _is_implausible(rule: Rule, b2m: Result) -> bool:
    low = b2m.interval.is_below(rule.value("implausible_below"))
    may_be_mixed_up = low and b2m.interval.low is not None
    return bool(may_be_mixed_up or b2m.interval.is_above(rule.value("implausible_above")))


def _categorised(facts: Facts, rule: Rule, b2m: Result) -> Finding:
    markers = _markers(facts, rule, b2m)
    overall = tuple(sorted({max(each) for each in product(*(marker.categories for marker in markers))}))
    ph = urine.ph_of(facts, rule, b2m)
    there = {marker.label for marker in markers}
    missing = [label for _, label in _MARKERS.values() if label not in there]
    serum_known = bool(_serum_near(facts, rule, b2m))
    return rule.finding(
        f"category_{overall[0].lower()}" if len(overall) == 1 else "several",
        facts.specimen,
        values={
            "b2m": b2m.quantity,
            "markers": _listed([marker.label for marker in markers]) if len(markers) > 1 else _ALONE,
            "by": ", ".join(f"{m.label} {m.result.quantity} ({' or '.join(m.categories)})" for m in markers),
            "categories": " or ".join(overall),
            "missing": _listed(missing),
        },
        notes=_notes(facts, markers[0], overall, missing=bool(missing), acidity=ph.acidity, serum_known=serum_known),
        inputs=(*(marker.result for marker in markers), *((ph.result,) if ph.result else ())),
        thresholds=tuple(f"{marker.limits}_{side}_above" for marker in markers for side in ("b", "c")),
    )


def _markers(facts: Facts, rule: Rule, b2m: Result) -> list[_Marker]:
    """The urine B2M, then the nearest urine and blood cadmium of the same set."""
    near = facts.within(_CADMIUM, b2m.when, rule.value("set_days_to"))
    cadmium = [next((r for r in near if r.analyte == key), None) for key in _MARKERS]
    return [
        _Marker(result, _categories(rule, result.interval, _MARKERS[result.analyte][0]))
        for result in (b2m, *cadmium)
        if result
    ]


def _categories(rule: Rule, interval: Interval, limits: str) -> tuple[str, ...]:
    from_b, from_c = (interval.is_above(rule.value(f"{limits}_{side}_above")) for side in ("b", "c"))
    possible = {"A": from_b is not True, "B": from_b is not False and from_c is not True, "C": from_c is not False}
    return tuple(category for category, holds in possible.items() if holds)


def _listed(labels: list[str]) -> str:
    return " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)


def _notes(
    facts: Facts, b2m: _Marker, overall: tuple[str, ...], *, missing: bool, acidity: Acidity, serum_known: bool
) -> tuple[str, ...]:
    cannot_be_higher = overall == ("C",)
    asked = {
        "marker_missing": missing and not cannot_be_higher,
        _PH.get(acidity, ""): acidity in _PH and not cannot_be_higher,
        "removal": "C" in b2m.categories,
        "influenza": b2m.categories != ("A",),
        "serum_unknown": b2m.categories != ("A",) and not serum_known,
        "problems_unknown": "conditions" in facts.unknown,
        "workers": True,
    }
    return tuple(note for note, holds in asked.items() if holds)
