"""``python -m bench COMMAND``: figures about the service, as Markdown; see docs/performance.md."""

import signal
import sys
from pathlib import Path

import click

from bench.bodies import SIZES
from bench.compare import Extent
from bench.compare import compare as measure
from bench.faults import FAULTS, QUICK, Times, measure_faults
from bench.fetch import measure_fetch
from bench.processes import MeasureError
from bench.soak import measure_soak
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


@cli.command()
@click.option("--quick", is_flag=True, help="Three of the faults, for seconds.")
@click.option("--fault", "names", multiple=True, type=click.Choice(list(FAULTS)), help="Only this one; repeatable.")
@click.option("--before", type=click.FloatRange(1, 600), default=10.0, show_default=True, help="Seconds of load.")
@click.option("--during", type=click.FloatRange(1, 600), default=15.0, show_default=True, help="Seconds of the fault.")
@click.option("--after", type=click.FloatRange(1, 600), default=20.0, show_default=True, help="Seconds of load.")
@click.option("--rate", type=click.FloatRange(1, 1000), default=20.0, show_default=True, help="Calls a second.")
@click.option("--workers", type=click.IntRange(1, 16), default=2, show_default=True)
@click.pass_context
def faults(
    context: click.Context,
    *,
    quick: bool,
    names: tuple[str, ...],
    before: float,
    during: float,
    after: float,
    rate: float,
    workers: int,
) -> None:
    """Constant load, and then something fails: what is refused, lost, wrong.

    Ends with 1 where an answer was wrong, or feedback that was acknowledged is not in the store, or is there twice.
    """
    times = Times(2, 3, 4, rate, workers) if quick else Times(before, during, after, rate, workers)
    context.exit(0 if measure_faults(names or (QUICK if quick else list(FAULTS)), times) else 1)


@cli.command()
@click.option("--quick", is_flag=True, help="Six seconds.")
@click.option("--minutes", type=click.FloatRange(0.1, 600), default=10.0, show_default=True)
@click.option("--rate", type=click.FloatRange(1, 1000), default=20.0, show_default=True, help="Calls a second.")
@click.option("--workers", type=click.IntRange(1, 16), default=2, show_default=True)
@click.pass_context
def soak(context: click.Context, *, quick: bool, minutes: float, rate: float, workers: int) -> None:
    """Constant load for minutes: whether memory stays flat. Ends with 1 as ``faults`` does."""
    context.exit(0 if measure_soak(0.1 if quick else minutes, Times(0, 0, 0, rate, workers)) else 1)


def main() -> int:
    """Runs a command; the exit code."""
    try:
        return int(cli.main(prog_name="python -m bench", standalone_mode=False) or 0)
    except MeasureError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130


if __name__ == "__main__":
    sys.exit(main())
