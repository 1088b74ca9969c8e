"""The public keys of registered clients: read from a file, or fetched from the registered URL alone, and kept."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock, Thread, Timer
from typing import Any

import jwt
import requests

from cds_service.config import Client
from cds_service.fhir.connections import Sockets, new_session

_log = logging.getLogger(__name__)
_COOL_DOWN_SECONDS = 60
_RENEW_SECONDS = 3600
_FETCH_SECONDS = 2.0
_LARGEST_BYTES = 200_000
_CHUNK = 16_384
_MOST_PARSED = 64
#: The key type that an algorithm takes.
_KEY_TYPES = {"R": "RSA", "E": "EC"}


@dataclass(slots=True)
class KeySet:
    """The public signing keys of one client.

    They are read anew when a token names a key that is not there, at most once in a cool-down of 60 s, and every hour.
    While that fails the old ones serve, up to ``most_age_seconds``.

    Args:
        client: whose keys.
        most_age_seconds: how long keys serve that could not be had anew.
        clock: seconds that only go forward.
        on_no_keys: told the client's name whenever none of its keys is to be had.
    """

    client: Client
    most_age_seconds: float
    clock: Callable[[], float] = time.monotonic
    on_no_keys: Callable[[str], None] = lambda client: None
    _entries: tuple[dict[str, Any], ...] = ()
    _parsed: dict[tuple[str, str], jwt.PyJWK] = field(default_factory=dict)
    _had_at: float | None = None
    _tried_at: float | None = None
    _lock: Lock = field(default_factory=Lock)

    def key(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        """The key of this id for this algorithm, or None."""
        found = self._find(kid, algorithm)
        if self._age() > self.most_age_seconds or not found:
            self.refresh()
            return self._find(kid, algorithm) if self._age() <= self.most_age_seconds else None
        if self._age() > _RENEW_SECONDS and self._may_try():
            Thread(target=self.refresh, daemon=True).start()
        return found

    def __len__(self) -> int:
        """How many keys are at hand."""
        return len(self._entries)

    def refresh(self) -> None:
        """Reads the keys anew, unless that was tried within the cool-down; what cannot be had leaves the old ones.

        A set that was had and is empty withdraws them.
        """
        with self._lock:
            if not self._may_try():
                return
            self._tried_at = self.clock()
            listed = _listed(self._document())
            if listed is None:
                _log.warning("the keys of client %s could not be had anew", self.client.name)
                self.on_no_keys(self.client.name)
                return
            self._entries, self._parsed, self._had_at = tuple(_signing_keys(listed)), {}, self._tried_at
            if not self._entries:
                _log.warning("client %s has no signing key now: none of its tokens is believed", self.client.name)
                self.on_no_keys(self.client.name)

    def _age(self) -> float:
        return float("inf") if self._had_at is None else self.clock() - self._had_at

    def _may_try(self) -> bool:
        return self._tried_at is None or self.clock() - self._tried_at >= _COOL_DOWN_SECONDS

    def _find(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        """Parsing a key costs more than checking a signature with it: parsed ones are kept."""
        parsed = self._parsed
        if (kid, algorithm) not in parsed:
            entry = next((e for e in self._entries if e["kid"] == kid and _fits(e, algorithm)), None)
            if entry is None or len(parsed) >= _MOST_PARSED:
                return None
            try:
                parsed[kid, algorithm] = jwt.PyJWK(entry, algorithm=algorithm)
            except jwt.PyJWTError:
                return None
        return parsed[kid, algorithm]

    def _document(self) -> Any:
        try:
            return json.loads(self.client.jwks_file.read_bytes() if self.client.jwks_file else self._fetched())
        except (OSError, ValueError, RecursionError):
            return None

    def _fetched(self) -> bytes:
        """The body behind the registered URL, whole, within the time, or nothing."""
        sockets = Sockets()
        timer = Timer(_FETCH_SECONDS, sockets.shut)
        sockets.watch()
        timer.start()
        try:
            with new_session({"Accept": "application/json"}, 1) as session:
                answer = session.get(
                    str(self.client.jku),
                    auth=_no_credentials,
                    timeout=_FETCH_SECONDS,
                    allow_redirects=False,
                    stream=True,
                )
                body = bytearray()
                for chunk in answer.iter_content(_CHUNK):
                    body += chunk
                    if len(body) > _LARGEST_BYTES:
                        return b""
                return bytes(body) if answer.status_code == requests.codes.ok else b""
        finally:
            timer.cancel()
            sockets.leave()


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from looking for some in a .netrc."""
    return request


def _listed(document: Any) -> list[Any] | None:
    """What a JWK Set lists, which may be nothing; None where there is no such set."""
    entries = document.get("keys") if isinstance(document, dict) else None
    return entries if isinstance(entries, list) else None


def _signing_keys(entries: list[Any]) -> Iterator[dict[str, Any]]:
    """The public keys of a JWK Set that may sign; a private or a symmetric one is not taken."""
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
            continue
        if entry.get("kty") in _KEY_TYPES.values() and entry.get("use", "sig") == "sig" and "d" not in entry:
            yield entry


def _fits(entry: dict[str, Any], algorithm: str) -> bool:
    return bool(entry["kty"] == _KEY_TYPES[algorithm[0]] and entry.get("alg", algorithm) == algorithm)
