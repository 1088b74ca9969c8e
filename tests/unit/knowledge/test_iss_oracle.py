"""ISS against a naive second implementation that tries every value an interval may hold."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts import Interval
from cds_service.knowledge.model import load
from cds_service.knowledge.myeloma import possible_iss_stages

RULE = next(rule for rule in load() if rule.id == "iss-stage")
B2M = [Decimal(n) / 4 for n in range(1, 40)]
ALBUMIN = [Decimal(n) / 2 for n in range(40, 100)]


def naive(b2m: Decimal, albumin: Decimal) -> int:
    """Greipp 2005, read off the paper's table: B2M in mg/L, albumin in g/L."""
    if b2m >= Decimal("5.5"):
        return 3
    return 1 if b2m < Decimal("3.5") and albumin >= Decimal(35) else 2


def holds(interval: Interval, value: Decimal) -> bool:
    above = interval.low is None or value > interval.low or (value == interval.low and not interval.low_open)
    below = interval.high is None or value < interval.high or (value == interval.high and not interval.high_open)
    return above and below


def finer(values: list[Decimal]) -> list[Decimal]:
    """Values between those that an interval may end in, so that none of its parts is missed."""
    return [value + Decimal(step) / 16 for value in [Decimal("0.01"), *values] for step in range(4)]


def intervals(values: list[Decimal]) -> st.SearchStrategy[Interval]:
    ends = st.sampled_from(values)
    return st.one_of(
        st.builds(Interval.exactly, ends),
        st.builds(lambda high, open_: Interval(None, high, high_open=open_), ends, st.booleans()),
        st.builds(lambda low, open_: Interval(low, None, low_open=open_), ends, st.booleans()),
        st.builds(lambda a, b: Interval(min(a, b), max(a, b)), ends, ends),
    )


@given(b2m=intervals(B2M), albumin=st.none() | intervals(ALBUMIN))
def test_the_set_of_stages_is_what_trying_every_value_gives(b2m: Interval, albumin: Interval | None) -> None:
    levels = [value for value in finer(B2M) if holds(b2m, value)]
    albumins = [value for value in finer(ALBUMIN) if albumin is None or holds(albumin, value)]
    tried = {naive(level, beside) for level in levels for beside in albumins}
    assert possible_iss_stages(b2m, albumin, RULE) == tried
