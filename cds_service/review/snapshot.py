"""The knowledge at one time as plain values, to compare: of this package, of a folder, or as it was saved.

It is read as it stands, so that knowledge of an earlier shape can be compared too.
"""

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from cds_service.errors import InputFileError
from cds_service.knowledge.described import plain
from cds_service.knowledge.identity import PACKAGE, deciding, hash_of, rule_hash
from cds_service.knowledge.terms import parse_toml
from cds_service.review.checking import rule_folders

Snapshot = dict[str, Any]
_LIMITS = "terms/limits.toml"


def installed() -> Snapshot:
    """The knowledge of this package."""
    knowledge = files(PACKAGE)
    rules = [folder for folder in knowledge.joinpath("rules").iterdir() if folder.joinpath("rule.toml").is_file()]
    return _snapshot(rules, knowledge)


def read_snapshot(path: Path) -> Snapshot:
    """What ``rules list --json`` saved in a file; or the rules of a folder, with what they share where it lies beside.

    Raises:
        InputFileError, KnowledgeError: there are no rules, or they cannot be read.
    """
    if path.is_dir():
        rules = rule_folders(path)
        knowledge = rules[0].resolve().parent.parent
        return _snapshot(list(rules), knowledge if (knowledge / _LIMITS).is_file() else None)
    try:
        saved = json.loads(path.read_text("utf-8"))
        if isinstance(saved["rules"], dict) and isinstance(saved["shared"], dict):
            return dict(saved)
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise InputFileError(f"{path} is no folder of rules and nothing that `cds-service rules list --json` saved")


def _snapshot(rules: list[Any], knowledge: Traversable | None) -> Snapshot:
    found: Snapshot = {"knowledge": {}, "rules": {}, "limits": {}, "shared": {}}
    for folder in sorted(rules, key=lambda folder: str(folder.name)):
        rule = _rule(folder)
        found["rules"][rule.get("id", folder.name)] = rule
    if knowledge:
        of_all = deciding(knowledge)
        shared = {name: file for name, file in sorted(of_all.items()) if not name.startswith("rules/")}
        version = plain(parse_toml(knowledge.joinpath("source.toml"), "source.toml")) if "source.toml" in shared else {}
        found["knowledge"] = {"version": version.get("version", ""), "hash": hash_of(of_all)}
        found["limits"] = plain(parse_toml(knowledge.joinpath(_LIMITS), _LIMITS))
        found["shared"] = {name: hash_of({name: file}) for name, file in shared.items()}
    return found


def _rule(folder: Traversable) -> dict[str, Any]:
    rule = plain(parse_toml(folder.joinpath("rule.toml"), f"{folder.name}/rule.toml"))
    cases, code = folder.joinpath("cases.toml"), folder.joinpath("rule.py")
    listed = plain(parse_toml(cases, f"{folder.name}/cases.toml")).get("case", []) if cases.is_file() else []
    return {
        **rule,
        "hash": rule_hash(folder),
        "rule.py": hash_of({"rule.py": code}),
        "cases": {case.get("name", ""): case for case in listed},
    }
