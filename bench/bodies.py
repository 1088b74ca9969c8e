"""Calls as an EHR would send them: seeded, each for another made-up patient, so that no cache can help.

The prefetch holds what our own templates ask for, each key a searchset Bundle that is shorter than a page.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from bench.chart_terms import (
    ASSAYS,
    DRUGS,
    KNOWN_PROBLEMS,
    NOT_ASKED_FOR,
    OTHER_PROBLEMS,
    PROCEDURES,
    REMARKS,
    Assay,
)
from cds_service.fhir.gather import prefetch_templates
from cds_service.fhir.shape import Json
from cds_service.replay.calls import dump_json

_SERVER = "https://ehr.example/fhir"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_DAYS_BETWEEN_VISITS = 28


@dataclass(frozen=True, slots=True)
class Size:
    """How much a chart holds: results by prefetch key, entries of the other lists.

    ``not_asked_for``: results that a server sends along because it ignores ``code``, spread over the results' keys.
    ``wordy`` resources carry what some EHRs add to each: narrative, notes, performers, extensions. ``repeated``: few
    bodies are sent over and over; else none is sent twice.
    """

    name: str
    results: Mapping[str, int]
    conditions: int
    medications: int = 0
    procedures: int = 0
    not_asked_for: int = 0
    wordy: bool = False
    repeated: bool = False


_SMALL = Size("10 kB", {"b2m": 1, "kidney": 2, "myeloma": 2, "blood": 1}, conditions=1)
USUAL = Size(
    "40 kB",
    {"b2m": 6, "kidney": 8, "myeloma": 8, "blood": 4, "urine": 1},
    conditions=4,
    medications=3,
    procedures=1,
)
_LARGE = Size(
    "400 kB",
    {"b2m": 24, "kidney": 44, "myeloma": 44, "blood": 30, "urine": 10},
    conditions=34,
    medications=24,
    procedures=8,
    wordy=True,
)
#: A server that gives all it has, whatever ``_count`` says.
_HUGE = Size(
    "4 MB",
    {"b2m": 250, "kidney": 520, "myeloma": 520, "blood": 320, "urine": 90},
    conditions=260,
    medications=160,
    procedures=60,
    wordy=True,
)
UNKNOWN = replace(USUAL, name="40 kB + 180 unknown", not_asked_for=180)
REPEATED = replace(USUAL, name="40 kB, repeated", repeated=True)
SIZES = (_SMALL, USUAL, _LARGE, _HUGE, UNKNOWN, REPEATED)
_REPEATED_BODIES = 8


def bodies(size: Size, count: int, seed: str, now: datetime) -> list[bytes]:
    """As many request bodies, each another patient's. The same arguments give the same bodies."""
    if size.repeated:
        few = bodies(replace(size, repeated=False), _REPEATED_BODIES, "repeated", now.replace(minute=0, second=0))
        return [few[place % _REPEATED_BODIES] for place in range(count)]
    chance = Random(seed)  # noqa: S311 - nothing is kept secret by it
    return [dump_json(_Author(chance, size, now).call()) for _ in range(count)]


def to_fetch(body: bytes, server: str) -> bytes:
    """The same call by an EHR that prefetches nothing and has a FHIR server."""
    call = json.loads(body, parse_float=Decimal)
    del call["prefetch"]
    return dump_json({**call, "fhirServer": server})


def without(body: bytes, key: str, server: str) -> bytes:
    """The same call by an EHR that leaves one prefetch key out and has a FHIR server."""
    call = json.loads(body, parse_float=Decimal)
    del call["prefetch"][key]
    return dump_json({**call, "fhirServer": server})


def on_opening(body: bytes) -> bytes:
    """The same call as the chart is opened: nothing is under review."""
    call = json.loads(body, parse_float=Decimal)
    del call["context"]["results"]
    return dump_json({**call, "hook": "patient-view"})


class _Author:
    """Writes the call for one made-up patient."""

    def __init__(self, chance: Random, size: Size, now: datetime) -> None:
        self._chance, self._size = chance, size
        self._newest = now - timedelta(minutes=chance.randint(600, 6000))
        self._patient_id = self._id()

    def call(self) -> Json:
        """A ``lab-result-review`` of the newest B2M, with the chart as prefetch."""
        observations = {key: list(self._observations(key)) for key in ASSAYS}
        held = {
            **{key: [*found, *self._not_asked_for()] for key, found in observations.items()},
            "conditions": list(self._conditions()),
            "medications": list(self._medications()),
            "procedures": list(self._procedures()),
        }
        searchsets = {key: _searchset(held.get(key, [])) for key in prefetch_templates() if key != "patient"}
        return {
            "hook": "lab-result-review",
            "hookInstance": self._id(),
            "context": {
                "userId": f"Practitioner/{self._id()}",
                "patientId": self._patient_id,
                "encounterId": self._id(),
                "results": _collection(observations["b2m"][:1]),
            },
            "prefetch": {"patient": self._patient(), **searchsets},
        }

    def _id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    def _number(self, least: str, most: str) -> Decimal:
        """A number between two printed ones, with as many decimals as they have."""
        places = -int(Decimal(least).as_tuple().exponent)
        ends = [int(Decimal(end).scaleb(places)) for end in (least, most)]
        return Decimal(self._chance.randint(*ends)).scaleb(-places)

    def _patient(self) -> Json:
        chance = self._chance
        return {
            "resourceType": "Patient",
            "id": self._patient_id,
            "meta": {"versionId": "3", "lastUpdated": self._newest.isoformat(timespec="seconds")},
            "identifier": [{"system": "urn:oid:2.16.840.1.113883.3.0", "value": f"MRN{chance.randrange(10**8):08}"}],
            "active": True,
            "name": [{"use": "official", "family": f"Family{chance.randrange(10**5)}", "given": ["Given"]}],
            "gender": chance.choice(("female", "male")),
            "birthDate": f"{chance.randint(1936, 1985)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
        }

    def _observations(self, key: str) -> Iterator[Json]:
        """The results under a prefetch key, newest first, as ``_sort=-date`` has them."""
        laboratory = [self._chance.choice(assays) for assays in ASSAYS[key]]
        for place in range(self._size.results.get(key, 0)):
            visit, test = divmod(place, len(laboratory))
            yield self._observation(laboratory[test], self._newest - timedelta(days=_DAYS_BETWEEN_VISITS * visit))

    def _not_asked_for(self) -> Iterator[Json]:
        for place in range(self._size.not_asked_for // len(ASSAYS)):
            visit, test = divmod(place, len(NOT_ASKED_FOR))
            yield self._observation(NOT_ASKED_FOR[test], self._newest - timedelta(days=_DAYS_BETWEEN_VISITS * visit))

    def _observation(self, assay: Assay, when: datetime) -> Json:
        issued = when + timedelta(minutes=self._chance.randint(60, 300))

        def quantity(value: Decimal) -> Json:
            return {"value": value, "unit": assay.unit, "system": "http://unitsofmeasure.org", "code": assay.ucum}

        value = self._number(assay.least, assay.most)
        category = {"system": f"{_TERMINOLOGY}/observation-category", "code": "laboratory", "display": "Laboratory"}
        return {
            "resourceType": "Observation",
            "id": self._id(),
            "meta": {"versionId": "1", "lastUpdated": issued.isoformat(timespec="milliseconds")},
            "status": "final",
            "category": [{"coding": [category]}],
            "code": _concept("http://loinc.org", assay.loinc, assay.display),
            "subject": {"reference": f"Patient/{self._patient_id}"},
            "effectiveDateTime": when.isoformat(timespec="seconds"),
            "issued": issued.isoformat(timespec="milliseconds"),
            "valueQuantity": quantity(value),
            "referenceRange": [{"low": quantity(Decimal(assay.low)), "high": quantity(Decimal(assay.high))}],
            **(self._words(assay.display, f"{value} {assay.unit}") if self._size.wordy else {}),
        }

    def _words(self, title: str, said: str) -> Json:
        """What wordy EHRs add to each resource, none of which we read."""
        remark = self._chance.choice(REMARKS)
        identifier = f"urn:uuid:{self._id()}"
        return {
            "text": {
                "status": "generated",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p><b>{title}</b></p><p>{said}</p><p>{remark}</p></div>',
            },
            "identifier": [{"use": "official", "system": "urn:ietf:rfc:3986", "value": identifier}],
            "extension": [{"url": f"{_SERVER}/StructureDefinition/accession", "valueString": self._id()}],
            "encounter": {"reference": f"Encounter/{self._id()}", "display": "Outpatient visit"},
            "performer": [{"reference": f"Organization/{self._id()}", "display": "Central clinical laboratory"}],
            "note": [{"time": self._newest.isoformat(timespec="seconds"), "text": remark}],
        }

    def _conditions(self) -> Iterator[Json]:
        """One that the service has a name for, of recent onset; of the others one in eight."""
        for place in range(self._size.conditions):
            known = place == 0 or self._chance.random() < 1 / 8
            snomed, icd10cm, title = self._chance.choice(KNOWN_PROBLEMS if known else OTHER_PROBLEMS)
            onset = self._newest - timedelta(days=self._chance.randint(5, 90) * (place + 1))
            codes = _concept("http://snomed.info/sct", snomed, title)
            codes["coding"].append({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": icd10cm, "display": title})
            yield {
                "resourceType": "Condition",
                "id": self._id(),
                "meta": {"versionId": "1", "lastUpdated": onset.isoformat(timespec="milliseconds")},
                "clinicalStatus": _concept(f"{_TERMINOLOGY}/condition-clinical", "active", "Active"),
                "verificationStatus": _concept(f"{_TERMINOLOGY}/condition-ver-status", "confirmed", "Confirmed"),
                "category": [_concept(f"{_TERMINOLOGY}/condition-category", "problem-list-item", "Problem List Item")],
                "code": codes,
                "subject": {"reference": f"Patient/{self._patient_id}"},
                "onsetDateTime": f"{onset:%Y-%m-%d}",
                "recordedDate": f"{onset:%Y-%m-%d}",
                **self._some_words(title, "Active"),
            }

    def _medications(self) -> Iterator[Json]:
        for _ in range(self._size.medications):
            code, name = self._chance.choice(DRUGS)
            written = self._newest - timedelta(days=self._chance.randint(20, 900))
            yield {
                "resourceType": "MedicationRequest",
                "id": self._id(),
                "status": self._chance.choice(("active", "completed")),
                "intent": "order",
                "medicationCodeableConcept": _concept("http://www.nlm.nih.gov/research/umls/rxnorm", code, name),
                "subject": {"reference": f"Patient/{self._patient_id}"},
                "authoredOn": written.isoformat(timespec="seconds"),
                **self._some_words(name, "One a day"),
            }

    def _procedures(self) -> Iterator[Json]:
        for _ in range(self._size.procedures):
            code, title = self._chance.choice(PROCEDURES)
            done = self._newest - timedelta(days=self._chance.randint(100, 4000))
            yield {
                "resourceType": "Procedure",
                "id": self._id(),
                "status": "completed",
                "code": _concept("http://snomed.info/sct", code, title),
                "subject": {"reference": f"Patient/{self._patient_id}"},
                "performedDateTime": f"{done:%Y-%m-%d}",
                **self._some_words(title, "Completed"),
            }

    def _some_words(self, title: str, said: str) -> Json:
        words = self._words(title, said) if self._size.wordy else {}
        return {name: words[name] for name in ("text", "encounter", "note") if name in words}


def _searchset(resources: list[Json]) -> Json:
    entries = [{**entry, "search": {"mode": "match"}} for entry in map(_entry, resources)]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "entry": entries}


def _collection(resources: list[Json]) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [_entry(resource) for resource in resources]}


def _entry(resource: Json) -> Json:
    return {"fullUrl": f"{_SERVER}/{resource['resourceType']}/{resource['id']}", "resource": resource}


def _concept(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}
