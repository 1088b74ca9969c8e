# mypy: ignore-errors
"""HealthChain's documented way to a CDS Hooks service, with its FHIR adapter; run with the Python of its own venv.

It takes no call that names a ``fhirServer``. Where FHIR does not validate it falls back to plain data: then there is no
card.
"""

import sys

import uvicorn
from fhir.resources.R4B.bundle import Bundle  # what its adapter makes of a searchset
from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.gateway.cds import CDSHooksConfig
from healthchain.io import CdsFhirAdapter
from healthchain.models import CDSRequest, CDSResponse
from healthchain.models.responses.cdsresponse import Card

HOOK = "lab-result-review"
service = CDSHooksService(config=CDSHooksConfig(allowed_hooks=[HOOK]))
adapter = CdsFhirAdapter(hook_name=HOOK)


@service.hook(HOOK, id="b2m-result-review")
def review(request: CDSRequest) -> CDSResponse:
    """A card that tells how many entries the Bundles held."""
    document = adapter.parse(request)
    resources = document.fhir.prefetch_resources
    bundles = [found for key, found in resources.items() if key != "patient"]
    if not all(isinstance(found, Bundle) for found in bundles):
        return CDSResponse(cards=[])
    entries = sum(len(found.entry or ()) for found in bundles)
    document.cds.cards = [Card(summary=f"{entries} entries", indicator="info", source={"label": "bench"})]
    return adapter.format(document)


api = HealthChainAPI(title="bench")
api.register_service(service)

if __name__ == "__main__":
    named = "bench.applications.healthchain_service:api"
    uvicorn.run(named, host="127.0.0.1", port=int(sys.argv[1]), workers=int(sys.argv[2]), log_level="warning")
