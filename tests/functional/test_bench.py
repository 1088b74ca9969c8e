"""The benchmarks run and print their tables; their figures are no business of the tests."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.bodies import SIZES, Size, bodies
from bench.chart_terms import NOT_ASKED_FOR
from cds_service.knowledge.terms.groups import tokens_of_groups

_ROOT = Path(__file__).parents[2]
_BYTES = {"10 kB": 10_000, "40 kB": 40_000, "400 kB": 400_000, "4 MB": 4_000_000}


def _run(*arguments: str) -> str:
    command = [sys.executable, "-m", "bench", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=_ROOT)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_all_servers_are_compared() -> None:
    told = _run("compare", "--quick", "--size", "10 kB", "--size", "40 kB")
    for name in ("open access", "RS384", "ES384", "all fetched", "echo", "floor", "whole Bundles"):
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
