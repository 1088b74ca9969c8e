"""GET /knowledge and /knowledge/{id}: which rules decide here, what they say and what they rest on, as JSON."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, abort

from cds_service.knowledge.described import in_brief, in_full, plain
from cds_service.knowledge.identity import knowledge_hash, source
from cds_service.knowledge.model import Rule
from cds_service.rules_in_force import InForce


def blueprint(running: Callable[[], InForce]) -> Blueprint:
    """The routes over the rules as the site has them. Who may see them is asked elsewhere (``operators``)."""
    routes = Blueprint("knowledge", __name__)
    whole = {"version": source().version, "hash": knowledge_hash()}

    @routes.get("/knowledge")
    def knowledge() -> Response:
        now = running()
        return _json(whole | {"rules": [in_brief(rule) | _here(rule, now) for rule in now.all]})

    @routes.get("/knowledge/<rule_id>")
    def rule(rule_id: str) -> Response:
        now = running()
        found = now.named(rule_id)
        if found is None:
            abort(404)
        return _json({"knowledge": whole} | in_full(found) | _here(found, now))

    return routes


def _here(rule: Rule, now: InForce) -> dict[str, Any]:
    """What the site says of a rule: its mode, the numbers that it replaced, and its own sign-offs."""
    signed = rule.signed_off
    return {
        "site": {
            "mode": now.mode(rule.id),
            "hash": rule.hash_here,
            "replaced": plain(dict(rule.replaced)),
            "review": plain(asdict(signed)) if signed else None,
            "outdated_reviews": [plain(asdict(one)) for one in rule.outdated_sign_offs],
        }
    }


def _json(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), content_type="application/json")
