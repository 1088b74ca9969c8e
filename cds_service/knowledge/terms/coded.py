"""Results that are codes and not numbers: which codes mean which item, and what an answer to it says.

``coded.toml`` beside this module is the runtime truth; its head has the rules. Everything that it does not know is
None here, and unclear to whoever reads a chart.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from cds_service.facts import Presence
from cds_service.knowledge.terms import LOINC, SNOMED, load_toml

NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
#: The system under which a site's own code stands for an item by its key.
ENTRY = "urn:b2m-cds:entry"

_SYSTEMS = {"loinc": LOINC, "snomed": SNOMED, "ncit": NCIT, "null_flavor": NULL_FLAVOR}


@dataclass(frozen=True, slots=True)
class Variant:
    """How a genetic variant assessment is recognised as an item, and what makes it present or absent.

    ``genes``: texts that name the gene; ``locations``: the bands; it is recognised by one of them. ``present_copies``
    and ``absent_copies``: the copy numbers that decide. ``needs_significance``: present only where called (likely)
    pathogenic. ``needs_somatic``: the source class has to be stated as somatic, not only not to be another.
    """

    genes: frozenset[str]
    locations: frozenset[str]
    present_copies: frozenset[int]
    absent_copies: frozenset[int]
    needs_significance: bool
    needs_somatic: bool


@dataclass(frozen=True, slots=True, eq=False)  # one object an item: a hash of all its codes would cost
class CodedTerm:
    """An item whose result is a code: what it is called, and the (system, code) pairs of its own, if it has any.

    ``boolean``: a valueBoolean can mean only one thing. ``unclear``: what a bare answer may say and yet not be used.
    """

    key: str
    label: str
    short: str
    group: str
    codes: tuple[tuple[str, str], ...]
    boolean: bool = False
    unclear: frozenset[Presence] = frozenset()
    variant: Variant | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one answer code says; ``stage`` where it names a stage."""

    code: str
    name: str
    means: Presence
    stage: str = ""


@dataclass(frozen=True, slots=True)
class VariantCodes:
    """The LOINC codes of a genetic variant assessment, of its components and of the answers that decide."""

    assessment: str
    gene: str
    location: str
    copy_number: str
    significance: str
    source_class: str
    pathogenic: frozenset[str]
    somatic: frozenset[str]
    context: frozenset[str]
    hgnc: frozenset[str]


@cache
def _table() -> dict[str, Any]:
    return load_toml(__package__, "coded.toml")


def _codes(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    return ((system, entry) for name, system in _SYSTEMS.items() for entry in row.get(name, ()))


@cache
def coded_terms() -> tuple[CodedTerm, ...]:
    """The items, in the order of their table."""
    return tuple(_coded(row) for row in _table()["coded"])


def codes_of(term: CodedTerm) -> tuple[tuple[str, str], ...]:
    """The (system, code) pairs under which an item is asked for: its own, and that of a variant assessment."""
    return (*term.codes, (LOINC, variant_codes().assessment)) if term.variant else term.codes


def _coded(row: dict[str, Any]) -> CodedTerm:
    unclear = [presence for presence in Presence if row.get(f"{presence}_is_unclear", False)]
    return CodedTerm(
        key=row["key"],
        label=row["label"],
        short=row["short"],
        group=row["group"],
        codes=tuple((system, entry["code"]) for system, entry in _codes(row)),
        boolean=row.get("boolean", False),
        unclear=frozenset(unclear),
        variant=_variant(row["variant"]) if "variant" in row else None,
    )


def _variant(row: dict[str, Any]) -> Variant:
    return Variant(
        genes=frozenset(row.get("gene", ())),
        locations=frozenset(row.get("location", ())),
        present_copies=frozenset(row.get("present_copies", ())),
        absent_copies=frozenset(row.get("absent_copies", ())),
        needs_significance=row.get("significance", False),
        needs_somatic=row.get("somatic_stated", False),
    )


@cache
def variant_codes() -> VariantCodes:
    """The codes of a genetic variant assessment; ``context`` are all components that do not narrow it to one change."""
    row = _table()["variant"]
    gene, location, source_class = (row[name]["code"] for name in ("gene", "location", "source_class"))
    return VariantCodes(
        assessment=row["assessment"]["code"],
        gene=gene,
        location=location,
        copy_number=row["copy_number"]["code"],
        significance=row["significance"]["code"],
        source_class=source_class,
        pathogenic=frozenset(entry["code"] for entry in row["pathogenic"]),
        somatic=frozenset(entry["code"] for entry in row["somatic"]),
        context=frozenset({gene, location, source_class, *(entry["code"] for entry in row["context"])}),
        hgnc=frozenset(row["hgnc"]),
    )


@cache
def _term_of_code() -> dict[tuple[str, str], CodedTerm]:
    filed = {pair: term for term in coded_terms() for pair in term.codes}
    return filed | {(ENTRY, term.key): term for term in coded_terms() if not term.codes}


def coded_of_code(system: str, code: str) -> CodedTerm | None:
    """The item that ``system`` and ``code`` together stand for, or None. Those without a code are ENTRY and their key.

    Variants are not told by their code alone: see ``variant_codes``.
    """
    return _term_of_code().get((system, code))


@cache
def _answers() -> dict[str, dict[tuple[str, str], Answer]]:
    """Answers by (system, code), for each item that has its own; those of all others under ""."""
    found: dict[str, dict[tuple[str, str], Answer]] = {}
    for row in _table()["answer"]:
        answers = {
            (system, entry["code"]): Answer(
                entry["code"], entry["name"], Presence(row["means"]), entry.get("stage", "")
            )
            for system, entry in _codes(row)
        }
        for key in row.get("of", [""]):
            found.setdefault(key, {}).update(answers)
    return found


def has_general_answers(term: CodedTerm) -> bool:
    """Whether present, absent and their like are answers to this item; a stage or a pregnancy has its own."""
    return term.key not in _answers()


def answer_of_code(system: str, code: str, term: CodedTerm | None = None) -> Answer | None:
    """What an answer code says, of ``term`` or of any item without answers of its own; None where no list has it."""
    own = term is not None and not has_general_answers(term)
    return _answers()[term.key if term and own else ""].get((system, code))


def presence_of_answer(system: str, code: str, term: CodedTerm | None = None) -> Presence | None:
    """Whether an answer code says present, absent or unclear (see ``answer_of_code``)."""
    answer = answer_of_code(system, code, term)
    return answer.means if answer else None


@cache
def _presence_of_words() -> dict[str, Presence]:
    said = [
        (word, presence)
        for row in _table()["words"]
        for presence in (Presence.PRESENT, Presence.ABSENT)
        for word in row[presence]
    ]
    return {_plain(word): presence for word, presence in said}


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def presence_of_word(text: str, term: CodedTerm) -> Presence | None:
    """What a whole text says of ``term``, where it is one of the listed words; None for everything else."""
    return _presence_of_words().get(_plain(text)) if has_general_answers(term) else None


@cache
def _stages() -> dict[str, str]:
    return {answer.code: answer.stage for answers in _answers().values() for answer in answers.values()}


def stage_of_answer(code: str) -> str:
    """The stage that an answer code names ("I", "II" or "III"), or ""."""
    return _stages().get(code, "")


@dataclass(frozen=True, slots=True)
class Filing:
    """How a stage that was computed here is filed: (system, code, name) of the question, its method and its answer."""

    profile: str
    code: tuple[str, str, str]
    method: tuple[str, str, str]
    value: tuple[str, str, str]


def filing_of_stage(key: str, stage: str) -> Filing:
    """How the stage ("I", "II" or "III") of an item such as "iss-stage" is filed, by mCODE's profile."""
    row = next(row for row in _table()["coded"] if row["key"] == key)
    (asked,), method = row["ncit"], row["method"]
    answer = next(answer for answer in _answers()[key].values() if answer.stage == stage)
    return Filing(
        profile=row["profile"],
        code=(NCIT, asked["code"], asked["name"]),
        method=(SNOMED, method["code"], method["name"]),
        value=(NCIT, answer.code, answer.name),
    )
