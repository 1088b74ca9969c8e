"""``cds-service replay``: any chart through this service or another, judged by expectations or by an earlier run."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from cds_service.fhir.gather import prefetch_templates
from cds_service.fhir.shape import text
from cds_service.replay import compare as comparing
from cds_service.replay.calls import SERVICES, Prepared, Recorded, for_charts, prepare
from cds_service.replay.expectations import differences
from cds_service.replay.from_fhir import FhirServer, read_patient_ids
from cds_service.replay.inputs import Fault, read_inputs
from cds_service.replay.outcome import Outcome, key_of, total_account
from cds_service.replay.reports import Report, html, junit
from cds_service.replay.run import Remote, local, run_all, token_of

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


class When(click.ParamType):  # type: ignore[type-arg] # generic in some versions of click only
    """A date or a date and time; without a zone it is UTC."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Reads the option's text."""
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date; expected one like 2026-03-02 or 2026-03-02T08:10:00Z", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@click.command()
@click.argument("paths", nargs=-1)
@click.option("--as-of", type=When(), help="Decide as of this time.  [default: each input's own, else now]")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="How many calls at a time.")
@click.option("--expect", is_flag=True, help="Check each call against the expected.json beside it.")
@click.option("--junit", "junit_file", type=_FILE, help="Write the expectations as JUnit XML.")
@click.option("--save", "save_to", type=_FOLDER, help="Keep this run, to compare with later.")
@click.option("--compare", "compare_with", type=_FOLDER, help="Show what differs from a run that was kept.")
@click.option("--url", help="Send the calls to the CDS Hooks service at this base URL instead of deciding here.")
@click.option("--token-command", help="Command that prints a bearer token; CDS_URL tells it the address called.")
@click.option("--from-fhir", "fhir_url", help="Ask the FHIR server at this URL by the prefetch templates.")
@click.option("--patients", type=_FILE, help="With --from-fhir: a file of patient ids, one a line.")
@click.option("--fhir-token-command", help="With --from-fhir: a command that prints the server's bearer token.")
@click.option("--html", "html_file", type=_FILE, help="Write one self-contained page.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def replay(
    paths: tuple[str, ...],
    as_of: datetime | None,
    jobs: int,
    expect: bool,
    junit_file: Path | None,
    save_to: Path | None,
    compare_with: Path | None,
    url: str | None,
    token_command: str | None,
    fhir_url: str | None,
    patients: Path | None,
    fhir_token_command: str | None,
    html_file: Path | None,
    as_json: bool,
) -> None:
    """Replay CDS Hooks requests, Bundles, FHIR resources, folders of them or NDJSON, each also gzipped; - is standard
    input.

    A Bundle is taken for the whole chart of each patient in it. Exit codes: 0 all is well; 1 an expectation is not met,
    or something differs from the run compared with; 3 an input could not be used; 4 the service failed.
    """
    if bool(fhir_url) != bool(patients) or not (paths or fhir_url):
        raise click.UsageError("Give PATHS, or --from-fhir together with --patients.")
    remote = Remote(url, token_command) if url else None
    before = comparing.load_saved(compare_with) if compare_with else []
    services = (remote.services if remote else SERVICES) or SERVICES
    faults: list[Fault] = []
    left_out: Counter[str] = Counter()
    calls: list[Recorded] = []
    times = {key_of(o): datetime.fromisoformat(o.as_of) for o in before if o.as_of}
    prepared = _calls(paths, services, faults, left_out, calls, {} if as_of else times)
    if fhir_url and patients:
        token = token_of(fhir_token_command, fhir_url) if fhir_token_command else None
        asked = _asked(FhirServer(fhir_url, token), read_patient_ids(patients), services, remote)
        prepared = chain(prepared, _kept(asked, calls))
    outcomes = list(
        track(
            run_all(prepared, remote or local(as_of), jobs=jobs, remote=remote is not None),
            "Replaying",
            console=Console(stderr=True),
            disable=as_json or not sys.stderr.isatty(),
            transient=True,
        )
    )
    unmet = [_unmet(call, outcome) if expect else None for call, outcome in zip(calls, outcomes, strict=True)]
    found = comparing.compare(before, outcomes) if compare_with else []
    report = Report(outcomes, faults, unmet, found, dict(total_account(outcomes, left_out)))
    if save_to:
        comparing.save(outcomes, save_to)
    if junit_file:
        junit_file.write_bytes(junit(report))
    if html_file:
        html_file.write_text(html(report), "utf-8")
    _print(report, as_json=as_json, compared=compare_with is not None)
    sys.exit(_exit_code(report))


def _calls(
    paths: tuple[str, ...],
    services: dict[str, str],
    faults: list[Fault],
    left_out: Counter[str],
    calls: list[Recorded],
    times: dict[tuple[str, str, str], datetime],
) -> Iterator[Recorded]:
    """The calls of all inputs, kept in ``calls``; what cannot be used goes to ``faults``.

    ``times``: as of when a call was decided in the run to compare with, so that no day makes a difference.
    """
    for given in read_inputs(paths, sys.stdin.buffer):
        found = prepare(given, services) if not isinstance(given, Fault) else given
        if isinstance(found, Prepared):
            left_out.update(found.left_out)
            for call in found.calls:
                key = (call.name, text(call.request, "context", "patientId"), call.service)
                calls.append(replace(call, as_of=times.get(key, call.as_of)))
                yield calls[-1]
        else:
            faults.append(found)


def _kept(asked: Iterator[Recorded], calls: list[Recorded]) -> Iterator[Recorded]:
    for call in asked:
        calls.append(call)
        yield call


def _asked(
    server: FhirServer, patient_ids: list[str], services: dict[str, str], remote: Remote | None
) -> Iterator[Recorded]:
    """The calls about the patients of a FHIR server, by the templates of the service that is to be called."""
    hook, service = for_charts(services)
    templates = remote.templates(service) if remote else prefetch_templates()
    return server.calls(patient_ids, hook, service, templates)


def _unmet(call: Recorded, outcome: Outcome) -> list[str] | None:
    asked = {"status", "cards", "missing"} & set(call.expected)
    return differences(outcome, call.expected) if asked else None


def _exit_code(report: Report) -> int:
    if report.failed:
        return 4
    if report.faults:
        return 3
    return 1 if report.not_met or report.differences else 0


def _print(report: Report, *, as_json: bool, compared: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=1, default=str))
        return
    console = Console()
    if compared and not report.differences:
        console.print("Nothing differs from the run compared with.")
    else:
        console.print(_difference_table(report) if compared else _outcome_table(report))
    for outcome, unmet in zip(report.outcomes, report.unmet, strict=True):
        for line in unmet or ():
            console.print(f"not met: {outcome.name}: {line}", markup=False, soft_wrap=True)
    for fault in report.faults:
        console.print(f"not used: {fault.name}: {fault.message}", markup=False, soft_wrap=True)
    console.print(_figures(report), markup=False, soft_wrap=True)


def _outcome_table(report: Report) -> Table:
    table = Table("Patient", "Indicator", "Summary")
    for outcome in report.outcomes:
        for card in outcome.cards:
            table.add_row(outcome.patient, text(card, "indicator"), Text(text(card, "summary")))
        if not outcome.cards:
            table.add_row(
                outcome.patient, "", "no card" if outcome.status == 200 else f"{outcome.status} {outcome.problem}"
            )
    return table


def _difference_table(report: Report) -> Table:
    table = Table("Kind", "Patient", "Rule", "Before", "After")
    for difference in report.differences:
        sides = (Text(difference.before), Text(difference.after))
        table.add_row(difference.kind, difference.patient, difference.rule, *sides)
    return table


def _figures(report: Report) -> str:
    cards = sum(len(outcome.cards) for outcome in report.outcomes)
    lines = [
        f"{len(report.outcomes)} calls, {cards} cards, {len(report.faults)} inputs not used, {report.failed} failures."
    ]
    if report.expected:
        lines.append(f"Expectations: {report.expected - report.not_met} of {report.expected} met.")
    if report.account:
        told = ", ".join(f"{fate} {count}" for fate, count in sorted(report.account.items(), key=lambda f: -f[1]))
        lines.append(f"Observations: {sum(report.account.values())} sent: {told}.")
    if report.latency():
        lines.append(f"Answers: {report.latency()}.")
    return "\n".join(lines)
