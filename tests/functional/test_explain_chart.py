"""``cds-service explain --chart``: the course of B2M as an SVG file."""

import json
from pathlib import Path
from xml.etree.ElementTree import Element, parse

import pytest
from click.testing import CliRunner, Result

from cds_service.cli.main import cli
from tests.unit.fhir.make import bundle, observation, patient

FIXTURES = Path(__file__).parents[2] / "fhir_fixtures"


def explain(file: object, chart: Path, stdin: str | None = None) -> Result:
    wide = CliRunner(env={"COLUMNS": "300"})
    return wide.invoke(cli, ["explain", str(file), "--chart", str(chart)], input=stdin)


def marks(chart: Path) -> list[Element]:
    return parse(chart).getroot().findall(".//*[@class='result']")  # noqa: S314 - made here


@pytest.mark.parametrize(
    ("name", "results"),
    [("series", 4), ("trend-fall-on-treatment", 4), ("everything", 7), ("dialysis-then-transplant", 2)],
)
def test_the_chart_of_a_call_is_the_file_that_was_named(tmp_path: Path, name: str, results: int) -> None:
    chart = tmp_path / "course.svg"
    result = explain(FIXTURES / name / "request.json", chart)
    assert result.exit_code == 0, result.output
    assert len(marks(chart)) == results
    assert f"serum: {chart}" in result.output


def test_charts_of_several_specimens_are_numbered(tmp_path: Path) -> None:
    chart = bundle(patient(), observation(), observation("1953-9", id="u"))
    result = explain("-", tmp_path / "course.svg", json.dumps(chart, default=str))
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in tmp_path.iterdir()) == ["course-1.svg", "course-2.svg"]
    told = {line.split()[3] for line in result.output.splitlines() if line.startswith("Chart of -, ")}
    assert told == {"serum:", "urine:"}


@pytest.mark.parametrize("name", ["results-without-b2m", "order-sign-three-specimens", "another-patient"])
def test_without_results_of_b2m_there_is_nothing_to_write(tmp_path: Path, name: str) -> None:
    result = explain(FIXTURES / name / "request.json", tmp_path / "course.svg")
    assert result.exit_code == 1
    assert "not written, for nothing here has a B2M result that can be read" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    chart = tmp_path / "no-such-folder" / "course.svg"
    result = explain(FIXTURES / "series" / "request.json", chart)
    assert result.exit_code == 1
    assert f"--chart {chart}: cannot be written (No such file or directory); name another file." in result.output
