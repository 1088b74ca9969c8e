"""R-ISS against a second implementation that tries every value that what is not known may have."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from cds_service.knowledge.model import load
from cds_service.knowledge.revised_iss import r_iss_stages
from cds_service.review.chart import facts_of

RULE = next(rule for rule in load() if rule.id == "r-iss-stage")
LESIONS = ("del-17p", "t-4-14", "t-14-16")
KNOWN = (True, False, None)
ULN = Decimal(250)

#: What a result may stand for, tried value by value: as printed, and the levels that it leaves possible.
B2M = {
    "2.0 mg/L": "2.0",
    "4.0 mg/L": "4.0",
    "5.5 mg/L": "5.5",
    "<3.5 mg/L": "1.0 3.49",
    "<=3.5 mg/L": "1.0 3.5",
    "<6 mg/L": "1.0 3.5 5.5",
    ">3.5 mg/L": "3.51 5.5",
    ">5.5 mg/L": "5.51",
}
ALBUMIN = {None: "20 34.9 35 50", "30 g/L": "30", "35 g/L": "35", "<40 g/L": "20 34.9 35", "<35 g/L": "34.9"}
LDH = {
    None: "100 250 251",
    "250 U/L": "250",
    "251 U/L": "251",
    "<300 U/L": "100 250 251 299",
    "<=250 U/L": "250",
    ">250 U/L": "251",
}


def paper(b2m: Decimal, albumin: Decimal, ldh: Decimal, *, high_risk: bool) -> int:
    """Palumbo 2015, table 1, from the laboratory values up."""
    if b2m >= Decimal("5.5"):
        return 3 if high_risk or ldh > ULN else 2
    if b2m < Decimal("3.5") and albumin >= 35 and not high_risk and ldh <= ULN:
        return 1
    return 2


def numbers(text: str) -> list[Decimal]:
    return [Decimal(word) for word in text.split()]


def charts() -> Iterator[tuple[Any, ...]]:
    """Every printed B2M with every albumin, LDH and FISH; albumin only where a stage I is left to decide."""
    for b2m, albumin, ldh in product(B2M, ALBUMIN, LDH):
        if albumin is None or "<" in b2m or b2m.startswith("2"):
            yield from ((b2m, albumin, ldh, fish) for fish in product(KNOWN, repeat=3))


@pytest.mark.parametrize("b2m", B2M)
def test_the_stages_are_what_trying_every_value_gives(b2m: str) -> None:
    for printed, albumin, ldh, fish in charts():
        if printed != b2m:
            continue
        given: dict[str, Any] = {"b2m": b2m, "problems": ["myeloma"]}
        given |= {"albumin": albumin} if albumin else {}
        given |= {"ldh": {"is": ldh, "upper_limit": str(ULN)}} if ldh else {}
        words = {True: "present", False: "absent"}
        given["coded"] = {
            key: words[present] for key, present in zip(LESIONS, fish, strict=True) if present is not None
        }
        risks = {True} if True in fish else {False} if None not in fish else {True, False}
        tried = {
            paper(*levels, high_risk=risk)
            for levels in product(numbers(B2M[b2m]), numbers(ALBUMIN[albumin]), numbers(LDH[ldh]))
            for risk in risks
        }
        finding = RULE.evaluate(facts_of(given))
        shown = {1, 2, 3} if finding is None else {len(word) for word in finding.values["stages"].split(" or ")}
        assert shown == tried, given


@pytest.mark.parametrize("iss", [{1}, {2}, {3}, {1, 2}, {1, 3}, {2, 3}, {1, 2, 3}], ids=str)
def test_every_set_of_iss_stages_with_every_completion(iss: set[int]) -> None:
    table = {(1, False): 1, (1, True): 2, (2, False): 2, (2, True): 2, (3, False): 2, (3, True): 3}
    for ldh, *fish in product(KNOWN, repeat=4):
        known = [ldh, *fish]
        adverse = {True} if True in known else {True, False} if None in known else {False}
        assert r_iss_stages(iss, ldh, fish) == {table[stage, bad] for stage in iss for bad in adverse}


def test_how_many_charts_there_are() -> None:
    assert len(list(charts())) == (4 * 5 + 4) * 6 * 27
