"""``cds-service explain``: the whole of one decision, in the terminal."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.cards.markdown import plain
from cds_service.cli.card_view import show_card
from cds_service.cli.replay import When
from cds_service.config import Settings, load_settings, load_site
from cds_service.errors import CallError, InputFileError
from cds_service.knowledge.model import load
from cds_service.record.history import ShownBefore
from cds_service.record.pseudonyms import load_pseudonyms
from cds_service.record.store import Store
from cds_service.replay.calls import SERVICES, prepare
from cds_service.replay.explain import Explanation, HistoryOf, charts, explain
from cds_service.replay.inputs import Fault, read_inputs
from cds_service.rules_in_force import in_force


@click.command(name="explain")
@click.argument("path")
@click.option("--as-of", type=When(), help="Decide as of this time.  [default: the input's own, else now]")
@click.option(
    "--chart",
    "chart_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the course of B2M as SVG; of several calls or specimens as FILE-1.svg, FILE-2.svg, ...",
)
@click.option("--history", is_flag=True, help="Ask the store of DATABASE_URL what this user was shown before.")
@click.option("--client", default="", help="With --history: the client that calls, as site.toml names it.")
def explain_command(path: str, as_of: datetime | None, chart_file: Path | None, history: bool, client: str) -> None:
    """Explain what the service makes of a CDS Hooks request, a Bundle or a FHIR resource; - is standard input."""
    console = Console()
    settings = load_settings()
    site = in_force(load(), load_site(settings.site_profile))
    rules = site.rules
    history_of = _history(settings, client) if history else lambda call: None
    drawn: list[tuple[str, str]] = []
    for given in read_inputs([path], sys.stdin.buffer):
        found = prepare(given, SERVICES) if not isinstance(given, Fault) else given
        if isinstance(found, Fault):
            raise InputFileError(f"{found.name}: {found.message}")
        for call in found.calls:
            when = as_of or call.as_of or datetime.now(UTC)
            console.rule(f"{call.name}, as of {when:%Y-%m-%d %H:%M %Z}")
            try:
                explanation = explain(call, rules, when, silent=site.silent, history_of=history_of)
                _show(console, explanation)
                drawn += [(f"{call.name}, {specimen}", svg) for specimen, svg in charts(explanation, rules)]
            except CallError as error:
                console.print(f"Refused: {error.message}", markup=False)
        for why, count in found.left_out.items():
            console.print(f"{count} Observations belong to no patient of this input: {why}.")
    if chart_file:
        _write(console, drawn, chart_file)


def _history(settings: Settings, client: str) -> HistoryOf:
    """What the store knows of the user of a call of this client."""
    store = Store(settings.database_url, pseudonyms=load_pseudonyms(settings.pseudonym_keys))
    return lambda call: ShownBefore(store, client, call)


def _write(console: Console, drawn: Sequence[tuple[str, str]], chart_file: Path) -> None:
    """Writes a chart to the file that was named, several to numbered ones beside it.

    Raises:
        InputFileError: there is none to write, or it cannot be written.
    """
    if not drawn:
        raise InputFileError(f"--chart {chart_file}: not written, for nothing here has a B2M result that can be read.")
    for number, (of, svg) in enumerate(drawn, 1):
        file = chart_file if len(drawn) == 1 else chart_file.with_stem(f"{chart_file.stem}-{number}")
        try:
            file.write_text(svg, "utf-8")
        except OSError as error:
            raise InputFileError(f"--chart {file}: cannot be written ({error.strerror}); name another file.") from error
        console.print(f"Chart of {of}: {file}", markup=False)


def _show(console: Console, found: Explanation) -> None:
    """Prints the tables that have rows, then the cards."""
    for title, columns, rows in (
        ("Results read (* under review)", "Analyte|Printed|Canonical|Taken|Range|Reference", found.results),
        ("Problems read", "Problem|Codes|Status|Onset", found.problems),
        ("Missing data", "What|Why|Printed|Reference", found.missing),
        ("Rules", "Specimen|Rule|Card|Because", found.rules),
        ("Not shown again", "Led by|Shown|Until", found.held),
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
