"""``python -m bench COMMAND``: figures about the service, as Markdown; see docs/performance.md."""

import signal
import sys
from pathlib import Path

import click

from bench.bodies import SIZES
from bench.compare import Extent
from bench.compare import compare as measure
from bench.fetch import measure_fetch
from bench.processes import MeasureError
from bench.start import measure_start

_NAMES = [size.name for size in SIZES]


@click.group(invoke_without_command=True)
@click.pass_context
def cli(context: click.Context) -> None:
    """Figures about the service, as Markdown; each command has --quick. docs/performance.md says what they mean."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exit that stops the servers on its way


@cli.command()
@click.option("--quick", is_flag=True, help="One round of few requests: whether it runs, not what it costs.")
@click.option("--rounds", type=click.IntRange(1, 50), default=7, show_default=True, help="Turns of each server.")
@click.option("--requests", type=click.IntRange(2, 1000), default=200, show_default=True, help="A turn, if small.")
@click.option("--minutes", type=click.FloatRange(1, 120), default=60.0, show_default=True, help="Begin no round after.")
@click.option("--size", "sizes", multiple=True, type=click.Choice(_NAMES), help="Only bodies of this size; repeatable.")
@click.option("--workers", type=click.IntRange(1, 8), default=1, show_default=True, help="Of each server.")
@click.option("--healthchain", type=click.Path(path_type=Path, file_okay=False), help="Folder of HealthChain's venv.")
def compare(
    *,
    quick: bool,
    rounds: int,
    requests: int,
    minutes: float,
    sizes: tuple[str, ...],
    workers: int,
    healthchain: Path | None,
) -> None:
    """Side by side with an echo, whole-Bundle validation and others, on the same bodies.

    With --healthchain also HealthChain, in a venv in that folder, which pip fills where it is not there.
    """
    rounds, requests = (1, 8) if quick else (rounds, requests)
    measure(Extent(rounds, requests, 60 * minutes, sizes or _NAMES, workers), healthchain)


@cli.command()
@click.option("--quick", is_flag=True, help="Two starts, 50 calls.")
@click.option("--starts", type=click.IntRange(1, 50), default=7, show_default=True, help="How often it is started.")
@click.option(
    "--calls", type=click.IntRange(10, 10_000), default=1000, show_default=True, help="Before memory is read."
)
@click.option("--workers", type=click.IntRange(1, 16), default=2, show_default=True, help="Of each start.")
def start(*, quick: bool, starts: int, calls: int, workers: int) -> None:
    """Start-up time, the first call in a new worker, memory of a worker."""
    starts, calls = (2, 50) if quick else (starts, calls)
    measure_start(starts, calls, workers)


@cli.command()
@click.option("--quick", is_flag=True, help="Ten calls each.")
@click.option("--calls", type=click.IntRange(2, 1000), default=100, show_default=True, help="Of each kind.")
@click.option("--delay-ms", type=click.FloatRange(1, 500), default=50.0, show_default=True, help="Of the FHIR server.")
def fetch(*, quick: bool, calls: int, delay_ms: float) -> None:
    """What a call waits for a FHIR server, in round trips."""
    measure_fetch(10 if quick else calls, delay_ms)


def main() -> int:
    """Runs a command; the exit code."""
    try:
        cli.main(prog_name="python -m bench", standalone_mode=False)
    except MeasureError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
