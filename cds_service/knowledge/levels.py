"""How a B2M lies to the upper limit that holds for it: the laboratory's own, else a labelled default by age.

Each function takes the rule that asks: its own TOML holds the defaults for adults, under the same names in each of
them. Those for serum of children stand once, in the TOML of the rule serum-level, and are read from there.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from importlib.resources import files

from cds_service.facts import Facts, Result, legible, to_digits
from cds_service.knowledge import states
from cds_service.knowledge.model import Rule, read_rule

#: The defaults for urine; of a ratio to creatinine, and of a concentration in collected urine, none has a source.
_URINE_DEFAULTS = {"b2m-urine": "default_spot_above", "b2m-urine-rate": "default_24h_above"}
_SHORT = 24
_SERUM_BANDS = ("default_to_49_years_above", "default_from_50_years_above")
_OF_CHILDREN = "cds_service.knowledge.rules.serum_level"
_DAY_BANDS = ("1_to_30_days", "31_to_182_days", "183_to_365_days")
_YEAR_BANDS = ("1_to_3_years", "4_to_6_years", "7_to_9_years", "10_to_12_years")


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

    def filed(self, b2m: Result) -> str:
        """The limit, "" where there is none: the laboratory's as filed beside ``b2m``, cut short if that is long."""
        if self.limit is None:
            return ""
        short = f"{to_digits(self.limit, Decimal(1))} {b2m.unit}"
        return next((text for text in (self._filed(b2m), self.shown(b2m)) if 0 < len(text) <= _SHORT), short)

    def in_full(self, b2m: Result) -> str:
        """The limit, the laboratory's as filed with the conversion behind it where it was filed in another unit."""
        filed, converted = self._filed(b2m), self.shown(b2m)
        return f"{filed} ({converted})" if filed else converted

    def _filed(self, b2m: Result) -> str:
        """The laboratory's limit in the unit in which ``b2m`` was filed, "" where that is the canonical one."""
        if self.limit is None or self.origin != "laboratory" or b2m.printed_unit.factor == 1:
            return ""
        return f"{legible(self.limit / b2m.printed_unit.factor)} {b2m.printed_unit.text}"

    def shown(self, b2m: Result) -> str:
        """The limit in the canonical unit, "" where there is none; no more digits than it had in the unit as filed."""
        if self.limit is None:
            return ""
        number = (
            to_digits(self.limit, self.limit / b2m.printed_unit.factor) if self._filed(b2m) else legible(self.limit)
        )
        return f"{number} {b2m.unit}"


def can_be_compared(b2m: Result | None) -> bool:
    """Whether a result is final and its unit beyond doubt."""
    return b2m is not None and not b2m.provisional and not (b2m.suspicion and b2m.suspicion.likely_unit)


def of_urine(facts: Facts, rule: Rule, b2m: Result) -> Level:
    """The level of a urine B2M. Under 18 years, or at an age not known, there is no default."""
    default = _URINE_DEFAULTS.get(b2m.analyte)
    adult = states.is_child(facts, b2m.when) is False
    return _level(rule, b2m, (default,) if default and adult else (), default_exists=default is not None)


def of_serum(facts: Facts, rule: Rule, b2m: Result) -> Level:
    """The level of a serum B2M, by the default of every band that the patient's age (a child's sex too) allows.

    Of a child, ``thresholds`` names only what ``rule`` has itself.
    """
    if not states.is_child(facts, b2m.when):
        return _level(rule, b2m, serum_bands(facts, rule, b2m))
    level = _level(_limits_of_children(), b2m, serum_bands(facts, _limits_of_children(), b2m))
    return replace(level, thresholds=tuple(name for name in level.thresholds if name in rule.thresholds))


@cache
def _limits_of_children() -> Rule:
    return read_rule(files(_OF_CHILDREN), _OF_CHILDREN)


def serum_bands(facts: Facts, rule: Rule, b2m: Result) -> tuple[str, ...]:
    """The defaults for serum that age and sex allow, the lowest limit first; none where one of them is lacking."""
    age, child = facts.patient.age_on(b2m.when), states.is_child(facts, b2m.when)
    if age is None or child is None:
        return ()
    if child:
        sexes = {"female": ("girls",), "male": ("boys",)}.get(facts.patient.sex or "", ("girls", "boys"))
        ages = _ages_of_child(facts, rule, b2m, age)
        found = {f"{sex}_{band}_above" for sex in sexes for band in ages}
        return tuple(sorted(found, key=lambda name: (rule.value(name), name)))
    older_from = rule.value("older_band_from")
    younger, older = _SERUM_BANDS
    return ((younger,) if age[0] < older_from else ()) + ((older,) if age[1] >= older_from else ())


def _ages_of_child(facts: Facts, rule: Rule, b2m: Result, age: tuple[int, int]) -> set[str]:
    """The bands of age that the birth date allows; none where any age that it allows has none."""
    birth, first_birthday = facts.patient.birth, rule.value("band_1_to_3_years_from")
    if birth is None or age[1] >= rule.value("no_band_from"):
        return set()
    years = _touched(rule, _YEAR_BANDS, *age)
    if age[0] >= first_birthday:
        return years
    youngest, oldest = (b2m.when.first - birth.last).days, (b2m.when.last - birth.first).days
    if birth.first != birth.last or youngest < rule.value("band_1_to_30_days_from"):
        return set()
    return years | _touched(rule, _DAY_BANDS, youngest, oldest)


def _touched(rule: Rule, bands: tuple[str, ...], youngest: int, oldest: int) -> set[str]:
    """Of ``bands``, in the order of age, those that hold an age from ``youngest`` to ``oldest``."""
    begins = [rule.value(f"band_{band}_from") for band in bands]
    return {
        band
        for band, begin, end in zip(bands, begins, (*begins[1:], None), strict=True)
        if begin <= oldest and (end is None or youngest < end)
    }


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
