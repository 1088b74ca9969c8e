"""``cds-service feedback report``: counts, on both databases."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.cli.main import cli
from cds_service.record.account import Account
from cds_service.record.store import Store
from tests.functional.writers import account, told

JANUARY = datetime(2026, 1, 10, 9, tzinfo=UTC)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    found = Store(database)
    yield found
    found.close()


def run(database: str, *options: object) -> Any:
    ran = CliRunner().invoke(cli, ["feedback", "report", *map(str, options)], env={"DATABASE_URL": database})
    assert ran.exit_code == 0, ran.output
    return ran


def lines(database: str, *options: object) -> dict[tuple[str, str], dict[str, Any]]:
    found = json.loads(run(database, "--json", *options).stdout)
    return {(line["rule"], line["month"]): line for line in found["rules"]}


def test_what_became_of_the_cards(store: Store, database: str) -> None:
    for number in range(4):
        store.remember(account(str(number), JANUARY))
    minute = timedelta(minutes=1)
    store.feedback(
        [
            told("0", outcome="accepted", outcome_at=JANUARY + 2 * minute),
            told("1", outcome="overridden", outcome_at=JANUARY + minute),
            told("1", outcome="accepted", outcome_at=JANUARY + 4 * minute),
            told("2", outcome_at=JANUARY + 9 * minute) | {"reason_code": "already-known"},
            told("nobody's"),
        ]
    )
    (line,) = {tuple(one.items()) for one in map(counts, lines(database).values())}
    assert dict(line) == {"shown": 4, "accepted": 2, "overridden": 1, "unanswered": 1, "answered_after": 240.0}
    assert [one["reasons"] for one in lines(database).values()] == [{"already-known": 1}] * 2
    assert "4 decisions; feedback on 1 unknown cards" in run(database).stdout


def counts(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in ("shown", "accepted", "overridden", "unanswered", "answered_after")}


def test_months_and_since(store: Store, database: str) -> None:
    february = JANUARY + timedelta(days=31)
    for number, at in enumerate((JANUARY, JANUARY, february)):
        store.remember(account(str(number), at))
    assert {(month, line["shown"]) for (_, month), line in lines(database).items()} == {("2026-01", 2), ("2026-02", 1)}
    assert {month for _, month in lines(database, "--since", "2026-02")} == {"2026-02"}


def test_a_table_for_a_spreadsheet(store: Store, database: str, tmp_path: Path) -> None:
    store.remember(account("1", JANUARY))
    run(database, "--csv", tmp_path / "report.csv")
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["shown"] for row in rows} == {"1"}
    assert rows[0]["unanswered"] == "1"


_numbers = count()


def a_month_with(store: Store, at: datetime, decisions: int, firing: int) -> None:
    """A month in which the rule "b" found something in so many of the decisions."""
    for place in range(decisions):
        made: Account = account(f"m{next(_numbers)}", at)
        made.decision["found"] = [["b", "1.0.0", "serum", "f"]] if place < firing else []
        store.remember(made)


@pytest.mark.parametrize(("firing", "is_unusual"), [(15, False), (30, True), (1, True), (22, False)])
def test_a_rule_out_of_its_usual_range_is_named(store: Store, database: str, firing: int, *, is_unusual: bool) -> None:
    a_month_with(store, JANUARY, 40, 20)
    a_month_with(store, JANUARY + timedelta(days=31), 30, firing)
    found = json.loads(run(database, "--json").stdout)["unusual"]
    assert [one["rule"] for one in found] == (["b"] if is_unusual else [])
    assert ("Out of its usual range: b in 2026-02" in " ".join(run(database).stdout.split())) is is_unusual


def test_few_decisions_tell_nothing(store: Store, database: str) -> None:
    a_month_with(store, JANUARY, 29, 0)
    a_month_with(store, JANUARY + timedelta(days=31), 40, 40)
    assert json.loads(run(database, "--json").stdout)["unusual"] == []


def test_an_empty_store(database: str) -> None:
    assert json.loads(run(database, "--json").stdout) == {
        "decisions": 0,
        "unknown_cards": 0,
        "rules": [],
        "unusual": [],
    }
