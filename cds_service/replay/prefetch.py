"""What a FHIR server that holds nothing but a chart would answer to a prefetch template."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

from cds_service.fhir.shape import Json, codings, objects, text

_TOKEN = re.compile(r"\{\{\s*context\.(\w+)\s*\}\}")
#: Search parameters that choose nothing here: whose it is is known already, and nothing is held back.
_OF_NO_ACCOUNT = {"patient", "subject", "_sort", "_count", "_include", "_format"}


def answer(template: str, context: Json, chart: Iterable[Json], kind_of_bundle: str = "searchset") -> Any:
    """The resource or searchset for a template, from the whole chart of the patient; None where there is none.

    Understood: reads by id, and searches by type with ``code``, ``category`` and ``_id``. A parameter that is not
    understood chooses nothing, so that more is sent than was asked, never less. As a "collection" the Bundle is no page
    of a search: however long, it is all there is.
    """
    path, _, search = filled(template, context).partition("?")
    kind, _, identity = path.partition("/")
    held = [resource for resource in chart if resource.get("resourceType") == kind]
    if identity:
        return next((resource for resource in held if text(resource, "id") == identity), None)
    wanted = {name: set(",".join(values).split(",")) for name, values in parse_qs(search).items()}
    found = [resource for resource in held if _fits(resource, wanted)]
    return {
        "resourceType": "Bundle",
        "type": kind_of_bundle,
        "total": len(found),
        "entry": [{"resource": resource, "search": {"mode": "match"}} for resource in found],
    }


def filled(template: str, context: Json) -> str:
    """A prefetch template with its tokens filled from the context."""
    return _TOKEN.sub(lambda token: str(context.get(token[1], "")), template)


def _fits(resource: Json, wanted: dict[str, set[str]]) -> bool:
    return all(_has(resource, name, values) for name, values in wanted.items() if name not in _OF_NO_ACCOUNT)


def _has(resource: Json, name: str, values: set[str]) -> bool:
    tokens = {unquote(value) for value in values}
    if name == "code":
        return _is_any(codings(resource, "code"), tokens)
    if name == "category":
        return any(_is_any(codings({"code": category}, "code"), tokens) for category in objects(resource, "category"))
    return text(resource, "id") in tokens if name == "_id" else True


def _is_any(pairs: list[tuple[str, str]], tokens: set[str]) -> bool:
    return any(f"{system}|{code}" in tokens or code in tokens for system, code in pairs)
