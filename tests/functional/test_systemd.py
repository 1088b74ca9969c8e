"""deploy/systemd as systemd's own tools read it, and its command lines run; no systemd runs in the tests."""

import configparser
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from cds_service.cli import gunicorn_conf
from cds_service.config import Settings, load_settings
from tests.functional.server import free_port, running
from tests.functional.test_operations import until

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = ("cds-service.service", "cds-service-purge.service")
ANALYZE, SYSUSERS = shutil.which("systemd-analyze"), shutil.which("systemd-sysusers")
INSTALLED, HERE = "/opt/cds-service/bin/cds-service", str(Path(sys.executable).with_name("cds-service"))
#: Of 100: what is left is the network, which it is there for, and the file system's being the host's.
EXPOSURE = 15

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is missing: apt-get install systemd")


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters="=", comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / name, "utf-8")
    return parser


def hardening(name: str) -> list[str]:
    """The part of the file after its comment on what the service may do."""
    return (
        (FOLDER / name).read_text("utf-8").partition("# --- what it may do")[2].partition("\n[")[0].strip().splitlines()
    )


def environment() -> dict[str, str]:
    lines = (FOLDER / "cds-service.env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def analyzed(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """systemd-analyze on copies of the units, whose program is the one of this environment."""
    (folder / "cds-service.env").touch()
    for path in (*FOLDER.glob("*.service"), *FOLDER.glob("*.timer")):
        text = path.read_text("utf-8").replace(INSTALLED, HERE)
        (folder / path.name).write_text(text.replace("/etc/cds-service/", f"{folder}/"))
    command = [str(ANALYZE), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)  # noqa: S603


@needs_systemd
def test_the_units_are_well_formed(tmp_path: Path) -> None:
    checked = analyzed(tmp_path, "verify", *(f"./{name}" for name in (*SERVICES, "cds-service-purge.timer")))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_little(tmp_path: Path, name: str) -> None:
    checked = analyzed(tmp_path, "security", "--offline=true", f"--threshold={EXPOSURE}", f"./{name}")
    assert checked.returncode == 0, checked.stdout


def test_both_services_may_do_the_same() -> None:
    first, second = map(hardening, SERVICES)
    assert first == second
    assert "ProtectSystem=strict" in first


@pytest.mark.skipif(SYSUSERS is None, reason="systemd-sysusers is missing: apt-get install systemd")
def test_the_user_that_they_run_as_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "sysusers.d"
    folder.mkdir(parents=True)
    shutil.copy(FOLDER / "cds-service.sysusers.conf", folder / "cds-service.conf")
    command = [str(SYSUSERS), f"--root={tmp_path}", "cds-service.conf"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: S603
    assert made.returncode == 0, made.stderr
    users = dict(line.split(":", 1) for line in (tmp_path / "etc" / "passwd").read_text("utf-8").splitlines())
    for name in SERVICES:
        service = unit(name)["Service"]
        assert service["User"] in users
        assert users[service["User"]].endswith(f":{service['WorkingDirectory']}:/usr/sbin/nologin")


def test_its_state_is_where_the_units_say() -> None:
    for name in SERVICES:
        service = unit(name)["Service"]
        assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
        assert environment()["DATABASE_URL"].startswith(f"sqlite:///{service['WorkingDirectory']}/")
        assert service["EnvironmentFile"] == "/etc/cds-service/cds-service.env"


def test_the_environment_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = re.findall(r"^#.*?\b([A-Z_]{5,})=", (FOLDER / "cds-service.env").read_text("utf-8"), re.MULTILINE)
    assert {*environment(), *offered} <= {name.upper() for name in Settings.model_fields}
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert str(settings.site_profile) == "/etc/cds-service/site.toml"
    assert settings.behind_proxy


def test_it_has_the_time_to_end_well() -> None:
    assert int(unit("cds-service.service")["Service"]["TimeoutStopSec"]) > gunicorn_conf.graceful_timeout


def test_the_purge_runs_every_day_also_if_one_was_missed() -> None:
    timer = unit("cds-service-purge.timer")["Timer"]
    assert timer["OnCalendar"].startswith("*-*-* ")
    assert timer["Persistent"] == "true"


def command_of(name: str) -> list[str]:
    return shlex.split(unit(name)["Service"]["ExecStart"].replace(INSTALLED, HERE))


@pytest.mark.enable_socket
def test_it_starts_tells_systemd_that_it_has_and_reloads(tmp_path: Path) -> None:
    """``Type=notify``, ``ExecReload``, and the end by SIGTERM."""
    service, port = unit("cds-service.service")["Service"], free_port()
    assert service["Type"] == "notify"
    reload = signal.Signals["SIG" + service["ExecReload"].split()[1].removeprefix("-")]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        own = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "BIND_PORT": str(port)}
        own["DATABASE_URL"] = f"sqlite:///{tmp_path}/store.sqlite"
        with running(command_of("cds-service.service"), port, own) as process:
            assert systemd.recv(1000).startswith(b"READY=1")
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

            def workers() -> set[str]:
                return set(children.read_text("ascii").split())

            until(lambda: len(workers()) == Settings().workers)
            first = workers()
            process.send_signal(reload)
            until(lambda: len(now := workers()) == Settings().workers and not now & first)
            assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200
    assert process.returncode == 0


def test_the_purge_does_its_work(tmp_path: Path) -> None:
    own = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/store.sqlite"}
    migrated = [*command_of("cds-service-purge.service")[:2], "migrate"]
    for command in (migrated, command_of("cds-service-purge.service")):
        done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60)  # noqa: S603
        assert done.returncode == 0, done.stderr
