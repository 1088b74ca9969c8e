"""What is called beta-2 microglobulin in five languages, and what only sounds like it."""

import pytest

from cds_service.knowledge.terms.names import is_b2m


@pytest.mark.parametrize(
    "said",
    [
        "Beta-2-Microglobulin",
        "beta 2 microglobulin, serum",
        "β2-microglobulin",
        "B2-Microglobulin",
        "B2M",
        "b2m serum",
        "Microglobulin, Beta-2",
        "β₂-Microglobulin",
        "Beta II microglobulin",
        "B2MG",
        "Beta-2-Mikroglobulin i.S.",
        "ß2-Mikroglobulin",
        "β2-Mikroglobulin im Urin",
        "Mikroglobulin beta 2",
        "Bêta-2-microglobuline",
        "microglobuline bêta 2",
        "β2 microglobuline sérique",
        "Beta-2 microglobulina",
        "microglobulina beta-2 en orina",
        "β2-microglobulina sérica",
        "Bèta-2-microglobuline",
        "beta2-microglobuline liquor",
        "β-2-M",
        "Beta-2-Mikroglob. i.S.",
        "Beta-2-Mikrogl.",
        "BETA 2 MICROGLOB",
        "Beta2 Microglob Ser",
        "B2-MG Serum",
        "Beta2-MG (Serum)",
        "β2-MG im Serum",
        "Beta-2-µ-Globulin",
        "β2M/creatinine",
        "Beta 2 micro",
    ],
)
def test_is_called_b2m(said: str) -> None:
    assert is_b2m(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Alpha-1-Microglobulin",
        "Microalbumin",
        "Beta-2-Glycoprotein 1 antibody",
        "Vitamin B2 mg/L",
        "B12 [Mass/volume]",
        "Anti-beta-2-microglobulin antibody",
        "B2M gene mutation",
        "Beta-2-transferrin",
        "Beta-1-microglobulin",
        "Creatinine [Mass/volume] in Serum or Plasma",
        "BMG",
        "x" * 400 + "b2m",
        "C2M",
        "b2",
        "beta",
    ],
)
def test_is_not(said: str) -> None:
    assert not is_b2m(said)


def test_a_name_that_holds_what_it_is_known_to_be_only_mentions_b2m() -> None:
    assert is_b2m("Beta-2 microglobulin, urine", unless="urine albumin")
    assert not is_b2m("Creatinine for beta-2-microglobulin ratio", unless="urine creatinine")
    assert not is_b2m("Kreatinin (zu Beta-2-Mikroglobulin)", unless="creatinine")
