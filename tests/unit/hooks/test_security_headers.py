"""What every answer tells a browser."""

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile
from cds_service.hooks import security_headers
from tests.functional.run import RULES


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return create_app(Settings(), rules=RULES, site=SiteProfile()).test_client()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/cds-services", 200),
        ("OPTIONS", "/cds-services", 204),
        ("GET", "/knowledge", 200),
        ("POST", "/cds-services/b2m-result-review", 415),
        ("POST", "/cds-services/b2m-result-review/feedback", 415),
        ("POST", "/cds-services", 405),
        ("GET", "/nowhere", 404),
    ],
)
def test_every_answer_has_them(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_page_may_set_its_own() -> None:
    app = Flask(__name__)
    security_headers.register(app)

    @app.get("/")
    def page() -> Response:
        return Response("", headers={"Content-Security-Policy": "style-src 'self'"})

    answer = app.test_client().get("/")
    assert answer.headers.getlist("Content-Security-Policy") == ["style-src 'self'"]
    assert answer.headers["Cache-Control"] == "no-store"
