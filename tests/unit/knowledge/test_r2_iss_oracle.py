"""R2-ISS against the whole table written out, and against trying both for all that is not known."""

from decimal import Decimal
from itertools import product

import pytest

from cds_service.knowledge.model import load
from cds_service.knowledge.revised_iss import R2_ISS_GROUPS, r2_iss_groups, r2_iss_points
from cds_service.review.chart import facts_of

RULE = next(rule for rule in load() if rule.id == "r2-iss-stage")

#: ISS, del(17p), LDH above its limit, t(4;14), 1q gain: points and group, from the published weights by hand.
TABLE = """
I    -  -  -  -  0    I
I    -  -  -  +  0.5  II
I    -  -  +  -  1    II
I    -  -  +  +  1.5  III
I    -  +  -  -  1    II
I    -  +  -  +  1.5  III
I    -  +  +  -  2    III
I    -  +  +  +  2.5  III
I    +  -  -  -  1    II
I    +  -  -  +  1.5  III
I    +  -  +  -  2    III
I    +  -  +  +  2.5  III
I    +  +  -  -  2    III
I    +  +  -  +  2.5  III
I    +  +  +  -  3    IV
I    +  +  +  +  3.5  IV
II   -  -  -  -  1    II
II   -  -  -  +  1.5  III
II   -  -  +  -  2    III
II   -  -  +  +  2.5  III
II   -  +  -  -  2    III
II   -  +  -  +  2.5  III
II   -  +  +  -  3    IV
II   -  +  +  +  3.5  IV
II   +  -  -  -  2    III
II   +  -  -  +  2.5  III
II   +  -  +  -  3    IV
II   +  -  +  +  3.5  IV
II   +  +  -  -  3    IV
II   +  +  -  +  3.5  IV
II   +  +  +  -  4    IV
II   +  +  +  +  4.5  IV
III  -  -  -  -  1.5  III
III  -  -  -  +  2    III
III  -  -  +  -  2.5  III
III  -  -  +  +  3    IV
III  -  +  -  -  2.5  III
III  -  +  -  +  3    IV
III  -  +  +  -  3.5  IV
III  -  +  +  +  4    IV
III  +  -  -  -  2.5  III
III  +  -  -  +  3    IV
III  +  -  +  -  3.5  IV
III  +  -  +  +  4    IV
III  +  +  -  -  3.5  IV
III  +  +  -  +  4    IV
III  +  +  +  -  4.5  IV
III  +  +  +  +  5    IV
"""
STAGES = {"I": 1, "II": 2, "III": 3}
ITEMS = ("del_17p", "ldh", "t_4_14", "gain_1q")
ROWS = [row.split() for row in TABLE.strip().splitlines()]
GROUPS = dict(zip(("I", "II", "III", "IV"), R2_ISS_GROUPS, strict=True))
LEVELS = {"I": ("2.0 mg/L", "40 g/L"), "II": ("4.0 mg/L", "40 g/L"), "III": ("6.0 mg/L", "40 g/L")}


def by_hand() -> dict[tuple[int, ...], tuple[Decimal, str]]:
    return {
        (STAGES[iss], *(sign == "+" for sign in signs)): (Decimal(points), GROUPS[group])
        for iss, *signs, points, group in ROWS
    }


def test_the_table_is_whole() -> None:
    assert len(ROWS) == len(by_hand()) == 48
    assert {Decimal(points) for *_, points, _ in ROWS} == {Decimal(half) / 2 for half in range(11)}


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_each_combination_gives_its_points_and_group(row: list[str]) -> None:
    iss, *signs, points, group = row
    del_17p, ldh, t_4_14, gain = (sign == "+" for sign in signs)
    b2m, albumin = LEVELS[iss]
    fish = {"del-17p": del_17p, "t-4-14": t_4_14, "gain-1q": gain}
    finding = RULE.evaluate(
        facts_of(
            {
                "b2m": b2m,
                "albumin": albumin,
                "ldh": {"is": "251 U/L" if ldh else "250 U/L", "upper_limit": "250"},
                "problems": ["myeloma"],
                "coded": {key: "present" if there else "absent" for key, there in fish.items()},
            }
        )
    )
    assert finding is not None
    assert finding.outcome == "one_group"
    counted = "1 point" if points == "1" else f"{points} points"
    assert (finding.values["points"], finding.values["groups"]) == (counted, GROUPS[group])


@pytest.mark.parametrize("iss", [{1}, {2}, {3}, {1, 2}, {2, 3}, {1, 2, 3}], ids=str)
def test_what_is_not_known_is_counted_both_ways(iss: set[int]) -> None:
    table = by_hand()
    for known in product((True, False, None), repeat=4):
        tried = [
            table[stage, *held]
            for stage in iss
            for held in product((True, False), repeat=4)
            if all(state is None or state == there for state, there in zip(known, held, strict=True))
        ]
        points = r2_iss_points(iss, dict(zip(ITEMS, known, strict=True)), RULE)
        assert points == {total for total, _ in tried}
        assert set(r2_iss_groups(points, RULE)) == {group for _, group in tried}
