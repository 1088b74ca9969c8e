"""Rules of a folder, checked: a good draft is good, and each fault of a bad one is named."""

from pathlib import Path

import pytest

from cds_service.errors import InputFileError, KnowledgeError
from cds_service.knowledge.cases import read_cases
from cds_service.knowledge.model import load
from cds_service.review.checking import check, rule_folders
from tests.unit.review.drafts import CASES, CODE, RULE, draft


def faults(folder: Path) -> tuple[str, ...]:
    (found,) = check(folder)
    return found.faults


def test_a_good_draft_is_good(tmp_path: Path) -> None:
    (found,) = check(draft(tmp_path))
    assert (found.name, found.cases, found.faults) == ("steroid-note", 2, ())
    assert check(tmp_path) == [found]


def test_the_rules_of_the_package_are_good() -> None:
    found = check(None)
    assert {rule.name for rule in found} == {rule.id for rule in load()}
    assert [fault for rule in found for fault in rule.faults] == []


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (RULE.replace("= 3.50", "= "), "steroid_note/rule.toml is not valid TOML"),
        (RULE.replace('title = "A note"\n', ""), "steroid_note/rule.toml: title: Field required"),
        (RULE.replace("level_from", "level"), "must end in _below, _from, _above or _to"),
        (RULE.replace('"sex"', "").replace("uses = []", 'uses = ["age"]'), "Input should be 'race'"),
        (RULE.replace("revised = 2026-03-01", "revised = 2026-02-28"), "revised lies before released"),
        (
            RULE.replace("steroid-note", "other-note"),
            "the folder is called steroid_note, expected other_note (from id)",
        ),
        (
            RULE.replace('yields_to = ["data-quality/jump"]', 'means_says = ["nothing_above"]'),
            "means_says: there is no threshold 'nothing_above'",
        ),
        (RULE.replace("data-quality/jump", "data-quality/leap"), "yields_to: there is no 'data-quality/leap'"),
        (RULE.replace("An aside.", "Start it: stop it."), "notes.aside gives a directive ('stop')"),
        (RULE.replace("b2m = 40", "b2m = 40\nalbumin = 4"), "placeholders.albumin is used nowhere"),
        (
            RULE + '\n[citations.other]\ntext = "x"\nurl = "https://x.example"\nseen = "text"\n',
            "citations.other is cited nowhere",
        ),
        (RULE + '\n[outcomes.low]\nrank = 1\nraises_card = false\nfound = "x"\n', "no case has the outcome 'low'"),
        (RULE.replace('aside = "An', 'more = "x"\naside = "An'), "no case has the note 'more'"),
    ],
)
def test_a_fault_of_the_toml_is_named(tmp_path: Path, toml: str, said: str) -> None:
    assert [fault for fault in faults(draft(tmp_path, toml=toml)) if said in fault]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_of_this_name\n", "rule.py cannot be loaded: ModuleNotFoundError"),
        ("evaluated = 1\n", "rule.py cannot be loaded: AttributeError"),
        (CODE.replace("b2m = facts.b2m", "b2m = 1 / 0"), "case 'high': rule.py failed: ZeroDivisionError"),
        (CODE.replace('"high", facts', '"hi", facts'), "case 'high': steroid-note: ['hi'] not in rule.toml"),
        (CODE.replace("is_above", "is_below"), "case 'high': the rule says 'nothing', the case 'high'"),
        (CODE.replace('("aside",)', "()"), "case 'high': the rule's notes are [], the case's ['aside']"),
        (CODE.replace("b2m.display", '"5 g"'), "the rule fills {b2m} with '5 g', the case with '4 mg/L'"),
    ],
)
def test_a_fault_of_the_code_is_named(tmp_path: Path, code: str, said: str) -> None:
    assert [fault for fault in faults(draft(tmp_path, rule=code)) if said in fault]


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ("[[case]]\n", "steroid_note/cases.toml: "),
        (CASES.replace("says =", "say ="), "case.0.say: Extra inputs are not permitted"),
        (CASES.replace('"nothing"', '"high"'), "no case is one of silence"),
        (CASES.replace('"not high"', '"high"'), "two cases are called 'high'"),
        (CASES.replace('"ckd"', '"chd"'), "case 'high': given: no problem is called 'chd'"),
    ],
)
def test_a_fault_of_the_cases_is_named(tmp_path: Path, cases: str, said: str) -> None:
    assert [fault for fault in faults(draft(tmp_path, cases=cases)) if said in fault]


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    (draft(tmp_path) / "cases.toml").unlink()
    assert faults(tmp_path) == ("cases.toml is not there",)


def test_cases_that_are_not_there_are_no_cases_that_hold(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"cases\.toml is not there"):
        read_cases(tmp_path)


@pytest.mark.parametrize("place", ["", "rules", "knowledge/rules", "cds_service/knowledge/rules"])
def test_rules_are_found_in_a_checkout_too(tmp_path: Path, place: str) -> None:
    written = draft(tmp_path / place)
    assert rule_folders(tmp_path) == [written]


def test_a_folder_without_rules_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="holds no rule"):
        check(tmp_path)
