"""``registration``: the sheet says what is served and configured, and leaves named blanks for the rest."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.app import create_app
from cds_service.cli.main import cli
from cds_service.cli.registration import EHRS, scopes
from cds_service.config import SiteProfile, load_settings
from cds_service.fhir.gather import prefetch_templates

ROOT = Path(__file__).parents[3]
SITE = """
[[fhir_server]]
url = "https://fhir.example.org/r4"

[[client]]
name = "ehr"
iss = "https://ehr.example.org/iss"
jku = "https://ehr.example.org/jwks.json"
algorithms = ["RS384"]
tenants = ["hospital-1"]
fhir_servers = ["https://fhir.example.org/r4"]
services = ["b2m-chart-review"]
"""
OTHER = """
[[client]]
name = "other"
iss = "https://other.example.org"
jwks_file = "other.json"
"""


def run(*arguments: object, **environment: object) -> Result:
    variables = {name: str(value) for name, value in environment.items()}
    return CliRunner().invoke(cli, ["registration", *map(str, arguments)], env=variables)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    return file


def asked_for(text: str) -> list[str]:
    """What an EHR asks for, by the first column of that table."""
    table = text.partition("| asked for |")[2].partition("\n\n")[0]
    return re.findall(r"^\| (?!---)([^|]+?) \|", table, re.MULTILINE)


@pytest.mark.parametrize("ehr", [None, *EHRS])
def test_the_prefetch_and_the_services_are_those_of_discovery(ehr: str | None) -> None:
    text = run(*([ehr] if ehr else [])).output
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    app = create_app(load_settings(), site=SiteProfile())
    offered = app.test_client().get("/cds-services").get_json()["services"]
    for service in offered:
        assert service["prefetch"] in blocks
        assert f"| `{service['id']}` | `{service['hook']}` | {service['title']} |" in text
        assert f"$PUBLIC_BASE_URL/cds-services/{service['id']}/feedback |" in text
    assert len(blocks) == 2


def test_what_is_configured_is_filled_in(site: Path) -> None:
    text = run(
        "oracle-health",
        SITE_PROFILE=site,
        PUBLIC_BASE_URL="https://cds.example.org",
        ALLOWED_ORIGINS="https://page.example.org",
        RETENTION_DAYS=30,
        DATABASE_URL="postgresql+psycopg://cds:hidden@db.internal/cds",
        OPERATOR_TOKEN="very-secret-token-of-operators",
        PROPOSE_STAGE=1,
    ).output
    for said in (
        "for the client `ehr`",
        "| discovery, GET | https://cds.example.org/cds-services |",
        "https://cds.example.org/cds-services/b2m-chart-review/feedback",
        "| `iss` | https://ehr.example.org/iss |",
        "| `jku` | https://ehr.example.org/jwks.json |",
        "| `alg` | RS384; never",
        "| tenants | hospital-1 |",
        "| fhir server | https://fhir.example.org/r4 |",
        "| origins of browsers (CORS) | https://page.example.org |",
        "PostgreSQL; 30 days",
        "Observations (a preliminary stage)",
    ):
        assert said in text
    assert "b2m-result-review" not in text  # not registered for this client
    assert not re.search("hidden|very-secret|db.internal", text)


def test_what_is_not_known_is_a_blank_that_names_somebody() -> None:
    text = run("epic").output
    blanks = re.findall(r"\[to be filled in by ([^\]]*)\]", text)
    assert len(blanks) > 10
    assert all(blanks)
    assert "| `iss` | [to be filled in by the health system: the FHIR endpoint of the organization] |" in text
    assert "example.org" not in text


def test_of_several_clients_one_is_named(site: Path) -> None:
    site.write_text(SITE + OTHER)
    assert "for the client" not in run(SITE_PROFILE=site).output
    assert "(`jwks_file`)" in run("--client", "other", SITE_PROFILE=site).output
    refused = run("--client", "nobody", SITE_PROFILE=site)
    assert refused.exit_code == 1
    assert "--client nobody: SITE_PROFILE registers no such client; expected one of: ehr, other." in refused.output
    assert "expected one of: none" in run("--client", "nobody").output


def test_a_file_is_written_and_none_replaced(tmp_path: Path) -> None:
    file = tmp_path / "sheet.md"
    said = run("sandbox", "--out", file)
    blanks = file.read_text().count("[to be filled in")
    assert said.output == f"{file}: {blanks} blanks to be filled in\n"
    again = run("sandbox", "--out", file)
    assert again.exit_code == 1
    assert f"--out {file}: File exists; name a new file" in again.output


def test_scopes_are_those_of_the_templates() -> None:
    found = scopes(prefetch_templates().values())
    assert found["Observation"] == ("patient/Observation.read", "patient/Observation.rs")
    assert found["Patient"] == ("patient/Patient.read", "patient/Patient.r")
    assert found["Medication"] == ("patient/Medication.read", "patient/Medication.r")  # by _include
    assert set(found) == {"Patient", "Observation", "Condition", "MedicationRequest", "Medication", "Procedure"}


@pytest.mark.parametrize("ehr", EHRS)
def test_the_page_of_an_ehr_tells_of_all_that_its_sheet_answers(ehr: str) -> None:
    page = (ROOT / "docs" / "registration" / f"{ehr}.md").read_text("utf-8")
    assert asked_for(page) == asked_for(run(ehr).output) != []
