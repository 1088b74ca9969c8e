"""What rules propose, as suggestions that a user may accept one by one."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from cds_service.knowledge.model import Proposal
from cds_service.models import Action, Suggestion

#: A proposal as the FHIR resource that is made when it is accepted.
Draft = Callable[[Proposal], dict[str, Any]]


def suggestions(proposals: Iterable[Proposal], draft: Draft) -> tuple[Suggestion, ...]:
    """One suggestion for each proposal, in their order, each with an id of its own."""
    return tuple(
        Suggestion(
            label=proposal.label,
            uuid=str(uuid4()),
            actions=(Action(description=proposal.label, resource=draft(proposal)),),
        )
        for proposal in dict.fromkeys(proposals)
    )
