"""``cds-service replay`` and ``explain`` as testers use them."""

import json
import re
import shlex
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from click.testing import CliRunner, Result
from flask import Flask, request
from werkzeug.serving import make_server

from cds_service.cli.main import cli
from cds_service.knowledge.model import Rule
from cds_service.replay import run as running
from cds_service.replay.calls import Prepared, prepare
from cds_service.replay.inputs import Input, read_inputs
from cds_service.replay.outcome import Outcome
from cds_service.replay.run import decide_here
from tests.functional.run import RULES
from tests.functional.server import running_service
from tests.unit.fhir.make import bundle, condition, observation, patient, quantity

ROOT = Path(__file__).parents[2]
FIXTURES, CORPORA = ROOT / "fhir_fixtures", ROOT / "tests" / "corpora"
#: People of fhir_fixtures/commpass whose centre recorded a stage.
RECORDED_PEOPLE = 492
CORPUS_OBSERVATIONS = {"be-lab": 1120, "hl7-r4-examples": 574, "mii-testdata": 243, "synthea-r4": 1790}


def invoke(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)


def replayed(*arguments: object, stdin: str | None = None) -> Any:
    result = invoke("replay", *arguments, "--json", stdin=stdin)
    return json.loads(result.stdout)


# ------------------------------------------------------------------ corpora


@pytest.mark.parametrize("name", sorted(CORPUS_OBSERVATIONS))
def test_every_observation_of_the_corpora_is_accounted_for(name: str) -> None:
    found = replayed(CORPORA / f"{name}.ndjson.gz")
    assert found["faults"] == []
    assert {call["status"] for call in found["calls"]} <= {200}
    assert sum(found["observations"].values()) == CORPUS_OBSERVATIONS[name]
    assert "unaccounted" not in found["observations"]


def with_b2m(given: Input) -> Input:
    """The document with a B2M result for each patient in it, so that all that is beside it is read."""
    prepared = prepare(given, {"lab-result-review": "x"})
    assert isinstance(prepared, Prepared)
    added = [
        observation(id=f"b2m-{place}", subject={"reference": f"Patient/{call.request['context']['patientId']}"})
        for place, call in enumerate(prepared.calls)
    ]
    return Input(given.name, bundle(given.document, *added))


@pytest.mark.parametrize("name", sorted(CORPUS_OBSERVATIONS))
def test_beside_a_b2m_every_observation_of_the_corpora_is_read_or_said_why_not(name: str) -> None:
    fates: dict[str, int] = {}
    cards = 0
    for given in read_inputs([str(CORPORA / f"{name}.ndjson.gz")], None):  # type: ignore[arg-type] # not used
        assert isinstance(given, Input)
        prepared = prepare(with_b2m(given), {"lab-result-review": "b2m-result-review"})
        assert isinstance(prepared, Prepared)
        for call in prepared.calls:
            outcome = decide_here(call, as_of=None)
            assert outcome.status == 200, outcome.problem
            assert outcome.problem == ""
            assert "unaccounted" not in outcome.account
            fates = {fate: fates.get(fate, 0) + count for fate, count in outcome.account.items()} | {
                fate: count for fate, count in fates.items() if fate not in outcome.account
            }
            cards += len(outcome.cards)
    assert fates["read"] > 0
    assert cards > 0


# ------------------------------------------------------------------ expectations


def test_the_fixtures_meet_what_is_expected_of_them(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    result = invoke("replay", FIXTURES, "--expect", "--junit", report, "--jobs", "2")
    assert result.exit_code == 0, result.output
    assert re.search(r"Expectations: (\d+) of \1 met", result.output)
    assert 'failures="0"' in report.read_text("utf-8")
    cases = len(list(FIXTURES.glob("*/request.json")))
    assert f'tests="{cases + RECORDED_PEOPLE}"' in report.read_text("utf-8")


def test_an_expectation_that_is_not_met_is_said(tmp_path: Path) -> None:
    for name in ("request.json", "expected.json"):
        (tmp_path / name).write_bytes((FIXTURES / "iss-stage-1" / name).read_bytes())
    expected = json.loads((tmp_path / "expected.json").read_text())
    expected["cards"][0]["summary"] = "ISS stage IV"
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    result = invoke("replay", tmp_path, "--expect")
    assert result.exit_code == 1
    assert "expected 'ISS stage IV'" in result.output


# ------------------------------------------------------------------ comparison


def test_a_rule_changed_on_purpose_shows_and_nothing_else_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "before"
    assert invoke("replay", FIXTURES, "--save", kept).exit_code == 0
    unchanged = invoke("replay", FIXTURES, "--compare", kept)
    assert unchanged.exit_code == 0
    assert "Nothing differs" in unchanged.output
    monkeypatch.setattr(running, "_rules", lambda: tuple(moved_limit(rule) for rule in RULES))
    found = replayed(FIXTURES, "--compare", kept)["differences"]
    led_by = {difference["rule"] for difference in found}
    assert "iss-stage" in led_by
    assert led_by <= {"iss-stage", "kidney-context", "data-quality"}, (
        "a stage may stand on a card that a doubt about the value leads"
    )
    assert {difference["kind"] for difference in found} <= {"reworded", "findings"}
    between = [call for call in found if "ISS stage II if" in call["before"] and "ISS stage I if" in call["after"]]
    assert between
    assert invoke("replay", FIXTURES, "--compare", kept).exit_code == 1


def moved_limit(rule: Rule) -> Rule:
    """ISS with its first limit at 3.6 mg/L."""
    if rule.id != "iss-stage":
        return rule
    limit = rule.thresholds["b2m_stage_1_below"]
    moved = limit.model_copy(update={"value": Decimal("3.6")})
    copy = rule.model_copy(update={"thresholds": rule.thresholds | {"b2m_stage_1_below": moved}})
    copy._evaluate = rule._evaluate
    return copy


def test_a_run_is_compared_as_of_its_own_time(tmp_path: Path) -> None:
    chart = tmp_path / "chart.json"
    chart.write_text(json.dumps(bundle(patient(), observation(value=quantity(4))), default=str))
    assert invoke("replay", chart, "--as-of", "2026-03-03", "--save", tmp_path / "kept").exit_code == 0
    assert invoke("replay", chart, "--compare", tmp_path / "kept").exit_code == 0
    assert replayed(chart, "--as-of", "2026-03-01")["calls"][0]["cards"] != []


def test_there_is_no_run_to_compare_with(tmp_path: Path) -> None:
    result = invoke("replay", FIXTURES / "normal-level", "--compare", tmp_path)
    assert result.exit_code == 1
    assert "holds no saved run" in result.output


# ------------------------------------------------------------------ other services


def foreign_service() -> Flask:
    """Somebody else's service: another hook, templates of its own, a card for every creatinine it is sent."""
    app = Flask("foreign")
    query = "Observation?patient={{context.patientId}}&code=http://loinc.org|2160-0"

    @app.get("/cds-services")
    def discover() -> Any:
        assert request.headers["Authorization"] == f"Bearer token-for-{request.base_url}"
        return {"services": [{"id": "theirs", "hook": "patient-view", "prefetch": {"cr": query}}]}

    @app.post("/cds-services/theirs")
    def call() -> Any:
        assert request.headers["Authorization"] == f"Bearer token-for-{request.base_url}"
        sent = request.get_json()["prefetch"]
        assert list(sent) == ["cr"]
        told = [entry["resource"]["id"] for entry in sent["cr"]["entry"]]
        return {"cards": [{"summary": name, "indicator": "info", "source": {"label": "Theirs"}} for name in told]}

    return app


@pytest.fixture
def foreign_url() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, foreign_service())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_two_services_are_compared(tmp_path: Path, foreign_url: str) -> None:
    chart = tmp_path / "chart.json"
    creatinine = observation("2160-0", quantity(1, "mg/dL"), id="cr")
    chart.write_text(
        json.dumps(bundle(patient(), observation(value=quantity(9)), creatinine, condition()), default=str)
    )
    with running_service() as ours:
        first = invoke("replay", chart, "--url", ours, "--save", tmp_path / "ours", "--jobs", "2")
        assert first.exit_code == 0, first.output
        assert "Answers: " not in first.output or "p50" in first.output
    token = "sh -c 'echo token-for-$CDS_URL'"
    result = invoke("replay", chart, "--url", foreign_url, "--token-command", token, "--compare", tmp_path / "ours")
    assert result.exit_code == 1, result.output
    assert "gone" in result.output
    assert "new" in result.output
    assert "Theirs" in result.output


def test_a_token_command_that_fails_is_said(foreign_url: str) -> None:
    result = invoke("replay", FIXTURES / "normal-level", "--url", foreign_url, "--token-command", "sh -c 'exit 3'")
    assert result.exit_code == 1
    assert "the token command ended with 3" in result.output


BASE = "http://127.0.0.1:9"


@responses.activate
def test_a_service_that_is_none_is_said() -> None:
    assert "could not be read: ConnectionError" in invoke("replay", FIXTURES / "normal-level", "--url", BASE).output
    responses.get(f"{BASE}/cds-services", json={"services": []})
    assert "offers no service (status 200)" in invoke("replay", FIXTURES / "normal-level", "--url", BASE).output


@responses.activate
def test_a_service_that_fails_is_a_failure_and_one_that_refuses_is_not() -> None:
    responses.get(f"{BASE}/cds-services", json={"services": [{"id": "x", "hook": "lab-result-review"}]})
    address = f"{BASE}/cds-services/b2m-result-review"
    responses.post(address, body=requests.ConnectTimeout())
    responses.post(address, status=412, json={"issue": [{"diagnostics": "b2m is lacking"}]})
    responses.post(address, status=503, json={})
    case = FIXTURES / "normal-level"
    assert invoke("replay", case, "--url", BASE).exit_code == 4
    refused = invoke("replay", case, "--url", BASE)
    assert refused.exit_code == 0
    assert "412 b2m is lacking" in " ".join(refused.output.split())
    assert invoke("replay", case, "--url", BASE).exit_code == 4


# ------------------------------------------------------------------ the rest


def test_what_cannot_be_used_is_said_and_the_rest_goes_on() -> None:
    result = invoke("replay", "-", FIXTURES / "iss-stage-1", stdin='{"a": 1}')
    assert result.exit_code == 3
    assert "not used: -: neither a CDS Hooks request" in result.output
    assert "ISS stage I" in result.output


def test_a_date_that_is_none_is_a_usage_error() -> None:
    result = invoke("replay", FIXTURES, "--as-of", "soon")
    assert result.exit_code == 2
    assert "'soon' is no date" in result.output


def test_a_rule_that_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(rule: Rule) -> Rule:
        copy = rule.model_copy()
        copy._evaluate = lambda _facts, _rule: 1 / 0  # type: ignore[assignment, return-value]
        return copy

    monkeypatch.setattr(running, "_rules", lambda: tuple(failing(r) if r.id == "iss-stage" else r for r in RULES))
    (call,) = replayed(FIXTURES / "iss-stage-1")["calls"]
    assert call["problem"] == "iss-stage could not be run on serum: ZeroDivisionError"
    monkeypatch.setattr(running, "_rules", lambda: tuple(failing(r) for r in RULES))
    assert invoke("replay", FIXTURES / "iss-stage-1").exit_code == 4


def test_explain_accounts_for_everything() -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(
        cli, ["explain", str(FIXTURES / "iss-stage-3-kidney" / "request.json")]
    )
    assert result.exit_code == 0, result.output
    for said in (
        "serum B2M *",
        "3.4 mg/dL",
        "301 umol/L",
        "multiple myeloma",
        "stage_3.",
        "from 5.5 mg/L",
        "same-resource",
    ):
        assert said in result.output
    assert "not for this specimen" in result.output
    assert "above the laboratory's own upper limit of 2.34 mg/L" in " ".join(result.output.replace("│", " ").split())


def test_explain_of_a_chart_says_what_was_not_asked_for() -> None:
    chart = bundle(patient(), observation(), observation("2951-2", id="na"), observation(id="n", subject=None))
    result = invoke("explain", "-", stdin=json.dumps(chart, default=str))
    assert result.exit_code == 0, result.output
    assert "not-asked-for" in result.output
    assert "1 Observations belong to no patient of this input: no-subject." in result.output


def test_explain_of_nothing_under_review_and_of_a_refusal() -> None:
    nothing = invoke("explain", FIXTURES / "results-without-b2m" / "request.json")
    assert "No card." in nothing.output
    refused = invoke("explain", FIXTURES / "another-patient" / "request.json")
    assert "Refused: Not prefetched" in refused.output
    assert invoke("explain", "gone.json").exit_code == 1


def test_explain_of_a_failing_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    from cds_service.cli import explain as explaining

    copy = next(rule for rule in RULES if rule.id == "serum-level").model_copy()
    copy._evaluate = lambda _facts, _rule: 1 / 0  # type: ignore[assignment, return-value]
    others = [rule for rule in RULES if rule.id != copy.id]
    monkeypatch.setattr(explaining, "load", lambda: (copy, *others))
    assert "ZeroDivisionError" in invoke("explain", FIXTURES / "iss-stage-1" / "request.json").output


def test_outcomes_of_many_processes_keep_their_order() -> None:
    alone = replayed(FIXTURES / "commpass")["calls"]
    together = replayed(FIXTURES / "commpass", "--jobs", "2")["calls"]
    assert [call["name"] for call in together] == [call["name"] for call in alone]
    assert isinstance(Outcome.from_json(together[0]), Outcome)


def test_the_examples_of_the_readme_work_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fhir_fixtures", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    readme = (ROOT / "README.md").read_text("utf-8")
    examples = re.findall(r"^\.venv/bin/cds-service ((?:replay|explain) .*)$", readme, re.MULTILINE)
    assert len(examples) >= 5
    for example in examples:
        result = invoke(*shlex.split(example))
        assert result.exit_code == 0, (example, result.output)
