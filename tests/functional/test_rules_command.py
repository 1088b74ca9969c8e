"""``cds-service rules`` as a clinician uses it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cds_service.cli.main import cli
from cds_service.knowledge.identity import knowledge_hash, source
from cds_service.knowledge.model import load
from cds_service.review.page import pages
from tests.unit.review.drafts import CASES, RULE, draft


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["rules", *(str(argument) for argument in arguments)], env={"COLUMNS": "200"})


def saved() -> Any:
    return json.loads(invoke("list", "--json").stdout)


def test_the_list_names_every_rule_its_version_and_hash() -> None:
    printed = invoke("list").stdout
    for rule in load():
        (line,) = [line for line in printed.splitlines() if f" {rule.id} " in line]
        assert rule.version in line
        assert rule.content_hash.removeprefix("sha256:")[:12] in line
        assert rule.review.status in line
    assert f"Knowledge {source().version}, {knowledge_hash()}" in printed


def test_the_list_as_json_holds_all_of_the_rules() -> None:
    found = saved()
    assert found["knowledge"] == {"version": source().version, "hash": knowledge_hash()}
    assert set(found["rules"]) == {rule.id for rule in load()}
    stage = found["rules"]["iss-stage"]
    assert stage["thresholds"]["b2m_stage_1_below"]["value"] == "3.5"
    assert stage["hash"] == next(rule.content_hash for rule in load() if rule.id == "iss-stage")
    assert stage["cases"]["exactly 3.5 mg/L is not stage I"]["says"] == "stage_2"


def test_a_rule_is_shown_as_its_page() -> None:
    printed = invoke("show", "iss-stage").stdout
    assert "International Staging System" in printed
    assert "5.5 mg/L" in printed
    assert "exactly 3.5 mg/L is not stage I" not in printed
    assert "exactly 3.5 mg/L is not stage I" in invoke("show", "iss-stage", "--cases").stdout


def test_a_rule_is_signed_off_by_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = invoke("show", "serum-level").stdout
    entry = shown[shown.index("[[review]]") :]
    filled = entry.replace('by = ""', 'by = "A. Able"').replace('role = ""', 'role = "nephrologist"')
    site = tmp_path / "site.toml"
    site.write_text(filled.replace("on =  ", "on = 2026-03-01"))
    monkeypatch.setenv("SITE_PROFILE", str(site))
    printed = invoke("show", "serum-level").stdout
    assert "Reviewed at this site by A. Able (nephrologist), 2026-03-01." in printed
    assert "[[review]]" not in printed
    limit = '[[threshold]]\nname = "default_to_49_years_above"\nvalue = 2.6\nreason = "our own study"\n'
    site.write_text(site.read_text() + limit)
    printed = " ".join(invoke("show", "serum-level").stdout.split())
    assert "Outdated, so that it does not count: version" in printed
    assert "set by this" in printed
    assert "[[review]]" in printed


def test_a_rule_that_is_not_there_is_said() -> None:
    result = invoke("show", "iss_stage")
    assert result.exit_code == 1
    assert "no rule is called 'iss_stage'" in result.stderr


def test_a_good_draft_is_checked(tmp_path: Path) -> None:
    result = invoke("check", draft(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "1 rules, 2 cases, 0 rules with faults.\n")


def test_each_fault_of_a_draft_is_named(tmp_path: Path) -> None:
    result = invoke("check", draft(tmp_path, cases=CASES.replace('"nothing"', '"high"')))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "steroid-note: case 'not high': the rule says 'nothing', the case 'high'",
        'steroid-note: no case is one of silence (says = "nothing")',
        "1 rules, 2 cases, 1 rules with faults.",
    ]


def test_a_folder_without_rules_is_said(tmp_path: Path) -> None:
    result = invoke("check", tmp_path)
    assert result.exit_code == 1
    assert "holds no rule" in result.stderr


def test_a_difference_is_shown_before_and_after(tmp_path: Path) -> None:
    old = draft(tmp_path / "old")
    new = draft(tmp_path / "new", toml=RULE.replace("3.50", "3.6").replace('"1.0.0"', '"2.0.0"'))
    result = invoke("diff", old, new)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "steroid-note",
        "  version",
        "    - 1.0.0",
        "    + 2.0.0",
        "  threshold thresholds.level_from",
        "    - 3.5 mg/L (published: paper)",
        "    + 3.6 mg/L (published: paper)",
    ]
    assert json.loads(invoke("diff", old, new, "--json").stdout)[0] == {
        "rule": "steroid-note",
        "kind": "version",
        "where": "version",
        "before": "1.0.0",
        "after": "2.0.0",
    }


def test_the_package_is_compared_where_nothing_else_is_named(tmp_path: Path) -> None:
    dump = tmp_path / "then.json"
    dump.write_text(invoke("list", "--json").stdout, "utf-8")
    result = invoke("diff", dump)
    assert (result.exit_code, result.stdout) == (0, "Nothing differs.\n")
    then = saved()
    del then["rules"]["iss-stage"]
    dump.write_text(json.dumps(then), "utf-8")
    result = invoke("diff", dump)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == ["iss-stage", "  new rule"]


@pytest.mark.parametrize("arguments", [(), ("nowhere",)])
def test_what_cannot_be_compared_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert invoke("diff", *arguments).exit_code == 2


def test_pages_are_written_and_those_of_rules_gone_removed(tmp_path: Path) -> None:
    assert invoke("pages", tmp_path / "rules").exit_code == 0
    first = tmp_path / "rules" / "iss-stage.md"
    (tmp_path / "rules" / "gone.md").write_bytes(first.read_bytes())
    (tmp_path / "rules" / "mine.md").write_text("by hand")
    assert invoke("pages", tmp_path / "rules").exit_code == 0
    found = {path.name: path.read_text("utf-8") for path in (tmp_path / "rules").iterdir()}
    assert found == pages(load()) | {"mine.md": "by hand"}
