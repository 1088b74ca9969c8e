"""Clients that show certificates: deploy/nginx with Debian's nginx, in front of a service with a registered client."""

import ssl
import subprocess
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.failure_matrix import row
from tests.functional.server import free_port, running_service
from tests.functional.slow_clients import connect
from tests.functional.test_behind_nginx import CONFIG, NGINX, configured, nginx, running_nginx
from tests.functional.test_limits import CALL, JSON
from tests.functional.test_protocol import REVIEW
from tests.functional.tokens import BASE, Ehr

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx")

FOLDER = CONFIG.parent
CALLED = f"/cds-services/{REVIEW}"
Pair = tuple[str, str]


@dataclass(frozen=True)
class Authority:
    """Signs certificates of clients, good for an hour, into files of a folder."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def issue(self, subject: str, *, for_: timedelta = timedelta(hours=1)) -> Pair:
        """The files of a client's certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _write(self.folder, f"{self.name}-{subject}", key, _signed(subject, key, self.name, self.key, for_))


def authority(folder: Path, name: str) -> Authority:
    """A new one, its own certificate in a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    _write(folder, name, key, _signed(name, key, name, key, timedelta(hours=1), is_authority=True))
    return Authority(folder, name, key)


def _signed(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    for_: timedelta,
    *,
    is_authority: bool = False,
) -> x509.Certificate:
    named, signer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer))
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(signer, named, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + for_)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(by, SHA256())
    )


def _write(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Pair:
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(files[0]), str(files[1])


@dataclass(frozen=True)
class Front:
    """nginx in front of the service: for EHRs, and for operators on a port of its own; who may come to each."""

    port: int
    operators_port: int
    folder: Path
    ehrs: Authority
    operators: Authority
    ehr: Ehr

    def call(self, certificate: Pair | None, token: str | None = "", **headers: str) -> requests.Response:
        """The answer to a call with the EHR's token, another one, or none."""
        given = self.ehr.token(CALLED) if token == "" else token
        bearer = {"Authorization": f"Bearer {given}"} if given else {}
        address = f"https://localhost:{self.port}{CALLED}"
        return requests.post(
            address, data=CALL, headers=JSON | bearer | headers, cert=certificate, verify=self.verify, timeout=10
        )

    def ask(self, path: str, certificate: Pair | None, port: int = 0, **headers: str) -> requests.Response:
        """The answer to a GET, from the port of the operators unless another is given."""
        address = f"https://localhost:{port or self.operators_port}{path}"
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(address, headers=given, cert=certificate, verify=self.verify, timeout=10)

    @property
    def verify(self) -> str:
        return str(self.folder / "cert.pem")


def changed(name: str, folder: Path, changes: dict[str, str]) -> Path:
    """A shipped file with only those lines changed that every site changes, in ``folder``."""
    path = folder / name
    text = (path if path.exists() else FOLDER / name).read_text("utf-8")
    for shipped, here in changes.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    path.write_text(text)
    return path


def all_configured(folder: Path, port: int, service: str, operators_port: int, more: dict[str, str]) -> Path:
    """As docs/proxy.md has it: the line that includes the certificates' part freed, the operators' file beside it."""
    whole = configured(folder, port, service)
    clients = {"/etc/ssl/certs/cds-service-clients-ca.pem": str(folder / "ehrs.pem")}
    snippet = changed("cds-service-mtls.conf", folder, clients | more)
    changed("cds-service.conf", folder, {"# include /etc/nginx/snippets/cds-service-mtls.conf;": f"include {snippet};"})
    operators = changed(
        "cds-service-operators.conf",
        folder,
        {
            "listen 8443 ssl;": f"listen 127.0.0.1:{operators_port} ssl;",
            "server_name cds.example.org;": "server_name localhost;",
            "/etc/ssl/certs/cds.example.org.pem": str(folder / "cert.pem"),
            "/etc/ssl/private/cds.example.org.key": str(folder / "key.pem"),
            "/etc/ssl/certs/cds-service-operators-ca.pem": str(folder / "operators.pem"),
            "allow 192.0.2.0/24;": "allow 127.0.0.1;",
            "/var/log/nginx/cds-service-operators.log": str(folder / "operators.log"),
        },
    )
    text = whole.read_text("utf-8")
    whole.write_text(text.replace("cds-service.conf;\n", f"cds-service.conf;\n    include {operators};\n"))
    return whole


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder, operators_port = tmp_path_factory.mktemp("nginx"), free_port()
    ehrs, operators, ehr = authority(folder, "ehrs"), authority(folder, "operators"), Ehr(folder)
    site = folder / "site.toml"
    registered = ehr.client()
    site.write_text(f'[[client]]\nname = "ehr"\niss = "{registered.iss}"\njwks_file = "{registered.jwks_file}"\n')

    def prepare(folder: Path, port: int, service: str) -> Path:
        return all_configured(folder, port, service, operators_port, {})

    settings = {"BEHIND_PROXY": "1", "TRUSTED_PROXIES": "127.0.0.1", "SITE_PROFILE": str(site), "PUBLIC_BASE_URL": BASE}
    settings["DATABASE_URL"] = f"sqlite:///{folder}/store.sqlite"
    with (
        running_service(None, **settings) as service,
        running_nginx(folder, service, prepare) as running,
    ):
        yield Front(running.port, operators_port, folder, ehrs, operators, ehr)


def test_the_right_certificate_and_the_right_token_are_served(front: Front) -> None:
    answer = front.call(front.ehrs.issue("ehr.example.org"))
    assert answer.status_code == 200
    assert "cards" in answer.json()


@row(
    "mTLS: no client certificate, one of another authority, or one that has expired",
    "400 from nginx; the service hears nothing",
)
@pytest.mark.parametrize("shown", ["none", "another authority's", "expired", "an operator's"])
def test_without_the_right_certificate_nobody_is_heard(front: Front, shown: str, tmp_path: Path) -> None:
    shown_by: dict[str, Callable[[], Pair | None]] = {
        "none": lambda: None,
        "another authority's": lambda: authority(tmp_path, "ehrs").issue("ehr.example.org"),
        "expired": lambda: front.ehrs.issue("ehr.example.org", for_=timedelta(hours=-1)),
        "an operator's": lambda: front.operators.issue("jo"),
    }
    answer = front.call(shown_by[shown]())
    assert answer.status_code == 400
    assert "SSL certificate" in answer.text
    assert "X-Request-Id" not in answer.headers, "the service gives each request one"


@row("mTLS: the right client certificate, no token or a wrong one", "401 from the service")
def test_the_token_is_checked_behind_the_certificate(front: Front, tmp_path: Path) -> None:
    certificate = front.ehrs.issue("ehr.example.org")
    used = front.ehr.token(CALLED)
    wrong = [None, "nonsense", front.ehr.token(CALLED, signed_by="another"), front.ehr.token("/cds-services")]
    assert [front.call(certificate, token).status_code for token in (*wrong, used, used)] == [401] * 4 + [200, 401]


def test_a_certificate_makes_no_operator(front: Front) -> None:
    certificate = front.ehrs.issue("ehr.example.org")
    for path in ("/metrics", "/knowledge", "/version"):
        for headers in ({}, {"X_Operator": "jo"}, {"x-operator": "CN=jo"}):
            assert front.ask(path, certificate, front.port, **headers).status_code == 404


def test_operators_come_in_by_their_own_port_and_certificate(front: Front) -> None:
    jo = front.operators.issue("jo")
    assert front.ask("/metrics", jo).text.startswith("# HELP b2m_cds_")
    assert front.ask("/version", jo, Authorization="Bearer nonsense").status_code == 200
    for certificate in (None, front.ehrs.issue("ehr.example.org")):
        refused = front.ask("/metrics", certificate, X_Operator="jo")
        assert refused.status_code == 400
        assert "b2m_cds_" not in refused.text


def test_operators_make_no_calls(front: Front) -> None:
    """Their authority vouches for people, not for an EHR; a token that is sent here goes no further."""
    token = front.ehr.token("/cds-services")
    assert front.ask("/cds-services", front.operators.issue("jo"), Authorization=f"Bearer {token}").status_code == 401


@pytest.mark.parametrize("port", ["port", "operators_port"])
def test_tls_before_1_2_is_refused_by_the_server(front: Front, port: str) -> None:
    """By an alert of the server's: this client would speak 1.1."""
    for version, spoken in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        tls = ssl.create_default_context(cafile=front.verify)
        tls.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that is what is being shown
            tls.minimum_version = tls.maximum_version = version
        if spoken:
            connect(getattr(front, port), tls, "127.0.0.1").close()
            continue
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            connect(getattr(front, port), tls, "127.0.0.1")


def test_subjects_can_be_named_and_the_list_of_those_taken_back(tmp_path: Path) -> None:
    """The two parts of the file that are comments as it is shipped, checked by nginx itself."""
    ehrs = authority(tmp_path, "ehrs")
    authority(tmp_path, "operators")
    now = datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ehrs")])
    taken_back = x509.CertificateRevocationListBuilder(issuer, now, now + timedelta(hours=1)).sign(ehrs.key, SHA256())
    (tmp_path / "clients.crl").write_bytes(taken_back.public_bytes(Encoding.PEM))
    freed = {
        "# ssl_crl /etc/ssl/certs/cds-service-clients.crl;": f"ssl_crl {tmp_path}/clients.crl;",
        "# if ($ssl_client_s_dn": "if ($ssl_client_s_dn",
    }

    def prepare(folder: Path, port: int, service: str) -> Path:
        return all_configured(folder, port, service, free_port(), freed)

    with running_nginx(tmp_path, "http://127.0.0.1:9", prepare) as running:
        asked = f"https://localhost:{running.port}/cds-services"
        answers = [
            requests.get(asked, cert=ehrs.issue(name), verify=str(tmp_path / "cert.pem"), timeout=10).status_code
            for name in ("ehr.example.org", "another.example.org", "ehr-example-org")
        ]
    assert answers == [502, 403, 403], "502: it was let in, and no service stands behind"


def test_nothing_in_the_files_is_doubtful_to_nginx(tmp_path: Path) -> None:
    authority(tmp_path, "ehrs")
    authority(tmp_path, "operators")
    whole = all_configured(tmp_path, free_port(), "http://127.0.0.1:8000", free_port(), {})
    checked = subprocess.run(nginx(tmp_path, whole, "-t"), capture_output=True, text=True, timeout=20)  # noqa: S603
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr


def test_the_line_that_the_page_frees_is_the_only_one_of_its_kind() -> None:
    assert CONFIG.read_text("utf-8").count("# include") == 1
