"""Asking an EHR's FHIR server for what was not prefetched: allowed servers only, within one deadline a call.

The token goes to that server and nowhere else; it is not kept, logged or echoed. Redirects are not followed, and next
links only within the server's own origin.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from decimal import Decimal
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from cds_service.config import FhirServer, Settings, SiteProfile
from cds_service.facts import Reason
from cds_service.fhir.bundle import Group, open_group
from cds_service.fhir.searches import PATIENT, Search, joined
from cds_service.fhir.shape import Json, objects, text
from cds_service.models import HookRequest

_ACCEPT = "application/fhir+json, application/json;q=0.9"
_LONGEST_URL = 1900
_CHUNK = 65_536
_MOST_THREADS = 32
_BUSY = (429, 503)
_REFUSALS = (401, 403)
_PAUSE_SECONDS = 0.1
_KEPT = "$-_.~"


class _NotHad(Exception):
    """An answer could not be had; ``reason`` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _Bearer(requests.auth.AuthBase):
    """The call's own token, and no other that this machine may know (a .netrc)."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class FhirClient:
    """Asks the FHIR servers that a site allows. One for a process; connections are kept open between calls.

    Args:
        site: which servers may be asked.
        settings: deadline, most pages and largest answer.
    """

    def __init__(self, site: SiteProfile, settings: Settings) -> None:
        self._site, self.settings = site, settings
        self.session = requests.Session()
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.session.headers.update({"Accept": _ACCEPT, "User-Agent": "b2m-cds-service"})
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(pool_maxsize=_MOST_THREADS, max_retries=0))
        self.threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="fetch")
        #: (server, resource type) of which ``patient=ID`` is known to find something.
        self.finds_by_bare_id: set[tuple[str, str]] = set()

    def open(self, call: HookRequest) -> "Fetching | None":
        """What may be asked in this call, its deadline running from now; None where its server is not allowed."""
        server = self._site.server_of(call.fhirServer)
        if server is None:
            return None
        token = call.fhirAuthorization.access_token if call.fhirAuthorization else None
        return Fetching(self, server, _Bearer(token), call.context.patientId)


@dataclass(slots=True)
class _Answer:
    """The pages of one search so far, and why they are not all."""

    resources: list[Json] = field(default_factory=list)
    lacking: Reason | None = None


class Fetching:
    """One call's questions to one FHIR server, all within one deadline."""

    def __init__(self, client: FhirClient, server: FhirServer, auth: _Bearer, patient_id: str) -> None:
        self._client, self._server, self._auth, self._patient_id = client, server, auth, patient_id
        self._until = time.monotonic() + client.settings.fetch_deadline_seconds

    def groups(self, asked: Mapping[str, Search | None]) -> dict[str, Group]:
        """The answers by prefetch key, asked for at the same time. ``None`` stands for the Patient itself."""
        plan: list[tuple[tuple[str, ...], Search | None]] = [((PATIENT,), None)] if PATIENT in asked else []
        plan += joined({key: search for key, search in asked.items() if search is not None})
        if self._server.batch and len(plan) > 1:
            work = {self._submit(self._batch, plan): None}
        else:
            work = {self._submit(self._one, step): None for step in plan}
        wait(work, timeout=max(self._remaining(), 0))
        answers = {keys: _Answer(lacking=Reason.LATE) for keys, _ in plan}
        for future in work:
            if future.done():
                answers |= future.result()
        return {key: group for keys, answer in answers.items() for key, group in _by_key(keys, answer)}

    def _submit(self, task: Any, argument: Any) -> "Future[dict[tuple[str, ...], _Answer]]":
        return self._client.threads.submit(task, argument)

    def _remaining(self) -> float:
        return self._until - time.monotonic()

    # ------------------------------------------------------------- one request for each search

    def _one(self, step: tuple[tuple[str, ...], Search | None]) -> dict[tuple[str, ...], _Answer]:
        keys, search = step
        try:
            if search is None:
                return {keys: self._read(self._get(f"Patient/{quote(self._patient_id)}"))}
            return {keys: self._search(search)}
        except _NotHad as error:
            return {keys: _Answer(lacking=error.reason)}

    def _read(self, document: Any) -> _Answer:
        """A Patient that is the one asked for."""
        if text(document, "resourceType") != "Patient" or text(document, "id") != self._patient_id:
            raise _NotHad(Reason.UNAVAILABLE)
        return _Answer([document])

    def _search(self, search: Search) -> _Answer:
        """All pages of a search, asked once more by ``Patient/ID`` before "none" is believed."""
        found = self._pages(self._first_page(search, self._patient_id), search.page_size)
        return self._asked_again(search, found)

    def _asked_again(self, search: Search, found: _Answer) -> _Answer:
        form = (self._server.url, search.resource_type)
        if found.resources:
            self._client.finds_by_bare_id.add(form)
        if found.resources or found.lacking or form in self._client.finds_by_bare_id:
            return found
        return self._pages(self._first_page(search, f"Patient/{self._patient_id}"), search.page_size)

    def _first_page(self, search: Search, patient: str) -> Any:
        query = _query(search, patient)
        if len(self._server.url) + len(search.resource_type) + len(query) < _LONGEST_URL:
            return self._get(f"{search.resource_type}?{query}")
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", f"{self._server.url}/{search.resource_type}/_search", query.encode(), kind)

    def _pages(self, document: Any, page_size: int) -> _Answer:
        """The resources of a searchset and of the pages behind it, up to the most that a site asks for."""
        pages = [document]
        while (url := _next_url(pages[-1], self._server.url)) and len(pages) < self._client.settings.fetch_max_pages:
            try:
                pages.append(self._ask("GET", url))
            except _NotHad:
                break
        group = open_group(_one_bundle(pages), page_size if len(pages) == 1 else None)
        if text(document, "resourceType") != "Bundle" or group.lacking is Reason.UNAVAILABLE:
            raise _NotHad(Reason.UNAVAILABLE)
        return _Answer(list(group.resources), group.lacking)

    # ------------------------------------------------------------- one batch for all

    def _batch(self, plan: Sequence[tuple[tuple[str, ...], Search | None]]) -> dict[tuple[str, ...], _Answer]:
        """All searches in one Bundle; those that found none once more, in a second."""
        answers = self._batched(plan, self._patient_id)
        again = [
            (keys, search)
            for keys, search in plan
            if search and not answers[keys].resources and not answers[keys].lacking
            if (self._server.url, search.resource_type) not in self._client.finds_by_bare_id
        ]
        found = {search.resource_type for keys, search in plan if search and answers[keys].resources}
        self._client.finds_by_bare_id |= {(self._server.url, kind) for kind in found}
        return answers | self._batched(again, f"Patient/{self._patient_id}") if again else answers

    def _batched(
        self, plan: Sequence[tuple[tuple[str, ...], Search | None]], patient: str
    ) -> dict[tuple[str, ...], _Answer]:
        urls = [
            f"{search.resource_type}?{_query(search, patient)}" if search else f"Patient/{quote(self._patient_id)}"
            for _, search in plan
        ]
        entries = [{"request": {"method": "GET", "url": url}} for url in urls]
        bundle = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()
        try:
            answer = self._ask("POST", self._server.url, bundle, {"Content-Type": "application/fhir+json"})
            parts = list(objects(answer, "entry"))
            if len(parts) != len(plan):
                raise _NotHad(Reason.UNAVAILABLE)
        except _NotHad as error:
            return {keys: _Answer(lacking=error.reason) for keys, _ in plan}
        return {keys: self._part(search, part) for (keys, search), part in zip(plan, parts, strict=True)}

    def _part(self, search: Search | None, part: Json) -> _Answer:
        status = text(part, "response", "status")[:3]
        try:
            if status != "200":
                raise _NotHad(Reason.REFUSED if status in map(str, _REFUSALS) else Reason.UNAVAILABLE)
            found = part.get("resource")
            return self._read(found) if search is None else self._pages(found, search.page_size)
        except _NotHad as error:
            return _Answer(lacking=error.reason)

    # ------------------------------------------------------------- one request

    def _get(self, path: str) -> Any:
        return self._ask("GET", f"{self._server.url}/{path}")

    def _ask(self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of an answer; asked once more where the server says that it is busy.

        Raises:
            _NotHad: no answer in time, a refusal, or anything but JSON.
        """
        try:
            status, pause, content = self._send(method, url, body, headers)
            if status in _BUSY and pause < self._remaining():
                time.sleep(pause)
                status, _, content = self._send(method, url, body, headers)
        except requests.Timeout:
            raise _NotHad(Reason.LATE) from None
        except (requests.RequestException, HTTPError, OSError, ValueError):
            raise _NotHad(Reason.LATE if self._remaining() <= 0 else Reason.UNAVAILABLE) from None
        if status in _REFUSALS:
            raise _NotHad(Reason.REFUSED)
        if status != 200:
            raise _NotHad(Reason.UNAVAILABLE)
        return _decoded(content)

    def _send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> tuple[int, float, bytes]:
        """Status, seconds to wait before asking again, and body of one answer, read as long as the deadline allows."""
        remaining = self._remaining()
        if remaining <= 0:
            raise requests.Timeout
        with self._client.session.request(
            method,
            url,
            data=body,
            headers=headers,
            auth=self._auth,
            timeout=remaining,
            allow_redirects=False,
            stream=True,
        ) as answer:
            pause = answer.headers.get("Retry-After", "")
            seconds = float(pause) if pause.isascii() and pause.isdigit() else _PAUSE_SECONDS
            return answer.status_code, seconds, self._body(answer)

    def _body(self, answer: requests.Response) -> bytes:
        content = bytearray()
        while chunk := answer.raw.read1(_CHUNK, decode_content=True):
            content += chunk
            if self._remaining() <= 0:
                raise requests.Timeout
            if len(content) > self._client.settings.max_body_bytes:
                raise _NotHad(Reason.UNAVAILABLE)
        return bytes(content)


def _by_key(keys: tuple[str, ...], answer: _Answer) -> Iterable[tuple[str, Group]]:
    """The answer to a joined search under its first key; the others hold nothing more, and lack the same."""
    yield keys[0], Group(tuple(answer.resources), answer.lacking)
    for key in keys[1:]:
        yield key, Group((), answer.lacking)


def _query(search: Search, patient: str) -> str:
    return urlencode([("patient", patient), *search.parameters()], quote_via=quote, safe=_KEPT)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        raise _NotHad(Reason.UNAVAILABLE) from None


def _one_bundle(pages: list[Any]) -> Any:
    """The pages of a search as one: the total of the first, the entries of all, the links of the last."""
    first, last = pages[0], pages[-1]
    if len(pages) == 1:
        return first
    entries = [entry for page in pages for entry in objects(page, "entry")]
    links = list(objects(last, "link"))
    return {**first, "entry": entries, "link": links} if text(last, "resourceType") == "Bundle" else first


def _next_url(document: Any, base: str) -> str:
    """Where the next page lies, "" where there is none, or none within the server's own origin."""
    link = next((text(link, "url") for link in objects(document, "link") if text(link, "relation") == "next"), "")
    try:
        url = urljoin(f"{base}/", link)
        return url if link and _origin(url) == _origin(base) else ""
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
