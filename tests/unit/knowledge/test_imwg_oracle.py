"""The IMS/IMWG criteria against a second implementation that tries every tumour that the results allow."""

from decimal import Decimal
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.knowledge.cytogenetics import genetic_criteria
from cds_service.knowledge.model import load
from cds_service.review.chart import facts_of

RULE = next(rule for rule in load() if rule.id == "imwg-high-risk")
KEYS = ("del-17p", "tp53-mutation", "t-4-14", "t-14-16", "t-14-20", "gain-1q", "del-1p32", "del-1p32-biallelic")
WORDS = {True: "present", False: "absent"}


class Tumour(NamedTuple):
    """One way a tumour may be: del(17p) is that in more than 20 % of the clone, 1p32 the copies lost."""

    del_17p: bool
    tp53: bool
    igh: bool
    gain_1q: bool
    lost_1p32: int

    def criteria(self) -> tuple[bool, bool, bool]:
        """Criteria 1 to 3 as they are printed."""
        return (
            self.del_17p or self.tp53,
            self.igh and (self.gain_1q or self.lost_1p32 > 0),
            (self.lost_1p32 == 1 and self.gain_1q) or self.lost_1p32 == 2,
        )


def both(known: bool | None) -> tuple[bool, ...]:
    return (True, False) if known is None else (known,)


def tumours(known: dict[str, bool | None]) -> list[Tumour]:
    """Every tumour that the known abnormalities allow."""
    translocations = [known[key] for key in ("t-4-14", "t-14-16", "t-14-20")]
    igh = True if True in translocations else None if None in translocations else False
    loss, second = known["del-1p32"], known["del-1p32-biallelic"]
    lost = [n for n in (0, 1, 2) if loss in (None, n > 0) and second in (None, n == 2)]
    return [
        Tumour(*held)
        for held in product(
            both(known["del-17p"]), both(known["tp53-mutation"]), both(igh), both(known["gain-1q"]), lost
        )
    ]


def decided(outcomes: list[bool]) -> bool | None:
    return outcomes[0] if len(set(outcomes)) == 1 else None


def test_every_combination_of_the_genetics() -> None:
    """All 3 ^ 8, but for those that contradict themselves: both copies of 1p32 lost and none lost."""
    tried = 0
    for states in product((True, False, None), repeat=len(KEYS)):
        known = dict(zip(KEYS, states, strict=True))
        possible = tumours(known)
        if not possible:
            continue
        tried += 1
        expected = [decided([tumour.criteria()[n] for tumour in possible]) for n in range(3)]
        assert list(genetic_criteria(known).values()) == expected, known
    assert tried == 3**8 - 3**6


B2M = {
    "4.0 mg/L": "4",
    "5.49 mg/L": "5.49",
    "5.5 mg/L": "5.5",
    "<6 mg/L": "1 5.9",
    ">5.5 mg/L": "5.6",
    "<=5.5 mg/L": "1 5.5",
}
CREATININE = {
    None: "0.5 3",
    "1.19 mg/dL": "1.19",
    "1.2 mg/dL": "1.2",
    "106 umol/L": "1.199",
    "106.1 umol/L": "1.201",
    "<1.2 mg/dL": "0.5",
    "<=1.2 mg/dL": "0.5 1.2",
    ">2 mg/dL": "3",
}
SHARE = {
    None: None,
    "0 %": None,
    "12 %": None,
    "20 %": None,
    "20.1 %": True,
    ">50 %": True,
    ">20 %": True,
    "<50 %": None,
}


def numbers(text: str) -> list[Decimal]:
    return [Decimal(word) for word in text.split()]


def criterion_4(b2m: str, creatinine: str | None) -> bool | None:
    return decided(
        [
            level >= Decimal("5.5") and beside < Decimal("1.2")
            for level, beside in product(numbers(B2M[b2m]), numbers(CREATININE[creatinine]))
        ]
    )


def in_clone(called: bool | None, share: str | None) -> bool | None:
    """del(17p) by what the definition allows to be concluded from a share of cells and from the laboratory's call."""
    if share is None:
        return False if called is False else None
    return SHARE[share] if called is not False else None


def numbered(text: str) -> set[int]:
    """The criteria that a list names by their numbers: "del(17p) or TP53 (1); ..."; where all of 1 to 3, in one."""
    if text.startswith("the three genetic criteria (1 to 3)"):
        return {1, 2, 3, *numbered(text.removeprefix("the three genetic criteria (1 to 3)").removeprefix("; "))}
    return {int(name[-2]) for name in text.split("; ") if name not in ("none", "")}


states = st.sampled_from([True, False, None])


@settings(max_examples=400, deadline=None)
@given(
    genes=st.tuples(*[states] * len(KEYS)),
    share=st.sampled_from(list(SHARE)),
    b2m=st.sampled_from(list(B2M)),
    creatinine=st.sampled_from(list(CREATININE)),
)
def test_the_whole_rule_gives_what_trying_everything_gives(
    genes: tuple[bool | None, ...], share: str | None, b2m: str, creatinine: str | None
) -> None:
    coded = dict(zip(KEYS, genes, strict=True))
    known = coded | {"del-17p": in_clone(coded["del-17p"], share)}
    if not tumours(known):
        return
    given_: dict[str, Any] = {"b2m": b2m, "problems": ["myeloma"]}
    given_ |= {"creatinine": creatinine} if creatinine else {}
    given_ |= {"del-17p-cells": share} if share else {}
    given_["coded"] = {key: WORDS[present] for key, present in coded.items() if present is not None}
    finding = RULE.evaluate(facts_of(given_))
    if finding is None:
        assert (set(genes), share) == ({None}, None)
        assert max(numbers(B2M[b2m])) < Decimal("5.5")
        return
    expected = [decided([tumour.criteria()[n] for tumour in tumours(known)]) for n in range(3)]
    expected.append(criterion_4(b2m, creatinine))
    for name, judged in (("met", True), ("not_met", False), ("not_known", None)):
        assert numbered(finding.values[name]) == {n + 1 for n, met in enumerate(expected) if met is judged}
    assert (finding.outcome == "high_risk") == (True in expected)
    assert (finding.outcome == "none_met") == (set(expected) == {False})


@pytest.mark.parametrize("outcome", ["none_met", "none_met_among_tested", "not_known"])
def test_nothing_is_called_standard_risk(outcome: str) -> None:
    assert not any("standard risk" in text.lower() for text in RULE.texts().values())
    assert "no criterion met" in RULE.outcomes[outcome].found or outcome == "not_known"
