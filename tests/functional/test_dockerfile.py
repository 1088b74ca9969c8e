"""What can be checked of the Dockerfile without an engine: its lint, and its steps replayed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def run(*command: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own files
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=180,
        env=os.environ | environment,
        cwd=environment.get("PWD"),
    )


def test_hadolint_finds_nothing() -> None:
    linted = run(Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile")
    assert linted.returncode == 0, linted.stdout


def test_stages_user_and_constraints() -> None:
    assert DOCKERFILE.count("\nFROM ") == 2
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    assert "--constraint constraints.txt" in DOCKERFILE
    assert "BIND_HOST=0.0.0.0" in DOCKERFILE


def test_what_it_copies_is_let_through_and_there() -> None:
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").split() if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {source for line in copies for source in line.split()}
    assert sources == let_through
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_its_install_step_gives_a_service_that_works(tmp_path: Path) -> None:
    """The files that it copies, installed as it installs them (its dependencies are those of this environment)."""
    source, target = tmp_path / "src", tmp_path / "venv"
    for name in re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    offline = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    installed = run(sys.executable, "-m", "pip", "install", *offline, "--target", target, source)
    assert installed.returncode == 0, installed.stderr
    shown = run(sys.executable, "-m", "cds_service", "--version", PYTHONPATH=str(target), PWD=str(tmp_path))
    assert shown.stdout.startswith("cds-service, version "), shown.stderr
    program = "from cds_service.replay.calls import fixtures_folder; print(fixtures_folder())"
    found = run(sys.executable, "-c", program, PYTHONPATH=str(target), PWD=str(tmp_path))
    assert found.stdout.startswith(str(target)), found.stderr
    program = "from cds_service.app import create_app as c; print(c().test_client().get('/').text.count('<option'))"
    bench = run(
        sys.executable, "-c", program,
        PYTHONPATH=str(target), PWD=str(tmp_path), WORKBENCH="1", DATABASE_URL="sqlite://",
    )  # fmt: skip
    assert int(bench.stdout) > 100, bench.stderr
    database = f"sqlite:///{tmp_path}/store.sqlite"
    made = run(
        sys.executable, "-m", "cds_service", "store", "migrate",
        PYTHONPATH=str(target), PWD=str(tmp_path), DATABASE_URL=database,
    )  # fmt: skip
    assert "is at revision" in made.stdout, made.stderr
