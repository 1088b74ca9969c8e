"""Settings from the environment, and the site's own profile from a TOML file. All are described in docs/settings.md."""

import re
import tomllib
from datetime import date
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cds_service.errors import ConfigurationError


def _base_url(url: object) -> str:
    """A FHIR base URL in one spelling: scheme and host in lower case, no slash at the end."""
    if not isinstance(url, str):
        raise ValueError("expected a text")
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or ""), parts.port
    except ValueError:
        raise ValueError("expected a URL") from None
    if parts.scheme.lower() not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
        raise ValueError("expected https://host/path without query, fragment or user name")
    if parts.scheme.lower() == "http" and not is_loopback(host):
        raise ValueError("expected https:// (http:// is for a server on this machine only): bearer tokens go there")
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme.lower()]
    at = f":{port}" if port and port != default else ""
    return f"{parts.scheme.lower()}://{shown}{at}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, out of reach of others."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _key_set_url(url: object) -> str:
    """The address of a key set, as registered: https, or http on this machine.

    Raises:
        ValueError: it is no such address.
    """
    _base_url(str(url).partition("?")[0])
    return str(url)


def _decimal(value: object) -> Decimal:
    """A number of the file, to the digit as it is written there."""
    if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
        raise ValueError("expected a number")
    return Decimal(value)


def _listed(value: object) -> object:
    """A comma-separated text as its parts."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _listed_origins(value: object) -> object:
    """A comma-separated text as origins, each spelt as a browser sends it: they are compared as they stand.

    Raises:
        ValueError: one of them is none, such as * or null.
    """
    listed = _listed(value)
    for origin in listed if isinstance(listed, tuple) else ():
        if not _is_origin(origin):
            raise ValueError(
                f"{origin!r} is no origin as a browser sends it; expected such as https://ehr.example.org: small "
                "letters, no path, no default port, no *, http:// for this machine only"
            )
    return listed


def _is_origin(text: str) -> bool:
    try:
        return "*" not in text and _base_url(text) == text and not urlsplit(text).path
    except ValueError:
        return False


def _listed_addresses(value: object) -> object:
    """A comma-separated text as IP addresses.

    Raises:
        ValueError: one of them is no IP address.
    """
    listed = _listed(value)
    return tuple(str(ip_address(part)) for part in listed) if isinstance(listed, tuple) else listed


class Settings(BaseSettings):
    """What an installation may set. Names in the environment are the field names in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    lab_result_hook: Annotated[str, Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")] = "lab-result-review"
    """Name of the hook under which results are reviewed."""

    chart_review_max_age_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """On patient-view: how old the newest B2M may be, in days."""

    propose_stage: bool = False
    """Offers a computed myeloma stage as an Observation to file, where nothing speaks against it."""

    repeat_after_hours: Annotated[float, Field(ge=0, le=8760)] = 72.0
    """For how long the same finding on the same result is not shown to the same user again, in hours; 0: it is."""

    repeat_soon_hours: Annotated[float, Field(ge=0, le=8760)] = 4.0
    """The same where the card was set aside for a reason that asks for it again, in hours."""

    max_body_bytes: Annotated[int, Field(ge=10_000, le=200_000_000)] = 10_000_000
    """Largest request body, in bytes; over it 413."""

    max_entries: Annotated[int, Field(ge=10, le=1_000_000)] = 10_000
    """Most Bundle entries in one call; over it 400."""

    site_profile: Path | None = None
    """The site's own profile, a TOML file; none by default."""

    fetch_deadline_seconds: Annotated[float, Field(gt=0, le=10)] = 2.0
    """How long one call may spend on asking the EHR's FHIR server, all requests together."""

    fetch_max_pages: Annotated[int, Field(ge=1, le=50)] = 4
    """Most pages of one search; what lies behind them is unknown."""

    fetch_max_bytes: Annotated[int, Field(ge=10_000, le=50_000_000)] = 2_000_000
    """Largest answer of a FHIR server, in bytes; a larger one counts as not had."""

    bind_host: str = "127.0.0.1"
    """Address that ``cds-service serve`` listens on."""

    bind_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port that ``cds-service serve`` listens on."""

    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Worker processes of ``cds-service serve``."""

    behind_proxy: bool = False
    """A buffering proxy stands in front, as docs/proxy.md has it: slow clients are its business."""

    log_format: Literal["json", "text"] = "json"
    """How ``cds-service serve`` writes its log on stderr: a JSON object a line, or text."""

    log_level: Literal["info", "warning", "error"] = "info"
    """What it logs: also each call, or what should be looked at only. There is no debug: it would quote requests."""

    public_base_url: Annotated[str, BeforeValidator(_base_url)] | None = None
    """The address under which EHRs call, as their tokens' ``aud`` begins; needed where clients are registered."""

    open_access: bool = False
    """Answers anybody who can reach it, without a token. For demonstrations only."""

    jwks_max_age_hours: Annotated[float, Field(gt=0, le=168)] = 24.0
    """How long the keys of a client serve while their URL cannot be had, in hours."""

    allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed_origins)] = ()
    """Origins of browser-based clients (CORS), separated by commas; none by default."""

    operator_token: Annotated[SecretStr, Field(min_length=16)] | None = None
    """Bearer token of the operator routes, 16 characters or more; without it they are for loopback and trusted proxies
    only."""

    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed_addresses)] = ()
    """Addresses of proxies whose X-Operator header counts, separated by commas; none by default."""

    database_url: str = "sqlite:///b2m-cds.sqlite"
    """Where decisions, cards and feedback are kept: an SQLite file or PostgreSQL (postgresql+psycopg://...)."""

    pseudonym_keys: Path | None = None
    """File of the keys that turn patient and user ids into pseudonyms; without it neither is stored in any form."""

    keep_comments: bool = False
    """Stores the free text that users type when they override a card."""

    retention_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    """How long decisions and feedback are kept, in days; ``cds-service store purge`` removes what is older."""

    workbench: bool = False
    """Serves the workbench at /, a page on which charts can be tried, for operators."""


Algorithm = Literal["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FhirServer(_Entry):
    """A FHIR server that may be asked for what was not prefetched. ``batch``: it takes a batch Bundle at its base."""

    url: Annotated[str, BeforeValidator(_base_url)]
    batch: bool = False


class Client(_Entry):
    """An EHR that may call: whose tokens are believed, with which keys, and what it may ask for.

    ``jku`` is the only address from which its keys are fetched; ``jwks_file`` holds them where there is no address, or
    none that can be reached. ``tenants`` are the organisations that its tokens may name, any where there are none;
    ``fhir_servers`` those of the profile's servers that it may name; ``services`` those that it may call, all where
    there are none.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    iss: Annotated[str, Field(min_length=1)]
    jku: Annotated[str, BeforeValidator(_key_set_url)] | None = None
    jwks_file: Annotated[Path, Field(strict=False)] | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(strict=False, min_length=1)] = ("ES384", "RS384")
    tenants: tuple[str, ...] = Field(strict=False, default=())
    fhir_servers: tuple[Annotated[str, BeforeValidator(_base_url)], ...] = Field(strict=False, default=())
    services: tuple[str, ...] = Field(strict=False, default=())

    @model_validator(mode="after")
    def _keys_come_from_somewhere(self) -> "Client":
        if self.jku is None and self.jwks_file is None:
            raise ValueError(f"client {self.name} has neither jku nor jwks_file; expected one: its public keys")
        return self

    def may_name(self, url: str | None) -> bool:
        """Whether it may have the FHIR server of this base URL asked, however that is spelt."""
        try:
            return _base_url(url) in self.fhir_servers
        except ValueError:
            return False


class LocalCode(_Entry):
    """A code of the site's own that means one that this service knows.

    ``means`` is a LOINC code of the term tables, or the key of an entry that has none.
    """

    system: Annotated[str, Field(pattern=r"^[^\s|,$\\]+$")]
    code: Annotated[str, Field(pattern=r"^[^|,$\\]+$")]
    means: Annotated[str, Field(min_length=1)]


class RuleMode(_Entry):
    """How a rule runs here, "*" for all of them: shown, decided and recorded only, or not at all; and why."""

    id: Annotated[str, Field(pattern=r"^(\*|[a-z0-9-]+)$")]
    mode: Literal["on", "silent", "off"]
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class LocalThreshold(_Entry):
    """A number of the site's own in place of a service default, in its unit, in every rule that has it; and why."""

    name: Annotated[str, Field(min_length=1)]
    value: Annotated[Decimal, BeforeValidator(_decimal)]
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class RuleReview(_Entry):
    """The site's own clinical sign-off of a rule as it stood: in that version, with files and numbers of that hash."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    version: Annotated[str, Field(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")]
    hash: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    by: Annotated[str, Field(min_length=1, max_length=100)]
    role: Annotated[str, Field(min_length=1, max_length=100)]
    on: date
    note: Annotated[str, Field(max_length=500)] = ""


class SiteProfile(_Entry):
    """What a site tells of itself: who may call, the FHIR servers that may be asked, codes of its own, its rules."""

    client: tuple[Client, ...] = Field(strict=False, default=())
    fhir_server: tuple[FhirServer, ...] = Field(strict=False, default=())
    local_code: tuple[LocalCode, ...] = Field(strict=False, default=())
    rule: tuple[RuleMode, ...] = Field(strict=False, default=())
    threshold: tuple[LocalThreshold, ...] = Field(strict=False, default=())
    review: tuple[RuleReview, ...] = Field(strict=False, default=())

    @model_validator(mode="after")
    def _each_stands_once(self) -> "SiteProfile":
        for kind, names in (
            ("client", [client.name for client in self.client]),
            ("client with iss", [client.iss for client in self.client]),
            ("rule", [entry.id for entry in self.rule]),
            ("threshold", [entry.name for entry in self.threshold]),
            ("review", [f"{entry.id} {entry.version}" for entry in self.review]),
            ("fhir_server", [server.url for server in self.fhir_server]),
            ("local_code", [f"{entry.system}|{entry.code}" for entry in self.local_code]),
        ):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice:
                raise ValueError(f"{kind} {twice} stands there twice; expected once")
        return self

    @model_validator(mode="after")
    def _clients_name_known_servers(self) -> "SiteProfile":
        known = {server.url for server in self.fhir_server}
        for client in self.client:
            for url in client.fhir_servers:
                if url not in known:
                    raise ValueError(f"client {client.name} names fhir_servers {url}; expected one of [[fhir_server]]")
        return self

    def server_of(self, url: str | None) -> FhirServer | None:
        """The allowed server of this base URL, however it is spelt, or None."""
        try:
            wanted = _base_url(url)
        except ValueError:
            return None
        return next((server for server in self.fhir_server if server.url == wanted), None)

    @property
    def local_codes(self) -> dict[tuple[str, str], str]:
        """What the site's own codes mean, by (system, code)."""
        return {(entry.system, entry.code): entry.means for entry in self.local_code}


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        ConfigurationError: a setting has a value that cannot be used; the message names it and what was expected.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"{str(e['loc'][0]).upper()}={_shown(e)}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError("These settings cannot be used:\n  " + "\n  ".join(lines)) from error


def load_site(path: Path | None) -> SiteProfile:
    """The site profile in ``path``; an empty one where there is none.

    Raises:
        ConfigurationError: the file cannot be read, or an entry cannot be used; the message names it.
    """
    if path is None:
        return SiteProfile()
    try:
        return SiteProfile.model_validate(tomllib.loads(path.read_text("utf-8"), parse_float=Decimal))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"SITE_PROFILE={path} cannot be read as TOML: {error}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))} = {_masked(e['input'])}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError(f"SITE_PROFILE={path} cannot be used:\n  " + "\n  ".join(lines)) from error


def _shown(fault: ErrorDetails) -> str:
    """The value that a setting cannot have, unless it is a secret."""
    return "***" if fault["loc"][0] == "operator_token" else _masked(fault["input"])


def _masked(value: object) -> str:
    """A value for a message, without the password that a URL may hold."""
    return re.sub(r"//[^/@\s]*@", "//***@", repr(value))
