"""Makes the screenshots of docs/images anew: ``python -m tests.screenshots``. Needs Chromium; recorded charts only."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import requests
from playwright.sync_api import Browser

from cds_service.pages.dropped import fixtures
from cds_service.replay.calls import SERVICES, dump_json
from tests.functional.browser import chromium
from tests.functional.server import running_service

FOLDER = Path(__file__).parents[1] / "docs" / "images"
MOST_BYTES = 200_000
_JSON = {"Content-Type": "application/json"}
_REASONS = ("already-known", "result-in-doubt")


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: of which address, in which size; of one element where ``only`` names it; from ``at`` on."""

    name: str
    path: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"
    only: str = ""
    at: str = ""


SHOTS = (
    Shot("workbench", "/?fixture=series", 1180, 820),
    Shot("workbench-side-pane", "/?fixture=iss-stage-3-kidney", 320, 820, "dark", at="[data-card]"),
    Shot("trend-chart", "/?fixture=series", 1180, 820, only=".chart"),
    Shot("rule-page", "/rules/iss-stage", 1000, 1000),
    Shot("rule-page-dark", "/rules/iss-stage", 1000, 700, "dark", at="#cases"),
    Shot("feedback", "/feedback", 1180, 700),
)


def play(origin: str) -> None:
    """Sends each recorded case as a real call and reacts to its cards in turn, so that there is something to count."""
    now = datetime.now(UTC)
    for number, fixture in enumerate(fixtures().values()):
        call = fixture.call(SERVICES, now)
        address = f"{origin}/cds-services/{call.service}"
        answer = requests.post(address, data=dump_json(call.request), headers=_JSON, timeout=30)
        for card in answer.json().get("cards", []) if answer.ok else []:
            after = (now + timedelta(minutes=3 + number % 40)).isoformat()
            feedback: dict[str, object] = {"card": card["uuid"], "outcomeTimestamp": after}
            if number % 3 == 0 and card.get("suggestions"):
                feedback |= {"outcome": "accepted", "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}]}
            elif number % 3 == 1:
                code = next(r for r in card["overrideReasons"] if r["code"] == _REASONS[number % 2])
                reason = {"code": code["code"], "system": code["system"]}
                feedback |= {"outcome": "overridden", "overrideReason": {"reason": reason}}
            else:
                continue
            requests.post(f"{address}/feedback", json={"feedback": [feedback]}, timeout=30).raise_for_status()


def take(browser: Browser, origin: str, shot: Shot) -> bytes:
    """The picture as PNG."""
    context = browser.new_context(
        base_url=origin, viewport={"width": shot.width, "height": shot.height}, color_scheme=shot.scheme
    )
    page = context.new_page()
    page.goto(shot.path)
    if shot.at:
        page.locator(shot.at).first.evaluate("element => element.scrollIntoView()")
    taken = page.locator(shot.only).first.screenshot() if shot.only else page.screenshot()
    context.close()
    return taken


def main() -> None:
    """Writes them all.

    Raises:
        SystemExit: one is larger than it may be.
    """
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        store = f"sqlite:///{folder}/store.sqlite"
        with running_service(WORKBENCH="1", DATABASE_URL=store, LOG_LEVEL="warning") as origin:
            play(origin)
            for shot in SHOTS:
                picture = take(browser, origin, shot)
                if len(picture) > MOST_BYTES:
                    raise SystemExit(
                        f"{shot.name} has {len(picture)} bytes; expected {MOST_BYTES} at most: make it smaller"
                    )
                (FOLDER / f"{shot.name}.png").write_bytes(picture)


if __name__ == "__main__":
    main()
