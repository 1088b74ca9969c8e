"""What a call came to, as plain values that can be saved, compared and shown."""

import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from cds_service.cards.compose import EXTENSION
from cds_service.fhir.shape import Json, element, objects, text

_AGE_CELL = re.compile(r"^((?:\|[^|\n]*){4}\|)[^|\n]*\|", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A call's answer. ``problem`` says why there are no cards where the service refused or failed.

    ``account`` counts the Observations sent, by what became of them; ``milliseconds`` is how long the answer took.
    """

    name: str
    patient: str
    service: str
    as_of: str
    status: int
    cards: tuple[Json, ...] = ()
    problem: str = ""
    missing: tuple[str, ...] = ()
    account: dict[str, int] = field(default_factory=dict)
    milliseconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the service failed, and did not only refuse."""
        return self.status >= 500 or self.status == 0

    def to_json(self) -> Json:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Json) -> "Outcome":
        """Back from plain JSON."""
        return cls(**{**saved, "cards": tuple(saved["cards"]), "missing": tuple(saved["missing"])})


def key_of(outcome: Outcome) -> tuple[str, str, str]:
    """What makes two outcomes of two runs the same call."""
    return outcome.name, outcome.patient, outcome.service


def steady(card: Json) -> Json:
    """A card without what differs each time or each day: uuids, the ages of results; and which knowledge it is of."""
    kept = {name: value for name, value in card.items() if name != "uuid"}
    basis = element(card, "extension", EXTENSION)
    if isinstance(basis, dict):
        kept["extension"] = {EXTENSION: {name: value for name, value in basis.items() if name != "knowledge"}}
    kept["detail"] = _AGE_CELL.sub(r"\1 |", text(card, "detail"))
    kept["suggestions"] = [{k: v for k, v in s.items() if k != "uuid"} for s in objects(card, "suggestions")]
    return kept


def rules_of(card: Json) -> list[str]:
    """The findings behind a card, as rule/outcome; the label of its source where the card does not say."""
    named = [
        f"{rule['id']}/{rule['finding']}"
        for rule in objects(card, "extension", EXTENSION, "rules")
        if "finding" in rule
    ]
    return named or [text(card, "source", "label") or "unknown"]


def lead_rule(card: Json) -> str:
    """The rule that leads a card, or the label of its source."""
    return rules_of(card)[0].split("/")[0]


def total_account(outcomes: list[Outcome], left_out: Counter[str]) -> Counter[str]:
    """The Observations of all calls and those in none, by what became of them."""
    total = Counter(left_out)
    for outcome in outcomes:
        total.update(outcome.account)
    return total


def patient_of(request: Json) -> str:
    """The patient id of a call's context, or ""."""
    found: Any = element(request, "context", "patientId")
    return found if isinstance(found, str) else ""
