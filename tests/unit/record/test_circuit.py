"""How long a store is left alone, and what is said of it."""

import logging

import pytest

from cds_service.record.circuit import COOL_DOWN_SECONDS, Circuit


def test_a_failure_is_logged_once_a_cool_down_with_what_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    circuit = Circuit(lambda: now[0])
    with caplog.at_level(logging.WARNING):
        circuit.succeed()
        assert not circuit.is_open
        assert caplog.text == ""
        for kind in ("decision", "token", "decision", None):
            circuit.lose(kind)
            circuit.fail("OperationalError")
            assert circuit.is_open
        assert (
            caplog.text.count("the store cannot be used: OperationalError; not kept since the start: decision 1") == 1
        )
        now[0] += COOL_DOWN_SECONDS
        assert not circuit.is_open
        circuit.fail("OperationalError")
        assert "decision 2, token 1" in caplog.text
        circuit.succeed()
        assert caplog.text.count("can be used again") == 1
    assert not circuit.is_open
    assert circuit.lost == {"decision": 2, "token": 1}


def test_nothing_lost_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    Circuit(lambda: 0.0).fail("x")
    assert "not kept since the start: nothing" in caplog.text


def test_after_a_failure_one_tries_at_a_time() -> None:
    now = [0.0]
    circuit = Circuit(lambda: now[0])
    with circuit.attempt() as one, circuit.attempt() as other:
        assert (one, other) == (True, True)
    circuit.fail("OperationalError")
    with circuit.attempt() as call, circuit.attempt(at_once=True) as feedback, circuit.attempt(at_once=True) as more:
        assert (call, feedback, more) == (False, True, False)
    now[0] += COOL_DOWN_SECONDS
    with circuit.attempt() as probe, circuit.attempt() as other, circuit.attempt(at_once=True) as feedback:
        assert (probe, other, feedback) == (True, False, False)
        circuit.fail("OperationalError")
    with circuit.attempt() as call:
        assert not call
    with pytest.raises(ZeroDivisionError), circuit.attempt(at_once=True):
        raise ZeroDivisionError
    with circuit.attempt(at_once=True) as feedback:
        assert feedback
        circuit.succeed()
    with circuit.attempt() as one, circuit.attempt() as other:
        assert (one, other) == (True, True)
