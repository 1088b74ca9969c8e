"""The prognostic indices against naive second implementations that try every completion, and what they are made of.

Each oracle is read off the publication and knows nothing of the code: whole answers in, points and group out.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts import Interval
from cds_service.knowledge import scores
from cds_service.knowledge.model import Rule, load
from cds_service.review.chart import facts_of

RULES = {rule.id: rule for rule in load()}
ANSWERS = (True, False, None)
SAID = {True: "present", False: "absent", None: "unclear"}

Answers = dict[str, bool | None]
Naive = Callable[..., tuple[int, str]]
Charts = Callable[[Answers], dict[str, Any]]


# ------------------------------------------------------------------ oracles: published tables, whole answers


def cll_ipi(
    *, deleted: bool, mutated: bool, unmutated_ighv: bool, b2m: bool, stage: bool, old: bool
) -> tuple[int, str]:
    points = 4 * (deleted or mutated) + 2 * unmutated_ighv + 2 * b2m + stage + old
    if points >= 7:
        return points, "very high"
    if points >= 4:
        return points, "high"
    return points, "intermediate" if points >= 2 else "low"


def flipi2(**factors: bool) -> tuple[int, str]:
    points = sum(factors.values())
    return points, {0: "low", 1: "intermediate", 2: "intermediate"}.get(points, "high")


def ipsswm(*, old: bool, **others: bool) -> tuple[int, str]:
    adverse = sum(others.values())
    if old + adverse >= 3:
        return old + adverse, "high"
    if old + adverse == 2 or (old and adverse == 0):
        return old + adverse, "intermediate"
    return adverse, "low"


def r_ipsswm(*, from_66: bool, from_76: bool, b2m: bool, ldh: bool, albumin: bool) -> tuple[int, str]:
    points = (2 if from_76 else 1 if from_66 else 0) + b2m + ldh + albumin
    return points, ["very low", "low", "intermediate", "high", "very high", "very high"][points]


def geltamo(**answers: bool) -> tuple[int, str]:
    age = 2 if answers["from_80"] else 1 if answers["from_65"] else 0
    ecog = 2 if answers["ecog_3"] else 1 if answers["ecog_2"] else 0
    points = age + ecog + answers["ldh"] + answers["b2m"] + answers["stage"]
    if points == 0:
        return 0, "low"
    return points, "low-intermediate" if points <= 3 else "high-intermediate" if points == 4 else "high"


# ------------------------------------------------------------------ charts of an answer each


def result(answer: bool | None, yes: str, no: str, **more: Any) -> Any:
    """A result on one side of a limit; None is left out of the chart."""
    return None if answer is None else {"is": yes if answer else no, **more}


def chart(problem: str, b2m: Any, coded: dict[str, bool | None], **rest: Any) -> dict[str, Any]:
    found = {key: SAID[answer] for key, answer in coded.items()}
    there = {key.replace("_", "-"): value for key, value in rest.items() if value is not None}
    return {"problems": [problem], "b2m": b2m, "coded": found, **there}


def b2m_of(answer: bool | None, limit: str) -> Any:
    """A B2M above or below ``limit`` mg/L, or one that does not say."""
    return {True: "9 mg/L", False: "1 mg/L", None: f">{Decimal(limit) / 2} mg/L"}[answer]


def b2m_of_laboratory(answer: bool | None) -> Any:
    return {
        True: {"is": "9 mg/L", "upper_limit": "2.4"},
        False: {"is": "1 mg/L", "upper_limit": "2.4"},
        None: "9 mg/L",
    }[answer]


def years(answer: bool | None, limit: int) -> Any:
    return {True: limit + 1, False: limit, None: "unknown"}[answer]


def cll_chart(a: Answers) -> dict[str, Any]:
    coded = {
        "del-17p": a["deleted"],
        "tp53-mutation": a["mutated"],
        "ighv-unmutated": a["unmutated_ighv"],
        "binet-b-c-or-rai-i-iv": a["stage"],
    }
    return chart("cll", b2m_of(a["b2m"], "3.5"), coded, age=years(a["old"], 65))


def flipi2_chart(a: Answers) -> dict[str, Any]:
    coded = {"longest-node-above-6-cm": a["node"], "marrow-involvement": a["marrow"]}
    blood = result(a["haemoglobin"], "11 g/dL", "12 g/dL")
    return chart("follicular-lymphoma", b2m_of_laboratory(a["b2m"]), coded, age=years(a["old"], 60), hemoglobin=blood)


def ipsswm_chart(a: Answers) -> dict[str, Any]:
    return chart(
        "waldenstrom",
        b2m_of(a["b2m"], "3"),
        {},
        age=years(a["old"], 65),
        hemoglobin=result(a["haemoglobin"], "11.5 g/dL", "11.6 g/dL"),
        platelets=result(a["platelets"], "100 10*9/L", "101 10*9/L"),
        m_protein=result(a["m_protein"], "71 g/L", "70 g/L"),
    )


def r_ipsswm_chart(a: Answers) -> dict[str, Any]:
    return chart(
        "waldenstrom",
        b2m_of(a["b2m"], "4"),
        {},
        **aged(a["from_66"], a["from_76"], 66, 76),
        ldh=result(a["ldh"], "250 U/L", "249 U/L", upper_limit="220"),
        albumin=result(a["albumin"], "34 g/L", "35 g/L"),
    )


def geltamo_chart(a: Answers) -> dict[str, Any]:
    coded = {"ecog-2-to-4": a["ecog_2"], "ecog-3-to-4": a["ecog_3"], "ann-arbor-iii-iv": a["stage"]}
    ldh = result(a["ldh"], "221 U/L", "220 U/L", upper_limit="220")
    return chart("dlbcl", b2m_of_laboratory(a["b2m"]), coded, **aged(a["from_65"], a["from_80"], 65, 80), ldh=ldh)


def aged(lower: bool | None, upper: bool | None, first: int, second: int) -> dict[str, Any]:
    """The age of two answers that agree; a year of birth, or none at all, for those left open."""
    if lower is None and upper is None:
        return {"age": "unknown"}
    if lower is None:
        return {"born": str(2026 - first)}
    if upper is None:
        return {"born": str(2026 - second)}
    return {"age": second if upper else first if lower else first - 1}


def in_step(lower: str, upper: str) -> Callable[[Answers], bool]:
    """Whether two steps of one item are answers that a chart can give: the upper one implies the lower."""
    possible = {(False, False), (True, False), (True, True), (None, False), (True, None), (None, None)}
    return lambda a: (a[lower], a[upper]) in possible


INDICES: dict[str, tuple[tuple[str, ...], Naive, Charts, tuple[Callable[[Answers], bool], ...]]] = {
    "cll-ipi": (("deleted", "mutated", "unmutated_ighv", "b2m", "stage", "old"), cll_ipi, cll_chart, ()),
    "flipi2": (("b2m", "node", "marrow", "haemoglobin", "old"), flipi2, flipi2_chart, ()),
    "ipsswm": (("old", "haemoglobin", "platelets", "b2m", "m_protein"), ipsswm, ipsswm_chart, ()),
    "r-ipsswm": (
        ("from_66", "from_76", "b2m", "ldh", "albumin"),
        r_ipsswm,
        r_ipsswm_chart,
        (in_step("from_66", "from_76"),),
    ),
    "geltamo-ipi": (
        ("from_65", "from_80", "ecog_2", "ecog_3", "ldh", "b2m", "stage"),
        geltamo,
        geltamo_chart,
        (in_step("from_65", "from_80"), in_step("ecog_2", "ecog_3")),
    ),
}


def completions(answers: Answers, possible: tuple[Callable[[Answers], bool], ...]) -> Iterator[dict[str, bool]]:
    """Every way to answer what is open, as far as the answers do not contradict one another."""
    sides = [(True, False) if answer is None else (answer,) for answer in answers.values()]
    for chosen in product(*sides):
        whole = dict(zip(answers, chosen, strict=True))
        if all(holds(dict(whole)) for holds in possible):
            yield whole


@pytest.mark.parametrize("index", INDICES)
def test_an_index_is_what_trying_every_completion_gives(index: str) -> None:
    names, naive, chart_of, possible = INDICES[index]
    rule = RULES[index]
    tried = 0
    for chosen in product(ANSWERS, repeat=len(names)):
        answers = dict(zip(names, chosen, strict=True))
        if not all(holds(answers) for holds in possible):
            continue
        tried += 1
        found = [naive(**whole) for whole in completions(answers, possible)]
        points = [total for total, _ in found]
        assert said(rule, chart_of(answers)) == (scores.span([Decimal(p) for p in points]), {g for _, g in found})
    assert tried >= 6 * 27


def said(rule: Rule, given: dict[str, Any]) -> tuple[str, set[str]]:
    """The range of points and the groups of a finding."""
    finding = rule.evaluate(facts_of(given))
    assert finding is not None
    groups = finding.values["groups"].replace(" or ", ", ").split(", ")
    assert (finding.outcome == "index") == (len(groups) <= 2)
    return finding.values["points"], set(groups)


@pytest.mark.parametrize("above", ANSWERS)
@pytest.mark.parametrize("marrow", ANSWERS)
def test_the_prima_pi_is_what_trying_every_completion_gives(above: bool | None, marrow: bool | None) -> None:
    tried = {
        "high" if high else "intermediate" if involved else "low"
        for high in ANSWERS[:2]
        for involved in ANSWERS[:2]
        if above in (None, high) and marrow in (None, involved)
    }
    given = chart("follicular-lymphoma", b2m_of(above, "3"), {"marrow-involvement": marrow})
    finding = RULES["prima-pi"].evaluate(facts_of(given))
    assert finding is not None
    assert set(finding.values["groups"].replace(" or ", ", ").split(", ")) == tried


# ------------------------------------------------------------------ what they are made of


def points(*numbers: int) -> frozenset[Decimal]:
    return frozenset(Decimal(number) for number in numbers)


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        ((), (0,)),
        ((False, False), (0,)),
        ((True, False), (1,)),
        ((True, True), (2,)),
        ((None, False), (0, 1)),
        ((True, None), (1, 2)),
        ((None, None), (0, 1, 2)),
        ((None, True), (2,)),
        ((False, None), (0,)),
        ((False, True), (0, 1, 2)),
    ],
)
def test_a_step_implies_those_below_it(reached: tuple[bool | None, ...], expected: tuple[int, ...]) -> None:
    assert scores.graded("age", *reached).points == points(*expected)


@given(st.lists(st.sets(st.integers(0, 9), min_size=1, max_size=3), max_size=5))
def test_totals_are_the_sums_of_every_choice(worths: list[set[int]]) -> None:
    items = [scores.Item("item", points(*worth)) for worth in worths]
    assert scores.totals(items) == points(*{sum(chosen) for chosen in product(*worths)})


def test_groups_keep_their_gaps() -> None:
    limits = [Decimal(2), Decimal(4), Decimal(7)]
    assert scores.groups(points(0, 4), limits) == {0, 2}
    assert scores.groups(points(1, 2, 3, 6, 7), limits) == {0, 1, 2, 3}
    assert scores.groups(points(0, 4), limits, lowest=1) == {1, 2}


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        ((3,), "3"),
        ((0, 1), "0 to 1"),
        ((0, 1, 2, 3), "0 to 3"),
        ((0, 4), "0 or 4"),
        ((0, 2, 4), "0, 2 or 4"),
        ((0, 1, 4, 5), "0, 1, 4 or 5"),
        ((0, 1, 2, 4), "0 to 2 or 4"),
        ((10, 4, 5, 6, 8, 9), "4 to 6 or 8 to 10"),
    ],
)
def test_totals_in_words_keep_their_gaps(totals: tuple[int, ...], expected: str) -> None:
    assert scores.span(points(*totals)) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["low"], "low"), (["low", "high"], "low or high"), (["a", "b", "c"], "a, b or c")],
)
def test_alternatives_in_words(names: list[str], expected: str) -> None:
    assert scores.one_of(names) == expected


def test_three_valued_answers() -> None:
    assert [scores.any_of(pair) for pair in [(True, None), (False, None), (False, False)]] == [True, None, False]
    answers: list[list[bool | None]] = [[True, True], [True, False], [None, True], []]
    assert [scores.agreed(each) for each in answers] == [True, None, None, None]
    assert [scores.negated(answer) for answer in ANSWERS] == [False, True, None]


def test_an_age_is_what_the_birth_date_leaves_open() -> None:
    def age(**given: Any) -> Interval:
        facts = facts_of({"b2m": "2 mg/L", **given})
        assert facts.b2m is not None
        return scores.age(facts, facts.b2m.when)

    assert age(age=66) == Interval(Decimal(66), Decimal(66))
    assert age(born="1960") == Interval(Decimal(65), Decimal(66))
    assert age(age="unknown") == Interval(None, None)
