"""Whether the B2M result under review, and what should be read beside it, can be interpreted at all."""

from cds_service.facts import Facts, MissingData, Reason, Result, Suspicion, legible, to_digits
from cds_service.knowledge import missing_companions, series, states, terms
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.unit_slip import Jump, jump

_PRINTED_LIMIT = 80
_JUMP_LIMITS = ("jump_percent_to", "jump_days_to")
_COMPARED = ("serum", *series.URINES)
_UNEXPECTED = ("jump", "very_high")


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """The gravest doubt leads; the others stand beside it as notes."""
    companions = missing_companions.in_words(facts, rule)
    values = {"companions": companions} if companions else {}
    missing, b2m = facts.b2m_missing, facts.b2m
    if missing:
        values |= _values_of_missing(missing)
        notes = _asides(facts, companions, None)
        return rule.finding(missing.reason.replace("-", "_"), facts.specimen, values=values, notes=notes)
    if b2m is None:
        return None
    other, found = _measured_otherwise(facts, b2m), jump(facts, rule, b2m)
    doubt = _doubt(facts, b2m, found)
    said = [*([doubt] if doubt else []), *_asides(facts, companions, other)]
    if not said:
        return None
    lead, *others = said
    return rule.finding(
        lead,
        facts.specimen,
        values={**values, **_values(b2m, found), **_values_of_other(b2m, other), **_values_of_newest(facts, b2m)},
        notes=(*others, *_notes_on_serum(b2m, doubt)),
        inputs=(b2m, found.before) if found and doubt == "jump" else (b2m,),
        thresholds=_JUMP_LIMITS if doubt == "jump" else (),
    )


def _label(analyte: str) -> str:
    short = terms.analytes()[analyte].short
    return short[0].upper() + short[1:]


def _values_of_missing(missing: MissingData) -> dict[str, str]:
    values = {"label": _label(missing.item), "printed": missing.printed[:_PRINTED_LIMIT]}
    if missing.reason is Reason.IMPLAUSIBLE:
        values["otherwise"] = f"; the size of the number would fit {missing.hint}" if missing.hint else ""
    return values


def _values(b2m: Result, found: Jump | None) -> dict[str, str]:
    values = {"label": _label(b2m.analyte), "b2m": b2m.display}
    if b2m.suspicion and b2m.suspicion.likely_unit:
        values |= {"unit": b2m.suspicion.likely_unit, "otherwise": _otherwise(b2m)}
    elif b2m.suspicion:
        values["meant"] = _meant(b2m.suspicion, b2m.unit)
    if found:
        times = f"{found.factor:f}"
        values |= {
            "slip": found.unit,
            "canonical": b2m.unit,
            "change": f"about {times} times" if found.rose else f"about 1/{times} of",
            "factor": times,
            "before": found.before.quantity,
            "day": series.day_of(found.before.when),
        }
    return values


def _doubt(facts: Facts, b2m: Result, found: Jump | None) -> str | None:
    if b2m.suspicion and b2m.suspicion.likely_unit:
        return "unit_doubt"
    if found:
        return "jump"
    if b2m.suspicion and states.dialysis(facts) is states.Dialysis.NO:
        return "very_high"
    return "provisional" if b2m.provisional else None


def _otherwise(b2m: Result) -> str:
    value = b2m.suspicion.value if b2m.suspicion else None
    if value is None:
        return ""
    shown = legible(value) if b2m.printed_unit.factor == 1 else to_digits(value, value.normalize())
    return f"; it would then be {b2m.comparator}{shown} {b2m.unit}"


def _meant(suspicion: Suspicion, unit: str) -> str:
    if suspicion.value is None:
        return ""
    return f" If {suspicion.possible_unit} was meant: {legible(suspicion.value)} {unit}."


def _measured_otherwise(facts: Facts, b2m: Result) -> Result | None:
    """The newest earlier result, where the chart says that another laboratory or method measured it.

    Sound results of serum and urine are compared by the rule trend, which says so itself.
    """
    if series.is_usable(b2m) and b2m.specimen in _COMPARED:
        return None
    earlier = next(iter(series.earlier(facts, b2m)), None)
    return earlier if earlier and set(series.differ_in(b2m, earlier)) & {"laboratory", "method"} else None


def _values_of_other(b2m: Result, other: Result | None) -> dict[str, str]:
    if other is None:
        return {}
    by = [name for name in series.differ_in(b2m, other) if name in ("laboratory", "method")]
    return {"other_day": series.day_of(other.when), "by": " and ".join(by)}


def _notes_on_serum(b2m: Result, doubt: str | None) -> tuple[str, ...]:
    if b2m.specimen != "serum" or doubt not in _UNEXPECTED:
        return ()
    return ("highest_seen", "interference") if doubt == "very_high" else ("interference",)


def _asides(facts: Facts, companions: str, other: Result | None) -> tuple[str, ...]:
    b2m = facts.b2m
    in_error = b2m and any(
        m.reason is Reason.ENTERED_IN_ERROR and m.item == b2m.analyte and m.when and _after(m, b2m)
        for m in facts.missing
    )
    asked = {
        "newer_exists": b2m is not None and _newest(facts, b2m) is not None,
        "later_in_error": in_error,
        "measured_otherwise": other is not None,
        "companions": bool(companions),
    }
    return tuple(name for name, holds in asked.items() if holds)


def _newest(facts: Facts, b2m: Result) -> Result | None:
    """The newest result of the same analyte that is newer than the B2M under review; None where there is none."""
    newest = next(iter(facts.series(b2m.analyte)), None)
    return newest if newest and newest.when.sort_key() > b2m.when.sort_key() else None


def _values_of_newest(facts: Facts, b2m: Result) -> dict[str, str]:
    """With its time of day where there is one: it may be of the same day."""
    newest = _newest(facts, b2m)
    if newest is None:
        return {}
    instant = newest.when.instant
    taken = f"{instant:%Y-%m-%d %H:%M}" if instant else series.day_of(newest.when)
    provisional = ", provisional" if newest.provisional else ""
    return {"which": terms.analytes()[b2m.analyte].short, "newest": f"{newest.display}, {taken}{provisional}"}


def _after(missing: MissingData, b2m: Result) -> bool:
    return missing.when is not None and missing.when.sort_key() > b2m.when.sort_key()
