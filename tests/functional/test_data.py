"""The failure matrix, its rows about data: what a resource may be like, what the card then says."""

from typing import Any

import pytest

from tests.failure_matrix import row
from tests.functional.run import post
from tests.unit.fhir.make import bundle, call, condition, observation, quantity

REVIEW = "b2m-result-review"


def card_about(*results: Any, **prefetch: Any) -> dict[str, Any]:
    answer = post(REVIEW, call(bundle(*results), **prefetch))
    assert answer.status_code == 200, answer.text
    (card,) = answer.get_json()["cards"]
    found: dict[str, Any] = card
    return found


@row(
    "a B2M without a unit, in one that is not known, in two, or in one that its code does not measure",
    "a card that says which; nothing guessed",
)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"value": 4}, "the result has no unit"),
        ({"value": 4, "unit": "mg/cup"}, "its unit is not one this service knows"),
        (quantity(4, "mg/L") | {"unit": "ug/L"}, "the result names two different units"),
        (quantity(300, "nmol/L"), "its unit does not fit what its code measures"),
    ],
)
def test_a_unit_that_cannot_be_used(value: Any, said: str) -> None:
    assert said in card_about(observation(value=value))["summary"]


@row(
    "a value that is no number with a unit (text, boolean, range, two values)",
    "a card with the text as printed; not read",
)
@pytest.mark.parametrize(
    "value",
    [
        {"valueString": "haemolysed"},
        {"valueBoolean": True},
        {"valueString": "1,234 mg/L"},
        {"valueString": "3 to 4 mg/L"},
    ],
)
def test_a_value_that_cannot_be_read(value: Any) -> None:
    card = card_about(observation(valueQuantity=None, **value))
    assert "cannot be read as a number with a unit" in card["summary"]


@row("a value as text, strictly a number with a unit (`<0.2 mg/L`, `3,5 mg/L`)", "read, its text kept")
def test_a_value_in_a_text_is_read() -> None:
    card = card_about(observation(valueQuantity=None, valueString="6,1 mg/L"))
    assert card["summary"].startswith("Serum B2M 6.1 mg/L, above")
    assert "| 6,1 mg/L |" in card["detail"]


@row("an implausible value, or one that fits another unit", "a card that asks; never corrected")
@pytest.mark.parametrize(("value", "said"), [("0.38", "possibly mg/dL; not interpreted"), ("3200", "not plausible")])
def test_a_value_that_is_not_plausible(value: str, said: str) -> None:
    assert said in card_about(observation(value=quantity(value)))["summary"]


@row(
    "a status that does not count; entered in error; preliminary",
    "a card that says so; never an earlier version in its place",
)
@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("registered", "not a result yet"),
        ("cancelled", "not a result yet"),
        ("entered-in-error", "marked as entered in error"),
        ("preliminary", "provisional; it is interpreted when final"),
    ],
)
def test_a_status_that_does_not_count(status: str, said: str) -> None:
    earlier = observation(id="earlier", effectiveDateTime="2026-01-02", value=quantity("9.9"))
    card = card_about(observation(status=status), b2m=bundle(earlier))
    assert said in card["summary"]
    assert "9.9" not in card["summary"]


@row("a dataAbsentReason; a modifierExtension", "a card that says so; not interpreted")
@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"valueQuantity": None, "dataAbsentReason": {"text": "clotted"}}, "the result holds no value"),
        ({"modifierExtension": [{"url": "urn:x"}]}, "carries a modifier"),
    ],
)
def test_what_must_not_be_interpreted(parts: Any, said: str) -> None:
    assert said in card_about(observation(**parts))["summary"]


@row("no date; a date in the future", "a card that says so")
@pytest.mark.parametrize(
    ("when", "said"), [(None, "not known when the sample was taken"), ("2031-01-01", "in the future")]
)
def test_a_date_that_cannot_be_used(when: str | None, said: str) -> None:
    assert said in card_about(observation(effectiveDateTime=when))["summary"]


@row("two results of one time that differ by more than 2 %", "a card that says so; neither is chosen")
def test_duplicates_that_contradict_each_other() -> None:
    card = card_about(observation(), observation(id="other", value=quantity(6)))
    assert "two results of the same time contradict each other" in card["summary"]


@row("one result sent twice (two codes, two units, report and Observation)", "one result")
def test_duplicates_that_agree() -> None:
    moles = observation("76484-5", quantity(356, "nmol/L"), id="moles")
    assert card_about(observation(), moles)["summary"].startswith("Serum B2M 4.2 mg/L")


@row("B2M by its name, without a code that is known", "a card that names it; not interpreted")
def test_a_name_without_a_code() -> None:
    card = card_about(observation() | {"code": {"text": "β2-Mikroglobulin"}})
    assert card["summary"] == "B2M not interpreted: the result carries no code that this service knows"


@row("the code says one specimen, the Specimen another", "a card that says so; not interpreted")
def test_a_specimen_that_contradicts_the_code() -> None:
    card = card_about(observation(specimen={"display": "Urine"}))
    assert card["summary"] == "Serum B2M not interpreted: specimen and code contradict each other"


@row("codes of two analytes on one result", "a card that says so; not interpreted")
def test_codes_of_two_analytes() -> None:
    both = observation()
    both["code"]["coding"].append({"system": "http://loinc.org", "code": "1953-9"})
    assert "carries codes of two analytes" in card_about(both)["summary"]


@row("a companion or a diagnosis that cannot be read", "200, the card says which and why; the rest is read")
def test_companions_that_cannot_be_read() -> None:
    creatinine = observation("2160-0", quantity("0.9"), id="cr", valueQuantity={"value": "0.9"})
    ill = condition(("http://snomed.info/sct", "109989006"), clinicalStatus="bogus")
    detail = card_about(observation(), kidney=bundle(creatinine), conditions=bundle(ill))["detail"]
    assert "creatinine (no unit)" in detail
    assert "problem list (not readable)" in detail
