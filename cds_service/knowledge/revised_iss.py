"""R-ISS and R2-ISS as what every completion of the unknowns gives, and the LDH that both ask for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product

from cds_service.facts import CodedResult, Facts, Interval, Result
from cds_service.knowledge.before_drugs import Before, last_before
from cds_service.knowledge.cytogenetics import (
    Lesion,
    State,
    combined_probe,
    del_17p_shares,
    described,
    found_earlier_counted,
    lesion,
    reported,
    used,
)
from cds_service.knowledge.model import Rule
from cds_service.knowledge.myeloma import (
    ANTI_MYELOMA,
    albumins_beside,
    course_before,
    iss_stages,
    iss_stages_of,
    numerals,
    to_stage,
)
from cds_service.knowledge.treatment import began_by


@dataclass(frozen=True, slots=True)
class Ldh:
    """Whether LDH is above the laboratory's own upper limit; None where that is not known, and ``why``.

    ``why``: "missing", "stale" (only results too far off), "no_limit" (none given) or "unclear" (a comparator, or two
    results of one day that disagree). ``at_limit``: exactly the limit, which no publication assigns to a side.
    """

    high: bool | None
    why: str = ""
    results: tuple[Result, ...] = ()
    at_limit: bool = False

    @property
    def described(self) -> str:
        """LDH in words."""
        if self.high is None:
            return "whether LDH is above its upper limit is not known"
        return f"LDH {'above' if self.high else 'not above'} the laboratory's upper limit"


def ldh_beside(facts: Facts, rule: Rule, b2m: Result) -> Ldh:
    """LDH of the day nearest to the B2M, within the pairing window and before treatment, against its own limit."""
    near = facts.within(("ldh",), b2m.when, rule.value("ldh_pairing_days_to"))
    near = tuple(result for result in near if _is_before_treatment(facts, rule, b2m, result))
    if not near:
        final = [result for result in facts.series("ldh") if not result.provisional]
        return Ldh(None, "stale" if final else "missing")
    same_day = tuple(result for result in near if result.when.last == near[0].when.last)
    limited = [result for result in same_day if result.reference_range and result.reference_range.high is not None]
    sides = {_is_high(result, rule) for result in same_day} - {None}
    if len(sides) != 1:
        return Ldh(None, "unclear" if limited else "no_limit", same_day)
    high = sides.pop()
    return Ldh(high, results=same_day, at_limit=high is False and any(_is_at_limit(r) for r in limited))


def _is_before_treatment(facts: Facts, rule: Rule, b2m: Result, result: Result) -> bool:
    """Whether LDH was taken before the first charted anti-myeloma drug, and not too long before it."""
    first = course_before(facts, b2m.when).later
    if began_by(facts, b2m.when, result.when, *ANTI_MYELOMA):
        return False
    return not (first and first.start) or result.when.days_until(first.start) <= rule.value("before_dose_days_to")


def _is_high(result: Result, rule: Rule) -> bool | None:
    """Whether LDH exceeds the laboratory's limit times the rule's multiple of it; None where there is none."""
    given = result.reference_range
    if given is None or given.high is None:
        return None
    return replace(given, high=given.high * rule.value("ldh_limits_above")).is_exceeded_by(result.interval)


def _is_at_limit(result: Result) -> bool:
    given = result.reference_range
    return given is not None and result.interval == Interval.exactly(result.value) and result.value == given.high


@dataclass(frozen=True, slots=True)
class Basis:
    """What a revised stage rests on: the ISS stages that are possible, LDH, the abnormalities by key of coded.toml."""

    b2m: Result
    albumins: tuple[Result, ...]
    iss: frozenset[int]
    ldh: Ldh
    lesions: Mapping[str, Lesion]

    @property
    def described(self) -> str:
        """In words, the abnormalities only where one of them was reported at all."""
        lesions = self.lesions.values() if reported(self.lesions.values()) else ()
        return "; ".join(filter(None, (f"ISS {numerals(self.iss)}", self.ldh.described, described(lesions))))

    def with_found_earlier(self) -> "Basis":
        """The same as it were if an abnormality found too long before the B2M counted."""
        return replace(self, lesions=found_earlier_counted(self.lesions, self.b2m))

    @property
    def results(self) -> tuple[Result, ...]:
        """The results it was read from."""
        return (self.b2m, *self.albumins, *self.ldh.results)

    @property
    def coded(self) -> tuple[CodedResult, ...]:
        """The results that are codes and that it was read from."""
        return used(self.lesions.values())

    @property
    def thresholds(self) -> tuple[str, ...]:
        """The limits that decided."""
        return ("ldh_limits_above",) if self.ldh.high is not None else ()


def basis(facts: Facts, rule: Rule, lesions: Iterable[str]) -> Basis | None:
    """What a revised stage that counts ``lesions`` rests on; None where the ISS stage does not apply."""
    b2m = to_stage(facts, rule)
    if b2m is None:
        return None
    albumins, _ = albumins_beside(facts, rule, b2m)
    iss, ldh = iss_stages(b2m.interval, albumins, rule), ldh_beside(facts, rule, b2m)
    return Basis(b2m, albumins, iss, ldh, {key: lesion(facts, rule, b2m, key) for key in lesions})


def by_b2m_before_drugs(facts: Facts, rule: Rule, found: Basis) -> tuple[Basis, Before] | None:
    """The same by a B2M of before the drugs that may be treatment; None without one that gives other ISS stages."""
    before = last_before(facts, rule, found.b2m, course_before(facts, found.b2m.when))
    if before is None:
        return None
    iss = iss_stages_of(facts, rule, before.result)
    return None if iss == found.iss else (replace(found, iss=iss), before)


def completions(known: bool | None) -> tuple[bool, ...]:
    """What something may be: itself, or both where it is not known."""
    return (False, True) if known is None else (known,)


def r_iss_stage(iss: int, *, ldh_high: bool, high_risk: bool) -> int:
    """R-ISS (Palumbo 2015): I is ISS I with nothing adverse, III is ISS III with something adverse, else II."""
    adverse = ldh_high or high_risk
    if iss == 1 and not adverse:
        return 1
    return 3 if iss == 3 and adverse else 2


def r_iss_stages(iss: Iterable[int], ldh: bool | None, lesions: Iterable[bool | None]) -> frozenset[int]:
    """Every R-ISS stage that some completion of what is not known gives."""
    cells = list(product(*(completions(present) for present in lesions)))
    return frozenset(
        r_iss_stage(stage, ldh_high=high, high_risk=any(present))
        for stage in iss
        for high in completions(ldh)
        for present in cells
    )


def able_to_change_r_iss(found: Basis) -> list[str]:
    """What is not known and gives another R-ISS stage for some completion of the rest."""
    held = product(*(completions(lesion.present) for lesion in found.lesions.values()))
    open_parts: dict[str, Iterable[int]] = {
        "the ISS stage": found.iss,
        "LDH": completions(found.ldh.high),
        "FISH": {any(present) for present in held},
    }
    cells = {
        cell: r_iss_stage(cell[0], ldh_high=bool(cell[1]), high_risk=bool(cell[2]))
        for cell in product(*open_parts.values())
    }
    return [name for place, name in enumerate(open_parts) if _depends_on(place, cells)]


def _depends_on(place: int, cells: Mapping[tuple[int, ...], int]) -> bool:
    """Whether two cells that differ in ``place`` alone differ in what they give."""
    by_rest: dict[tuple[int, ...], set[int]] = {}
    for cell, gives in cells.items():
        by_rest.setdefault(cell[:place] + cell[place + 1 :], set()).add(gives)
    return any(len(given) > 1 for given in by_rest.values())


def r2_iss_points(iss: Iterable[int], adverse: Mapping[str, bool | None], rule: Rule) -> frozenset[Decimal]:
    """Every total of R2-ISS points (D'Agostino 2022) that some completion gives; ``adverse`` as in ``points_*_to``."""
    of_stage = {1: Decimal(0), 2: rule.value("points_iss_2_to"), 3: rule.value("points_iss_3_to")}
    weights = [rule.value(f"points_{name}_to") for name in adverse]
    return frozenset(
        of_stage[stage] + sum((weight for weight, holds in zip(weights, held, strict=True) if holds), Decimal(0))
        for stage in iss
        for held in product(*(completions(known) for known in adverse.values()))
    )


R2_ISS_GROUPS = ("low", "low-intermediate", "intermediate-high", "high")


def r2_iss_groups(points: Iterable[Decimal], rule: Rule) -> tuple[str, ...]:
    """The groups that some of the totals fall in, lowest first."""
    limits = [rule.value(f"{name}_from") for name in ("low_intermediate", "intermediate_high", "high")]
    reached = {sum(total >= limit for limit in limits) for total in points}
    return tuple(R2_ISS_GROUPS[place] for place in sorted(reached))


def notes_on_basis(facts: Facts, rule: Rule, found: Basis, *, ldh_decides: bool = True) -> tuple[str, ...]:
    """The notes on LDH and on abnormalities that R-ISS and R2-ISS have in common.

    ``ldh_decides``: whether knowing LDH would change something; why it is not known is said only then.
    """
    called = {lesion.state for lesion in found.lesions.values()}
    no_call = found.lesions["del-17p"].present is None
    asked = {
        f"ldh_{found.ldh.why}": found.ldh.high is None and ldh_decides,
        "ldh_at_limit": found.ldh.at_limit,
        "outside": State.OUTSIDE in called,
        "combined_probe": combined_probe(facts),
        "share_only": no_call and bool(del_17p_shares(facts, rule, found.b2m)),
        "selection": bool(called & {State.PRESENT, State.ABSENT}),
    }
    return tuple(note for note, holds in asked.items() if holds)
