"""What holds for every rule: complete, cited, honest about its review, and able to fail."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

import cds_service
from cds_service.errors import KnowledgeError
from cds_service.knowledge import terms
from cds_service.knowledge.model import Rule, load
from cds_service.replay.calls import fixtures_folder, read_fixtures
from cds_service.review.chart import facts_of
from cds_service.review.checking import faults_of_wording, faults_of_yielding
from tests.functional.run import cards_of

RULES = load()
FOLDER = Path(cds_service.__file__).parent / "knowledge" / "rules"
PARTS = {"rule.toml", "rule.py", "cases.toml", "__init__.py"}


@pytest.mark.parametrize("folder", [f for f in FOLDER.iterdir() if f.is_dir() and f.name != "__pycache__"])
def test_a_rule_is_four_things(folder: Path) -> None:
    assert {f.name for f in folder.iterdir() if f.name != "__pycache__"} == PARTS
    assert folder.name.replace("_", "-") in {rule.id for rule in RULES}


def test_every_rule_speaks_in_a_fixture() -> None:
    spoken = {
        rule["id"]
        for case in read_fixtures(fixtures_folder())
        for card in cards_of(case)
        for rule in card["extension"]["org.b2m-cds.basis"]["rules"]
    }
    assert spoken == {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_words_sources_and_what_is_yielded_to_hold(rule: Rule) -> None:
    assert [*faults_of_wording(rule), *faults_of_yielding(rule, RULES)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_rule_claims_a_review_that_nobody_made(rule: Rule) -> None:
    assert rule.review.status == "not clinically reviewed"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_service_default_is_called_one_wherever_it_decides(rule: Rule) -> None:
    numbers = {name for name, threshold in rule.thresholds.items() if threshold.basis == "published"}
    assert all(rule.thresholds[name].cites for name in numbers)


def test_the_longest_list_of_companions_fits_its_placeholder() -> None:
    companions = [a for a in terms.analytes().values() if a.group in ("kidney", "myeloma", "b2m")]
    longest = sorted(companions, key=lambda a: -len(a.short))[:6]
    missing = [{"item": a.key, "reason": "conflicting-results", "under_review": False} for a in longest]
    given = {"b2m": "4 mg/L", "missing": [{"item": "conditions", "reason": "incomplete"}, *missing]}
    rule = next(rule for rule in RULES if rule.id == "data-quality")
    finding = rule.evaluate(facts_of(given))
    assert finding is not None
    assert finding.values["companions"].endswith(" and others")


GOOD: dict[str, Any] = {
    "id": "toy",
    "version": "1.0.0",
    "released": date(2026, 1, 1),
    "revised": date(2026, 1, 1),
    "title": "Toy",
    "specimens": ["serum"],
    "what_it_says": "x",
    "why_it_matters": "x",
    "silent_when": [],
    "uses": [],
    "review": {"status": "not clinically reviewed"},
    "citations": {"paper": {"text": "A paper", "url": "https://example.org", "seen": "text"}},
    "thresholds": {
        "b2m_above": {"value": 2, "unit": "mg/L", "basis": "published", "cites": ["paper"], "says": "limit"}
    },
    "placeholders": {"b2m": 40},
    "outcomes": {"high": {"rank": 1, "raises_card": True, "summary": "B2M {b2m}", "found": "B2M {b2m}"}},
    "notes": {"aside": "An aside."},
}


def changed(**parts: Any) -> dict[str, Any]:
    return GOOD | parts


def test_the_good_example_is_good() -> None:
    assert Rule.model_validate(GOOD).value("b2m_above") == 2


THRESHOLD = GOOD["thresholds"]["b2m_above"]
OUTCOME = GOOD["outcomes"]["high"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (changed(thresholds={"b2m": THRESHOLD}), "must end in _below, _from, _above or _to"),
        (changed(thresholds={"b2m_above": THRESHOLD | {"cites": []}}), "cites its source"),
        (changed(thresholds={"b2m_above": THRESHOLD | {"cites": ["nobody"]}}), "'nobody', which is not in citations"),
        (changed(outcomes={"high": OUTCOME | {"cites": ["nobody"]}}), "'nobody', which is not in citations"),
        (changed(outcomes={"high": OUTCOME | {"summary": "{b2m} " + "x" * 99}}), "can grow to 140 characters"),
        (changed(outcomes={"high": OUTCOME | {"summary": ""}}), "raises a card has a summary"),
        (changed(outcomes={"high": OUTCOME | {"found": "{albumin}"}}), "unknown placeholder {albumin}"),
        (changed(notes={"aside": "{albumin}"}), "notes.aside: unknown placeholder {albumin}"),
        (changed(review={"status": "clinically reviewed"}), "names reviewed_by"),
        (changed(review={"status": "not clinically reviewed", "reviewed_by": "somebody"}), "names reviewed_by"),
        (changed(note_cites={"nothing": ["paper"]}), "there is no such note"),
        (changed(revised=date(2025, 12, 31)), "revised lies before released"),
        (changed(uses=["age"]), "Input should be 'race'"),
        (changed(citations={}), "at least 1 item"),
        (changed(unforeseen=1), "Extra inputs are not permitted"),
    ],
)
def test_a_rule_that_is_not_well_formed_is_refused(broken: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("{", r"\{").replace("}", r"\}")):
        Rule.model_validate(broken)


@pytest.mark.parametrize(
    ("outcome", "parts"),
    [
        ("low", {}),
        ("high", {"notes": ("nothing",), "values": {"b2m": "4 mg/L"}}),
        ("high", {"thresholds": ("nothing",), "values": {"b2m": "4 mg/L"}}),
        ("high", {"values": {"b2m": "x" * 41}}),
        ("high", {"values": {"unheard_of": "x"}}),
        ("high", {}),
    ],
)
def test_a_finding_outside_of_the_toml_is_refused(outcome: str, parts: dict[str, Any]) -> None:
    with pytest.raises(KnowledgeError):
        Rule.model_validate(GOOD).finding(outcome, "serum", **parts)


def test_a_broken_toml_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "broken_rules"
    for name, text in (("syntax", "id = "), ("shape", 'id = "x"')):
        folder = package / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "rule.toml").write_text(text)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KnowledgeError, match=r"broken_rules\.shape/rule.toml"):
        load("broken_rules")
    (package / "shape" / "rule.toml").write_text("id = ")
    with pytest.raises(KnowledgeError, match="not valid TOML"):
        load("broken_rules")


# ------------------------------------------------------------------ terms


def check_digit(number: str) -> int:
    """LOINC's mod-10 check digit of the part before the hyphen: odd places doubled as one number, then all digits."""
    backwards = number[::-1]
    doubled = str(int(backwards[::2]) * 2)
    return -sum(int(digit) for digit in backwards[1::2] + doubled) % 10


@pytest.mark.parametrize("code", sorted(terms.analyte_of_loinc()))
def test_loinc_codes_pass_their_check_digit(code: str) -> None:
    number, digit = code.split("-")
    assert check_digit(number) == int(digit)


@pytest.mark.parametrize("miscoded", ["48094-6", "48436-3", "48346-3", "1754-1", "87708-5"])
def test_codes_known_to_be_miscoded_are_not_read_as_b2m(miscoded: str) -> None:
    found = terms.analyte_of_loinc().get(miscoded)
    assert found is None or not found[0].is_b2m


def test_every_limit_says_its_unit_basis_and_source() -> None:
    for name, row in terms.load_toml("cds_service.knowledge.terms", "limits.toml").items():
        assert set(row) == {"value", "unit", "basis", "source", "says"}, name
        assert name.endswith(("_below", "_from", "_above", "_to"))


def test_no_loinc_code_stands_for_two_analytes() -> None:
    codes = [code.code for analyte in terms.analytes().values() for code in analyte.loinc]
    assert len(codes) == len(set(codes))


VERHOEFF_PERMUTE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def times(i: int, j: int) -> int:
    """Multiplication in the dihedral group of ten, on which Verhoeff's check rests."""
    if i < 5:
        return (i + j) % 5 + 5 * (j >= 5)
    return (i - j) % 5 + 5 * (j < 5)


def passes_verhoeff(code: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(code)):
        number = int(digit)
        for _ in range(place % 8):
            number = VERHOEFF_PERMUTE[number]
        check = times(check, number)
    return check == 0


@pytest.mark.parametrize("code", sorted({c for term in terms.problem_terms() for c in term.snomed}))
def test_snomed_codes_pass_verhoeff(code: str) -> None:
    assert passes_verhoeff(code)


@pytest.mark.parametrize(
    ("system", "code", "key"),
    [
        (terms.SNOMED, "109989006", "myeloma"),
        (terms.SNOMED, "10998900", None),
        (terms.ICD10CM, "C90.00", "myeloma"),
        (terms.ICD10CM, "C9000", "myeloma"),
        (terms.ICD10CM, "c90.00", "myeloma"),
        (terms.ICD10CM, "C90.01", "myeloma-remission"),
        (terms.ICD10CM, "C90.02", "myeloma-relapse"),
        (terms.ICD10CM, "C90.10", "plasma-cell-leukaemia"),
        (terms.ICD10CM, "C90.20", "plasmacytoma"),
        (terms.ICD10CM, "C90.30", "plasmacytoma"),
        (terms.SNOMED, "426336007", "plasmacytoma"),
        (terms.ICD10CM, "D47.2", "mgus-or-smouldering"),
        (terms.ICD10CM, "N18.31", "ckd"),
        (terms.ICD10CM, "N18.6", "end-stage-kidney-disease"),
        (terms.ICD10CM, "C88.00", "waldenstrom"),
        (terms.ICD10CM, "O24.4", "pregnancy"),
        (terms.ICD10CM, "Z34.83", "pregnancy"),
        (terms.ICD10CM, "Z39.2", "postpartum-care"),
        (terms.ICD10CM, "I50.9", "heart-failure"),
        (terms.SNOMED, "84114007", "heart-failure"),
        (terms.ICD10CM, "I13.2", "heart-failure"),
        (terms.ICD10CM, "D86.9", "sarcoidosis"),
        (terms.ICD10CM, "I10", None),
        ("http://hl7.org/fhir/sid/icd-9-cm", "C90.00", None),
        (terms.LOINC, "109989006", None),
    ],
)
def test_a_diagnosis_is_known_by_system_and_code_together(system: str, code: str, key: str | None) -> None:
    term = terms.problem_of_code(system, code)
    assert (term.key if term else None) == key
