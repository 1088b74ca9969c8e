"""What the chart tells of chromosomes and genes of myeloma cells: what is not reported is unknown, never absent.

Each function takes the rule that asks: its own TOML holds the time windows, under the same names in each of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from cds_service.facts import CodedResult, Facts, Moment, Presence, Result
from cds_service.knowledge import context
from cds_service.knowledge.model import Rule
from cds_service.knowledge.myeloma import ANTI_MYELOMA
from cds_service.knowledge.scores import any_of
from cds_service.knowledge.terms.coded import coded_terms
from cds_service.knowledge.treatment import began_by


class State(StrEnum):
    """What the baseline results of one abnormality say together, in the words of a card."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCLEAR = "unclear"
    CONTRADICTORY = "contradictory"
    OUTSIDE = "outside the time window"
    NOT_FINAL = "not final"
    NOT_REPORTED = "not reported"


@dataclass(frozen=True, slots=True)
class Lesion:
    """One abnormality by its short name, what is known of it, and the results that say so."""

    name: str
    state: State
    results: tuple[CodedResult, ...] = ()

    @property
    def present(self) -> bool | None:
        """Whether it is there; None where that is not known."""
        return {State.PRESENT: True, State.ABSENT: False}.get(self.state)


def lesion(facts: Facts, rule: Rule, b2m: Result, key: str) -> Lesion:
    """The abnormality ``key`` (coded.toml) as the laboratory itself calls it, from the baseline before treatment."""
    name = next(term.short for term in coded_terms() if term.key == key)
    reported = [coded for coded in facts.coded if coded.item == key]
    final = [coded for coded in reported if not coded.provisional]
    at_baseline = [coded for coded in final if is_baseline(facts, rule, b2m, coded.when)]
    if at_baseline:
        return Lesion(name, _together(at_baseline), tuple(at_baseline))
    if final:
        return Lesion(name, State.OUTSIDE, tuple(final))
    return Lesion(name, State.NOT_FINAL if reported else State.NOT_REPORTED, tuple(reported))


def _together(results: Iterable[CodedResult]) -> State:
    said = {result.presence for result in results}
    if {Presence.PRESENT, Presence.ABSENT} <= said:
        return State.CONTRADICTORY
    if Presence.PRESENT in said:
        return State.PRESENT
    return State.ABSENT if said == {Presence.ABSENT} else State.UNCLEAR


def is_baseline(facts: Facts, rule: Rule, b2m: Result, when: Moment | None) -> bool:
    """Whether a genetic result belongs to the disease as it was at the B2M: near enough, and before treatment."""
    if when is None or began_by(facts, b2m.when, when, *ANTI_MYELOMA):
        return False
    later = when.last > b2m.when.last
    limit = rule.value("genetics_after_days_to" if later else "genetics_before_days_to")
    return when.days_until(b2m.when) <= limit


def found_earlier_counted(lesions: Mapping[str, Lesion], b2m: Result) -> dict[str, Lesion]:
    """The abnormalities as they were if one found too long before the B2M counted.

    One that was absent then may have come since, and one not found later is not certain: those stay outside the window.
    """
    return {key: _found_earlier(found, b2m) for key, found in lesions.items()}


def _found_earlier(found: Lesion, b2m: Result) -> Lesion:
    earlier = tuple(r for r in found.results if r.when and r.when.last < b2m.when.first)
    counts = found.state is State.OUTSIDE and _together(earlier) is _together(found.results) is State.PRESENT
    return replace(found, state=State.PRESENT, results=earlier) if counts else found


def if_found_earlier(would: str) -> str:
    """The sentence on what would be if an abnormality found too long before the B2M counted; "" where nothing would."""
    return f"If what was found earlier counted, {would}." if would else ""


def combined_probe(facts: Facts) -> bool:
    """Whether an answer is there that speaks of del(17p) and IGH at once, so that it can be attributed to neither."""
    return any(coded.item == "del-17p-and-igh" for coded in facts.coded)


def del_17p_shares(facts: Facts, rule: Rule, b2m: Result) -> tuple[Result, ...]:
    """The final baseline results that give del(17p) as a share of the cells counted."""
    given = [result for result in facts.series("del-17p-cells") if not result.provisional]
    return tuple(result for result in given if is_baseline(facts, rule, b2m, result.when))


def del_17p_in_clone(called: Lesion, shares: tuple[Result, ...], rule: Rule) -> bool | None:
    """Whether del(17p) is in more of the clone than the IMS/IMWG limit.

    Cells counted may be unsorted marrow, where a share is lower than in the clone: above the limit it qualifies, at or
    below it nothing is known. A bare "present" gives no share; a laboratory's "absent" counts where no share is given.
    """
    above = any(share.interval.is_above(rule.value("del_17p_cells_above")) for share in shares)
    if above:
        return None if called.present is False else True
    return False if called.present is False and not shares else None


def del_1p32(loss: bool | None, both: bool | None) -> tuple[bool | None, bool | None]:
    """Any loss of 1p32 and loss of both copies, each with what the other one implies; unknown where they disagree."""
    if both and loss is False:
        return None, None
    return (True if both else loss), (False if loss is False else both)


def all_of(*known: bool | None) -> bool | None:
    """Whether all of several hold: no as soon as one does not, yes only where all do."""
    if False in known:
        return False
    return None if None in known else True


def genetic_criteria(known: Mapping[str, bool | None]) -> dict[int, bool | None]:
    """Criteria 1 to 3 of the IMS/IMWG 2025 definition from the abnormalities by their keys in coded.toml."""
    loss, both = del_1p32(known["del-1p32"], known["del-1p32-biallelic"])
    gain = known["gain-1q"]
    translocation = any_of((known["t-4-14"], known["t-14-16"], known["t-14-20"]))
    return {
        1: any_of((known["del-17p"], known["tp53-mutation"])),
        2: all_of(translocation, any_of((gain, loss))),
        3: any_of((both, all_of(loss, gain))),
    }


def reported(lesions: Iterable[Lesion]) -> bool:
    """Whether any of the abnormalities was reported at all, whatever became of the report."""
    return any(found.state is not State.NOT_REPORTED for found in lesions)


def described(lesions: Iterable[Lesion]) -> str:
    """Abnormalities in words, those of one state and day together; of those outside the time window what they said.

    "1q gain present (2026-02-27); outside the time window, not counted: t(4;14) absent (2025-08-20)".
    """
    by_state = groupby(sorted(lesions, key=_rank), key=lambda found: found.state)
    return "; ".join(
        _not_counted(found) if state is State.OUTSIDE else _alike(found, "; ") for state, found in by_state
    )


def _not_counted(lesions: Iterable[Lesion]) -> str:
    said = sorted((replace(found, state=_together(found.results)) for found in lesions), key=_rank)
    return f"{State.OUTSIDE}, not counted: {_alike(said, ', ')}"


def _rank(found: Lesion) -> int:
    return list(State).index(found.state)


def _alike(lesions: Iterable[Lesion], between: str) -> str:
    alike: dict[tuple[State, str], list[str]] = {}
    for found in lesions:
        alike.setdefault((found.state, context.days_of(found.results)), []).append(found.name)
    return between.join(
        f"{', '.join(names)} {state}{f' ({days})' if days else ''}" for (state, days), names in alike.items()
    )


def used(lesions: Iterable[Lesion]) -> tuple[CodedResult, ...]:
    """The results of the abnormalities that are known to be present or absent."""
    return tuple(result for found in lesions if found.present is not None for result in found.results)
