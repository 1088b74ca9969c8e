"""Links lead to files and headings that are there, README.md leads to every document, the runbook is whole."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WRITTEN = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "cds_service/**/*.md",
        "deploy/**/*.md",
        "fhir_fixtures/*.md",
        "tests/**/*.md",
    )
    for path in ROOT.glob(pattern)
    if "vendor" not in path.parts
)
_FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    return _FENCED.sub("", path.read_text("utf-8"))


def anchors(path: Path) -> set[str]:
    """The fragments by which the headings of a document are reached, as GitHub and GitLab make them."""
    headings = re.findall(r"^#+ (.+?)\s*$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> list[str]:
    """The links of a document that stay within the project, without those to other addresses."""
    return re.findall(r"\]\((?!https?://)([^)\s]+)\)", prose(path))


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    broken = []
    for link in links(path):
        name, _, fragment = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_readme_leads_to_every_document() -> None:
    """To each by itself; to those of a folder that has a README.md by that."""
    found = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    for page in [page for page in found if page.name == "README.md" and page.parent != ROOT]:
        found |= {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
    documents = [path for path in WRITTEN if path.parent == ROOT or ROOT / "docs" in path.parents]
    assert [str(path.relative_to(ROOT)) for path in documents if path not in found | {ROOT / "README.md"}] == []


def test_decisions_are_numbered_and_dated() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "decisions.md").read_text("utf-8"), re.MULTILINE)
    numbers = [re.fullmatch(r"(\d+)\. \S.* \(\d{4}-\d\d-\d\d\)", heading) for heading in headings]
    assert [int(number[1]) if number else 0 for number in numbers] == list(range(1, len(headings) + 1))


def test_the_runbook_names_every_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text("utf-8"))
    runbook = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    assert alerts
    assert [alert for alert in alerts if f"`{alert}`" not in runbook] == []


def test_the_runbook_tells_every_reason_of_a_refusal() -> None:
    tree = ast.parse((ROOT / "cds_service" / "hooks" / "trust.py").read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    raised = [call.args[0] for call in calls if getattr(call.func, "id", "") == "Unauthenticated"]
    reasons = [str(argument.value) for argument in raised if isinstance(argument, ast.Constant)]
    runbook = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    assert len(reasons) > 5
    assert [reason for reason in reasons if f"`{reason}`" not in runbook] == []
