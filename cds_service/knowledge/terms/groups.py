"""Which results are asked for together: the codes of each group of the term tables, numbers and coded answers alike."""

from collections import defaultdict
from functools import cache

from cds_service.knowledge.terms import LOINC, analytes, coded


@cache
def tokens_of_groups() -> dict[str, tuple[tuple[str, str], ...]]:
    """By group, the (system, code) pairs of all that it holds."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for analyte in analytes().values():
        found[analyte.group] += [(LOINC, code.code) for code in analyte.loinc]
    for term in coded.coded_terms():
        found[term.group] += coded.codes_of(term)
    return {group: tuple(dict.fromkeys(tokens)) for group, tokens in found.items() if tokens}


@cache
def entries_without_code() -> frozenset[str]:
    """The keys of the entries that only a site's own code can mean."""
    return frozenset(term.key for term in coded.coded_terms() if not term.codes)


@cache
def group_of_code() -> dict[str, str]:
    """By what a site's own code may mean - a LOINC code, or the key of an entry that has none - its group."""
    by_code = {
        code: group for group, tokens in tokens_of_groups().items() for system, code in tokens if system == LOINC
    }
    return by_code | {term.key: term.group for term in coded.coded_terms() if term.key in entries_without_code()}
