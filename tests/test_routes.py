"""Every route states who may call it, and what it states is true of a stranger, of a client and of an operator."""

from pathlib import Path

import pytest
from flask import Flask
from pydantic import SecretStr

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile
from cds_service.hooks.operators import Audience, audience_of
from tests.functional.run import RULES
from tests.functional.tokens import BASE, Ehr

TOKEN = "an operator's token"
STRANGER = {"REMOTE_ADDR": "10.0.0.5"}

#: Every method of every route, with who may call it. "public preflight" is OPTIONS under CORS: it needs no token.
ROUTES: dict[tuple[str, str], Audience | str] = {
    ("OPTIONS", "/cds-services"): "public preflight",
    ("GET", "/cds-services"): "clients",
    ("OPTIONS", "/cds-services/<service_id>"): "public preflight",
    ("POST", "/cds-services/<service_id>"): "clients",
    ("OPTIONS", "/cds-services/<service_id>/feedback"): "public preflight",
    ("POST", "/cds-services/<service_id>/feedback"): "clients",
    ("OPTIONS", "/openapi.json"): "clients",
    ("GET", "/openapi.json"): "clients",
    ("OPTIONS", "/knowledge"): "operators",
    ("GET", "/knowledge"): "operators",
    ("OPTIONS", "/knowledge/<rule_id>"): "operators",
    ("GET", "/knowledge/<rule_id>"): "operators",
    ("OPTIONS", "/"): "operators",
    ("GET", "/"): "operators",
    ("OPTIONS", "/workbench/try"): "operators",
    ("POST", "/workbench/try"): "operators",
    ("OPTIONS", "/rules"): "operators",
    ("GET", "/rules"): "operators",
    ("OPTIONS", "/rules/<rule_id>"): "operators",
    ("GET", "/rules/<rule_id>"): "operators",
    ("OPTIONS", "/feedback"): "operators",
    ("GET", "/feedback"): "operators",
    ("OPTIONS", "/pages/static/<path:filename>"): "operators",
    ("GET", "/pages/static/<path:filename>"): "operators",
    ("OPTIONS", "/livez"): "anybody",
    ("GET", "/livez"): "anybody",
    ("OPTIONS", "/readyz"): "anybody",
    ("GET", "/readyz"): "anybody",
    ("OPTIONS", "/version"): "operators",
    ("GET", "/version"): "operators",
    ("OPTIONS", "/metrics"): "operators",
    ("GET", "/metrics"): "operators",
}
VALUES = {"<service_id>": "b2m-result-review", "<rule_id>": RULES[0].id, "<path:filename>": "workbench.js"}


@pytest.fixture
def ehr(tmp_path: Path) -> Ehr:
    return Ehr(tmp_path)


@pytest.fixture
def app(ehr: Ehr) -> Flask:
    settings = Settings(public_base_url=BASE, operator_token=SecretStr(TOKEN), workbench=True)
    return create_app(settings, rules=RULES, site=SiteProfile(client=(ehr.client(),)))


def address(rule: str) -> str:
    for name, value in VALUES.items():
        rule = rule.replace(name, value)
    return rule


def status(app: Flask, method: str, path: str, token: str = "", settings: dict[str, str] = STRANGER) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = app.test_client().open(path, method=method, headers=headers, environ_base=settings, buffered=True)
    return answer.status_code


def test_every_route_is_in_the_table(app: Flask) -> None:
    methods = {
        (method, rule.rule) for rule in app.url_map.iter_rules() for method in (rule.methods or set()) - {"HEAD"}
    }
    assert methods == set(ROUTES)


def test_every_route_states_what_the_table_says(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD"}:
            stated = ROUTES[method, rule.rule]
            assert audience_of(app, rule.endpoint) == ("clients" if stated == "public preflight" else stated)


def test_no_address_redirects(app: Flask) -> None:
    """A redirect loses a call's body or token, and tells what is there."""
    assert [rule.rule for rule in app.url_map.iter_rules() if rule.rule.endswith("/")] == ["/"]
    assert not app.url_map.merge_slashes


@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_a_stranger(app: Flask, method: str, rule: str) -> None:
    path = address(rule)
    expected = {"clients": 401, "operators": 404, "public preflight": 204, "anybody": 200}[ROUTES[method, rule]]
    assert status(app, method, path) == expected
    assert status(app, method, path, token="x" * 16) == expected
    if method == "GET":
        assert status(app, "HEAD", path) == expected


@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_a_stranger_where_no_client_is_registered(method: str, rule: str) -> None:
    app, path = create_app(Settings(workbench=True), rules=RULES, site=SiteProfile()), address(rule)
    expected = {"clients": 403, "operators": 404, "public preflight": 204, "anybody": 200}[ROUTES[method, rule]]
    assert status(app, method, path) == expected


@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_a_client_is_let_in_and_is_no_operator(app: Flask, ehr: Ehr, method: str, rule: str) -> None:
    refused = status(app, method, address(rule), token=ehr.token(address(rule))) in (401, 403, 404)
    assert refused == (ROUTES[method, rule] == "operators")


@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_an_operator_is_let_in_and_is_no_client(app: Flask, method: str, rule: str) -> None:
    refused = status(app, method, address(rule), token=TOKEN) in (401, 403, 404)
    assert refused == (ROUTES[method, rule] == "clients")
