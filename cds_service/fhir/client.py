"""Asking an EHR's FHIR server for what was not prefetched: allowed servers only, within one deadline a call.

The token goes to that server and nowhere else; it is not kept, logged or echoed. Redirects are not followed, and next
links only within the server's own origin.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import requests
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from cds_service.config import FhirServer, Settings, SiteProfile
from cds_service.facts import Reason
from cds_service.fhir.bundle import Group, open_group
from cds_service.fhir.connections import Sockets, new_session
from cds_service.fhir.searches import PATIENT, Search, joined
from cds_service.fhir.shape import Json, element, objects, text
from cds_service.models import HookRequest

_HEADERS = {"Accept": "application/fhir+json, application/json;q=0.9", "User-Agent": "b2m-cds-service"}
_LONGEST_URL = 1900
_CHUNK = 65_536
_MOST_THREADS = 32
_BUSY = (429, 503)
_REFUSALS = (401, 403)
_PAUSE_SECONDS = 0.1
_KEPT = "$-_.~"
#: Page lengths that servers like: a page of such a length that does not say how many there are may not be all.
_USUAL_PAGES = {10, 20, 25, 50, 100}
#: What no link to a page holds, and parsers of URLs disagree about.
_ODD = re.compile(r"[\\\x00-\x20\x7f]")
#: http is for servers on this machine; a token in clear text goes through no proxy.
_NO_PROXY_FOR_HTTP: dict[str, Any] = {"http": None}

_Keys = tuple[str, ...]
_Step = tuple[_Keys, Search | None]


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
        self.session = new_session(_HEADERS, _MOST_THREADS)
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
    """The resources of one search, and why they are not all."""

    resources: list[Json] = field(default_factory=list)
    lacking: Reason | None = None


class Fetching:
    """One call's questions to one FHIR server, all within one deadline."""

    def __init__(self, client: FhirClient, server: FhirServer, auth: _Bearer, patient_id: str) -> None:
        self._client, self._server, self._auth, self._patient_id = client, server, auth, patient_id
        self._until = time.monotonic() + client.settings.fetch_deadline_seconds
        self._had: dict[_Keys, _Answer] = {}
        self._sockets = Sockets()

    def groups(self, asked: Mapping[str, Search | None]) -> dict[str, Group]:
        """The answers by prefetch key, asked for at the same time. ``None`` stands for the Patient itself."""
        plan: list[_Step] = [((PATIENT,), None)] if PATIENT in asked else []
        plan += joined({key: search for key, search in asked.items() if search is not None})
        in_batch = self._server.batch and len(plan) > 1
        tasks = [(self._batch, plan)] if in_batch else [(self._each, [step]) for step in plan]
        work = [self._client.threads.submit(self._run, task, steps) for task, steps in tasks]
        wait(work, timeout=max(self._remaining(), 0))
        late, had = not all(future.done() for future in work), dict(self._had)
        if late:
            self._sockets.shut()
        lacking = Reason.LATE if late else Reason.UNAVAILABLE
        answers = {keys: had.get(keys, _Answer(lacking=lacking)) for keys, _ in plan}
        return {key: group for keys, answer in answers.items() for key, group in self._by_key(keys, answer)}

    def _run(self, task: Callable[[Sequence[_Step]], None], steps: Sequence[_Step]) -> None:
        """A task on a thread of its own; what it had got by the deadline counts, however it ends."""
        self._sockets.watch()
        try:
            task(steps)
        finally:
            self._sockets.leave()

    def _by_key(self, keys: _Keys, answer: _Answer) -> Iterator[tuple[str, Group]]:
        """The answer to a joined search under its first key; the others hold nothing more, and lack the same."""
        if len(answer.resources) > self._client.settings.max_entries:
            answer = _Answer(lacking=Reason.UNAVAILABLE)
        yield keys[0], Group(tuple(answer.resources), answer.lacking)
        for key in keys[1:]:
            yield key, Group((), answer.lacking)

    def _remaining(self) -> float:
        return self._until - time.monotonic()

    # ------------------------------------------------------------- one request for each search

    def _each(self, steps: Sequence[_Step]) -> None:
        for keys, search in steps:
            try:
                if search is None:
                    self._had[keys] = self._read(self._get(f"Patient/{quote(self._patient_id)}"))
                else:
                    self._search(keys, search)
            except _NotHad as error:
                self._had[keys] = _Answer(lacking=error.reason)

    def _read(self, document: Any) -> _Answer:
        """A Patient that is the one asked for."""
        if text(document, "resourceType") != "Patient" or text(document, "id") != self._patient_id:
            raise _NotHad(Reason.UNAVAILABLE)
        return _Answer([document])

    def _search(self, keys: _Keys, search: Search) -> None:
        """All pages of a search, asked once more by ``Patient/ID`` before "none" is believed."""
        found = _opened([document := self._first_page(search, self._patient_id)], search)
        if self._may_be_found_by_reference(search, found):
            document = self._first_page(search, f"Patient/{self._patient_id}")
        self._pages(keys, search, document)

    def _may_be_found_by_reference(self, search: Search, found: _Answer) -> bool:
        """Whether "none" is not to be believed yet: this server has never found anything by a bare id."""
        form = (self._server.url, search.resource_type)
        if found.resources:
            self._client.finds_by_bare_id.add(form)
        return not (found.resources or found.lacking or form in self._client.finds_by_bare_id)

    def _first_page(self, search: Search, patient: str) -> Any:
        query = _query(search, patient)
        if len(self._server.url) + len(search.resource_type) + len(query) < _LONGEST_URL:
            return self._get(f"{search.resource_type}?{query}")
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", f"{self._server.url}/{search.resource_type}/_search", query.encode(), kind)

    def _pages(self, keys: _Keys, search: Search, document: Any) -> None:
        """The resources of a searchset and of the pages behind it, up to the most that a site asks for.

        Raises:
            _NotHad: the first page is no searchset, or holds nothing of what was searched for.
        """
        pages = [document]
        self._had[keys] = _opened(pages, search)
        while (url := _next_url(pages[-1], self._server.url)) and len(pages) < self._client.settings.fetch_max_pages:
            try:
                pages.append(self._ask("GET", url))
            except _NotHad:
                return
            self._had[keys] = _opened(pages, search)

    # ------------------------------------------------------------- one batch for all

    def _batch(self, plan: Sequence[_Step]) -> None:
        """All searches in one Bundle; those that found none once more, in a second."""
        self._batched(plan, self._patient_id)
        again = [(k, s) for k, s in plan if s and self._may_be_found_by_reference(s, self._had[k])]
        if again:
            self._had |= {keys: _Answer(lacking=Reason.LATE) for keys, _ in again}
            self._batched(again, f"Patient/{self._patient_id}")

    def _batched(self, plan: Sequence[_Step], patient: str) -> None:
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
            self._had |= {keys: _Answer(lacking=error.reason) for keys, _ in plan}
            return
        for (keys, search), part in zip(plan, parts, strict=True):
            self._part(keys, search, part)

    def _part(self, keys: _Keys, search: Search | None, part: Json) -> None:
        status, found = text(part, "response", "status")[:3], part.get("resource")
        try:
            if status != "200":
                raise _NotHad(Reason.REFUSED if status in map(str, _REFUSALS) else Reason.UNAVAILABLE)
            if search is None:
                self._had[keys] = self._read(found)
            else:
                self._pages(keys, search, found)
        except _NotHad as error:
            self._had[keys] = _Answer(lacking=error.reason)

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
            proxies=_NO_PROXY_FOR_HTTP,
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
            if len(content) > self._client.settings.fetch_max_bytes:
                raise _NotHad(Reason.UNAVAILABLE)
        return bytes(content)


def _opened(pages: list[Any], search: Search) -> _Answer:
    """What the pages of a search hold together.

    Raises:
        _NotHad: they are no searchset, or hold nothing of what was searched for.
    """
    first = pages[0]
    group = open_group(_one_bundle(pages), search.page_size if len(pages) == 1 else None)
    of_kind = sum(r.get("resourceType") == search.resource_type for r in group.resources)
    others = bool(group.resources) and not of_kind
    if text(first, "resourceType") != "Bundle" or group.lacking is Reason.UNAVAILABLE or others:
        raise _NotHad(Reason.UNAVAILABLE)
    untold = len(pages) == 1 and "total" not in first and of_kind in _USUAL_PAGES
    return _Answer(list(group.resources), Reason.INCOMPLETE if untold else group.lacking)


def _one_bundle(pages: list[Any]) -> Any:
    """The pages of a search as one: the total of the first, the entries of all, the next link of the last.

    What cannot be read of a page stands there as an entry that cannot be read.
    """
    first, last = pages[0], pages[-1]
    if len(pages) == 1:
        return first
    entries = [entry for page in pages for entry in _entries(page)]
    links = [link for link in objects(last, "link") if text(link, "relation") == "next"]
    return {**first, "entry": entries, "link": links}


def _entries(page: Any) -> list[Any]:
    entries = element(page, "entry") if text(page, "resourceType") == "Bundle" else "no page"
    return entries if isinstance(entries, list) else [] if entries is None else [entries]


def _query(search: Search, patient: str) -> str:
    return urlencode([("patient", patient), *search.parameters()], quote_via=quote, safe=_KEPT)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        raise _NotHad(Reason.UNAVAILABLE) from None


def _next_url(document: Any, base: str) -> str:
    """Where the next page lies, "" where there is none, or none within the server's own origin.

    Compared is the URL as it will be sent, by the parser of who sends it: others read a backslash differently.
    """
    link = next((text(link, "url") for link in objects(document, "link") if text(link, "relation") == "next"), "")
    if not link or _ODD.search(link):
        return ""
    try:
        url = str(requests.Request("GET", urljoin(f"{base}/", link)).prepare().url)
        return url if _origin(url) == _origin(base) else ""
    except (ValueError, requests.RequestException, HTTPError):
        return ""


def _origin(url: str) -> tuple[str | None, ...]:
    parts = parse_url(url)
    default = {"http": 80, "https": 443}.get(parts.scheme or "")
    return parts.scheme, parts.host, str(parts.port or default), parts.auth
