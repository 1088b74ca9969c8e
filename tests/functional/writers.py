"""What the workers of the store's tests write, each in a process of its own."""

from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

from cds_service.record.account import Account, Row
from cds_service.record.store import Store

AT = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
EXPIRES = datetime(2126, 3, 3, tzinfo=UTC)


def name(*parts: object) -> str:
    """A UUID that is the same for the same parts."""
    return str(uuid5(NAMESPACE_OID, "/".join(map(str, parts))))


def account(number: str, at: datetime = AT) -> Account:
    """A decision with one card on which two rules spoke."""
    row: Row = {
        "id": name("decision", number),
        "at": at,
        "service": "b2m-result-review",
        "hook": "lab-result-review",
        "client": "",
        "patient_pseudonym": None,
        "user_pseudonym": None,
        "instance_pseudonym": None,
        "knowledge": "1.0.0 sha256:0",
        "read": [],
        "found": [],
        "missing": [],
        "failures": [],
        "silent": [],
        "held": [],
        "timings": {"read": 0.5},
        "took_ms": 1.5,
    }
    card = {"uuid": name("card", number), "decision": row["id"], "indicator": "info", "result_pseudonym": None}
    rules = [{"card": card["uuid"], "rule": rule, "finding": "f", "version": "1.0.0"} for rule in ("a", "b")]
    return Account(row, (card,), tuple(rules))


def told(number: str, *, outcome: str = "overridden", outcome_at: datetime = AT, received: datetime = AT) -> Row:
    """Feedback on the card of a decision."""
    return {
        "card": name("card", number),
        "outcome": outcome,
        "outcome_at": outcome_at,
        "digest": "0" * 64,
        "received_at": received,
        "service": "b2m-result-review",
        "client": "",
        "accepted_suggestions": [],
        "reason_system": None,
        "reason_code": None,
        "comment": None,
    }


def write(url: str, worker: int, times: int) -> tuple[int, dict[str, int]]:
    """Writes what is this worker's own, and what all write alike; how many tokens it saw first, what it lost."""
    store, first = Store(url, patience_seconds=30), 0
    for turn in range(times):
        mine = f"{worker}/{turn}"
        store.remember(account(mine))
        store.feedback([told(mine), told(f"shared/{turn}")])
        assert store.first_use("ehr", mine, EXPIRES)
        first += store.first_use("ehr", f"shared/{turn}", EXPIRES)
    lost = dict(store.lost)
    store.close()
    return first, lost
