"""The bytes of a request to a checked HookRequest."""

import json
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError

from cds_service.errors import MalformedCall, WrongContentType
from cds_service.hooks.content import read_content
from cds_service.models import FeedbackRequest, HookRequest

_Model = TypeVar("_Model", bound=BaseModel)
#: FHIR resources in Bundles in a call are a dozen levels deep; what validates them recurses.
_MOST_LEVELS = 100
_CONTAINERS = frozenset({dict, list})
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
        WrongContentType: the body is not declared as JSON, or is packed otherwise than by gzip.
        TooLarge: the body is over ``most_bytes``, packed or not, whether or not its length was declared.
        MalformedCall: it is no JSON, or nested more than 100 levels deep.
    """
    if not request.is_json:
        raise WrongContentType("Send the request as Content-Type: application/json.")
    body = read_content(request, most_bytes)
    try:
        document = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise MalformedCall("The body is not UTF-8.") from None
    except RecursionError:
        raise _too_deep() from None
    except (ValueError, ArithmeticError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise MalformedCall(f"The body is not JSON{place}.") from None
    check_depth(document)
    return document


def check_depth(document: Any) -> None:
    """Holds decoded JSON to the levels that can be worked on.

    Raises:
        MalformedCall: it is nested more than 100 levels deep.
    """
    if _is_deeper_than(_MOST_LEVELS, document):
        raise _too_deep()


def _is_deeper_than(levels: int, document: Any) -> bool:
    """Whether objects and lists are nested more deeply. All of a body is walked, so each step is a plain one."""
    level: list[Any] = [[document]]
    for _ in range(levels + 1):
        held = (node.values() if type(node) is dict else node for node in level)
        level = [value for values in held for value in values if type(value) in _CONTAINERS]
        if not level:
            return False
    return True


def _too_deep() -> MalformedCall:
    return MalformedCall(f"The body is nested too deeply; expected no more than {_MOST_LEVELS} levels.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def parse_call(document: Any) -> HookRequest:
    """A decoded body as a CDS Hooks request.

    Raises:
        MalformedCall: it is not one; the message names the element, never its value.
    """
    return _parse(HookRequest, document)


def parse_feedback(document: Any) -> FeedbackRequest:
    """A decoded body as feedback on cards.

    Raises:
        MalformedCall: it is none; the message names the element, never its value.
    """
    return _parse(FeedbackRequest, document)


def _parse(model: type[_Model], document: Any) -> _Model:
    if not isinstance(document, dict):
        raise MalformedCall("The body must be a JSON object: a CDS Hooks request.")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        path = ".".join(str(step) for step in fault["loc"]) or None
        said = _SAID.get(fault["type"]) or str(fault.get("ctx", {}).get("error", "is not valid"))
        raise MalformedCall(f"{path or 'The request'}: {said}", path=path) from None
