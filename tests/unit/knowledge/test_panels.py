"""Panels that bring what is read beside a B2M."""

import pytest

from cds_service.knowledge.terms import analyte_of_loinc, analytes, load_toml
from cds_service.knowledge.terms.panels import analytes_of_panel
from tests.test_knowledge import check_digit

ROWS = load_toml("cds_service.knowledge.terms", "panels.toml")["panel"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["loinc"])
def test_a_panel_is_a_loinc_code_of_its_own_and_brings_analytes_that_we_know(row: dict[str, object]) -> None:
    number, digit = str(row["loinc"]).split("-")
    assert check_digit(number) == int(digit)
    assert row["loinc"] not in analyte_of_loinc()
    brings = analytes_of_panel(str(row["loinc"]))
    assert brings
    assert brings <= set(analytes())


def test_no_panel_stands_twice() -> None:
    assert len({row["loinc"] for row in ROWS}) == len(ROWS)


def test_what_is_no_panel_brings_nothing() -> None:
    assert analytes_of_panel("2160-0") == frozenset()
