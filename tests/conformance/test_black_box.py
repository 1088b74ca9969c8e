"""The black-box checker of CDS Hooks services against the shipped server, in all its modes."""

import json
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cds_service.fhir.shape import Json
from cds_service.replay.calls import dump_json
from tests.conformance.service import VENDOR
from tests.functional.fhir_server import fhir_server
from tests.functional.server import free_port, running_service
from tests.functional.tokens import ISSUER, Ehr, private_key
from tests.unit.fhir.make import bundle, call, observation, patient, quantity

ORIGIN, FOREIGN_ORIGIN = "https://chart.example.org", "https://elsewhere.example"
SAMPLES = ("--requests", str(VENDOR / "sample_requests.json"))
#: What the checker remarks on and does not call wrong, by requirement.
HOOK_NAME = "3.0:hook-name"  # the hook is proposed for everybody's use, so that it bears no reverse domain
HOOK_VERSION = "2.0:fields"  # discovery states hookVersion; a client of 2.0 ignores it
SPEED = "@27"  # a time: this machine may be busy


def remarks(folder: Path, url: str, *options: str, at_least: int) -> set[str]:
    """What the checker remarks on, of at least so many checks; it finds nothing wrong."""
    report = folder / "report.json"
    command = [sys.executable, str(VENDOR / "check_service.py"), url, *options, "--report", str(report)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=300)  # noqa: S603
    last = checked.stdout.strip().rsplit("\n", 1)[-1]
    assert last.endswith(", 0 failed"), checked.stdout
    found: list[Json] = json.loads(report.read_text("utf-8"))
    assert len(found) >= at_least, checked.stdout
    return {one["req"] for one in found if not one["ok"]} - {SPEED}


def store(folder: Path) -> str:
    return f"sqlite:///{folder}/store.sqlite"


def test_cds_hooks_2_0_and_3_0_and_pages_of_two_origins(tmp_path: Path) -> None:
    origins = ("--origin", ORIGIN, "--bad-origin", FOREIGN_ORIGIN)
    with running_service(ALLOWED_ORIGINS=ORIGIN, DATABASE_URL=store(tmp_path)) as url:
        assert remarks(tmp_path, url, *SAMPLES, *origins, at_least=450) == {HOOK_NAME, HOOK_VERSION}
        assert remarks(tmp_path, url, *SAMPLES, "--spec", "3.0", at_least=400) == {HOOK_NAME}


def test_a_real_fhir_server(tmp_path: Path) -> None:
    """It holds what the calls prefetch, so that both ways have to lead to the same cards."""
    b2m, creatinine = observation(), observation("2160-0", quantity("1.1", "mg/dL"), id="creatinine")
    prefetch = {"b2m": bundle(b2m), "kidney": bundle(creatinine)}
    calls, profile = tmp_path / "calls.json", tmp_path / "site.toml"
    calls.write_bytes(dump_json([call(hook=hook, **prefetch) for hook in ("lab-result-review", "patient-view")]))
    with fhir_server(patient(), b2m, creatinine, token="for-the-checker") as base:
        profile.write_text(f'[[fhir_server]]\nurl = "{base}"\n', "utf-8")
        asked = ("--requests", str(calls), "--fhir-url", base, "--fhir-token", "for-the-checker")
        settings = {"SITE_PROFILE": str(profile), "DATABASE_URL": store(tmp_path), "FETCH_DEADLINE_SECONDS": "10"}
        with running_service(None, **settings) as url:
            assert remarks(tmp_path, url, *asked, at_least=200) == {HOOK_NAME, HOOK_VERSION}


def test_tokens_are_required(tmp_path: Path) -> None:
    ehr, port, key, profile = Ehr(tmp_path), free_port(), tmp_path / "key.pem", tmp_path / "site.toml"
    key.write_bytes(private_key(ehr.algorithm, "").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    client = ehr.client()
    profile.write_text(
        f'[[client]]\nname = "{client.name}"\niss = "{client.iss}"\njwks_file = "{client.jwks_file}"\n', "utf-8"
    )
    signed = ("--jwt-key", str(key), "--jwt-iss", ISSUER, "--jwt-kid", ehr.kid, "--jwt-required")
    settings = {"SITE_PROFILE": str(profile), "DATABASE_URL": store(tmp_path)}
    with running_service(port, PUBLIC_BASE_URL=f"http://127.0.0.1:{port}", **settings) as url:
        assert remarks(tmp_path, url, *SAMPLES, *signed, at_least=400) == {HOOK_NAME, HOOK_VERSION}
