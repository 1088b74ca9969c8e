"""What keeps the shipped server running: workers that count together, are renewed, and log nothing of a patient."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from cds_service.replay.calls import fixtures_folder
from tests.functional.server import free_port, running

FIXTURE = (fixtures_folder() / "iss-stage-3-kidney" / "request.json").read_bytes()
SERVICE = "b2m-result-review"
CALLS = 40
NAME, ID = "Zyxwvut-7391", "6f1d7c9e00004000800000000000abcd"
#: Settings of gunicorn that a test looks through or hurries.
PROGRAM = """
import socket, sys
from cds_service.cli import gunicorn_conf
from cds_service.cli.main import cli

def pre_request(worker, request):
    option = request.unreader.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    print("TCP_NODELAY", option, file=sys.stderr, flush=True)

{changed}
cli()
"""


@dataclass
class Served:
    """A running service and its log."""

    process: "Popen[bytes]"
    url: str
    log: Path

    def call(self, **headers: str) -> requests.Response:
        head = {"Content-Type": "application/json", "Connection": "close"} | headers
        return requests.post(f"{self.url}/cds-services/{SERVICE}", data=FIXTURE, headers=head, timeout=20)

    def counted(self, name: str, **labels: str) -> float:
        families = text_string_to_metric_families(requests.get(f"{self.url}/metrics", timeout=10).text)
        samples = [s for family in families for s in family.samples if s.name == f"b2m_cds_{name}"]
        return sum(s.value for s in samples if labels.items() <= s.labels.items())

    def workers(self) -> set[int]:
        parent = self.process.pid
        return set(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()))

    def counted_in(self) -> set[Path]:
        """The folders of the files in which the workers count."""
        lines = [line for pid in self.workers() for line in Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines()]
        return {Path(line.split(maxsplit=5)[5]).parent for line in lines if line.endswith(".db")}

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]


@contextlib.contextmanager
def served(folder: Path, changed: str = "", workers: int = 2, **environment: str) -> Iterator[Served]:
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-c", PROGRAM.format(changed=changed), "serve", "--port", str(port)]
    command += ["--workers", str(workers)]
    own = {"DATABASE_URL": f"sqlite:///{folder}/store.sqlite"} | environment
    with log.open("wb") as stderr, running(command, port, own, stderr) as process:
        yield Served(process, f"http://127.0.0.1:{port}", log)


def until(happened: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_workers_count_together_and_share_what_was_made_before_they_were(tmp_path: Path) -> None:
    with served(tmp_path) as service, ThreadPoolExecutor(8) as threads:
        statuses = [answer.status_code for answer in threads.map(lambda _: service.call(), range(CALLS))]
        assert statuses == [200] * CALLS
        assert service.counted("calls_total", service=SERVICE, status="200") == CALLS
        assert service.counted("cards_total") == CALLS
        assert service.counted("findings_total", rule="iss-stage", outcome="stage_3", mode="on") == CALLS
        assert service.counted("stage_seconds_count", stage="record") == CALLS
        assert service.counted("store_lost_total") == 0
        assert len(service.workers()) == 2
        own = {int(line["message"].rsplit(" ", 1)[1]) for line in service.lines() if "Booting" in line["message"]}
        assert own == service.workers()
        (folder,) = service.counted_in()
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_counts_outlive_the_worker_that_counted(tmp_path: Path) -> None:
    """Also one that was killed; its successor goes on with its file."""
    with served(tmp_path) as service:
        for _ in range(10):
            assert service.call().status_code == 200
        first = service.workers()
        os.kill(min(first), signal.SIGKILL)
        until(lambda: len(service.workers()) == 2 and service.workers() != first)
        for _ in range(10):
            assert service.call().status_code == 200
        assert service.counted("calls_total", status="200") == 20


def test_workers_are_renewed_without_losing_a_call(tmp_path: Path) -> None:
    with served(tmp_path, "gunicorn_conf.max_requests, gunicorn_conf.max_requests_jitter = 8, 2") as service:
        first = service.workers()
        with ThreadPoolExecutor(4) as threads:
            assert {answer.status_code for answer in threads.map(lambda _: service.call(), range(60))} == {200}
        until(lambda: len(service.workers()) == 2 and not service.workers() & first)
        assert service.counted("calls_total", status="200") == 60


def profile(path: Path, mode: str) -> None:
    path.write_text(f'[[rule]]\nid = "*"\nmode = "{mode}"\nreason = "a test"\n')


def test_a_reload_reads_the_profile_anew_and_loses_no_call(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    profile(site, "on")
    with served(tmp_path, SITE_PROFILE=str(site)) as service:
        first = service.workers()
        assert len(service.call().json()["cards"]) == 1
        profile(site, "silent")
        service.process.send_signal(signal.SIGHUP)
        answers = []
        while service.workers() & first or len(service.workers()) < 2:
            answers.append(service.call().status_code)
        assert set(answers) == {200}
        assert service.call().json()["cards"] == []


def test_a_profile_that_cannot_be_used_is_not_reloaded(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    profile(site, "silent")
    with served(tmp_path, SITE_PROFILE=str(site)) as service:
        first = service.workers()
        profile(site, "loud")
        service.process.send_signal(signal.SIGHUP)
        until(lambda: len(service.workers()) == 2 and not service.workers() & first)
        assert service.call().json()["cards"] == []
        assert any(line["message"].startswith("not reloaded") for line in service.lines())


def test_a_configuration_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('[[rule]]\nid = "nothing-like-it"\nmode = "on"\nreason = "a test"\n')
    with pytest.raises(AssertionError, match="stopped while starting"), served(tmp_path, SITE_PROFILE=str(site)):
        pass
    said = (tmp_path / "log").read_text("utf-8")
    assert "SITE_PROFILE: rule 'nothing-like-it'" in said
    assert "Traceback" not in said


def test_answers_are_sent_without_delay(tmp_path: Path) -> None:
    """Asked of the accepted socket itself, in the worker."""
    with served(tmp_path, "gunicorn_conf.pre_request = pre_request", workers=1) as service:
        service.call()
    assert "TCP_NODELAY 1\n" in service.log.read_text("utf-8")
    assert "TCP_NODELAY 0\n" not in service.log.read_text("utf-8")


def test_the_log_is_json_with_ids_and_nothing_of_the_request(tmp_path: Path) -> None:
    with served(tmp_path, workers=1) as service:
        assert service.call(**{"X-Request-Id": ID}).headers["X-Request-Id"] == ID
        requests.get(f"{service.url}/{NAME}?patient={NAME}", auth=(NAME, NAME), timeout=10)
    answered = [line for line in service.lines() if line["message"] == "answered"]
    assert [line.get("request_id") == ID for line in answered] == [True, False]
    assert answered[0] | {"service": SERVICE, "status": 200, "cards": 1} == answered[0]
    assert NAME not in service.log.read_text("utf-8")


def test_text_is_for_people(tmp_path: Path) -> None:
    with served(tmp_path, workers=1, LOG_FORMAT="text", LOG_LEVEL="warning") as service:
        service.call()
    assert service.log.read_text("utf-8") == ""
