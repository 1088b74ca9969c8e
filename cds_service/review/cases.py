"""A rule's cases, tried: what the rule says of each, beside what the case says it should."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cds_service.cards.markdown import plain
from cds_service.errors import KnowledgeError
from cds_service.knowledge.cases import SILENCE, Case
from cds_service.knowledge.model import Finding, Rule
from cds_service.review.chart import facts_of
from cds_service.review.page import given_in_words


def faults_of_cases(rule: Rule) -> list[str]:
    """What is wrong with the rule's cases, or with the rule by its cases. Empty where all is well.

    Each case says what the rule says; every outcome and every note has a case, and so has silence.
    """
    cases = rule.cases()
    findings: list[Finding] = []
    faults: list[str] = []
    for case in cases:
        finding, wrong = tried(rule, case)
        findings += [finding] if finding else []
        faults += [f"case {case.name!r}: {line}" for line in wrong]
    return [*faults, *not_covered(rule, cases, findings), *_named_twice(cases)]


def tried(rule: Rule, case: Case) -> tuple[Finding | None, list[str]]:
    """What the rule says of a case, and what of the case it does not meet."""
    try:
        finding = rule.evaluate(facts_of(case.given))
    except KnowledgeError as error:
        return None, [str(error)]
    except Exception as error:  # whatever a draft's rule.py does is a fault of the draft
        return None, [f"rule.py failed: {type(error).__name__}: {error}"]
    return finding, list(unmet(case, finding))


def unmet(case: Case, finding: Finding | None) -> Iterator[str]:
    """What of a case the finding does not meet."""
    said = finding.outcome if finding else SILENCE
    if said != case.says:
        yield f"the rule says {said!r}, the case {case.says!r}"
    elif finding:
        if case.notes is not None and set(case.notes) != set(finding.notes):
            yield f"the rule's notes are {sorted(finding.notes)}, the case's {sorted(case.notes)}"
        for name, text in case.values.items():
            if finding.values.get(name) != text:
                yield f"the rule fills {{{name}}} with {finding.values.get(name)!r}, the case with {text!r}"


def not_covered(rule: Rule, cases: Sequence[Case], findings: Sequence[Finding]) -> Iterator[str]:
    """The outcomes and notes that no case brought about, and silence where no case has it."""
    said = {finding.outcome for finding in findings}
    noted = {note for finding in findings for note in finding.notes}
    yield from (f"no case has the outcome {name!r}" for name in rule.outcomes if name not in said)
    yield from (f"no case has the note {name!r}" for name in rule.notes if name not in noted)
    if not any(case.says == SILENCE for case in cases):
        yield 'no case is one of silence (says = "nothing")'


def _named_twice(cases: Sequence[Case]) -> Iterator[str]:
    names = [case.name for case in cases]
    yield from (f"two cases are called {name!r}" for name in sorted({n for n in names if names.count(n) > 1}))


@dataclass(frozen=True, slots=True)
class CaseInWords:
    """A case as a clinician reads it: what is given, and what the rule says then, "" where it is silent."""

    name: str
    given: str
    said: str
    notes: tuple[str, ...] = ()


def in_words(rule: Rule) -> list[CaseInWords]:
    """The rule's cases, each with what the rule says of it now, in the words of a card."""
    found = []
    for case in rule.cases():
        finding, _ = tried(rule, case)
        given = given_in_words(case.given)
        if finding is None:
            found.append(CaseInWords(case.name, given, ""))
            continue
        texts = (rule.outcomes[finding.outcome].found, *(rule.notes[note] for note in finding.notes))
        said, *notes = (plain(text.format_map(finding.values)) for text in texts)
        found.append(CaseInWords(case.name, given, said, tuple(notes)))
    return found
