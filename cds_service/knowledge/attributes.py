"""The 13 source attributes of an evidence-based decision support intervention (45 CFR 170.315(b)(11)(iv)(A)).

Every rule answers each of them, in the order of the regulation. Its elements of a person are those of USCDI version 3,
where pregnancy and functional status (such as ECOG) are health status assessments.
"""

from typing import Any

from cds_service.knowledge.identity import source
from cds_service.knowledge.model import ELEMENTS, Rule

#: Each attribute's key with the words of the regulation, shortened.
ATTRIBUTES = {
    "bibliographic_citation": "Bibliographic citation of the intervention",
    "developer": "Developer of the intervention",
    "funding_source": "Funding source of the technical implementation",
    "release_and_revision_dates": "Release and, if applicable, revision dates",
    **{f"use_of_{element.replace(' ', '_')}": f"Use of {element}" for element in ELEMENTS},
}


def attributes(rule: Rule) -> dict[str, Any]:
    """What ``rule`` answers to each attribute, as plain values."""
    cited = [f"{citation.text}. {citation.url}" for citation in rule.citations.values()]
    dates = {"released": rule.released.isoformat(), "revised": rule.revised.isoformat()}
    answers = [
        cited,
        source().developer,
        source().funding,
        dates,
        *(element in rule.uses for element in ELEMENTS),
    ]
    return dict(zip(ATTRIBUTES, answers, strict=True))
