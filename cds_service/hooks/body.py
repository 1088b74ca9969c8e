"""The bytes of a request to a checked HookRequest."""

import json
from decimal import Decimal
from typing import Any, NoReturn

from flask import Request
from pydantic import ValidationError

from cds_service.errors import MalformedCall, TooLarge, WrongContentType
from cds_service.models import HookRequest

_SAID = {
    "missing": "is required",
    "uuid_parsing": "expected a UUID",
    "uuid_type": "expected a UUID",
    "string_type": "expected a string",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "is not of the expected form",
    "dict_type": "expected an object",
    "model_type": "expected an object",
}


def read_json(request: Request, most_bytes: int) -> Any:
    """The JSON of a request body, numbers as Decimal, whole or not at all.

    Raises:
        WrongContentType: the body is not declared as JSON.
        TooLarge: the body is over ``most_bytes``, whether or not its length was declared.
        MalformedCall: it is no JSON.
    """
    if not request.is_json:
        raise WrongContentType("Send the request as Content-Type: application/json.")
    if (request.content_length or 0) > most_bytes:
        raise _too_large(most_bytes)
    body = request.stream.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise _too_large(most_bytes)
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise MalformedCall("The body is not UTF-8.") from None
    except RecursionError:
        raise MalformedCall("The body is nested too deeply.") from None
    except (ValueError, ArithmeticError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise MalformedCall(f"The body is not JSON{place}.") from None


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {most_bytes} bytes; send fewer results per call.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def parse_call(document: Any) -> HookRequest:
    """A decoded body as a CDS Hooks request.

    Raises:
        MalformedCall: it is not one; the message names the element, never its value.
    """
    if not isinstance(document, dict):
        raise MalformedCall("The body must be a JSON object: a CDS Hooks request.")
    try:
        return HookRequest.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        path = ".".join(str(step) for step in fault["loc"]) or None
        said = _SAID.get(fault["type"]) or str(fault.get("ctx", {}).get("error", "is not valid"))
        raise MalformedCall(f"{path or 'The request'}: {said}", path=path) from None
