"""Clients that hold connections and hardly send: idle ones, slow headers, slow bodies. On loopback, bounded in time.

``python -m tests.functional.slow_clients`` tries them on the shipped server with nothing in front.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import requests

from cds_service.replay.calls import dump_json
from tests.functional.server import running_service
from tests.functional.test_protocol import good

_SECONDS_BETWEEN_BYTES = 1.0
_HEAD = b"POST /cds-services/b2m-result-review HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
_BODY_BYTES = 40_000


def connect(port: int, tls: ssl.SSLContext | None = None, source: str = "127.0.0.1") -> socket.socket:
    """A connection to a port of this machine, its TLS handshake done where there is one to do."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    return tls.wrap_socket(plain, server_hostname="localhost") if tls else plain


@contextlib.contextmanager
def slow_clients(
    port: int,
    tls: ssl.SSLContext | None = None,
    *,
    idle: int = 0,
    headers: int = 0,
    bodies: int = 0,
    source: str = "127.0.0.1",
) -> Iterator[None]:
    """As many slow clients of each kind as told, until left: the slow ones send a byte a second."""
    with contextlib.ExitStack() as stack:
        for _ in range(idle):
            stack.enter_context(connect(port, source=source))
        slow = [stack.enter_context(connect(port, tls, source)) for _ in range(headers + bodies)]
        for number, client in enumerate(slow):
            begun = _HEAD if number < headers else _HEAD + b"Content-Length: %d\r\n\r\n{" % _BODY_BYTES
            client.sendall(begun)
        stop = threading.Event()
        sender = threading.Thread(target=_trickle, args=(slow, stop))
        sender.start()
        try:
            yield
        finally:
            stop.set()
            sender.join(30)


def _trickle(clients: list[socket.socket], stop: threading.Event) -> None:
    while not stop.wait(_SECONDS_BETWEEN_BYTES):
        for client in clients:
            with contextlib.suppress(OSError):  # it was cut off, as it should be in the end
                client.send(b"x")


def _served(url: str, calls: int = 15) -> int:
    """How many of some calls at once are answered 200 within ten seconds."""

    def is_served(_: int) -> bool:
        with contextlib.suppress(requests.RequestException):
            body, headers = dump_json(good()), {"Content-Type": "application/json"}
            return requests.post(url, data=body, headers=headers, timeout=10).status_code == 200
        return False

    with ThreadPoolExecutor(calls) as pool:
        return sum(pool.map(is_served, range(calls)))


def main() -> None:
    """Prints what becomes of calls with nothing in front of the shipped server: why docs/proxy.md asks for nginx."""
    for idle, headers, bodies in ((0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 40)):
        with running_service() as base:
            with slow_clients(urlsplit(base).port or 0, idle=idle, headers=headers, bodies=bodies):
                served = _served(f"{base}/cds-services/b2m-result-review")
            print(f"{idle} idle, {headers} slow headers, {bodies} slow bodies: {served} of 15 calls answered")  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
