"""Two runs side by side: what is new, gone, reworded, of another indicator or of other findings."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cds_service.errors import InputFileError
from cds_service.fhir.shape import Json, text
from cds_service.replay.inputs import parse
from cds_service.replay.outcome import Outcome, key_of, lead_rule, rules_of, steady

_FILE = "outcomes.ndjson"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs between two runs, by rule and by patient."""

    kind: str
    name: str
    patient: str
    rule: str
    before: str
    after: str


def save(outcomes: Iterable[Outcome], folder: Path) -> None:
    """Writes a run into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(outcome.to_json(), ensure_ascii=False, default=str) for outcome in outcomes]
    (folder / _FILE).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def load_saved(folder: Path) -> list[Outcome]:
    """A run that was saved.

    Raises:
        InputFileError: there is none in ``folder``, or it cannot be read.
    """
    path = folder / _FILE
    if not path.is_file():
        raise InputFileError(f"{folder} holds no saved run ({_FILE}); make one with --save {folder}")
    try:
        return [Outcome.from_json(parse(line)) for line in path.read_bytes().splitlines()]
    except (InputFileError, TypeError, KeyError) as error:
        raise InputFileError(f"{path} is no saved run: {error}") from error


def compare(before: Iterable[Outcome], after: Iterable[Outcome]) -> list[Difference]:
    """What differs, calls in the order of the second run, then those that only the first has."""
    earlier = {key_of(outcome): outcome for outcome in before}
    found = []
    for outcome in after:
        found += _of_call(earlier.pop(key_of(outcome), None), outcome)
    for gone in earlier.values():
        found += _of_call(gone, None)
    return found


def _of_call(before: Outcome | None, after: Outcome | None) -> list[Difference]:
    name, patient, _ = key_of(after or before or _NOTHING)
    found = []
    if before and after and before.status != after.status:
        found.append(Difference("status", name, patient, "", str(before.status), str(after.status)))
    left = {_subject(card): card for card in before.cards} if before else {}
    right = {_subject(card): card for card in after.cards} if after else {}
    for subject in dict.fromkeys([*left, *right]):
        rule = lead_rule(right.get(subject) or left[subject])
        changes = _of_card(left.get(subject), right.get(subject))
        found += [Difference(kind, name, patient, rule, old, new) for kind, old, new in changes]
    return found


_NOTHING = Outcome("", "", "", "", 0)


def _subject(card: Json) -> str:
    """What a card is about: its topic, else what it says."""
    return text(card, "source", "topic", "code") or text(card, "summary")


def _of_card(before: Json | None, after: Json | None) -> list[tuple[str, str, str]]:
    if before is None or after is None:
        kind = "new" if before is None else "gone"
        return [(kind, text(before, "summary"), text(after, "summary"))]
    found = []
    if before.get("indicator") != after.get("indicator"):
        found.append(("indicator", text(before, "indicator"), text(after, "indicator")))
    if rules_of(before) != rules_of(after):
        found.append(("findings", ", ".join(rules_of(before)), ", ".join(rules_of(after))))
    old, new = steady(before), steady(after)
    if old["summary"] != new["summary"]:
        found.append(("reworded", old["summary"], new["summary"]))
    elif old != new and not found:
        found.append(("reworded", *_first_difference(old["detail"], new["detail"])))
    return found


def _first_difference(before: str, after: str) -> tuple[str, str]:
    """The first line in which two details differ."""
    lines = zip([*before.split("\n"), ""], [*after.split("\n"), ""], strict=False)
    return next(((old, new) for old, new in lines if old != new), ("", ""))
