"""The OpenAPI document at /openapi.json is right, is complete, and is kept to whatever is sent."""

import re
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cds_service.app import create_app
from cds_service.config import SiteProfile
from tests.conformance.service import CHART, DISCOVERY, HOOKS, client, post, settings
from tests.functional.run import RULES
from tests.functional.tokens import BASE, Ehr
from tests.unit.fhir.make import bundle, call, observation

DOCUMENT = "/openapi.json"
SERVICE = f"{DISCOVERY}/{{service_id}}"
OPERATIONS = [(DISCOVERY, "GET"), (DOCUMENT, "GET"), (SERVICE, "POST"), (f"{SERVICE}/feedback", "POST")]
ALLOWED = [(*operation, GenerationMode.POSITIVE) for operation in OPERATIONS]
#: A GET takes nothing, so nothing about it can be wrong.
NOT_ALLOWED = [(path, method, GenerationMode.NEGATIVE) for path, method in OPERATIONS if method == "POST"]
KEPT: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def app() -> Flask:
    """Open access: what is made up comes from nowhere."""
    return create_app(settings(open_access=True), rules=RULES)


@pytest.fixture(scope="module")
def described(app: Flask) -> BaseSchema:
    return schemathesis.openapi.from_wsgi(DOCUMENT, app)


def test_the_document_is_openapi_3_1() -> None:
    document = client().get(DOCUMENT).get_json()
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_of_cds_hooks_is_described_and_no_other(app: Flask) -> None:
    own = {"HEAD", "OPTIONS"}
    routed = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith((DISCOVERY, DOCUMENT))
        for method in (rule.methods or set()) - own
    }
    paths = client().get(DOCUMENT).get_json()["paths"]
    told = {(path, method) for path, parts in paths.items() for method in parts if method != "parameters"}
    assert told == routed


def test_the_services_named_are_those_offered() -> None:
    paths = client().get(DOCUMENT).get_json()["paths"]
    for path in ("", "/feedback"):
        (parameter,) = paths[SERVICE + path]["parameters"]
        assert parameter["schema"]["enum"] == list(HOOKS)


def test_a_registered_client_is_told_of_tokens_and_of_its_own_services(tmp_path: Path) -> None:
    ehr = Ehr(tmp_path, registered={"services": [CHART]})
    service = client(settings(public_base_url=BASE), SiteProfile(client=(ehr.client(),)))
    document = service.get(DOCUMENT, headers={"Authorization": f"Bearer {ehr.token(DOCUMENT)}"}).get_json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["servers"] == [{"url": BASE}]
    assert document["security"] == [{name: []} for name in document["components"]["securitySchemes"]]
    assert document["paths"][SERVICE]["parameters"][0]["schema"]["enum"] == [CHART]
    assert document["components"]["schemas"]["HookRequest"]["properties"]["hook"]["enum"] == [HOOKS[CHART]]
    assert service.get(DOCUMENT).status_code == 401


def test_answers_with_cards_are_as_described(described: BaseSchema) -> None:
    """What is made up from the document has no B2M; a real call has, and gets cards."""
    answer = post(call(bundle(observation())))
    assert len(answer.get_json()["cards"]) == 1
    assert described[SERVICE]["POST"].is_valid_response(answer)


@pytest.mark.parametrize(("path", "method", "mode"), [*ALLOWED, *NOT_ALLOWED])
def test_whatever_is_sent_is_answered_as_described(
    described: BaseSchema, path: str, method: str, mode: GenerationMode
) -> None:
    """What the document allows, and what it does not."""

    @hypothesis.given(described[path][method].as_strategy(generation_mode=mode))
    @hypothesis.settings(max_examples=50, suppress_health_check=list(hypothesis.HealthCheck))
    def keep(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=KEPT)

    keep()
