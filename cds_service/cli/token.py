"""``cds-service token``: keys and tokens as an EHR would have them, for tests and for a first call."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import click
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from cds_service.errors import InputFileError

_ALGORITHMS = ("ES384", "RS384", "ES256", "ES512", "RS256", "RS512")
_CURVES: dict[str, type[ec.EllipticCurve]] = {"256": ec.SECP256R1, "384": ec.SECP384R1, "512": ec.SECP521R1}
_RSA_BITS = 3072
_algorithm = click.option(
    "--algorithm", type=click.Choice(_ALGORITHMS), default="ES384", show_default=True, help="How tokens are signed."
)
_kid = click.option("--kid", default="test-1", show_default=True, help="The key's id.")


@click.group()
def token() -> None:
    """Make test keys, and sign test tokens with them. Real keys are the EHR's own."""


@token.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_algorithm
@_kid
def keys(folder: Path, algorithm: str, kid: str) -> None:
    """Write private.pem and jwks.json, its public half, into FOLDER."""
    private = folder / "private.pem"
    if private.exists():
        raise InputFileError(f"{private} exists and is not overwritten; name another folder.")
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if algorithm.startswith("RS"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        key = ec.generate_private_key(_CURVES[algorithm[2:]]())
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    folder.mkdir(parents=True, exist_ok=True)
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key_set = {"keys": [{**public, "kid": kid, "alg": algorithm, "use": "sig"}]}
    (folder / "jwks.json").write_text(json.dumps(key_set, indent=1) + "\n")
    click.echo(f"{private}: keep it secret\n{folder / 'jwks.json'}: what a client's jwks_file names")


@token.command()
@click.option("--key", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The private key, PEM.")
@click.option("--iss", required=True, help="The issuer, as site.toml registers it.")
@click.option("--aud", envvar="CDS_URL", required=True, help="The exact address to be called.  [also: CDS_URL]")
@_algorithm
@_kid
@click.option("--jku", help="The header's jku, where the client has one.")
@click.option("--tenant", help="The organisation that calls, where site.toml lists tenants.")
@click.option("--minutes", default=5, show_default=True, type=click.IntRange(-1440, 1440), help="How long it is good.")
def mint(
    key: Path, iss: str, aud: str, algorithm: str, kid: str, jku: str | None, tenant: str | None, minutes: int
) -> None:
    """Print a token signed now with a key of ``token keys``."""
    now = datetime.now(UTC)
    claims = {"iss": iss, "aud": aud, "iat": now, "exp": now + timedelta(minutes=minutes), "jti": str(uuid4())}
    claims |= {"tenant": tenant} if tenant else {}
    headers = {"kid": kid} | ({"jku": jku} if jku else {})
    try:
        private = load_pem_private_key(key.read_bytes(), None)
        click.echo(jwt.encode(claims, private, algorithm=algorithm, headers=headers))  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError, jwt.PyJWTError) as error:
        raise InputFileError(
            f"--key {key}: {error}; expected a private key in PEM without a password, for {algorithm}."
        ) from error
