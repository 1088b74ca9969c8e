"""The benchmarks run and print their tables; their figures are no business of the tests."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.bodies import SIZES, Size, bodies
from bench.chart_terms import NOT_ASKED_FOR
from bench.faults import Outcome
from bench.load import Answer
from bench.reference import digest
from bench.steady import Case, Event, judged
from cds_service.knowledge.terms.groups import tokens_of_groups

_ROOT = Path(__file__).parents[2]
_WRONG = Event(0.0, 0.1, "wrong", 200)
_BYTES = {"10 kB": 10_000, "40 kB": 40_000, "400 kB": 400_000, "4 MB": 4_000_000}


def _run(*arguments: str) -> str:
    command = [sys.executable, "-m", "bench", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=_ROOT)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_all_servers_are_compared() -> None:
    told = _run("compare", "--quick", "--size", "10 kB", "--size", "40 kB")
    for name in ("open access", "with history", "RS384", "ES384", "all fetched", "echo", "floor", "whole Bundles"):
        assert told.count(name) >= 3, name
    assert "HealthChain is left out" in told


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_bodies_are_as_large_as_they_are_called_and_none_is_sent_twice(size: Size) -> None:
    made = bodies(size, 12, "seed", datetime(2026, 3, 3, tzinfo=UTC))
    assert len(set(made)) == (8 if size.repeated else 12)
    if size.name in _BYTES:
        assert all(0.9 < len(body) / _BYTES[size.name] < 1.15 for body in made)


def test_what_rides_along_is_unknown() -> None:
    known = {code for tokens in tokens_of_groups().values() for _, code in tokens}
    assert not known & {assay.loinc for assay in NOT_ASKED_FOR}


def test_start_and_memory_are_told() -> None:
    told = _run("start", "--quick")
    assert "first 200 of /readyz" in told
    assert "USS MiB" in told


def test_fetching_is_told_in_round_trips() -> None:
    assert _run("fetch", "--quick").count("takes a batch") == 2


def test_without_a_command_the_commands_are_listed() -> None:
    assert "compare" in _run()


def test_faults_are_survived_and_told() -> None:
    told = _run("faults", "--quick", "--fault", "worker", "--fault", "sqlite")
    assert "SQLite's folder gone" in told
    assert "not measured" not in told


def test_a_soak_tells_its_slope() -> None:
    assert "slope" in _run("soak", "--quick")


def _answer(summary: str, uuid: str) -> bytes:
    return json.dumps({"cards": [{"uuid": uuid, "summary": summary}]}).encode()


def test_an_answer_is_known_by_its_cards_and_not_by_their_ids() -> None:
    assert digest(_answer("a", "1")) == digest(_answer("a", "2"))
    assert digest(_answer("a", "1")) != digest(_answer("b", "1"))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, _answer("whole", "1"), 0.1), "right"),
        (Answer(200, _answer("late", "1"), 0.1), "incomplete"),
        (Answer(200, _answer("another patient's", "1"), 0.1), "wrong"),
        (Answer(503, b"", 0.1), "refused"),
    ],
)
def test_any_other_cards_are_wrong(answer: Answer, outcome: str) -> None:
    case = Case(b"", digest(_answer("whole", "0")), digest(_answer("late", "0")))
    assert judged(case, answer, lambda _: (case.whole, case.late)) == outcome


@pytest.mark.parametrize("changed", [{"unstored": 1}, {"twice": 1}, {"replayed": True}, {"events": [_WRONG]}])
def test_what_never_may_happen_is_bad(changed: dict[str, Any]) -> None:
    right = Event(0.0, 0.1, "right", 200)
    fine = Outcome(
        [right], 1.0, 2.0, acknowledged=1, stored=1, unstored=0, twice=0, refused=0, unsent=0, replayed=False
    )
    assert not fine.is_bad
    assert replace(fine, **changed).is_bad
