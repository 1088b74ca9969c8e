"""The demo's own parts; the whole of it runs in tests/functional/test_serve.py."""

import io
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import responses
from click.testing import CliRunner
from rich.console import Console

from cds_service.cli import demo, serve
from cds_service.cli.card_view import show_card
from cds_service.cli.main import cli
from cds_service.errors import CdsServiceError
from tests.functional.run import post
from tests.unit.fhir.make import bundle, call, observation


def test_a_card_in_the_terminal() -> None:
    (card,) = post("b2m-result-review", call(bundle(observation()))).get_json()["cards"]
    console = Console(file=io.StringIO(), width=100)
    show_card(console, card)
    show_card(console, card, detail=False)
    shown = console.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert shown.count("Serum B2M 4.2 mg/L, above a default upper limit") == 2
    assert "What limits it" in shown
    assert "Source: Beta-2 microglobulin CDS" in shown


def test_a_port_in_use_is_left_alone() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert demo._free_port(port) != port
    assert demo._free_port(port) == port


def test_a_service_that_does_not_come_up_is_said() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(30)
    with pytest.raises(CdsServiceError, match="did not come up"):
        demo._wait_until_up(gone, "http://127.0.0.1:9")


@responses.activate
def test_a_service_that_fails_is_said() -> None:
    responses.post("http://127.0.0.1:9/cds-services/x", status=500)
    with pytest.raises(CdsServiceError, match="answered 500 to x"):
        demo._post("http://127.0.0.1:9", "x", {})


def test_serve_hands_its_options_to_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/shared.sqlite")
    seen = []

    def run(server: serve._Server) -> None:
        seen.append((server.cfg.bind, server.cfg.workers))
        assert server.load().test_client().get("/cds-services").status_code == 200

    monkeypatch.setattr(serve._Server, "run", run)
    assert CliRunner().invoke(cli, ["serve", "--host", "::1", "--port", "0", "--workers", "3"]).exit_code == 0
    assert CliRunner().invoke(cli, ["serve"]).exit_code == 0
    assert seen == [(["[::1]:0"], 3), (["127.0.0.1:8000"], 2)]


def test_an_error_is_a_message_and_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "none")
    result = CliRunner().invoke(cli, ["serve"])
    assert result.exit_code == 1
    assert "cds-service: These settings cannot be used" in result.output


def test_no_port_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_HOST", "203.0.113.1")
    with pytest.raises(CdsServiceError, match="No free port"):
        demo._free_port(8000)


def test_the_demo_stops_by_itself_when_asked() -> None:
    result = CliRunner().invoke(cli, ["demo", "--port", "0", "--once"])
    assert result.exit_code == 0, result.output
    assert "The service stays up" not in result.output


def test_the_demo_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the waiting: Ctrl-C ends it, and the service with it."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_sleep", interrupt)
    result = CliRunner().invoke(cli, ["demo", "--port", "0"])
    assert result.exit_code == 0, result.output
    assert "The service stays up" in result.output
