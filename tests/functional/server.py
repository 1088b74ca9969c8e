"""The service in a process of its own, under the server that is shipped, on loopback and bounded in time."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import requests

START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_service(port: int | None = None, **environment: str) -> Iterator[str]:
    """The base URL of ``cds-service serve`` with the given environment; stopped at the end by its process id."""
    port = port or free_port()
    command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port), "--workers", "1"]
    with running(command, port, environment):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, environment: Mapping[str, str], stderr: IO[bytes] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that serves on ``port``, once it does; stopped at the end by its process id."""
    server = subprocess.Popen(command, env={**os.environ, **environment}, stderr=stderr)  # noqa: S603 - our own
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"http://127.0.0.1:{port}/livez", timeout=5)
                break
            assert server.poll() is None, "the service stopped while starting"
            assert time.monotonic() < deadline, "the service did not start in time"
            time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        server.wait(30)
