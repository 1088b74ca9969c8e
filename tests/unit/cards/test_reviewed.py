"""What a card says of the review of its rules."""

import re
from datetime import date
from typing import Any

import pytest

from cds_service.cards.reviewed import review_told
from cds_service.config import SiteProfile
from cds_service.knowledge.model import Review, Rule, load
from cds_service.knowledge.sign_off import SignOff
from tests.functional.run import post
from tests.functional.test_workbench import HOSTILE
from tests.unit.fhir.make import bundle, call, observation

FIRST, SECOND, THIRD = load()[:3]
NOBODY = "No clinician has reviewed them."


def signed(rule: Rule, **changed: Any) -> Rule:
    whole = {"version": rule.version, "hash": rule.hash_here, "by": "A. Able", "role": "nephrologist"}
    return rule.at_site({}, [SignOff(**whole | {"on": date(2026, 3, 1)} | changed)])


def reviewed(rule: Rule) -> Rule:
    return rule.model_copy(
        update={"review": Review(status="clinically reviewed", reviewed_by="B", reviewed_on="2026-01-01")}
    )


def test_without_a_sign_off_nobody_has_reviewed() -> None:
    assert review_told([FIRST, SECOND]) == NOBODY
    assert review_told([]) == ""


def test_where_all_are_signed_off_it_is_said_by_whom_and_when() -> None:
    by_one = "Reviewed here: A. Able (nephrologist), 2026-03-01."
    assert review_told([signed(FIRST), signed(SECOND), signed(FIRST)]) == by_one
    two = [signed(FIRST), signed(SECOND, by="B. Best", on=date(2026, 2, 1))]
    assert review_told(two) == "Reviewed here: B. Best (nephrologist), 2026-02-01; A. Able (nephrologist), 2026-03-01."


def test_where_some_are_signed_off_the_others_are_named() -> None:
    assert review_told([signed(FIRST), SECOND, THIRD]) == (
        "1 of 3 rules on this card reviewed here: A. Able (nephrologist), 2026-03-01. "
        f"No clinician has reviewed {SECOND.id}, {THIRD.id}."
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": "0.1.0"}, "0.1.0, 2026-03-01."),
        ({"hash": "sha256:0"}, f"{SECOND.version}, 2026-03-01 (changed since)."),
    ],
)
def test_a_sign_off_of_something_else_is_named_and_does_not_count(changed: dict[str, str], said: str) -> None:
    outdated = f"Outdated, so that it does not count: the review here of {SECOND.id} {said}"
    assert review_told([signed(SECOND, **changed)]) == f"{NOBODY} {outdated}"
    told = review_told([signed(FIRST), signed(SECOND, **changed)])
    assert told.startswith("1 of 2 rules")
    assert told.endswith(outdated)


def test_the_projects_own_review_is_none_of_the_sites() -> None:
    assert review_told([reviewed(FIRST)]) == ""
    assert review_told([reviewed(FIRST), signed(SECOND)]).startswith("Reviewed here: A. Able")


def test_a_name_stays_text() -> None:
    told = review_told([signed(FIRST, by=HOSTILE[:100], role="[a](https://evil.example)")])
    assert "<" not in told
    assert "](" not in told.replace("\\](", "")


def test_the_whole_card_of_a_real_call_says_it() -> None:
    request = call(bundle(observation()))
    rules = load()
    (card,) = post("b2m-result-review", request, rules=rules).get_json()["cards"]
    assert f" **{NOBODY}**" in card["detail"]
    (card,) = post("b2m-result-review", request, rules=tuple(map(signed, rules))).get_json()["cards"]
    assert " **Reviewed here: A. Able (nephrologist), 2026-03-01.**" in card["detail"]
    entry = {"by": "A. Able", "role": "nephrologist", "on": date(2026, 3, 1)}
    entries = [entry | {"id": rule.id, "version": rule.version, "hash": rule.content_hash} for rule in rules]
    site = SiteProfile.model_validate({"review": entries})
    (card,) = post("b2m-result-review", request, site=site).get_json()["cards"]
    assert " **Reviewed here: A. Able (nephrologist), 2026-03-01.**" in card["detail"]
    some = tuple(signed(rule) if rule.id == "serum-level" else rule for rule in rules)
    (card,) = post("b2m-result-review", request, rules=some).get_json()["cards"]
    assert re.search(r" \*\*1 of \d rules on this card reviewed here: A. Able", card["detail"])
