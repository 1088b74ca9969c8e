"""Operators' routes: who is one, and that there is nothing for anybody else."""

from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from pydantic import SecretStr
from werkzeug.test import TestResponse

from cds_service.config import Settings
from cds_service.hooks import operation_outcome, operators

TOKEN = "an operator's token"
FAR = "10.0.0.5"


def client(**settings: Any) -> FlaskClient:
    """An app with a route for operators, one that nothing is stated of, and one for anybody."""
    app = Flask(__name__)
    for name in ("pages", "forgotten", "public"):
        blueprint = Blueprint(name, __name__)
        blueprint.add_url_rule(f"/{name}/<item>", view_func=lambda item: item, endpoint="show")
        app.register_blueprint(blueprint)
    operation_outcome.register(app)
    operators.register(app, Settings(**settings), {"pages": "operators", "public": "anybody"})
    return app.test_client()


def ask(
    asked: FlaskClient, peer: str = FAR, path: str = "/pages/1", method: str = "GET", **headers: str
) -> TestResponse:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return asked.open(path, method=method, headers=given, environ_base={"REMOTE_ADDR": peer})


@pytest.mark.parametrize("path", ["/pages/1", "/forgotten/1"])
def test_this_machine_is_an_operator(path: str) -> None:
    assert ask(client(), "127.0.0.1", path).text == "1"
    assert ask(client(), "127.0.0.1", path, X_Forwarded_For=FAR).status_code == 404


def test_the_bearer_of_the_token_is_an_operator() -> None:
    asked = client(operator_token=SecretStr(TOKEN))
    assert ask(asked, Authorization=f"Bearer {TOKEN}").status_code == 200
    assert ask(asked, Authorization=f"bearer  {TOKEN} ").status_code == 200
    for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer", "Bearer \xe9", ""):
        assert ask(asked, Authorization=wrong).status_code == 404
    assert ask(client(), Authorization="Bearer ").status_code == 404
    assert ask(client(), Authorization="Bearer None").status_code == 404


def test_whom_a_trusted_proxy_vouches_for_is_an_operator() -> None:
    asked = client(trusted_proxies=("10.0.0.5", "2001:db8::1"))
    for peer in (FAR, f"::ffff:{FAR}", "2001:db8::1"):
        assert ask(asked, peer, X_Operator="jo", X_Forwarded_For="1.2.3.4").status_code == 200
        assert ask(asked, peer, X_Operator=" ").status_code == 404
        assert ask(asked, peer).status_code == 404
    assert ask(asked, "10.0.0.6", X_Operator="jo").status_code == 404
    assert ask(asked, "127.0.0.1", X_Operator="jo", X_Forwarded_For=FAR).status_code == 404
    assert ask(client(), X_Operator="jo").status_code == 404


def test_the_header_of_the_proxy_has_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_HEADER", "X-Staff")
    asked = client(trusted_proxies=(FAR,))
    assert ask(asked, X_Staff="jo").status_code == 404, "a proxy that takes X-Operator off would pass it"
    assert ask(asked, X_Operator="jo").status_code == 200


def test_behind_a_proxy_this_machine_is_anybody() -> None:
    asked = client(behind_proxy=True, operator_token=SecretStr(TOKEN), trusted_proxies=("127.0.0.1",))
    assert ask(asked, "127.0.0.1").status_code == 404
    assert ask(asked, "127.0.0.1", Authorization=f"Bearer {TOKEN}").status_code == 200
    assert ask(asked, "127.0.0.1", X_Operator="jo").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", ["/pages/1", "/forgotten/1", "//pages/1", "/pages//1", "/pages/1/"])
def test_to_others_it_is_an_unknown_address(path: str, method: str) -> None:
    asked = client(operator_token=SecretStr(TOKEN), trusted_proxies=("10.0.0.6",))
    there, nowhere = ask(asked, path=path, method=method), ask(asked, path="/nowhere", method=method)
    assert there.status_code == 404
    assert (there.data, list(there.headers)) == (nowhere.data, list(nowhere.headers))


def test_what_is_for_anybody_is_open() -> None:
    assert ask(client(), path="/public/1").status_code == 200
    assert ask(client(), path="/public/1", method="POST").status_code == 405
