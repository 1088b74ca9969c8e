"""Fetching what was not prefetched: from a real FHIR server, and through every fault that one can have."""

import json
import logging
import re
import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests
import responses

from cds_service.config import FhirServer, Settings, SiteProfile
from cds_service.facts import Reason
from cds_service.fhir.client import FhirClient
from cds_service.fhir.connections import Sockets
from cds_service.fhir.searches import LIST_PAGE_SIZE, searches
from cds_service.fhir.shape import Json
from cds_service.models import HookRequest
from tests.failure_matrix import row
from tests.functional.fhir_server import fhir_server
from tests.functional.run import post
from tests.functional.scripted_server import Scripted, scripted_server
from tests.unit.fhir.make import bundle, call, condition, observation, patient, quantity

REVIEW, CHART = "b2m-result-review", "b2m-chart-review"
BASE = "https://ehr.example/fhir"
TOKEN = "a-token-that-nobody-may-see"
CREATININE = observation("2160-0", quantity("2.4", "mg/dL"), id="cr")
ALBUMIN = observation("1751-7", quantity("3.1", "g/dL"), id="alb")
MYELOMA = condition(("http://snomed.info/sct", "109989006"))
SHORT = Settings(fetch_deadline_seconds=0.6)
#: For faults that come at once: however busy the machine, they come before it.
LONG = Settings(fetch_deadline_seconds=5)
#: Far longer than the deadline, far shorter than the fault: what holds is the deadline and not a lucky end.
HELD_SECONDS = 4


def site(url: str = BASE, *, batch: bool = False) -> SiteProfile:
    return SiteProfile(fhir_server=(FhirServer(url=url, batch=batch),))


def asking(*, fhir_server: str = BASE, hook: str = "lab-result-review", results: Any = None, **prefetch: Any) -> Json:
    """A call that prefetches only what it is given, with a server and a token to ask for the rest."""
    context = {"userId": "Practitioner/u", "patientId": "p"} | ({"results": results} if results else {})
    token = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": "s", "subject": "c"}
    made = call(hook=hook)
    return made | {"context": context, "prefetch": prefetch, "fhirServer": fhir_server, "fhirAuthorization": token}


def the_card(answer: Any) -> Json:
    assert answer.status_code == 200, answer.text
    (card,) = answer.get_json()["cards"]
    found: Json = card
    return found


# ------------------------------------------------------------------ a real server


def test_what_was_not_prefetched_is_fetched_from_a_real_server() -> None:
    chart = [patient(), observation(), CREATININE, ALBUMIN, MYELOMA]
    with fhir_server(*chart, token=TOKEN) as base:
        fetched = the_card(post(CHART, asking(fhir_server=base, hook="patient-view"), site=site(base)))
    given = call(hook="patient-view", b2m=bundle(observation()), kidney=bundle(CREATININE), myeloma=bundle(ALBUMIN))
    prefetched = the_card(post(CHART, given | {"prefetch": given["prefetch"] | {"conditions": bundle(MYELOMA)}}))
    assert fetched["summary"] == prefetched["summary"]
    assert fetched["detail"] == prefetched["detail"]
    assert "ISS stage II" in fetched["detail"]


def test_every_page_of_a_real_server_is_read() -> None:
    days = LIST_PAGE_SIZE + 30
    daily = [
        observation("2160-0", quantity("0.9", "mg/dL"), id=f"cr-{n}", effectiveDateTime=f"2025-{n // 28 + 1:02}-01")
        for n in range(days)
    ]
    with fhir_server(patient(), observation(), CREATININE, *daily, token=TOKEN) as base:
        body = asking(fhir_server=base, results=bundle(observation()))
        whole = the_card(post(REVIEW, body, site=site(base)))
        part = the_card(post(REVIEW, body, site=site(base), settings=Settings(fetch_max_pages=1)))
    assert "given in part only" not in whole["detail"]
    assert "| creatinine | 2.4 mg/dL" in whole["detail"]
    assert "| creatinine | 2.4 mg/dL" in part["detail"], "the newest come first"


def test_a_real_server_that_refuses_the_token() -> None:
    with fhir_server(patient(), observation(), token="another") as base:
        answer = post(CHART, asking(fhir_server=base, hook="patient-view"), site=site(base))
    assert answer.status_code == 412
    assert "patient (refused), b2m (refused)" in answer.get_json()["issue"][0]["diagnostics"]


# ------------------------------------------------------------------ what is asked


class Ehr:
    """A FHIR server made of ``responses``: it holds resources and notes what it was asked."""

    def __init__(self, *chart: Json, patient_form: str = "p") -> None:
        self.chart, self.patient_form = chart, patient_form
        self.asked: list[requests.PreparedRequest] = []
        for method in (responses.GET, responses.POST):
            responses.add_callback(method, re.compile(f"^{BASE}(/|$)"), callback=self._answer)

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.asked.append(request)
        if request.url == BASE:
            entries = [self._entry(entry["request"]["url"]) for entry in json.loads(request.body or "")["entry"]]
            return 200, {}, json.dumps({"resourceType": "Bundle", "type": "batch-response", "entry": entries})
        body = request.body.decode() if isinstance(request.body, bytes) else ""
        found = self.found(str(request.url).removeprefix(f"{BASE}/").replace("/_search", f"?{body}"))
        return (200, {}, json.dumps(found, default=float)) if found else (404, {}, "{}")

    def _entry(self, url: str) -> Json:
        found = self.found(url)
        return {"resource": json.loads(json.dumps(found, default=float)), "response": {"status": "200 OK"}}

    def found(self, query: str) -> Json | None:
        parts = urlsplit(query)
        kind, _, identity = parts.path.partition("/")
        held = [resource for resource in self.chart if resource["resourceType"] == kind]
        if identity:
            return next((resource for resource in held if resource["id"] == identity), None)
        params = parse_qs(parts.query)
        codes = unquote(params.get("code", [""])[0])
        if params["patient"] != [self.patient_form]:
            return bundle()
        return bundle(*(r for r in held if not codes or r["code"]["coding"][0]["code"] in codes))

    def urls(self) -> list[str]:
        return [unquote(str(request.url)) for request in self.asked]


@responses.activate
def test_nothing_is_asked_that_was_given() -> None:
    ehr = Ehr(patient(), observation())
    post(REVIEW, call(bundle(observation())) | {"fhirServer": BASE}, site=site())
    assert ehr.asked == []


@responses.activate
def test_nothing_is_asked_about_results_without_b2m_and_nothing_more_where_there_is_no_b2m() -> None:
    ehr = Ehr(patient())
    assert post(REVIEW, asking(results=bundle(CREATININE)), site=site()).get_json() == {"cards": []}
    assert ehr.asked == []
    assert post(CHART, asking(hook="patient-view"), site=site()).get_json() == {"cards": []}
    assert {url.split("?")[0] for url in ehr.urls()} == {f"{BASE}/Patient/p", f"{BASE}/Observation"}


@responses.activate
def test_searches_are_joined_and_each_parameter_stands_once() -> None:
    ehr = Ehr(patient(), observation(), CREATININE, ALBUMIN, MYELOMA)
    card = the_card(post(REVIEW, asking(results=bundle(observation()), b2m=bundle(observation())), site=site()))
    assert "(not given)" not in card["detail"]
    asked = [url.removeprefix(BASE) for url in ehr.urls()]
    assert asked.count("/Observation/_search") == 1, "the joined search is too long for a URL"
    observations = [url for url in asked if url.startswith("/Observation?")]
    assert ["2160-0" in url for url in observations if "Patient/p" not in url] == [True], (
        "creatinine is asked for alone"
    )
    for request in ehr.asked:
        query = request.body.decode() if isinstance(request.body, bytes) else urlsplit(str(request.url)).query
        assert all(len(values) == 1 for values in parse_qs(query).values())


@row("the FHIR server answers zero for `patient=ID`", "asked again as `patient=Patient/ID` before none is believed")
@responses.activate
def test_none_for_a_bare_id_is_asked_again_as_a_reference() -> None:
    Ehr(patient(), observation(), CREATININE, patient_form="Patient/p")
    card = the_card(post(CHART, asking(hook="patient-view"), site=site()))
    assert "| creatinine | 2.4 mg/dL" in card["detail"]


@responses.activate
def test_a_server_that_takes_batches_is_asked_once() -> None:
    ehr = Ehr(patient(), observation(), CREATININE, ALBUMIN, MYELOMA)
    card = the_card(post(REVIEW, asking(results=bundle(observation())), site=site(batch=True)))
    assert "ISS stage II" in card["detail"]
    assert {str(request.url) for request in ehr.asked} == {BASE}
    first = json.loads(ehr.asked[0].body or "")
    assert [entry["request"]["method"] for entry in first["entry"]] == ["GET"] * len(first["entry"])


@responses.activate
def test_a_batch_is_asked_again_by_reference_for_what_it_did_not_find() -> None:
    ehr = Ehr(patient(), observation(), CREATININE, ALBUMIN, MYELOMA, patient_form="Patient/p")
    card = the_card(post(REVIEW, asking(results=bundle(observation())), site=site(batch=True)))
    assert "ISS stage II" in card["detail"]
    assert len(ehr.asked) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 500}, "kidney results (could not be had)"),
        ({"status": 403}, "kidney results (refused by the FHIR server)"),
        ({"json": {"resourceType": "Bundle", "entry": []}}, "kidney results (could not be had)"),
        (
            {"json": {"entry": [{"response": {"status": "403 Forbidden"}}] * 5}},
            "kidney results (refused by the FHIR server)",
        ),
        ({"json": {"entry": [{"response": {"status": "404"}}] * 5}}, "kidney results (could not be had)"),
    ],
)
@responses.activate
def test_a_batch_that_fails_is_said(answer: Json, said: str) -> None:
    responses.add(responses.POST, BASE, **answer)
    body = asking(results=bundle(observation()), patient=patient())
    assert said in the_card(post(REVIEW, body, site=site(batch=True)))["detail"]


# ------------------------------------------------------------------ faults


def answering(**answer: Any) -> Callable[[], None]:
    """Every request is answered like this."""

    def script() -> None:
        for method in (responses.GET, responses.POST):
            responses.add(method, re.compile(f"^{BASE}"), **answer)

    return script


HALF = json.dumps(bundle(CREATININE), default=float)[:100]
FAULTS = {
    "a time-out": (answering(body=requests.ReadTimeout()), "not received in time"),
    "a refused connection": (answering(body=requests.ConnectionError()), "could not be had"),
    "401": (answering(status=401), "refused by the FHIR server"),
    "403": (answering(status=403), "refused by the FHIR server"),
    "404": (answering(status=404, json={"resourceType": "OperationOutcome"}), "could not be had"),
    "429": (answering(status=429), "could not be had"),
    "500": (answering(status=500, body="<h1>NullPointerException</h1>"), "could not be had"),
    "503, and to be asked again in a minute": (
        answering(status=503, headers={"Retry-After": "60"}),
        "could not be had",
    ),
    "an HTML page": (answering(body="<html>Log in</html>", content_type="text/html"), "could not be had"),
    "half a page": (answering(body=HALF), "could not be had"),
    "another resource": (answering(json={"resourceType": "Patient", "id": "q"}), "could not be had"),
    "an OperationOutcome with 200": (answering(json={"resourceType": "OperationOutcome"}), "could not be had"),
    "a JSON list": (answering(json=[1]), "could not be had"),
    "a redirect to another host": (
        answering(status=302, headers={"Location": "https://elsewhere.example/fhir"}),
        "could not be had",
    ),
}


@row(
    "a companion is to be fetched and the FHIR server fails (time-out, refused, 401, 403, 404, 429, 500, 503, HTML, "
    "half a page, wrong resource, redirect)",
    "200, the card says what is missing and why",
)
@pytest.mark.parametrize("fault", FAULTS)
@responses.activate
def test_each_fault_of_a_companion_is_said_on_the_card(fault: str) -> None:
    script, said = FAULTS[fault]
    script()
    body = asking(results=bundle(observation()), patient=patient())
    card = the_card(post(REVIEW, body, site=site(), settings=LONG))
    assert f"kidney results ({said})" in card["detail"]
    assert f"problem list ({said})" in card["detail"]
    assert card["summary"].startswith("Serum B2M 4.2 mg/L")
    assert all(str(made.request.url).startswith(f"{BASE}/") for made in responses.calls)


@row("patient or B2M is to be fetched and the FHIR server fails", "412 naming the keys and why")
@pytest.mark.parametrize("fault", FAULTS)
@responses.activate
def test_each_fault_of_what_every_answer_needs_is_412(fault: str) -> None:
    FAULTS[fault][0]()
    answer = post(CHART, asking(hook="patient-view"), site=site(), settings=LONG)
    assert answer.status_code == 412
    assert "patient (" in answer.get_json()["issue"][0]["diagnostics"]
    assert TOKEN not in answer.text
    assert "ehr.example" not in answer.text


def hang(handler: BaseHTTPRequestHandler, told: Scripted) -> None:
    told.stop.wait(30)


def slow_headers(handler: BaseHTTPRequestHandler, told: Scripted) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not told.stop.wait(0.05):
        handler.wfile.write(b"x")


def slow_body(handler: BaseHTTPRequestHandler, told: Scripted) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
    while not told.stop.wait(0.05):
        handler.wfile.write(b" ")


@row(
    "the FHIR server hangs, or sends its headers or its body byte by byte", "within the deadline, saying what was late"
)
@pytest.mark.parametrize("fault", [hang, slow_headers, slow_body])
def test_the_deadline_holds_against_a_server_that_takes_its_time(fault: Any) -> None:
    with scripted_server(fault) as told:
        began = time.monotonic()
        body = asking(fhir_server=told.base, results=bundle(observation()), patient=patient())
        card = the_card(post(REVIEW, body, site=site(told.base), settings=SHORT))
        assert time.monotonic() - began < HELD_SECONDS
    assert told.asked
    assert "kidney results (not received in time)" in card["detail"]


def test_a_thread_ends_by_itself_when_the_deadline_is_over() -> None:
    with scripted_server(slow_body) as told:
        client = FhirClient(site(told.base), SHORT)
        fetching = client.open(HookRequest.model_validate(asking(fhir_server=told.base)))
        assert fetching
        assert fetching.groups({"kidney": searches()["kidney"]})["kidney"].lacking is Reason.LATE
        client.threads.shutdown(wait=True)
        assert not told.stop.is_set(), "the server was still sending"


def cut_short(handler: BaseHTTPRequestHandler, told: Scripted) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"resourceType": "Bundle"')
    handler.close_connection = True


def test_an_answer_that_is_cut_short_is_not_read() -> None:
    with scripted_server(cut_short) as told:
        body = asking(fhir_server=told.base, results=bundle(observation()), patient=patient())
        card = the_card(post(REVIEW, body, site=site(told.base), settings=LONG))
    assert "kidney results (could not be had)" in card["detail"]


@responses.activate
def test_nothing_is_asked_after_the_deadline() -> None:
    ehr = Ehr(patient(), observation())
    settings = Settings(fetch_deadline_seconds=1e-6)
    answer = post(CHART, asking(hook="patient-view"), site=site(), settings=settings)
    assert answer.status_code == 412
    assert "patient (late), b2m (late)" in answer.get_json()["issue"][0]["diagnostics"]
    assert ehr.asked == []


@responses.activate
def test_an_answer_over_the_limit_is_not_read() -> None:
    answering(body=b" " * 20_000 + json.dumps(bundle()).encode())()
    body = asking(results=bundle(observation()), patient=patient())
    settings = Settings(fetch_max_bytes=10_000, fetch_deadline_seconds=5)
    assert "kidney results (could not be had)" in the_card(post(REVIEW, body, site=site(), settings=settings))["detail"]


@row("the FHIR server is busy once (429, 503)", "asked once more within the deadline")
@pytest.mark.parametrize("status", [429, 503])
@responses.activate
def test_a_busy_server_is_asked_once_more(status: int) -> None:
    for method in (responses.GET, responses.POST):
        responses.add(method, re.compile(f"^{BASE}/Observation"), status=status, headers={"Retry-After": "0"})
    Ehr(patient(), observation(), CREATININE, ALBUMIN, MYELOMA)
    card = the_card(post(REVIEW, asking(results=bundle(observation()), patient=patient()), site=site()))
    assert "| creatinine | 2.4 mg/dL" in card["detail"]


# ------------------------------------------------------------------ pages


def paged(next_url: str) -> None:
    """Creatinine on a first page whose next link leads to ``next_url``; everything else is none."""
    first = bundle(CREATININE, link=[{"relation": "next", "url": next_url}])
    responses.add(responses.GET, re.compile(f"{BASE}/Observation\\?.*2160-0"), body=json.dumps(first, default=float))
    answering(json=bundle())()


@responses.activate
@pytest.mark.parametrize("url", [f"{BASE}?page=2", "/other?page=2", "?page=2", "https://EHR.example:443/fhir?page=2"])
def test_a_next_link_within_the_servers_own_origin_is_followed(url: str) -> None:
    paged(url)
    card = the_card(post(REVIEW, asking(results=bundle(observation()), patient=patient()), site=site()))
    assert "in part only" not in card["detail"]


@row("a next link leads to another host", "not followed: the page is incomplete, what is not on it is unknown")
@responses.activate
@pytest.mark.parametrize(
    "url",
    ["https://elsewhere.example/fhir?page=2", "http://ehr.example/fhir?page=2", "//elsewhere.example/x", "http://["],
)
def test_a_next_link_to_another_origin_is_not_followed(url: str) -> None:
    old = CREATININE | {"effectiveDateTime": "2025-01-01"}
    first = bundle(old, link=[{"relation": "next", "url": url}])
    responses.add(responses.GET, re.compile(f"{BASE}/Observation\\?.*2160-0"), body=json.dumps(first, default=float))
    answering(json=bundle())()
    card = the_card(post(REVIEW, asking(results=bundle(observation()), patient=patient()), site=site()))
    assert "kidney results (given in part only)" in card["detail"]
    assert all(str(made.request.url).startswith(f"{BASE}/") for made in responses.calls)


@responses.activate
def test_a_page_that_is_lost_leaves_the_rest_unknown() -> None:
    old = CREATININE | {"effectiveDateTime": "2025-01-01"}
    first = bundle(old, link=[{"relation": "next", "url": f"{BASE}/Observation/next"}])
    responses.add(responses.GET, re.compile(f"{BASE}/Observation\\?.*2160-0"), body=json.dumps(first, default=float))
    responses.add(responses.GET, f"{BASE}/Observation/next", status=500)
    answering(json=bundle())()
    card = the_card(post(REVIEW, asking(results=bundle(observation()), patient=patient()), site=site()))
    assert "kidney results (given in part only)" in card["detail"]


# ------------------------------------------------------------------ the token


@pytest.fixture
def with_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine ehr.example login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))


@row("a fhirAuthorization token", "sent to its FHIR server only; never logged, kept or echoed")
@pytest.mark.usefixtures("with_netrc")
@responses.activate
def test_the_token_goes_to_its_server_and_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    ehr = Ehr(patient(), observation(), CREATININE)
    with caplog.at_level(logging.DEBUG):
        answer = post(CHART, asking(hook="patient-view"), site=site())
        assert {request.headers["Authorization"] for request in ehr.asked} == {f"Bearer {TOKEN}"}
        ehr.asked.clear()
        post(CHART, {k: v for k, v in asking(hook="patient-view").items() if k != "fhirAuthorization"}, site=site())
    assert ehr.asked
    assert not [request for request in ehr.asked if "Authorization" in request.headers], "neither kept nor from .netrc"
    assert TOKEN not in answer.text
    assert TOKEN not in caplog.text


@responses.activate
def test_cookies_of_a_server_are_not_kept() -> None:
    answering(json=bundle(), headers={"Set-Cookie": "session=of-this-patient"})()
    post(REVIEW, asking(results=bundle(observation()), patient=patient()), site=site())
    assert not [made for made in responses.calls if "Cookie" in made.request.headers]


@pytest.mark.parametrize(
    "spelling", [BASE, f"{BASE}/", "HTTPS://EHR.example/fhir", "https://ehr.example:443/fhir", f" {BASE} "]
)
@responses.activate
def test_an_allowed_server_may_be_spelt_in_any_way(spelling: str) -> None:
    ehr = Ehr(patient(), observation())
    body = asking(hook="patient-view") | {"fhirServer": spelling.strip()}
    assert post(CHART, body, site=site()).status_code == 200
    assert ehr.asked


@pytest.mark.parametrize(
    "other",
    ["https://ehr.example/fhir2", "https://ehr.example", "https://ehr.example.evil/fhir", "http://ehr.example/fhir"],
)
@responses.activate
def test_a_server_that_is_not_allowed_is_never_called(other: str) -> None:
    answer = post(CHART, asking(hook="patient-view") | {"fhirServer": other}, site=site())
    assert answer.status_code == 412
    assert "not on this service's list" in answer.get_json()["issue"][0]["diagnostics"]
    assert len(responses.calls) == 0


# ------------------------------------------------------------------ what is complete, and what was had in time


def asked_of(server: Any, *keys: str, **settings: Any) -> dict[str, Any]:
    """The groups that a server gives for ``keys``."""
    client = FhirClient(site(server.base), Settings(**settings))
    fetching = client.open(HookRequest.model_validate(asking(fhir_server=server.base)))
    assert fetching
    found = fetching.groups({key: searches()[key] for key in keys})
    client.threads.shutdown(wait=True)
    return found


def sending(*pages: Any) -> Callable[[BaseHTTPRequestHandler, Scripted], None]:
    """Page after page, the last one from then on; None hangs."""

    def answer(handler: BaseHTTPRequestHandler, told: Scripted) -> None:
        page = pages[min(len(told.asked), len(pages)) - 1]
        if page is None:
            told.stop.wait(30)
            return
        body = json.dumps(page, default=float).replace("BASE", told.base).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


NEXT = [{"relation": "next", "url": "BASE?page=2"}]


@pytest.mark.parametrize(
    ("pages", "lacking"),
    [
        ([bundle(MYELOMA)], None),
        ([bundle(MYELOMA, total=1)], None),
        ([bundle(MYELOMA, total=2)], Reason.INCOMPLETE),
        ([{"resourceType": "Bundle", "type": "searchset", "total": 7}], Reason.INCOMPLETE),
        ([bundle(*[MYELOMA | {"id": f"c{n}"} for n in range(50)])], Reason.INCOMPLETE),
        ([bundle(*[MYELOMA | {"id": f"c{n}"} for n in range(50)], total=50)], None),
        ([bundle(*[MYELOMA | {"id": f"c{n}"} for n in range(7)], link=[{"relation": "self", "url": "x?_count=7"}])],
         Reason.INCOMPLETE),
        ([bundle(MYELOMA, link=NEXT), bundle(MYELOMA | {"id": "c2"})], None),
        ([bundle(MYELOMA, link=NEXT), bundle(MYELOMA | {"id": "c2"}, entry=[None, "x"])], Reason.INCOMPLETE),
        ([bundle(MYELOMA, link=NEXT), {"resourceType": "Bundle", "entry": "x"}], Reason.INCOMPLETE),
        ([bundle(MYELOMA, link=NEXT), {"resourceType": "OperationOutcome"}], Reason.INCOMPLETE),
        ([bundle(MYELOMA, link=NEXT), {"resourceType": "Bundle"}], None),
        ([bundle(CREATININE)], Reason.UNAVAILABLE),
        ([bundle(MYELOMA, link=NEXT), None], Reason.INCOMPLETE),
    ],
)  # fmt: skip
def test_whether_a_search_was_answered_in_full(pages: list[Any], lacking: Reason | None) -> None:
    with scripted_server(sending(*pages)) as told:
        group = asked_of(told, "conditions", fetch_deadline_seconds=0.6 if None in pages else 5)["conditions"]
    assert group.lacking is lacking
    assert bool(group.resources) is (lacking is not Reason.UNAVAILABLE and "entry" in pages[0])


def test_more_than_a_call_may_hold_is_not_had() -> None:
    many = bundle(*[MYELOMA | {"id": f"c{n}"} for n in range(11)])
    with scripted_server(sending(many)) as told:
        assert asked_of(told, "conditions", max_entries=10)["conditions"].lacking is Reason.UNAVAILABLE


def test_bundles_without_end_are_not_had() -> None:
    deep: Any = bundle(MYELOMA)
    for _ in range(280):
        deep = bundle(deep)
    with scripted_server(sending(deep)) as told:
        group = asked_of(told, "conditions")["conditions"]
    assert not group.resources
    assert group.lacking


def test_a_server_that_drips_does_not_keep_the_others_waiting() -> None:
    with scripted_server(slow_headers) as slow, scripted_server(sending(bundle(CREATININE, total=1))) as healthy:
        both = SiteProfile(fhir_server=(FhirServer(url=slow.base), FhirServer(url=healthy.base)))
        client = FhirClient(both, Settings(fetch_deadline_seconds=0.3))
        for _ in range(12):
            fetching = client.open(HookRequest.model_validate(asking(fhir_server=slow.base)))
            assert fetching
            assert fetching.groups(dict(searches()))["kidney"].lacking is Reason.LATE
        client.settings = Settings()
        fetching = client.open(HookRequest.model_validate(asking(fhir_server=healthy.base)))
        assert fetching
        assert fetching.groups({"kidney": searches()["kidney"]})["kidney"].resources
        client.threads.shutdown(wait=True)


def test_a_batch_that_hangs_when_asked_again_leaves_it_unknown() -> None:
    empty = {"response": {"status": "200 OK"}, "resource": bundle()}
    first = {"resourceType": "Bundle", "type": "batch-response", "entry": [empty] * 2}
    with scripted_server(sending(first, None)) as told:
        client = FhirClient(site(told.base, batch=True), SHORT)
        fetching = client.open(HookRequest.model_validate(asking(fhir_server=told.base)))
        assert fetching
        found = fetching.groups({key: searches()[key] for key in ("conditions", "kidney")})
        client.threads.shutdown(wait=True)
    assert {group.lacking for group in found.values()} == {Reason.LATE}


def test_a_token_in_clear_text_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(sending(bundle())) as proxy, scripted_server(sending(bundle(CREATININE, total=1))) as told:
        monkeypatch.setenv("http_proxy", proxy.base)
        assert asked_of(told, "kidney")["kidney"].resources
        assert proxy.asked == []


def test_a_wait_that_begins_when_the_call_is_over_ends_at_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sockets = Sockets()
        sockets.watch()
        sockets.shut()
        Sockets.waits_on(ours)
        assert ours.recv(1) == b""
        sockets.leave()
        Sockets.waits_on(theirs)
        Sockets.waits_on(None)
