"""What made-up charts are made of: assays, problems, drugs, procedures; all codes are public."""

from typing import NamedTuple

from cds_service.knowledge import terms


class Assay(NamedTuple):
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
        """Its name, as our term tables have it where they have it at all."""
        known = terms.analyte_of_loinc().get(self.loinc)
        return known[1].name if known else "Other laboratory test"


#: By prefetch key, the assays of each analyte; a laboratory keeps to one. B2M is always above its range.
ASSAYS: dict[str, tuple[tuple[Assay, ...], ...]] = {
    "b2m": (
        (
            Assay("1952-1", "mg/L", "mg/L", "0.80", "2.34", "3.00", "18.00"),
            Assay("83078-6", "mcg/mL", "ug/mL", "1.1", "2.4", "2.9", "24.0"),
        ),
    ),
    "kidney": (
        (
            Assay("2160-0", "mg/dL", "mg/dL", "0.60", "1.10", "0.55", "4.20"),
            Assay("14682-9", "µmol/L", "umol/L", "50", "98", "48", "380"),
        ),
        (Assay("98979-8", "mL/min/1.73 m2", "mL/min/{1.73_m2}", "60", "120", "12", "110"),),
    ),
    "myeloma": (
        (
            Assay("1751-7", "g/dL", "g/dL", "3.5", "5.2", "2.2", "4.9"),
            Assay("61151-7", "g/L", "g/L", "35", "52", "22", "49"),
        ),
        (Assay("2532-0", "U/L", "U/L", "120", "246", "110", "690"),),
        (
            Assay("718-7", "g/dL", "g/dL", "12.0", "16.0", "7.5", "15.5"),
            Assay("718-7", "g/L", "g/L", "120", "160", "75", "155"),
        ),
        (
            Assay("17861-6", "mg/dL", "mg/dL", "8.6", "10.3", "8.1", "13.4"),
            Assay("2000-8", "mmol/L", "mmol/L", "2.15", "2.57", "2.02", "3.35"),
        ),
    ),
    "blood": (
        (Assay("777-3", "10*3/uL", "10*3/uL", "150", "400", "40", "420"),),
        (Assay("1988-5", "mg/L", "mg/L", "0.0", "5.0", "0.2", "48.0"),),
        (Assay("2276-4", "ng/mL", "ng/mL", "15", "200", "12", "900"),),
    ),
    "urine": ((Assay("2756-5", "pH", "[pH]", "5.0", "7.5", "5.0", "7.5"),),),
}

#: What every laboratory measures and our templates do not ask for; a server that ignores ``code`` sends it along.
NOT_ASKED_FOR = (
    Assay("2951-2", "mmol/L", "mmol/L", "135", "145", "128", "149"),
    Assay("2823-3", "mmol/L", "mmol/L", "3.5", "5.1", "3.0", "5.9"),
    Assay("2075-0", "mmol/L", "mmol/L", "98", "107", "92", "112"),
    Assay("2345-7", "mg/dL", "mg/dL", "70", "99", "62", "240"),
    Assay("1742-6", "U/L", "U/L", "7", "56", "6", "140"),
    Assay("1920-8", "U/L", "U/L", "10", "40", "8", "130"),
    Assay("2093-3", "mg/dL", "mg/dL", "120", "200", "110", "290"),
    Assay("4548-4", "%", "%", "4.0", "5.6", "4.4", "11.2"),
    Assay("3016-3", "m[IU]/L", "m[IU]/L", "0.40", "4.50", "0.10", "9.80"),
)

#: Problems by SNOMED CT and ICD-10-CM code. The service has a name for the first ones; most of a chart is the others.
KNOWN_PROBLEMS = (
    ("109989006", "C90.00", "Multiple myeloma"),
    ("709044004", "N18.9", "Chronic kidney disease"),
    ("69896004", "M06.9", "Rheumatoid arthritis"),
    ("92814006", "C91.10", "Chronic lymphoid leukemia"),
)
OTHER_PROBLEMS = (
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
REMARKS = (
    "Specimen received at room temperature; no visible haemolysis.",
    "Result confirmed by repeat measurement.",
    "Interpret together with renal function and the clinical picture.",
    "Reference range verified for adults by the performing laboratory.",
    "Previous results were measured with another method; compare with caution.",
)

#: Drugs by RxNorm ingredient: few that rules ask for, else what charts hold.
DRUGS = (
    ("29046", "lisinopril"),
    ("6809", "metformin"),
    ("83367", "atorvastatin"),
    ("17767", "amlodipine"),
    ("7646", "omeprazole"),
    ("10582", "levothyroxine"),
    ("358258", "bortezomib"),
    ("342369", "lenalidomide"),
)
#: Procedures by SNOMED CT code.
PROCEDURES = (
    ("80146002", "Appendectomy"),
    ("73761001", "Colonoscopy"),
    ("38102005", "Cholecystectomy"),
    ("40701008", "Echocardiography"),
    ("71388002", "Procedure"),
)
