"""Outcomes for people and machines: JUnit XML, one self-contained HTML page, figures."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from xml.etree import ElementTree

from jinja2 import Environment
from markdown_it import MarkdownIt

from cds_service.fhir.shape import Json, text
from cds_service.replay.compare import Difference
from cds_service.replay.inputs import Fault
from cds_service.replay.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. ``unmet`` says by outcome what its expectations miss; None where nothing was expected of it."""

    outcomes: Sequence[Outcome]
    faults: Sequence[Fault]
    unmet: Sequence[list[str] | None]
    differences: Sequence[Difference]
    account: dict[str, int]

    @property
    def expected(self) -> int:
        """Of how many calls something was expected."""
        return sum(found is not None for found in self.unmet)

    @property
    def not_met(self) -> int:
        """Of how many calls the expectations were not met."""
        return sum(bool(found) for found in self.unmet)

    @property
    def failed(self) -> int:
        """How many calls the service failed on."""
        return sum(outcome.failed for outcome in self.outcomes)

    def latency(self) -> str:
        """Percentiles of the time that an answer took, or "" where there are too few."""
        took = [outcome.milliseconds for outcome in self.outcomes if outcome.milliseconds]
        if len(took) < 2:
            return ""
        cuts = statistics.quantiles(took, n=100, method="inclusive")
        return f"p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms, most {max(took):.1f} ms"

    def to_json(self) -> Json:
        """As plain JSON."""
        return {
            "calls": [
                outcome.to_json() | ({} if unmet is None else {"unmet": unmet})
                for outcome, unmet in zip(self.outcomes, self.unmet, strict=True)
            ],
            "faults": [asdict(fault) for fault in self.faults],
            "differences": [asdict(difference) for difference in self.differences],
            "observations": self.account,
            "latency": self.latency(),
        }


def junit(report: Report) -> bytes:
    """JUnit XML: a test case for each call of which something was expected, and for each input that was none."""
    suite = ElementTree.Element(
        "testsuite",
        name="cds-service replay",
        tests=str(report.expected + len(report.faults)),
        failures=str(report.not_met),
        errors=str(len(report.faults)),
    )
    for outcome, unmet in zip(report.outcomes, report.unmet, strict=True):
        if unmet is not None:
            case = _case(suite, outcome.name, outcome.patient or outcome.service, outcome.milliseconds)
            if unmet:
                ElementTree.SubElement(case, "failure", message=_printable(unmet[0])).text = _printable(
                    "\n".join(unmet)
                )
    for fault in report.faults:
        case = _case(suite, fault.name, "input", 0)
        ElementTree.SubElement(case, "error", message=_printable(fault.message))
    document: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document


def _case(suite: ElementTree.Element, name: str, class_name: str, milliseconds: float) -> ElementTree.Element:
    about = {"name": _printable(name), "classname": _printable(class_name), "time": f"{milliseconds / 1000:.4f}"}
    return ElementTree.SubElement(suite, "testcase", about)


def _printable(line: str) -> str:
    """Without the control characters that XML has no way to hold."""
    return "".join(sign for sign in line if sign.isprintable() or sign == "\n")


def html(report: Report) -> str:
    """One page that needs nothing else: every call, its cards as an EHR would show them, what differs."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    environment.filters["markdown"] = markdown.render
    page = files("cds_service.replay").joinpath("report.html").read_text("utf-8")
    calls = [
        (outcome, unmet)
        for outcome, unmet in zip(report.outcomes, report.unmet, strict=True)
        if outcome.cards or outcome.status != 200 or unmet
    ]
    return environment.from_string(page).render(report=report, calls=calls, summary=lambda card: text(card, "summary"))
