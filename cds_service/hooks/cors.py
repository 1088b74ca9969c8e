"""CORS for the addresses of CDS Hooks: browser-based clients of the origins that the site allows, and no others.

Fetch standard, "CORS protocol"; CDS Hooks 2.0, "Cross-Origin Resource Sharing". Credentials are never allowed: a token
comes in the Authorization header, which the preflight names.
"""

from collections.abc import Collection

from flask import Flask, Response, request

_ROOT = "/cds-services"
_MAX_AGE_SECONDS = "7200"  # the most that Chromium keeps


def register(app: Flask, allowed_origins: Collection[str]) -> None:
    """Answers preflights before anybody is asked for a token, and says on every answer which origin may read it."""

    @app.before_request
    def preflight() -> Response | None:
        rule = request.url_rule
        if request.method != "OPTIONS" or rule is None or not _is_ours():
            return None
        methods = ", ".join(sorted(rule.methods or ()))
        answer = Response(status=204, headers={"Allow": methods})
        if request.headers.get("Origin") in allowed_origins:
            answer.headers["Access-Control-Allow-Methods"] = methods
            answer.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
            answer.headers["Access-Control-Max-Age"] = _MAX_AGE_SECONDS
        return answer

    @app.after_request
    def allow_origin(answer: Response) -> Response:
        if _is_ours():
            answer.vary.add("Origin")
            origin = request.headers.get("Origin")
            if origin is not None and origin in allowed_origins:
                answer.headers["Access-Control-Allow-Origin"] = origin
        return answer


def _is_ours() -> bool:
    return request.path == _ROOT or request.path.startswith(f"{_ROOT}/")
