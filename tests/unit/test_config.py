"""Settings from the environment."""

import pytest

from cds_service.config import Settings, load_settings
from cds_service.errors import ConfigurationError


def test_defaults_are_safe() -> None:
    settings = Settings()
    assert settings.bind_host == "127.0.0.1"
    assert settings.lab_result_hook == "lab-result-review"
    assert settings.chart_review_max_age_days == 30


def test_the_environment_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHART_REVIEW_MAX_AGE_DAYS", "90")
    monkeypatch.setenv("WORKERS", "")
    assert load_settings().chart_review_max_age_days == 90
    assert load_settings().workers == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHART_REVIEW_MAX_AGE_DAYS", "0"),
        ("MAX_BODY_BYTES", "ten"),
        ("MAX_ENTRIES", "-1"),
        ("BIND_PORT", "70000"),
        ("WORKERS", "0"),
        ("LAB_RESULT_HOOK", "Not a hook"),
    ],
)
def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name}='{value}'"):
        load_settings()
