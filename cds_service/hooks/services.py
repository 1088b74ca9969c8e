"""The services offered: data, not code. One id a hook: a known client keeps only the last of two that share one."""

from dataclasses import dataclass

from cds_service.config import Settings
from cds_service.decide import PATIENT_VIEW
from cds_service.fhir.gather import order_templates, prefetch_templates
from cds_service.fhir.local_codes import NO_LOCAL_CODES, LocalCodes
from cds_service.fhir.orders import ORDER_SELECT, ORDER_SIGN
from cds_service.models import ServiceDescription

#: The version of the CDS Hooks specification that the service speaks.
SPECIFICATION = "2.0.1"
_NEEDS = (
    "Prefetch, or a FHIR server that this service is set up to ask, for the patient and the beta-2 microglobulin "
    "results; without the other keys the cards say what is missing. Results coded in LOINC with a unit. For health "
    "professionals; not a medical device."
)
_NEEDS_OF_ORDERS = (
    "Draft orders as ServiceRequests coded in LOINC, or in codes registered with this service. Prefetch, or a FHIR "
    "server that this service is set up to ask, for what is recent in the chart; without it the card says that the "
    "chart may hold more. For health professionals; not a medical device."
)


@dataclass(frozen=True, slots=True)
class Service:
    """A CDS service as discovery describes it."""

    id: str
    hook: str
    title: str
    description: str
    prefetch: dict[str, str]
    needs: str = _NEEDS

    def described(self) -> ServiceDescription:
        """The entry in the discovery document."""
        return ServiceDescription(
            id=self.id,
            hook=self.hook,
            title=self.title,
            description=self.description,
            usageRequirements=self.needs,
            prefetch=self.prefetch,
            version=SPECIFICATION,
            hookVersion="1.0.0",
        )


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
        Service(
            "b2m-order-select-companions",
            ORDER_SELECT,
            "Beta-2 microglobulin: what to order with it",
            "Tells what to order with a beta-2 microglobulin, and how to collect it so that its result can be read.",
            order_templates(codes),
            _NEEDS_OF_ORDERS,
        ),
        Service(
            "b2m-order-sign-companions",
            ORDER_SIGN,
            "Beta-2 microglobulin: what to order with it, before signing",
            "Tells the same of all draft orders, before they are signed.",
            order_templates(codes),
            _NEEDS_OF_ORDERS,
        ),
    )
    return {service.id: service for service in offered}
