"""A rule's page says all that its TOML and its cases say, in Markdown that renders as it is meant."""

from datetime import date
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from cds_service.knowledge.model import Review, Rule, load, read_rule
from cds_service.review.page import GENERATED, index, page, pages
from tests.unit.review.drafts import CASES, RULE, draft


@pytest.fixture
def rule(tmp_path: Path) -> Rule:
    cases = CASES + '\n[[case]]\nname = "none"\ngiven = {}\nsays = "nothing"\n'
    cases += '[[case]]\nname = "odd"\ngiven = { unknown = [], coded = { a = "x" } }\nsays = "nothing"\n'
    return read_rule(draft(tmp_path, cases=cases), "steroid_note")


@pytest.mark.parametrize(
    "line",
    [
        "# A note",
        "`steroid-note` 1.0.0, released 2026-03-01. **No clinician has reviewed it.**",
        "- no B2M was read",
        "| a level | from (this or more) | 3.50 mg/L | published | [A paper](https://doi.org/10.1/x%281%29) |",
        "Makes a card; rank 90; not beside `data-quality/jump`.",
        r"- First line: B2M {b2m} \<is\> high\_ish",
        "- Found: B2M {b2m} is high.",
        "- Sources: [A paper](https://doi.org/10.1/x%281%29)",
        "- `aside`: An aside. ([A paper](https://doi.org/10.1/x%281%29))",
        "- [A paper (2020)](https://doi.org/10.1/x%281%29) (its text was read)",
        "| Use of race | no |",
        "| Release and, if applicable, revision dates | released 2026-03-01, revised 2026-03-01 |",
        "- high: B2M 4 mg/L; problems ckd (onset\\_days -9), sle; unknown medications → `high`, with `aside`",
        "- not high: B2M 3 mg/L (provisional true); age 50 → silent",
        "- none: nothing given → silent",
        "- odd: unknown none; coded a x → silent",
    ],
)
def test_it_says(rule: Rule, line: str) -> None:
    assert line in page(rule).splitlines()


def test_cases_can_be_left_out(rule: Rule) -> None:
    assert "## Cases" not in page(rule, cases=False)


def test_a_review_and_a_revision_are_said(rule: Rule) -> None:
    review = Review(status="clinically reviewed", reviewed_by="Dr A", reviewed_on="2026-03-05")
    said = page(rule.model_copy(update={"review": review, "revised": date(2026, 3, 4)}))
    assert "released 2026-03-01, revised 2026-03-04. Clinically reviewed by Dr A, 2026-03-05." in said


def test_what_it_offers_to_order_is_said(rule: Rule) -> None:
    said = page(rule.model_copy(update={"orders": {"albumin": "for the ISS"}})).splitlines()
    assert said[said.index("## Tests that it offers to order") + 2] == "- `albumin`: for the ISS"


def test_what_a_rule_does_not_have_has_no_heading(rule: Rule) -> None:
    bare = rule.model_copy(update={"thresholds": {}, "notes": {}})
    said = page(bare)
    assert not [heading for heading in ("## Thresholds", "## What may limit it", "## Tests that") if heading in said]


def test_a_warning_is_said_to_be_one() -> None:
    quality = next(rule for rule in load() if rule.id == "data-quality")
    assert "Makes a card, as a warning; rank" in page(quality)
    assert "Speaks only beside another finding" in page(quality)


def test_a_threshold_without_a_source_has_a_dash(tmp_path: Path) -> None:
    toml = RULE.replace('basis = "published"\ncites = ["paper"]', 'basis = "service default"')
    said = page(read_rule(draft(tmp_path, toml=toml), "x"))
    assert "| 3.50 mg/L | service default | – |" in said


def test_what_a_site_may_set_is_said(tmp_path: Path) -> None:
    toml = RULE.replace('"published"\ncites = ["paper"]', '"service default"\nsite_from = 3\nsite_to = 4.5')
    said = page(read_rule(draft(tmp_path, toml=toml), "x"))
    assert "| 3.50 mg/L | service default; a site may set 3 to 4.5 | – |" in said


def test_there_is_a_page_a_rule_and_a_list_of_them() -> None:
    rules = load()
    found = pages(rules)
    assert set(found) == {"README.md", *(f"{rule.id}.md" for rule in rules)}
    assert all(f"]({rule.id}.md)" in found["README.md"] for rule in rules)
    assert all(text.startswith(GENERATED) and text.endswith("\n") for text in found.values())


@pytest.mark.parametrize("rule", load(), ids=lambda rule: rule.id)
def test_every_page_renders_without_html_or_broken_tables(rule: Rule) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(page(rule))
    assert [t for t in tokens if t.type == "html_block"] == tokens[:1]
    assert [c for t in tokens for c in t.children or () if c.type == "html_inline"] == []
    rows = [t for t in tokens if t.type == "tr_open"]
    tables = [t for t in tokens if t.type == "table_open"]
    assert len(rows) == len(rule.thresholds) + 13 + len(tables)


def test_the_list_tells_who_reviewed() -> None:
    assert "not clinically reviewed |" in index(load())
