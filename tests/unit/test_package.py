"""What the package itself offers."""

import runpy

import pytest
from click.exceptions import Exit

import cds_service
from cds_service.app import create_app


def test_create_app_is_loaded_on_first_use() -> None:
    assert cds_service.create_app is create_app


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cds_service.nothing


def test_the_module_is_the_console_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["cds-service", "--version"])
    with pytest.raises((SystemExit, Exit)):
        runpy.run_module("cds_service", run_name="__main__")
