"""A level and the limit that holds for it."""

from cds_service.knowledge.levels import Level
from cds_service.review.chart import facts_of


def test_without_a_limit_there_is_none_to_show() -> None:
    b2m = facts_of({"b2m": "2.9 mg/L"}).b2m
    assert b2m is not None
    assert Level().filed(b2m) == ""
