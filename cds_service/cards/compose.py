"""What the rules found, as cards: the leading finding in the summary, the rest in the detail, in a fixed order."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal
from uuid import uuid4

from cds_service.cards.markdown import bullets, escape, plain, table
from cds_service.cards.override_reasons import REASONS
from cds_service.cards.reviewed import review_told
from cds_service.cards.suppression import HeldBack, Saying
from cds_service.cards.trend import earlier_results, only_in_table, results_in_table, trend_table
from cds_service.facts import Facts, Moment, Result
from cds_service.knowledge import context, identity, terms
from cds_service.knowledge.model import (
    SUMMARY_LIMIT,
    Finding,
    Outcome,
    Proposal,
    Rule,
    Threshold,
    placeholders_of,
)
from cds_service.models import Card, Coding, Source, Suggestion

#: Key of the card extension. A reverse-domain name, as CDS Hooks asks; docs/decisions.md says whose.
EXTENSION = "org.b2m-cds.basis"
MOST_CARDS = 2
_LONGEST_VALUE = 1000
#: The end of a threshold's name, in words.
SIDES = {"below": "below", "from": "from", "above": "above", "to": "up to"}
_AROUND_THE_NUMBER = {"pH": "pH {}", "fold": "{}-fold"}
_DEFAULT = "service default"
#: What tells on which side of a number a value counts.
_SIDES = "above|below|over|under|from|least|most|than|up to|within"
_COUNTED = {"days", "hours", "years", "weeks", "months"}
UNRUN = "One check could not be run; this review is incomplete."


#: Proposals about a result, as suggestions.
Offer = Callable[[Sequence[Proposal], Result | None], tuple[Suggestion, ...]]


HoldBack = Callable[[Sequence[Saying]], Mapping[Saying, HeldBack]]


@dataclass(frozen=True, slots=True)
class Composition:
    """The cards of a call, what each of them says, and what is not said again."""

    cards: tuple[Card, ...] = ()
    sayings: tuple[Saying, ...] = ()
    held: tuple[HeldBack, ...] = ()


def nothing_held(sayings: Sequence[Saying]) -> Mapping[Saying, HeldBack]:
    """Everything is said."""
    return {}


def nothing_offered(proposals: Sequence[Proposal], b2m: Result | None) -> tuple[Suggestion, ...]:
    """Cards without suggestions."""
    return ()


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

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands among others: the lowest leads."""
        return self.outcome.rank, self.rule.id

    @property
    def told(self) -> tuple[Any, ...]:
        """All by which it would be another finding: what it is, its notes and its values."""
        return self.name, self.finding.notes, sorted(self.finding.values.items())

    def in_words(self, template: str) -> str:
        """A wording template filled for Markdown."""
        values = self.finding.values
        escaped = {name: escape(values[name], _LONGEST_VALUE) for name in placeholders_of(template)}
        return template.format_map(escaped).strip()


def compose(
    facts: Facts,
    findings: Sequence[Finding],
    rules: Iterable[Rule],
    failed: Sequence[str] = (),
    offer: Offer = nothing_offered,
    hold_back: HoldBack = nothing_held,
) -> Composition:
    """At most two cards. A specimen gets one where a finding raises it, or where a rule failed.

    ``failed`` names the specimens of which a rule could not be run; ``offer`` makes suggestions of what rules propose;
    ``hold_back`` tells what was said before, never of an incomplete review.
    """
    by_id = {rule.id: rule for rule in rules}
    drafts = []
    for specimen in facts.under_review:
        spoken = _not_said_better([Spoken(f, by_id[f.rule]) for f in findings if f.specimen == specimen])
        spoken.sort(key=lambda s: s.place)
        if any(s.outcome.raises_card for s in spoken) or specimen in failed:
            drafts.append(_Draft(facts.of(specimen), spoken, unrun=specimen in failed))
    drafts.sort(key=lambda draft: (draft.indicator != "warning", draft.rank))
    held = hold_back([draft.saying for draft in drafts if not draft.unrun])
    drafts = [draft for draft in drafts if draft.saying not in held]
    shown, others = drafts[:MOST_CARDS], drafts[MOST_CARDS:]
    sayings = tuple(draft.saying for draft in shown)
    _say_once(shown)
    cards = [draft.card(offer, also=others if draft is shown[-1] else []) for draft in shown]
    return Composition(tuple(cards), sayings, tuple(held.values()))


def _not_said_better(spoken: list[Spoken]) -> list[Spoken]:
    """Without the findings that yield to another one that is there."""
    there = {s.name for s in spoken}
    return [s for s in spoken if not there & set(s.outcome.yields_to)]


def _say_once(drafts: "list[_Draft]") -> None:
    """Of what was concluded alike from the results of two cards, the serum's tells and the other refers to it."""
    serum = next((draft for draft in drafts if draft.facts.specimen == "serum"), None)
    for draft in drafts:
        if serum and draft is not serum:
            draft.leave_to(serum)


class _Draft:
    """One card in the making: what was found of one specimen."""

    def __init__(self, facts: Facts, spoken: list[Spoken], *, unrun: bool) -> None:
        self.facts, self.spoken, self.unrun = facts, spoken, unrun
        self.left: list[Spoken] = []
        self.left_to = ""
        self.rank = self.lead.outcome.rank if self.lead else 0
        self.indicator: Literal["info", "warning"] = "warning" if unrun or self._warns() else "info"
        self.saying = self._saying()

    def _saying(self) -> Saying:
        """The result, what raises or leads the card with its values, and which asides stand beside it.

        An aside whose numbers move does not make it another saying: creatinine is measured every day.
        """
        b2m, missing = self.facts.b2m, self.facts.b2m_missing
        result = (
            (b2m.reference, b2m.printed, b2m.when.printed, b2m.provisional) if b2m else (missing and asdict(missing),)
        )
        telling = [s for s in self.spoken if s.outcome.raises_card or s is self.lead]
        asides = sorted(s.name for s in self.spoken if s not in telling)
        text = json.dumps([self.facts.specimen, result, [s.told for s in telling], asides], default=str)
        return Saying(text, self.indicator, self.lead.name if self.lead else "")

    @property
    def lead(self) -> Spoken | None:
        """What the summary begins with."""
        return next((s for s in self.spoken if s.outcome.summary), None)

    def leave_to(self, teller: "_Draft") -> None:
        """Take out what ``teller`` says too, of this result and its own, and refer to it instead."""
        told = {s.name for s in teller.spoken}
        same = [s for s in self.spoken if s.name in told and teller.facts.b2m in s.finding.inputs]
        self.spoken = [s for s in self.spoken if s not in same]
        self.left, self.left_to = same, teller.facts.specimen

    def _all(self) -> list[Spoken]:
        """What the card tells, and then what it refers to."""
        return [*self.spoken, *self.left]

    def _warns(self) -> bool:
        return any(s.outcome.indicator == "warning" and s.outcome.raises_card for s in self.spoken)

    def summary(self) -> str:
        lead = self.lead
        if lead is None:
            return f"B2M in {self.facts.specimen}: one check could not be run; this review is incomplete"
        return summary_of(lead, self._all())

    def card(self, offer: Offer, also: "list[_Draft]") -> Card:
        suggestions = offer(self._proposals(), self.facts.b2m)
        return Card(
            uuid=str(uuid4()),
            summary=self.summary(),
            detail="\n".join(self._detail(also)),
            indicator=self.indicator,
            source=self._source(),
            suggestions=suggestions or None,
            selectionBehavior="any" if suggestions else None,
            overrideReasons=tuple(reason.coding for reason in REASONS),
            extension={EXTENSION: self._extension()},
        )

    def _proposals(self) -> list[Proposal]:
        """What the rules propose, but for what rests on a proposal that is not made."""
        made = {s.rule.id: s.finding.proposals for s in self.spoken if s.finding.proposals}
        return [p for proposals in made.values() for p in proposals if not p.rests_on or p.rests_on in made]

    def _detail(self, also: "list[_Draft]") -> list[str]:
        found = [s.in_words(s.outcome.found) for s in self.spoken]
        there = {s.name for s in self._all()}
        means = [s.in_words(s.outcome.means) for s in self.spoken if not there & set(s.outcome.means_yields_to)]
        limits = [s.in_words(s.rule.notes[note]) for s in self.spoken for note in s.finding.notes]
        others = [f"Also under review: {escape(draft.summary(), SUMMARY_LIMIT)}" for draft in also]
        return [
            *section("Found", [*found, *self._references(), *others]),
            *section("What it may mean here", means),
            *section("What limits it", [*([UNRUN] if self.unrun else []), *limits]),
            *self._table(),
            "",
            *thresholds_in_words(self.spoken, self._inputs),
            *basis(self.spoken, self._all()),
        ]

    def _references(self) -> list[str]:
        """What is told on another card, each with its gist."""
        gists = {s.rule.title: s.in_words(s.outcome.tag) for s in self.left}
        return [
            f"{title}: {f'{gist}; ' if gist else ''}see the card on {self.left_to} B2M."
            for title, gist in gists.items()
        ]

    def _used(self) -> list[Result]:
        return [r for s in self.spoken for r in s.finding.inputs]

    @cached_property
    def _inputs(self) -> list[Result]:
        """The result under review, an earlier one or the series, then what the rules used, each once."""
        b2m = self.facts.b2m
        series = results_in_table(self.facts) or earlier_results(self.facts)
        return list(dict.fromkeys([*([b2m] if b2m else []), *series, *self._used()]))

    def _table(self) -> list[str]:
        """What was read for the card; a series of three or more results in a table of its own."""
        elsewhere = only_in_table(self.facts, self._used())
        rows = [_input_row(result, self.facts) for result in self._inputs if result not in elsewhere]
        header = ("Result", "As printed", "Converted", "Taken", "Age", "Reference range")
        serial = trend_table(self.facts)
        return [*(table(header, rows) if rows else []), *(["", *serial] if serial else [])]

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
        read = [r.reference for r in self._inputs] + [one for s in self.spoken for one in s.finding.references]
        basis: dict[str, Any] = {
            "knowledge": {"version": identity.source().version, "hash": identity.knowledge_hash()},
            "rules": [{"id": s.rule.id, "version": s.rule.version, "finding": s.finding.outcome} for s in self._all()],
            "observations": [one for one in dict.fromkeys([*read, missing.reference if missing else ""]) if one],
        }
        return {name: value for name, value in basis.items() if value}


def summary_of(lead: Spoken, others: Iterable[Spoken]) -> str:
    """What ``lead`` says first, and the tags of the others as long as there is room."""
    text = plain(lead.outcome.summary.format_map(lead.finding.values))
    for other in others:
        tag = plain(other.outcome.tag.format_map(other.finding.values))
        fits = len(text) + len(tag) + 2 <= SUMMARY_LIMIT and tag not in text
        if other is not lead and tag and fits:
            text = f"{text}; {tag}"
    return text


def thresholds_in_words(spoken: Sequence[Spoken], inputs: Sequence[Result]) -> list[str]:
    """The thresholds that decided, each once, but for those that a finding says in its own words."""
    said = [
        threshold_text(name, s.rule.thresholds[name], inputs)
        for s in spoken
        for name in s.finding.thresholds
        if name not in s.outcome.means_says and not _is_said(s, s.rule.thresholds[name], inputs)
    ]
    return [f"**Thresholds:** {'; '.join(dict.fromkeys(said))}.", ""] if said else []


def _is_said(spoken: Spoken, threshold: Threshold, inputs: Sequence[Result]) -> bool:
    """Whether the wording of a finding names a threshold's value with its side, and that it is a default if it is one.

    Not its filled-in values, which may be the patient's. One that the laboratory's unit puts otherwise is told apart.
    """
    if _local_amount(threshold, inputs):
        return False
    wordings = [spoken.outcome.found, *(spoken.rule.notes[note] for note in spoken.finding.notes)]
    amount = re.escape(_amount(threshold))
    sided = re.compile(
        rf"(?:{_SIDES}) {amount}(?!\w)|(?<![\d.,]){amount}(?: \([^)]*\))? or (?:more|less)\b", re.IGNORECASE
    )
    return any(sided.search(text) and (threshold.basis == "published" or _DEFAULT in text) for text in wordings)


def basis(spoken: Sequence[Spoken], named: Sequence[Spoken]) -> list[str]:
    """The sources of what is said, and the rules of all that is ``named``: whether a clinician has reviewed them."""
    cited = {citation.url: citation.text for s in spoken for citation in s.rule.cited_by(s.finding)}
    links = "; ".join(f"[{text}]({url})" for url, text in cited.items())
    ids = ", ".join(dict.fromkeys(f"{s.rule.id} {s.rule.version}" for s in named))
    lines = [f"**Basis:** {links}.", ""] if links else []
    told = review_told(s.rule for s in named)
    review = f" **{told}**" if told else ""
    return [*lines, f"Rules: {ids or 'none'}.{review} Advisory, for health professionals; the decision is theirs."]


def section(title: str, items: list[str]) -> list[str]:
    """A part of a card's detail under its title; nothing where it is empty."""
    lines = bullets(items)
    return [f"**{title}**", "", *lines, ""] if lines else []


def _input_row(result: Result, facts: Facts) -> tuple[str, ...]:
    given = result.reference_range
    return (
        escape(_named(result)) + (" (provisional)" if result.provisional else ""),
        escape(result.printed),
        escape(result.quantity) if result.quantity != result.printed else "–",
        escape(_taken(result.when)),
        _age(result.when.days_old(facts.as_of)),
        escape(given.printed, 40) if given and given.printed else "not given",
    )


def _named(result: Result) -> str:
    """What was measured, and how where its code tells it: two methods of one day are two rows."""
    method = terms.analyte_of_loinc()[result.loinc][1].method
    short = terms.analytes()[result.analyte].short
    return f"{short} ({method})" if method else short


def _taken(when: Moment) -> str:
    """Date and time in the result's own offset, without seconds."""
    printed = when.printed
    if when.instant:
        printed = f"{when.instant:%Y-%m-%d %H:%M} {'UTC' if printed.endswith('Z') else printed[-6:]}"
    return printed + (" (issued)" if when.issued else "")


def _age(days: int) -> str:
    return context.in_days_or_years(days) if days >= 1 else "today"


def threshold_text(name: str, threshold: Threshold, inputs: Sequence[Result]) -> str:
    """A threshold in words, in the laboratory's own unit too where it differs, and called a default where it is one."""
    side = SIDES[name.rsplit("_", 1)[-1]]
    text = f"{threshold.says}: {side} {_amount(threshold)}{_local_amount(threshold, inputs)}"
    default = "set by this site" if threshold.local else _DEFAULT
    return text + (f" ({default})" if threshold.basis == _DEFAULT else "")


def _local_amount(threshold: Threshold, inputs: Sequence[Result]) -> str:
    """The amount in the laboratory's own unit, in brackets, where that is another; else ""."""
    compared = next((r for r in inputs if threshold.of and r.analyte == threshold.of), None)
    if compared is None or compared.printed_unit.factor == 1:
        return ""
    return f" ({_short(threshold.value / compared.printed_unit.factor)} {escape(compared.printed_unit.text)})"


def _amount(threshold: Threshold) -> str:
    """Value and unit as they are read: "pH 6", "3-fold", "1 day", "0.37 mg/24 h"."""
    number, unit = f"{threshold.value:f}", terms.unit_in_words(threshold.unit)
    if unit in _AROUND_THE_NUMBER:
        return _AROUND_THE_NUMBER[unit].format(number)
    return f"{number} {unit.removesuffix('s') if threshold.value == 1 and unit in _COUNTED else unit}"


def _short(number: Decimal) -> str:
    """A number for reading: four significant digits, no trailing zeros."""
    rounded = Decimal(f"{number:.4g}")
    return f"{rounded.normalize():f}"
