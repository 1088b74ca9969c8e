"""The term tables: which codes mean which analyte or diagnosis, and what a printed unit is worth.

The TOML files beside this module are the runtime truth and are meant to be read by clinicians; this module only
loads them. All numbers are ``Decimal``.
"""

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cds_service.errors import KnowledgeError

_Model = TypeVar("_Model", bound=BaseModel)

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
#: WHO's ICD-10, and its German modification under each of its names.
ICD10 = (
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-10-gm",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm",
)
UCUM = "http://unitsofmeasure.org"

#: What was made of the names of tests is kept for so many of them, none longer than this.
MOST_KEPT, LONGEST_KEPT = 1024, 300

#: Which dimensions of a unit fit a LOINC property; "coded" and "arbitrary" can never be converted;
#: "Ratio" leaves it to the unit.
DIMENSIONS_OF_PROPERTY: dict[str, tuple[str, ...]] = {
    "MCnc": ("mass-concentration",),
    "SCnc": ("substance-concentration",),
    "CCnc": ("catalytic-concentration",),
    "NCnc": ("number-concentration",),
    "ArVRat": ("filtration-rate",),
    "MRto": ("mass-ratio",),
    "SRto": ("substance-ratio",),
    "Ratio": ("mass-ratio", "substance-ratio"),
    "Rto": ("pure-ratio",),
    "NFr": ("fraction",),
    "MRat": ("mass-rate",),
    "SRat": ("substance-rate",),
    "Vel": ("velocity",),
    "Len": ("length",),
    "Mass": ("mass",),
    "LsCnc": ("ph",),
    "ACnc": ("arbitrary",),
    "PrThr": ("coded",),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of the closed table: its UCUM code, how it is printed, its dimension, its SNOMED CT codes.

    ``factor`` is how many of the dimension's base unit one of it is; ``reads`` is how it is shown to people, "" for
    that of a number alone.
    """

    ucum: str
    reads: str
    printed: tuple[str, ...]
    dimension: str
    factor: Decimal
    snomed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoincCode:
    """A LOINC code of an analyte, with its property and the dimensions of which the unit of a result has to be one.

    ``equation`` is the one that an eGFR filed under it stands for; ``method`` tells it from the analyte's other codes.
    """

    code: str
    property: str
    name: str
    dimensions: tuple[str, ...]
    equation: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True)
class Molar:
    """How to come from moles to mass (or back): canonical base units per base unit of the other dimension.

    ``low`` and ``high`` bracket ``factor`` where sources disagree about the molar mass.
    """

    factor: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Slip:
    """A range of values (canonical unit) that more likely stands for another unit filed under this one.

    ``printed_factor``: how many canonical units one of the unit is under which it was filed; None for the canonical
    unit itself. ``only_unusual``: the value is called unusual, with what it would be in the other unit.
    """

    from_: Decimal
    below: Decimal
    likely_unit: str
    factor: Decimal | None
    printed_factor: Decimal | None = None
    only_unusual: bool = False


@dataclass(frozen=True, slots=True)
class Analyte:
    """What is measured, in which specimen, under which codes, and what values are plausible (canonical unit)."""

    key: str
    label: str
    short: str
    group: str
    specimen: str
    canonical: Unit
    loinc: tuple[LoincCode, ...]
    molar: Molar | None = None
    reject_below: Decimal | None = None
    reject_above: Decimal | None = None
    doubt_above: Decimal | None = None
    slips: tuple[Slip, ...] = ()
    codes_differ: bool = False

    @property
    def is_b2m(self) -> bool:
        """Whether this is beta-2 microglobulin, in any specimen."""
        return self.group == "b2m"


@dataclass(frozen=True, slots=True, eq=False)  # one object a diagnosis: a hash of all its codes would cost
class ProblemTerm:
    """A diagnosis that rules have a name for: SNOMED CT codes exactly, ICD-10-CM and ICD-10 codes by prefix."""

    key: str
    label: str
    family: str
    snomed: frozenset[str]
    icd10cm: tuple[str, ...]
    icd10: tuple[str, ...]


def load_toml(package: str, name: str) -> dict[str, Any]:
    """The TOML file ``name`` of ``package``, numbers as Decimal.

    Raises:
        KnowledgeError: the file is not TOML.
    """
    return parse_toml(files(package).joinpath(name), f"{package}/{name}")


def parse_toml(file: Traversable, where: str) -> dict[str, Any]:
    """A TOML file, numbers as Decimal; ``where`` names it in the message.

    Raises:
        KnowledgeError: the file is not TOML.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KnowledgeError(f"{where} is not valid TOML: {error}") from error


def validated(model: type[_Model], values: dict[str, Any], where: str) -> _Model:
    """What a TOML file says, in the shape that it should have; ``where`` names it in the message.

    Raises:
        KnowledgeError: it has not; the message names each place.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in e['loc']) or 'as a whole'}: {e['msg']}" for e in error.errors()]
        raise KnowledgeError(f"{where}: {'; '.join(faults)}") from error


@cache
def _limits() -> dict[str, Decimal]:
    return {name: Decimal(row["value"]) for name, row in load_toml(__name__, "limits.toml").items()}


def limit(name: str) -> Decimal:
    """A limit that belongs to no single rule, in the unit that ``limits.toml`` gives."""
    return _limits()[name]


@cache
def units() -> dict[str, Unit]:
    """The unit table by UCUM code."""
    rows = load_toml(__name__, "units.toml")["unit"]
    return {row["ucum"]: _unit(row) for row in rows}


def _unit(row: dict[str, Any]) -> Unit:
    snomed = tuple(entry.split(" ", 1)[0] for entry in row.get("snomed", ()))
    ucum = row["ucum"]
    return Unit(ucum, row.get("reads", ucum), tuple(row["printed"]), row["dimension"], Decimal(row["factor"]), snomed)


def unit_in_words(unit: str) -> str:
    """A unit as it is shown to people: a code of the table as that reads, anything else as it is."""
    return units()[unit].reads if unit in units() else unit


@cache
def printed_units() -> dict[str, Unit]:
    """The unit table by every text under which a unit is printed, its UCUM code included."""
    return {text: unit for unit in units().values() for text in (unit.ucum, *unit.printed)}


@cache
def unit_of_snomed() -> dict[str, Unit]:
    """The unit table by SNOMED CT code."""
    return {code: unit for unit in units().values() for code in unit.snomed}


@cache
def analytes() -> dict[str, Analyte]:
    """The analyte table by key."""
    return {row["key"]: _analyte(row) for row in load_toml(__name__, "analytes.toml")["analyte"]}


def _analyte(row: dict[str, Any]) -> Analyte:
    molar = row.get("molar")
    plausible = {name: Decimal(value) for name, value in row.get("plausible", {}).items()}
    return Analyte(
        key=row["key"],
        label=row["label"],
        short=row["short"],
        group=row["group"],
        specimen=row["specimen"],
        canonical=units()[row["canonical"]],
        loinc=tuple(_loinc_code(code) for code in row["loinc"]),
        molar=molar and Molar(*(Decimal(molar[end]) for end in ("factor", "low", "high"))),
        slips=tuple(_slip(slip) for slip in row.get("slip", ())),
        codes_differ=row.get("codes_differ", False),
        **plausible,
    )


def _loinc_code(row: dict[str, Any]) -> LoincCode:
    dimensions = (row["dimension"],) if "dimension" in row else DIMENSIONS_OF_PROPERTY[row["property"]]
    of_it = row.get("equation", ""), row.get("method", "")
    return LoincCode(row["code"], row["property"], row["name"], dimensions, *of_it)


def _slip(row: dict[str, Any]) -> Slip:
    factor, filed_in = (None if row.get(name) is None else Decimal(row[name]) for name in ("factor", "printed_factor"))
    ends = Decimal(row["from"]), Decimal(row["below"])
    return Slip(*ends, row["likely_unit"], factor, filed_in, row.get("only_unusual", False))


@cache
def analyte_of_loinc() -> dict[str, tuple[Analyte, LoincCode]]:
    """Analyte and code row by LOINC code."""
    return {code.code: (analyte, code) for analyte in analytes().values() for code in analyte.loinc}


@cache
def not_interpreted() -> dict[str, str]:
    """The names of the LOINC codes of B2M that are recognised and left alone, by code."""
    return {row["code"]: row["name"] for row in load_toml(__name__, "analytes.toml")["not_interpreted"]}


@cache
def problem_terms() -> tuple[ProblemTerm, ...]:
    """The diagnoses, in the order of their table: the first that matches a code is meant."""
    return tuple(
        ProblemTerm(
            row["key"],
            row["label"],
            row["family"],
            frozenset(entry.split(" ", 1)[0] for entry in row.get("snomed", ())),
            *(tuple(entry.split(" ", 1)[0] for entry in row.get(edition, ())) for edition in ("icd10cm", "icd10")),
        )
        for row in load_toml(__name__, "problems.toml")["problem"]
    )


@cache
def _problem_of_snomed() -> dict[str, ProblemTerm]:
    """Diagnosis by SNOMED CT code; of two that share one, the first of the table."""
    return {code: term for term in reversed(problem_terms()) for code in term.snomed}


@cache
def _problem_of_prefix(system: str) -> dict[str, ProblemTerm]:
    """Diagnosis by prefix of a code of ICD-10-CM or ICD-10, without its dot; of two that share one, the first."""
    prefixes = {term: term.icd10cm if system == ICD10CM else term.icd10 for term in reversed(problem_terms())}
    return {prefix.replace(".", ""): term for term, given in prefixes.items() for prefix in given}


@cache
def _longest_prefix(system: str) -> int:
    return max(map(len, _problem_of_prefix(system)))


def problem_of_code(system: str, code: str) -> ProblemTerm | None:
    """The diagnosis that ``system`` and ``code`` together stand for, or None. ICD may come without its dot."""
    if system == SNOMED:
        return _problem_of_snomed().get(code)
    if system == ICD10CM or system in ICD10:
        bare, known = code.replace(".", "").upper(), _problem_of_prefix(system)
        prefixes = (bare[:length] for length in range(_longest_prefix(system), 0, -1))
        return next((known[prefix] for prefix in prefixes if prefix in known), None)
    return None
