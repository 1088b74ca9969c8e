"""What is written about the project is true of it."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from cds_service.cli.main import cli
from cds_service.config import Settings
from cds_service.knowledge.identity import source
from cds_service.knowledge.model import load
from cds_service.record.metrics import Metrics
from cds_service.review.page import pages
from tests import failure_matrix
from tests.conformance import table

ROOT = Path(__file__).parents[1]


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def commands() -> dict[str, click.Command]:
    """Every command by what is typed: those of a group by both names."""
    found: dict[str, click.Command] = {}
    for name, command in cli.commands.items():
        below = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {sub}": one for sub, one in below.items()} or {name: command}
    return found


def test_every_setting_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", text("docs/settings.md"), re.MULTILINE))
    assert rows == {name.upper(): str(field.default) for name, field in Settings.model_fields.items()}


def test_every_metric_is_documented_with_its_labels() -> None:
    rows = re.findall(r"^\| `(b2m_cds_[a-z_]+)` \|([^|]*)\|", text("docs/operations.md"), re.MULTILINE)
    assert {name: tuple(re.findall("`([a-z]+)`", labels)) for name, labels in rows} == Metrics().labels


def test_every_command_is_documented() -> None:
    assert [name for name in commands() if f"`cds-service {name}`" not in text("docs/settings.md")] == []


def test_every_option_is_documented() -> None:
    options = [o for c in commands().values() for p in c.params for o in p.opts if o.startswith("--")]
    assert [option for option in options if f"`{option}`" not in text("docs/settings.md")] == []


def test_every_option_has_a_help_text() -> None:
    options = [p for c in commands().values() for p in c.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", text("README.md"))) <= targets


def test_every_rule_is_in_the_readme_and_in_the_knowledge_log() -> None:
    for rule in load():
        assert f"`{rule.id}`" in text("README.md")
        assert f"`{rule.id}` {rule.version}" in text("KNOWLEDGE.md")


def test_the_version_of_the_knowledge_is_in_its_log() -> None:
    assert f"Knowledge {source().version}" in text("KNOWLEDGE.md")


def test_the_knowledge_takes_the_largest_step_of_its_rules() -> None:
    """Of its last version: that a conclusion changed shows in the version of the whole."""
    last = re.split(r"^## ", text("KNOWLEDGE.md"), flags=re.MULTILINE)[1]
    steps = {
        rule: [int(part) for part in version.split(".")]
        for rule, version in re.findall(r"`([a-z0-9-]+)` (\d+\.\d+\.\d+)", last)
    }
    changed = sorted(rule for rule, (major, minor, patch) in steps.items() if major > 1 and not (minor or patch))
    if changed:
        assert source().version.endswith(".0.0"), changed


def test_the_pages_of_the_rules_are_those_of_the_rules() -> None:
    found = {path.name: path.read_text("utf-8") for path in (ROOT / "docs" / "rules").glob("*.md")}
    assert found == pages(load()), "cds-service rules pages docs/rules"


def test_the_layout_names_every_module() -> None:
    listed = text("docs/architecture.md")
    modules = {p.name for p in (ROOT / "cds_service").rglob("*.py") if p.name not in ("__init__.py", "__main__.py")}
    commands = {"main.py", "card_view.py"} | {f"{name}.py" for name in cli.commands}  # named as commands
    assert [module for module in sorted(modules - commands) if module not in listed] == []


def test_constraints_name_no_address() -> None:
    assert not re.search(r"https?:|file:|@|/", text("constraints.txt"))


#: Whose codes they are, by the beginning of the system's address: the paragraph of NOTICE that tells of it.
TERMINOLOGIES = {
    "http://loinc.org": "LOINC.",
    "http://snomed.info/sct": "SNOMED CT.",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm.",
    "http://www.whocc.no/atc": "ATC.",
    "http://fhir.de/CodeSystem/bfarm/atc": "ATC.",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM.",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10.",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "ICD-10.",
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": "ICD-10.",
    "http://www.cms.gov/Medicare/Coding/ICD10": "ICD-10-PCS ",
    "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl": "NCI Thesaurus ",
    "http://www.genenames.org": "HGNC.",
    "http://unitsofmeasure.org": "UCUM.",
    "http://terminology.hl7.org/": "HL7 Terminology ",
    "http://hl7.org/fhir/": "HL7 Terminology ",
}


def systems() -> set[str]:
    """Every address of a code system in what reads, decides and writes, and in the term tables."""
    package = ROOT / "cds_service"
    trees = [
        ast.parse(path.read_text("utf-8"))
        for part in ("facts", "fhir", "knowledge", "cards")
        for path in (package / part).rglob("*.py")
    ]
    texts = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    tables = [tomllib.loads(path.read_text("utf-8")) for path in (package / "knowledge" / "terms").glob("*.toml")]
    texts += [text for table in tables for text in texts_of(table)]
    found = {text for text in texts if isinstance(text, str) and re.fullmatch(r"http://\S+", text)}
    return found - {"http://www.w3.org/2000/svg"}  # a namespace of XML


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a TOML document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for below in value.values() if isinstance(value, dict) else value:
            yield from texts_of(below)


@pytest.mark.parametrize("system", sorted(systems()))
def test_notice_names_every_terminology(system: str) -> None:
    beginnings = [beginning for beginning in TERMINOLOGIES if system.startswith(beginning)]
    assert beginnings, f"{system}: whose it is, and on what terms, belongs into NOTICE and into TERMINOLOGIES"
    name = TERMINOLOGIES[max(beginnings, key=len)]
    assert f"\n\n{name}" in text("NOTICE")


def test_notice_keeps_the_words_that_are_asked_for() -> None:
    notice = " ".join(text("NOTICE").split())
    for words in (
        "This material contains content from LOINC (http://loinc.org).",
        "is available at no cost under the license at http://loinc.org/license.",
        "used by permission of SNOMED International. All rights reserved.",
        "NLM is not responsible for the product and does not endorse or recommend this or any other product.",
        "copyright (c) WHO Collaborating Centre for Drug Statistics Methodology, Oslo, Norway",
    ):
        assert words in notice


def test_the_layers_of_the_layout_are_those_that_are_checked() -> None:
    block = re.search(r"\n\n((?:    [a-z_| ]+\n)+)\n## Invariants", text("docs/architecture.md"))
    assert block is not None
    layers = re.search(r"layers = \[(.*?)\]", text("pyproject.toml"), re.DOTALL)
    assert layers is not None
    assert re.findall(r'"([^"]+)"', layers[1]) == [line.strip() for line in block[1].strip().splitlines()]


def test_the_failure_matrix_is_the_one_that_the_tests_show() -> None:
    assert text("docs/failure-matrix.md") == failure_matrix.page(), (
        "python -m tests.failure_matrix > docs/failure-matrix.md"
    )


def test_the_conformance_table_is_the_one_that_the_tests_show() -> None:
    assert text("docs/conformance.md") == table.page(), "python -m tests.conformance.table > docs/conformance.md"
