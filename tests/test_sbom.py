"""The bill of materials is read as it should be; ``make sbom`` makes it, in CI."""

from typing import Any

import pytest

from tests.sbom import ALLOWED, faults, needed

WANTED = {"flask": "3.1.3", "pyjwt": "2.15.1"}


def bill(**changes: Any) -> dict[str, Any]:
    """A bill of materials without a fault, but for ``changes`` of its first component."""
    flask = {"name": "Flask", "version": "3.1.3", "licenses": [{"license": {"id": "BSD-3-Clause"}}]}
    other = {"name": "PyJWT", "version": "2.15.1", "licenses": [{"expression": "MIT OR (Apache-2.0 AND BSD-2-Clause)"}]}
    return {"components": [flask | changes, other]}


def test_a_bill_with_all_that_is_needed_has_no_fault() -> None:
    assert list(faults(bill(), WANTED)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"licenses": []}, "flask 3.1.3 names no licence"),
        ({"licenses": [{"license": {"id": "AGPL-3.0-only"}}]}, "flask 3.1.3 is under 'AGPL-3.0-only'"),
        ({"licenses": [{"license": {"name": "Proprietary"}}]}, "flask 3.1.3 is under 'Proprietary'"),
        ({"licenses": [{"expression": "MIT AND GPL-3.0-only"}]}, "flask 3.1.3 is under 'GPL-3.0-only'"),
        ({"version": "3.1.2"}, "flask is in the bill with version 3.1.2; 3.1.3 is what was tested"),
    ],
)
def test_a_fault_of_a_package_is_named(changes: dict[str, Any], said: str) -> None:
    (fault,) = faults(bill(**changes), WANTED)
    assert fault.startswith(said)


def test_what_is_missing_and_what_nothing_needs_are_named() -> None:
    found = list(faults(bill(name="leftpad"), WANTED))
    assert found == [
        "flask 3.1.3 is needed and not in the bill.",
        "leftpad 3.1.3 is in the bill and nothing needs it.",
    ]


def test_what_is_needed_goes_through_requirements_and_extras_and_leaves_out_what_tests_need() -> None:
    found = needed()
    assert {"flask", "werkzeug", "cryptography", "cffi", "psycopg", "psycopg-binary", "typing-extensions"} <= set(found)
    assert not {"pytest", "duckdb", "opentelemetry-api", "cyclonedx-bom"} & set(found)


def test_strong_copyleft_is_not_allowed() -> None:
    assert [licence for licence in ALLOWED if "GPL" in licence and "LGPL" not in licence] == []
