"""A rule as plain values, for JSON: all that its TOML says. Decimals are texts, since no JSON number is exact."""

from datetime import date
from decimal import Decimal
from typing import Any

from cds_service.knowledge.attributes import attributes
from cds_service.knowledge.model import Rule


def plain(value: Any) -> Any:
    """TOML's values as JSON's: decimals (3.50 as 3.5) and dates as text."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else value


def in_brief(rule: Rule) -> dict[str, Any]:
    """What tells a rule from others, with the source attributes."""
    return {
        "id": rule.id,
        "version": rule.version,
        "title": rule.title,
        "specimens": list(rule.specimens),
        "review": plain(rule.review.model_dump()),
        "hash": rule.content_hash,
        "attributes": attributes(rule),
    }


def in_full(rule: Rule) -> dict[str, Any]:
    """All of a rule, the number of its cases too."""
    return {**plain(rule.model_dump()), **in_brief(rule), "cases": len(rule.cases())}
