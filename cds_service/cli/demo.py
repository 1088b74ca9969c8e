"""``cds-service demo``: starts the service on loopback and sends real patients through it, as an EHR would."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import requests
from rich.console import Console

from cds_service.cli.card_view import show_card
from cds_service.errors import CdsServiceError
from cds_service.fhir.shape import Json, objects
from cds_service.replay.calls import Prepared, dump_json, fixtures_folder, prepare, read_documents, read_fixtures
from cds_service.replay.dates import moved

_sleep = time.sleep
_HOST = "127.0.0.1"
_START_SECONDS = 20.0
_SERVICE = "b2m-result-review"
#: Real patients whose cards are printed whole: stages I to III, kidneys failing, a unit in doubt.
_SHOWN = ("commpass-005", "commpass-007", "commpass-008", "commpass-012")


@click.command()
@click.option("--once", is_flag=True, help="Stop when the cards are printed.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on.")
def demo(once: bool, port: int) -> None:
    """Start the service on loopback, send real patients through it, and print their cards."""
    console = Console()
    folder = fixtures_folder()
    with _running_service(_free_port(port)) as url:
        _show(console, url, folder)
        _say_what_next(console, url, folder)
        if not once:
            console.print("The service stays up. [bold]Ctrl-C[/bold] stops it.")
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    _sleep(3600)


def _free_port(wanted: int) -> int:
    """``wanted`` if nothing listens there, else one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((_HOST, port))
                return int(probe.getsockname()[1])
    raise CdsServiceError("No free port on loopback; name one with --port.")


@contextlib.contextmanager
def _running_service(port: int) -> Iterator[str]:
    """The service in a process of its own, stopped at the end."""
    command = [sys.executable, "-m", "cds_service", "serve", "--host", _HOST, "--port", str(port), "--workers", "1"]
    url = f"http://{_HOST}:{port}"
    with tempfile.TemporaryDirectory() as folder:  # what it remembers goes with it
        own = {
            "BIND_HOST": _HOST,
            "DATABASE_URL": f"sqlite:///{folder}/demo.sqlite",
            "WORKBENCH": "1",
            "BEHIND_PROXY": "0",
        }
        own |= {"LOG_FORMAT": "text", "LOG_LEVEL": "warning"}
        server = subprocess.Popen(command, env=os.environ | own)  # noqa: S603 - our own module
        try:
            _wait_until_up(server, url)
            yield url
        finally:
            server.terminate()
            server.wait(10)


def _wait_until_up(server: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"{url}/cds-services", timeout=2)
            return
        time.sleep(0.05)
    raise CdsServiceError(f"The service did not come up at {url} within {_START_SECONDS:.0f} s; see the lines above.")


def _show(console: Console, url: str, folder: Path) -> None:
    now = datetime.now(UTC)
    console.rule("Real patients: newly diagnosed multiple myeloma (MMRF CoMMpass, NIH Genomic Data Commons)")
    _show_cohort(console, url, folder / "commpass", now)
    console.rule("Made-up cases, each with its reason (fhir_fixtures)")
    for case in read_fixtures(folder):
        request = moved(case.request, (now - (case.as_of or now)).days)
        console.print(f"[bold]{case.name}[/bold]: {case.expected['why']}")
        answer = _post(url, case.service, request)
        for card in answer.get("cards", []):
            show_card(console, card, detail=False)
        if not answer.get("cards"):
            issue = next(objects(answer, "issue"), {})
            console.print(f"  [dim]{'refused: ' + issue['diagnostics'] if issue else 'no card'}[/dim]")


def _show_cohort(console: Console, url: str, folder: Path, now: datetime) -> None:
    tally: Counter[str] = Counter()
    for given in read_documents([folder / "bundles.ndjson.gz"]):
        days = (now - datetime.fromisoformat(given.expected["as_of"])).days
        if not tally:
            console.print(f"Their dates are moved by {days} days, to today; the values are as recorded.\n")
        prepared = prepare(replace(given, document=moved(given.document, days)), {"lab-result-review": _SERVICE})
        for call in prepared.calls if isinstance(prepared, Prepared) else ():
            cards = _post(url, _SERVICE, call.request)["cards"]
            tally[_kind(cards)] += 1
            if given.document["id"] in _SHOWN:
                console.print(f"[bold]Patient {given.document['id']}[/bold]")
                for card in cards:
                    show_card(console, card)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.items()))
    console.print(f"All {tally.total()} patients: {told}.\n")


def _kind(cards: list[Json]) -> str:
    if not cards:
        return "without a B2M and without a card"
    summary: str = cards[0]["summary"]
    return summary.split(" if ", 1)[0] if summary.startswith("ISS") else "with the unit in doubt"


def _post(url: str, service: str, request: Json) -> Json:
    """The service's answer: cards, or the OperationOutcome of a refusal."""
    answer = requests.post(
        f"{url}/cds-services/{service}",
        data=dump_json(request),
        headers={"Content-Type": "application/json"},
        timeout=30,
    )
    if answer.status_code >= 500:
        raise CdsServiceError(f"The service answered {answer.status_code} to {service}; see the lines above.")
    document: Json = answer.json()
    return document


def _say_what_next(console: Console, url: str, folder: Path) -> None:
    case = folder / "iss-stage-3-kidney" / "request.json"
    console.rule("Next")
    console.print(f"Try your own charts, and these, in a browser:\n  {url}/", soft_wrap=True)
    console.print(f"The service listens on {url}. What it offers:\n  curl {url}/cds-services\nOne case, whole:")
    console.print(
        f"  curl -H 'Content-Type: application/json' --data @{case} {url}/cds-services/{_SERVICE}", soft_wrap=True
    )
