"""``cds-service population``: a whole export through the rules, into tables."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from cds_service.cli.replay import When
from cds_service.config import Settings, load_settings, load_site
from cds_service.errors import ConfigurationError
from cds_service.record.pseudonyms import Pseudonyms, load_pseudonyms
from cds_service.replay.population import run as running
from cds_service.replay.population.deciding import Basis
from cds_service.replay.population.local import run_local
from cds_service.replay.population.run import Run
from cds_service.replay.population.summary import Summary


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--out", required=True, help="Folder for the results; an unfinished run in it goes on.")
@click.option("--as-of", type=When(), help="Decide all as of this time.  [default: the day of each newest B2M]")
@click.option("--every-result", is_flag=True, help="Decide on the day of every B2M, not only of the newest.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes.  [default: one for each core]")
@click.option("--memory-mb", type=click.IntRange(256), default=256, show_default=True, help="Of the join, before disk.")
@click.option("--parts", type=click.IntRange(1, 4096), help="In how many parts to decide.  [default: by the patients]")
@click.option("--pseudonyms", "client", help="Pseudonyms by PSEUDONYM_KEYS in place of ids, as of this client's calls.")
@click.option("--compare", help="Show what differs from the finished run in this folder.")
@click.option("--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True, help="Who works.")
@click.option("--master", default="local[*]", show_default=True, help="With --engine spark: the master's address.")
def population(
    paths: tuple[str, ...],
    out: str,
    as_of: datetime | None,
    every_result: bool,
    jobs: int | None,
    memory_mb: int,
    parts: int | None,
    client: str | None,
    compare: str | None,
    engine: str,
    master: str,
) -> None:
    """Decide a whole population: a FHIR Bulk Data export, folders of Bundles, or lists of CDS Hooks requests.

    Exit codes: 0 all is well; 1 something differs from the run compared with; 3 lines were put aside; 4 patients could
    not be decided.
    """
    os.umask(0o077)  # what is written is for who runs this
    settings = load_settings()
    basis = Basis(
        settings=settings,
        site=load_site(settings.site_profile),
        started=datetime.now(UTC).replace(microsecond=0),
        as_of=as_of,
        every_result=every_result,
        pseudonyms=_pseudonyms(settings, client),
        client=client,
    )
    run = Run(paths, out, basis, jobs or os.cpu_count() or 1, memory_mb, parts, compare)
    with _progress() as progress:
        summary = run_local(run, progress) if engine == "local" else _run_spark(run, master, progress)
    _print(summary, out)
    sys.exit(_exit_code(summary))


def _run_spark(run: Run, master: str, progress: running.Progress) -> Summary:
    from cds_service.replay.population.spark import run_spark

    return run_spark(run, master, progress)


def _pseudonyms(settings: Settings, client: str | None) -> Pseudonyms:
    keys = load_pseudonyms(settings.pseudonym_keys)
    if client is not None and not keys.keys:
        raise ConfigurationError("--pseudonyms needs keys: set PSEUDONYM_KEYS to their file")
    return keys


@contextmanager
def _progress() -> Iterator[running.Progress]:
    """A bar a step, with how long it may still take; nothing where nobody looks."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        steps: dict[str, TaskID] = {}

        def told(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bars.add_task(step)
            bars.update(steps[step], completed=done, total=max(total, 1))

        yield told


def _exit_code(summary: Summary) -> int:
    if summary.undecided:
        return 4
    if summary.unusable:
        return 3
    return 1 if summary.differences else 0


def _print(summary: Summary, out: str) -> None:
    console = Console()
    table = Table("Rule", "Finding", "Patients", "in 1000", "On a card")
    for fired in summary.firing:
        rate = f"{summary.per_thousand(fired):.1f}"
        table.add_row(fired.rule, fired.finding, str(fired.patients), rate, str(fired.on_a_card))
    console.print(table)
    if summary.differences is not None:
        differences = Table("Rule", "Difference", "Calls")
        for rule, kind, calls in summary.differences:
            differences.add_row(rule, kind, str(calls))
        console.print(differences if summary.differences else "Nothing differs from the run compared with.")
    console.print(
        f"{summary.patients} patients, {summary.decided} with a B2M result, {summary.calls} calls decided, "
        f"{summary.undecided} calls with a problem, {summary.unusable} lines put aside. Results: {out}",
        soft_wrap=True,
        markup=False,
    )
