import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from cds_service.cards.suppression import HeldBack, Saying
from cds_service.config import Settings
from cds_service.decide import Decision, Failure, decide
from cds_service.facts import Reason
from cds_service.fhir.bundle import Group
from cds_service.fhir.gather import Fetching
from cds_service.fhir.searches import Search
from cds_service.fhir.sorting import Chart
from cds_service.models import HookRequest
from cds_service.record import metrics
from cds_service.record.metrics import Metrics
from cds_service.replay.calls import fixtures_folder, read_fixtures
from tests.functional.run import NOW, RULES

CASE = next(case for case in read_fixtures(fixtures_folder()) if case.name == "iss-stage-3-kidney")
CALL = HookRequest.model_validate(CASE.request)
Sample = tuple[str, tuple[tuple[str, str], ...]]


def samples(of: Metrics) -> dict[Sample, float]:
    """Every sample that is not zero, by its name and labels."""
    families = text_string_to_metric_families(of.exposition({"store": True, "keys": False}).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples if s.value}


def value(of: Metrics, name: str, **labels: str) -> float:
    return samples(of).get((f"b2m_cds_{name}", tuple(sorted(labels.items()))), 0)


def decision(silent: frozenset[str] = frozenset()) -> Decision:
    return decide(CALL, rules=RULES, as_of=CASE.as_of or NOW, settings=Settings(), silent=silent)


def test_a_decision_is_counted_by_rule_mode_reason_and_stage() -> None:
    counted = Metrics()
    counted.decided(decision(frozenset({"iss-stage"})), "b2m-result-review", {"iss-stage"})
    assert value(counted, "findings_total", rule="iss-stage", outcome="stage_3", mode="silent") == 1
    assert value(counted, "findings_total", rule="kidney-context", outcome="reduced", mode="on") == 1
    assert value(counted, "missing_total", item="medications", reason="not-given") == 1
    assert value(counted, "stage_seconds_count", stage="evaluate") == 1
    assert sum(n for (name, _), n in samples(counted).items() if name == "b2m_cds_cards_total") == 1


def test_what_is_missing_twice_is_counted_once_a_call() -> None:
    counted, twice = Metrics(), decision()
    assert twice.facts
    counted.decided(twice, "x", ())
    counted.decided(Decision(Chart("p", None, missing=twice.facts.missing * 2)), "x", ())
    assert value(counted, "missing_total", item="medications", reason="not-given") == 2


def test_a_card_that_is_held_back_is_counted() -> None:
    counted = Metrics()
    held = HeldBack(Saying("said", "info", "iss-stage/stage_3"), NOW, NOW)
    counted.decided(Decision(Chart("p", None), held=(held, held)), "x", ())
    assert value(counted, "held_cards_total") == 2


def test_the_rest_is_counted() -> None:
    counted = Metrics()
    counted.answered("b2m-chart-review", 412, 0.2)
    counted.refused("no bearer token")
    counted.failed([Failure("iss-stage", "serum", "KeyError")])
    counted.given("b2m-chart-review", ["accepted", "accepted", "overridden"])
    counted.lost("decision")
    counted.brought(["patient", "b2m"], CALL.model_copy(update={"prefetch": {"b2m": None}}))
    counted.brought(["patient"], CALL.model_copy(update={"prefetch": None}))
    with counted.stage("record"):
        pass
    assert value(counted, "calls_total", service="b2m-chart-review", status="412") == 1
    assert value(counted, "call_seconds_sum", service="b2m-chart-review") == 0.2
    assert value(counted, "unauthenticated_total", reason="no bearer token") == 1
    assert value(counted, "rule_failures_total", rule="iss-stage", error="KeyError") == 1
    assert value(counted, "feedback_total", service="b2m-chart-review", outcome="accepted") == 2
    assert value(counted, "store_lost_total", kind="decision") == 1
    assert value(counted, "prefetch_missing_total", key="patient") == 2
    assert value(counted, "prefetch_missing_total", key="b2m") == 0
    assert value(counted, "stage_seconds_count", stage="record") == 1


class Answers:
    def groups(self, asked: Mapping[str, Search | None]) -> Mapping[str, Group]:
        return {"patient": Group((), None), "b2m": Group((), Reason.LATE)}


def test_fetches_are_counted_by_what_came() -> None:
    counted = Metrics()
    opened = counted.counting(lambda call: Answers())(CALL)
    assert opened is not None
    assert opened.groups({}) == Answers().groups({})
    assert value(counted, "fetches_total", key="patient", outcome="complete") == 1
    assert value(counted, "fetches_total", key="b2m", outcome="late") == 1
    assert value(counted, "fetch_seconds_count") == 1


def test_a_server_that_may_not_be_asked_is_not_counted() -> None:
    def nowhere(call: HookRequest) -> Fetching | None:
        return None

    assert Metrics().counting(nowhere)(CALL) is None


def test_two_applications_count_for_themselves() -> None:
    first, second = Metrics(), Metrics()
    first.refused("no bearer token")
    assert value(first, "unauthenticated_total", reason="no bearer token") == 1
    assert value(second, "unauthenticated_total", reason="no bearer token") == 0


def test_the_knowledge_that_decides_is_told() -> None:
    (labels,) = [dict(labels) for name, labels in samples(Metrics()) if name == "b2m_cds_knowledge_info"]
    assert labels["hash"].startswith("sha256:")


def test_what_is_ready_is_told_and_what_is_not() -> None:
    exposed = Metrics().exposition({"store": True, "keys": False}).decode()
    assert 'b2m_cds_ready{check="store"} 1.0\n' in exposed
    assert 'b2m_cds_ready{check="keys"} 0.0\n' in exposed


def test_losses_are_counted_from_nothing_on() -> None:
    """So that the first is an increase."""
    exposed = Metrics().exposition({}).decode()
    kinds = re.findall(r'^b2m_cds_store_lost_total{kind="([a-z ]+)"} 0.0$', exposed, re.MULTILINE)
    assert kinds == ["decision", "token", "feedback", "site change"]


def test_processes_add_up_and_a_new_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    process = [0]
    metrics.share(tmp_path, lambda: process[0])
    counted = Metrics()
    for process[0] in (1, 2, 1):  # the third stands for one that took the number of the first
        counted.lost("decision")
        counted.answered("s", 200, 0.3)
    assert value(counted, "store_lost_total", kind="decision") == 3
    assert value(counted, "call_seconds_bucket", service="s", le="0.5") == 3
    assert {int(re.findall(r"\d+", file.name)[0]) for file in tmp_path.iterdir()} == {0, 1, 2}
    values.close_all_multiprocess_files()  # type: ignore[no-untyped-call]
