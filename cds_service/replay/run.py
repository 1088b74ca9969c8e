"""Calls to outcomes: decided here, in this process or several, or by any CDS Hooks service over HTTP."""

import os
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice
from time import perf_counter
from typing import Any

import requests

from cds_service.config import Settings, load_settings
from cds_service.decide import Decision, decide
from cds_service.errors import CallError, CdsServiceError
from cds_service.fhir.shape import Json, objects, text
from cds_service.hooks.body import parse_call
from cds_service.hooks.operation_outcome import status_of
from cds_service.knowledge.model import Rule, load
from cds_service.replay.calls import Recorded, chart_call, dump_json, observations_in
from cds_service.replay.outcome import Outcome, patient_of

_TIMEOUT_SECONDS = 30
_WINDOW = 64

Run = Callable[[Recorded], Outcome]


def run_all(calls: Iterable[Recorded], run: Run, *, jobs: int, remote: bool) -> Iterator[Outcome]:
    """The outcomes in the order of the calls, ``jobs`` at a time: processes to decide, threads to wait."""
    if jobs == 1:
        yield from map(run, calls)
        return
    pool: Executor = ThreadPoolExecutor(jobs) if remote else ProcessPoolExecutor(jobs)
    with pool:
        remaining = iter(calls)
        while window := list(islice(remaining, _WINDOW * jobs)):
            yield from pool.map(run, window, chunksize=1 if remote else 8)


@cache
def _settings() -> Settings:
    return load_settings()


@cache
def _rules() -> tuple[Rule, ...]:
    return load()


def decide_here(call: Recorded, *, as_of: datetime | None) -> Outcome:
    """Decides a call in this process, as of ``as_of``, else as of its own time, else now."""
    when = as_of or call.as_of or datetime.now(UTC)
    begun = perf_counter()
    about = Outcome(call.name, patient_of(call.request), call.service, when.isoformat(), status=200)
    sent = sum(observations_in(value) for value in _brought(call.request))
    try:
        decision = decide(parse_call(call.request), rules=_rules(), as_of=when, settings=_settings())
    except CallError as error:
        refused = {"refused": sent} if sent else {}
        return replace(about, status=status_of(error), problem=error.message, account=refused)
    missing = decision.facts.missing if decision.facts else ()
    return replace(
        about,
        cards=tuple(card.model_dump(mode="json", exclude_none=True) for card in decision.cards),
        problem="; ".join(f"{f.rule} could not be run on {f.specimen}: {f.error}" for f in decision.failures),
        missing=tuple(dict.fromkeys(f"{m.item}: {m.reason}" for m in missing)),
        account=account(decision, sent),
        milliseconds=(perf_counter() - begun) * 1000,
    )


def _brought(request: Json) -> list[Any]:
    context, prefetch = request.get("context"), request.get("prefetch")
    results = context.get("results") if isinstance(context, dict) else None
    return [results, *(prefetch.values() if isinstance(prefetch, dict) else ())]


def account(decision: Decision, sent: int) -> dict[str, int]:
    """What became of each Observation sent; "unaccounted" would be a fault of this service."""
    chart, facts = decision.chart, decision.facts
    fates = Counter(reason for _, reason in chart.discarded)
    if facts is None:
        fates["nothing-under-review"] += sent - fates.total()
    else:
        fates.update(facts.fates.get(place, "code-not-known") for place in range(len(chart.observations)))
        fates["unaccounted"] += sent - fates.total()
    return {fate: count for fate, count in fates.items() if count}


def token_of(command: str, url: str) -> str:
    """The bearer token that a command prints; it is told the address as CDS_URL, since a token is for one.

    Raises:
        CdsServiceError: it ended with an error.
    """
    environment = os.environ | {"CDS_URL": url}
    made = subprocess.run(shlex.split(command), env=environment, capture_output=True, text=True, timeout=30)  # noqa: S603
    if made.returncode:
        raise CdsServiceError(f"the token command ended with {made.returncode}: {made.stderr.strip()[:200]}")
    return made.stdout.strip()


class Remote:
    """A CDS Hooks service somewhere: its discovery, and calls to it.

    Raises:
        CdsServiceError: its discovery cannot be read.
    """

    def __init__(self, url: str, token_command: str | None = None) -> None:
        self.url, self._token_command = url.rstrip("/"), token_command
        self._session = requests.Session()
        try:
            found = self._session.get(
                f"{self.url}/cds-services", headers=self._authorization("/cds-services"), timeout=_TIMEOUT_SECONDS
            )
            self.services = {text(s, "hook"): text(s, "id") for s in objects(found.json(), "services")}
            self._templates = {text(s, "id"): s.get("prefetch") or {} for s in objects(found.json(), "services")}
        except (requests.RequestException, ValueError) as error:
            raise CdsServiceError(f"{self.url}/cds-services could not be read: {type(error).__name__}") from error
        if not self.services:
            raise CdsServiceError(f"{self.url}/cds-services offers no service (status {found.status_code})")

    def _authorization(self, path: str) -> dict[str, str]:
        command = self._token_command
        return {"Authorization": f"Bearer {token_of(command, f'{self.url}{path}')}"} if command else {}

    def templates(self, service: str) -> dict[str, str]:
        """The prefetch templates that a service declares."""
        declared = self._templates.get(service, {})
        return {key: query for key, query in declared.items() if isinstance(query, str)}

    def __call__(self, call: Recorded) -> Outcome:
        """Sends a call; a chart is sent as the service's own prefetch templates ask for it."""
        path = f"/cds-services/{call.service}"
        request = call.request
        if call.chart:
            templates = self.templates(call.service)
            request = chart_call(patient_of(request), call.chart, text(request, "hook"), templates)
        about = Outcome(call.name, patient_of(request), call.service, as_of="", status=0)
        headers = {"Content-Type": "application/json", **self._authorization(path)}
        body = dump_json(request)
        begun = perf_counter()
        try:
            answer = self._session.post(f"{self.url}{path}", data=body, headers=headers, timeout=_TIMEOUT_SECONDS)
            took = (perf_counter() - begun) * 1000
            document = answer.json()
        except requests.RequestException as error:
            return replace(about, problem=f"no answer that can be read: {type(error).__name__}")
        if answer.status_code == 200:
            return replace(about, status=200, cards=tuple(objects(document, "cards")), milliseconds=took)
        issue = next(objects(document, "issue"), {})
        problem = text(issue, "diagnostics") or answer.reason
        return replace(about, status=answer.status_code, problem=problem, milliseconds=took)


def local(as_of: datetime | None) -> Run:
    """A run that decides here."""
    return partial(decide_here, as_of=as_of)
