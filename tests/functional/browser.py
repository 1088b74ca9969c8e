"""Pages in Debian's Chromium, watched: what is complained of or asked of anybody else is a fault."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

from cds_service.record.engine import open_engine
from cds_service.record.report import Report, report
from cds_service.replay.calls import dump_json, fixtures_folder, read_documents
from cds_service.replay.dates import moved
from tests.functional.test_workbench import HOSTILE

CHROMIUM = shutil.which("chromium")
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")
DROP = """({name, text}) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}"""
#: Overrides the direction of what follows, isolates, and joins: a name that reads otherwise than it is spelt.
BIDI = "\u202e\u2066\u200f"
#: Hostile by what it holds, by how it reads, and by its size.
WORST = f"{BIDI}{HOSTILE}{'x' * 3000}"
#: Controls, regions and sections that a screen reader has no name for.
UNNAMED = """() => [...document.querySelectorAll(
    "input:not([type=hidden]), select, button, summary, nav, [role=region], [role=group], section")]
  .filter(e => !e.ariaLabel && !e.labels?.length && !document.getElementById(e.getAttribute("aria-labelledby")))
  .filter(e => !["BUTTON", "SUMMARY"].includes(e.tagName) || !e.textContent.trim())
  .map(e => e.outerHTML)"""
TWICE = "[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, n, all) => all.indexOf(id) !== n)"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window, closed at the end."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@contextmanager
def watched(browser: Browser, origin: str) -> Iterator[Page]:
    """A page of its own. At the end: nothing was complained of, and nothing was asked of anybody else."""
    context = browser.new_context(base_url=origin)
    context.set_default_timeout(15_000)
    opened = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        complaints.append("a dialog")
        dialog.dismiss()

    opened.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", dismiss)
    context.on("request", lambda request: asked.append(request.url))
    yield opened
    context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(f"{origin}/")] == []


def patients_bundle() -> bytes:
    """A real patient with newly diagnosed myeloma and without LDH, as of today."""
    path = fixtures_folder() / "commpass" / "bundles.ndjson.gz"
    given = next(given for given in read_documents([path]) if given.document["id"] == "commpass-010")
    return dump_json(moved(given.document, (datetime.now(UTC) - datetime.fromisoformat(given.expected["as_of"])).days))


def drop(page: Page, document: bytes) -> None:
    """Drops a file on the workbench."""
    page.evaluate(DROP, {"name": "chart.json", "text": document.decode()})
    expect(page.locator("#outcome-title")).to_be_focused()


def send_for_real(page: Page) -> None:
    """Sends what is tried as a call."""
    page.get_by_role("button", name="Send as a real call").click()
    expect(page.get_by_text("This is the answer to a real call")).to_be_visible()


def counted(database: str) -> Report:
    """The feedback report of a database."""
    engine = open_engine(database)
    with engine.connect() as connection:
        found = report(connection)
    engine.dispose()
    return found


def tab_to(page: Page, selector: str) -> None:
    """Goes on by the Tab key until the focus is on what the selector names."""
    for _ in range(300):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{selector} is not reached by the Tab key")


def hostile(value: Any) -> Any:
    """A document whose free texts are all hostile: what is a name, a note, a label, a display."""
    if isinstance(value, dict):
        free = {"text", "display", "family", "unit", "note", "description", "comment"}
        return {k: WORST if k in free and isinstance(v, str) else hostile(v) for k, v in value.items()}
    return [hostile(item) for item in value] if isinstance(value, list) else value


def stays_text(page: Page, scripts: int = 1) -> None:
    """That nothing of hostile text has become an element, a link or a handler."""
    assert page.locator("script").count() == scripts
    assert page.locator("main :is(img, iframe, object, form[action^='javascript'])").count() == 0
    links = page.locator("a").evaluate_all("all => all.map(a => a.protocol)")
    assert set(links) <= {"https:", "http:"}
    assert (
        page.evaluate("[...document.querySelectorAll('*')].some(e => [...e.attributes].some(a => /^on/.test(a.name)))")
        is False
    )
