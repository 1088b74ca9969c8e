"""docs/hooks/lab-result-review.md: in the form that CDS Hooks gives hook definitions, and true of the service."""

import json
import re
from pathlib import Path

import pytest

from cds_service.fhir.shape import Json
from cds_service.models import Context
from tests.conformance.service import discovered, judged_by_hl7, post

PAGE = (Path(__file__).parents[2] / "docs" / "hooks" / "lab-result-review.md").read_text("utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
OF_ORDERS = ("selections", "draftOrders")
FIELDS = re.findall(r"^\| `(\w+)` \| (REQUIRED|OPTIONAL) \| (Yes|No) \| \*(\w+)\* \|", PAGE, re.MULTILINE)


def test_it_has_the_parts_of_a_hook_definition() -> None:
    assert re.findall(r"^#{1,2} (.*)", PAGE, re.MULTILINE) == [
        "`lab-result-review`",
        "Workflow",
        "Name: a deliberate deviation",
        "Context",
        "Examples",
        "Change Log",
    ]
    metadata = dict(re.findall(r"^\| (\w+) \| (.*) \|$", PAGE.split("## Workflow")[0], re.MULTILINE))
    assert metadata.keys() >= {"specificationVersion", "hookVersion", "hookMaturity"}
    assert metadata["hookVersion"] == discovered()[0]["hookVersion"]


def test_its_context_is_the_one_that_is_read() -> None:
    """What else may stand in a context is for the hooks on orders."""
    assert [name for name, *_ in FIELDS] == [name for name in Context.model_fields if name not in OF_ORDERS]
    for name, optionality, _, kind in FIELDS:
        assert Context.model_fields[name].is_required() == (optionality == "REQUIRED")
        assert kind == ("object" if name == "results" else "string")


def test_prefetch_uses_only_its_tokens() -> None:
    tokens = {f"{{{{context.{name}}}}}" for name, _, token, _ in FIELDS if token == "Yes"}
    used = {found for query in discovered()[0]["prefetch"].values() for found in re.findall(r"\{\{.*?\}\}", query)}
    assert used <= tokens
    assert "{{context.results}}" not in tokens


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["hookInstance"][-1] for example in EXAMPLES])
def test_its_examples_are_answered_with_a_card(example: Json) -> None:
    assert judged_by_hl7("CDSHooksRequest", example) == []
    answer = post(example)
    assert answer.status_code == 200
    assert len(answer.get_json()["cards"]) == 1


def test_there_are_examples_with_and_without_results() -> None:
    assert ["results" in example["context"] for example in EXAMPLES] == [True, False]
