"""What discovery has to say: CDS Hooks 2.0, Discovery and Prefetch Template."""

import re

import pytest

from cds_service.config import Settings
from cds_service.fhir.searches import searches
from cds_service.hooks.services import services
from tests.conformance.requirements import requirement
from tests.conformance.service import (
    DISCOVERY,
    HOOKS,
    ORDER_HOOKS,
    as_called_by,
    client,
    discovered,
    judged_by_hl7,
    post,
    settings,
)
from tests.unit.fhir.make import bundle, call, observation

TEMPLATES = [
    pytest.param(template, id=f"{service.id} {key}")
    for service in services(Settings()).values()
    for key, template in service.prefetch.items()
]
#: What CDS Hooks recommends to keep to: a read, or a search with equality alone, _count and _sort; and one _include.
_PLAIN_QUERY = re.compile(r"[A-Z][A-Za-z]+/\{\{[^}]+\}\}|[A-Z][A-Za-z]+\?(patient|code|_sort|_count|_include)=\S+")


@requirement("cds-hooks_2.0@4")
def test_discovery_stands_below_the_base_url() -> None:
    assert client().get(DISCOVERY).status_code != 404


@requirement("cds-hooks_2.0@5")
def test_discovery_is_always_to_be_had() -> None:
    service = client()
    service.post(DISCOVERY)
    first, second = service.get(DISCOVERY), service.get(DISCOVERY)
    assert first.get_json() == second.get_json()


@requirement("cds-hooks_2.0@6")
def test_discovery_is_an_object_with_a_list_of_services() -> None:
    document = client().get(DISCOVERY).get_json()
    assert list(document) == ["services"]
    assert [service["id"] for service in document["services"]] == list(HOOKS)
    assert judged_by_hl7("CDSHooksServices", document) == []


@requirement("cds-hooks_2.0@7", "cds-hooks_2.0@8", "cds-hooks_2.0@9", "cds-hooks_2.0@10", "cds-hooks_2.0@12")
@pytest.mark.parametrize("field", ["hook", "title", "description", "id", "usageRequirements"])
def test_each_service_is_described_by(field: str) -> None:
    for service in discovered():
        assert isinstance(service[field], str)
        assert service[field].strip()


@requirement("cds-hooks_2.0@11")
def test_prefetch_is_an_object_of_queries() -> None:
    for service in discovered():
        assert all(isinstance(key, str) and isinstance(query, str) for key, query in service["prefetch"].items())


@requirement("cds-hooks_2.0@13")
def test_discovery_answers_200() -> None:
    assert client().get(DISCOVERY).status_code == 200


@requirement("cds-hooks_2.0@14")
def test_a_discovery_request_may_be_refused() -> None:
    assert client().post(DISCOVERY).status_code == 405


@requirement("cds-hooks_2.0@16")
@pytest.mark.parametrize("service", HOOKS)
def test_a_service_is_called_below_discovery_under_its_id(service: str) -> None:
    request = as_called_by(call(bundle(observation())), service)
    assert post(request, service).status_code == 200
    assert post(request, f"{service}-not").status_code == 404


@requirement("cds-hooks_2.0@29")
def test_whatever_is_read_from_prefetch_is_asked_for_in_discovery() -> None:
    for service in discovered():
        assert {"patient"} < set(service["prefetch"]) <= {"patient", *searches()}
    assert {key for service in discovered() for key in service["prefetch"]} == {"patient", *searches()}


@requirement("cds-hooks_2.0@35")
@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_refer_to_the_context(template: str) -> None:
    assert re.findall(r"\{\{.*?\}\}", template) == ["{{context.patientId}}"]


@requirement("cds-hooks_2.0@36")
def test_each_template_has_a_key() -> None:
    assert all(key.strip() for service in discovered() for key in service["prefetch"])


@requirement("cds-hooks_2.0@55")
@pytest.mark.parametrize("template", TEMPLATES)
def test_tokens_stand_in_double_braces(template: str) -> None:
    assert not re.search(r"[{}]", re.sub(r"\{\{[^{}]+\}\}", "", template))


@requirement("cds-hooks_2.0@56", "cds-hooks_2.0@57", "cds-hooks_2.0@59")
@pytest.mark.parametrize("template", TEMPLATES)
def test_tokens_are_primitive_fields_at_the_root_of_the_context(template: str) -> None:
    """Of lab-result-review those are userId, patientId and encounterId; ``results`` is a Bundle."""
    for token in re.findall(r"\{\{(.*?)\}\}", template):
        assert token in ("context.userId", "context.patientId", "context.encounterId")


@requirement("cds-hooks-library_1.0.1@8", "cds-hooks-library_1.0.1@81")
@requirement("cds-hooks-library_1.0.1@16", "cds-hooks-library_1.0.1@89", "cds-hooks-library_1.0.1@93")
@pytest.mark.parametrize("hook", ORDER_HOOKS)
def test_templates_of_order_hooks_use_the_patient_and_no_orders(hook: str) -> None:
    (service,) = (service for service in discovered() if service["hook"] == hook)
    for template in service["prefetch"].values():
        assert re.findall(r"\{\{.*?\}\}", template) == ["{{context.patientId}}"]


@requirement("cds-hooks_2.0@58")
@pytest.mark.parametrize("template", TEMPLATES)
def test_queries_keep_to_the_recommended_subset(template: str) -> None:
    """But for one _include: medications often stand in resources of their own."""
    assert _PLAIN_QUERY.fullmatch(template)
    names = re.findall(r"[?&]([^=&]+)=", template)
    assert [name for name in names if ":" in name] == []
    assert len(names) == len(set(names))


@requirement("3.0:version")
def test_the_version_of_the_specification_is_stated() -> None:
    for service in discovered():
        assert re.fullmatch(r"2\.\d+\.\d+", service["version"])


@requirement("3.0:hook-version")
def test_the_version_of_the_hook_is_stated() -> None:
    for service in discovered():
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?", service["hookVersion"])


def test_a_reverse_domain_name_may_be_set() -> None:
    """As it comes the hook bears none, deliberately: it is proposed for everybody's use (docs/decisions.md, 9)."""
    assert [service["hook"] for service in discovered()] == list(HOOKS.values())
    own = settings(lab_result_hook="org.example.lab-result-review")
    assert post(call(bundle(observation()), hook="org.example.lab-result-review"), given=own).status_code == 200
