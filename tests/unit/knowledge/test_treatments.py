"""The tables of drugs and procedures: sound codes, one meaning each, and the traps of ATC, RxNorm and SNOMED CT."""

import re
from collections import Counter

import pytest

from cds_service.knowledge.terms import LOINC, SNOMED, treatments
from cds_service.knowledge.terms.treatments import ATC, ATC_GERMANY, ICD10PCS, RXNORM

DRUGS = {term.key: term for term in treatments.drug_terms()}
PROCEDURES = {term.key: term for term in treatments.procedure_terms()}
ROUTES = sorted(treatments._meaning_of_route())

#: Verhoeff's check: the powers of its permutation, and multiplication in the dihedral group of ten.
PERMUTED = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
TIMES = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
         "5987604321", "6598710432", "7659821043", "8765932104", "9876543210")  # fmt: skip


def passes_verhoeff(code: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = int(TIMES[check][int(PERMUTED[place % 8][int(digit)])])
    return check == 0


def drug(system: str, code: str) -> tuple[str, bool | None] | None:
    found = treatments.drug_of_code(system, code)
    return (found[0].key, found[1]) if found else None


def classes(system: str, code: str) -> set[str]:
    found = treatments.drug_of_code(system, code)
    assert found
    return set(found[0].classes)


# ------------------------------------------------------------------ the tables


@pytest.mark.parametrize(
    "code",
    sorted(
        {code for term in treatments.drug_terms() for code in term.snomed}
        | {code for term in treatments.procedure_terms() for code in term.snomed}
        | set(ROUTES)
    ),
)
def test_snomed_codes_pass_verhoeff(code: str) -> None:
    assert passes_verhoeff(code)


def test_verhoeff_refuses_a_changed_digit() -> None:
    assert not any(passes_verhoeff(f"40709700{digit}") for digit in "012345689")


def test_rxnorm_codes_are_numbers() -> None:
    products = [product.rxcui for product in treatments.rxnorm_products()]
    codes = [*products, *(code for term in DRUGS.values() for code in term.rxnorm)]
    assert [code for code in codes if not re.fullmatch(r"[1-9]\d{1,6}", code)] == []


def test_atc_codes_are_of_the_fifth_level_and_groups_above_it() -> None:
    codes = [code for term in DRUGS.values() for code in term.atc]
    codes += [code for group in treatments.atc_groups() for code in group.excepted]
    assert [code for code in codes if not re.fullmatch(r"[A-Z]\d\d[A-Z]{2}\d\d", code)] == []
    prefixes = [group.prefix for group in treatments.atc_groups()]
    assert [prefix for prefix in prefixes if not re.fullmatch(r"[A-Z]\d\d[A-Z]{1,2}", prefix)] == []


@pytest.mark.parametrize("system", ["rxnorm", "atc", "snomed"])
def test_no_code_means_two_drugs(system: str) -> None:
    codes = [code for term in DRUGS.values() for code in getattr(term, system)]
    codes += [product.rxcui for product in treatments.rxnorm_products()] if system == "rxnorm" else []
    assert [code for code, times in Counter(codes).items() if times > 1] == []


def test_no_code_means_two_procedures_and_no_atc_group_holds_another() -> None:
    codes = [code for term in PROCEDURES.values() for code in (*term.snomed, *term.icd10pcs)]
    assert [code for code, times in Counter(codes).items() if times > 1] == []
    prefixes = [group.prefix for group in treatments.atc_groups()]
    assert [(a, b) for a in prefixes for b in prefixes if a != b and a.startswith(b)] == []


def test_keys_are_unique_and_every_class_is_defined_and_used() -> None:
    assert len(DRUGS) == len(treatments.drug_terms())
    assert len(PROCEDURES) == len(treatments.procedure_terms())
    terms = [*DRUGS.values(), *(group.term for group in treatments.atc_groups())]
    assert {name for term in terms for name in term.classes} == set(treatments.drug_classes())
    assert all(term.classes for term in terms)
    assert all(found.label and found.purpose for found in treatments.drug_classes().values())


def test_every_row_says_only_what_the_loader_reads() -> None:
    read = {"key", "label", "classes", "rxnorm", "atc", "snomed", "atc_any_route", "local_forms_exist", "oral_is_local"}
    assert {name for row in treatments._drugs()["drug"] for name in row} == read
    assert {name for row in treatments._drugs()["atc_prefix"] for name in row} == {
        "prefix",
        "label",
        "classes",
        "except",
    }
    assert set(treatments._drugs()) == {"class", "route", "atc_prefix", "drug"}
    assert {row["means"] for row in treatments._drugs()["route"]} == {"oral", "systemic", "local"}


def test_every_drug_has_a_code_or_a_product() -> None:
    products = {product.drug for product in treatments.rxnorm_products()}
    assert [
        key for key, term in DRUGS.items() if not (term.rxnorm | term.atc | term.snomed) and key not in products
    ] == []
    assert products <= set(DRUGS)
    assert all(term.atc_any_route <= term.atc for term in DRUGS.values())


def test_what_decides_has_a_source() -> None:
    """Only the drugs whose effect on B2M was found in a source; every other tubulotoxic drug is named only."""
    sourced = {key for key, term in DRUGS.items() if "tubulotoxic-sourced" in term.classes}
    aminoglycosides = {"gentamicin", "tobramycin", "amikacin", "streptomycin", "aminoglycoside"}
    contrast = {"iodinated-contrast", "iohexol", "iopamidol", "iodixanol", "iopromide", "iomeprol", "ioversol"}
    contrast |= {"iobitridol", "iotalamic-acid"}
    assert sourced == aminoglycosides | contrast | {"cisplatin", "carboplatin", "lithium", "tenofovir-disoproxil"}
    assert all("tubulotoxic" in DRUGS[key].classes for key in sourced)
    raising = {key for key, term in DRUGS.items() if "raises-serum-b2m" in term.classes}
    assert raising == {"ciclosporin", "lithium"} | {k for k, t in DRUGS.items() if "interferon-alfa" in t.classes}


# ------------------------------------------------------------------ drugs


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("L01XG01", "bortezomib"),
        ("L01XX32", "bortezomib"),
        ("L01XX45", "carfilzomib"),
        ("L01XX50", "ixazomib"),
        ("L04AX04", "lenalidomide"),
        ("L04AX02", "thalidomide"),
        ("L04AX06", "pomalidomide"),
        ("L01XC24", "daratumumab"),
        ("L01XC38", "isatuximab"),
        ("L01XC23", "elotuzumab"),
        ("L01AA03", "melphalan"),
        ("L01AA10", "melphalan-flufenamide"),
        ("L01XX66", "selinexor"),
        ("L01XH03", "panobinostat"),
        ("L01XX42", "panobinostat"),
        ("L01XC39", "belantamab-mafodotin"),
        ("L01FX24", "teclistamab"),
        ("L01FX32", "elranatamab"),
        ("L01FX37", "linvoseltamab"),
        ("L01FX29", "talquetamab"),
        ("L01XL07", "idecabtagene-vicleucel"),
        ("L01XL05", "ciltacabtagene-autoleucel"),
        ("L01XL03", "car-t-lymphoid"),
        ("L01AA09", "bendamustine"),
        ("L01XC02", "rituximab"),
        ("L01XC15", "obinutuzumab"),
        ("L01XE27", "ibrutinib"),
        ("L01XE51", "acalabrutinib"),
        ("L01XX47", "idelalisib"),
        ("L01EM01", "idelalisib"),
        ("L01FX14", "polatuzumab-vedotin"),
        ("J01GB03", "gentamicin"),
        ("J01GB06", "amikacin"),
        ("J01RA06", "amikacin"),
        ("J04AM01", "streptomycin"),
        ("L01XA01", "cisplatin"),
        ("L01AA06", "ifosfamide"),
        ("J05AF07", "tenofovir-disoproxil"),
        ("J05AR03", "tenofovir-disoproxil"),
        ("J05AR27", "tenofovir-disoproxil"),
        ("J05AF13", "tenofovir-alafenamide"),
        ("J05AR20", "tenofovir-alafenamide"),
        ("J05AF08", "adefovir"),
        ("J05AB12", "cidofovir"),
        ("M05BA08", "zoledronic-acid"),
        ("V03AC03", "deferasirox"),
        ("J01XA01", "vancomycin"),
        ("V08AB02", "iohexol"),
        ("L03AB04", "interferon-alfa-2a"),
        ("L03AB15", "ropeginterferon-alfa-2b"),
        ("L03AB60", "interferon-alfa"),
        ("L03AB61", "interferon-alfa"),
        ("L03AA13", "pegfilgrastim"),
        ("H02BX01", "methylprednisolone"),
        ("L04AA06", "mycophenolic-acid"),
        ("L04AX01", "azathioprine"),
        ("L04AA10", "sirolimus"),
        ("L04AA18", "everolimus"),
        ("L04AA28", "belatacept"),
        ("J05AX31", "antiretroviral-j05ax"),
        ("l01xg01", "bortezomib"),
        # By group only: no row of its own.
        ("J01GB14", "atc-J01G"),
        ("J01G", "atc-J01G"),
        ("J01GB", "atc-J01G"),
        ("L01XA04", "atc-L01XA"),
        ("L01FA02", "atc-L01FA"),
        ("L01EL04", "atc-L01EL"),
        ("L04AD03", "atc-L04AD"),
        ("H02AB01", "atc-H02AB"),
        ("L03AA03", "atc-L03AA"),
        ("J02AA02", "atc-J02AA"),
        ("V08A", "atc-V08A"),
        ("V08AB05", "atc-V08A"),
        ("J05AR10", "atc-J05AR"),
        ("J05AG03", "atc-J05AG"),
        ("J05AJ04", "atc-J05AJ"),
        ("J05AE08", "atc-J05AE"),
        ("J05AF05", "atc-J05AF"),
    ],
)
def test_an_atc_code_means_its_drug_in_both_editions(code: str, key: str) -> None:
    for system in (ATC, ATC_GERMANY):
        found = treatments.drug_of_code(system, code)
        assert found
        assert found[0].key == key


@pytest.mark.parametrize(
    "code",
    [
        "L04AX03",  # methotrexate, beside lenalidomide and azathioprine
        "L04AX07",  # dimethyl fumarate
        "L01EG02",  # everolimus against cancer
        "L01EG04",  # sirolimus against cancer
        "V08CA01",  # contrast of MRI
        "V08BA01",  # barium
        "A07AA09",  # vancomycin that stays in the gut
        "A07AA01",  # neomycin that stays in the gut
        "S01AA11",  # gentamicin, eye
        "D06AX07",  # gentamicin, skin
        "S01XA18",  # ciclosporin, eye
        "D11AH01",  # tacrolimus, skin
        "S01BA01",  # dexamethasone, eye
        "L03AB07",  # interferon beta
        "L03AB03",  # interferon gamma
        "L03AX16",  # plerixafor
        "L01XA03",  # oxaliplatin
        "L04AG12",  # ofatumumab for multiple sclerosis
        "L04AA60",  # a BTK inhibitor for multiple sclerosis
        "L01FX01",  # another antibody
        "L01XL02",  # another gene or cell therapy
        "M05BA03",  # pamidronic acid
        "J05AE30",  # not against HIV
        "J05AF10",  # against hepatitis B only
        "J05AB01",  # aciclovir
        "J01",
        "L04",
        "L",
        "",
        "J01G14",
        "J01GB0٣",
        "J01GB03 gentamicin",
    ],
)
def test_what_an_atc_code_does_not_mean(code: str) -> None:
    assert drug(ATC, code) is None


@pytest.mark.parametrize(
    ("system", "code", "key", "systemic"),
    [
        (RXNORM, "358258", "bortezomib", None),
        (RXNORM, "2372199", "daratumumab", None),
        (RXNORM, "1927884", "rituximab", None),
        (RXNORM, "117466", "tenofovir", None),
        (RXNORM, "402243", "bortezomib", True),
        (RXNORM, "1603361", "panobinostat", True),
        (RXNORM, "2644888", "elranatamab", None),
        (RXNORM, "705824", "zoledronic-acid", True),
        (RXNORM, "1741739", "tenofovir-alafenamide", True),
        (RXNORM, "349251", "tenofovir-disoproxil", True),
        (RXNORM, "351291", "ciclosporin", False),
        (RXNORM, "1431971", "tacrolimus", True),
        (RXNORM, "574948", "tacrolimus", None),
        (RXNORM, "405942", "dexamethasone", False),
        (RXNORM, "343033", "dexamethasone", True),
        (RXNORM, "313570", "vancomycin", False),
        (RXNORM, "1358610", "methylprednisolone", None),
        (RXNORM, "2531370", "melphalan-flufenamide", None),
        (RXNORM, "253453", "peginterferon-alfa-2b", None),
        (SNOMED, "407097007", "bortezomib", None),
        (SNOMED, "45754009", "interferon-alfa", None),
        (SNOMED, "422091007", "tenofovir", None),
        (SNOMED, "426722004", "iodinated-contrast", None),
        (SNOMED, "409330005", "mycophenolic-acid", None),
        (ATC, "J01GB03", "gentamicin", True),
        (ATC, "H02AB02", "dexamethasone", True),
        (ATC, "J01GB14", "atc-J01G", True),
        # Inhaled anti-infectives are in group J too.
        (ATC, "J01GB01", "tobramycin", None),
        (ATC, "J01GB06", "amikacin", None),
        (ATC, "J01RA06", "amikacin", True),
    ],
)
def test_a_code_says_as_much_about_the_route_as_it_does(
    system: str, code: str, key: str, systemic: bool | None
) -> None:
    assert drug(system, code) == (key, systemic)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (RXNORM, "1603350"),
        (RXNORM, "5879"),
        (RXNORM, "77655"),
        (RXNORM, "5882"),  # interferon gamma
        (RXNORM, "198360"),  # interferon beta
        (RXNORM, "845512"),  # everolimus against cancer
        (RXNORM, "2586868"),  # sirolimus against cancer
        (SNOMED, "358258"),
        (RXNORM, "407097007"),
        (RXNORM, "L01XG01"),
        (ATC, "358258"),
        (LOINC, "358258"),
        ("", "358258"),
        ("http://www.whocc.no/atc/", "L01XG01"),
    ],
)
def test_system_and_code_count_together(system: str, code: str) -> None:
    assert drug(system, code) is None


def test_what_proves_treatment_and_what_does_not() -> None:
    proves = {key for key, term in DRUGS.items() if "anti-myeloma" in term.classes}
    assert {"bortezomib", "lenalidomide", "daratumumab", "melphalan", "teclistamab"} <= proves
    assert not {"dexamethasone", "cyclophosphamide", "bendamustine", "venetoclax", "rituximab"} & proves
    assert DRUGS["dexamethasone"].classes == {"glucocorticoid", "myeloma-steroid"}
    assert DRUGS["cyclophosphamide"].classes == {"possible-anti-myeloma", "possible-anti-lymphoma"}
    for name in ("myeloma", "lymphoma"):
        both = [k for k, t in DRUGS.items() if {f"anti-{name}", f"possible-anti-{name}"} <= t.classes]
        assert both == []


def test_a_group_says_what_its_drugs_say_unless_they_differ() -> None:
    assert classes(ATC, "J01GB14") == classes(ATC, "J01GB03")
    assert classes(ATC, "V08AB05") == classes(ATC, "V08AB02")
    assert classes(ATC, "L01XG99") == classes(ATC, "L01XG01")
    assert classes(ATC, "L01XA04") == {"tubulotoxic"}
    assert "transplant-immunosuppression" not in classes(ATC, "L04AD03")


@pytest.mark.parametrize("key", ["gentamicin", "tobramycin", "ciclosporin", "tacrolimus", "dexamethasone",
                                 "prednisolone", "vancomycin"])  # fmt: skip
def test_drugs_whose_route_has_to_be_stated(key: str) -> None:
    assert DRUGS[key].local_forms_exist


def test_the_other_drugs_are_systemic_unless_something_says_local() -> None:
    groups = [group.term for group in treatments.atc_groups()]
    for term in (DRUGS["bortezomib"], DRUGS["prednisone"], *groups):
        assert (term.local_forms_exist, term.oral_is_local) == (False, False)


# ------------------------------------------------------------------ products


def test_a_drug_with_a_local_product_has_local_forms() -> None:
    local = {product.drug for product in treatments.rxnorm_products() if product.form == "local"}
    assert local
    assert [key for key in local if not DRUGS[key].local_forms_exist] == []


def test_the_form_of_a_product_is_in_its_name() -> None:
    local = re.compile(r"Ophthalmic|Otic|Topical|Inhalation|Implant")
    stated = re.compile(r"\bOral\b|\bPill\b|Granule|Inject|Prefilled Syringe|Auto-Injector")
    for product in treatments.rxnorm_products():
        swallowed_only = DRUGS[product.drug].oral_is_local and re.search(r"\bOral\b", product.name)
        if product.form == "local":
            assert local.search(product.name) or swallowed_only, product
        else:
            assert not local.search(product.name), product
            assert not swallowed_only, product
            assert bool(stated.search(product.name)) is (product.form == "systemic") or "methyl" in product.drug, (
                product
            )


def test_a_product_names_its_drug() -> None:
    in_english = {"ciclosporin": "cyclosporine", "mycophenolic-acid": "mycophenol"}
    for product in treatments.rxnorm_products():
        name = in_english.get(product.drug, DRUGS[product.drug].label).lower()
        assert name in product.name.lower(), product


# ------------------------------------------------------------------ routes


@pytest.mark.parametrize(
    ("code", "key", "systemic"),
    [
        ("26643006", "dexamethasone", True),
        ("26643006", "vancomycin", False),
        ("26643006", "gentamicin", False),
        ("47625008", "vancomycin", True),
        ("78421000", "gentamicin", True),
        ("34206005", "methylprednisolone", True),
        ("54485002", "dexamethasone", False),
        ("6064005", "tacrolimus", False),
        ("447694001", "tobramycin", False),
        ("37161004", "prednisolone", None),
        ("1", "prednisolone", None),
    ],
)
def test_a_route_says_systemic_local_or_nothing(code: str, key: str, systemic: bool | None) -> None:
    assert treatments.route_is_systemic(SNOMED, code, DRUGS[key]) is systemic
    assert treatments.route_is_systemic(RXNORM, code, DRUGS[key]) is None


# ------------------------------------------------------------------ procedures


@pytest.mark.parametrize(
    ("system", "code", "key"),
    [
        (SNOMED, "302497006", "haemodialysis"),
        (SNOMED, "233580005", "haemofiltration"),
        (SNOMED, "233586004", "haemodiafiltration"),
        (SNOMED, "714749008", "haemofiltration"),
        (SNOMED, "71192002", "peritoneal-dialysis"),
        (SNOMED, "108241001", "dialysis"),
        (ICD10PCS, "5A1D70Z", "dialysis"),
        (ICD10PCS, "5A1D80Z", "haemofiltration"),
        (ICD10PCS, "5A1D90Z", "haemofiltration"),
        (SNOMED, "70536003", "kidney-transplantation"),
        (SNOMED, "6471000179103", "kidney-transplantation"),
        (ICD10PCS, "0TY10Z2", "kidney-transplantation"),
        (SNOMED, "425983008", "autologous-stem-cell-transplantation"),
        (SNOMED, "58776007", "autologous-stem-cell-transplantation"),
        (SNOMED, "425843001", "stem-cell-transplantation"),
        (SNOMED, "234336002", "stem-cell-transplantation"),
        (SNOMED, "1172516002", "stem-cell-transplantation"),
        # In a value set of dialysis, but of the liver; catheters and access.
        (SNOMED, "427053002", None),
        (SNOMED, "10848006", None),
        (SNOMED, "180273006", None),
        (SNOMED, "238316008", None),
        (SNOMED, "238317004", None),
        (SNOMED, "439278006", None),
        (SNOMED, "439976001", None),
        # The patient's own kidney; the eye; a transplant that is there.
        (SNOMED, "175899003", None),
        (SNOMED, "397554006", None),
        (SNOMED, "737295003", None),
        (SNOMED, "161665007", None),
        (SNOMED, "737300001", None),
        (ICD10PCS, "302497006", None),
        (SNOMED, "5A1D70Z", None),
        (LOINC, "302497006", None),
    ],
)
def test_a_procedure_is_known_by_system_and_code_together(system: str, code: str, key: str | None) -> None:
    term = treatments.procedure_of_code(system, code)
    assert (term.key if term else None) == key


def test_icd_10_pcs_codes_have_seven_places() -> None:
    codes = [code for term in PROCEDURES.values() for code in term.icd10pcs]
    assert [code for code in codes if not re.fullmatch(r"[0-9A-HJ-NP-Z]{7}", code)] == []
