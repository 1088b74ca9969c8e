"""Modes and thresholds of a site."""

import logging
import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cds_service.config import SiteProfile, load_site
from cds_service.errors import ConfigurationError
from cds_service.knowledge.model import Rule, load
from cds_service.knowledge.sign_off import SignOff
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
    assert [rule.id for rule in found.all] == [rule.id for rule in RULES]
    assert {name for name in IDS if found.mode(name) == "off"} == off
    assert {name for name in IDS if found.mode(name) == "silent"} == silent


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


# ----------------------------------------------------------------- sign-offs

ISS = next(rule for rule in RULES if rule.id == "iss-stage")
LEVEL = next(rule for rule in RULES if rule.id == "serum-level")
#: In the first place on earth to see a day it is one minute before the day of the sign-offs here.
TOO_EARLY = datetime(2026, 2, 28, 9, 59, tzinfo=UTC)
SIGNED = {"id": "iss-stage", "version": ISS.version, "hash": ISS.content_hash, "by": "A. Able", "role": "haematologist"}


def signed(threshold: str = "", **changed: str) -> SiteProfile:
    numbers = [{"name": "default_to_49_years_above", "value": Decimal(threshold), "reason": "r"}] if threshold else []
    entry = SIGNED | {"on": date(2026, 3, 1)} | changed
    return SiteProfile.model_validate({"review": [entry], "threshold": numbers})


def test_a_sign_off_of_the_rule_as_it_stands_counts() -> None:
    found = in_force(RULES, signed())
    one = rule(found, "iss-stage")
    assert one.signed_off == SignOff(ISS.version, ISS.content_hash, "A. Able", "haematologist", date(2026, 3, 1))
    assert one.outdated_sign_offs == ()
    assert [r.id for r in found.rules if r.signed_off] == ["iss-stage"]
    assert ISS.signed_off is None, "the package's own rule stays as it is"


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "0.9.0", "hash": f"sha256:{'0' * 64}"},
        {"version": "99.0.0", "hash": f"sha256:{'0' * 64}"},  # after a rollback
        {"hash": f"sha256:{'0' * 64}"},
    ],
)
def test_a_sign_off_of_what_the_rule_no_longer_is_does_not_count_and_is_told(
    changed: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    site = signed(**changed)
    one = rule(in_force(RULES, site), "iss-stage")
    assert one.signed_off is None
    assert [(old.version, old.hash) for old in one.outdated_sign_offs] == [
        (changed.get("version", ISS.version), changed["hash"])
    ]
    RulesInForce(RULES, site)
    assert "does not count" in caplog.text


def test_a_number_of_the_site_is_part_of_what_is_signed_off() -> None:
    plain = {"id": LEVEL.id, "version": LEVEL.version, "hash": LEVEL.content_hash}
    assert rule(in_force(RULES, signed(**plain)), LEVEL.id).signed_off
    here = rule(in_force(RULES, signed("2.6", **plain)), LEVEL.id)
    assert (here.signed_off, here.replaced) == (
        None,
        {"default_to_49_years_above": LEVEL.value("default_to_49_years_above")},
    )
    with_it = signed("2.6", **plain | {"hash": here.hash_here})
    assert rule(in_force(RULES, with_it), LEVEL.id).signed_off
    assert rule(in_force(RULES, signed("2.7", **plain | {"hash": here.hash_here})), LEVEL.id).signed_off is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": "iss"}, "review of 'iss'; expected one of albumin-b2m-ratio, "),
        ({"version": "0.9.0"}, "version 0.9.0, but the hash is not of that one; expected"),
    ],
)
def test_a_sign_off_of_what_cannot_be_is_refused(changed: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        in_force(RULES, signed(**changed))
    assert said in str(refused.value)


@pytest.mark.parametrize(("now", "is_refused"), [(datetime(2026, 2, 28, 10, tzinfo=UTC), False), (TOO_EARLY, True)])
def test_a_sign_off_of_a_day_that_has_begun_nowhere_yet_is_refused(now: datetime, is_refused: bool) -> None:
    said = "review of iss-stage on 2026-03-01 is dated in the future; expected 2026-02-28 or before"
    with pytest.raises(ConfigurationError, match=said) if is_refused else nullcontext():
        RulesInForce(RULES, signed(), now=lambda: now)


@pytest.mark.parametrize("changed", [{"by": ""}, {"role": ""}, {"hash": "sha256:0"}, {"version": "1"}, {"on": "soon"}])
def test_a_sign_off_that_is_not_whole_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=rf"review\.0\.{next(iter(changed))}"):
        signed(**changed)


def test_a_version_is_signed_off_once() -> None:
    entry = SIGNED | {"on": date(2026, 3, 1)}
    with pytest.raises(ValueError, match=f"review iss-stage {ISS.version} stands there twice"):
        SiteProfile.model_validate({"review": [entry, entry]})


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


def test_a_sign_off_is_read_anew_and_a_typo_in_it_changes_nothing(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    rules = running.start()
    entry = "[[review]]\n" + "".join(f'{name} = "{value}"\n' for name, value in SIGNED.items()) + "on = 2026-03-01\n"
    running.write(entry)
    running.now = 20
    assert rule(rules(), "iss-stage").signed_off
    assert running.told[-1] == (
        Change(f"review iss-stage {ISS.version}", "2026-03-01", f"A. Able, haematologist, {ISS.content_hash}"),
    )
    running.write(entry.replace("iss-stage", "iss-stages"))
    running.now = 40
    assert rule(rules(), "iss-stage").signed_off
    assert "review of 'iss-stages'; expected one of" in caplog.text
    running.write(entry.replace("2026", "9026"))
    running.now = 60
    assert rule(rules(), "iss-stage").signed_off
    assert "on 9026-03-01 is dated in the future" in caplog.text
    running.write("")
    running.now = 80
    assert rule(rules(), "iss-stage").signed_off is None


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
