"""Any resource of the corpora, changed in any way: never an exception, every Observation still accounted for."""

import gzip
import json
from collections import Counter
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir.bundle import open_group
from cds_service.fhir.meaning import is_known, with_components
from cds_service.fhir.read import read
from cds_service.fhir.sorting import Chart
from tests.unit.fhir.make import AS_OF, bundle, chart, observation

CORPORA = Path(__file__).parents[1] / "corpora"
KINDS = (
    "Observation", "Condition", "DiagnosticReport", "MedicationRequest", "MedicationStatement",
    "MedicationAdministration", "Procedure", "Specimen", "Medication",
)  # fmt: skip
B2M = {"coding": [{"system": "http://loinc.org", "code": "1952-1"}]}
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@cache
def resources() -> list[dict[str, Any]]:
    found = []
    for path in sorted(CORPORA.glob("*.ndjson.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                document = json.loads(line, parse_float=Decimal)
                found += [r for r in open_group(document).resources if r.get("resourceType") in KINDS]
    return found


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A resource of the corpora, made the patient's, with one to three of its elements dropped or replaced."""
    resource = dict(draw(st.sampled_from(resources())))
    resource["subject"] = {"reference": "Patient/p"}
    if draw(st.booleans()) and resource["resourceType"] == "Observation":
        resource["code"] = B2M
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, resource)
    return resource


def _change(draw: st.DrawFn, node: Any) -> None:
    """Changes one place somewhere below ``node``, never whose it is nor what it is."""
    keys = (
        [k for k in node if k not in ("resourceType", "subject")] if isinstance(node, dict) else list(range(len(node)))
    )
    if not keys:
        return
    key = draw(st.sampled_from(keys))
    if isinstance(node[key], (dict, list)) and node[key] and draw(st.booleans()):
        node[key] = dict(node[key]) if isinstance(node[key], dict) else list(node[key])
        _change(draw, node[key])
        return
    match draw(st.integers(0, 3)):
        case 0:
            del node[key]
        case 1:
            node[key] = draw(JUNK)
        case 2:
            node[key] = [node[key], node[key]]
        case _:
            node[key] = str(node[key])


@given(st.lists(changed(), min_size=1, max_size=4))
def test_every_changed_resource_is_accounted_for(given_resources: list[dict[str, Any]]) -> None:
    found = chart(bundle(observation()), other=bundle(*given_resources))
    facts = read(found, as_of=AS_OF)
    sent = [part for r in open_group(bundle(*given_resources)).resources for part in with_components(r)]
    observations = 1 + sum(part.get("resourceType") == "Observation" for part in sent)
    assert accounted(found) == observations
    known = {place for place, resource in enumerate(found.observations) if is_known(resource)}
    assert set(facts.fates) == known


def accounted(found: Chart) -> int:
    """The Observations that a chart kept or says that it discarded."""
    return len(found.observations) + len(found.discarded)


def test_the_corpora_hold_what_they_are_for() -> None:
    kinds = Counter(resource["resourceType"] for resource in resources())
    assert kinds["Observation"] > 3000
    assert {"Condition", "DiagnosticReport", "MedicationRequest", "Procedure", "Specimen"} <= set(kinds)
