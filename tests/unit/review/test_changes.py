"""What differs between two times: rule, threshold, wording, source and case, and nothing where nothing does."""

import json
import shutil
from pathlib import Path

import pytest

import cds_service
from cds_service.errors import InputFileError
from cds_service.review.changes import Change, changes
from cds_service.review.snapshot import installed, read_snapshot
from tests.unit.review.drafts import CASES, CODE, RULE, draft

KNOWLEDGE = Path(cds_service.__file__).parent / "knowledge"


def differing(tmp_path: Path, **parts: str) -> list[Change]:
    before = read_snapshot(draft(tmp_path / "before"))
    return changes(before, read_snapshot(draft(tmp_path / "after", **parts)))


def test_nothing_differs_from_itself(tmp_path: Path) -> None:
    assert differing(tmp_path) == []
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(installed()), "utf-8")
    assert changes(read_snapshot(saved), installed()) == []
    assert changes(read_snapshot(KNOWLEDGE), installed()) == []


CITED = "text = A paper ({}), url = https://doi.org/10.1/x(1), seen = text"
NOT_HIGH = "name = not high, given = b2m = is = 3 mg/L, provisional = True, age = {}, says = nothing"


@pytest.mark.parametrize(
    ("old", "new", "kind", "where", "before", "after"),
    [
        ("3.50", "3.6", "threshold", "thresholds.level_from", "3.5 mg/L ({})", "3.6 mg/L ({})"),
        ('"1.0.0"', '"1.0.1"', "version", "version", "1.0.0", "1.0.1"),
        ("revised = 2026-03-01", "revised = 2026-03-02", "date", "revised", "2026-03-01", "2026-03-02"),
        ("is high.", "is up.", "wording", "outcomes.high.found", "B2M {b2m} is high.", "B2M {b2m} is up."),
        ("a level", "the level", "wording", "thresholds.level_from.says", "a level", "the level"),
        ("An aside", "One", "wording", "notes.aside", "An aside.", "One."),
        ("no B2M was", "none was", "wording", "silent_when", "no B2M was read", "none was read"),
        ("rank = 90", "rank = 80", "conclusion", "outcomes.high.rank", "90", "80"),
        ("(2020)", "(2021)", "citation", "citations.paper", CITED.format(2020), CITED.format(2021)),
        ('aside = ["paper"]', "aside = []", "citation", "note_cites.aside", "paper", ""),
        ("uses = []", 'uses = ["sex"]', "other", "uses", "", "sex"),
        ('of = "b2m-serum"', 'of = "albumin"', "other", "thresholds.level_from.of", "b2m-serum", "albumin"),
    ],
)
def test_a_change_of_the_toml_is_told(
    tmp_path: Path, old: str, new: str, kind: str, where: str, before: str, after: str
) -> None:
    sides = [side.replace("({})", "(published: paper)") for side in (before, after)]
    assert old in RULE
    assert differing(tmp_path, toml=RULE.replace(old, new)) == [Change("steroid-note", kind, where, *sides)]


def test_another_basis_of_a_threshold_is_told(tmp_path: Path) -> None:
    (found,) = differing(tmp_path, toml=RULE.replace('"published"\ncites = ["paper"]', '"service default"'))
    assert (found.before, found.after) == ("3.5 mg/L (published: paper)", "3.5 mg/L (service default)")


def test_a_change_of_a_case_is_told(tmp_path: Path) -> None:
    (found,) = differing(tmp_path, cases=CASES.replace("age = 50", "age = 51"))
    expected = Change("steroid-note", "case", "cases.not high", NOT_HIGH.format(50), NOT_HIGH.format(51))
    assert found == expected


def test_another_way_to_write_a_number_is_no_change(tmp_path: Path) -> None:
    assert differing(tmp_path, toml=RULE.replace("3.50", "3.5")) == []


def test_code_that_decides_otherwise_is_told_by_its_hash(tmp_path: Path) -> None:
    (found,) = differing(tmp_path, rule=CODE.replace("is_above", "is_below"))
    assert (found.kind, found.where) == ("decision", "rule.py")
    assert found.before != found.after


def test_rules_come_and_go(tmp_path: Path) -> None:
    one, other = draft(tmp_path / "one"), draft(tmp_path / "other", toml=RULE.replace("steroid-note", "other-note"))
    assert changes(read_snapshot(one), read_snapshot(other)) == [
        Change("other-note", "new rule", "", "", "A note 1.0.0"),
        Change("steroid-note", "rule gone", "", "A note 1.0.0", ""),
    ]


def test_what_rules_share_counts_where_both_sides_hold_it(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(KNOWLEDGE, tmp_path / "knowledge"))
    limits = copied / "terms" / "limits.toml"
    limits.write_text(limits.read_text("utf-8").replace("value = 294", "value = 300"), "utf-8")
    first, second = changes(installed(), read_snapshot(copied))
    assert (first.rule, first.kind, first.where) == ("(all rules)", "threshold", "limits.pregnancy_days_to")
    assert (first.before, first.after) == (
        "294 days (service default: 42 weeks)",
        "300 days (service default: 42 weeks)",
    )
    assert (second.kind, second.where) == ("shared file", "terms/limits.toml")
    (copied / "source.toml").unlink()
    assert "source.toml" in [found.where for found in changes(installed(), read_snapshot(copied))]
    alone = shutil.copytree(KNOWLEDGE / "rules", tmp_path / "alone" / "rules")
    assert changes(installed(), read_snapshot(Path(alone))) == []


def test_what_belongs_to_a_rule_is_not_shared() -> None:
    shared = installed()["shared"]
    assert {"states.py", "terms/drugs.toml", "source.toml"} <= set(shared)
    assert [name for name in shared if name.startswith("rules/") and name != "rules/__init__.py"] == []


def test_a_rule_without_cases_can_be_compared(tmp_path: Path) -> None:
    before, after = draft(tmp_path / "before"), draft(tmp_path / "after")
    (after / "cases.toml").unlink()
    found = changes(read_snapshot(before), read_snapshot(after))
    assert [(change.kind, change.where, change.after) for change in found] == [
        ("case", "cases.high", ""),
        ("case", "cases.not high", ""),
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rules": []}', '{"rules": {}, "shared": []}', "\udcff"])
def test_what_is_no_saved_knowledge_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "saved.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputFileError, match="is no folder of rules and nothing that"):
        read_snapshot(path)
