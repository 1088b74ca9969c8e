"""Expectations, comparison, accounts and reports."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cds_service.errors import InputFileError
from cds_service.replay.compare import compare, load_saved, save
from cds_service.replay.expectations import differences
from cds_service.replay.inputs import Fault
from cds_service.replay.outcome import Outcome, rules_of, steady
from cds_service.replay.reports import Report, html, junit

HEAD = "| Result | As printed | Converted | Taken | Age | Range |\n| --- | --- | --- | --- | --- | --- |"


def card(summary: str = "ISS stage II", **parts: Any) -> dict[str, Any]:
    rules = [{"id": "iss-stage", "version": "1.0.0", "finding": "stage_2"}]
    return {
        "uuid": "1",
        "summary": summary,
        "detail": f"Said.\n\n{HEAD}\n| serum B2M | 4 mg/L | – | 2026-03-02 | 1 day | not given |",
        "indicator": "info",
        "source": {"label": "x", "topic": {"code": "1952-1"}},
        "extension": {"org.b2m-cds.basis": {"rules": rules}},
    } | parts


def outcome(*cards: Any, **parts: Any) -> Outcome:
    about: dict[str, Any] = {"name": "n", "patient": "p", "service": "s", "as_of": "2026-01-01T00:00:00+00:00"}
    return Outcome(**(about | {"status": 200, "cards": cards, "milliseconds": 2.0} | parts))


@pytest.mark.parametrize(
    ("expected", "unmet"),
    [
        ({}, []),
        ({"cards": [{"summary": "ISS stage II", "indicator": "info", "must_say": ["Said."]}]}, []),
        ({"cards": []}, ["1 cards ['ISS stage II'], expected 0"]),
        ({"cards": [{"summary": "ISS stage I"}]}, ["summary is 'ISS stage II', expected 'ISS stage I'"]),
        ({"cards": [{"indicator": "warning"}]}, ["indicator is 'info', expected 'warning'"]),
        ({"cards": [{"must_say": ["unsaid"], "must_not_say": ["Said."]}]}, ["does not say 'unsaid'", "says 'Said.'"]),
        ({"status": 412}, ["status 200, expected 412"]),
        ({"missing": ["creatinine"]}, []),
        ({"missing": ["albumin"]}, ["missing data does not name 'albumin'"]),
    ],
)
def test_expectations(expected: Any, unmet: list[str]) -> None:
    assert differences(outcome(card(), missing=("creatinine: no-unit",)), expected) == unmet


def test_a_refusal_says_why() -> None:
    refused = outcome(status=412, problem="b2m is lacking")
    assert differences(refused, {"cards": []}) == ["status 412, expected 200: b2m is lacking"]


def kinds(before: list[Outcome], after: list[Outcome]) -> list[tuple[str, str]]:
    return [(found.kind, found.rule) for found in compare(before, after)]


def test_what_depends_on_the_day_or_the_call_is_no_difference() -> None:
    older = card(uuid="2", detail=card()["detail"].replace("1 day", "2 months"))
    assert kinds([outcome(card())], [outcome(older, milliseconds=9.0)]) == []
    suggested = [card(suggestions=[{"label": "x", "uuid": uuid}]) for uuid in "12"]
    assert kinds([outcome(suggested[0])], [outcome(suggested[1])]) == []


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([], [card()], [("new", "iss-stage")]),
        ([card()], [], [("gone", "iss-stage")]),
        ([card()], [card("ISS stage III")], [("reworded", "iss-stage")]),
        ([card()], [card(detail="Other.")], [("reworded", "iss-stage")]),
        ([card()], [card(indicator="warning")], [("indicator", "iss-stage")]),
        ([card()], [card(extension={})], [("findings", "x")]),
        ([card(source={"label": "x"})], [card("Y", source={})], [("gone", "iss-stage"), ("new", "iss-stage")]),
    ],
)
def test_what_differs(before: list[Any], after: list[Any], found: list[tuple[str, str]]) -> None:
    assert kinds([outcome(*before)], [outcome(*after)]) == found


def test_calls_that_only_one_run_has() -> None:
    assert kinds([], [outcome(card())]) == [("new", "iss-stage")]
    assert kinds([outcome(card())], []) == [("gone", "iss-stage")]
    assert kinds([outcome(card())], [outcome(status=412)]) == [("status", ""), ("gone", "iss-stage")]


def test_a_reworded_detail_shows_its_first_line_that_differs() -> None:
    (found,) = compare([outcome(card())], [outcome(card(detail="Said otherwise."))])
    assert (found.before, found.after) == ("Said.", "Said otherwise.")


def test_a_run_is_kept_and_read_again(tmp_path: Path) -> None:
    kept = [outcome(card(), account={"read": 1})]
    save(kept, tmp_path / "run")
    assert load_saved(tmp_path / "run") == kept


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="holds no saved run"):
        load_saved(tmp_path)
    (tmp_path / "outcomes.ndjson").write_text("{}\n")
    with pytest.raises(InputFileError, match="is no saved run"):
        load_saved(tmp_path)


def test_a_card_of_another_service_is_known_by_its_source() -> None:
    assert rules_of({"source": {"label": "Them"}}) == ["Them"]
    assert rules_of({}) == ["unknown"]
    assert steady({"summary": "x"})["detail"] == ""


def test_other_knowledge_behind_the_same_card_is_no_difference() -> None:
    basis = card()["extension"]["org.b2m-cds.basis"]
    now = {"org.b2m-cds.basis": basis | {"knowledge": {"version": "2.0.0", "hash": "sha256:2"}}}
    then = {"org.b2m-cds.basis": basis | {"knowledge": {"version": "1.0.0", "hash": "sha256:1"}}}
    assert kinds([outcome(card(extension=then))], [outcome(card(extension=now))]) == []
    other = {"org.b2m-cds.basis": basis | {"observations": ["Observation/b2m"]}}
    assert kinds([outcome(card())], [outcome(card(extension=other))]) == [("reworded", "iss-stage")]


def report(**parts: Any) -> Report:
    outcomes = [outcome(card("<b>bold</b>")), outcome(name="\x00bad", status=500, problem="it broke")]
    whole: dict[str, Any] = {
        "outcomes": outcomes,
        "faults": [Fault("f.json", "no JSON")],
        "unmet": [["does not say 'x'"], None],
        "differences": compare([], outcomes),
        "account": {"read": 3},
    }
    return Report(**(whole | parts))


def test_junit() -> None:
    suite = ElementTree.fromstring(junit(report()))  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "1")
    assert [case.get("name") for case in suite] == ["n", "f.json"]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.text == "does not say 'x'"
    met = ElementTree.fromstring(junit(report(unmet=[[], []], faults=[])))  # noqa: S314 - our own
    assert met.get("failures") == "0"


def test_html_is_one_page_and_escapes() -> None:
    page = html(report())
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<td>serum B2M</td>" in page
    assert "it broke" in page
    assert "http" not in page.replace("http-equiv", "")


def test_figures() -> None:
    assert report().failed == 1
    assert report().latency().startswith("p50 2.0 ms")
    assert report(outcomes=[]).latency() == ""
    assert report().to_json()["calls"][0]["unmet"] == ["does not say 'x'"]
