"""What the routes of CDS Hooks take and answer, as an OpenAPI 3.1 document made from the models that they check with.

FHIR resources in it are objects of any content: this service reads them one element at a time (see ``fhir.project``).
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from cds_service.hooks.services import SPECIFICATION, Service
from cds_service.models import Discovery, FeedbackRequest, HookRequest, Response

_Json = dict[str, Any]
_DESCRIPTION = (
    "CDS Hooks 2.0 (https://cds-hooks.hl7.org/2.0/) for beta-2 microglobulin results. "
    "Advisory, for health professionals; not a medical device."
)
_ERRORS = {
    "400": "The request is not what CDS Hooks defines for this service; the element is named.",
    "401": "No token, or none that lets this caller in. Nothing more is said.",
    "403": "This caller may not have this.",
    "404": "No service of this id.",
    "405": "This address does not take this method; the Allow header names those that it takes.",
    "412": "Data without which nothing can be said were neither prefetched nor to be fetched; they are named.",
    "413": "The body is over the limit.",
    "415": "The body is not declared as JSON, or is packed otherwise than by gzip.",
    "500": "Nothing was decided; not to be read as no advice.",
    "503": "Nothing could be kept; to be sent again after Retry-After.",
}
_OUTCOME: _Json = {
    "type": "object",
    "description": "A FHIR R4 OperationOutcome with one issue.",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["severity", "code", "diagnostics"],
                "properties": {
                    "severity": {"const": "error"},
                    "code": {"type": "string"},
                    "diagnostics": {"type": "string"},
                    "expression": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}


def document(offered: Sequence[Service], *, base_url: str | None, tokens: bool) -> _Json:
    """The OpenAPI document of an installation.

    Args:
        offered: the services that the caller may call.
        base_url: the address under which EHRs call, where it is known.
        tokens: whether callers have to bear a token.
    """
    service = {"name": "service_id", "in": "path", "required": True, "schema": {"enum": [s.id for s in offered]}}
    paths = {
        "/cds-services": {"get": _discovery()},
        "/cds-services/{service_id}": {"parameters": [service], "post": _call()},
        "/cds-services/{service_id}/feedback": {"parameters": [service], "post": _feedback()},
        "/openapi.json": {"get": _this()},
    }
    described: _Json = {
        "openapi": "3.1.0",
        "info": {"title": "b2m-cds-service", "version": SPECIFICATION, "description": _DESCRIPTION},
        "servers": [{"url": base_url or "/"}],
        "paths": paths,
        "components": {"schemas": {**_schemas(), "HookRequest": _request(offered)}, "responses": _error_responses()},
    }
    if tokens:
        token = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        described["components"]["securitySchemes"] = {"clientToken": token}
        described["security"] = [{"clientToken": []}]
    return described


def _discovery() -> _Json:
    answers = {"200": _content("The services offered.", "Discovery"), **_errors("401", "403", "405", "500")}
    return {"operationId": "discover", "summary": "Discovery", "responses": answers}


def _call() -> _Json:
    errors = _errors("400", "401", "403", "404", "405", "412", "413", "415", "500")
    return {
        "operationId": "call",
        "summary": "Call of a service",
        "requestBody": {"required": True, **_content("The hook's request.", "HookRequest")},
        "responses": {"200": _content("Cards; none where there is nothing to say.", "Response"), **errors},
    }


def _feedback() -> _Json:
    errors = _errors("400", "401", "403", "404", "405", "413", "415", "500", "503")
    return {
        "operationId": "feedback",
        "summary": "What became of cards",
        "requestBody": {"required": True, **_content("What users did with cards.", "FeedbackRequest")},
        "responses": {"200": _object("All of it is kept, that on cards that are not known too."), **errors},
    }


def _this() -> _Json:
    answers = {"200": _object("This document."), **_errors("401", "403", "405", "500")}
    return {"operationId": "openapi", "summary": "This document", "responses": answers}


def _content(description: str, schema: str) -> _Json:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}


def _object(description: str) -> _Json:
    return {"description": description, "content": {"application/json": {"schema": {"type": "object"}}}}


def _errors(*statuses: str) -> _Json:
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _error_responses() -> _Json:
    """An OperationOutcome each; a caller that is not let in is told nothing."""
    found = {status: _content(said, "OperationOutcome") for status, said in _ERRORS.items()}
    return found | {"401": {"description": _ERRORS["401"]}}


def _request(offered: Sequence[Service]) -> _Json:
    """A request as it is checked, with the hooks and the prefetch keys of the services offered."""
    request: _Json = _schemas()["HookRequest"]
    keys = {key: query for service in offered for key, query in service.prefetch.items()}
    prefetch = {key: {"type": ["object", "null"], "description": query} for key, query in keys.items()}
    known = {
        "hook": {"type": "string", "enum": sorted({service.hook for service in offered})},
        "prefetch": {"type": ["object", "null"], "properties": prefetch},
    }
    return {**request, "properties": {**request["properties"], **known}}


@cache
def _schemas() -> _Json:
    """Requests as they are checked, answers as they are written."""
    models: list[Any] = [(HookRequest, "validation"), (FeedbackRequest, "validation")]
    models += [(Discovery, "serialization"), (Response, "serialization")]
    _, schema = models_json_schema(models, ref_template="#/components/schemas/{model}")
    return {**schema["$defs"], "OperationOutcome": _OUTCOME}
