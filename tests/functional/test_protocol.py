"""The failure matrix, its rows about the protocol: what comes, what goes back."""

import io
import json
import logging
from decimal import Decimal
from typing import Any

import fhirkit
import pytest
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.facts import Facts
from cds_service.fhir.shape import Json
from cds_service.knowledge import terms
from cds_service.knowledge.model import Finding, Rule
from cds_service.replay.calls import dump_json
from tests.failure_matrix import row
from tests.functional.run import RULES, post
from tests.unit.fhir.make import bundle, call, condition, observation, patient, quantity

REVIEW, CHART = "b2m-result-review", "b2m-chart-review"
SELECT, SIGN = "b2m-order-select-companions", "b2m-order-sign-companions"


def good() -> Json:
    return call(bundle(observation()))


def changed(**parts: Any) -> Json:
    return good() | parts


def without(name: str) -> Json:
    return {key: value for key, value in good().items() if key != name}


def refused(answer: TestResponse, status: int, path: str | None = None) -> Json:
    """Checks a refusal: its status, and an OperationOutcome that is valid R4, names the path and tells no more."""
    assert answer.status_code == status, answer.text
    outcome: Json = answer.get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert [i for i in fhirkit.validate(json.loads(answer.text)) if i.severity == "error"] == []
    (issue,) = outcome["issue"]
    if path is not None:
        assert issue["expression"] == [path]
    assert "Traceback" not in answer.text
    return outcome


@row(
    "not JSON, not an object, wrong types; hook, hookInstance or context missing; hookInstance no UUID; "
    "fhirServer no http(s) URL",
    "400 naming the path",
)
@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"hook": ', None),
        (b"", None),
        (b"[]", None),
        (b'"x"', None),
        (b"null", None),
        (b'{"hook": "\xff"}', None),
        (b'{"hook": NaN}', None),
        (b'{"hook": ' + b"1" * 5000 + b"}", None),
        (b'{"x": 1e9999999999999999999999}', None),
        (b"[" * 100_000 + b"]" * 100_000, None),
        (without("hook"), "hook"),
        (without("hookInstance"), "hookInstance"),
        (without("context"), "context"),
        (changed(hook=None), "hook"),
        (changed(hookInstance=None), "hookInstance"),
        (changed(hookInstance="not-a-uuid"), "hookInstance"),
        (changed(hookInstance=7), "hookInstance"),
        (changed(context="x"), "context"),
        (changed(context={"userId": "u", "patientId": 7}), "context.patientId"),
        (changed(context={"userId": "u", "patientId": "../x"}), "context.patientId"),
        (changed(context={"userId": "", "patientId": "p"}), "context.userId"),
        (changed(prefetch=[]), "prefetch"),
        (changed(fhirServer="file:///etc/passwd"), "fhirServer"),
        (changed(fhirServer="not a url"), "fhirServer"),
        (call("not a bundle"), "context.results"),
        (call({"resourceType": "OperationOutcome"}), "context.results"),
    ],
)
def test_what_is_no_cds_hooks_call_is_400(body: Any, path: str | None) -> None:
    refused(post(REVIEW, body), 400, path)


@row("hook that this service id does not serve; context without patientId", "400")
@pytest.mark.parametrize(
    ("body", "path"),
    [
        (changed(hook="patient-view"), "hook"),
        (changed(hook="com.example.other"), "hook"),
        (changed(context={"userId": "Practitioner/u"}), "context.patientId"),
    ],
)
def test_a_hook_not_served_and_a_context_without_patient_are_400(body: Json, path: str) -> None:
    refused(post(REVIEW, body), 400, path)


@row("fhirAuthorization without fhirServer", "400, the token not echoed")
def test_authorization_without_a_server_is_400() -> None:
    token = {"access_token": "SECRET", "token_type": "Bearer", "expires_in": 300, "scope": "s", "subject": "c"}
    outcome = refused(post(REVIEW, changed(fhirAuthorization=token)), 400)
    assert "fhirAuthorization is given without fhirServer" in outcome["issue"][0]["diagnostics"]
    assert "SECRET" not in json.dumps(outcome)
    assert post(REVIEW, changed(fhirAuthorization=token, fhirServer="https://ehr.example/fhir")).status_code == 200


@row("unknown service id", "404")
def test_an_unknown_service_is_404() -> None:
    refused(post("no-such-service", good()), 404)


@row("wrong method; unknown path", "405 naming the methods; 404")
def test_a_wrong_method_is_405_and_an_unknown_path_404() -> None:
    client = create_app(Settings()).test_client()
    answer = client.get(f"/cds-services/{REVIEW}")
    refused(answer, 405)
    assert "POST" in answer.headers["Allow"]
    refused(client.post("/cds-services"), 405)
    refused(client.get("/nowhere"), 404)


@row("wrong content type", "415")
@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_a_wrong_content_type_is_415(content_type: str) -> None:
    client = create_app(Settings()).test_client()
    refused(client.post(f"/cds-services/{REVIEW}", data=json.dumps({}), content_type=content_type), 415)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "application/fhir+json"]
)
def test_json_by_any_of_its_names_is_read(content_type: str) -> None:
    client = create_app(Settings()).test_client()
    body = json.dumps(good(), default=float)
    assert client.post(f"/cds-services/{REVIEW}", data=body, content_type=content_type).status_code in (200, 412)


@row("body over the limit", "413")
def test_a_body_over_the_limit_is_413() -> None:
    settings = Settings(max_body_bytes=10_000)
    refused(post(REVIEW, b'"' + b"x" * 10_000 + b'"', settings=settings), 413)
    refused(post(REVIEW, b'"' + b"x" * 9_000 + b'"', settings=settings), 400)


def test_a_byte_order_mark_is_no_harm() -> None:
    assert post(REVIEW, b"\xef\xbb\xbf" + dump_json(good())).status_code == 200


def test_a_number_of_too_many_digits_loses_one_result_and_not_the_call() -> None:
    long = observation("2160-0", {"value": Decimal("1." + "1" * 40), "unit": "mg/dL"}, id="cr")
    (card,) = post(REVIEW, call(bundle(observation()), kidney=bundle(long))).get_json()["cards"]
    assert "creatinine (value not readable)" in card["detail"]


def test_noise_of_floats_loses_nothing() -> None:
    noise = [{"high": quantity(Decimal("2.4000000000000004"))}]
    noisy = observation(value=quantity(Decimal("3.5000000000000004")), referenceRange=noise)
    (card,) = post(REVIEW, call(bundle(noisy))).get_json()["cards"]
    assert card["summary"].startswith("Serum B2M 3.5 mg/L, above the laboratory's upper limit of 2.4 mg/L")


def test_text_of_a_unit_that_we_do_not_know_stays_out_of_the_summary() -> None:
    odd = observation(value={"value": 6, "unit": "<img src=x>", "system": "http://unitsofmeasure.org", "code": "mg/L"})
    (card,) = post(REVIEW, call(bundle(odd))).get_json()["cards"]
    assert card["summary"].startswith("Serum B2M 6 mg/L, above")
    assert "&lt;img" in card["detail"]


def test_the_name_of_a_drug_that_we_do_not_know_is_only_text() -> None:
    drug = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": "<img src=x> [x](http://x.example) **y**"},
    }
    myeloma = bundle(condition((terms.ICD10CM, "C90.00")))
    request = call(bundle(observation()), conditions=myeloma, medications=bundle(drug))
    (card,) = post(REVIEW, request).get_json()["cards"]
    assert "1 other entry of the list carries no code that this service knows (“&lt;img src=x&gt;" in card["detail"]
    assert "<img" not in card["detail"]
    assert "[x](" not in card["detail"]
    assert "img" not in card["summary"]


@row("too many entries", "400")
def test_too_many_entries_are_400() -> None:
    refused(post(REVIEW, call(bundle(*[observation()] * 11)), settings=Settings(max_entries=10)), 400, "prefetch")
    assert post(REVIEW, call(bundle(*[observation()] * 10)), settings=Settings(max_entries=10)).status_code == 200


@row("body over the limit, its length not declared", "413, never a cut body")
def test_a_body_of_unknown_length_is_read_to_the_limit_and_no_further() -> None:
    client = create_app(Settings(max_body_bytes=10_000)).test_client()
    for size, status in ((10_001, 413), (9_000, 400)):
        answer = client.post(
            f"/cds-services/{REVIEW}",
            input_stream=io.BytesIO(b" " * size),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
        )
        refused(answer, status)


@row("patient or B2M data neither prefetched nor to be fetched", "412 naming the keys")
@pytest.mark.parametrize(
    ("body", "keys"),
    [
        (call(bundle(observation()), patient="absent"), "patient (not-given)"),
        (call(b2m="absent"), "b2m (not-given)"),
        (call(b2m={"resourceType": "OperationOutcome"}), "b2m (unavailable)"),
        (call(b2m="absent", patient="absent"), "patient (not-given), b2m (not-given)"),
        (without("prefetch") | {"context": {"userId": "u", "patientId": "p"}}, "patient (not-given), b2m (not-given)"),
        (changed(prefetch=None), "patient (not-given)"),
    ],
)
def test_what_every_answer_needs_and_is_not_there_is_412(body: Json, keys: str) -> None:
    outcome = refused(post(REVIEW, body), 412, "prefetch")
    assert f"Not prefetched, and not to be fetched: {keys}. " in outcome["issue"][0]["diagnostics"]


@row("B2M known to be none (null, empty complete Bundle)", "200, no card")
@pytest.mark.parametrize("none", [None, bundle(), {"resourceType": "Bundle", "type": "searchset", "total": 0}])
def test_b2m_known_to_be_none_is_no_card(none: Any) -> None:
    assert post(REVIEW, call(b2m=none)).get_json() == {"cards": []}


@row("`results` without any B2M", "200, no card, nothing asked for")
def test_results_without_b2m_are_no_card_at_once() -> None:
    creatinine = observation("2160-0", quantity(1, "mg/dL"), id="cr")
    assert post(REVIEW, call(bundle(creatinine), patient="absent", b2m="absent")).get_json() == {"cards": []}


@row("fhirServer not on the allow-list", "treated as no server: 412 if data is missing, saying so")
def test_a_fhir_server_that_is_not_allowed_is_no_server() -> None:
    outcome = refused(post(REVIEW, call(b2m="absent") | {"fhirServer": "https://ehr.example/fhir"}), 412)
    assert "fhirServer is not on this service's list" in outcome["issue"][0]["diagnostics"]


@row("prefetched Patient is not context.patientId", "400")
def test_another_patient_in_the_prefetch_is_400() -> None:
    refused(post(REVIEW, call(bundle(observation()), patient=patient(id="q"))), 400, "prefetch.patient")


@row(
    "the same Observation differs between `results` and prefetch",
    "the newer version; if that cannot be told, `results`",
)
@pytest.mark.parametrize(
    ("in_results", "in_prefetch", "value"),
    [("2026-03-02", "2026-03-03", "5.0"), ("2026-03-03", "2026-03-02", "4.2"), (None, None, "4.2")],
)
def test_two_versions_of_one_observation(in_results: Any, in_prefetch: Any, value: str) -> None:
    def stamped(day: str | None) -> Json:
        return {"meta": {"lastUpdated": f"{day}T08:00:00Z"}} if day else {}

    newer = observation(value=quantity("5.0"), **stamped(in_prefetch))
    answer = post(REVIEW, call(bundle(observation(**stamped(in_results))), b2m=bundle(newer)))
    assert value in answer.get_json()["cards"][0]["summary"]


@row(
    "a companion could not be had (OperationOutcome, wrong type, not given, page incomplete)",
    "200, the card says which",
)
@pytest.mark.parametrize(
    ("companion", "said"),
    [
        ({"kidney": {"resourceType": "OperationOutcome", "issue": []}}, "kidney results (could not be had)"),
        ({"kidney": "nonsense"}, "kidney results (could not be had)"),
        ({"kidney": "absent"}, "kidney results (not given)"),
        ({"kidney": bundle(link=[{"relation": "next", "url": "x"}])}, "kidney results (given in part only)"),
        ({"conditions": {"resourceType": "OperationOutcome"}}, "problem list (could not be had)"),
    ],
)
def test_a_companion_that_could_not_be_had_is_said(companion: Json, said: str) -> None:
    answer = post(REVIEW, call(bundle(observation()), **companion))
    assert said in answer.get_json()["cards"][0]["detail"]


def broken(rule: Rule) -> Rule:
    def evaluate(_facts: Facts, _rule: Rule) -> Finding | None:
        raise RuntimeError("PHI in an error text")

    copy = rule.model_copy()
    copy._evaluate = evaluate
    return copy


@row("a rule raises", '200, the other rules\' card and "one check could not be run"; logged without patient data')
def test_a_rule_that_raises_does_not_silence_the_others(caplog: pytest.LogCaptureFixture) -> None:
    rules = tuple(broken(rule) if rule.id == "kidney-context" else rule for rule in RULES)
    with caplog.at_level(logging.ERROR):
        (card,) = post(REVIEW, call(bundle(observation())), rules=rules).get_json()["cards"]
    assert "One check could not be run" in card["detail"]
    assert card["summary"].startswith("Serum B2M 4.2 mg/L, above")
    assert "rule='kidney-context', specimen='serum', error='RuntimeError'" in caplog.text
    assert "PHI" not in caplog.text


@row("a rule raises and no other has anything to say", "200, a card that says so; never an empty list")
def test_a_rule_that_raises_is_never_an_empty_list() -> None:
    rules = tuple(broken(rule) if rule.id == "kidney-context" else rule for rule in RULES)
    normal = observation(value=quantity(2), referenceRange=[{"high": quantity(3)}])
    (card,) = post(REVIEW, call(bundle(normal)), rules=rules).get_json()["cards"]
    assert "one check could not be run" in card["summary"]


@row("every rule raises", '500 without detail; never `{"cards": []}`')
def test_every_rule_raising_is_500_without_detail(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        outcome = refused(post(REVIEW, good(), rules=tuple(broken(rule) for rule in RULES)), 500)
    asked = [rule for rule in RULES if rule.asked_by == "results" and "serum" in rule.specimens]
    assert caplog.text.count("a rule could not be run") == len(asked)
    assert "Nothing was decided" in outcome["issue"][0]["diagnostics"]


@row("an internal error", "500 without detail")
def test_an_internal_error_is_500_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rules = tuple(replace_outcomes(rule) if rule.id == "serum-level" else rule for rule in RULES)
    with caplog.at_level(logging.ERROR):
        answer = post(REVIEW, good(), rules=rules)
    refused(answer, 500)
    assert "cards" not in answer.text
    assert "unforeseen" in caplog.text


def replace_outcomes(rule: Rule) -> Rule:
    """A rule whose finding names an outcome that its wording does not have: an error past the rules."""
    copy = rule.model_copy()
    copy._evaluate = lambda facts, _: Finding(rule.id, "0", facts.specimen, "nowhere")
    return copy


@row("another patient's resource", "ignored and counted; if it is all there is: 412")
def test_another_patients_data_is_ignored_and_alone_refused() -> None:
    foreign = observation("2160-0", quantity(9, "mg/dL"), id="cr", subject={"reference": "Patient/q"})
    answer = post(REVIEW, call(bundle(observation()), kidney=bundle(foreign)))
    assert "kidney function not known" in answer.get_json()["cards"][0]["summary"]
    refused(post(REVIEW, call(b2m=bundle(observation(subject={"reference": "Patient/q"})))), 412)


# ------------------------------------------------------------------ discovery and hooks


def test_discovery() -> None:
    document = create_app(Settings()).test_client().get("/cds-services").get_json()
    offered = {service["id"]: service["hook"] for service in document["services"]}
    assert offered == {REVIEW: "lab-result-review", CHART: "patient-view", SELECT: "order-select", SIGN: "order-sign"}
    for service in document["services"]:
        assert set(service) == {
            "id", "hook", "title", "description", "usageRequirements", "prefetch", "version", "hookVersion",
        }  # fmt: skip
        assert all("{{context.patientId}}" in template for template in service["prefetch"].values())
        names = [part.split("=")[0] for part in service["prefetch"]["b2m"].split("?")[1].split("&")]
        assert names == ["patient", "code", "_sort", "_count"]


def test_the_name_of_the_lab_hook_is_a_setting() -> None:
    settings = Settings(lab_result_hook="com.example.lab-result")
    assert post(REVIEW, changed(hook="com.example.lab-result"), settings=settings).status_code == 200
    refused(post(REVIEW, good(), settings=settings), 400, "hook")


def test_patient_view_has_no_results() -> None:
    ignored = call(bundle(observation("2160-0")), hook="patient-view", b2m=bundle(observation()))
    assert len(post(CHART, ignored).get_json()["cards"]) == 1


def test_the_age_limit_of_a_chart_review_is_a_setting() -> None:
    old = call(hook="patient-view", b2m=bundle(observation(effectiveDateTime="2026-01-20T08:00:00Z")))
    assert post(CHART, old).get_json() == {"cards": []}
    assert len(post(CHART, old, settings=Settings(chart_review_max_age_days=60)).get_json()["cards"]) == 1


def test_unknown_extensions_are_tolerated() -> None:
    assert post(REVIEW, changed(extension={"com.example.x": 1}, unheard="of")).status_code == 200


def test_a_card_has_all_that_it_should() -> None:
    (card,) = post(REVIEW, good()).get_json()["cards"]
    assert set(card) == {
        *("uuid", "summary", "detail", "indicator", "source", "extension"),
        *("suggestions", "selectionBehavior", "overrideReasons"),
    }
    assert set(card["source"]) == {"label", "url", "topic"}
    assert card["source"]["topic"]["system"] == "http://loinc.org"
    basis = card["extension"]["org.b2m-cds.basis"]
    assert basis["observations"] == ["Observation/b2m"]
    assert {rule["id"] for rule in basis["rules"]} >= {"serum-level", "kidney-context"}


def test_the_same_call_gives_the_same_cards_under_new_uuids() -> None:
    first, second = (post(REVIEW, good()).get_json()["cards"][0] for _ in range(2))
    assert first.pop("uuid") != second.pop("uuid")
    for one, other in zip(first["suggestions"], second["suggestions"], strict=True):
        assert one.pop("uuid") != other.pop("uuid")
    assert first == second
