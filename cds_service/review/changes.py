"""What differs between the knowledge of two times: rule by rule, in the words of its TOML."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cds_service.review.snapshot import Snapshot

#: Parts of a rule's TOML by the kind of change that they make.
_KINDS = {
    "version": "version",
    "released": "date",
    "revised": "date",
    "specimens": "conclusion",
    "review": "review",
    "title": "wording",
    "what_it_says": "wording",
    "why_it_matters": "wording",
    "silent_when": "wording",
    "notes": "wording",
    "orders": "wording",
    "asked_by": "conclusion",
    "thresholds": "threshold",
    "citations": "citation",
    "note_cites": "citation",
    "cases": "case",
}
_WORDS = ("summary", "tag", "found", "means", "says")
_NUMBER = ("value", "unit", "basis", "cites")
_OF_ALL = "(all rules)"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs: of which ``rule``, what ``kind`` of thing, ``where`` in its TOML. "" stands for none."""

    rule: str
    kind: str
    where: str
    before: str
    after: str


def changes(old: Snapshot, new: Snapshot) -> list[Change]:
    """All that differs; what rules share only where both sides hold it."""
    found: list[Change] = []
    for name in sorted({*old["rules"], *new["rules"]}):
        before, after = old["rules"].get(name), new["rules"].get(name)
        if before is None or after is None:
            kind = "new rule" if before is None else "rule gone"
            found.append(Change(name, kind, "", _title(before), _title(after)))
        else:
            found += _of_rule(name, before, after)
    if old["shared"] and new["shared"]:
        found += _of_shared(old, new)
    return found


def _title(rule: dict[str, Any] | None) -> str:
    return f"{rule.get('title', '')} {rule.get('version', '')}" if rule else ""


def _of_rule(name: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for kind, where, old, new in _differing(_leaves(before), _leaves(after)):
        yield Change(name, kind, where, old, new)


def _of_shared(old: Snapshot, new: Snapshot) -> Iterator[Change]:
    limits = [{("threshold", f"limits.{name}"): _number(row) for name, row in s["limits"].items()} for s in (old, new)]
    for kind, where, before, after in _differing(*limits):
        yield Change(_OF_ALL, kind, where, before, after)
    for file in sorted({*old["shared"], *new["shared"]}):
        before, after = (_short(s["shared"].get(file, "")) for s in (old, new))
        if before != after:
            yield Change(_OF_ALL, "shared file", file, before, after)


_Leaves = dict[tuple[str, str], str]


def _differing(before: _Leaves, after: _Leaves) -> Iterator[tuple[str, str, str, str]]:
    for kind, where in {**before, **after}:
        old, new = before.get((kind, where), ""), after.get((kind, where), "")
        if old != new:
            yield kind, where, old, new


def _leaves(rule: dict[str, Any]) -> _Leaves:
    """The parts that are compared, each with its kind and place."""
    found: _Leaves = {}
    for part, value in rule.items():
        if part == "hash":
            continue
        kind = _KINDS.get(part, "decision" if part == "rule.py" else "other")
        if part == "outcomes":
            for name, outcome in value.items():
                found |= _of_table(f"outcomes.{name}", outcome, "conclusion")
        elif part == "thresholds":
            for name, row in value.items():
                found["threshold", f"thresholds.{name}"] = _number(row)
                found |= _of_table(f"thresholds.{name}", {k: row[k] for k in row if k not in _NUMBER}, "other")
        elif isinstance(value, dict):
            found |= {(kind, f"{part}.{name}"): _words(entry) for name, entry in value.items()}
        else:
            found[kind, part] = _short(value) if part == "rule.py" else _words(value)
    return found


def _of_table(where: str, table: dict[str, Any], kind: str) -> _Leaves:
    return {("wording" if name in _WORDS else kind, f"{where}.{name}"): _words(v) for name, v in table.items()}


def _number(row: dict[str, Any]) -> str:
    """A threshold: value, unit, and what it rests on."""
    cites = row.get("cites") or ([row["source"]] if row.get("source") else [])
    on = f"{row.get('basis', '')}{': ' + ', '.join(cites) if cites else ''}"
    return f"{row.get('value', '')} {row.get('unit', '')} ({on})"


def _words(value: Any) -> str:
    """A part on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "; ".join(_words(part) for part in value)
    return str(value)


def _short(digest: str) -> str:
    return digest[: len("sha256:") + 12]
