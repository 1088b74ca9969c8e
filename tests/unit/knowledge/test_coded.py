"""The table of coded results: codes that can be right, each with one meaning, and answers that are all defined."""

import re

import pytest

from cds_service.facts import Presence
from cds_service.knowledge import terms
from cds_service.knowledge.terms import coded
from cds_service.knowledge.terms.coded import CodedTerm, coded_of_code, presence_of_answer, presence_of_word
from tests.test_knowledge import check_digit, passes_verhoeff

TABLE = terms.load_toml("cds_service.knowledge.terms", "coded.toml")
TERMS = {term.key: term for term in coded.coded_terms()}
ANSWERS = [
    (row, system, entry) for row in TABLE["answer"] for system in row.keys() - {"of", "means"} for entry in row[system]
]
VARIANT_LOINC = [entry["code"] for entry in TABLE["variant"].values() if isinstance(entry, dict)]

#: Digits that stand in for the letters of an answer code, so that the check digit comes out as in 25 published ones.
LETTERS = "149"


def loinc_codes() -> list[str]:
    context = [entry["code"] for entry in TABLE["variant"]["context"]]
    return sorted(
        {code for term in TERMS.values() for system, code in term.codes if system == terms.LOINC}
        | {*VARIANT_LOINC, *context}
    )


def answer_codes(name: str) -> list[str]:
    decisive = [*TABLE["variant"]["pathogenic"], *TABLE["variant"]["somatic"]] if name == "loinc" else []
    return sorted({entry["code"] for _, system, entry in ANSWERS if system == name} | {e["code"] for e in decisive})


@pytest.mark.parametrize("code", loinc_codes())
def test_loinc_codes_pass_their_check_digit(code: str) -> None:
    number, digit = code.split("-")
    assert check_digit(number) == int(digit)


@pytest.mark.parametrize("code", answer_codes("loinc"))
def test_loinc_answer_codes_pass_their_check_digit(code: str) -> None:
    number, digit = code.removeprefix("LA").split("-")
    assert check_digit(LETTERS + number) == int(digit)


@pytest.mark.parametrize("code", answer_codes("snomed"))
def test_snomed_codes_pass_verhoeff(code: str) -> None:
    assert passes_verhoeff(code)


def test_ncit_codes_look_like_ones() -> None:
    codes = [code for term in TERMS.values() for system, code in term.codes if system == coded.NCIT]
    assert len(codes) == 4
    assert all(re.fullmatch(r"C\d{4,6}", code) for code in [*codes, *answer_codes("ncit")])


def test_no_code_means_two_items() -> None:
    codes = [pair for term in TERMS.values() for pair in term.codes]
    assert len(codes) == len(set(codes)) == len({code for _, code in codes})
    assert not {code for _, code in codes} & terms.analyte_of_loinc().keys()
    assert not set(VARIANT_LOINC) & {code for _, code in codes}


def test_no_key_means_two_items() -> None:
    assert len(TERMS) == len(coded.coded_terms())
    assert not TERMS.keys() & terms.analytes().keys()


def test_every_row_is_of_the_form_that_is_read() -> None:
    known = {
        "key",
        "label",
        "short",
        "group",
        "loinc",
        "ncit",
        "boolean",
        "present_is_unclear",
        "absent_is_unclear",
        "variant",
        "profile",
        "method",
    }
    of_variants = {"gene", "location", "significance", "somatic_stated", "present_copies", "absent_copies"}
    assert TABLE.keys() == {"coded", "answer", "words", "variant"}
    for row in TABLE["coded"]:
        assert row.keys() <= known, row["key"]
        assert row.get("variant", {}).keys() <= of_variants, row["key"]
    for row in TABLE["answer"]:
        assert row.keys() <= {"of", "means", "loinc", "snomed", "ncit", "null_flavor"}


def test_every_answer_is_defined_once_and_of_an_item_that_exists() -> None:
    given = [(key, system, entry["code"]) for row, system, entry in ANSWERS for key in row.get("of", [""])]
    assert len(given) == len(set(given))
    assert {key for key, _, _ in given} <= {*TERMS, ""}
    for key, _, code in given:
        stated = [
            presence_of_answer(system, code, TERMS.get(key))
            for system in (terms.LOINC, terms.SNOMED, coded.NCIT, coded.NULL_FLAVOR)
        ]
        assert len([presence for presence in stated if presence]) == 1, code


@pytest.mark.parametrize(
    ("system", "code", "presence"),
    [
        (terms.LOINC, "LA9633-4", Presence.PRESENT),
        (terms.LOINC, "LA9634-2", Presence.ABSENT),
        (terms.LOINC, "LA6576-8", Presence.PRESENT),
        (terms.LOINC, "LA6577-6", Presence.ABSENT),
        (terms.SNOMED, "10828004", Presence.PRESENT),
        (terms.SNOMED, "260385009", Presence.ABSENT),
        (terms.SNOMED, "260373001", Presence.PRESENT),
        (terms.SNOMED, "260415000", Presence.ABSENT),
        (terms.SNOMED, "52101004", Presence.PRESENT),
        (terms.SNOMED, "2667000", Presence.ABSENT),
        (terms.SNOMED, "82334004", Presence.UNCLEAR),
        (terms.SNOMED, "LA9633-4", None),
        (terms.LOINC, "10828004", None),
        (terms.SNOMED, "77386006", None),
        ("", "LA9633-4", None),
    ],
)  # fmt: skip
def test_an_answer_is_known_by_system_and_code_together(system: str, code: str, presence: Presence | None) -> None:
    assert presence_of_answer(system, code) is presence
    assert presence_of_answer(system, code, TERMS["del-17p"]) is presence


def test_an_item_with_answers_of_its_own_takes_no_others() -> None:
    pregnancy, iss, r_iss = (TERMS[key] for key in ("pregnancy-status", "iss-stage", "r-iss-stage"))
    assert presence_of_answer(terms.SNOMED, "77386006", pregnancy) is Presence.PRESENT
    assert presence_of_answer(terms.SNOMED, "60001007", pregnancy) is Presence.ABSENT
    assert presence_of_answer(coded.NULL_FLAVOR, "UNK", pregnancy) is Presence.UNCLEAR
    assert presence_of_answer(terms.LOINC, "LA6576-8", pregnancy) is None
    assert presence_of_answer(coded.NCIT, "C70658", iss) is Presence.PRESENT
    assert presence_of_answer(coded.NCIT, "C70658", r_iss) is None
    assert presence_of_word("positive", pregnancy) is None


@pytest.mark.parametrize(
    ("code", "stage"),
    [
        ("C70658", "I"), ("C70659", "II"), ("C70660", "III"), ("C141394", "I"), ("C141395", "II"), ("C141396", "III"),
        ("LA9633-4", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_stage_is_named_by_its_answer(code: str, stage: str) -> None:
    assert coded.stage_of_answer(code) == stage


@pytest.mark.parametrize(
    ("system", "code", "key"),
    [
        (terms.LOINC, "81746-0", "del-17p"),
        (terms.LOINC, "72726-3", "t-4-14"),
        (terms.LOINC, "77033-9", "t-14-16"),
        (terms.LOINC, "90043-1", "t-14-20"),
        (terms.LOINC, "77037-0", "t-11-14"),
        (terms.LOINC, "72725-5", "t-11-14"),
        (terms.LOINC, "81752-8", "gain-1q"),
        (terms.LOINC, "78221-9", "igh-rearrangement"),
        (terms.LOINC, "95071-7", "igh-rearrangement"),
        (terms.LOINC, "81751-0", "del-17p-and-igh"),
        (terms.LOINC, "5792-7", "urine-glucose-strip"),
        (terms.LOINC, "56888-1", "hiv-screen"),
        (terms.LOINC, "82810-3", "pregnancy-status"),
        (coded.NCIT, "C139007", "iss-stage"),
        (coded.NCIT, "C141392", "r-iss-stage"),
        (coded.NCIT, "C141212", "binet-stage"),
        (coded.NCIT, "C141207", "rai-stage"),
        (coded.ENTRY, "ighv-unmutated", "ighv-unmutated"),
        (coded.ENTRY, "tp53-mutation", "tp53-mutation"),
        (coded.ENTRY, "del-17p", None),
        (terms.LOINC, "69548-6", None),
        (terms.LOINC, "84916-6", None),
        (terms.SNOMED, "81746-0", None),
        (terms.LOINC, "C139007", None),
    ],
)  # fmt: skip
def test_an_item_is_known_by_system_and_code_together(system: str, code: str, key: str | None) -> None:
    term = coded_of_code(system, code)
    assert (term.key if term else None) == key


def test_every_item_can_be_asked_for_or_is_left_to_a_site() -> None:
    assert {key for key, term in TERMS.items() if not coded.codes_of(term)} == {
        "ighv-unmutated",
        "binet-b-c-or-rai-i-iv",
        "ann-arbor-iii-iv",
        "marrow-involvement",
        "longest-node-above-6-cm",
        "ecog-2-to-4",
        "ecog-3-to-4",
    }
    assert coded.codes_of(TERMS["tp53-mutation"]) == ((terms.LOINC, "69548-6"),)
    assert coded.codes_of(TERMS["del-17p"]) == ((terms.LOINC, "81746-0"),)


def test_bare_answers_that_cannot_be_used() -> None:
    unclear = {key: term.unclear for key, term in TERMS.items() if term.unclear}
    both = frozenset({Presence.PRESENT, Presence.ABSENT})
    assert unclear == {"del-17p-and-igh": both, "tp53-mutation": frozenset({Presence.PRESENT})}


WORDS = [(word, said) for row in TABLE["words"] for said in ("present", "absent") for word in row[said]]


@pytest.mark.parametrize(("word", "said"), WORDS)
def test_words_are_read_whole_and_in_any_case(word: str, said: str) -> None:
    term: CodedTerm = TERMS["del-17p"]
    assert presence_of_word(f"  {word.upper()} ", term) == said
    assert presence_of_word(f"{word}?", term) is None
    assert presence_of_word(f"{word} for del(17p)", term) is None


def test_every_language_says_both_and_no_word_means_two_things() -> None:
    assert [row["language"] for row in TABLE["words"]] == ["en", "de", "fr", "es", "nl"]
    assert all(row["present"] and row["absent"] for row in TABLE["words"])
    assert not {w for w, said in WORDS if said == "present"} & {w for w, said in WORDS if said == "absent"}


def test_an_accent_may_be_written_apart() -> None:
    assert presence_of_word("de\u0301tecte\u0301", TERMS["t-4-14"]) is Presence.PRESENT
