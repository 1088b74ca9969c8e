"""deploy/prometheus as promtool reads it, and the metrics that it asks for."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.record.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing: apt-get install prometheus")

GROUPS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
TESTS = sorted(path.name for path in FOLDER.glob("*.test.yaml"))
#: What Prometheus and its histograms add to the names and labels of our own.
ADDED = {"instance", "job", "le"}


def promtool(*arguments: str) -> None:
    command = [str(PROMTOOL), *arguments]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_rules_and_configuration_are_well_formed() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")
    promtool("check", "config", "--syntax-only", "prometheus.yaml")


@needs_promtool
@pytest.mark.parametrize("name", TESTS)
def test_alerts_fire_and_stay_quiet_when_they_should(name: str) -> None:
    promtool("test", "rules", name)


def test_each_alert_is_seen_to_fire_and_to_stay_quiet() -> None:
    tried = [
        (one["alertname"], bool(one["exp_alerts"]))
        for name in TESTS
        for test in yaml.safe_load((FOLDER / name).read_text("utf-8"))["tests"]
        for one in test["alert_rule_test"]
    ]
    assert set(tried) == {(alert, fires) for alert in ALERTS for fires in (True, False)}


def asked(text: str) -> set[str]:
    """The metrics of ours in an expression or a text, without what a histogram adds; recorded ones have a colon."""
    names = re.findall(r"(?<![:\w])b2m_cds_\w+(?![:\w])", text)
    return {re.sub(r"(?<=seconds)_(bucket|count|sum)$", "", name) for name in names}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_it_asks_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    known = Metrics().labels
    assert asked(rule["expr"] + str(rule.get("annotations", ""))) <= known.keys()
    labels = {label for name in asked(rule["expr"]) for label in known[name]} | ADDED
    grouped = {label for by in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]) for label in by.split(", ")}
    matched = set(re.findall(r"[{,] ?(\w+)(?:=~|!=|=)", rule["expr"]))
    assert grouped | matched <= labels
    named = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations", ""))))
    assert named <= grouped | {"instance", "rule"}


def test_recorded_series_that_are_asked_for_are_recorded() -> None:
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    assert {name for rule in RULES for name in re.findall(r"\b\w+:\w+:\w+", rule["expr"])} == recorded


def test_each_alert_says_what_to_do() -> None:
    for name, rule in ALERTS.items():
        assert rule["annotations"].keys() == {"summary", "description"}, name
        assert rule["labels"]["severity"] in ("page", "ticket"), name


def test_the_reason_of_a_replay_is_the_one_that_is_counted() -> None:
    (reason,) = re.findall(r'reason="([^"]+)"', ALERTS["CdsServiceTokensReplayed"]["expr"])
    trust = Path(__file__).parents[2] / "cds_service" / "hooks" / "trust.py"
    assert f'Unauthenticated("{reason}")' in trust.read_text("utf-8")
