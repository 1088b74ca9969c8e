import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import before_fork, create_app
from cds_service.config import Client, Settings, SiteProfile
from cds_service.pages.operations import Readiness
from tests.functional.run import RULES
from tests.functional.tokens import BASE, Ehr

STRANGER = {"REMOTE_ADDR": "10.0.0.5"}


def app(**changed: object) -> Flask:
    return create_app(Settings.model_validate(changed), rules=RULES, site=SiteProfile())


def ready(client: FlaskClient) -> tuple[int, dict[str, bool]]:
    answer = client.get("/readyz", environ_base=STRANGER)
    assert answer.json
    assert answer.json["ready"] == (answer.status_code == 200)
    return answer.status_code, answer.json["checks"]


def test_it_lives() -> None:
    answer = app().test_client().get("/livez", environ_base=STRANGER)
    assert (answer.status_code, answer.json) == (200, {"live": True})


def test_it_is_ready() -> None:
    assert ready(app().test_client()) == (200, {"store": True, "knowledge": True, "keys": True})


def test_without_a_store_it_is_not_ready_and_lives(tmp_path: Path) -> None:
    client = app(database_url=f"sqlite:///{tmp_path}/no/folder/x.sqlite").test_client()
    assert ready(client) == (503, {"store": False, "knowledge": True, "keys": True})
    assert client.get("/livez").status_code == 200


def test_a_store_that_was_there_once_keeps_it_ready(tmp_path: Path) -> None:
    """Cards go out without it: taking every instance out of service would be the outage."""
    file = tmp_path / "x.sqlite"
    client = app(database_url=f"sqlite:///{file}").test_client()
    assert ready(client)[0] == 200
    file.unlink()
    file.mkdir()
    assert ready(client)[0] == 200


def test_without_rules_it_is_not_ready() -> None:
    client = create_app(Settings(), rules=(), site=SiteProfile()).test_client()
    assert ready(client) == (503, {"store": True, "knowledge": False, "keys": True})


def registered(tmp_path: Path, *clients: Client) -> Flask:
    return create_app(Settings(public_base_url=BASE), rules=RULES, site=SiteProfile(client=clients))


def test_without_anybodys_keys_it_is_not_ready(tmp_path: Path) -> None:
    client = Ehr(tmp_path).client()
    assert client.jwks_file
    client.jwks_file.unlink()
    assert ready(registered(tmp_path, client).test_client()) == (503, {"store": True, "knowledge": True, "keys": False})


def test_the_keys_of_one_client_are_enough(tmp_path: Path) -> None:
    there = Ehr(tmp_path).client()
    gone = there.model_copy(update={"name": "gone", "iss": "https://gone.example", "jwks_file": tmp_path / "gone"})
    assert ready(registered(tmp_path, gone, there).test_client())[0] == 200


def test_before_a_fork_keys_are_had_and_connections_closed(tmp_path: Path) -> None:
    file = Ehr(tmp_path).client()
    made = registered(tmp_path, file)
    before_fork(made)
    assert file.jwks_file
    file.jwks_file.unlink()
    assert ready(made.test_client())[0] == 200
    assert made.extensions["store"]._engine.pool.checkedin() == 0


def test_a_check_is_tried_until_it_is_passed() -> None:
    answers = iter([False, True])
    checks = Readiness({"x": lambda: next(answers)})
    assert [checks() for _ in range(3)] == [{"x": False}, {"x": True}, {"x": True}]


@pytest.mark.parametrize("path", ["/version", "/metrics"])
def test_what_operators_ask_is_not_there_for_others(path: str) -> None:
    client = app().test_client()
    assert client.get(path, environ_base=STRANGER).status_code == 404
    assert client.get(path).status_code == 200


def test_the_version_is_told_with_its_knowledge() -> None:
    answer = app().test_client().get("/version")
    assert json.loads(answer.text)["knowledge"]["hash"].startswith("sha256:")
