"""GET /knowledge and /knowledge/{id}: which rules decide here, what they say and what they rest on, as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort

from cds_service.knowledge.described import in_brief, in_full
from cds_service.knowledge.identity import knowledge_hash, source
from cds_service.knowledge.model import Rule


def blueprint(rules: Sequence[Rule]) -> Blueprint:
    """The routes over ``rules``. Who may see them is asked in one place: the blueprint's ``before_request``."""
    routes = Blueprint("knowledge", __name__)
    by_id = {rule.id: rule for rule in rules}
    whole = {"version": source().version, "hash": knowledge_hash()}
    listed = _json(whole | {"rules": [in_brief(rule) for rule in rules]})

    @routes.get("/knowledge")
    def knowledge() -> Response:
        return Response(listed, content_type="application/json")

    @routes.get("/knowledge/<rule_id>")
    def rule(rule_id: str) -> Response:
        found = by_id.get(rule_id)
        if found is None:
            abort(404)
        return Response(_json({"knowledge": whole} | in_full(found)), content_type="application/json")

    return routes


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
