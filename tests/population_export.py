"""Made-up FHIR Bulk Data exports: ``python -m tests.population_export FOLDER --patients 2000 --seed 1``.

The same seed gives the same patients. A quarter of them has a B2M result; the rest is what else lies in an export.
"""

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import IO, Any, cast
from uuid import UUID

Json = dict[str, Any]
_LINES_A_FILE = 5000
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_TODAY = date(2026, 6, 30)
_SUBJECTS = ("Patient/{}", "Patient/{}", "Patient/{}", "https://ehr.example.org/fhir/Patient/{}", "urn:uuid:{}")
#: LOINC, what it is called, unit, least, most, low, high.
_B2M = ("1952-1", "Beta-2-Microglobulin [Mass/volume] in Serum", "mg/L", 1.0, 14.0, 0.8, 2.3)
_COMPANIONS = (
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 0.5, 4.5, 0.6, 1.1),
    ("1751-7", "Albumin [Mass/volume] in Serum or Plasma", "g/dL", 2.2, 5.0, 3.5, 5.2),
    ("2532-0", "Lactate dehydrogenase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 110, 690, 120, 246),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 7.5, 16.0, 12.0, 16.0),
)
_OTHERS = (
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 60, 320, 70, 105),
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 110, 310, 0, 200),
    ("8867-4", "Heart rate", "/min", 48, 130, 60, 100),
    ("29463-7", "Body weight", "kg", 42, 130, 0, 300),
)
_PROBLEMS = (
    ("C90.00", "Multiple myeloma"),
    ("N18.9", "Chronic kidney disease"),
    ("M06.9", "Rheumatoid arthritis"),
    ("I10", "Hypertensive disorder"),
    ("E11.9", "Type 2 diabetes mellitus"),
    ("J45.909", "Asthma"),
)
_DRUGS = (("1364430", "apixaban"), ("6135", "ketoconazole"), ("8640", "prednisone"), ("29046", "lisinopril"))
#: Lines that every export has some of, and what is said of each.
BROKEN = (
    (b'{"resourceType": "Observation", "status": "fin', "no JSON"),
    (b'{"resourceType": "Observation", "note": "\xff\xfe"}', "no JSON that can be read (UnicodeDecodeError)"),
    (b"[1, 2, 3]", "no JSON object"),
    (b'{"status": "final"}', "neither a CDS Hooks request (no hook) nor FHIR (no resourceType)"),
    (b'{"resourceType": "Patient"}', "names no patient"),
    (b'{"resourceType": "Patient", "id": "under_score"}', "names no patient"),
    (b'{"resourceType": "Specimen", "id": ""}', "no id that FHIR allows"),
    (b'{"resourceType": "Observation", "note": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "RecursionError"),
)


def shared() -> Iterator[Json]:
    """What belongs to no patient: the drugs that requests refer to."""
    for code, name in _DRUGS:
        coding = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code, "display": name}
        yield {"resourceType": "Medication", "id": f"drug-{code}", "code": {"coding": [coding]}}


def patient(seed: int, number: int) -> list[Json]:
    """All resources of one made-up patient."""
    chance = Random(f"{seed} {number}")  # noqa: S311 - nothing is kept secret by it
    return _Author(chance).resources(with_b2m=number % 4 == 0)


class _Author:
    def __init__(self, chance: Random) -> None:
        self._chance, self._patient = chance, self._id(chance)

    @staticmethod
    def _id(chance: Random) -> str:
        return str(UUID(int=chance.getrandbits(128), version=4))

    def resources(self, *, with_b2m: bool) -> list[Json]:
        chance = self._chance
        born = date(chance.randint(1935, 2004), chance.randint(1, 12), chance.randint(1, 28))
        gender = chance.choice(("female", "male"))
        name = [{"family": f"Made-up {self._patient[:8]}", "given": ["Synthetic"]}]
        person = {"resourceType": "Patient", "id": self._patient, "gender": gender, "name": name}
        found = [person | {"birthDate": born.isoformat()}]
        found += [self._encounter() for _ in range(chance.randint(1, 3))]
        found += [self._problem(code) for code in chance.sample(_PROBLEMS, chance.randint(0, 3))]
        found += [self._request() for _ in range(chance.randint(0, 2))]
        for _ in range(chance.randint(1, 2)):
            found += [self._result(assay, self._day()) for assay in chance.sample(_OTHERS, 2)]
        for _ in range(chance.randint(1, 3) if with_b2m else 0):
            day = self._day()
            found += self._with_specimen(self._result(_B2M, day), day)
            found += [self._result(assay, day) for assay in chance.sample(_COMPANIONS, chance.randint(1, 4))]
        return found

    def _day(self) -> str:
        return (_TODAY - timedelta(days=self._chance.randint(0, 900))).isoformat()

    def _about(self, kind: str) -> Json:
        subject = {"reference": self._chance.choice(_SUBJECTS).format(self._patient)}
        return {"resourceType": kind, "id": self._id(self._chance), "subject": subject}

    def _encounter(self) -> Json:
        return self._about("Encounter") | {"status": "finished", "period": {"start": self._day()}}

    def _problem(self, code: tuple[str, str]) -> Json:
        coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code[0], "display": code[1]}
        active = {"coding": [{"system": f"{_TERMINOLOGY}/condition-clinical", "code": "active"}]}
        return self._about("Condition") | {"clinicalStatus": active, "code": {"coding": [coding], "text": code[1]}}

    def _request(self) -> Json:
        drug = {"reference": f"Medication/drug-{self._chance.choice(_DRUGS)[0]}"}
        about = self._about("MedicationRequest") | {"status": "active", "intent": "order"}
        return about | {"medicationReference": drug, "authoredOn": self._day()}

    def _result(self, assay: tuple[str, str, str, float, float, float, float], day: str) -> Json:
        code, name, unit, least, most, low, high = assay

        def quantity(value: float) -> Json:
            return {"value": round(value, 1), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}

        return self._about("Observation") | {
            "status": "final",
            "category": [{"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": "laboratory"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": name}], "text": name},
            "effectiveDateTime": f"{day}T08:{self._chance.randint(10, 59)}:00+02:00",
            "issued": f"{day}T12:00:00+02:00",
            "valueQuantity": quantity(self._chance.uniform(least, most)),
            "referenceRange": [{"low": quantity(low), "high": quantity(high)}],
            "note": [{"text": "Verified by the performing laboratory."}],
        }

    def _with_specimen(self, result: Json, day: str) -> list[Json]:
        serum = {"coding": [{"system": "http://snomed.info/sct", "code": "119364003", "display": "Serum specimen"}]}
        specimen = self._about("Specimen") | {"type": serum, "receivedTime": day}
        return [result | {"specimen": {"reference": f"Specimen/{specimen['id']}"}}, specimen]


def lines(patients: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The lines of an export with the type of the resource on each."""
    everybody = (resource for number in range(patients) for resource in patient(seed, number))
    for resource in (*shared(),) if patients else ():
        yield "Medication", json.dumps(resource).encode()
    for resource in everybody:
        yield resource["resourceType"], json.dumps(resource).encode()


def write(folder: Path, patients: int, seed: int, *, lines_a_file: int = _LINES_A_FILE) -> None:
    """An export as a server writes it: gzipped NDJSON by type, in many files, with its manifest and broken lines."""
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"transactionTime": "2026-07-01T00:00:00Z", "output": []}))
    _in_files(folder, lines(patients, seed), lines_a_file)
    _in_files(folder, (("broken", line) for line, _ in BROKEN), lines_a_file)


def _in_files(folder: Path, given: Iterable[tuple[str, bytes]], lines_a_file: int) -> None:
    """One file is open for each type at a time, however many lines there are."""
    opened: dict[str, IO[bytes]] = {}
    written: dict[str, int] = defaultdict(int)
    for kind, line in given:
        if written[kind] % lines_a_file == 0:
            if kind in opened:
                opened[kind].close()
            name = f"{kind}.{written[kind] // lines_a_file:05}.ndjson.gz"
            opened[kind] = cast("IO[bytes]", gzip.GzipFile(folder / name, "wb", compresslevel=1))
        opened[kind].write(line + b"\n")
        written[kind] += 1
    for file in opened.values():
        file.close()


def main() -> None:
    """Writes an export."""
    parser = argparse.ArgumentParser(prog="python -m tests.population_export", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    write(asked.folder, asked.patients, asked.seed)


if __name__ == "__main__":
    main()
