"""Connections to FHIR servers whose waiting can be ended from outside: a server may send its headers byte by byte."""

from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from socket import SHUT_RDWR, socket
from threading import Lock, local
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class Sockets:
    """The sockets on which one call waits for answers."""

    _of_thread: ClassVar[local] = local()

    def __init__(self) -> None:
        self._waiting: set[socket] = set()
        self._lock, self._is_shut = Lock(), False

    def watch(self) -> None:
        """Makes the sockets that this thread waits on those of this call."""
        self._of_thread.sockets = self

    def leave(self) -> None:
        """This thread is done with the call."""
        self._of_thread.sockets = None

    @classmethod
    def waits_on(cls, connected: socket | None) -> None:
        """This thread is about to wait on a socket."""
        sockets: Sockets | None = getattr(cls._of_thread, "sockets", None)
        if sockets and connected:
            sockets._add(connected)

    def _add(self, connected: socket) -> None:
        with self._lock:
            self._waiting.add(connected)
            if self._is_shut:
                _shut(connected)

    def shut(self) -> None:
        """Ends every wait, now and from now on."""
        with self._lock:
            self._is_shut = True
            for connected in self._waiting:
                _shut(connected)


def _shut(connected: socket) -> None:
    with suppress(OSError):
        connected.shutdown(SHUT_RDWR)


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        Sockets.waits_on(self.sock)
        return super().getresponse()


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def new_session(headers: dict[str, str], most_connections: int) -> requests.Session:
    """A session that keeps connections open and nothing else: no cookies, no retries."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update(headers)
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(pool_maxsize=most_connections, max_retries=0))
    return session
