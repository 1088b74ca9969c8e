"""Calls as an EHR would send them: seeded, each for another made-up patient, so that no cache can help.

The prefetch holds what our own templates ask for, each key a searchset Bundle that is shorter than a page.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple
from uuid import UUID

from cds_service.fhir.gather import prefetch_templates
from cds_service.fhir.shape import Json
from cds_service.knowledge import terms
from cds_service.replay.calls import dump_json

_SERVER = "https://ehr.example/fhir"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_DAYS_BETWEEN_VISITS = 28


class _Assay(NamedTuple):
    """One way in which a laboratory reports a quantity: its reference range, then the ends of what we draw."""

    loinc: str
    unit: str
    ucum: str
    low: str
    high: str
    least: str
    most: str

    @property
    def display(self) -> str:
        return terms.analyte_of_loinc()[self.loinc][1].name


#: By prefetch key, the assays of each analyte; a laboratory keeps to one. B2M is always above its range.
_ASSAYS: dict[str, tuple[tuple[_Assay, ...], ...]] = {
    "b2m": (
        (
            _Assay("1952-1", "mg/L", "mg/L", "0.80", "2.34", "3.00", "18.00"),
            _Assay("83078-6", "mcg/mL", "ug/mL", "1.1", "2.4", "2.9", "24.0"),
        ),
    ),
    "kidney": (
        (
            _Assay("2160-0", "mg/dL", "mg/dL", "0.60", "1.10", "0.55", "4.20"),
            _Assay("14682-9", "µmol/L", "umol/L", "50", "98", "48", "380"),
        ),
        (_Assay("98979-8", "mL/min/1.73 m2", "mL/min/{1.73_m2}", "60", "120", "12", "110"),),
    ),
    "myeloma": (
        (
            _Assay("1751-7", "g/dL", "g/dL", "3.5", "5.2", "2.2", "4.9"),
            _Assay("61151-7", "g/L", "g/L", "35", "52", "22", "49"),
        ),
        (_Assay("2532-0", "U/L", "U/L", "120", "246", "110", "690"),),
        (
            _Assay("718-7", "g/dL", "g/dL", "12.0", "16.0", "7.5", "15.5"),
            _Assay("718-7", "g/L", "g/L", "120", "160", "75", "155"),
        ),
        (
            _Assay("17861-6", "mg/dL", "mg/dL", "8.6", "10.3", "8.1", "13.4"),
            _Assay("2000-8", "mmol/L", "mmol/L", "2.15", "2.57", "2.02", "3.35"),
        ),
    ),
    "urine": ((_Assay("2756-5", "pH", "[pH]", "5.0", "7.5", "5.0", "7.5"),),),
}

#: Problems by SNOMED CT and ICD-10-CM code. The service has a name for the first ones; most of a chart is the others.
_KNOWN_PROBLEMS = (
    ("109989006", "C90.00", "Multiple myeloma"),
    ("709044004", "N18.9", "Chronic kidney disease"),
    ("69896004", "M06.9", "Rheumatoid arthritis"),
    ("92814006", "C91.10", "Chronic lymphoid leukemia"),
)
_OTHER_PROBLEMS = (
    ("38341003", "I10", "Hypertensive disorder"),
    ("44054006", "E11.9", "Type 2 diabetes mellitus"),
    ("55822004", "E78.5", "Hyperlipidemia"),
    ("396275006", "M19.90", "Osteoarthritis"),
    ("235595009", "K21.9", "Gastroesophageal reflux disease"),
    ("195967001", "J45.909", "Asthma"),
    ("35489007", "F32.A", "Depressive disorder"),
    ("49436004", "I48.91", "Atrial fibrillation"),
    ("444814009", "J01.90", "Viral sinusitis"),
    ("10509002", "J20.9", "Acute bronchitis"),
    ("64859006", "M81.0", "Osteoporosis"),
    ("40930008", "E03.9", "Hypothyroidism"),
)
_REMARKS = (
    "Specimen received at room temperature; no visible haemolysis.",
    "Result confirmed by repeat measurement.",
    "Interpret together with renal function and the clinical picture.",
    "Reference range verified for adults by the performing laboratory.",
    "Previous results were measured with another method; compare with caution.",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much a chart holds: results by prefetch key, Conditions.

    ``wordy`` resources carry what some EHRs add to each: narrative, notes, performers, extensions.
    """

    name: str
    b2m: int
    kidney: int
    myeloma: int
    urine: int
    conditions: int
    wordy: bool = False


SIZES = (
    Size("10 kB", b2m=1, kidney=2, myeloma=3, urine=0, conditions=1),
    Size("40 kB", b2m=6, kidney=10, myeloma=10, urine=1, conditions=6),
    Size("400 kB", b2m=24, kidney=40, myeloma=42, urine=10, conditions=102, wordy=True),
)


def bodies(size: Size, count: int, seed: str, now: datetime) -> list[bytes]:
    """As many request bodies, each another patient's. The same arguments give the same bodies."""
    chance = Random(seed)  # noqa: S311 - nothing is kept secret by it
    return [dump_json(_Author(chance, size, now).call()) for _ in range(count)]


class _Author:
    """Writes the call for one made-up patient."""

    def __init__(self, chance: Random, size: Size, now: datetime) -> None:
        self._chance, self._size = chance, size
        self._newest = now - timedelta(minutes=chance.randint(600, 6000))
        self._patient_id = self._id()

    def call(self) -> Json:
        """A ``lab-result-review`` of the newest B2M, with the chart as prefetch."""
        observations = {key: list(self._observations(key)) for key in _ASSAYS}
        prefetch: Json = {"patient": self._patient()}
        for key in prefetch_templates():
            if key != "patient":
                prefetch[key] = _searchset(
                    list(self._conditions()) if key == "conditions" else observations.get(key, [])
                )
        return {
            "hook": "lab-result-review",
            "hookInstance": self._id(),
            "fhirServer": _SERVER,
            "context": {
                "userId": f"Practitioner/{self._id()}",
                "patientId": self._patient_id,
                "encounterId": self._id(),
                "results": _collection(observations["b2m"][:1]),
            },
            "prefetch": prefetch,
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
        laboratory = [self._chance.choice(assays) for assays in _ASSAYS[key]]
        results: int = getattr(self._size, key)
        for place in range(results):
            visit, test = divmod(place, len(laboratory))
            yield self._observation(laboratory[test], self._newest - timedelta(days=_DAYS_BETWEEN_VISITS * visit))

    def _observation(self, assay: _Assay, when: datetime) -> Json:
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
        remark = self._chance.choice(_REMARKS)
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
            snomed, icd10cm, title = self._chance.choice(_KNOWN_PROBLEMS if known else _OTHER_PROBLEMS)
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
                **(self._condition_words(title) if self._size.wordy else {}),
            }

    def _condition_words(self, title: str) -> Json:
        words = self._words(title, "Active")
        return {name: words[name] for name in ("text", "encounter", "note")}


def _searchset(resources: list[Json]) -> Json:
    entries = [{**entry, "search": {"mode": "match"}} for entry in map(_entry, resources)]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "entry": entries}


def _collection(resources: list[Json]) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [_entry(resource) for resource in resources]}


def _entry(resource: Json) -> Json:
    return {"fullUrl": f"{_SERVER}/{resource['resourceType']}/{resource['id']}", "resource": resource}


def _concept(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}
