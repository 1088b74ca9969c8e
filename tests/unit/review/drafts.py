"""A small rule as a clinician would write it, in a folder of its own."""

from pathlib import Path

RULE = """
id = "steroid-note"
version = "1.0.0"
released = 2026-03-01
revised = 2026-03-01
title = "A note"
specimens = ["serum"]
what_it_says = "x"
why_it_matters = "x"
silent_when = ["no B2M was read"]
uses = []

[review]
status = "not clinically reviewed"

[citations.paper]
text = "A paper (2020)"
url = "https://doi.org/10.1/x(1)"
seen = "text"

[thresholds.level_from]
value = 3.50
unit = "mg/L"
basis = "published"
cites = ["paper"]
of = "b2m-serum"
says = "a level"

[placeholders]
b2m = 40

[outcomes.high]
rank = 90
raises_card = true
summary = "B2M {b2m} <is> high_ish"
found = "B2M {b2m} is high."
cites = ["paper"]
yields_to = ["data-quality/jump"]

[notes]
aside = "An aside."

[note_cites]
aside = ["paper"]
"""
CODE = '''"""Says a level is high."""

from cds_service.facts import Facts
from cds_service.knowledge.model import Finding, Rule


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """A high level."""
    b2m = facts.b2m
    if b2m is None or not b2m.interval.is_above(rule.value("level_from")):
        return None
    return rule.finding("high", facts.specimen, values={"b2m": b2m.display}, notes=("aside",))
'''
CASES = """
[[case]]
name = "high"
given = { b2m = "4 mg/L", problems = [{ key = "ckd", onset_days = -9 }, "sle"], unknown = ["medications"] }
says = "high"
notes = ["aside"]
values = { b2m = "4 mg/L" }

[[case]]
name = "not high"
given = { b2m = { is = "3 mg/L", provisional = true }, age = 50 }
says = "nothing"
"""


def draft(folder: Path, **parts: str) -> Path:
    """The rule in ``folder``/steroid_note, its files as given or as they should be."""
    place = folder / "steroid_note"
    place.mkdir(parents=True, exist_ok=True)
    written = {"__init__": "", "rule": CODE, "toml": RULE, "cases": CASES} | parts
    for name, text in (
        ("__init__.py", "__init__"),
        ("rule.py", "rule"),
        ("rule.toml", "toml"),
        ("cases.toml", "cases"),
    ):
        (place / name).write_text(written[text], "utf-8")
    return place
