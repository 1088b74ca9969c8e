"""Settings from the environment. Every one is described in docs/settings.md."""

from typing import Annotated

from pydantic import Field, ValidationError
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

    bind_host: str = "127.0.0.1"
    """Address that ``cds-service serve`` listens on."""

    bind_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port that ``cds-service serve`` listens on."""

    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Worker processes of ``cds-service serve``."""


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
