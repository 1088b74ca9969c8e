"""A B2M of before the drugs that may be treatment: what a stage or an index of untreated disease should rest on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cds_service.facts import Facts, Medication, Result
from cds_service.knowledge import series, treatment
from cds_service.knowledge.model import Rule
from cds_service.knowledge.treatment import Course

_LONGEST_IN_HEADLINE = 20


@dataclass(frozen=True, slots=True)
class Before:
    """An earlier B2M, and in words the drugs that began after it; ``kind`` is "steroid" where they are no others."""

    result: Result
    begun: str
    kind: str

    @property
    def values(self) -> dict[str, str]:
        """What fills the note on it."""
        day = series.day_of(self.result.when)
        return {"begun": self.begun, "earlier": self.result.quantity, "earlier_day": day}

    def in_headline(self, otherwise: str) -> str:
        """What it would be by this B2M, behind what it is: " (III pre-steroid)"; "" where that is too long."""
        said = f" ({otherwise} pre-{self.kind})"
        return said if len(said) <= _LONGEST_IN_HEADLINE else ""


def last_before(facts: Facts, rule: Rule, b2m: Result, course: Course) -> Before | None:
    """The newest usable B2M shortly before the first drug that may be treatment and that came between it and ``b2m``.

    Glucocorticoids count among the drugs. A B2M of a drug's own first day counts as of before it, one shortly after
    another such drug does not. The limits in time are those of the rule that asks.
    """
    begun = _begun_between(facts, rule, b2m, course)
    shortly = timedelta(days=int(rule.value("before_drugs_days_to")))
    starts = [drug.start for drug in begun if drug.start]
    for start in starts:
        for earlier in series.earlier(facts, b2m):
            near = earlier.when.last <= start.first <= earlier.when.first + shortly
            if near and not any(s.first < earlier.when.first <= s.first + shortly for s in starts):
                after = [drug for drug in begun if drug.start and drug.start.first >= start.first]
                words = treatment.in_words(facts, treatment.each_once(after))["drug"]
                return Before(earlier, words, "drug" if course.drugs else "steroid")
    return None


def _begun_between(facts: Facts, rule: Rule, b2m: Result, course: Course) -> Sequence[Medication]:
    """The drugs begun before ``b2m`` and no longer before it than a new diagnosis may lie, the first one first."""
    since = b2m.when.first - timedelta(days=int(rule.value("diagnosis_days_to")))
    may_be = (*course.drugs, *treatment.drugs_of(facts, "glucocorticoid"))
    dated = [(m.start, m) for m in may_be if m.start and since <= m.start.first and m.start.last < b2m.when.first]
    return [drug for _, drug in sorted(dated, key=lambda each: each[0].sort_key())]
