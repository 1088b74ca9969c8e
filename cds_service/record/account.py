"""What of a call and of feedback is kept, as rows of the store: nothing from the chart in the clear.

No id but as a pseudonym, no result, no date of birth, no name, no text from the chart.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from cds_service.cards.compose import EXTENSION
from cds_service.decide import Decision
from cds_service.facts import CodedResult, Facts, Medication, Problem, Procedure, Result
from cds_service.knowledge import identity
from cds_service.models import Card, Feedback, HookRequest
from cds_service.record.pseudonyms import Pseudonyms

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SYSTEM = re.compile(r"(?:https?://|urn:)[A-Za-z0-9._:/~-]{1,200}")
_LONGEST_COMMENT = 4000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """What is kept of one call: the decision, the cards that went out, and the rules that spoke on them."""

    decision: Row
    cards: tuple[Row, ...]
    card_rules: tuple[Row, ...]


def knowledge_version() -> str:
    """The version of the knowledge that decides, and its hash."""
    return f"{identity.source().version} {identity.knowledge_hash()}"


def account_of(
    decision: Decision,
    call: HookRequest,
    *,
    service: str,
    client: str,
    at: datetime,
    pseudonyms: Pseudonyms,
    silent: Iterable[str] = (),
    scope: str | None = None,
) -> Account:
    """What is kept of a decision that was reached at ``at`` for this client ("" where access is open).

    ``silent`` are the rules that decided and were not to show anything; ``scope`` is within what ids are unique, the
    client by default.
    """
    scope = client if scope is None else scope
    number = str(uuid4())
    facts = decision.facts

    def hidden(reference: str) -> str | None:
        return pseudonyms.of("result", scope, reference)

    row = {
        "id": number,
        "at": at,
        "service": service,
        "hook": call.hook,
        "client": client,
        "patient_pseudonym": pseudonyms.of("patient", scope, call.context.patientId),
        "user_pseudonym": pseudonyms.of("user", scope, call.context.userId),
        "instance_pseudonym": pseudonyms.of("instance", scope, str(call.hookInstance)),
        "knowledge": knowledge_version(),
        "read": [name for name in map(hidden, _references(facts)) if name],
        "found": [[f.rule, f.version, f.specimen, f.outcome] for f in decision.findings],
        "missing": [[item, reason] for item, reason in dict.fromkeys(missing_of(decision))],
        "failures": [[f.rule, f.specimen, f.error] for f in decision.failures],
        "silent": sorted(silent),
        "held": [[h.saying.lead, h.shown_at.isoformat(), h.until.isoformat()] for h in decision.held],
        "timings": {stage: round(ms, 3) for stage, ms in decision.timings.items()},
        "took_ms": round(sum(decision.timings.values()), 3),
    }
    cards = tuple(
        {
            "uuid": card.uuid,
            "decision": number,
            "indicator": card.indicator,
            "result_pseudonym": hidden(_result_of(card, facts)),
            "said_pseudonym": pseudonyms.of("said", scope, said_of(call, saying.text)),
        }
        for card, saying in zip(decision.cards, decision.sayings, strict=True)
    )
    return Account(row, cards, tuple(rule for card in decision.cards for rule in _rules_of(card)))


def said_of(call: HookRequest, text: str) -> str:
    """A saying as what its pseudonym is made of: of one patient."""
    return f"{call.context.patientId}\0{text}"


def feedback_rows(
    given: Iterable[Feedback], *, service: str, client: str, received: datetime, keep_comments: bool
) -> list[Row]:
    """Feedback as rows. What a coded reason holds is kept where it is a code by its shape, comments where wanted."""
    rows = [
        {
            "card": str(one.card),
            "outcome": one.outcome,
            "outcome_at": one.outcomeTimestamp,
            "received_at": received,
            "service": service,
            "client": client,
            "accepted_suggestions": [name for taken in one.acceptedSuggestions or () for name in _uuid(taken.id)],
            **_reason(one),
            "comment": _comment(one) if keep_comments else None,
        }
        for one in given
    ]
    return [row | {"digest": _digest(row)} for row in rows]


def _digest(row: Row) -> str:
    """What tells one reaction from another of the same moment: the same that is sent again is kept once."""
    told = [row[name] for name in ("client", "accepted_suggestions", "reason_system", "reason_code", "comment")]
    return sha256(json.dumps(told).encode()).hexdigest()


def _references(facts: Facts | None) -> Iterator[str]:
    """The resources that were read, each once."""
    if facts:
        read: list[Result | CodedResult | Problem | Medication | Procedure] = [*facts.results, *facts.coded]
        read += [*facts.problems, *facts.medications, *facts.procedures]
        yield from dict.fromkeys(entry.reference for entry in read)


def missing_of(decision: Decision) -> Iterator[tuple[str, str]]:
    """What was missing, and why; without facts, what the chart says of it."""
    for missing in decision.facts.missing if decision.facts else decision.chart.missing:
        yield missing.item, missing.reason.value


def _result_of(card: Card, facts: Facts | None) -> str:
    """The reference of the B2M result that a card is about: the first that it names; the last, if unreadable."""
    named = card.extension[EXTENSION].get("observations", ())
    for found in facts.under_review.values() if facts and named else ():
        if found.reference == named[0 if isinstance(found, Result) else -1]:
            return found.reference
    return ""


def _rules_of(card: Card) -> Iterator[Row]:
    """Each finding that a card tells of; none where no rule could be run."""
    said = {(r["id"], r["finding"]): r["version"] for r in card.extension[EXTENSION].get("rules", ()) if "finding" in r}
    for (rule, finding), version in said.items():
        yield {"card": card.uuid, "rule": rule, "finding": finding, "version": version}


def _reason(one: Feedback) -> Mapping[str, str | None]:
    reason = one.overrideReason.reason if one.overrideReason else None
    code, system = (reason.code, reason.system or "") if reason else ("", "")
    return {
        "reason_system": system if _SYSTEM.fullmatch(system) else None,
        "reason_code": code if _CODE.fullmatch(code) else None,
    }


def _comment(one: Feedback) -> str | None:
    """A comment as every database takes it: without NUL and lone surrogates, cut where it is too long."""
    text = (one.overrideReason.userComment if one.overrideReason else None) or ""
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:_LONGEST_COMMENT] or None


def _uuid(text: str) -> Iterator[str]:
    try:
        yield str(UUID(text))
    except ValueError:
        return
