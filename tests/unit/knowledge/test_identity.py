"""Hashes and the version of the whole: the same where the files say the same, another where they do not."""

import shutil
from pathlib import Path

import pytest

import cds_service
from cds_service.errors import KnowledgeError
from cds_service.knowledge import identity
from cds_service.knowledge.identity import deciding, hash_of, knowledge_hash, rule_hash
from cds_service.knowledge.model import load

KNOWLEDGE = Path(cds_service.__file__).parent / "knowledge"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KNOWLEDGE, tmp_path / "knowledge", ignore=shutil.ignore_patterns("__pycache__")))


def test_a_copy_has_the_same_hash(copied: Path) -> None:
    assert hash_of(deciding(copied)) == knowledge_hash()
    assert knowledge_hash().startswith("sha256:")
    assert len(knowledge_hash()) == len("sha256:") + 64


def test_line_ends_make_no_difference(copied: Path) -> None:
    for path in copied.rglob("*.*"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert hash_of(deciding(copied)) == knowledge_hash()


@pytest.mark.parametrize(
    "name", ["terms/drugs.toml", "terms/rxnorm_products.tsv", "states.py", "source.toml", "rules/iss_stage/rule.py"]
)
def test_whatever_decides_counts(copied: Path, name: str) -> None:
    (copied / name).write_bytes((copied / name).read_bytes() + b"#")
    assert hash_of(deciding(copied)) != knowledge_hash()


@pytest.mark.parametrize("name", ["README.md", "rules/iss_stage/cases.toml", "__pycache__/states.cpython-311.pyc"])
def test_what_decides_nothing_does_not(copied: Path, name: str) -> None:
    (copied / name).parent.mkdir(exist_ok=True)
    (copied / name).write_bytes(b"#")
    assert hash_of(deciding(copied)) == knowledge_hash()


def test_a_file_that_changes_its_name_counts(copied: Path) -> None:
    (copied / "states.py").rename(copied / "statez.py")  # in the same place of the order
    assert hash_of(deciding(copied)) != knowledge_hash()


@pytest.mark.parametrize(("name", "differs"), [("rule.toml", True), ("rule.py", True), ("cases.toml", False)])
def test_a_rule_is_its_toml_and_its_code(copied: Path, name: str, differs: bool) -> None:
    folder = copied / "rules" / "iss_stage"
    rule = next(rule for rule in load() if rule.id == "iss-stage")
    assert rule_hash(folder) == rule.content_hash
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    assert (rule_hash(folder) != rule.content_hash) is differs


def test_a_part_that_is_not_there_counts_as_empty(tmp_path: Path) -> None:
    bare = rule_hash(tmp_path)
    (tmp_path / "rule.py").touch()
    assert rule_hash(tmp_path) == bare


def test_no_two_rules_are_the_same() -> None:
    assert len({rule.content_hash for rule in load()}) == len(load())


def test_a_source_that_is_not_well_formed_names_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "load_toml", lambda package, name: {"version": "1"})
    with pytest.raises(KnowledgeError, match=r"cds_service\.knowledge/source\.toml"):
        identity.source.__wrapped__()
