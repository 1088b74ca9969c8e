"""How a B2M lies to the upper limit that holds for it: the laboratory's own, else a labelled default for adults.

Each function takes the rule that asks: its own TOML holds the defaults, under the same names in each of them.
"""

from dataclasses import dataclass
from decimal import Decimal

from cds_service.facts import Facts, Result, legible, to_digits
from cds_service.knowledge import states
from cds_service.knowledge.model import Rule

#: The defaults for urine; of a ratio to creatinine, and of a concentration in collected urine, none has a source.
_URINE_DEFAULTS = {"b2m-urine": "default_spot_above", "b2m-urine-rate": "default_24h_above"}
_SERUM_BANDS = ("default_to_49_years_above", "default_from_50_years_above")


@dataclass(frozen=True, slots=True)
class Level:
    """Whether a result is above its upper limit (None: cannot be said), which limit that is, and whose.

    ``thresholds`` names the defaults that were used, none where the limit is the laboratory's. ``default_exists`` is
    False where no age would have a default.
    """

    above: bool | None = None
    limit: Decimal | None = None
    origin: str = ""
    thresholds: tuple[str, ...] = ()
    default_exists: bool = True

    def shown(self, b2m: Result) -> str:
        """The limit in the unit of ``b2m``, "" where there is none; no more digits than it had in the unit as filed."""
        if self.limit is None:
            return ""
        filed = (self.limit / b2m.printed_unit.factor).normalize()
        converted = b2m.printed_unit.factor != 1 and self.origin == "laboratory" and not self.limit.is_zero()
        return f"{to_digits(self.limit, filed) if converted else legible(self.limit)} {b2m.unit}"


def can_be_compared(b2m: Result | None) -> bool:
    """Whether a result is final and its unit beyond doubt."""
    return b2m is not None and not b2m.provisional and not (b2m.suspicion and b2m.suspicion.likely_unit)


def of_urine(facts: Facts, rule: Rule, b2m: Result) -> Level:
    """The level of a urine B2M. Under 18 years, or at an age not known, there is no default."""
    default = _URINE_DEFAULTS.get(b2m.analyte)
    adult = states.is_child(facts, b2m.when) is False
    return _level(rule, b2m, (default,) if default and adult else (), default_exists=default is not None)


def of_serum(facts: Facts, rule: Rule, b2m: Result) -> Level:
    """The level of a serum B2M, by the default of every band that the patient's age allows."""
    age = facts.patient.age_on(b2m.when)
    if age is None or states.is_child(facts, b2m.when) is not False:
        return _level(rule, b2m, ())
    older_from = rule.value("older_band_from")
    younger, older = _SERUM_BANDS
    return _level(rule, b2m, ((younger,) if age[0] < older_from else ()) + ((older,) if age[1] >= older_from else ()))


def _level(rule: Rule, b2m: Result, defaults: tuple[str, ...], *, default_exists: bool = True) -> Level:
    given = b2m.reference_range
    if given and given.high is not None:
        return Level(given.is_exceeded_by(b2m.central), given.high, "laboratory", (), default_exists)
    if not defaults:
        return Level(default_exists=default_exists)
    answers = {b2m.interval.is_above(rule.value(name)) for name in defaults}
    above = answers.pop() if len(answers) == 1 else None
    decides = defaults[-1] if above else defaults[0]
    return Level(above, rule.value(decides), "default", (decides,))
