"""What a case gives is read as it was meant, or refused by name."""

from typing import Any

import pytest

from cds_service.errors import KnowledgeError
from cds_service.review.chart import facts_of


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"b2n": "4 mg/L"}, "no setting or analyte is called 'b2n'"),
        ({"problem": ["myeloma"]}, "no setting or analyte is called 'problem'"),
        ({"b2m": "4"}, "b2m = '4' is not a number with a unit that is known"),
        ({"b2m": "4 spoons"}, "b2m = '4 spoons' is not a number with a unit that is known"),
        ({"b2m": "4 mmol/d"}, "b2m = '4 mmol/d' is not in a unit of"),
        ({"b2m": "1.2.3 mg/L"}, "given cannot be read"),
        ({"b2m": {"is": "4 mg/L", "day": -3}}, r"\['day'\] in .* means nothing"),
        ({"b2m": {"is": "4 mg/L", "dated": "soon"}}, "dated 'soon', which is no date"),
        ({"b2m": {"days": -3}}, "given cannot be read"),
        ({"b2m": "4 mg/L", "specimen": "saliva"}, "given cannot be read"),
        ({"problems": ["myelom"]}, "no problem is called 'myelom'"),
        ({"problems": [{"key": "myeloma", "onset_day": 3}]}, r"\['onset_day'\]"),
        ({"medications": ["aspirin!"]}, "no drug is called 'aspirin!'"),
        ({"medications": [{"key": "lithium", "evidence": "seen"}]}, "given cannot be read: 'seen'"),
        ({"procedures": ["haircut"]}, "no procedure is called 'haircut'"),
        ({"coded": {"tp54": "present"}}, "no coded item is called 'tp54'"),
        ({"coded": {"hiv": "maybe"}}, "no coded item|'maybe'"),
        ({"unknown": ["drugs"]}, r"unknown = \['drugs'\]; expected some of .*'medications'"),
        ({"missing": [{"item": "b2m", "why": "x"}]}, r"\['why'\]"),
        ({"missing": [{"item": "b2m", "reason": "x"}]}, "given cannot be read: 'x'"),
        ({"ordered": ["saliva"]}, "given cannot be read: 'saliva'"),
        ({"ordered": []}, "given cannot be read"),
        ({"ordered": ["serum"], "also_ordered": ["creatinin"]}, "no analyte is called 'creatinin'"),
    ],
)
def test_what_means_nothing_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(KnowledgeError, match=said):
        facts_of(given)


def test_nothing_given_is_an_empty_chart() -> None:
    facts = facts_of({})
    assert (facts.results, facts.problems, facts.b2m) == ((), (), None)
