"""Keys and tokens of a client that a site has registered, and of others."""

import json
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from cds_service.config import Client

BASE = "https://cds.example.org"
ISSUER = "https://ehr.example.org"
_CURVES: dict[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


@cache
def private_key(algorithm: str, name: str = "") -> Any:
    """A key of one's own for an algorithm; another ``name`` is another key."""
    if algorithm.startswith("RS"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(_CURVES[algorithm]())


def public_jwk(algorithm: str, kid: str, name: str = "", **changed: Any) -> dict[str, Any]:
    """The public half as an entry of a JWK Set."""
    key = private_key(algorithm, name).public_key()
    kind = RSAAlgorithm if algorithm.startswith("RS") else ECAlgorithm
    return {**kind.to_jwk(key, as_dict=True), "kid": kid, "use": "sig", **changed}


@dataclass
class Ehr:
    """A registered client: its key set in a file, and tokens that it signs."""

    folder: Path
    algorithm: str = "ES384"
    kid: str = "k+/=1"
    registered: dict[str, Any] = field(default_factory=dict)

    def client(self) -> Client:
        """Its registration."""
        file = self.folder / "jwks.json"
        file.write_text(json.dumps({"keys": [public_jwk(self.algorithm, self.kid)]}))
        entry = {"name": "ehr", "iss": ISSUER, "jwks_file": str(file), "algorithms": [self.algorithm]}
        return Client.model_validate(entry | self.registered)

    def token(self, path: str, *, signed_by: str = "", without: str = "", header: Any = (), **claims: Any) -> str:
        """A token for an address, good for five minutes, changed as told."""
        now = int(time.time())
        payload: dict[str, Any] = {"iss": ISSUER, "aud": BASE + path, "iat": now, "exp": now + 300, "jti": str(uuid4())}
        payload |= claims
        payload.pop(without, None)
        headers = {name: value for name, value in ({"kid": self.kid} | dict(header)).items() if value is not None}
        return jwt.encode(payload, private_key(self.algorithm, signed_by), self.algorithm, headers=headers)
