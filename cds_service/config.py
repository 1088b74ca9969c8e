"""Settings from the environment, and the site's own profile from a TOML file. All are described in docs/settings.md."""

import re
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cds_service.errors import ConfigurationError


class Settings(BaseSettings):
    """What an installation may set. Names in the environment are the field names in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    lab_result_hook: Annotated[str, Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")] = "lab-result-review"
    """Name of the hook under which results are reviewed."""

    chart_review_max_age_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """On patient-view: how old the newest B2M may be, in days."""

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


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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
    if parts.scheme.lower() == "http" and not _is_loopback(host):
        raise ValueError("expected https:// (http:// is for a server on this machine only): bearer tokens go there")
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme.lower()]
    at = f":{port}" if port and port != default else ""
    return f"{parts.scheme.lower()}://{shown}{at}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class FhirServer(_Entry):
    """A FHIR server that may be asked for what was not prefetched. ``batch``: it takes a batch Bundle at its base."""

    url: Annotated[str, BeforeValidator(_base_url)]
    batch: bool = False


class LocalCode(_Entry):
    """A code of the site's own that means one that this service knows.

    ``means`` is a LOINC code of the term tables, or the key of an entry that has none.
    """

    system: Annotated[str, Field(pattern=r"^[^\s|,$\\]+$")]
    code: Annotated[str, Field(pattern=r"^[^|,$\\]+$")]
    means: Annotated[str, Field(min_length=1)]


class SiteProfile(_Entry):
    """What a site tells of itself: the FHIR servers that may be asked, and codes of its own."""

    fhir_server: tuple[FhirServer, ...] = Field(strict=False, default=())
    local_code: tuple[LocalCode, ...] = Field(strict=False, default=())

    @model_validator(mode="after")
    def _each_stands_once(self) -> "SiteProfile":
        for kind, names in (
            ("fhir_server", [server.url for server in self.fhir_server]),
            ("local_code", [f"{entry.system}|{entry.code}" for entry in self.local_code]),
        ):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice:
                raise ValueError(f"{kind} {twice} stands there twice; expected once")
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
        lines = [f"{'.'.join(map(str, e['loc'])).upper()}={e['input']!r}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError("These settings cannot be used:\n  " + "\n  ".join(lines)) from error


def load_site(path: Path | None) -> SiteProfile:
    """The site profile in ``path``; an empty one where there is none.

    Raises:
        ConfigurationError: the file cannot be read, or an entry cannot be used; the message names it.
    """
    if path is None:
        return SiteProfile()
    try:
        return SiteProfile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"SITE_PROFILE={path} cannot be read as TOML: {error}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))} = {_masked(e['input'])}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError(f"SITE_PROFILE={path} cannot be used:\n  " + "\n  ".join(lines)) from error


def _masked(value: object) -> str:
    """A value for a message, without the password that a URL may hold."""
    return re.sub(r"//[^/@\s]*@", "//***@", repr(value))
