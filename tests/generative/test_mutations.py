"""Any fixture, changed anywhere in any way: never a 5xx, never an unescaped text, never a card about a stranger.

``MUTATIONS`` in the environment sets how many are tried (200 unless told).
"""

import copy
import json
import os
import random
from decimal import Decimal
from typing import Any

import pytest

from cds_service.replay.calls import Recorded, fixtures_folder, read_fixtures
from tests.functional.run import NOW, post

CASES = list(read_fixtures(fixtures_folder()))
TRIED = int(os.environ.get("MUTATIONS", "200"))
BATCHES = 10
JUNK: list[Any] = [
    None, "", " ", "x" * 300, "<b>&\"'|`*_[a](http://x)", "\ud800", "\u202e", 0, -1, 10**15, Decimal("1E+40"), True,
    [], {}, [None], [[]], {"a": {"a": {}}}, "Patient/p", "2026-02-30", "0001-01-01T00:00:00+14:00", "NaN",
    {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Observation"}}]}, {"resourceType": 7},
]  # fmt: skip
KEPT = ("hook", "hookInstance", "context")


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a document but its root and the protocol's own fields."""
    if not isinstance(document, (dict, list)):
        return []
    found = []
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        deeper = (*path, key)
        if deeper not in {(name,) for name in KEPT}:
            found.append(deeper)
        found += places(value, deeper)
    return found


def mutate(document: Any, chance: random.Random) -> Any:
    """A copy with one to four places dropped, replaced, duplicated, retyped or exchanged."""
    changed = copy.deepcopy(document)
    for _ in range(chance.randint(1, 4)):
        path = chance.choice(places(changed))
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        key = path[-1]
        match chance.randrange(5):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(chance.choice(JUNK))
            case 2:
                holder[key] = [copy.deepcopy(holder[key])] * 2
            case 3:
                holder[key] = str(holder[key])
            case _:
                other = chance.choice(places(document))
                value = document
                for step in other:
                    value = value[step]
                holder[key] = copy.deepcopy(value)
    return changed


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_mutation_breaks_the_service(batch: int) -> None:
    chance = random.Random(batch)  # noqa: S311 - repeatable on purpose
    for _ in range(max(TRIED // BATCHES, 1)):
        case = chance.choice(CASES)
        request = mutate(case.request, chance)
        answer = post(case.service, request_bytes(request), as_of=case.as_of or NOW)
        assert answer.status_code in (200, 400, 412), (case.name, json.dumps(request, default=str)[:3000])
        if answer.status_code == 200:
            for card in answer.get_json()["cards"]:
                check_card(card, case)


def check_card(card: dict[str, Any], case: Recorded) -> None:
    assert 0 < len(card["summary"]) < 140
    assert "<b>" not in card["detail"]
    assert "](http://x" not in card["detail"]
    assert card["indicator"] in ("info", "warning"), case.name


def request_bytes(request: Any) -> bytes:
    """JSON with numbers as written; a lone surrogate goes out as its escape."""
    return json.dumps(request, default=lambda number: float(number) if abs(number) < 10**30 else 1e308).encode()
