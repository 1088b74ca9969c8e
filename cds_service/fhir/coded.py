"""One Observation whose result is a code to one CodedResult, or to the MissingData that says why it is none.

What is read and what is left unclear is in the head of ``knowledge/terms/coded.toml``. ``interpretation`` is never
used: it says how a result compares with what is usual, not what the result is.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from cds_service.facts import CodedResult, MissingData, Moment, Presence, Reason
from cds_service.fhir import project, units
from cds_service.fhir.bundle import reference_of
from cds_service.fhir.dates import CLOCK_TOLERANCE
from cds_service.fhir.shape import Json, codings, element, objects, text
from cds_service.fhir.status import is_provisional, why_not_a_result
from cds_service.fhir.values import Unread, read_value
from cds_service.knowledge.terms import LOINC
from cds_service.knowledge.terms.coded import (
    CodedTerm,
    Variant,
    answer_of_code,
    coded_of_code,
    coded_terms,
    presence_of_word,
    variant_codes,
)

_READ = {"valueCodeableConcept", "valueBoolean", "valueString"}


# ------------------------------------------------------------------ what it is


def meanings_coded(resource: Json) -> list[CodedTerm]:
    """Every item that an Observation stands for: by its codes, and as a variant by its components.

    One variant may rightly stand for several items (any loss of a band, and loss of both copies).
    """
    given = codings(resource, "code")
    found = _of_codes(given)
    if (LOINC, variant_codes().assessment) in given:
        found += [term for term in coded_terms() if term.variant and _is_about(resource, term.variant)]
    return list(dict.fromkeys(found)) if found else found


def _by_code(resource: Json) -> list[CodedTerm]:
    return _of_codes(codings(resource, "code"))


def _of_codes(given: list[tuple[str, str]]) -> list[CodedTerm]:
    found = [coded_of_code(system, code) for system, code in given]
    return [term for term in found if term]


def _is_assessment(resource: Json) -> bool:
    return (LOINC, variant_codes().assessment) in codings(resource, "code")


def _is_about(resource: Json, variant: Variant) -> bool:
    known = variant_codes()
    if any(_names_gene(component, variant) for component in _components(resource, known.gene)):
        return True
    return any(_names_location(component, variant) for component in _components(resource, known.location))


def _names_gene(component: Json, variant: Variant) -> bool:
    """Whether HGNC's coding of a component names the gene; without one its text, by the symbol alone."""
    concept = component.get("valueCodeableConcept")
    given = [coding for coding in objects(concept, "coding") if text(coding, "system") in variant_codes().hgnc]
    said = [text(coding, "code") or text(coding, "display") for coding in given] or [text(concept, "text")]
    return all(name in variant.genes for name in said)


def _names_location(component: Json, variant: Variant) -> bool:
    concept = component.get("valueCodeableConcept")
    said = [text(coding, name) for coding in objects(concept, "coding") for name in ("code", "display")]
    return bool(variant.locations & {*said, text(concept, "text"), text(component, "valueString")})


def _components(resource: Json, loinc: str) -> Iterator[Json]:
    return (part for part in objects(resource, "component") if (LOINC, loinc) in codings(part, "code"))


# ------------------------------------------------------------------ what it says


def read_coded(resource: Json, term: CodedTerm, when: Moment | None, as_of: datetime) -> CodedResult | MissingData:
    """Reads an Observation picked as ``term``: status, date, value, validity, answer, in this order.

    ``code`` of the result is the code of the answer that decided, "" where a text or a boolean did, or none.
    """
    value = read_value(resource)
    unread = MissingData(
        item=term.key, reason=Reason.INVALID, printed=value.printed, reference=reference_of(resource), when=when
    )
    if reason := _cannot_be_used(resource, when, as_of):
        printed = text(resource, "status") or "not stated" if reason is Reason.STATUS else unread.printed
        return replace(unread, reason=reason, printed=printed)
    if isinstance(value, Unread) and value.reason is Reason.NO_VALUE:
        return replace(unread, reason=Reason.NO_VALUE)
    given = {name for name, held in resource.items() if name.startswith("value") and held is not None}
    if len(given) > 1 or not given <= _READ:
        return replace(unread, reason=Reason.UNREADABLE_VALUE)
    variant = term.variant if _is_assessment(resource) else None
    decisive = list(_decisive(resource)) if variant else []
    if invalid := project.fault(project.coded_observation(resource, _picked_by(resource, term), decisive)):
        return replace(unread, printed=invalid)
    presence, code = _bare_answer(resource, term)
    if variant:
        presence = _of_variant(resource, variant, presence)
    elif presence in term.unclear:
        presence = Presence.UNCLEAR
    return CodedResult(
        item=term.key,
        label=term.label,
        presence=presence,
        printed=", ".join([value.printed, *_printed(resource)]) if variant else value.printed,
        code=code,
        when=when,
        provisional=is_provisional(resource),
        reference=unread.reference,
    )


def _cannot_be_used(resource: Json, when: Moment | None, as_of: datetime) -> Reason | None:
    if any(part.get("modifierExtension") for part in _parts(resource)):
        return Reason.MODIFIER
    if reason := why_not_a_result(resource):
        return reason
    if when and when.is_after(as_of, CLOCK_TOLERANCE):
        return Reason.FUTURE
    return Reason.CODE_CONFLICT if len(set(_by_code(resource))) > 1 else None


def _parts(resource: Json) -> Iterator[Json]:
    """The components that are read with the whole: those of a variant assessment."""
    return objects(resource, "component") if _is_assessment(resource) else iter(())


def _picked_by(resource: Json, term: CodedTerm) -> Json:
    """The coding that made an Observation this item, else its first."""
    given = codings(resource, "code")
    own = [pair for pair in given if coded_of_code(*pair) == term]
    system, code = next(iter([*own, *given]), (LOINC, variant_codes().assessment))
    return {"system": system, "code": code}


def _bare_answer(resource: Json, term: CodedTerm) -> tuple[Presence, str]:
    """What the value says, whatever the item makes of it, and the code of the answer that said so."""
    boolean = resource.get("valueBoolean")
    if isinstance(boolean, bool):
        read = Presence.PRESENT if boolean else Presence.ABSENT
        return (read if term.boolean else Presence.UNCLEAR), ""
    if resource.get("valueCodeableConcept") is None:
        return presence_of_word(text(resource, "valueString"), term) or Presence.UNCLEAR, ""
    return _of_concept(resource, term)


def _of_concept(resource: Json, term: CodedTerm) -> tuple[Presence, str]:
    """The one thing that codings and texts say together; unclear where they contradict one another.

    What a coding displays may contradict its code and never stands in for one.
    """
    concept = resource.get("valueCodeableConcept")
    known = [answer_of_code(system, code, term) for system, code in codings(resource, "valueCodeableConcept")]
    answers = [answer for answer in known if answer]
    word = presence_of_word(text(concept, "text"), term)
    shown = [presence_of_word(text(coding, "display"), term) for coding in objects(concept, "coding")]
    said = {answer.means for answer in answers} | {presence for presence in (word, *shown) if presence}
    if not (answers or word) or len(said) > 1 or len({answer.stage for answer in answers}) > 1:
        return Presence.UNCLEAR, ""
    return said.pop(), answers[0].code if answers else ""


# ------------------------------------------------------------------ variants


def _of_variant(resource: Json, variant: Variant, answer: Presence) -> Presence:
    """What an assessment says of a whole gene or band, its bare ``answer`` being about what its components describe."""
    if not _is_of_the_tumour(resource, variant):
        return Presence.UNCLEAR
    if answer is Presence.ABSENT and any(_narrows(part) for part in objects(resource, "component")):
        return Presence.UNCLEAR
    return _when_present(resource, variant) if answer is Presence.PRESENT else answer


def _when_present(resource: Json, variant: Variant) -> Presence:
    known = variant_codes()
    if variant.needs_significance:
        called = _all_say(resource, known.significance, known.pathogenic)
        return Presence.PRESENT if called else Presence.UNCLEAR
    copies = {_count(part.get("valueQuantity")) for part in _components(resource, known.copy_number)}
    if copies and copies <= variant.present_copies:
        return Presence.PRESENT
    return Presence.ABSENT if copies and copies <= variant.absent_copies else Presence.UNCLEAR


def _is_of_the_tumour(resource: Json, variant: Variant) -> bool:
    """Whether the source class is somatic; where none is stated, whether the item does without."""
    known = variant_codes()
    if not any(_components(resource, known.source_class)):
        return not variant.needs_somatic
    return _all_say(resource, known.source_class, known.somatic)


def _all_say(resource: Json, loinc: str, answers: frozenset[str]) -> bool:
    """Whether there are components of this code and each of them says one of ``answers`` and nothing else."""
    said = [
        {code for system, code in codings(part, "valueCodeableConcept") if system == LOINC}
        for part in _components(resource, loinc)
    ]
    return bool(said) and all(codes and codes <= answers for codes in said)


def _narrows(component: Json) -> bool:
    """Whether a component describes one change, so that its absence is not that of all others."""
    return not any(system == LOINC and code in variant_codes().context for system, code in codings(component, "code"))


def _count(quantity: object) -> Decimal | None:
    """A number of copies: a bare number, without comparator or any unit but UCUM's 1."""
    if element(quantity, "comparator") or text(quantity, "code") not in ("", "1"):
        return None
    return units.read_number(element(quantity, "value"))


def _decisive(resource: Json) -> Iterator[tuple[Json, Json]]:
    """The components on which a variant is decided, each with the coding that says which it is."""
    known = variant_codes()
    for loinc in (known.copy_number, known.significance, known.source_class):
        yield from (({"system": LOINC, "code": loinc}, part) for part in _components(resource, loinc))


def _printed(resource: Json) -> Iterator[str]:
    """The decisive components as they stand there."""
    for coding, part in _decisive(resource):
        value = read_value(part)
        if not (isinstance(value, Unread) and value.reason is Reason.NO_VALUE):
            yield f"copy number {value.printed}" if coding["code"] == variant_codes().copy_number else value.printed
