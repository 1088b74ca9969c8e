"""The tables of analytes and units, row by row: codes, conversions, and what must not be confused."""

from collections import Counter
from decimal import Decimal

import pytest

from cds_service.fhir import units
from cds_service.fhir.gather import prefetch_templates
from cds_service.knowledge import terms
from tests.test_knowledge import check_digit, passes_verhoeff

ANALYTES = terms.analytes()
LONGEST_SHORT = 26
#: Longer by their nature: they name a formula.
LONG_SHORTS = {"egfr-2021-cystatin", "egfr-other"}


def value(printed: str, key: str) -> units.Canonical:
    number, text = printed.split(" ", 1)
    unit = units.read_unit({"unit": text})
    assert isinstance(unit, terms.Unit), unit
    assert any(units.fits(unit, code) for code in ANALYTES[key].loinc), unit
    found = units.convert(Decimal(number), "", unit, ANALYTES[key])
    assert found
    return found


# ------------------------------------------------------------------ codes


@pytest.mark.parametrize("code", sorted(terms.not_interpreted()))
def test_codes_not_interpreted_pass_their_check_digit(code: str) -> None:
    number, digit = code.split("-")
    assert check_digit(number) == int(digit)


def test_codes_not_interpreted_are_read_as_nothing() -> None:
    assert set(terms.not_interpreted()) & set(terms.analyte_of_loinc()) == set()


def test_every_code_not_interpreted_says_why() -> None:
    rows = terms.load_toml("cds_service.knowledge.terms", "analytes.toml")["not_interpreted"]
    assert all(set(row) == {"code", "name", "why"} and row["why"] for row in rows)
    assert len(rows) == len(terms.not_interpreted())


@pytest.mark.parametrize("code", sorted(terms.unit_of_snomed()))
def test_snomed_codes_of_units_pass_verhoeff(code: str) -> None:
    assert passes_verhoeff(code)


def test_no_snomed_code_means_two_units() -> None:
    codes = [code for unit in terms.units().values() for code in unit.snomed]
    assert len(codes) == len(set(codes))


def test_a_snomed_unit_is_named_as_the_unit_of_its_row() -> None:
    for row in terms.load_toml("cds_service.knowledge.terms", "units.toml")["unit"]:
        for entry in row.get("snomed", ()):
            named = terms.printed_units().get(entry.split(" ", 1)[1].removesuffix("age unit"))
            assert named is terms.units()[row["ucum"]], entry


# ------------------------------------------------------------------ analytes


def test_no_template_grows_too_long_for_a_url() -> None:
    assert {key: len(text) for key, text in prefetch_templates().items() if len(text) >= 2000} == {}


def test_a_short_name_is_short() -> None:
    assert {key for key, a in ANALYTES.items() if len(a.short) > LONGEST_SHORT} == LONG_SHORTS


def test_no_two_analytes_share_label_and_unit() -> None:
    counted = Counter((a.label, a.canonical) for a in ANALYTES.values())
    assert [named for named, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("analyte", ANALYTES.values(), ids=lambda analyte: analyte.key)
def test_a_molar_conversion_leads_from_one_dimension_only(analyte: terms.Analyte) -> None:
    others = {d for code in analyte.loinc for d in code.dimensions} - {analyte.canonical.dimension}
    assert len(others - {"arbitrary", "coded"}) <= 1
    if analyte.molar:
        assert others - {"arbitrary", "coded"}
        assert analyte.molar.low <= analyte.molar.factor <= analyte.molar.high


@pytest.mark.parametrize("analyte", ANALYTES.values(), ids=lambda analyte: analyte.key)
def test_every_analyte_can_be_read_in_its_canonical_unit(analyte: terms.Analyte) -> None:
    assert any(units.fits(analyte.canonical, code) for code in analyte.loinc) or not analyte.loinc


@pytest.mark.parametrize("analyte", ANALYTES.values(), ids=lambda analyte: analyte.key)
def test_plausibility_limits_are_in_order(analyte: terms.Analyte) -> None:
    limits = [Decimal(0), analyte.reject_below, analyte.doubt_above, analyte.reject_above]
    given = [limit for limit in limits if limit is not None]
    assert given == sorted(given)


# ------------------------------------------------------------------ conversions


@pytest.mark.parametrize("key", ["creatinine", "urine-creatinine"])
def test_creatinine_by_the_published_factor(key: str) -> None:
    assert value("1 mg/dL", key).value * ANALYTES[key].canonical.factor == Decimal(88400)


@pytest.mark.parametrize(
    ("printed", "ug_per_g"),
    [
        ("300 ug/g", "300"),
        ("300 µg/g Krea", "300"),
        ("0.3 mg/g creat", "300"),
        ("300 ng/mg", "300"),
        ("10 ug/mmol", "88.4"),
        ("10 mg/mol", "88.4"),
        ("0.01 mg/mmol Kreatinin", "88.4"),
        ("0.01 g/mol", "88.4"),
    ],
)
def test_b2m_per_creatinine_in_many_units(printed: str, ug_per_g: str) -> None:
    assert value(printed, "b2m-urine-ratio").value == Decimal(ug_per_g)


@pytest.mark.parametrize("unit", ["nmol/mmol", "umol/mol", "umol/mol{creat}"])
def test_b2m_per_creatinine_in_moles_stands_for_a_range(unit: str) -> None:
    found = value(f"2.876 {unit}", "b2m-urine-ratio")
    assert found.shown == "300.0"
    assert found.interval.is_above(Decimal(300)) is None
    assert value(f"2.9 {unit}", "b2m-urine-ratio").interval.is_above(Decimal(300)) is True


def test_the_molar_ratio_of_b2m_holds_every_molar_mass() -> None:
    molar = ANALYTES["b2m-urine-ratio"].molar
    assert molar
    assert molar.factor == (Decimal(11800) / Decimal("113.12")).quantize(Decimal("0.0001"))
    for mass in ("11.729", "11.8", "11.815"):
        for per_g in (Decimal("8.84"), 1 / Decimal("0.11312")):
            assert molar.low <= Decimal(mass) * per_g <= molar.high


def test_creatinine_per_gram_differs_from_its_molar_mass_by_less_than_is_printed() -> None:
    factor = terms.units()["ug/mmol{creat}"].factor
    assert abs(factor * Decimal("0.11312") - 1) < Decimal("0.00003")


def test_b2m_excretion_in_moles() -> None:
    found = value("10 umol/24h", "b2m-urine-rate")
    assert found.value == 118
    assert (found.interval.low, found.interval.high) == (Decimal("117.29"), Decimal("118.15"))


@pytest.mark.parametrize(
    ("printed", "key", "canonical"),
    [
        ("250 G/l", "platelets", "250"),
        ("250 Gpt/l", "platelets", "250"),
        ("250 10*3/uL", "platelets", "250"),
        ("250000 /uL", "platelets", "250"),
        ("0.25 T/L", "platelets", "250"),
        ("350 Zellen/µl", "cd4", "350"),
        ("0.35 x10^9/L", "cd4", "350"),
        ("50 Kopien/ml", "hiv-rna", "50"),
        ("30 mm/1h", "esr", "30"),
        ("3 mg/mmol", "urine-albumin-ratio", "26.52"),
        ("0.5 g/g", "urine-protein-ratio", "500"),
        ("1.2 g/24Std", "urine-protein-rate", "1200"),
        ("1.75 m", "body-height", "175"),
        ("70 in", "body-height", "177.8"),
        ("1.65 ratio", "free-light-chain-ratio", "1.65"),
        ("0.8 1", "b2m-csf-serum-ratio", "0.8"),
        ("55 %", "del-17p-cells", "55"),
        ("7 ng/mL", "tacrolimus", "7"),
        ("4 g/dL", "m-protein", "40"),
    ],
)
def test_companions_as_laboratories_print_them(printed: str, key: str, canonical: str) -> None:
    assert value(printed, key).value == Decimal(canonical)


@pytest.mark.parametrize(
    ("unit", "loinc"),
    [
        ("G/L", "777-3"),  # gram where only capitals are printed
        ("{copies}/mL", "777-3"),
        ("/uL", "20447-9"),
        ("nmol/mmol", "13485-8"),
        ("{ratio}", "13485-8"),
        ("1", "59177-6"),
        ("mg/L", "59177-6"),
        ("%", "54355-3"),
        ("mg/g", "48378-4"),
        ("kg", "8302-2"),
        ("mmol/(24.h)", "1755-8"),
    ],
)
def test_a_unit_of_another_kind_does_not_fit(unit: str, loinc: str) -> None:
    assert not units.fits(terms.printed_units()[unit], terms.analyte_of_loinc()[loinc][1])


@pytest.mark.parametrize(
    ("loinc", "fitting"),
    [
        ("59177-6", {"ug/g", "mg/mmol", "umol/mol"}),
        ("32294-1", {"ug/g", "mg/mmol", "umol/mol"}),
        ("13485-8", {"ug/g", "mg/mmol"}),
        ("39773-7", {"umol/mol"}),
        ("14585-4", {"ug/g", "mg/mmol"}),
    ],
)
def test_of_a_ratio_the_unit_decides_unless_the_code_does(loinc: str, fitting: set[str]) -> None:
    tried = ("ug/g", "mg/mmol", "umol/mol", "mg/L")
    assert {u for u in tried if units.fits(terms.printed_units()[u], terms.analyte_of_loinc()[loinc][1])} == fitting


def test_albumin_in_moles_per_mole_is_not_converted() -> None:
    unit = terms.printed_units()["mmol/mol"]
    assert units.convert(Decimal(1), "", unit, ANALYTES["urine-albumin-ratio"]) is None
