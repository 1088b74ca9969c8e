"""Observations whose result is a code: every shape that is read, and every trap that is not."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts import CodedResult, MissingData, Presence, Reason
from cds_service.fhir.coded import meanings_coded, read_coded
from cds_service.fhir.dates import observed_at
from cds_service.knowledge.terms import LOINC, SNOMED
from cds_service.knowledge.terms.coded import ENTRY, NCIT, NULL_FLAVOR, coded_terms

AS_OF = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
TERMS = {term.key: term for term in coded_terms()}
PRESENT, ABSENT, UNCLEAR = Presence.PRESENT, Presence.ABSENT, Presence.UNCLEAR
HGNC = "http://www.genenames.org/geneId"

YES = (LOINC, "LA9633-4")
NO = (LOINC, "LA9634-2")


def concept(*codings: tuple[str, str], shown: str = "", **parts: Any) -> dict[str, Any]:
    given = [{"system": system, "code": code} | ({"display": shown} if shown else {}) for system, code in codings]
    return ({"coding": given} if given else {}) | parts


def fish(*answers: tuple[str, str], loinc: str = "81746-0", **parts: Any) -> dict[str, Any]:
    value = {"valueCodeableConcept": concept(*answers)} if answers else {}
    return {
        "resourceType": "Observation",
        "id": "g",
        "status": "final",
        "code": concept((LOINC, loinc)),
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-02-20",
    } | value | parts  # fmt: skip


def component(loinc: str, **value: Any) -> dict[str, Any]:
    return {"code": concept((LOINC, loinc))} | value


def said(loinc: str, *answers: str) -> dict[str, Any]:
    return component(loinc, valueCodeableConcept=concept(*((LOINC, answer) for answer in answers)))


def variant(*components: dict[str, Any], answer: tuple[str, str] = YES, **parts: Any) -> dict[str, Any]:
    return fish(answer, loinc="69548-6", component=list(components), **parts)


TP53 = component("48018-6", valueCodeableConcept=concept((HGNC, "HGNC:11998"), shown="TP53"))
BAND = component("48001-2", valueCodeableConcept={"text": "1p32"})
SOMATIC = said("48002-0", "LA6684-0")
GERMLINE = said("48002-0", "LA6683-2")
PATHOGENIC = said("53037-8", "LA6668-3")


def copies(number: Any, **parts: Any) -> dict[str, Any]:
    return component("82155-3", valueQuantity={"value": number} | parts)


def read(resource: Any, key: str = "del-17p") -> CodedResult | MissingData:
    return read_coded(resource, TERMS[key], observed_at(resource), AS_OF)


def result(resource: Any, key: str = "del-17p") -> CodedResult:
    found = read(resource, key)
    assert isinstance(found, CodedResult), found
    return found


def keys(resource: Any) -> list[str]:
    return [term.key for term in meanings_coded(resource)]


# ------------------------------------------------------------------ what it is


def test_a_code_counts_only_with_its_system() -> None:
    assert keys(fish(YES)) == ["del-17p"]
    assert keys(fish(YES, code=concept((SNOMED, "81746-0")))) == []
    assert keys(fish(YES, code=concept(("urn:local", "FISH17"), (LOINC, "81746-0")))) == ["del-17p"]


def test_a_code_said_twice_is_one_item_and_two_items_are_both_told() -> None:
    once = fish(YES, code=concept((LOINC, "77037-0"), (LOINC, "72725-5")))
    assert keys(once) == ["t-11-14"]
    assert result(once, "t-11-14").presence is PRESENT
    both = fish(YES, code=concept((LOINC, "72726-3"), (LOINC, "77033-9")))
    assert keys(both) == ["t-4-14", "t-14-16"]
    for key in keys(both):
        found = read(both, key)
        assert isinstance(found, MissingData)
        assert found.reason is Reason.CODE_CONFLICT


def test_a_sites_own_code_stands_for_an_item_without_one() -> None:
    own = fish(YES, code=concept((ENTRY, "ighv-unmutated")))
    assert keys(own) == ["ighv-unmutated"]
    assert result(own, "ighv-unmutated").presence is PRESENT


@pytest.mark.parametrize(
    ("gene", "known"),
    [
        (concept((HGNC, "HGNC:11998")), True),
        (concept(("http://www.genenames.org", "HGNC:11998")), True),
        (concept((HGNC, "11998")), True),
        (concept((HGNC, "TP53"), shown="HGNC:11998"), True),
        ({"coding": [{"system": HGNC, "display": "TP53"}]}, True),
        ({"text": "TP53"}, True),
        (concept(("urn:local", "7"), text="TP53"), True),
        (concept((HGNC, "HGNC:1097"), shown="TP53"), False),
        (concept((HGNC, "HGNC:1097"), text="TP53"), False),
        (concept((HGNC, "HGNC:11998"), (HGNC, "HGNC:1097")), False),
        (concept(("urn:local", "HGNC:11998")), False),
        ({"text": "TP53BP1"}, False),
        ({"text": "TP53 exon 5"}, False),
        ({"text": "tp53"}, False),
        (None, False),
        ("TP53", False),
    ],
)  # fmt: skip
def test_the_gene_of_a_variant(gene: Any, known: bool) -> None:
    named = variant(component("48018-6", valueCodeableConcept=gene))
    assert keys(named) == (["tp53-mutation"] if known else [])


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ({"valueCodeableConcept": {"text": "1p32"}}, True),
        ({"valueCodeableConcept": {"text": "1p32.3"}}, True),
        ({"valueCodeableConcept": concept(("urn:oid:2.16.840.1.113883.6.335", "1p32"))}, True),
        ({"valueCodeableConcept": concept(("urn:local", "x"), shown="1p32")}, True),
        ({"valueString": "1p32"}, True),
        ({"valueCodeableConcept": {"text": "1p32.1-q21"}}, False),
        ({"valueCodeableConcept": {"text": "11p32"}}, False),
        ({"valueCodeableConcept": {}}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_the_band_of_a_variant(value: dict[str, Any], known: bool) -> None:
    named = variant(component("48001-2", **value))
    assert keys(named) == (["del-1p32", "del-1p32-biallelic"] if known else [])


def test_components_tell_an_item_only_of_a_variant_assessment() -> None:
    assert keys(fish(YES, component=[TP53, BAND])) == ["del-17p"]
    assert keys(variant()) == []
    assert keys(variant(component("48001-2", valueCodeableConcept=concept((HGNC, "HGNC:11998"))))) == []


# ------------------------------------------------------------------ what it says


def test_a_sound_result() -> None:
    found = result(fish(YES, valueCodeableConcept=concept(YES, shown="Present")))
    assert found == CodedResult(
        item="del-17p",
        label="Deletion of 17p13 (TP53 locus)",
        presence=PRESENT,
        printed="Present",
        code="LA9633-4",
        when=found.when,
        reference="Observation/g",
    )
    assert found.when is not None
    assert found.when.printed == "2026-02-20"


@pytest.mark.parametrize(
    ("value", "presence", "printed"),
    [
        (concept(NO, text="no deletion seen"), ABSENT, "no deletion seen"),
        (concept((SNOMED, "260385009")), ABSENT, "260385009"),
        (concept((SNOMED, "82334004")), UNCLEAR, "82334004"),
        (concept(YES, (SNOMED, "10828004")), PRESENT, "LA9633-4"),
        (concept(("urn:local", "P"), YES), PRESENT, "P"),
        (concept(YES, NO), UNCLEAR, "LA9633-4"),
        (concept(YES, (SNOMED, "82334004")), UNCLEAR, "LA9633-4"),
        (concept(NO, text="Positive"), UNCLEAR, "Positive"),
        (concept(NO, shown="Present"), UNCLEAR, "Present"),
        (concept(("urn:local", "P"), shown="Positive"), UNCLEAR, "Positive"),
        (concept(("urn:local", "P"), shown="Negative", text="Positive"), UNCLEAR, "Positive"),
        (concept(("urn:local", "LA9633-4")), UNCLEAR, "LA9633-4"),
        (concept((LOINC, "LA6626-1")), UNCLEAR, "LA6626-1"),
        ({"coding": [{"code": "LA9633-4"}]}, UNCLEAR, "LA9633-4"),
        ({"text": "positiv"}, PRESENT, "positiv"),
        ({"text": "nicht  nachgewiesen"}, ABSENT, "nicht  nachgewiesen"),
        ({"text": "deletion in 12 % of nuclei"}, UNCLEAR, "deletion in 12 % of nuclei"),
    ],
)  # fmt: skip
def test_codings_and_their_texts(value: dict[str, Any], presence: Presence, printed: str) -> None:
    found = result(fish(valueCodeableConcept=value))
    assert (found.presence, found.printed) == (presence, printed)


def test_the_code_is_that_of_the_answer_that_decided() -> None:
    assert result(fish(("urn:local", "P"), (SNOMED, "10828004"))).code == "10828004"
    assert result(fish(YES, NO)).code == ""
    assert result(fish(valueString="Positive")).code == ""


@pytest.mark.parametrize(
    ("text", "presence"),
    [
        ("Not detected", ABSENT),
        ("POSITIVE", PRESENT),
        ("absente", ABSENT),
        ("no detectado", ABSENT),
        ("afwezig", ABSENT),
        ("not positive", UNCLEAR),
        ("Positive (see comment)", UNCLEAR),
        ("negative for t(4;14), positive for del(17p)", UNCLEAR),
        ("12", UNCLEAR),
        ("<5 %", UNCLEAR),
        ("1+", UNCLEAR),
        ("+", UNCLEAR),
    ],
)  # fmt: skip
def test_texts_are_read_from_a_closed_list(text: str, presence: Presence) -> None:
    found = result(fish(valueString=text))
    assert (found.presence, found.printed) == (presence, text)


@pytest.mark.parametrize(
    ("key", "loinc", "value", "presence"),
    [
        ("del-17p", "81746-0", True, PRESENT),
        ("del-17p", "81746-0", False, ABSENT),
        ("pregnancy-status", "82810-3", True, PRESENT),
        ("hiv-screen", "56888-1", True, UNCLEAR),
        ("hiv-screen", "56888-1", False, UNCLEAR),
        ("urine-glucose-strip", "5792-7", False, UNCLEAR),
    ],
)  # fmt: skip
def test_booleans_are_read_where_they_can_mean_only_one_thing(
    key: str, loinc: str, value: bool, presence: Presence
) -> None:
    found = result(fish(loinc=loinc, valueBoolean=value), key)
    assert (found.presence, found.printed) == (presence, "true" if value else "false")


@pytest.mark.parametrize("value", ["true", "false", 0, 1])
def test_what_only_looks_like_a_boolean_is_not_read_as_one(value: object) -> None:
    found = read(fish(valueBoolean=value))
    assert isinstance(found, MissingData) or found.presence is UNCLEAR


@pytest.mark.parametrize("answer", [YES, NO, (SNOMED, "10828004"), (SNOMED, "260385009")])
def test_an_answer_that_cannot_be_attributed_is_unclear(answer: tuple[str, str]) -> None:
    found = result(fish(answer, loinc="81751-0"), "del-17p-and-igh")
    assert found.presence is UNCLEAR
    assert result(fish(loinc="81751-0", valueBoolean=True), "del-17p-and-igh").presence is UNCLEAR
    assert result(fish(loinc="81751-0", valueString="absent"), "del-17p-and-igh").presence is UNCLEAR


def test_absent_is_absent_for_that_locus_only() -> None:
    absent = fish(NO, loinc="72726-3")
    assert keys(absent) == ["t-4-14"]
    assert result(absent, "t-4-14").item == "t-4-14"


@pytest.mark.parametrize(
    ("answer", "presence"),
    [
        ((SNOMED, "77386006"), PRESENT),
        ((LOINC, "LA15173-0"), PRESENT),
        ((SNOMED, "60001007"), ABSENT),
        ((LOINC, "LA26683-5"), ABSENT),
        ((SNOMED, "261665006"), UNCLEAR),
        ((SNOMED, "146799005"), UNCLEAR),
        ((LOINC, "LA4489-6"), UNCLEAR),
        ((NULL_FLAVOR, "UNK"), UNCLEAR),
        (YES, UNCLEAR),
        ((SNOMED, "260385009"), UNCLEAR),
    ],
)  # fmt: skip
def test_pregnancy_has_answers_of_its_own(answer: tuple[str, str], presence: Presence) -> None:
    assert result(fish(answer, loinc="82810-3"), "pregnancy-status").presence is presence
    assert result(fish((SNOMED, "77386006"))).presence is UNCLEAR


def stage(*answers: str, code: str = "C139007") -> dict[str, Any]:
    return fish(*((NCIT, answer) for answer in answers), code=concept((NCIT, code)))


def test_a_recorded_stage() -> None:
    assert keys(stage("C70660")) == ["iss-stage"]
    found = result(stage("C70660"), "iss-stage")
    assert (found.presence, found.code) == (PRESENT, "C70660")
    assert result(stage("C141395", code="C141392"), "r-iss-stage").code == "C141395"
    assert result(stage("C141395"), "iss-stage").presence is UNCLEAR
    assert result(fish(YES, code=concept((NCIT, "C139007"))), "iss-stage").presence is UNCLEAR
    contradictory = result(stage("C70658", "C70659"), "iss-stage")
    assert (contradictory.presence, contradictory.code) == (UNCLEAR, "")


@pytest.mark.parametrize(
    ("asked", "answers", "item", "presence"),
    [
        ("C141212", ["C80134"], "binet-stage", ABSENT),
        ("C141212", ["C80135"], "binet-stage", PRESENT),
        ("C141212", ["C80136"], "binet-stage", PRESENT),
        ("C141212", ["C80134", "C80136"], "binet-stage", UNCLEAR),
        ("C141212", ["C7847"], "binet-stage", UNCLEAR),
        ("C141207", ["C7847"], "rai-stage", ABSENT),
        *(("C141207", [answer], "rai-stage", PRESENT) for answer in ("C7874", "C7875", "C7876", "C8646")),
    ],
)
def test_a_recorded_binet_or_rai_stage(asked: str, answers: list[str], item: str, presence: Presence) -> None:
    recorded = stage(*answers, code=asked)
    assert keys(recorded) == [item]
    assert result(recorded, item).presence is presence


def test_interpretation_is_never_used() -> None:
    high = [concept(("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "POS"))]
    assert result(fish(NO, interpretation=high)).presence is ABSENT
    found = read(fish(interpretation=high))
    assert isinstance(found, MissingData)
    assert found.reason is Reason.NO_VALUE


# ------------------------------------------------------------------ why it is not read


@pytest.mark.parametrize(
    ("parts", "reason", "printed"),
    [
        ({"status": "registered"}, Reason.STATUS, "registered"),
        ({"status": "cancelled"}, Reason.STATUS, "cancelled"),
        ({"status": "unknown"}, Reason.STATUS, "unknown"),
        ({"status": None}, Reason.STATUS, "not stated"),
        ({"status": ["final"]}, Reason.STATUS, "not stated"),
        ({"status": "entered-in-error"}, Reason.ENTERED_IN_ERROR, "LA9633-4"),
        ({"modifierExtension": [{"url": "x", "valueBoolean": True}]}, Reason.MODIFIER, "LA9633-4"),
        ({"effectiveDateTime": "2026-03-05T00:00:00Z"}, Reason.FUTURE, "LA9633-4"),
        ({"effectiveDateTime": "2027"}, Reason.FUTURE, "LA9633-4"),
        ({"dataAbsentReason": {"text": "no plasma cells"}}, Reason.NO_VALUE, "no plasma cells"),
        ({"valueCodeableConcept": None}, Reason.NO_VALUE, "no reason given"),
        ({"valueCodeableConcept": None, "valueString": " "}, Reason.NO_VALUE, "empty"),
        ({"valueCodeableConcept": None, "valueInteger": 1}, Reason.UNREADABLE_VALUE, "1"),
        ({"valueCodeableConcept": None, "valueQuantity": {"value": 12, "unit": "%"}}, Reason.UNREADABLE_VALUE, "12 %"),
        ({"valueQuantity": {"value": 12, "unit": "%"}}, Reason.UNREADABLE_VALUE, "LA9633-4 and 12 %"),
        ({"valueString": "absent"}, Reason.UNREADABLE_VALUE, "LA9633-4 and absent"),
        ({"valueCodeableConcept": {"text": 5}}, Reason.INVALID, "valueCodeableConcept.text"),
        ({"valueCodeableConcept": {"coding": [{"system": LOINC, "code": "LA9633-4", "display": {}}]}}, Reason.INVALID,
         "valueCodeableConcept.coding.0.display"),
        ({"valueCodeableConcept": None, "valueBoolean": "maybe"}, Reason.INVALID, "valueBoolean"),
        ({"subject": {"reference": 7}}, Reason.INVALID, "subject.reference"),
    ],
)  # fmt: skip
def test_why_a_result_is_not_read(parts: dict[str, Any], reason: Reason, printed: str) -> None:
    found = read(fish(YES) | parts)
    assert isinstance(found, MissingData), found
    assert found.item == "del-17p"
    assert found.reason is reason
    assert printed in found.printed
    assert found.reference == "Observation/g"


@pytest.mark.parametrize("status", ["final", "amended", "corrected", "appended", "preliminary"])
def test_statuses_that_count(status: str) -> None:
    assert result(fish(YES, status=status)).provisional is (status == "preliminary")


@pytest.mark.parametrize("date", [None, "2026", "2026-01", "2026-03-03T09:05:00Z"])
def test_a_result_may_be_undated_or_dated_roughly(date: str | None) -> None:
    found = result(fish(YES, effectiveDateTime=date))
    assert (found.when.printed if found.when else None) == date


def test_elements_that_nobody_uses_do_no_harm() -> None:
    odd = fish(
        YES, code=concept(("urn:local", "A  B"), (LOINC, "81746-0")), component=["x", {"code": 4}], category=[None]
    )
    assert result(odd).presence is PRESENT
    inside = fish(YES, component=[{"code": {}, "modifierExtension": [{"url": "x"}]}])
    assert result(inside).presence is PRESENT


# ------------------------------------------------------------------ variants


@pytest.mark.parametrize(
    ("components", "answer", "presence"),
    [
        ([SOMATIC, PATHOGENIC], YES, PRESENT),
        ([SOMATIC, said("53037-8", "LA26332-9")], YES, PRESENT),
        ([SOMATIC, said("53037-8", "LA26333-7")], YES, UNCLEAR),
        ([SOMATIC, said("53037-8", "LA6675-8")], YES, UNCLEAR),
        ([SOMATIC, said("53037-8", "LA6668-3", "LA6675-8")], YES, UNCLEAR),
        ([SOMATIC, PATHOGENIC, said("53037-8", "LA6675-8")], YES, UNCLEAR),
        ([SOMATIC, PATHOGENIC, component("53037-8", valueCodeableConcept={"text": "benign"})], YES, UNCLEAR),
        ([SOMATIC, component("53037-8", valueCodeableConcept=concept((SNOMED, "LA6668-3")))], YES, UNCLEAR),
        ([SOMATIC], YES, UNCLEAR),
        ([PATHOGENIC], YES, UNCLEAR),
        ([GERMLINE, PATHOGENIC], YES, UNCLEAR),
        ([GERMLINE, SOMATIC, PATHOGENIC], YES, UNCLEAR),
        ([], YES, UNCLEAR),
        ([SOMATIC, PATHOGENIC], (LOINC, "LA18198-4"), UNCLEAR),
        ([SOMATIC, PATHOGENIC], (SNOMED, "82334004"), UNCLEAR),
        ([SOMATIC], NO, ABSENT),
        ([SOMATIC, component("51958-7", valueString="NM_000546.6")], NO, ABSENT),
        ([], NO, UNCLEAR),
        ([GERMLINE], NO, UNCLEAR),
        ([SOMATIC, component("48005-3", valueCodeableConcept={"text": "p.(Arg175His)"})], NO, UNCLEAR),
        ([SOMATIC, component("47999-8", valueString="Exon 5")], NO, UNCLEAR),
        ([SOMATIC, {"code": {"text": "exons"}, "valueString": "5 to 8"}], NO, UNCLEAR),
    ],
)  # fmt: skip
def test_tp53(components: list[dict[str, Any]], answer: tuple[str, str], presence: Presence) -> None:
    assert result(variant(TP53, *components, answer=answer), "tp53-mutation").presence is presence


def test_a_sites_own_present_of_tp53_may_be_benign() -> None:
    assert result(fish(YES, code=concept((ENTRY, "tp53-mutation"))), "tp53-mutation").presence is UNCLEAR
    assert result(fish(NO, code=concept((ENTRY, "tp53-mutation"))), "tp53-mutation").presence is ABSENT


@pytest.mark.parametrize(
    ("components", "answer", "any_loss", "both_lost"),
    [
        ([copies(1)], YES, PRESENT, ABSENT),
        ([copies(Decimal("1.0"))], YES, PRESENT, ABSENT),
        ([copies(0)], YES, PRESENT, PRESENT),
        ([copies(1, system="http://unitsofmeasure.org", code="1"), SOMATIC], YES, PRESENT, ABSENT),
        ([copies(2)], YES, UNCLEAR, UNCLEAR),
        ([copies(3)], YES, UNCLEAR, UNCLEAR),
        ([copies(Decimal("0.6"))], YES, UNCLEAR, UNCLEAR),
        ([copies(1, code="%")], YES, UNCLEAR, UNCLEAR),
        ([copies(1, comparator="<")], YES, UNCLEAR, UNCLEAR),
        ([copies(None)], YES, UNCLEAR, UNCLEAR),
        ([component("82155-3", valueString="1")], YES, UNCLEAR, UNCLEAR),
        ([copies(1), copies(0)], YES, PRESENT, UNCLEAR),
        ([copies(1), copies(2)], YES, UNCLEAR, UNCLEAR),
        ([copies(1), copies(1)], YES, PRESENT, ABSENT),
        ([], YES, UNCLEAR, UNCLEAR),
        ([copies(1), GERMLINE], YES, UNCLEAR, UNCLEAR),
        ([], NO, ABSENT, ABSENT),
        ([SOMATIC], NO, ABSENT, ABSENT),
        ([copies(1)], NO, UNCLEAR, UNCLEAR),
        ([GERMLINE], NO, UNCLEAR, UNCLEAR),
        ([copies(1)], (LOINC, "LA11884-6"), UNCLEAR, UNCLEAR),
    ],
)  # fmt: skip
def test_deletion_of_1p32(
    components: list[dict[str, Any]], answer: tuple[str, str], any_loss: Presence, both_lost: Presence
) -> None:
    seen = variant(BAND, *components, answer=answer)
    assert result(seen, "del-1p32").presence is any_loss
    assert result(seen, "del-1p32-biallelic").presence is both_lost


def test_what_a_variant_prints_is_what_it_was_decided_on() -> None:
    called = component("53037-8", valueCodeableConcept={"text": "Uncertain significance"})
    seen = variant(TP53, SOMATIC, called, component("48002-0"), valueCodeableConcept=concept(YES, shown="Present"))
    assert result(seen, "tp53-mutation").printed == "Present, Uncertain significance, LA6684-0"
    assert result(variant(BAND, copies(1)), "del-1p32").printed == "LA9633-4, copy number 1"


def test_a_variant_without_a_value_says_nothing() -> None:
    found = read(variant(BAND, copies(0), valueCodeableConcept=None), "del-1p32")
    assert isinstance(found, MissingData)
    assert found.reason is Reason.NO_VALUE


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (copies(1) | {"modifierExtension": [{"url": "x"}]}, Reason.MODIFIER),
        (component("82155-3", valueQuantity={"value": "one"}), Reason.INVALID),
        (component("48002-0", valueCodeableConcept={"text": 1}), Reason.INVALID),
    ],
)  # fmt: skip
def test_a_component_that_cannot_be_used(part: dict[str, Any], reason: Reason) -> None:
    found = read(variant(BAND, copies(1), part), "del-1p32")
    assert isinstance(found, MissingData)
    assert found.reason is reason


# ------------------------------------------------------------------ junk

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.decimals(allow_nan=False, allow_infinity=False, places=2)
    | st.sampled_from(["", "Positive", "LA9633-4", LOINC, "1p32", "TP53", "\x00"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["coding", "text", "code", "system", "display", "value"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
SOUND = [
    variant(TP53, BAND, SOMATIC, PATHOGENIC, copies(1)),
    fish(YES, (SNOMED, "10828004"), shown="Present"),
    fish(valueString="Positive", dataAbsentReason=None),
    stage("C70658"),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [path] * bool(path) + [found for step, inner in steps for found in places(inner, (*path, step))]


def replaced(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], junk)
    return copy


@given(st.sampled_from(SOUND), st.data())
def test_junk_anywhere_is_a_value_and_never_an_exception(sound: dict[str, Any], data: st.DataObject) -> None:
    resource = replaced(sound, data.draw(st.sampled_from(places(sound))), data.draw(JUNK))
    extra = data.draw(
        st.dictionaries(st.sampled_from(["valueBoolean", "modifierExtension", "component"]), JUNK, max_size=1)
    )
    resource = resource | extra
    for key in {*keys(resource), "del-17p", "tp53-mutation", "del-1p32"}:
        found = read(resource, key)
        assert isinstance(found, (CodedResult, MissingData))
        assert found.item == key
