"""The installation of docs/proxy.md with its real parts: Debian's nginx with deploy/nginx/cds-service.conf in front."""

import contextlib
import gzip
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cds_service.config import Settings
from tests.failure_matrix import row
from tests.functional.server import free_port, running_service
from tests.functional.slow_clients import connect, slow_clients
from tests.functional.test_limits import CALL, GZIP, JSON
from tests.functional.test_protocol import REVIEW

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx" / "cds-service.conf"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CALLS = 15

#: What Debian's own nginx.conf says around a file of conf.d, but for the places where it writes.
AROUND = """{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 768; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/cds-service.conf;
}}
"""

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx")


@dataclass(frozen=True)
class Front:
    """nginx in front of the service: its port, and the folder of its files."""

    port: int
    folder: Path

    def post(self, body: bytes, **headers: str) -> requests.Response:
        """The answer to a call over TLS."""
        address = f"https://localhost:{self.port}/cds-services/{REVIEW}"
        return requests.post(
            address, data=body, headers=JSON | headers, timeout=10, verify=str(self.folder / "cert.pem")
        )

    def get(self, path: str, **headers: str) -> requests.Response:
        """The answer to a GET over TLS."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"https://localhost:{self.port}{path}"
        return requests.get(address, headers=given, timeout=10, verify=str(self.folder / "cert.pem"))


def write_certificate(folder: Path) -> None:
    """A key and a certificate of its own for localhost, good for an hour."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def configured(folder: Path, port: int, service: str) -> Path:
    """The shipped file with only the addresses and files changed that every site changes, in a whole configuration."""
    text = CONFIG.read_text("utf-8")
    for shipped, changed in {
        "server 127.0.0.1:8000;": f"server {service.removeprefix('http://')};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "server_name cds.example.org;": "server_name localhost;",
        "/etc/ssl/certs/cds.example.org.pem": str(folder / "cert.pem"),
        "/etc/ssl/private/cds.example.org.key": str(folder / "key.pem"),
        "/var/log/nginx/cds-service.log": str(folder / "access.log"),
    }.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, changed)
    write_certificate(folder)
    (folder / "cds-service.conf").write_text(text)
    whole = folder / "nginx.conf"
    whole.write_text(AROUND.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
    return whole


def nginx(folder: Path, configuration: Path, *arguments: str) -> list[str]:
    return [str(NGINX), "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log"), *arguments]


@contextlib.contextmanager
def running_nginx(
    folder: Path, service: str, configured: Callable[[Path, int, str], Path] = configured
) -> Iterator[Front]:
    """nginx on loopback in front of ``service``; stopped at the end by its process id."""
    port = free_port()
    command = nginx(folder, configured(folder, port, service), "-g", "daemon off;")
    process = subprocess.Popen(command)  # noqa: S603 - Debian's nginx
    try:
        deadline = time.monotonic() + 10
        while not (folder / "nginx.pid").exists():
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline, "nginx did not start in time"
            time.sleep(0.05)
        yield Front(port, folder)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with (
        running_service(OPEN_ACCESS="1", BEHIND_PROXY="1", TRUSTED_PROXIES="127.0.0.1") as service,
        running_nginx(tmp_path_factory.mktemp("nginx"), service) as running,
    ):
        yield running


def test_the_configuration_is_well_formed(tmp_path: Path) -> None:
    command = nginx(tmp_path, configured(tmp_path, free_port(), "http://127.0.0.1:8000"), "-t")
    checked = subprocess.run(command, capture_output=True, text=True, timeout=20)  # noqa: S603
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr


@row(
    "200 idle connections, 200 that send headers or 40 that send bodies a byte a second, behind nginx",
    "all others: 200",
)
@pytest.mark.parametrize("slow", [{"idle": 200}, {"headers": 200}, {"bodies": 40}], ids=lambda slow: next(iter(slow)))
def test_slow_and_idle_clients_stop_nobody_else(front: Front, slow: dict[str, Any]) -> None:
    tls = ssl.create_default_context(cafile=str(front.folder / "cert.pem"))
    with slow_clients(front.port, tls, **slow):
        assert [front.post(CALL).status_code for _ in range(CALLS)] == [200] * CALLS


@pytest.mark.parametrize("addresses", [1, 2], ids=["one address", "all"])
def test_calls_under_way_are_bounded(front: Front, addresses: int) -> None:
    """At most 50 from an address, 100 in all, each with a body of up to 10 MB in memory."""
    tls = ssl.create_default_context(cafile=str(front.folder / "cert.pem"))
    with contextlib.ExitStack() as held:
        for number in range(addresses):
            held.enter_context(slow_clients(front.port, tls, bodies=50, source=f"127.0.0.{number + 2}"))
        last = held.enter_context(connect(front.port, tls, "127.0.0.2" if addresses == 1 else "127.0.0.9"))
        last.sendall(b"GET /cds-services HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert last.recv(12) == b"HTTP/1.1 429"
        if addresses == 1:
            assert front.get("/cds-services").status_code == 200


def test_the_limits_are_in_step_with_those_of_the_service(front: Front) -> None:
    most = Settings().max_body_bytes
    just_over, far_over = front.post(b" " * (most + 1)), front.post(b" " * (most + 1_000_000))
    assert [just_over.status_code, far_over.status_code] == [413, 413]
    assert just_over.json()["resourceType"] == "OperationOutcome"
    assert front.post(gzip.compress(CALL), **GZIP).status_code == 200
    assert front.get("/cds-services", Authorization=f"Bearer {'x' * 16_000}").status_code == 200
    assert front.get("/cds-services", Authorization=f"Bearer {'x' * 18_000}").status_code in (400, 431)


@row("an operators' route from outside without OPERATOR_TOKEN or a trusted proxy's word", "404, as an unknown address")
def test_nobody_outside_is_an_operator(front: Front) -> None:
    for headers in ({}, {"X_Operator": "jo"}, {"x-operator": "jo"}, {"Host": "127.0.0.1"}):
        assert front.get("/knowledge", **headers).status_code == 404


def test_what_the_proxy_adds_and_what_it_leaves(front: Front) -> None:
    answer = front.get("/cds-services")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] in ("gunicorn", "nginx")


def test_it_keeps_no_patient_data(front: Front) -> None:
    front.post(b" " * 9_000_000)
    front.get("/cds-services?patient=SECRET", Referer="https://ehr.example/SECRET")
    front.post(CALL)
    logged = (front.folder / "access.log").read_text()
    assert f"POST /cds-services/{REVIEW} 200" in logged
    assert "SECRET" not in logged
    assert "temporary file" not in (front.folder / "error.log").read_text(), "bodies are kept in memory"
