"""``python -m bench.month``: a month of charts opened again and again, with and without memory of what was shown.

Real patients (CoMMpass) and the made-up cases, opened by several users on both hooks; results are corrected, cards are
set aside. What should be shown is reckoned here from the cards of a service without memory, by a rule of its own: the
same findings on the same result, not to the same user within 72 hours (4 after "not now"), warnings until that
user has reacted.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from rich.console import Console
from rich.table import Table

from cds_service.app import create_app
from cds_service.cards.compose import EXTENSION
from cds_service.cards.override_reasons import HL7, OWN
from cds_service.config import Settings
from cds_service.knowledge.model import load
from cds_service.replay.calls import (
    SERVICES,
    Prepared,
    Recorded,
    dump_json,
    fixtures_folder,
    prepare,
    read_documents,
    read_fixtures,
)

REVIEW, CHART = "b2m-result-review", "b2m-chart-review"
_USERS = ("Practitioner/a", "Practitioner/b", "Practitioner/c")
_DAYS = 30
_OPENED = 0.25
_USUAL, _SOON = timedelta(hours=72), timedelta(hours=4)
_B2M_CODES = {"1952-1", "83078-6", "56786-7", "76484-5", "14626-6"}

Json = dict[str, Any]
Key = tuple[str, ...]


@dataclass
class Tally:
    """What came of the month."""

    calls: int = 0
    cards: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    missed: int = 0
    opened_without_card: Counter[str] = field(default_factory=Counter)


@dataclass
class _Seen:
    at: datetime
    soon: bool = False
    answered: bool = False


class _Service:
    """One application with its own store, at a time that is told to it."""

    def __init__(self, folder: Path, name: str, *, remembers: bool) -> None:
        keys = folder / f"{name}.keys"
        keys.write_text(f"k:{'5a' * 32}\n")
        settings = Settings(
            database_url=f"sqlite:///{folder}/{name}.sqlite",
            pseudonym_keys=keys,
            repeat_after_hours=_USUAL / timedelta(hours=1) if remembers else 0,
        )
        self.now = datetime.now(UTC)
        self.client: FlaskClient = create_app(settings, rules=load(), clock=lambda: self.now).test_client()

    def cards(self, service: str, request: Json, now: datetime) -> list[Json]:
        self.now = now
        answer = self.client.post(f"/cds-services/{service}", data=dump_json(request), content_type="application/json")
        found: list[Json] = answer.get_json().get("cards", []) if answer.status_code == 200 else []
        return found

    def set_aside(self, card: Json, system: str, code: str) -> None:
        given = {
            "card": card["uuid"],
            "outcome": "overridden",
            "overrideReason": {"reason": {"system": system, "code": code}},
            "outcomeTimestamp": self.now.isoformat(),
        }
        self.client.post(f"/cds-services/{REVIEW}/feedback", json={"feedback": [given]})


class _Reckoning:
    """What should be shown to whom, from the cards of the service without memory."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str, Key], _Seen] = {}

    def is_due(self, patient: str, user: str, card: Json, now: datetime) -> bool:
        seen = self._shown.get((patient, user, key_of(card)))
        if seen is None or (card["indicator"] == "warning" and not seen.answered):
            return True
        return now >= seen.at + (_SOON if seen.soon else _USUAL)

    def show(self, patient: str, user: str, card: Json, now: datetime) -> None:
        self._shown[patient, user, key_of(card)] = _Seen(now)

    def set_aside(self, patient: str, user: str, card: Json, *, soon: bool) -> None:
        seen = self._shown[patient, user, key_of(card)]
        seen.soon, seen.answered = soon, True


def key_of(card: Json) -> Key:
    """What a card says of which result: its first line, its findings, the result that it names first, as printed."""
    basis = card["extension"][EXTENSION]
    found = sorted(f"{rule['id']}/{rule.get('finding', '')}" for rule in basis["rules"])
    rows = [line.split("|")[1:3] for line in card["detail"].splitlines() if line.startswith("|") and "B2M" in line]
    told = [line for line in card["detail"].splitlines() if line.startswith("- ")]
    return (card["summary"], *basis.get("observations", [""])[:1], *(rows[0] if rows else told[:1]), *found)


def simulate(cases: list[Recorded], days: int = _DAYS, seed: int = 1) -> Tally:
    """A month of these charts; the same for the same seed."""
    chance, tally, due = random.Random(seed), Tally(), _Reckoning()  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as folder:
        before = _Service(Path(folder), "before", remembers=False)
        after = _Service(Path(folder), "after", remembers=True)
        for place, case in enumerate(cases):
            for day, who, service, request in _openings(case, days, chance):
                now = (case.as_of or datetime.now(UTC)) + timedelta(days=day, hours=chance.random() * 8)
                user = f"{who}-{place}"  # the made-up patients share their ids
                chart = f"{place}"
                request["context"]["userId"] = user
                request["hookInstance"] = str(uuid4())
                all_cards, shown = (one.cards(service, request, now) for one in (before, after))
                _count(tally, due, chart, user, all_cards, shown, now)
                _react(after, due, chart, user, shown, chance)
    return tally


def _openings(case: Recorded, days: int, chance: random.Random) -> Iterator[tuple[int, str, str, Json]]:
    """Who opens the chart on which day, on which hook, one of three is corrected on the way."""
    corrected = _corrected(case.request)
    corrected_on = chance.randrange(3, days) if chance.random() < 1 / 3 else days
    for day in range(days):
        request = deepcopy(corrected if day >= corrected_on else case.request)
        for user in _USERS:
            if day == 0 or chance.random() < _OPENED:
                is_review = day in (0, corrected_on)
                yield day, user, REVIEW if is_review else CHART, request if is_review else _as_chart(request)


def _as_chart(request: Json) -> Json:
    """The same chart as it is opened on patient-view: what was under review is among its B2M results."""
    chart = deepcopy(request)
    results = chart["context"].pop("results", None)
    chart["hook"] = "patient-view"
    chart["prefetch"] = dict(chart.get("prefetch") or {})
    if results and not (chart["prefetch"].get("b2m") or {}).get("entry"):
        chart["prefetch"]["b2m"] = {**results, "type": "searchset"}
    return chart


def _results(request: Json) -> list[Json]:
    """Every B2M in serum of a call."""
    bundles = [request["context"].get("results"), *(request.get("prefetch") or {}).values()]
    entries = [e for b in bundles if isinstance(b, dict) for e in b.get("entry", []) if isinstance(e, dict)]
    resources = [entry.get("resource") or {} for entry in entries]
    return [r for r in resources if _B2M_CODES & {c.get("code") for c in (r.get("code") or {}).get("coding", [])}]


def _corrected(request: Json) -> Json:
    """The chart after every B2M in serum was corrected by a tenth of its unit."""
    found = deepcopy(request)
    for resource in _results(found):
        value = (resource.get("valueQuantity") or {}).get("value")
        if isinstance(value, (int, Decimal)):
            resource["valueQuantity"]["value"] = value + Decimal("0.1")
            resource["status"] = "corrected"
    return found


def _count(
    tally: Tally, due: _Reckoning, patient: str, user: str, all_cards: list[Json], shown: list[Json], now: datetime
) -> None:
    tally.calls += 1
    tally.cards["before"] += len(all_cards)
    tally.cards["after"] += len(shown)
    wanted = {key_of(card) for card in all_cards if due.is_due(patient, user, card, now)}
    tally.repeats += sum(key_of(card) not in wanted for card in shown)
    tally.missed += len(wanted - {key_of(card) for card in shown})
    for card in shown:
        due.show(patient, user, card, now)


def _react(after: _Service, due: _Reckoning, patient: str, user: str, shown: list[Json], chance: random.Random) -> None:
    """Every third card is set aside, every sixth until later."""
    for card in shown:
        if (drawn := chance.random()) < 1 / 3:
            soon = drawn < 1 / 6
            system, code = (HL7, "wrong-time-workflow") if soon else (OWN, "already-known")
            after.set_aside(card, system, code)
            due.set_aside(patient, user, card, soon=soon)


def cases_of(folder: Path, real: int) -> list[Recorded]:
    """The first real patients, and every made-up case about results."""
    bundles = islice(read_documents([folder / "commpass" / "bundles.ndjson.gz"]), real)
    prepared = [prepare(given, SERVICES) for given in bundles]
    patients = [call for found in prepared if isinstance(found, Prepared) for call in found.calls]
    made_up = [c for c in read_fixtures(folder) if c.service == REVIEW and c.expected["status"] == 200]
    return [*patients, *made_up]


def main() -> int:
    """Runs the month and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--patients", type=int, default=497, help="how many of the real patients")
    parser.add_argument("--days", type=int, default=_DAYS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    cases = cases_of(fixtures_folder(), given.patients)
    found = simulate(cases, given.days, given.seed)
    table = Table(
        "", "without memory", "with memory", title=f"{len(cases)} charts, {len(_USERS)} users, {given.days} days"
    )
    table.add_row("calls", str(found.calls), str(found.calls))
    table.add_row("cards", str(found.cards["before"]), str(found.cards["after"]))
    table.add_row("cards a call", *(f"{found.cards[one] / found.calls:.2f}" for one in ("before", "after")))
    table.add_row("repeats shown", str(found.cards["before"] - found.cards["after"]), str(found.repeats))
    table.add_row("findings that were due and not shown", "0", str(found.missed))
    Console().print(table)
    return 1 if found.repeats or found.missed else 0


if __name__ == "__main__":
    sys.exit(main())
