"""The companion tests that are missing for the question at hand, named with their codes."""

from collections.abc import Iterator

from cds_service.facts import Facts, Moment, Result
from cds_service.knowledge import companions, cytogenetics, terms, urine
from cds_service.knowledge.companions import Missing, Why
from cds_service.knowledge.model import Finding, Proposal, Rule
from cds_service.knowledge.proposals import order_of
from cds_service.knowledge.terms.coded import coded_terms, codes_of

_MOST_NAMED = 5
#: What lacks no more than this is a question to the laboratory, not an order.
_NOT_ORDERED = (Why.NO_UPPER_LIMIT, Why.NO_SHARE)
#: What tells active myeloma, not more of the B2M.
_OF_ACTIVE_MYELOMA = ("calcium", "hemoglobin")
#: Which urine B2M is asked for again as it is; for a collection of 24 hours, the spot urine.
_REPEATED, _SPOT = ("b2m-urine", "b2m-urine-ratio"), "b2m-urine"
_CALLED = {
    "ldh": "LDH with its upper limit",
    "del-17p-cells": "share of del(17p) in CD138-selected cells",
    "tp53-mutation": "TP53 sequencing",
    "ighv-unmutated": "IGHV mutation status",
    "urine-albumin-ratio": "urine albumin/creatinine",
    "free-light-chain-ratio": "free light chain ratio",
}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """Names what is missing, in order of use."""
    b2m, found = facts.b2m, list(companions.missing(facts, rule))
    if b2m is not None and companions.needs_fresh_void(facts, rule):
        return _fresh_void(facts, rule, b2m, found)
    if b2m is None or not found:
        return None
    diseases, precursor = companions.diseases(facts, rule), companions.precursor(facts, b2m.when)
    outcome = "csf" if facts.specimen == "CSF" else "serum"
    if facts.specimen in urine.SPECIMENS:
        outcome = "urine"
    elif diseases:
        outcome = "disease"
    elif precursor and outcome == "serum":
        outcome, diseases = "precursor", (precursor.key,)
    values = {
        "tests": _in_words(found, b2m),
        "or_active": _or_active(found, diseases),
        "diseases": _diseases_in_words(diseases),
    }
    orders = tuple(_orders(facts, rule, b2m, found))
    return rule.finding(
        outcome, facts.specimen, values=values, notes=_notes(facts, rule, b2m, found), inputs=(b2m,), proposals=orders
    )


def _fresh_void(facts: Facts, rule: Rule, b2m: Result, found: list[Missing]) -> Finding:
    """Another urine with its pH, and where cadmium is in the chart its markers."""
    again = b2m.analyte if b2m.analyte in _REPEATED else _SPOT
    urines = (order_of(terms.analytes()[key], rule.orders[key]) for key in (again, "urine-ph"))
    return rule.finding(
        "fresh_void",
        facts.specimen,
        values={"besides": f". Not at hand for the cadmium category: {_in_words(found, b2m)}" if found else ""},
        inputs=(b2m,),
        proposals=(*urines, *_orders(facts, rule, b2m, found)),
    )


def _orders(facts: Facts, rule: Rule, b2m: Result, found: list[Missing]) -> Iterator[Proposal]:
    """The laboratory tests among them that can still be ordered.

    Not the pH of a urine that is gone, nor what, measured now, would lie too far from the B2M.
    """
    for one in _named(found):
        analyte = terms.analytes().get(one.key)
        of_a_urine = analyte is not None and analyte.group == "urine"
        if analyte and not of_a_urine and one.why not in _NOT_ORDERED and not _is_too_late(facts, rule, b2m, one):
            yield order_of(analyte, rule.orders[analyte.key])


def _is_too_late(facts: Facts, rule: Rule, b2m: Result, one: Missing) -> bool:
    """Whether a sample of now would lie further from the B2M than the two are read together."""
    return bool(one.within) and Moment.at(facts.as_of).days_until(b2m.when) > rule.value(one.within)


def _notes(facts: Facts, rule: Rule, b2m: Result, found: list[Missing]) -> tuple[str, ...]:
    if facts.specimen not in urine.SPECIMENS:
        return ()
    serum = next((one for one in found if one.key == "b2m-serum"), None)
    asked = {
        "too_old": serum is not None and _is_too_late(facts, rule, b2m, serum),
        "tubular": companions.is_tubular(facts, rule) and any(one.key == "phosphate" for one in found),
    }
    return tuple(note for note, holds in asked.items() if holds)


def _requests(found: list[Missing]) -> list[tuple[Missing, ...]]:
    """What is asked for together, in the order of the first of each: the lesions of one FISH panel are one request."""
    panel = tuple(one for one in found if one.key in companions.FISH)
    return list(dict.fromkeys(panel if one in panel else (one,) for one in found))


def _named(found: list[Missing]) -> list[Missing]:
    """The tests that are named, and may be offered: those of so many requests."""
    return [one for request in _requests(found)[:_MOST_NAMED] for one in request]


def _in_words(found: list[Missing], b2m: Result) -> str:
    """The tests in their order, those of one FISH panel together, at most so many."""
    requests = _requests(found)
    words = [_request_in_words(request, b2m) for request in requests[:_MOST_NAMED]]
    return ", ".join(words) + (" and others" if len(requests) > _MOST_NAMED else "")


def _request_in_words(request: tuple[Missing, ...], b2m: Result) -> str:
    names = ", ".join(_name(one.key) for one in request)
    fish = "FISH " if request[0].key in companions.FISH else ""
    return f"{fish}{names} ({_codes(*(one.key for one in request))}{_why(request, b2m)})"


def _or_active(found: list[Missing], diseases: tuple[str, ...]) -> str:
    """Calcium and haemoglobin tell nothing of a B2M in myeloma: why they are named there."""
    asked = "myeloma" in diseases and any(one.key in _OF_ACTIVE_MYELOMA for one in _named(found))
    return ", or of active disease," if asked else ""


def _name(key: str) -> str:
    if key in _CALLED:
        return _CALLED[key]
    analyte = terms.analytes().get(key)
    return analyte.short if analyte else next(term.short for term in coded_terms() if term.key == key)


def _codes(*keys: str) -> str:
    """The first code of each, by which it can be asked for."""
    return "LOINC " + ", ".join(codes) if (codes := [code for key in keys if (code := _code(key))]) else "no LOINC code"


def _code(key: str) -> str:
    analyte = terms.analytes().get(key)
    if analyte:
        return analyte.loinc[0].code
    term = next(term for term in coded_terms() if term.key == key)
    # A variant assessment is asked for by its gene; that it can report a lost band makes its code no code of the band.
    asked = codes_of(term) if term.variant and term.variant.genes else term.codes
    return asked[0][1] if asked else ""


def _why(request: tuple[Missing, ...], b2m: Result) -> str:
    """Why what is at hand does not do."""
    one, lesions = request[0], [one.lesion for one in request if one.lesion]
    if lesions:
        return f"; {cytogenetics.described(lesions)}"
    if one.why is Why.NO_UPPER_LIMIT:
        return "; the one at hand carries none"
    if one.why is Why.NOT_FOUND or one.nearest is None:
        return ""
    of_a_urine = terms.analytes()[one.key].group == "urine"
    return (
        "; none of this urine" if of_a_urine else f"; the nearest lies {one.nearest.when.days_until(b2m.when)} days off"
    )


def _diseases_in_words(keys: tuple[str, ...]) -> str:
    labels = [next(term.label for term in terms.problem_terms() if term.key == key) for key in keys]
    unique = list(dict.fromkeys(labels))[:2]
    return " and ".join(unique)
