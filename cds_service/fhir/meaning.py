"""What an Observation is, by its codes; and that it is called beta-2 microglobulin, where no code says so."""

from collections.abc import Iterator

from cds_service.fhir import bundle
from cds_service.fhir.coded import meanings_coded
from cds_service.fhir.shape import Json, codings, objects, text
from cds_service.knowledge.terms import LOINC, Analyte, LoincCode, analyte_of_loinc, names, not_interpreted

_OF_THE_WHOLE = (
    "resourceType", "status", "subject", "focus", "specimen", "contained", "issued", "modifierExtension", "meta",
    "effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming", "performer", "method", "device",
)  # fmt: skip
_PARTS = ("hasMember", "component", "related")


def meanings(resource: Json) -> list[tuple[Analyte, LoincCode]]:
    """Every analyte that the LOINC codings of an Observation stand for, with the code that said so."""
    known = analyte_of_loinc()
    return [known[code] for system, code in codings(resource, "code") if system == LOINC and code in known]


def is_known(resource: Json) -> bool:
    """Whether an Observation is anything that the term tables know, a number or a coded answer, or is called B2M."""
    return bool(meanings(resource)) or bool(meanings_coded(resource)) or is_uncoded_b2m(resource)


def is_b2m(resource: Json) -> bool:
    """Whether an Observation is of beta-2 microglobulin, by a LOINC code or by its name alone."""
    return any(analyte.is_b2m for analyte, _ in meanings(resource)) or is_uncoded_b2m(resource)


def is_uncoded_b2m(resource: Json) -> bool:
    """Whether an Observation is called beta-2 microglobulin and carries no code that says so, or says otherwise."""
    if resource.get("resourceType") != "Observation" or not any(names.is_b2m(said) for said in names_of(resource)):
        return False
    if any(resource.get(part) for part in _PARTS) and not any(name.startswith("value") for name in resource):
        return False  # the heading of a panel
    given = codings(resource, "code")
    return not meanings(resource) and not any(s == LOINC and code in not_interpreted() for s, code in given)


def contradicts_its_name(resource: Json, analyte: Analyte) -> bool:
    """Whether what is coded as another analyte is called beta-2 microglobulin."""
    return not analyte.is_b2m and any(names.is_b2m(said, unless=analyte.short) for said in names_of(resource))


def names_of(resource: Json) -> list[str]:
    """What an Observation is called: its text, and what its codings display."""
    code = resource.get("code")
    return [text(code, "text"), *[text(coding, "display") for coding in objects(code, "coding")]]


def with_components(resource: Json) -> Iterator[Json]:
    """A resource, then those of its components that are results we know, each as an Observation of its own."""
    yield resource
    if not resource.get("component") or resource.get("resourceType") != "Observation":
        return
    whole = {name: resource[name] for name in _OF_THE_WHOLE if name in resource}
    for place, component in enumerate(objects(resource, "component")):
        part = {**component, **whole}
        if component.get("modifierExtension"):
            part["modifierExtension"] = component["modifierExtension"]
        if is_known(part):
            yield bundle.with_component_id(part, resource, place)
