"""Unit conversion against a naive second implementation in exact fractions, from the definition of the units."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts import MissingData, Reason, Result
from cds_service.knowledge import terms
from tests.unit.fhir.make import bundle, facts, observation

PREFIX = {
    "": Fraction(1),
    "m": Fraction(1, 10**3),
    "u": Fraction(1, 10**6),
    "n": Fraction(1, 10**9),
    "p": Fraction(1, 10**12),
}
VOLUME = {"L": Fraction(1), "dL": Fraction(1, 10), "mL": Fraction(1, 10**3)}
#: Grams per mole: LOINC's table of molecular weights for B2M; 113.12 of creatinine, as 88.4 umol/L for 1 mg/dL has it.
MOLES = {"nmol/L": 10**9, "umol/L": 10**6, "mmol/L": 10**3}

MASS_UNITS = [f"{p}g/{v}" for p in PREFIX for v in VOLUME]


def milligrams_per_litre(number: Fraction, unit: str) -> Fraction:
    """By the book: grams, divided by litres, in milligrams."""
    mass, volume = unit.split("/")
    return number * PREFIX[mass[:-1]] / VOLUME[volume] * 1000


def read_one(loinc: str, number: Decimal, unit: str, **parts: Any) -> Result | MissingData:
    value = {"value": number, "unit": unit} | parts
    found = facts(b2m=bundle(observation(loinc, value)))
    read: list[Result | MissingData] = [*found.results, *found.missing]
    return read[0]


known_mass = st.sampled_from([unit for unit in MASS_UNITS if unit in terms.printed_units()])
numbers = st.decimals("0.0001", "100000", places=4).filter(lambda n: n > 0)


@given(numbers, known_mass)
def test_mass_is_converted_exactly(number: Decimal, unit: str) -> None:
    expected = milligrams_per_litre(Fraction(number), unit)
    read = read_one("1952-1", number, unit)
    if isinstance(read, Result):
        assert Fraction(read.value) == expected
    else:
        assert read.reason is Reason.IMPLAUSIBLE
        assert not Fraction("0.1") <= expected <= 150


@given(numbers, st.sampled_from(sorted(MOLES)))
def test_moles_are_bracketed_by_what_is_known_of_the_molar_mass(number: Decimal, unit: str) -> None:
    moles_per_litre = Fraction(number) / MOLES[unit]
    read = read_one("76484-5", number, unit)
    if isinstance(read, Result):
        assert Fraction(read.value) == moles_per_litre * 11_800 * 1000
        low, high = read.interval.low, read.interval.high
        assert low is not None
        assert high is not None
        assert Fraction(low) <= moles_per_litre * 11_731 * 1000 <= Fraction(high)
    else:
        assert read.reason is Reason.IMPLAUSIBLE


@given(numbers, known_mass)
def test_a_mass_under_a_code_of_moles_is_never_converted(number: Decimal, unit: str) -> None:
    read = read_one("76484-5", number, unit)
    assert isinstance(read, MissingData)
    assert read.reason is Reason.WRONG_DIMENSION


@given(numbers, known_mass, st.sampled_from(["<", "<=", ">", ">="]))
def test_a_comparator_goes_with_the_converted_number(number: Decimal, unit: str, comparator: str) -> None:
    read = read_one("1952-1", number, unit, comparator=comparator)
    if isinstance(read, Result):
        expected = milligrams_per_litre(Fraction(number), unit)
        end = read.interval.high if "<" in comparator else read.interval.low
        assert end is not None
        assert Fraction(end) == expected
        assert (read.interval.low_open or read.interval.high_open) is ("=" not in comparator)
