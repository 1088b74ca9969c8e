"""What the rules found, as cards: the leading finding in the summary, the rest in the detail, in a fixed order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from cds_service.cards.markdown import bullets, escape, plain, table
from cds_service.cards.trend import earlier_results, only_in_table, results_in_table, trend_table
from cds_service.facts import Facts, Moment, Result
from cds_service.knowledge import terms
from cds_service.knowledge.model import SUMMARY_LIMIT, Finding, Outcome, Rule, Threshold
from cds_service.models import Card, Coding, Source

#: Key of the card extension. A reverse-domain name, as CDS Hooks asks; docs/decisions.md says whose.
EXTENSION = "org.b2m-cds.basis"
MOST_CARDS = 2
_LONGEST_VALUE = 1000
_SIDES = {"below": "below", "from": "from", "above": "above", "to": "up to"}
_UNRUN = "One check could not be run; this review is incomplete."


@dataclass(frozen=True, slots=True)
class Spoken:
    """A finding with the rule that made it."""

    finding: Finding
    rule: Rule

    @property
    def outcome(self) -> Outcome:
        """The wording of the finding."""
        return self.rule.outcomes[self.finding.outcome]

    @property
    def name(self) -> str:
        """Rule and outcome, as other rules name them."""
        return f"{self.rule.id}/{self.finding.outcome}"

    def in_words(self, template: str) -> str:
        """A wording template filled for Markdown."""
        return template.format_map(
            {name: escape(text, _LONGEST_VALUE) for name, text in self.finding.values.items()}
        ).strip()


def compose(facts: Facts, findings: Sequence[Finding], rules: Iterable[Rule], failed: Sequence[str] = ()) -> list[Card]:
    """At most two cards. A specimen gets one where a finding raises it, or where a rule failed.

    ``failed`` names the specimens of which a rule could not be run.
    """
    by_id = {rule.id: rule for rule in rules}
    drafts = []
    for specimen in facts.under_review:
        spoken = _not_said_better([Spoken(f, by_id[f.rule]) for f in findings if f.specimen == specimen])
        spoken.sort(key=lambda s: (s.outcome.rank, s.rule.id))
        if any(s.outcome.raises_card for s in spoken) or specimen in failed:
            drafts.append(_Draft(facts.of(specimen), spoken, unrun=specimen in failed))
    drafts.sort(key=lambda draft: (draft.indicator != "warning", draft.rank))
    return [
        draft.card(also=drafts[MOST_CARDS:] if place == MOST_CARDS - 1 else [])
        for place, draft in enumerate(drafts[:MOST_CARDS])
    ]


def _not_said_better(spoken: list[Spoken]) -> list[Spoken]:
    """Without the findings that yield to another one that is there."""
    there = {s.name for s in spoken}
    return [s for s in spoken if not there & set(s.outcome.yields_to)]


class _Draft:
    """One card in the making: what was found of one specimen."""

    def __init__(self, facts: Facts, spoken: list[Spoken], *, unrun: bool) -> None:
        self.facts, self.spoken, self.unrun = facts, spoken, unrun
        self.lead = next((s for s in spoken if s.outcome.summary), None)
        self.rank = self.lead.outcome.rank if self.lead else 0
        self.indicator = "warning" if unrun or self._warns() else "info"

    def _warns(self) -> bool:
        return any(s.outcome.indicator == "warning" and s.outcome.raises_card for s in self.spoken)

    def summary(self) -> str:
        if self.lead is None:
            return f"B2M in {self.facts.specimen}: one check could not be run; this review is incomplete"
        text = plain(self.lead.outcome.summary.format_map(self.lead.finding.values))
        for other in self.spoken:
            tag = plain(other.outcome.tag.format_map(other.finding.values))
            fits = len(text) + len(tag) + 2 <= SUMMARY_LIMIT and tag not in text
            if other is not self.lead and tag and fits:
                text = f"{text}; {tag}"
        return text

    def card(self, also: "list[_Draft]") -> Card:
        return Card(
            uuid=str(uuid4()),
            summary=self.summary(),
            detail="\n".join(self._detail(also)),
            indicator="warning" if self.indicator == "warning" else "info",
            source=self._source(),
            extension={EXTENSION: self._extension()},
        )

    def _detail(self, also: "list[_Draft]") -> list[str]:
        found = [s.in_words(s.outcome.found) for s in self.spoken]
        there = {s.name for s in self.spoken}
        means = [s.in_words(s.outcome.means) for s in self.spoken if not there & set(s.outcome.means_yields_to)]
        limits = [s.in_words(s.rule.notes[note]) for s in self.spoken for note in s.finding.notes]
        others = [f"Also under review: {escape(draft.summary(), SUMMARY_LIMIT)}" for draft in also]
        return [
            *_section("Found", [*found, *others]),
            *_section("What it may mean here", means),
            *_section("What limits it", [*([_UNRUN] if self.unrun else []), *limits, self._review()]),
            *self._table(),
            "",
            *self._thresholds(),
            *self._basis(),
        ]

    def _review(self) -> str:
        unreviewed = [s.rule.id for s in self.spoken if s.rule.review.status != "clinically reviewed"]
        return "No clinician has reviewed the rules behind this card." if unreviewed else ""

    def _used(self) -> list[Result]:
        return [r for s in self.spoken for r in s.finding.inputs]

    def _inputs(self) -> list[Result]:
        """The result under review, an earlier one or the series, then what the rules used, each once."""
        b2m = self.facts.b2m
        series = results_in_table(self.facts) or earlier_results(self.facts)
        return list(dict.fromkeys([*([b2m] if b2m else []), *series, *self._used()]))

    def _table(self) -> list[str]:
        """What was read for the card; a series of three or more results in a table of its own."""
        elsewhere = only_in_table(self.facts, self._used())
        rows = [_input_row(result, self.facts) for result in self._inputs() if result not in elsewhere]
        header = ("Result", "As printed", "Converted", "Taken", "Age", "Reference range")
        serial = trend_table(self.facts)
        return [*(table(header, rows) if rows else []), *(["", *serial] if serial else [])]

    def _thresholds(self) -> list[str]:
        said = [
            threshold_text(name, s.rule.thresholds[name], self._inputs())
            for s in self.spoken
            for name in s.finding.thresholds
        ]
        return [f"**Thresholds:** {'; '.join(dict.fromkeys(said))}.", ""] if said else []

    def _basis(self) -> list[str]:
        cited = {citation.url: citation.text for s in self.spoken for citation in s.rule.cited_by(s.finding)}
        links = "; ".join(f"[{text}]({url})" for url, text in cited.items())
        ids = ", ".join(dict.fromkeys(f"{s.rule.id} {s.rule.version}" for s in self.spoken))
        lines = [f"**Basis:** {links}.", ""] if links else []
        return [*lines, f"Rules: {ids or 'none'}. Advisory, for health professionals; the decision is theirs."]

    def _source(self) -> Source:
        rule = self.lead.rule if self.lead else None
        citation = next(iter(rule.citations.values())) if rule else None
        code = self._loinc()
        return Source(
            label=f"Beta-2 microglobulin CDS: {rule.title if rule else 'incomplete review'}",
            url=citation.url if citation else f"https://loinc.org/{code.code}",
            topic=Coding(system=terms.LOINC, code=code.code, display=code.name),
        )

    def _loinc(self) -> terms.LoincCode:
        """The code of the result under review; where it could not be read, the first code of its analyte."""
        b2m, missing = self.facts.b2m, self.facts.b2m_missing
        if b2m:
            return terms.analyte_of_loinc()[b2m.loinc][1]
        codes = terms.analytes()[missing.item].loinc if missing else ()
        return next(iter(codes or terms.analytes()["b2m-serum"].loinc))

    def _extension(self) -> dict[str, Any]:
        missing = self.facts.b2m_missing
        read = [r.reference for r in self._inputs()] + ([missing.reference] if missing else [])
        basis: dict[str, Any] = {
            "rules": [{"id": s.rule.id, "version": s.rule.version, "finding": s.finding.outcome} for s in self.spoken],
            "observations": [reference for reference in dict.fromkeys(read) if reference],
        }
        return {name: value for name, value in basis.items() if value} or {"rules": [{"id": "none"}]}


def _section(title: str, items: list[str]) -> list[str]:
    lines = bullets(items)
    return [f"**{title}**", "", *lines, ""] if lines else []


def _input_row(result: Result, facts: Facts) -> tuple[str, ...]:
    given = result.reference_range
    return (
        escape(terms.analytes()[result.analyte].short) + (" (provisional)" if result.provisional else ""),
        escape(result.printed),
        escape(result.quantity) if result.quantity != result.printed else "–",
        escape(_taken(result.when)),
        _age(result.when.days_old(facts.as_of)),
        escape(given.printed, 40) if given and given.printed else "not given",
    )


def _taken(when: Moment) -> str:
    """Date and time in the result's own offset, without seconds."""
    printed = when.printed
    if when.instant:
        printed = f"{when.instant:%Y-%m-%d %H:%M} {'UTC' if printed.endswith('Z') else printed[-6:]}"
    return printed + (" (issued)" if when.issued else "")


def _age(days: int) -> str:
    if days < 1:
        return "today"
    if days < 60:
        return f"{days} day{'s' if days > 1 else ''}"
    return f"{days // 30} months" if days < 730 else f"{days // 365} years"


def threshold_text(name: str, threshold: Threshold, inputs: Sequence[Result]) -> str:
    """A threshold in words, in the laboratory's own unit too where it differs, and called a default where it is one."""
    side = _SIDES[name.rsplit("_", 1)[-1]]
    text = f"{threshold.says}: {side} {threshold.value:f} {threshold.unit}"
    compared = next((r for r in inputs if threshold.of and r.analyte == threshold.of), None)
    if compared and compared.printed_unit.factor != 1:
        local = threshold.value / compared.printed_unit.factor
        text += f" ({_short(local)} {escape(compared.printed_unit.text)})"
    return text + (" (service default)" if threshold.basis == "service default" else "")


def _short(number: Decimal) -> str:
    """A number for reading: four significant digits, no trailing zeros."""
    rounded = Decimal(f"{number:.4g}")
    return f"{rounded.normalize():f}"
