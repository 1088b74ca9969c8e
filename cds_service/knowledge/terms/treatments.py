"""Drugs and procedures: which codes mean which, what rules ask of a drug, and whether a code or route says "systemic".

``drugs.toml``, ``rxnorm_products.tsv`` and ``procedures.toml`` are the runtime truth; this module only loads them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from cds_service.knowledge.terms import SNOMED, load_toml

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
#: The German edition of ATC; its codes are read as those of WHO.
ATC_GERMANY = "http://fhir.de/CodeSystem/bfarm/atc"
ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"

_TERMS = "cds_service.knowledge.terms"
_ATC_CODE = re.compile(r"[A-Z]\d\d[A-Z]([A-Z](\d\d)?)?", re.ASCII)
_SYSTEMIC_BY_FORM = {"systemic": True, "local": False, "": None}


@dataclass(frozen=True, slots=True)
class DrugClass:
    """What rules ask of a drug, and what it may be used for."""

    key: str
    label: str
    purpose: str


@dataclass(frozen=True, slots=True, eq=False)  # one object a drug: a hash of all its codes would cost
class DrugTerm:
    """A drug that rules have a name for, or a class of drugs known by its ATC prefix alone ("atc-J01G").

    ``local_forms_exist``: it counts as systemic only where a code or a route says so. ``oral_is_local``: swallowed, it
    is not absorbed. ``atc_any_route``: the ATC codes that do not tell the route.
    """

    key: str
    label: str
    classes: frozenset[str]
    rxnorm: frozenset[str] = frozenset()
    atc: frozenset[str] = frozenset()
    snomed: frozenset[str] = frozenset()
    atc_any_route: frozenset[str] = frozenset()
    local_forms_exist: bool = False
    oral_is_local: bool = False


@dataclass(frozen=True, slots=True)
class AtcGroup:
    """An ATC group that is safe as a whole: its members but those excepted are drugs of ``term``."""

    prefix: str
    term: DrugTerm
    excepted: frozenset[str]

    def holds(self, code: str) -> bool:
        """Whether ``code`` is of this group and not excepted."""
        return code.startswith(self.prefix) and code not in self.excepted


@dataclass(frozen=True, slots=True)
class RxNormProduct:
    """A product (or form, component, salt) of a drug. ``form``: systemic, local, or "" where its name does not tell."""

    drug: str
    rxcui: str
    name: str
    form: str


@dataclass(frozen=True, slots=True)
class ProcedureTerm:
    """A procedure that rules have a name for; its codes match exactly."""

    key: str
    label: str
    snomed: frozenset[str]
    icd10pcs: frozenset[str]


def _codes(row: dict[str, Any], name: str) -> frozenset[str]:
    """The codes of a list whose entries are a code and, for the reader, words behind it."""
    return frozenset(entry.split(" ", 1)[0] for entry in row.get(name, ()))


@cache
def _drugs() -> dict[str, Any]:
    return load_toml(_TERMS, "drugs.toml")


@cache
def drug_classes() -> dict[str, DrugClass]:
    """What rules may ask of a drug, by key."""
    return {row["key"]: DrugClass(row["key"], row["label"], row["purpose"]) for row in _drugs()["class"]}


@cache
def drug_terms() -> tuple[DrugTerm, ...]:
    """The drugs, in the order of their table."""
    return tuple(
        DrugTerm(
            key=row["key"],
            label=row["label"],
            classes=frozenset(row["classes"]),
            rxnorm=_codes(row, "rxnorm"),
            atc=_codes(row, "atc"),
            snomed=_codes(row, "snomed"),
            atc_any_route=_codes(row, "atc_any_route"),
            local_forms_exist=row.get("local_forms_exist", False),
            oral_is_local=row.get("oral_is_local", False),
        )
        for row in _drugs()["drug"]
    )


@cache
def atc_groups() -> tuple[AtcGroup, ...]:
    """The ATC groups that are safe as a whole."""
    return tuple(
        AtcGroup(
            row["prefix"],
            DrugTerm(f"atc-{row['prefix']}", row["label"], frozenset(row["classes"])),
            _codes(row, "except"),
        )
        for row in _drugs()["atc_prefix"]
    )


@cache
def rxnorm_products() -> tuple[RxNormProduct, ...]:
    """The RxNorm products of the drugs, in the order of their table."""
    text = files(_TERMS).joinpath("rxnorm_products.tsv").read_text("utf-8")
    _header, *lines = (line for line in text.splitlines() if not line.startswith("#"))
    return tuple(RxNormProduct(*line.split("\t")) for line in lines)


@cache
def procedure_terms() -> tuple[ProcedureTerm, ...]:
    """The procedures, in the order of their table."""
    return tuple(
        ProcedureTerm(row["key"], row["label"], _codes(row, "snomed"), _codes(row, "icd10pcs"))
        for row in load_toml(_TERMS, "procedures.toml")["procedure"]
    )


def drug_of_code(system: str, code: str) -> tuple[DrugTerm, bool | None] | None:
    """The drug that ``system`` and ``code`` together stand for, and whether the code itself says that it is systemic.

    True or False for an ATC code and for a product whose name tells, None where the code leaves it open; nothing at all
    where no drug is meant.
    """
    find = _DRUG_BY_SYSTEM.get(system)
    return find(code) if find else None


@cache
def _drug_of_rxnorm() -> dict[str, tuple[DrugTerm, bool | None]]:
    named: dict[str, tuple[DrugTerm, bool | None]] = {
        code: (term, None) for term in drug_terms() for code in term.rxnorm
    }
    by_key = {term.key: term for term in drug_terms()}
    return named | {p.rxcui: (by_key[p.drug], _SYSTEMIC_BY_FORM[p.form]) for p in rxnorm_products()}


@cache
def _drug_of_atc() -> dict[str, tuple[DrugTerm, bool | None]]:
    return {code: (term, None if code in term.atc_any_route else True) for term in drug_terms() for code in term.atc}


@cache
def _drug_of_snomed() -> dict[str, tuple[DrugTerm, bool | None]]:
    return {code: (term, None) for term in drug_terms() for code in term.snomed}


def _find_atc(code: str) -> tuple[DrugTerm, bool | None] | None:
    """By exact code, else by group: a drug of a class that has no row of its own."""
    bare = code.upper()
    if not _ATC_CODE.fullmatch(bare):
        return None
    return _drug_of_atc().get(bare) or next(((group.term, True) for group in atc_groups() if group.holds(bare)), None)


_DRUG_BY_SYSTEM: dict[str, Callable[[str], tuple[DrugTerm, bool | None] | None]] = {
    RXNORM: lambda code: _drug_of_rxnorm().get(code),
    SNOMED: lambda code: _drug_of_snomed().get(code),
    ATC: _find_atc,
    ATC_GERMANY: _find_atc,
}


@cache
def _meaning_of_route() -> dict[str, str]:
    return {code: row["means"] for row in _drugs()["route"] for code in _codes(row, "snomed")}


def route_is_systemic(system: str, code: str, term: DrugTerm) -> bool | None:
    """Whether a drug given by this route acts in the whole body; None where the route is not one that tells."""
    meaning = _meaning_of_route().get(code) if system == SNOMED else None
    if meaning is None:
        return None
    return meaning == "systemic" or (meaning == "oral" and not term.oral_is_local)


@cache
def _procedure_by_code() -> dict[tuple[str, str], ProcedureTerm]:
    found = {(SNOMED, code): term for term in procedure_terms() for code in term.snomed}
    return found | {(ICD10PCS, code): term for term in procedure_terms() for code in term.icd10pcs}


def procedure_of_code(system: str, code: str) -> ProcedureTerm | None:
    """The procedure that ``system`` and ``code`` together stand for, or None."""
    return _procedure_by_code().get((system, code))
