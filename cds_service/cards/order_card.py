"""What the rules found of B2M tests that are being ordered, as one small card."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

from cds_service.cards.compose import (
    EXTENSION,
    UNRUN,
    Composition,
    HoldBack,
    Offer,
    Spoken,
    basis,
    nothing_held,
    nothing_offered,
    section,
    summary_of,
    thresholds_in_words,
)
from cds_service.cards.override_reasons import REASONS
from cds_service.cards.suppression import Saying
from cds_service.facts import Facts, OrderedTest
from cds_service.knowledge import identity, terms
from cds_service.knowledge.model import Finding, Rule
from cds_service.models import Card, Coding, Source

_INCOMPLETE = "B2M being ordered: one check could not be run; this advice is incomplete"


def compose_order(
    facts: Facts,
    findings: Sequence[Finding],
    rules: Iterable[Rule],
    failed: Sequence[str] = (),
    offer: Offer = nothing_offered,
    hold_back: HoldBack = nothing_held,
) -> Composition:
    """At most one card for all the B2M tests that are being ordered, those with more to say first.

    ``failed``, ``offer`` and ``hold_back`` are as in ``compose``.
    """
    by_id = {rule.id: rule for rule in rules}
    spoken = sorted((Spoken(f, by_id[f.rule]) for f in findings), key=lambda s: s.place)
    if not (failed or any(s.outcome.raises_card for s in spoken)):
        return Composition()
    saying = _saying(facts, spoken)
    held = {} if failed else hold_back([saying])
    if held:
        return Composition(held=tuple(held.values()))
    return Composition((_card(facts, spoken, offer, unrun=bool(failed)),), (saying,))


def _saying(facts: Facts, spoken: Sequence[Spoken]) -> Saying:
    """The drafts and what is found of them: from the selection of an order to its signature it is said once."""
    orders = sorted((test.reference, test.analyte) for test in facts.ordered)
    return Saying(json.dumps([orders, [s.told for s in spoken]]), "info", spoken[0].name if spoken else "")


def _card(facts: Facts, spoken: Sequence[Spoken], offer: Offer, *, unrun: bool) -> Card:
    suggestions = offer([p for s in spoken for p in s.finding.proposals], None)
    return Card(
        uuid=str(uuid4()),
        summary=summary_of(spoken[0], spoken) if spoken else _INCOMPLETE,
        detail="\n".join(_detail(spoken, unrun=unrun)),
        indicator="info",
        source=_source(facts, spoken),
        suggestions=suggestions or None,
        selectionBehavior="any" if suggestions else None,
        overrideReasons=tuple(reason.coding for reason in REASONS),
        extension={EXTENSION: _extension(facts, spoken)},
    )


def _detail(spoken: Sequence[Spoken], *, unrun: bool) -> list[str]:
    limits = [s.in_words(s.rule.notes[note]) for s in spoken for note in s.finding.notes]
    return [
        *section("Found", [s.in_words(s.outcome.found) for s in spoken]),
        *section("What makes the result readable", [s.in_words(s.outcome.means) for s in spoken]),
        *section("What limits it", [*([UNRUN] if unrun else []), *limits]),
        *thresholds_in_words(spoken, ()),
        *basis(spoken, spoken),
    ]


def _source(facts: Facts, spoken: Sequence[Spoken]) -> Source:
    """The topic is the test that the card begins with."""
    ordered = _test(facts, spoken)
    code = terms.analyte_of_loinc()[ordered.loinc][1]
    citation = spoken[0].rule.cited_by(spoken[0].finding)[0] if spoken else None
    return Source(
        label=f"Beta-2 microglobulin CDS: {spoken[0].rule.title if spoken else 'incomplete advice'}",
        url=citation.url if citation else f"https://loinc.org/{code.code}",
        topic=Coding(system=terms.LOINC, code=code.code, display=code.name),
    )


def _test(facts: Facts, spoken: Sequence[Spoken]) -> OrderedTest:
    first = facts.of(spoken[0].finding.specimen).order if spoken else None
    return first or facts.ordered[0]


def _extension(facts: Facts, spoken: Sequence[Spoken]) -> dict[str, Any]:
    orders = [test.reference for test in facts.ordered if test.reference]
    about: dict[str, Any] = {
        "knowledge": {"version": identity.source().version, "hash": identity.knowledge_hash()},
        "rules": [{"id": s.rule.id, "version": s.rule.version, "finding": s.finding.outcome} for s in spoken],
        "orders": list(dict.fromkeys(orders)),
    }
    return {name: value for name, value in about.items() if value}
