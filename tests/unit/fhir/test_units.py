"""Printed quantities to canonical units, against a UCUM library and a second, naive conversion."""

from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts import Interval, Reason
from cds_service.fhir import units
from cds_service.knowledge import terms

B2M = terms.analytes()["b2m-serum"]
CREATININE = terms.analytes()["creatinine"]


def canonical(text: str, analyte: terms.Analyte = B2M) -> units.Canonical:
    number, unit_text = text.split(" ", 1)
    unit = units.read_unit({"unit": unit_text})
    assert isinstance(unit, terms.Unit), unit
    found = units.convert(Decimal(number), "", unit, analyte)
    assert found
    return found


@pytest.mark.parametrize(
    "printed",
    [
        "350 ug/dL",
        "0.35 mg/dL",
        "3500 ng/mL",
        "3500 ug/L",
        "3.5 ug/mL",
        "3.5 mcg/mL",
        "3.5 mg/L",
        "3.5 µg/mL",
        "3.5 μg/mL",
    ],
)
def test_one_number_in_many_units(printed: str) -> None:
    found = canonical(printed)
    assert found.value == Decimal("3.5")
    assert found.interval == Interval(Decimal("3.5"), Decimal("3.5"))


def test_moles_are_the_mass_to_the_digits_shown() -> None:
    found = canonical("466.1 nmol/L")
    assert found.shown == "5.500"
    assert found.value == Decimal("466.1") * Decimal("0.0118")
    assert found.interval.is_below(Decimal("5.5")) is None
    assert canonical("296.6 nmol/L").shown == "3.500"


def test_creatinine_on_the_limit_of_1_2_mg_per_dl_is_exact() -> None:
    assert canonical("1.2 mg/dL", CREATININE).value == Decimal("106.08")


def test_catalytic_activity() -> None:
    assert canonical("2.1004 ukat/L", terms.analytes()["ldh"]).value == Decimal("126.0240")


@pytest.mark.parametrize(
    ("printed", "shown"),
    [("350 ug/dL", "3.50"), ("3.20 mg/L", "3.20"), ("0 mg/dL", "0"), ("60 ug/L", "0.0600"), ("3.4 mg/dL", "34.0")],
)
def test_shown_with_the_digits_printed_and_at_least_three(printed: str, shown: str) -> None:
    assert canonical(printed).shown == shown


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ({"code": "mg/L", "system": terms.UCUM}, "mg/L"),
        ({"code": "mg/L"}, "mg/L"),
        ({"unit": "mg/l"}, "mg/L"),
        ({"unit": " mg\u200b/L "}, "mg/L"),
        ({"unit": "mg/L", "code": "258796002", "system": "http://snomed.info/sct"}, "mg/L"),
        ({"unit": "ug/mL", "code": "mg/L", "system": terms.UCUM}, "mg/L"),
        ({"unit": "B2M units", "code": "mg/L", "system": terms.UCUM}, "mg/L"),
        ({"unit": "mL/min/1.73 m²"}, "mL/min/{1.73_m2}"),
        ({"unit": "µg/mmol Krea"}, "ug/mmol{creat}"),
        ({"unit": "mm/1h"}, "mm/h"),
        ({"unit": "G/l"}, "10*9/L"),
        ({"unit": "mg/dL", "code": "mg/L", "system": terms.UCUM}, Reason.UNIT_CONFLICT),
        ({"unit": "nmol/L", "code": "mg/L", "system": terms.UCUM}, Reason.UNIT_CONFLICT),
        ({"unit": "mg/L", "code": "furlong", "system": terms.UCUM}, Reason.UNKNOWN_UNIT),
        ({"code": "258796002", "system": "http://snomed.info/sct"}, "mg/L"),
        ({"code": "1348323004", "system": "http://snomed.info/sct"}, "10*9/L"),
        ({"code": "258796002", "system": "http://snomed.info/sct", "unit": "mg/dL"}, Reason.UNIT_CONFLICT),
        ({"code": "258796002", "system": "http://example.org"}, Reason.UNKNOWN_UNIT),
        ({"code": "258707000", "system": "http://snomed.info/sct"}, Reason.UNKNOWN_UNIT),
        ({"unit": "drops"}, Reason.UNKNOWN_UNIT),
        ({"unit": ""}, Reason.NO_UNIT),
        ({"unit": 7}, Reason.NO_UNIT),
        ({}, Reason.NO_UNIT),
        (None, Reason.NO_UNIT),
        ("mg/L", Reason.NO_UNIT),
    ],
)
def test_read_unit(quantity: Any, expected: str | Reason) -> None:
    found = units.read_unit(quantity)
    assert (found.ucum if isinstance(found, terms.Unit) else found) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("3.20"), Decimal("3.20")),
        (4, Decimal(4)),
        ("3.5", Decimal("3.5")),
        ("-3", Decimal(-3)),
        ("3,5", None),
        ("<3.5", None),
        ("", None),
        ("NaN", None),
        ("١", None),
        (True, None),
        (None, None),
        ([], None),
        (Decimal("1E+400"), None),
        (Decimal("1E-400"), None),
        (Decimal("1." + "1" * 60), None),
        (Decimal("Infinity"), None),
    ],
)
def test_read_number(value: Any, expected: Decimal | None) -> None:
    assert units.read_number(value) == expected


@pytest.mark.parametrize(
    ("comparator", "low", "high"),
    [("", 4, 4), ("<", None, 4), ("<=", None, 4), (">", 4, None), (">=", 4, None)],
)
def test_a_comparator_is_an_interval(comparator: str, low: int | None, high: int | None) -> None:
    found = units.convert(Decimal(4), comparator, terms.units()["mg/L"], B2M)
    assert found
    assert (found.interval.low, found.interval.high) == (low, high)
    assert found.interval.low_open == (comparator == ">")
    assert found.interval.high_open == (comparator == "<")


def test_a_conversion_that_nobody_defined_is_none() -> None:
    assert units.convert(Decimal(500), "", terms.units()["umol/L"], terms.analytes()["albumin"]) is None


@pytest.mark.parametrize(
    ("printed", "implausible"),
    [("0.09 mg/L", True), ("0.1 mg/L", False), ("150 mg/L", False), ("150.1 mg/L", True), ("-1 mg/L", True)],
)
def test_plausibility(printed: str, implausible: bool) -> None:
    assert units.is_implausible(canonical(printed).interval, B2M) is implausible


def test_a_comparator_may_start_below_what_is_plausible() -> None:
    assert not units.is_implausible(Interval(None, Decimal("0.05"), high_open=True), B2M)
    assert units.is_implausible(Interval(Decimal(200), None), B2M)
    assert units.is_implausible(Interval.exactly(Decimal(-1)), terms.analytes()["b2m-urine"])


@pytest.mark.parametrize(
    ("printed", "unit"),
    [
        ("0.1 mg/L", "mg/dL"),
        ("0.69 ug/mL", "mg/dL"),
        ("0.7 mg/L", None),
        ("0.05 mg/dL", None),
        ("30 nmol/L", None),
        ("60 mg/L", None),
        ("61 mg/L", ""),
        ("80 mg/L", "nmol/L or ug/dL"),
    ],
)
def test_suspicion(printed: str, unit: str | None) -> None:
    found = units.suspicion(canonical(printed), B2M)
    assert (found.likely_unit if found else None) == unit


def test_likely_unit_of_an_implausible_number() -> None:
    assert units.likely_unit(Decimal(3500), B2M) == "ug/L or ng/mL"
    assert units.likely_unit(Decimal(10**9), B2M) == ""


@pytest.mark.parametrize(
    ("quantity", "printed"),
    [
        ({"value": Decimal("3.20"), "unit": "mg/L"}, "3.20 mg/L"),
        ({"value": 4, "comparator": "<", "code": "mg/L"}, "<4 mg/L"),
        ({"value": 300, "code": "ug/g{creat}", "system": terms.UCUM}, "300 ug/g creatinine"),
        ({"value": 300, "code": "ug/g{creat}", "unit": "ug/g{creat}"}, "300 ug/g creatinine"),
        ({"value": 300, "code": "ug/g{creat}", "unit": "µg/g Krea."}, "300 µg/g Krea."),
        ({"value": 20, "code": "{copies}/mL"}, "20 copies/mL"),
        ({"value": 20, "unit": "[IU]/mL"}, "20 IU/mL"),
        ({"value": 6.5, "code": "[pH]"}, "6.5"),
        ({"value": 4, "code": "258796002", "system": terms.SNOMED}, "4 mg/L"),
        ({"value": 4, "code": "furlong"}, "4 furlong"),
        ({"value": {"a": 1}, "unit": "mg/L"}, "mg/L"),
        ({"unit": ["mg/L"]}, ""),
        ("4 mg/L", ""),
        (None, ""),
    ],
)
def test_printed_quantity(quantity: Any, printed: str) -> None:
    assert units.printed_quantity(quantity) == printed


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("", "300 ug/g creatinine"),
        ("ug/g{creat}", "300 ug/g creatinine"),
        ("ug/g{Cr}", "300 ug/g creatinine"),
        ("<b>", "300 ug/g creatinine"),
        ("µg/g Krea.", "300 ug/g Krea."),
    ],
)
def test_what_is_filed_is_shown_in_texts_of_the_table_without_signs_of_codes(printed: str, shown: str) -> None:
    unit = terms.units()["ug/g{creat}"]
    assert units.filed_quantity(Decimal(300), "", unit, {"unit": printed, "code": "ug/g{creat}"}) == shown


def test_no_unit_reads_as_a_code() -> None:
    assert [unit.ucum for unit in terms.units().values() if set("{}[]*()") & set(unit.reads)] == []


# ------------------------------------------------------------------ oracles


@cache
def ucum() -> Any:
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


BASE = {
    "mass-concentration": "mg/L",
    "substance-concentration": "nmol/L",
    "catalytic-concentration": "U/L",
    "mass-ratio": "ug/g",
    "mass-rate": "mg/(24.h)",
    "substance-ratio": "nmol/mmol",
    "substance-rate": "nmol/(24.h)",
    "number-concentration": "/uL",
    "copy-concentration": "{copies}/mL",
    "arbitrary": "[IU]/mL",
    "pure-ratio": "1",
    "fraction": "%",
    "velocity": "mm/h",
    "length": "cm",
    "mass": "kg",
}
#: Mass per mole of creatinine: the library knows no molar mass, so it is checked up to the factor of creatinine.
PER_MOLE = {"ug/mmol{creat}", "mg/mol{creat}", "mg/mmol{creat}", "g/mol{creat}"}
# UCUM holds international units to be arbitrary; for enzymes laboratories print IU/L for U/L. An annotation alone is 1,
# which the library does not say.
CHECKED = [u for u in terms.units().values() if u.dimension in BASE and u.ucum not in ("[IU]/L", "{ratio}")]


@pytest.mark.filterwarnings("ignore")  # the oracle's own
@pytest.mark.parametrize("unit", CHECKED, ids=lambda unit: unit.ucum)
def test_every_factor_agrees_with_a_ucum_library(unit: terms.Unit) -> None:
    base = "ug/mmol" if unit.ucum in PER_MOLE else BASE[unit.dimension]
    ratio = ucum().from_ucum(unit.ucum) / ucum().from_ucum(base)
    factor = unit.factor / Decimal("8.84") if unit.ucum in PER_MOLE else unit.factor
    assert float(factor) == pytest.approx(ratio.to("").magnitude, rel=1e-12)


def test_every_dimension_is_checked_against_the_library() -> None:
    assert {u.dimension for u in terms.units().values()} == {*BASE, "filtration-rate", "ph"}
    assert {d for dimensions in terms.DIMENSIONS_OF_PROPERTY.values() for d in dimensions} <= {
        *BASE,
        "filtration-rate",
        "ph",
        "coded",
    }


def test_no_printed_text_stands_for_two_units() -> None:
    texts = [text for unit in terms.units().values() for text in {unit.ucum, *unit.printed}]
    assert len(texts) == len(set(texts))


def test_printed_texts_are_tidy_already() -> None:
    assert [text for text in terms.printed_units() if units.tidy(text) != text] == []


POWERS = {"mg/L": 0, "ug/mL": 0, "mg/dL": 1, "ug/dL": -2, "ng/mL": -3, "ug/L": -3, "g/L": 3, "pg/mL": -6}


@given(
    number=st.decimals(min_value="0.001", max_value="99999", places=3),
    unit=st.sampled_from(sorted(POWERS)),
)
def test_a_naive_conversion_agrees(number: Decimal, unit: str) -> None:
    found = units.convert(number, "", terms.units()[unit], B2M)
    assert found
    assert found.value == number.scaleb(POWERS[unit])
