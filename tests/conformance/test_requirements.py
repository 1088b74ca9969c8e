"""Each requirement that binds a service is shown by a test, does not apply, or is deviated from on purpose."""

from collections import Counter
from typing import get_args

from cds_service.models import Action, Card, Response, Source, Suggestion
from tests.conformance.requirements import BALLOT, DEVIATIONS, NOT_APPLICABLE, binding, published, shown
from tests.conformance.service import HOOKS, discovered

TESTED = {id_ for id_, _ in shown()}


def test_every_requirement_is_shown_or_does_not_apply() -> None:
    """Each is in one of the three."""
    assert sorted([*TESTED, *NOT_APPLICABLE, *DEVIATIONS]) == sorted(one.id for one in binding())


def test_as_many_bind_a_service_as_are_published() -> None:
    """The list as it was taken over; a new version of it is to be read anew."""
    counted = Counter((one.id.split("@")[0], one.binds_a_service) for one in published())
    assert counted == {
        ("cds-hooks_2.0", True): 120,
        ("cds-hooks_2.0", False): 100,
        ("cds-hooks-library_1.0.1", True): 23,
        ("cds-hooks-library_1.0.1", False): 70,
    }
    assert len({one.id for one in binding()}) == 143 + len(BALLOT)


def test_what_does_not_apply_still_does_not() -> None:
    """Who adds one of these moves its requirements from the reasons to tests."""
    assert "links" not in Card.model_fields
    assert not {"isRecommended", "actionSelectionBehavior"} & set(Suggestion.model_fields)
    assert get_args(Action.model_fields["type"].annotation) == ("create",)
    assert "resourceId" not in Action.model_fields
    assert "systemActions" not in Response.model_fields
    assert "icon" not in Source.model_fields
    assert {service["hook"] for service in discovered()} == set(HOOKS.values())
    assert len({service["id"] for service in discovered()}) == len(discovered())
