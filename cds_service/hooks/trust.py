"""Who may call: the bearer JWT of a registered client, or nobody; open access is for loopback and demonstrations.

Nothing is fetched that stands only in a token, nothing is accepted that the client's registration does not name, and a
refusal says nothing more than that it is one. CDS Hooks 2.0, "Trusting CDS Clients".
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Literal, Protocol

import jwt
from flask import Request
from jwt.types import Options

from cds_service.config import Client, Settings, SiteProfile
from cds_service.errors import ConfigurationError, Forbidden, StoreUnavailable, Unauthenticated
from cds_service.hooks.key_sets import KeySet
from cds_service.hooks.peers import is_local

_log = logging.getLogger(__name__)
_LEEWAY_SECONDS = 60
#: CDS Hooks asks for tokens of five minutes; one that is good for days would have to be remembered for days.
_LONGEST_LIFE_SECONDS = 3600
_LONGEST_TOKEN = 16_384
_LONGEST_ID = 256
#: How much longer a used token is remembered: clocks of hosts that share a store differ, and one of them forgets it.
_CLOCK_MARGIN_SECONDS = 300
_MOST_REMEMBERED = 100_000
_OPTIONS: Options = {"require": ["iss", "aud", "exp", "iat", "jti"], "enforce_minimum_key_length": True}

Mode = Literal["registered clients", "open access", "loopback only"]


class SeenTokens(Protocol):
    """What remembers, for all workers, the tokens that were used."""

    def first_use(self, issuer: str, token_id: str, expires: datetime) -> bool:
        """Notes a token until it expires; whether it was not noted before.

        Raises:
            StoreUnavailable: nothing can be noted now.
        """


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called: a registered client, or None where access is open, and the tenant that its token names."""

    client: Client | None = None
    tenant: str = ""

    @property
    def name(self) -> str:
        """The client's registered name, "" where access is open."""
        return self.client.name if self.client else ""

    @property
    def scope(self) -> str:
        """Within what its ids are unique, for pseudonyms: the client, and the tenant where its token names one."""
        return f"{self.name}/{self.tenant}" if self.tenant else self.name

    def may_call(self, service_id: str) -> bool:
        """Whether its registration covers the service."""
        return self.client is None or not self.client.services or service_id in self.client.services

    def may_name(self, server_url: str | None) -> bool:
        """Whether it may have this FHIR server of the site's profile asked."""
        return self.client is None or self.client.may_name(server_url)


def mode_of(settings: Settings, site: SiteProfile) -> Mode:
    """Who is let in by this configuration.

    Raises:
        ConfigurationError: what is set contradicts itself, or a setting that the mode needs is not there.
    """
    if not site.client:
        return "open access" if settings.open_access else "loopback only"
    if settings.open_access:
        raise ConfigurationError(
            "OPEN_ACCESS is set and SITE_PROFILE registers clients; expected one of them: unset OPEN_ACCESS."
        )
    if settings.public_base_url is None:
        raise ConfigurationError(
            "PUBLIC_BASE_URL is not set and SITE_PROFILE registers clients; expected the address under which they "
            "call, such as https://cds.example.org: their tokens' aud is compared with it."
        )
    return "registered clients"


class Gate:
    """Lets callers in.

    Args:
        settings, site: who is registered, and how this service is called.
        seen: remembers used tokens for all workers; without it each worker remembers its own.
        clock: seconds that only go forward, for the age of keys.
        on_no_keys: told the name of a client whenever none of its keys is to be had.
    """

    def __init__(
        self,
        settings: Settings,
        site: SiteProfile,
        seen: SeenTokens | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_no_keys: Callable[[str], None] = lambda client: None,
    ) -> None:
        self.mode = mode_of(settings, site)
        self._settings, self._base = settings, settings.public_base_url or ""
        self._seen, self._own = seen, _OwnMemory()
        age = settings.jwks_max_age_hours * 3600
        self.key_sets = {client.iss: KeySet(client, age, clock, on_no_keys) for client in site.client}

    def has_keys(self) -> bool:
        """Whether anybody's token can be checked; keys that were never had are asked for first, all at once."""
        never_had = [keys for keys in self.key_sets.values() if not len(keys)]
        with ThreadPoolExecutor(thread_name_prefix="keys") as threads:
            list(threads.map(KeySet.refresh, never_had))
        return not self.key_sets or any(map(len, self.key_sets.values()))

    def caller(self, request: Request) -> Caller:
        """Who sent this request.

        Raises:
            Unauthenticated: it bears no token that lets it in.
            Forbidden: access is for loopback only, and this comes from elsewhere.
        """
        if self.mode == "registered clients":
            return self._bearer_of(_bearer_token(request), self._base + request.path)
        if self.mode == "loopback only" and not is_local(request, self._settings):
            raise Forbidden(
                "No client is registered, so that only this machine may call. Register clients in SITE_PROFILE; "
                "OPEN_ACCESS=1 lets anybody in, for a demonstration."
            )
        return Caller()

    def _bearer_of(self, token: str, address: str) -> Caller:
        try:
            header = jwt.get_unverified_header(token)
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
            keys = self.key_sets.get(issuer) if isinstance(issuer, str) else None
            if keys is None:
                raise Unauthenticated("the issuer is not registered")
            claims = jwt.decode(
                token,
                _key(keys, header),
                algorithms=list(keys.client.algorithms),
                audience=address,
                issuer=keys.client.iss,
                leeway=_LEEWAY_SECONDS,
                options=_OPTIONS,
            )
            issued, expires = float(claims["iat"]), float(claims["exp"])
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
            raise Unauthenticated(type(error).__name__) from None
        tenant = _tenant(keys.client, claims.get("tenant"))
        if expires - issued > _LONGEST_LIFE_SECONDS:
            raise Unauthenticated("the token lives longer than an hour")
        if not 0 < len(claims["jti"]) <= _LONGEST_ID:
            raise Unauthenticated("the jti is empty or too long")
        if not self._is_first_use(keys.client.iss, claims["jti"], expires + _LEEWAY_SECONDS + _CLOCK_MARGIN_SECONDS):
            raise Unauthenticated("the token was used before")
        return Caller(keys.client, tenant)

    def _is_first_use(self, issuer: str, token_id: str, expires: float) -> bool:
        """Asks the store and this worker's memory: what only the one of them has seen is a replay too."""
        is_new_here = self._own.first_use(issuer, token_id, expires)
        if self._seen is None or not is_new_here:
            return is_new_here
        try:
            return self._seen.first_use(issuer, token_id, datetime.fromtimestamp(expires, UTC))
        except StoreUnavailable:
            return True


def _bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("no bearer token")
    if len(token) > _LONGEST_TOKEN:
        raise Unauthenticated("the token is too long")
    return token.strip()


def _tenant(client: Client, claimed: Any) -> str:
    """The tenant that a token names, "" for none.

    Raises:
        Unauthenticated: the client has other tenants, or it is no name.
    """
    if client.tenants and claimed not in client.tenants:
        raise Unauthenticated("the tenant is not registered")
    if claimed is None:
        return ""
    if not isinstance(claimed, str) or len(claimed) > _LONGEST_ID or "\0" in claimed:
        raise Unauthenticated("the tenant is no name")
    return claimed


def _key(keys: KeySet, header: Mapping[str, Any]) -> jwt.PyJWK:
    """The registered client's key that the token's header names.

    Raises:
        Unauthenticated: the header names an algorithm, a key or a key set that is not registered.
    """
    client, kid, algorithm = keys.client, header.get("kid"), header.get("alg")
    if algorithm not in client.algorithms:
        raise Unauthenticated("the algorithm is not registered")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise Unauthenticated("the header's typ is not JWT")
    if client.jku and header.get("jku", client.jku) != client.jku:
        raise Unauthenticated("the header's jku is not the registered one")
    key = keys.key(kid, str(algorithm)) if isinstance(kid, str) else None
    if key is None:
        raise Unauthenticated("the key is not known")
    return key


@dataclass(slots=True)
class _OwnMemory:
    """The tokens that this worker has seen, until they expire; the oldest go where there are too many."""

    _until: dict[tuple[str, str], float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def first_use(self, issuer: str, token_id: str, expires: float) -> bool:
        with self._lock:
            if (issuer, token_id) in self._until:
                return False
            if len(self._until) >= _MOST_REMEMBERED:
                self._forget(time.time())
            self._until[issuer, token_id] = expires
            return True

    def _forget(self, now: float) -> None:
        kept = {seen: until for seen, until in self._until.items() if until >= now}
        self._until = dict(list(kept.items())[-_MOST_REMEMBERED // 2 :]) if len(kept) >= _MOST_REMEMBERED else kept


def log_mode(mode: Mode, clients: Iterable[Client]) -> None:
    """Says once, at the start, who is let in."""
    names = ", ".join(client.name for client in clients)
    level = logging.WARNING if mode == "open access" else logging.INFO
    _log.log(level, "access: %s%s", mode, f" ({names})" if names else "")
