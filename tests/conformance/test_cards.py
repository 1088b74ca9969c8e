"""What a card holds, over the answers to every fixture: CDS Hooks 2.0, CDS Service Response."""

import re
from uuid import UUID

import fhirkit
import pytest
from markdown_it import MarkdownIt

from cds_service.cards.compose import EXTENSION
from cds_service.fhir.shape import Json
from tests.conformance.requirements import requirement
from tests.conformance.service import answers, cards, post
from tests.unit.fhir.make import bundle, call, observation


def override_reasons() -> list[Json]:
    return [reason for card in cards() for reason in card.get("overrideReasons", ())]


def suggesting() -> list[Json]:
    return [card for card in cards() if "suggestions" in card]


def suggestions() -> list[Json]:
    return [suggestion for card in suggesting() for suggestion in card["suggestions"]]


def actions() -> list[Json]:
    return [action for suggestion in suggestions() for action in suggestion["actions"]]


@requirement("cds-hooks_2.0@80", "cds-hooks_2.0@81")
def test_each_card_has_a_uuid_of_its_own() -> None:
    ids = [card["uuid"] for card in cards()]
    assert all(str(UUID(id_)) == id_ for id_ in ids)
    assert len(set(ids)) == len(ids)


@requirement("cds-hooks_2.0@83")
def test_summaries_are_shorter_than_140_characters() -> None:
    assert all(0 < len(card["summary"]) < 140 and "\n" not in card["summary"] for card in cards())


@requirement("cds-hooks_2.0@84", "cds-hooks_2.0@85")
def test_details_are_markdown_without_html() -> None:
    """The tables of GitHub's flavour are read as tables; nothing is read as HTML."""
    read = MarkdownIt("commonmark", {"html": True}).enable("table")
    for card in cards():
        kinds = {token.type for token in read.parse(card["detail"])}
        inline = {child.type for token in read.parse(card["detail"]) for child in token.children or ()}
        assert kinds & {"table_open", "bullet_list_open"}
        assert not (kinds | inline) & {"html_block", "html_inline"}


@requirement("cds-hooks_2.0@87", "cds-hooks_2.0@88")
def test_the_indicator_is_one_of_three() -> None:
    assert {card["indicator"] for card in cards()} <= {"info", "warning", "critical"}


@requirement("cds-hooks_2.0@90", "cds-hooks_2.0@105")
def test_each_card_names_its_source() -> None:
    assert all(isinstance(card["source"]["label"], str) and card["source"]["label"] for card in cards())


@requirement("cds-hooks_2.0@106", "cds-hooks_2.0@107", "cds-hooks_2.0@108")
def test_the_source_has_an_absolute_url() -> None:
    assert all(re.match(r"https?://[^/\s]+/?", card["source"]["url"]) for card in cards())


@requirement("cds-hooks_2.0@109")
def test_the_source_tells_nothing_of_the_patient() -> None:
    """It is a publication, or LOINC's page of the analyte: the same for everybody."""
    one, other = (post(call(bundle(observation(id=id_)))).get_json()["cards"][0]["source"] for id_ in ("a", "b"))
    assert one == other


@requirement("cds-hooks_2.0@115", "cds-hooks_2.0@116", "cds-hooks_2.0@220")
def test_the_topic_is_a_coding_with_a_display() -> None:
    assert all(set(card["source"]["topic"]) == {"system", "code", "display"} for card in cards())


@requirement("cds-hooks_2.0@216", "cds-hooks_2.0@217", "cds-hooks_2.0@218")
@pytest.mark.parametrize("field", ["system", "code"])
def test_a_coding_has(field: str) -> None:
    codings = [*(card["source"]["topic"] for card in cards()), *override_reasons()]
    assert all(isinstance(coding[field], str) and coding[field] for coding in codings)


@requirement("cds-hooks_2.0@214")
def test_extensions_are_json_objects_and_those_of_others_are_tolerated() -> None:
    assert all(isinstance(extension, dict) and extension for card in cards() for extension in values(card))
    foreign = {"com.example.configuration": {"max-cards": 1}}
    assert post(call(bundle(observation())) | {"extension": foreign}).status_code == 200


@requirement("cds-hooks_2.0@215")
def test_extensions_bear_reverse_domain_names() -> None:
    assert {name for card in cards() for name in card["extension"]} == {EXTENSION}
    assert re.fullmatch(r"[a-z]+\.[a-z0-9-]+\.[a-z-]+", EXTENSION)


def values(card: Json) -> list[object]:
    return list(card["extension"].values())


@requirement("cds-hooks_2.0@92", "cds-hooks_2.0@94", "cds-hooks_2.0@123", "cds-hooks_2.0@124")
def test_suggestions_and_their_actions_are_arrays_of_objects() -> None:
    """Both are optional: a card without any has no empty array."""
    assert 0 < len(suggesting()) < len(cards())
    for found in (*(card["suggestions"] for card in suggesting()), *(one["actions"] for one in suggestions())):
        assert isinstance(found, list)
        assert all(isinstance(one, dict) for one in found)


@requirement("cds-hooks_2.0@93", "cds-hooks_2.0@95", "cds-hooks_2.0@96", "3.0:selection-behavior")
def test_selection_behavior_stands_beside_suggestions() -> None:
    assert suggesting()
    assert all(card["selectionBehavior"] in ("at-most-one", "any") for card in suggesting())
    assert all(("selectionBehavior" in card) == ("suggestions" in card) for card in cards())


@requirement("cds-hooks_2.0@117")
def test_each_suggestion_has_a_label() -> None:
    assert suggestions()
    assert all(isinstance(one["label"], str) and one["label"] for one in suggestions())


@requirement("cds-hooks_2.0@118", "cds-hooks_2.0@119")
def test_each_suggestion_has_a_uuid_of_its_own() -> None:
    ids = [one["uuid"] for one in suggestions()]
    assert all(str(UUID(id_)) == id_ for id_ in ids)
    assert len(set(ids)) == len(ids) > 0


@requirement("cds-hooks_2.0@125")
def test_the_actions_of_a_suggestion_make_sense_only_together() -> None:
    """Each makes one resource, so that a user who takes a suggestion takes all of it."""
    assert {len(one["actions"]) for one in suggestions()} == {1}


@requirement("cds-hooks_2.0@127", "cds-hooks_2.0@128", "3.0:action-description")
def test_each_action_has_a_type_and_a_description() -> None:
    assert {action["type"] for action in actions()} == {"create"}
    assert all(isinstance(action["description"], str) and action["description"] for action in actions())


@requirement("cds-hooks_2.0@130", "cds-hooks_2.0@131")
def test_each_action_makes_a_new_fhir_resource() -> None:
    """It is valid R4 by a validator that is not the one that made it, and has no id yet."""
    for action in actions():
        assert [issue for issue in fhirkit.validate(action["resource"]) if issue.severity == "error"] == []
        assert "id" not in action["resource"]


@requirement("cds-hooks_2.0@98", "cds-hooks_2.0@99")
def test_override_reasons_are_an_array_of_codings() -> None:
    assert override_reasons()
    assert all(isinstance(card["overrideReasons"], list) for card in cards() if "overrideReasons" in card)


@requirement("cds-hooks_2.0@100", "cds-hooks_2.0@136", "cds-hooks_2.0@219", "3.0:override-reason-display")
def test_override_reasons_have_a_display() -> None:
    assert all(isinstance(reason["display"], str) and reason["display"] for reason in override_reasons())


def test_there_is_something_to_look_at() -> None:
    assert len(cards()) > 100
    assert len(answers()) > 150
