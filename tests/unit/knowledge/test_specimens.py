"""Kinds of specimen by code and by word, and what contradicts what."""

from collections import Counter

import pytest

from cds_service.knowledge import terms
from cds_service.knowledge.terms import SNOMED, specimens
from tests.test_knowledge import passes_verhoeff

TABLE = terms.load_toml("cds_service.knowledge.terms", "specimens.toml")
V2, V2_STU3 = specimens.V2_0487
KINDS = {"serum", "blood", "urine", "CSF", "other"}


@pytest.mark.parametrize(
    ("system", "code", "kind"),
    [
        (SNOMED, "119364003", "serum"),
        (SNOMED, "119361006", "serum"),
        (SNOMED, "119297000", "blood"),
        (SNOMED, "122555007", "blood"),
        (SNOMED, "122575003", "urine"),
        (SNOMED, "276833005", "urine"),
        (SNOMED, "258450006", "CSF"),
        (SNOMED, "418564007", "other"),
        (SNOMED, "119323008", "other"),
        (V2, "SER", "serum"),
        (V2_STU3, "UR", "urine"),
        (V2, "CSF", "CSF"),
        (V2, "ser", None),
        (SNOMED, "SER", None),
        ("", "119364003", None),
        ("http://example.org", "119364003", None),
        (SNOMED, "122556008", None),
    ],
)
def test_a_kind_is_known_by_system_and_code_together(system: str, code: str, kind: str | None) -> None:
    assert specimens.kind_of_code(system, code) == kind


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Serum", "serum"),
        ("SÉRUM", "serum"),
        (" Heparin-Plasma ", "serum"),
        ("EDTA-Vollblut", "blood"),
        ("sang  total", "blood"),
        ("24h-Sammelurin", "urine"),
        ("Orina de 24 horas", "urine"),
        ("24-uurs urine", "urine"),
        ("Liquor", "CSF"),
        ("Pleuraerguss", "other"),
        ("serum, not urine", None),
        ("urinary tract", None),
        ("", None),
    ],
)
def test_a_kind_is_known_by_the_whole_text(said: str, kind: str | None) -> None:
    assert specimens.kind_of_word(said) == kind


@pytest.mark.parametrize(
    ("kind", "analyte", "contradicts"),
    [
        ("serum", "b2m-serum", False),
        ("blood", "b2m-serum", False),
        ("urine", "b2m-serum", True),
        ("CSF", "b2m-serum", True),
        ("other", "b2m-serum", True),
        ("serum", "b2m-serum-post-dialysis", False),
        ("other", "b2m-serum-post-dialysis", True),
        ("serum", "b2m-urine", True),
        ("urine", "b2m-urine", False),
        ("urine", "b2m-urine-24h", False),
        ("urine", "b2m-urine-ratio", False),
        ("blood", "b2m-urine-ratio", True),
        ("CSF", "b2m-csf", False),
        ("serum", "b2m-csf", True),
        ("serum", "b2m-csf-serum-ratio", False),
        ("urine", "b2m-csf-serum-ratio", True),
        ("serum", "hemoglobin", False),
        ("urine", "hemoglobin", True),
        ("other", "body-height", False),
        ("other", "ebv-dna", False),
        ("other", "del-17p-cells", False),
    ],
)
def test_what_contradicts_an_analyte(kind: str, analyte: str, contradicts: bool) -> None:
    assert specimens.contradicts(kind, terms.analytes()[analyte].specimen) is contradicts


def test_every_specimen_of_an_analyte_is_accounted_for() -> None:
    accounted = {*TABLE["accepts"], *TABLE["unchecked"]["specimens"]}
    assert {analyte.specimen for analyte in terms.analytes().values()} <= accounted
    assert not set(TABLE["accepts"]) & set(TABLE["unchecked"]["specimens"])
    assert {kind for kinds in TABLE["accepts"].values() for kind in kinds} <= KINDS


def test_every_kind_stands_once() -> None:
    assert sorted(row["kind"] for row in TABLE["specimen"]) == sorted(KINDS)


@pytest.mark.parametrize("code", sorted({code for system, code in specimens.kinds_by_code() if system == SNOMED}))
def test_snomed_codes_pass_verhoeff(code: str) -> None:
    assert passes_verhoeff(code)


@pytest.mark.parametrize("column", ["snomed", "v2_0487", "words"])
def test_nothing_stands_for_two_kinds(column: str) -> None:
    entries = Counter(
        entry.split(" ", 1)[0] if column != "words" else entry for r in TABLE["specimen"] for entry in r[column]
    )
    assert [entry for entry, count in entries.items() if count > 1] == []


def test_words_are_written_as_they_are_looked_up() -> None:
    assert [word for word in specimens.kinds_by_word() if " ".join(word.casefold().split()) != word] == []
