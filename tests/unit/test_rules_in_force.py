"""Modes and thresholds of a site."""

import logging
import os
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cds_service.config import SiteProfile, load_site
from cds_service.errors import ConfigurationError
from cds_service.knowledge.model import Rule, load
from cds_service.rules_in_force import Change, InForce, RulesInForce, changes, in_force

RULES = load()
IDS = {rule.id for rule in RULES}
OUTCOMES = {"o": {"rank": 1, "raises_card": False, "found": "A finding."}}


def profile(*rules: tuple[str, str], **thresholds: str) -> SiteProfile:
    return SiteProfile.model_validate(
        {
            "rule": [{"id": name, "mode": mode, "reason": "a trial"} for name, mode in rules],
            "threshold": [{"name": n, "value": Decimal(v), "reason": "our own study"} for n, v in thresholds.items()],
        }
    )


def ids(found: InForce) -> set[str]:
    return {rule.id for rule in found.rules}


def test_without_a_word_of_the_site_all_are_on() -> None:
    found = in_force(RULES, SiteProfile())
    assert (found.rules, found.silent) == (RULES, frozenset())


@pytest.mark.parametrize(
    ("modes", "off", "silent"),
    [
        ([("iss-stage", "silent")], set(), {"iss-stage"}),
        ([("iss-stage", "off")], {"iss-stage"}, set()),
        ([("*", "silent")], set(), IDS),
        ([("*", "off")], IDS, set()),
        ([("*", "silent"), ("iss-stage", "on")], set(), IDS),
        ([("*", "silent"), ("iss-stage", "off")], {"iss-stage"}, IDS - {"iss-stage"}),
        ([("*", "on"), ("trend", "silent")], set(), {"trend"}),
    ],
)
def test_modes(modes: list[tuple[str, str]], off: set[str], silent: set[str]) -> None:
    found = in_force(RULES, profile(*modes))
    assert (IDS - ids(found), set(found.silent)) == (off, silent)


def rule(found: InForce, name: str) -> Rule:
    return next(rule for rule in found.rules if rule.id == name)


def test_a_threshold_of_the_site_holds_in_every_rule_that_has_it() -> None:
    found = in_force(RULES, profile(default_to_49_years_above="2.8"))
    having = [
        r.thresholds["default_to_49_years_above"] for r in found.rules if "default_to_49_years_above" in r.thresholds
    ]
    assert len(having) > 3
    assert {(t.value, t.local) for t in having} == {(Decimal("2.8"), True)}
    assert not any(t.local for r in RULES for t in r.thresholds.values())


@pytest.mark.parametrize(
    ("site", "said"),
    [
        (profile(("iss", "off")), "rule 'iss'; expected * or one of"),
        (profile(b2m_stage_3_from="5"), "threshold 'b2m_stage_3_from' may not be set; expected one of default_"),
        (profile(nothing="5"), "threshold 'nothing' may not be set"),
        (profile(default_to_49_years_above="9"), "default_to_49_years_above = 9; expected 1.5 to 4 mg/L"),
        (profile(default_to_49_years_above="1.49"), "expected 1.5 to 4 mg/L"),
    ],
)
def test_what_cannot_be_set_is_named(site: SiteProfile, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        in_force(RULES, site)
    assert said in str(refused.value)


@pytest.mark.parametrize("value", ["4", "1.5"])
def test_the_bounds_themselves_may_be_set(value: str) -> None:
    in_force(RULES, profile(default_to_49_years_above=value))


def test_rules_that_share_a_threshold_state_the_same_bounds() -> None:
    bounds: dict[str, set[Any]] = {}
    for one in RULES:
        for name, threshold in one.thresholds.items():
            if threshold.site_from is not None:
                bounds.setdefault(name, set()).add(
                    (threshold.site_from, threshold.site_to, threshold.unit, threshold.value)
                )
    assert bounds
    assert {name: found for name, found in bounds.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"site_from": 3},
        {"site_from": 2, "site_to": 3},
        {"site_from": 4, "site_to": 5},
        {"basis": "published", "cites": ["c"]},
    ],
    ids=["one alone", "below the value", "above the value", "of what was published"],
)
def test_bounds_that_hold_no_default_are_refused(changed: dict[str, Any]) -> None:
    described = RULES[0].model_dump() | {"citations": {"c": {"text": "t", "url": "https://c.example", "seen": "text"}}}
    given = {
        "value": "3.5",
        "unit": "mg/L",
        "basis": "service default",
        "says": "a limit",
        "site_from": 3,
        "site_to": 4,
    }
    sound = described | {"thresholds": {"limit_above": given}, "outcomes": OUTCOMES, "notes": {}, "note_cites": {}}
    Rule.model_validate(sound)
    faulty = {name: value for name, value in given.items() if name not in ("site_from", "site_to")} | changed
    faulty |= {"site_from": 3, "site_to": 4} if "basis" in changed else {}
    with pytest.raises(ValueError, match="site_from <= value <= site_to"):
        Rule.model_validate(sound | {"thresholds": {"limit_above": faulty}})


def test_no_wording_states_a_number_that_a_site_may_set() -> None:
    stated = [
        (one.id, where)
        for one in RULES
        for threshold in one.thresholds.values()
        if threshold.site_from is not None
        for where, text in one.texts().items()
        if f"{threshold.value:f} {threshold.unit}" in text
    ]
    assert stated == []


# ----------------------------------------------------------------- read anew


@dataclass
class Running:
    """Rules that follow a profile in a file."""

    file: Path
    now: float = 0.0
    told: list[tuple[Change, ...]] = field(default_factory=list)

    def start(self) -> RulesInForce:
        return RulesInForce(RULES, load_site(self.file), self.file, self.told.append, lambda: self.now)

    def write(self, text: str) -> None:
        self.file.write_text(text)
        stamp = self.file.stat().st_mtime_ns + len(self.told) * 1000 + int(self.now)
        os.utime(self.file, ns=(stamp, stamp))


SILENT = '[[rule]]\nid = "trend"\nmode = "silent"\nreason = "a trial"\n'


@pytest.fixture
def running(tmp_path: Path) -> Running:
    found = Running(tmp_path / "site.toml")
    found.write("")
    return found


def test_a_change_holds_within_a_minute_and_is_told_with_its_reason(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    rules = running.start()
    running.write(SILENT)
    running.now = 19
    assert rules().silent == set()
    running.now = 20
    assert rules().silent == {"trend"}
    assert running.told == [(), (Change("rule trend", "silent", "a trial"),)]
    assert "rule trend silent (a trial)" in caplog.text
    running.write("")
    running.now = 40
    assert rules().silent == set()


@pytest.mark.parametrize("broken", ["[[rule", SILENT.replace("trend", "none"), SILENT.replace("silent", "quiet")])
def test_a_profile_that_cannot_be_used_changes_nothing(
    running: Running, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    running.write(SILENT)
    rules = running.start()
    running.write(broken + "\n")
    running.now = 20
    with caplog.at_level(logging.ERROR):
        assert rules().silent == {"trend"}
    assert "the rules stay as they were" in caplog.text
    caplog.clear()
    running.now = 40
    assert rules().silent == {"trend"}
    assert caplog.text == "", "said once"


def test_a_profile_that_is_gone_changes_nothing(running: Running) -> None:
    running.write(SILENT)
    rules = running.start()
    running.file.unlink()
    running.now = 20
    assert rules().silent == {"trend"}


def test_another_entry_that_changed_is_no_change_of_the_rules(running: Running) -> None:
    rules = running.start()
    running.write('[[local_code]]\nsystem = "s"\ncode = "c"\nmeans = "1952-1"\n')
    running.now = 20
    rules()
    assert running.told == [()]


def test_without_a_file_nothing_is_read() -> None:
    rules = RulesInForce(RULES, profile(("trend", "off")), clock=iter(range(0, 1000, 100)).__next__)
    assert "trend" not in ids(rules())


def test_what_a_profile_sets_is_told() -> None:
    assert changes(profile(("trend", "off"), default_spot_above="0.25")) == (
        Change("rule trend", "off", "a trial"),
        Change("threshold default_spot_above", "0.25", "our own study"),
    )
