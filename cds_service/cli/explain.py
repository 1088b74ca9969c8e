"""``cds-service explain``: the whole of one decision, in the terminal."""

import sys
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.cards.markdown import plain
from cds_service.cli.card_view import show_card
from cds_service.cli.replay import SERVICES, When
from cds_service.errors import CallError, InputFileError
from cds_service.knowledge.model import load
from cds_service.replay.calls import prepare
from cds_service.replay.explain import Explanation, explain
from cds_service.replay.inputs import Fault, read_inputs


@click.command(name="explain")
@click.argument("path")
@click.option("--as-of", type=When(), help="Decide as of this time.  [default: the input's own, else now]")
def explain_command(path: str, as_of: datetime | None) -> None:
    """Explain what the service makes of a CDS Hooks request, a Bundle or a FHIR resource; - is standard input."""
    console = Console()
    rules = load()
    for given in read_inputs([path], sys.stdin.buffer):
        found = prepare(given, SERVICES) if not isinstance(given, Fault) else given
        if isinstance(found, Fault):
            raise InputFileError(f"{found.name}: {found.message}")
        for call in found.calls:
            when = as_of or call.as_of or datetime.now(UTC)
            console.rule(f"{call.name}, as of {when:%Y-%m-%d %H:%M %Z}")
            try:
                _show(console, explain(call, rules, when))
            except CallError as error:
                console.print(f"Refused: {error.message}", markup=False)
        for why, count in found.left_out.items():
            console.print(f"{count} Observations belong to no patient of this input: {why}.")


def _show(console: Console, found: Explanation) -> None:
    """Prints the tables that have rows, then the cards."""
    for title, columns, rows in (
        ("Results read (* under review)", "Analyte|Printed|Canonical|Taken|Range|Reference", found.results),
        ("Problems read", "Problem|Codes|Status|Onset", found.problems),
        ("Missing data", "What|Why|Printed|Reference", found.missing),
        ("Rules", "Specimen|Rule|Card|Because", found.rules),
        ("Every Observation", "Reference|Codes|What became of it", found.observations),
    ):
        if rows:
            table = Table(*columns.split("|"), title=title, title_justify="left")
            for row in rows:
                table.add_row(*(Text(plain(cell)) for cell in row))
            console.print(table)
    for card in found.decision.cards:
        show_card(console, card.model_dump(mode="json"), detail=False)
    if not found.decision.cards:
        console.print("No card.")
