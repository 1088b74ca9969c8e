"""Errors to an HTTP status and an OperationOutcome: the only place that knows both."""

import logging

from fhir.resources.R4B.operationoutcome import OperationOutcome
from flask import Flask, Response, g
from werkzeug.exceptions import HTTPException

from cds_service.errors import (
    CallError,
    DataUnavailable,
    Forbidden,
    MalformedCall,
    NothingDecided,
    StoreUnavailable,
    TooLarge,
    Unauthenticated,
    UnknownService,
    WrongContentType,
)
from cds_service.record.logs import kind_and_place

_log = logging.getLogger(__name__)
_STATUS: dict[type[CallError], tuple[int, str]] = {
    MalformedCall: (400, "invalid"),
    Unauthenticated: (401, "login"),
    Forbidden: (403, "forbidden"),
    UnknownService: (404, "not-found"),
    DataUnavailable: (412, "required"),
    TooLarge: (413, "too-long"),
    WrongContentType: (415, "not-supported"),
    NothingDecided: (500, "exception"),
    StoreUnavailable: (503, "transient"),
}
_SAID = {
    404: "Nothing is here; GET /cds-services lists what is offered, GET /knowledge the rules behind it.",
    405: "This address does not take this method; the Allow header names those that it takes.",
}
_RETRY_SECONDS = "30"
_INTERNAL = "The service could not answer. Nothing was decided: do not read this as 'no advice'."


def status_of(error: CallError) -> int:
    """The HTTP status that an error is answered with."""
    return _STATUS[type(error)][0]


def register(app: Flask) -> None:
    """Makes ``app`` answer every error with an OperationOutcome, without stack trace or echo of the request."""
    app.register_error_handler(CallError, _of_call_error)
    app.register_error_handler(HTTPException, _of_http_error)
    app.register_error_handler(Exception, _of_any_error)


def _of_call_error(error: CallError) -> Response:
    status, code = _STATUS[type(error)]
    if isinstance(error, Unauthenticated):
        _log.warning("a caller was not let in: %s", error.message)
        g.refused = error.message
        bare = Response(status=status, headers={"WWW-Authenticate": "Bearer"})
        del bare.headers["Content-Type"]
        return bare
    answer = _answer(status, code, _INTERNAL if status == 500 else error.message, error.path)
    if isinstance(error, WrongContentType):
        answer.headers["Accept-Encoding"] = "gzip"  # RFC 9110, 15.5.16
    if isinstance(error, StoreUnavailable):
        answer.headers["Retry-After"] = _RETRY_SECONDS
    return answer


def _of_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    code = {404: "not-found", 405: "not-supported", 413: "too-long"}.get(
        status, "invalid" if status < 500 else "exception"
    )
    answer = _answer(status, code, _SAID.get(status, error.name) if status < 500 else _INTERNAL, None)
    for name, value in error.get_headers():
        if name.lower() == "allow":
            answer.headers[name] = value
    return answer


def _of_any_error(error: Exception) -> Response:
    """The text of an unforeseen error may hold patient data: only its kind and place are logged."""
    _log.error("unforeseen %s", kind_and_place(error))
    return _answer(500, "exception", _INTERNAL, None)


def _answer(status: int, code: str, diagnostics: str, path: str | None) -> Response:
    issue: dict[str, object] = {"severity": "error", "code": code, "diagnostics": diagnostics}
    if path:
        issue["expression"] = [path]
    outcome = OperationOutcome.model_validate({"issue": [issue]})
    return Response(outcome.model_dump_json(), status, content_type="application/json")
