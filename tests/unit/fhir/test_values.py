"""value[x] in every form: read strictly, or refused with its text."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts import Reason
from cds_service.fhir.values import Stated, Unread, read_stated, read_value


@pytest.mark.parametrize(
    ("printed", "comparator", "number", "unit"),
    [
        ("<0.2", "<", "0.2", None),
        ("> 20", ">", "20", None),
        ("<= 3.5 mg/L", "<=", "3.5", "mg/L"),
        ("≥5,5 mg/l", ">=", "5.5", "mg/l"),
        ("=> 4 mg/L", ">=", "4", "mg/L"),
        ("3,5", "", "3.5", None),
        ("0,123 mg/L", "", "0.123", "mg/L"),
        ("12,34", "", "12.34", None),
        (" 3.20\u200b mg/L ", "", "3.20", "mg/L"),
        ("3.5mg/L", "", "3.5", "mg/L"),
        ("4.2 µg/mL", "", "4.2", "ug/mL"),
        ("4.2 μg/mL", "", "4.2", "ug/mL"),
        ("-1", "", "-1", None),
        ("3.5 H", "", "3.5", "H"),
    ],
)
def test_a_text_that_is_a_number_is_read(printed: str, comparator: str, number: str, unit: str | None) -> None:
    stated = read_stated(printed)
    assert stated
    assert (stated.comparator, str(stated.number), stated.unit.get("unit")) == (comparator, number, unit)
    assert stated.printed == printed.strip()


@pytest.mark.parametrize(
    "printed",
    [
        "",
        " ",
        "see comment",
        "1,234",
        "1,234 mg/L",
        "1.234",
        "2.400 ug/L",
        "12,345",
        "3.5-4.0",
        "3.5 - 4.0 mg/L",
        "~3",
        "3..5",
        "3.",
        ".5",
        "<",
        "< >3",
        "3,5,1",
        "1.234,5",
        "1 234",
        "+-3",
        "<<3",
        "3 5",
        "3.5 <4",
        "x" * 100,
        "3" * 30,
        "٣",
        "1e3",
        "NaN",
        "½",
    ],
)
def test_a_text_that_is_anything_else_is_refused(printed: str) -> None:
    assert read_stated(printed) is None


@given(st.text(max_size=60))
def test_a_text_is_read_or_refused_and_nothing_else(printed: str) -> None:
    stated = read_stated(printed)
    assert stated is None or stated.number.is_finite()


@given(st.decimals(-1000, 1000, places=3), st.sampled_from(["", "<", ">", "<=", ">="]), st.sampled_from([".", ","]))
def test_a_number_written_out_is_the_number_read(number: Decimal, comparator: str, sign: str) -> None:
    printed = f"{comparator}{number}".replace(".", sign)
    stated = read_stated(printed)
    if stated is None:
        assert abs(number) >= 1, "three decimals may be thousands only where there is something before them"
    else:
        assert (stated.number, stated.comparator) == (number, comparator)


@pytest.mark.parametrize(
    ("value", "number", "unit"),
    [
        ({"valueQuantity": {"value": Decimal("3.5"), "unit": "mg/L"}}, "3.5", "mg/L"),
        ({"valueQuantity": {"value": "3.5", "unit": "mg/L"}}, "3.5", "mg/L"),
        ({"valueQuantity": {"value": "3,5", "unit": "mg/L"}}, "3.5", "mg/L"),
        ({"valueQuantity": {"value": "<3.5", "unit": "mg/L"}}, "<3.5", "mg/L"),
        ({"valueQuantity": {"value": "3.5", "comparator": "<", "unit": "mg/L"}}, "<3.5", "mg/L"),
        ({"valueString": "<0.2 mg/L"}, "<0.2", "mg/L"),
        ({"valueString": "3.5"}, "3.5", None),
        ({"valueInteger": 4}, "4", None),
        (
            {"valueRatio": {"numerator": {"value": 300, "unit": "ug"}, "denominator": {"value": 1, "unit": "g"}}},
            "300",
            "ug/g",
        ),
        (
            {
                "valueRatio": {
                    "numerator": {"value": 300, "code": "ug"},
                    "denominator": {"value": Decimal("1.0"), "code": "g"},
                }
            },
            "300",
            "ug/g",
        ),
        ({"valueRatio": {"numerator": {"value": 300}, "denominator": {"value": 1}}}, "300", None),
        ({"valueQuantity": {"value": 3}, "valueString": None}, "3", None),
    ],
)
def test_what_can_be_read(value: Any, number: str, unit: str | None) -> None:
    stated = read_value(value)
    assert isinstance(stated, Stated)
    assert f"{stated.comparator}{stated.number}" == number
    assert stated.unit.get("unit") == unit


@pytest.mark.parametrize(
    ("value", "reason", "printed"),
    [
        ({}, Reason.NO_VALUE, "no reason given"),
        ({"dataAbsentReason": {"text": "clotted"}}, Reason.NO_VALUE, "clotted"),
        (
            {"dataAbsentReason": {"coding": [{"code": "error"}]}, "valueQuantity": {"value": 3}},
            Reason.NO_VALUE,
            "error",
        ),
        ({"valueQuantity": {"unit": "mg/L"}}, Reason.NO_VALUE, "mg/L"),
        ({"valueQuantity": "3"}, Reason.NO_VALUE, "no reason given"),
        ({"valueString": " "}, Reason.NO_VALUE, "empty"),
        ({"valueString": "haemolysed"}, Reason.UNREADABLE_VALUE, "haemolysed"),
        ({"valueString": ["3"]}, Reason.UNREADABLE_VALUE, "valueString"),
        ({"valueQuantity": {"value": "3.5 mg/L", "unit": "mg/L"}}, Reason.UNREADABLE_VALUE, "3.5 mg/L mg/L"),
        ({"valueQuantity": {"value": "<3", "comparator": ">"}}, Reason.UNREADABLE_VALUE, ">&lt;3"),
        ({"valueQuantity": {"value": True}}, Reason.UNREADABLE_VALUE, "True"),
        ({"valueQuantity": {"value": 3, "comparator": "ad"}}, Reason.UNREADABLE_VALUE, "ad3"),
        ({"valueQuantity": {"value": 3, "comparator": ["<"]}}, Reason.UNREADABLE_VALUE, "3"),
        ({"valueQuantity": {"value": 3}, "valueString": "4"}, Reason.UNREADABLE_VALUE, "3 and 4"),
        ({"valueBoolean": True}, Reason.UNREADABLE_VALUE, "true"),
        ({"valueBoolean": False}, Reason.UNREADABLE_VALUE, "false"),
        ({"valueInteger": True}, Reason.UNREADABLE_VALUE, "true"),
        ({"valueInteger": Decimal("1.5")}, Reason.UNREADABLE_VALUE, "1.5"),
        ({"valueCodeableConcept": {"text": "raised"}}, Reason.UNREADABLE_VALUE, "raised"),
        ({"valueCodeableConcept": {"coding": [{"code": "1"}, {"display": "High"}]}}, Reason.UNREADABLE_VALUE, "High"),
        (
            {"valueRange": {"low": {"value": 3, "unit": "mg/L"}, "high": {"value": 4, "unit": "mg/L"}}},
            Reason.UNREADABLE_VALUE,
            "3 mg/L to 4 mg/L",
        ),
        (
            {"valueRatio": {"numerator": {"value": 30, "unit": "ug"}, "denominator": {"value": 10, "unit": "g"}}},
            Reason.UNREADABLE_VALUE,
            "30 ug : 10 g",
        ),
        (
            {"valueRatio": {"numerator": {"value": 3}, "denominator": {"value": 1, "comparator": "<"}}},
            Reason.UNREADABLE_VALUE,
            "3 : <1",
        ),
        ({"valueRatio": None, "valueSampledData": {}}, Reason.UNREADABLE_VALUE, "valueSampledData"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_text(value: Any, reason: Reason, printed: str) -> None:
    assert read_value(value) == Unread(reason, printed.replace("&lt;", "<"))
