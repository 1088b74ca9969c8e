"""What is done before workers fork."""

import gc

import pytest

from cds_service.app import before_fork, create_app
from cds_service.config import Settings
from cds_service.decide import Decision, decide


def test_a_call_is_rehearsed_and_what_is_there_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Decision] = []
    monkeypatch.setattr("cds_service.app.decide", lambda *call, **given: made.append(decide(*call, **given)))
    try:
        before_fork(create_app(Settings(open_access=True, database_url="sqlite://")))
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
    (decision,) = made
    assert [finding.rule for finding in decision.findings][:1], "rules were run"
    assert decision.cards
    assert not decision.failures
