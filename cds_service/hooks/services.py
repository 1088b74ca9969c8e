"""The services offered: data, not code. One id a hook: a known client keeps only the last of two that share one."""

from dataclasses import dataclass
from typing import Any

from cds_service.config import Settings
from cds_service.decide import PATIENT_VIEW
from cds_service.fhir.gather import prefetch_templates
from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes

#: The version of the CDS Hooks specification that the service speaks.
SPECIFICATION = "2.0.1"
_NEEDS = (
    "Prefetch, or a FHIR server that this service is set up to ask, for the patient and the beta-2 microglobulin "
    "results; without the other keys the cards say what is missing. Results coded in LOINC with a unit. For health "
    "professionals; not a medical device."
)


@dataclass(frozen=True, slots=True)
class Service:
    """A CDS service as discovery describes it."""

    id: str
    hook: str
    title: str
    description: str
    prefetch: dict[str, str]

    def described(self) -> dict[str, Any]:
        """The entry in the discovery document."""
        return {
            "id": self.id,
            "hook": self.hook,
            "title": self.title,
            "description": self.description,
            "usageRequirements": _NEEDS,
            "prefetch": self.prefetch,
            "version": SPECIFICATION,
            "hookVersion": "1.0.0",
        }


def services(settings: Settings, codes: LocalCodes = NO_LOCAL_CODES) -> dict[str, Service]:
    """The services of an installation, by id; ``codes`` are the site's own."""
    templates = prefetch_templates(codes)
    offered = (
        Service(
            "b2m-result-review",
            settings.lab_result_hook,
            "Beta-2 microglobulin: result review",
            "Interprets the beta-2 microglobulin results under review with kidney function, albumin and diagnoses.",
            templates,
        ),
        Service(
            "b2m-chart-review",
            PATIENT_VIEW,
            "Beta-2 microglobulin: chart review",
            f"Interprets the newest beta-2 microglobulin of the last {settings.chart_review_max_age_days} days when a "
            "chart is opened.",
            templates,
        ),
    )
    return {service.id: service for service in offered}
