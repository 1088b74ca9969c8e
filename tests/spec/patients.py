"""Many invented patients, the same ones each time: random combinations of diagnoses, drugs, results and courses."""

from random import Random
from typing import Any

_DISEASES = (
    "myeloma", "myeloma", "myeloma-relapse", "mgus-or-smouldering", "smouldering-myeloma", "cll", "waldenstrom",
    "dlbcl", "follicular-lymphoma", "mantle-cell-lymphoma", "hodgkin-lymphoma", "lymphoma", "ckd",
    "end-stage-kidney-disease", "acute-kidney-injury", "dialysis", "kidney-transplant", "stem-cell-transplant",
    "other-transplant", "gvhd", "hlh", "rheumatoid-arthritis", "sle", "crohn", "sarcoidosis", "hiv", "cmv", "ebv",
    "liver-disease", "carcinoma", "pregnancy", "tinu", "cadmium",
)  # fmt: skip
_DRUGS = (
    "bortezomib", "dexamethasone", "rituximab", "ibrutinib", "lithium", "ciclosporin", "interferon-alfa-2b",
    "prednisolone", "gentamicin", "tenofovir-disoproxil", "tacrolimus", "filgrastim", "cyclophosphamide",
)  # fmt: skip
_SERUM = ("0.4", "1.9", "2.4", "3.4", "3.6", "5.4", "5.6", "9.4", "24", "66", "400", "<3.0", ">20")
_URINE = ("0.1", "0.3", "0.9", "8", "120", "<0.2", ">1")
_LEVELS = {
    "serum": (_SERUM, "mg/L", "2.34"),
    "CSF": (_SERUM, "mg/L", "2.34"),
    "urine": (_URINE, "mg/L", "0.3"),
    "urine ratio": (("120", "290", "310", "760", "9000", ">300"), "ug/g", "300"),
}
_ASSAYS: tuple[dict[str, str], ...] = (
    {"laboratory": "North", "method": "nephelometry"},
    {"laboratory": "South", "method": "turbidimetry"},
    {},
)
_ABNORMALITIES = ("del-17p", "t-4-14", "t-14-16", "gain-1q", "tp53-mutation", "marrow-involvement", "ighv-unmutated")
_GROUPS = ("conditions", "medications", "procedures", "kidney", "myeloma", "blood", "urine", "other")


def patients(count: int) -> list[dict[str, Any]]:
    """``count`` of them, as the ``given`` of a case."""
    chance = Random(20260302)  # noqa: S311 - no secret, the same patients each time
    return [_patient(chance) for _ in range(count)]


def _patient(chance: Random) -> dict[str, Any]:
    specimen = chance.choice(("serum", "serum", "serum", "serum", "urine", "urine", "urine ratio", "CSF"))
    given: dict[str, Any] = {
        "specimen": specimen,
        "age": chance.choice((7, 17, 30, 45, 66, 78, "unknown")),
        "sex": chance.choice(("female", "male", "unknown")),
        "problems": [_problem(chance, key) for key in chance.sample(_DISEASES, chance.randint(0, 4))],
        "medications": [_drug(chance, key) for key in chance.sample(_DRUGS, chance.randint(0, 2))],
        "coded": {
            key: chance.choice(("present", "absent")) for key in chance.sample(_ABNORMALITIES, chance.randint(0, 4))
        },
    }
    if chance.random() < 0.2:
        given["unknown"] = chance.sample(_GROUPS, 2)
    if chance.random() < 0.15:
        given["procedures"] = [
            {"key": chance.choice(("haemodialysis", "kidney-transplantation", "stem-cell-transplantation")), "days": -5}
        ]
    return given | _results(chance, specimen)


def _problem(chance: Random, key: str) -> dict[str, Any]:
    about: dict[str, Any] = {"key": key, "onset_days": chance.choice((-5, -40, -400, "unknown"))}
    if chance.random() < 0.15:
        about["verification"] = "provisional"
    if chance.random() < 0.1:
        about["clinical"] = chance.choice(("remission", "resolved"))
    return about


def _drug(chance: Random, key: str) -> dict[str, Any]:
    return {"key": key, "days": chance.choice((-300, -20, 3, "unknown"))}


def _results(chance: Random, specimen: str) -> dict[str, Any]:
    levels, unit, limit = _LEVELS[specimen]
    assay = chance.choice(_ASSAYS)
    b2m: dict[str, Any] = {"is": f"{chance.choice(levels)} {unit}", **assay}
    if chance.random() < 0.6:
        b2m["upper_limit"] = limit
    if chance.random() < 0.05:
        b2m["provisional"] = True
    found: dict[str, Any] = {"b2m": b2m}
    if chance.random() < 0.5:
        assay = chance.choice((assay, *_ASSAYS))
        earlier = {"is": f"{chance.choice(levels)} {unit}", "days": chance.choice((-3, -60)), **assay}
        found[f"b2m-{specimen.lower().replace(' ', '-')}@earlier"] = earlier
    for name, entry in _companions(chance, specimen).items():
        if chance.random() < 0.5:
            found[name] = entry
    return found


def _companions(chance: Random, specimen: str) -> dict[str, Any]:
    """Results beside the B2M; each may be there or not."""
    urine_b2m = {"b2m-urine": {"is": f"{chance.choice(_URINE)} mg/L", "upper_limit": "0.3"}}
    serum_b2m = {"b2m-serum": {"is": f"{chance.choice(_SERUM)} mg/L", "upper_limit": "2.34"}}
    return {
        **(urine_b2m if specimen == "serum" else serum_b2m),
        "creatinine": {"is": f"{chance.choice((60, 88, 104, 130, 256, 700))} umol/L"},
        "creatinine@earlier": {"is": f"{chance.choice((60, 88, 198))} umol/L", "days": chance.choice((-2, -60))},
        "cystatin-c": {"is": f"{chance.choice(('0.8', '1.9'))} mg/L"},
        "albumin": {"is": f"{chance.choice((31, 35, 42))} g/L"},
        "ldh": {"is": f"{chance.choice((180, 318))} U/L", "upper_limit": "250"},
        "hemoglobin": {"is": f"{chance.choice((92, 140))} g/L", "lower_limit": "120"},
        "platelets": {"is": "90 10*9/L"},
        "m-protein": {"is": f"{chance.choice((12, 75))} g/L"},
        "crp": {"is": f"{chance.choice((2, 34))} mg/L", "upper_limit": "5"},
        "urine-ph": {"is": f"{chance.choice(('5.2', '6.6'))} [pH]"},
        "urine-albumin": {"is": f"{chance.choice((10, 60, 900))} mg/L"},
        "urine-creatinine": {"is": f"{chance.choice((4, 12))} mmol/L"},
    }
