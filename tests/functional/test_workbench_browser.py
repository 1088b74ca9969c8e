"""The workbench in a real browser: Debian's Chromium, the service as it is shipped, a real patient's Bundle."""

import json
from collections.abc import Iterator
from copy import deepcopy

import pytest
from playwright.sync_api import Browser, Page, expect

from cds_service.replay.calls import dump_json, fixtures_folder, read_fixtures
from tests.functional.browser import (
    BIDI,
    DROP,
    NEEDS_CHROMIUM,
    TWICE,
    UNNAMED,
    WORST,
    chromium,
    counted,
    drop,
    hostile,
    patients_bundle,
    send_for_real,
    stays_text,
    tab_to,
    watched,
)
from tests.functional.server import running_service
from tests.functional.test_workbench import HOSTILE

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/store.sqlite"


@pytest.fixture(scope="module")
def origin(database: str) -> Iterator[str]:
    with running_service(WORKBENCH="1", DATABASE_URL=database, LOG_LEVEL="warning") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    with watched(browser, origin) as opened:
        opened.goto("/")
        yield opened


def test_a_bundle_is_dropped_and_its_card_read(page: Page, database: str) -> None:
    before = counted(database)
    drop(page, patients_bundle())
    card = page.locator("[data-card]")
    expect(card).to_have_count(1)
    expect(card.get_by_role("heading")).to_contain_text("ISS")
    expect(card.locator(".detail table")).not_to_have_count(0)
    rule = page.locator("tr", has=page.get_by_role("cell", name="iss-stage", exact=True))
    expect(rule.get_by_role("cell").last).to_contain_text("Thresholds: serum B2M of stage I: below 3.5 mg/L")
    expect(page.locator(".chart svg")).to_be_visible()
    expect(page.get_by_role("status").first).to_have_text("Decided: 1 card.")
    assert counted(database) == before


def test_a_suggestion_is_accepted_and_counts(page: Page, database: str) -> None:
    before = counted(database)
    drop(page, patients_bundle())
    send_for_real(page)
    page.get_by_role("group", name="Suggestions").get_by_role("button").first.click()
    expect(page.locator(".said")).to_contain_text("Accepted; the feedback was taken")
    after = counted(database)
    assert after.decisions == before.decisions + 1
    assert sum(line.accepted for line in after.lines) > sum(line.accepted for line in before.lines)
    assert after.unknown_cards == before.unknown_cards


def test_a_card_is_set_aside_for_a_reason(page: Page, database: str) -> None:
    before = counted(database)
    drop(page, patients_bundle())
    page.get_by_text("Set aside, because").click()
    page.get_by_role("button", name="The result itself is in doubt").click()
    expect(page.locator(".said")).to_contain_text("Set aside (The result itself is in doubt")
    expect(page.locator(".detail")).to_be_hidden()
    assert counted(database).unknown_cards == before.unknown_cards + 1


def test_a_value_and_a_date_are_changed_in_place(page: Page) -> None:
    drop(page, patients_bundle())
    before = page.locator("[data-card] h3").evaluate("heading => heading.lastChild.textContent.trim()")
    page.get_by_label("Value of serum B2M").fill("1.1")
    page.get_by_role("button", name="Decide again").click()
    expect(page.locator("#changed")).to_be_focused()
    expect(page.locator("[data-card] h3").filter(has_text=before)).to_have_count(0)
    expect(page.locator("section", has=page.locator("#changed"))).to_contain_text(before)
    page.get_by_label("Date of serum B2M").fill("2099-01-01")
    page.get_by_label("Date of serum B2M").press("Enter")
    expect(page.locator("tr", has_text="future").first).to_be_visible()


def test_by_the_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the outcome")).to_be_focused()
    tab_to(page, "#fixture")
    page.keyboard.type("iss-stage-3-kidney")
    tab_to(page, "#choose button")
    page.keyboard.press("Enter")
    expect(page.locator("[data-card]")).to_have_count(1)
    tab_to(page, "[data-suggestion]")
    page.keyboard.press("Enter")
    expect(page.locator(".said")).to_contain_text("Accepted")
    tab_to(page, ".reasons summary")
    page.keyboard.press("Enter")
    tab_to(page, "[data-code]")
    page.keyboard.press("Space")
    expect(page.locator(".said")).to_be_focused()
    tab_to(page, "[name=value-0]")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    expect(page.locator("#changed")).to_be_focused()


def test_every_control_has_a_name(page: Page) -> None:
    page.goto("/?fixture=series")
    unnamed = page.evaluate(UNNAMED)
    assert unnamed == []
    assert page.evaluate(TWICE) == []


def test_a_narrow_side_pane_does_not_scroll_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto("/?fixture=everything")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_dark_where_the_reader_has_it_dark(page: Page) -> None:
    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = background()
    page.emulate_media(color_scheme="dark")
    assert background() != light


def test_a_refusal_is_said(browser: Browser, origin: str) -> None:
    page = browser.new_page()  # of its own: Chromium complains of every answer that is no success
    page.goto(origin)
    page.evaluate(DROP, {"name": "chart.json", "text": "nothing"})
    expect(page.locator("#status")).to_contain_text("The service answered 400: chart.json: no JSON")
    page.close()


# ------------------------------------------------------------------ hostile text


def test_a_chart_full_of_hostile_text_stays_text(page: Page) -> None:
    case = next(case for case in read_fixtures(fixtures_folder()) if case.name == "everything")
    request = hostile(deepcopy(case.request))
    units = {"unit": "mg/L"}
    for entry in request["context"].get("results", {}).get("entry", []):
        entry["resource"].get("valueQuantity", {}).update(units)
    drop(page, dump_json(request))
    expect(page.locator("#outcome")).to_contain_text("<script>alert(1)</script>")
    stays_text(page)
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_card_with_hostile_text_in_every_field_stays_text(page: Page) -> None:
    coding = {"system": WORST, "code": WORST, "display": WORST}
    card = {
        "uuid": WORST,
        "summary": f"{BIDI}{HOSTILE}"[:139],
        "detail": WORST,
        "indicator": "warning",
        "source": {"label": WORST, "url": "javascript:alert(1)", "topic": coding},
        "suggestions": [{"label": WORST, "uuid": WORST, "actions": []}],
        "overrideReasons": [coding],
        "extension": {WORST: WORST},
    }
    drop(page, patients_bundle())
    page.route("**/cds-services/b2m-result-review", lambda route: route.fulfill(body=json.dumps({"cards": [card]})))
    send_for_real(page)
    expect(page.locator("[data-card] h3")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("[data-card] .detail")).to_contain_text("<img src=x onerror=alert(1)>")
    stays_text(page)
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
