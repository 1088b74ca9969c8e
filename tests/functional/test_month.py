"""A month of charts that are opened again and again: nothing that is due is withheld, nothing is said twice."""

from bench.month import cases_of, simulate
from cds_service.replay.calls import fixtures_folder


def test_nothing_due_is_withheld_and_nothing_is_said_twice() -> None:
    found = simulate(cases_of(fixtures_folder(), 3)[::3], days=8)
    assert (found.repeats, found.missed) == (0, 0)
    assert found.cards["before"] > found.cards["after"] > 0
