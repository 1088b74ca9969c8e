"""The B2M codes against HL7 mCODE's list of them (b2m_loinc_codes.json: CC0-1.0, LOINC licence)."""

import json
from pathlib import Path

from cds_service.knowledge import terms

LISTED = {
    row["code"]: row["display"]
    for row in json.loads(Path(__file__).with_name("b2m_loinc_codes.json").read_text("utf-8"))["codes"]
}
OURS = {c.code: c.name for analyte in terms.analytes().values() if analyte.is_b2m for c in analyte.loinc}
# Other body fluids, dialysis fluid and tissue: recognised, not read.
LEFT_OUT = {"48166-3", "39458-5", "59218-8", "59217-0", "49081-3", "88711-7", "10467-9"}


def test_every_code_carries_its_own_name() -> None:
    assert {code: name for code, name in OURS.items() if LISTED.get(code, name) != name} == {}


def test_what_is_left_out_is_left_out_on_purpose() -> None:
    assert set(LISTED) - set(OURS) <= LEFT_OUT
    assert set(OURS) & LEFT_OUT == set()
    assert set(terms.not_interpreted()) == LEFT_OUT


def test_what_is_left_out_carries_its_own_name() -> None:
    names = terms.not_interpreted()
    assert {code: name for code, name in names.items() if LISTED.get(code, name) != name} == {}
