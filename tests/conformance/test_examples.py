"""HL7's own examples of CDS Hooks, judged as HL7 judges them where they concern a service.

A request is good or bad by its name; both are for hooks of orders or of the chart, with prefetch keys of another
service. A response or a discovery document is good or bad by HL7's logical models.
"""

import json
from typing import Any

import pytest

from cds_service.errors import MalformedCall
from cds_service.hooks.body import parse_call
from tests.conformance.service import CHART, SELECT, SIGN, VENDOR, judged_by_hl7, post

FOLDER = VENDOR / "cds-hooks-examples"
GOOD = ["order-select-good", "order-select-extensions", "order-sign-good", "patient-view-good"]
#: HL7's models and we refuse each for a patientId that is a reference and no id.
BAD = dict.fromkeys(
    ("order-select-bad", "order-sign-bad-1", "order-sign-bad-2", "patient-view-bad"), "context.patientId"
)
#: What HL7's model finds wrong with a response, by the words of its finding; None where nothing is.
RESPONSES = {
    "empty": None,
    "empty2": "$.cards: missing",
    "empty-source": "$.cards[0].source.label: missing",
    "link": None,
    "no-link": None,
    "source-link": "$.cards[0].links[0].type: missing",
    "suggestion": "cds-resp-6",
    "two-cards": None,
}


def example(kind: str, name: str) -> Any:
    return json.loads((FOLDER / f"cdshooks-{kind}-{name}.json").read_text("utf-8"))


def test_all_of_them_are_judged() -> None:
    judged = {
        *(f"cdshooks-request-{name}.json" for name in (*GOOD, *BAD)),
        *(f"cdshooks-response-{name}.json" for name in RESPONSES),
        "cdshooks-services-order-select-extensions.json",
    }
    assert {path.name for path in FOLDER.glob("*.json")} == judged
    assert len(judged) == 17


@pytest.mark.parametrize("name", GOOD)
def test_good_requests_are_requests(name: str) -> None:
    assert parse_call(example("request", name)).hook in name


def test_only_the_order_context_of_one_of_them_is_not_whole() -> None:
    """Its draftOrders are missing; it is there for its extension, which is taken."""
    assert judged_by_hl7("CDSHooksRequest", example("request", "order-select-extensions")) == [
        "$.context.draftOrders: missing"
    ]
    assert all(judged_by_hl7("CDSHooksRequest", example("request", n)) == [] for n in GOOD if "extensions" not in n)


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_refused(name: str) -> None:
    """For what HL7 refuses them for: a reference in place of an id."""
    assert any(
        "patientId: not a valid id" in found for found in judged_by_hl7("CDSHooksRequest", example("request", name))
    )
    with pytest.raises(MalformedCall) as refused:
        parse_call(example("request", name))
    assert refused.value.path == "context.patientId"


def test_the_good_one_for_charts_is_refused_only_for_what_it_does_not_bring() -> None:
    """It prefetches under the keys of another service: data are missing, the request is right."""
    answer = post(example("request", "patient-view-good"), CHART)
    assert answer.status_code == 412
    assert "patient (not-given), b2m (not-given)" in answer.get_json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(("name", "service"), [("order-select-good", SELECT), ("order-sign-good", SIGN)])
def test_the_good_ones_for_orders_are_no_bad_requests(name: str, service: str) -> None:
    """No B2M is being ordered; that data may be missing is another matter."""
    answer = post(example("request", name), service)
    assert answer.status_code in (200, 412)
    assert answer.get_json().get("cards", []) == []


def test_the_one_without_orders_is_refused_for_that() -> None:
    answer = post(example("request", "order-select-extensions"), SELECT)
    assert answer.status_code == 400
    assert answer.get_json()["issue"][0]["expression"] == ["context.draftOrders"]


@pytest.mark.parametrize("name", [name for name in GOOD if name.startswith("order")])
def test_good_requests_for_another_hook_are_refused_only_for_that(name: str) -> None:
    answer = post(example("request", name), CHART)
    assert answer.status_code == 400
    assert answer.get_json()["issue"][0]["expression"] == ["hook"]


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_400_over_http(name: str) -> None:
    answer = post(example("request", name), CHART)
    assert answer.status_code == 400
    assert answer.get_json()["issue"][0]["expression"] == ["context.patientId"]


@pytest.mark.parametrize(("name", "wrong"), RESPONSES.items())
def test_responses_are_judged_as_ours_are(name: str, wrong: str | None) -> None:
    found = judged_by_hl7("CDSHooksResponse", example("response", name))
    assert found == [] if wrong is None else any(wrong in one for one in found)


def test_a_discovery_document_with_extensions_is_right() -> None:
    assert judged_by_hl7("CDSHooksServices", example("services", "order-select-extensions")) == []
