"""The pages in a real browser: from a patient's Bundle to the report that counts what was done with its card."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile
from cds_service.knowledge.model import Citation, Review, Rule
from cds_service.record.store import Store
from cds_service.review.history import Past
from tests.functional.browser import (
    BIDI,
    NEEDS_CHROMIUM,
    TWICE,
    UNNAMED,
    WORST,
    chromium,
    drop,
    patients_bundle,
    send_for_real,
    stays_text,
    tab_to,
    watched,
)
from tests.functional.run import RULES
from tests.functional.server import running_service
from tests.functional.test_workbench import HOSTILE
from tests.functional.writers import account, told

pytestmark = NEEDS_CHROMIUM

PAGES = ("/rules", "/rules/iss-stage", "/rules/order-companions", "/feedback")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database = f"sqlite:///{tmp_path_factory.mktemp('store')}/store.sqlite"
    with running_service(WORKBENCH="1", DATABASE_URL=database, LOG_LEVEL="warning") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    with watched(browser, origin) as opened:
        yield opened


def told_of(page: Page, rule: str) -> dict[str, str]:
    """What the feedback report says of a rule, by the heads of its columns; all zero where it is not in it."""
    page.goto("/feedback")
    table = page.get_by_role("group", name="Cards by rule, version and month")
    row = table.locator("tr", has=page.get_by_role("rowheader", name=rule, exact=True))
    if row.count() == 0:
        return {"Shown": "0", "Accepted": "0", "Set aside": "0", "Reasons to set aside": ""}
    heads = table.locator("thead th").all_inner_texts()
    return dict(zip(heads, row.locator("th, td").all_inner_texts(), strict=True))


def number(text: str) -> int:
    return int(text.partition(" ")[0])


# ------------------------------------------------------------------ one patient, one report


def test_what_is_done_with_a_card_is_counted_on_the_report_and_on_the_rules_page(page: Page) -> None:
    before = told_of(page, "companion-tests")
    page.get_by_role("link", name="Workbench").click()
    page.wait_for_url("**/")  # with its script
    drop(page, patients_bundle())
    expect(page.locator("[data-card]").get_by_role("heading")).to_contain_text("ISS")
    expect(page.locator("[data-card]")).to_contain_text("No clinician has reviewed them")
    send_for_real(page)
    page.get_by_role("group", name="Suggestions").get_by_role("button").first.click()
    expect(page.locator(".said")).to_contain_text("Accepted; the feedback was taken")
    accepted = told_of(page, "companion-tests")
    assert number(accepted["Shown"]) == number(before["Shown"]) + 1
    assert number(accepted["Accepted"]) == number(before["Accepted"]) + 1
    assert number(accepted["Set aside"]) == number(before["Set aside"])
    page.goto("/")
    drop(page, patients_bundle())
    send_for_real(page)
    page.get_by_text("Set aside, because").click()
    page.get_by_role("button", name="The result itself is in doubt").click()
    expect(page.locator(".said")).to_contain_text("Set aside")
    both = told_of(page, "companion-tests")
    assert number(both["Accepted"]) == number(accepted["Accepted"])
    assert number(both["Set aside"]) == number(accepted["Set aside"]) + 1
    assert "The result itself is in doubt: sample, unit, laboratory: 1" in both["Reasons to set aside"]
    page.get_by_role("link", name="companion-tests").first.click()
    here = page.locator("section", has=page.get_by_role("heading", name="Here", exact=True))
    expect(here).to_contain_text("The result itself is in doubt: sample, unit, laboratory: 1")
    expect(here.get_by_role("group", name="How often it finds something")).to_contain_text("(100%)")


def test_the_same_by_the_keyboard_alone(page: Page) -> None:
    before = told_of(page, "companion-tests")
    tab_to(page, "nav a[href='/']")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("B2M workbench")
    tab_to(page, "#fixture")
    page.keyboard.type("commpass-010")
    tab_to(page, "#choose button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?fixture=commpass-010")
    expect(page.locator("[data-card]")).to_have_count(1)
    for act in ("[data-suggestion]", "[data-code]"):
        tab_to(page, "#send")
        page.keyboard.press("Enter")
        expect(page.locator("#cards")).to_be_focused()
        if act == "[data-code]":
            tab_to(page, ".reasons summary")
            page.keyboard.press("Enter")
        tab_to(page, act)
        page.keyboard.press("Space")
        expect(page.locator(".said")).to_contain_text("the feedback was taken")
        page.reload()
    tab_to(page, "nav a[href='/feedback']")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/feedback$"))
    tab_to(page, "tbody a[href='/rules/companion-tests']")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Which tests would tell more")
    tab_to(page, "summary")
    page.keyboard.press("Enter")
    expect(page.locator("pre")).to_contain_text("[[review]]")
    after = told_of(page, "companion-tests")
    for column, more in (("Shown", 2), ("Accepted", 1), ("Set aside", 1)):
        assert number(after[column]) == number(before[column]) + more, column


def test_the_report_of_a_month_to_come_is_empty(page: Page) -> None:
    page.goto("/feedback")
    page.get_by_label("Only decisions since the month").fill("2999-01")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("main")).to_contain_text("No decision has been kept here since 2999-01")


# ------------------------------------------------------------------ for every reader


@pytest.mark.parametrize("path", [*PAGES, "/?fixture=everything"])
def test_a_screen_reader_finds_its_way(page: Page, path: str) -> None:
    page.goto(path)
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(TWICE) == []
    assert [page.locator(mark).count() for mark in ("header", "main", "nav", "h1")] == [1, 1, 1, 1]
    assert page.locator("th:not([scope])").count() == 0
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(h => +h.tagName[1])")
    assert [(a, b) for a, b in pairwise(levels) if b > a + 1] == []


@pytest.mark.parametrize("path", PAGES)
def test_in_a_side_pane_in_the_dark_and_by_keyboard(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_rule_is_printed_without_what_only_a_screen_needs(page: Page) -> None:
    page.goto("/rules/iss-stage")
    expect(page.locator("nav")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator("nav")).to_be_hidden()
    expect(page.locator("details")).to_be_hidden()
    link = "getComputedStyle(document.querySelector('.text li > a'), '::after').content"
    assert "https://" in page.evaluate(link)


# ------------------------------------------------------------------ hostile text


@pytest.fixture
def serve() -> Iterator[Callable[[Flask], str]]:
    """Serves an application on loopback until the test ends."""
    servers = []

    def start(app: Flask) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def worst(rule: Rule, folder: Path) -> Rule:
    """A rule each of whose texts is hostile, and its one case."""
    text = json.dumps(WORST)  # as TOML spells it too
    folder.joinpath("cases.toml").write_text(
        f'[[case]]\nname = {text}\nsays = "nothing"\ngiven = {{{text} = {text}}}\n'
    )
    texts = {"summary": WORST, "tag": WORST, "found": WORST, "means": WORST}
    found = rule.model_copy(
        update={
            "title": WORST,
            "what_it_says": WORST,
            "why_it_matters": WORST,
            "silent_when": (WORST,),
            "specimens": (WORST,),
            "review": Review(status="clinically reviewed", reviewed_by=WORST, reviewed_on=WORST),
            "citations": {n: Citation(text=WORST, url=c.url, seen=c.seen) for n, c in rule.citations.items()},
            "thresholds": {n: t.model_copy(update={"says": WORST, "unit": WORST}) for n, t in rule.thresholds.items()},
            "outcomes": {n: o.model_copy(update=texts) for n, o in rule.outcomes.items()},
            "notes": dict.fromkeys(rule.notes, WORST),
            "orders": {"ldh": WORST},
        }
    )
    found._folder = folder
    return found.deciding_by(lambda facts, rule: None)


def reviews(rule: Rule) -> list[dict[str, object]]:
    """A sign-off of the rule as it stands, and one of what it was; all of their texts are hostile."""
    text = WORST[:100]
    entry = {"id": rule.id, "by": text, "role": text, "on": date(2026, 3, 1), "note": WORST[:500]}
    now = entry | {"version": rule.version, "hash": rule.content_hash}
    return [now, entry | {"version": "0.1.0", "hash": f"sha256:{'0' * 64}"}]


def test_hostile_text_stays_text_on_the_rules_page(
    browser: Browser, serve: Callable[[Flask], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = worst(next(rule for rule in RULES if rule.id == "serum-level"), tmp_path)
    monkeypatch.setattr("cds_service.pages.rules.history", lambda rule_id: (Past(WORST, WORST),))
    site = SiteProfile.model_validate({"review": reviews(rule)})
    with watched(browser, serve(create_app(Settings(), rules=(rule,), site=site))) as page:
        page.set_viewport_size({"width": 320, "height": 700})
        for path in ("/rules", "/rules/serum-level"):
            page.goto(path)
            stays_text(page, scripts=0)
            shown = page.locator("body").inner_text()
            assert "<script>alert(1)</script>" in shown
            assert not set(shown) & set(BIDI)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320
        count = page.locator("main").inner_text().count("<script>alert(1)</script>")
        assert count > 25, "each of the texts is there"


def test_hostile_text_stays_text_on_the_report(browser: Browser, serve: Callable[[Flask], str], tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/store.sqlite"
    store, now = Store(database), datetime.now(UTC)
    made = account("1", now)
    named = tuple({**row, "rule": WORST + row["rule"], "version": WORST} for row in made.card_rules)
    store.remember(replace(made, card_rules=named))
    store.feedback([told("1", outcome_at=now, received=now) | {"reason_code": WORST, "reason_system": HOSTILE}])
    store.close()
    with watched(browser, serve(create_app(Settings(database_url=database), rules=RULES, site=SiteProfile()))) as page:
        page.set_viewport_size({"width": 320, "height": 700})
        page.goto("/feedback")
        stays_text(page, scripts=0)
        shown = page.locator("main").inner_text()
        assert shown.count("<script>alert(1)</script>") == 6, "rule, version and reason of two rules"
        assert not set(shown) & set(BIDI)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
