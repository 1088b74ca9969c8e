"""``cds-service feedback report``: what became of the cards."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cds_service.config import load_settings
from cds_service.record.report import Line, Report, report
from cds_service.record.upkeep import reaching

_COLUMNS = ("rule", "version", "month", "shown", "accepted", "overridden", "unanswered", "answered_after", "reasons")


@click.group()
def feedback() -> None:
    """Look at what users did with the cards."""


@feedback.command(name="report")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m"]), help="Only decisions from this day on, UTC.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the table as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def report_command(since: datetime | None, csv_file: Path | None, as_json: bool) -> None:
    """Count the cards of the store: shown, accepted, set aside and unanswered, by rule, version and month."""
    with reaching(load_settings().database_url) as engine, engine.connect().execution_options(reads=True) as connection:
        found = report(connection, since.replace(tzinfo=UTC) if since else None)
    if csv_file:
        with csv_file.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([_COLUMNS, *(tuple(row.values()) for row in _rows(found))])
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=1))
    else:
        _show(Console(), found)


def _rows(found: Report) -> Iterator[dict[str, Any]]:
    for line in found.lines:
        values = (
            *(line.rule, line.version, line.month, line.shown, line.accepted, line.overridden, line.unanswered),
            line.answered_after,
            _reasons(line),
        )
        yield dict(zip(_COLUMNS, values, strict=True))


def _reasons(line: Line) -> str:
    return ", ".join(f"{code or 'no reason'} {count}" for code, count in line.reasons.most_common())


def _as_json(found: Report) -> dict[str, Any]:
    return {
        "decisions": found.decisions,
        "unknown_cards": found.unknown_cards,
        "rules": [
            {
                **row,
                "answered_after": line.time_to_answer.total_seconds() if line.time_to_answer else None,
                "reasons": dict(line.reasons),
            }
            for row, line in zip(_rows(found), found.lines, strict=True)
        ],
        "unusual": [
            {"rule": one.rule, "month": one.month, "rate": one.rate, "usual": one.usual} for one in found.unusual
        ],
    }


def _show(console: Console, found: Report) -> None:
    table = Table(title=f"{found.decisions} decisions; feedback on {found.unknown_cards} unknown cards")
    for column in _COLUMNS:
        table.add_column(column.replace("_", " "))
    for row in _rows(found):
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
    for one in found.unusual:
        console.print(
            f"Out of its usual range: {one.rule} in {one.month}, in {one.rate:.0%} of decisions, {one.usual:.0%} "
            "before (three standard errors and more, service default)."
        )
