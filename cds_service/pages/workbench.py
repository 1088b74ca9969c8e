"""GET / and POST /workbench/try: a chart is tried and its decision shown in full. Nothing that comes here is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flask import Blueprint, abort, render_template, request
from flask import Response as Answer
from pydantic import ValidationError

from cds_service.config import Settings
from cds_service.errors import MalformedCall
from cds_service.fhir.local_codes import LocalCodes
from cds_service.fhir.shape import Json
from cds_service.hooks.security_headers import PAGE_POLICY
from cds_service.hooks.services import services
from cds_service.models import Response
from cds_service.pages import html
from cds_service.pages.dropped import Dropped, Form, fixtures, of_file, read_form
from cds_service.replay.amend import amended
from cds_service.replay.calls import Recorded, dump_json
from cds_service.replay.compare import Difference
from cds_service.replay.explain import charts
from cds_service.replay.trial import Trial, changes, try_out
from cds_service.rules_in_force import InForce

_YEARS = range(1900, 2200)


@dataclass(frozen=True, slots=True)
class Bench:
    """What trials are decided with.

    ``rules`` answers with those in force, ``clock`` with the present time. ``open``: calls and feedback need no token,
    so that the page itself can send them.
    """

    settings: Settings
    rules: Callable[[], InForce]
    clock: Callable[[], datetime]
    codes: LocalCodes
    open: bool

    @property
    def services(self) -> dict[str, str]:
        """The ids of the services offered, by hook."""
        return {service.hook: service.id for service in services(self.settings, self.codes).values()}

    def time(self, given: str) -> datetime:
        """The time that a field of the form names, now where it is empty.

        Raises:
            MalformedCall: it names none.
        """
        if not given.strip():
            return self.clock()
        try:
            found: datetime | None = datetime.fromisoformat(given.strip())
        except ValueError:
            found = None
        if found is None or found.tzinfo is None or found.year not in _YEARS:
            expected = "expected a date and time with its zone, such as 2026-03-03T09:00:00Z, or nothing for now"
            raise MalformedCall(f"Decide as of: {expected}.", path="as_of")
        return found

    def tried(self, call: Recorded, as_of: datetime) -> Trial:
        """A call decided by what is in force."""
        return try_out(call, self.rules(), as_of, self.settings, self.codes)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows of a trial. ``cards``: its own, or those that a real call was answered with (``is_real``)."""

    trial: Trial
    cards: Sequence[Json]
    as_of: str = ""
    dropped: Dropped | None = None
    chosen: int = 0
    differences: Sequence[Difference] | None = None
    is_real: bool = False

    @property
    def request(self) -> str:
        """The exact request.

        Raises:
            MalformedCall: a text in it is none.
        """
        try:
            return dump_json(self.trial.call.request, indent=2).decode()
        except UnicodeEncodeError:
            raise MalformedCall("A text in it is not Unicode: half of a surrogate pair.") from None

    @property
    def response(self) -> str:
        """The exact answer."""
        outcome = self.trial.outcome
        return outcome.problem or dump_json({"cards": list(self.cards)}, indent=2).decode()


def blueprint(bench: Bench) -> Blueprint:
    """The workbench of an installation. Who may see it is asked in one place: the blueprint's ``before_request``."""
    routes = Blueprint("workbench", __name__, template_folder="templates")

    @routes.get("/")
    def choose() -> str:
        name = request.args.get("fixture", "")
        if not name:
            return _page(bench, None, "")
        fixture, now = fixtures().get(name), bench.clock()
        if fixture is None:
            abort(404)
        trial = bench.tried(fixture.call(bench.services, now), now)
        return _page(bench, Shown(trial, trial.outcome.cards), name)

    @routes.post("/workbench/try")
    def try_it() -> str:
        form = read_form(request, bench.settings.max_body_bytes)
        return _page(bench, (_of_file if form.file_name else _of_request)(bench, form), "")

    @routes.after_request
    def restrict(answer: Answer) -> Answer:
        answer.headers["Content-Security-Policy"] = PAGE_POLICY
        return answer

    return routes


def _of_file(bench: Bench, form: Form) -> Shown:
    """The call of a dropped file that is asked for, the first where none is."""
    as_of = form.fields.get("as_of", "")
    dropped = of_file(form.file_name, form.file, bench.services)
    number = form.fields.get("call", "")
    chosen = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 0
    chosen = chosen if chosen < len(dropped.calls) else 0
    trial = bench.tried(dropped.calls[chosen], bench.time(as_of))
    return Shown(trial, trial.outcome.cards, as_of, dropped, chosen)


def _of_request(bench: Bench, form: Form) -> Shown:
    """The request that the page holds, with what was changed in it; or as it was answered for real."""
    fields = form.fields
    if not fields.get("request"):
        raise MalformedCall("Choose a file first: a Bundle, a CDS Hooks request, or NDJSON.")
    (call, *_) = of_file(fields.get("name") or "request", fields["request"].encode(), bench.services).calls
    if fields.get("service") in bench.services.values():
        call = replace(call, service=fields["service"])
    if fields.get("answer"):
        return Shown(bench.tried(call, bench.clock()), _answered(fields["answer"]), is_real=True)
    as_of = fields.get("as_of", "")
    before = bench.tried(call, bench.time(fields.get("tried_as_of", "")))
    request_now = amended(call.request, form.changes(), bench.codes)
    after = bench.tried(replace(call, request=request_now), bench.time(as_of))
    return Shown(after, after.outcome.cards, as_of, differences=changes(before, after))


def _answered(body: str) -> list[Json]:
    """The cards of an answer of this service.

    Raises:
        MalformedCall: it is none.
    """
    try:
        cards = Response.model_validate_json(body).cards
    except ValidationError:
        raise MalformedCall("The answer is none of this service.") from None
    return [card.model_dump(mode="json", exclude_none=True) for card in cards]


def _page(bench: Bench, shown: Shown | None, fixture: str) -> str:
    found = shown.trial.found if shown else None
    rules = found.rules if found else []
    return render_template(
        "workbench.html",
        fixtures=fixtures(),
        fixture=fixture,
        shown=shown,
        found=found,
        spoke=[row for row in rules if row[2] != "no"],
        quiet=[row for row in rules if row[2] == "no"],
        charts=[(specimen, html.of_svg(svg)) for specimen, svg in charts(found, bench.rules().rules)] if found else [],
        open=bench.open,
        rendered=html.of_markdown,
    )
