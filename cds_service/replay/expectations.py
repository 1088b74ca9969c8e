"""What an expected.json asks of an outcome, and what differs."""

from cds_service.fhir.shape import Json, text
from cds_service.replay.outcome import Outcome


def differences(outcome: Outcome, expected: Json) -> list[str]:
    """What of ``expected`` the outcome does not meet; empty where it meets all.

    ``status`` (200 unless told); ``cards``: a list of {summary, indicator, must_say, must_not_say}, [] for none;
    ``missing``: texts that have to be among the missing data.
    """
    found = []
    status = expected.get("status", 200)
    if outcome.status != status:
        found.append(f"status {outcome.status}, expected {status}{': ' + outcome.problem if outcome.problem else ''}")
    wanted = expected.get("cards")
    if isinstance(wanted, list) and outcome.status == status == 200:
        found += _of_cards(outcome, wanted)
    missing = expected.get("missing", [])
    found += [f"missing data does not name {m!r}" for m in missing if not any(m in has for has in outcome.missing)]
    return found


def _of_cards(outcome: Outcome, wanted: list[Json]) -> list[str]:
    if len(outcome.cards) != len(wanted):
        summaries = [text(card, "summary") for card in outcome.cards]
        return [f"{len(outcome.cards)} cards {summaries}, expected {len(wanted)}"]
    found = []
    for card, asked in zip(outcome.cards, wanted, strict=True):
        said = f"{text(card, 'summary')}\n{text(card, 'detail')}"
        for part in ("summary", "indicator"):
            if part in asked and asked[part] != card.get(part):
                found.append(f"{part} is {card.get(part)!r}, expected {asked[part]!r}")
        found += [f"does not say {words!r}" for words in asked.get("must_say", []) if words not in said]
        found += [f"says {words!r}" for words in asked.get("must_not_say", []) if words in said]
    return found
