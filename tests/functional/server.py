"""The service in a process of its own, under the server that is shipped, on loopback and bounded in time."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import requests

START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_service(**environment: str) -> Iterator[str]:
    """The base URL of ``cds-service serve`` with the given environment; stopped at the end by its process id."""
    port = free_port()
    command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(command, env=os.environ | environment)  # noqa: S603 - our own module
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"{url}/cds-services", timeout=5)
                break
            assert server.poll() is None, "the service stopped while starting"
            assert time.monotonic() < deadline, "the service did not start in time"
            time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait(20)
