"""Names and ids as pseudonyms: HMAC-SHA256 with a key that the site holds and can rotate.

The file of PSEUDONYM_KEYS has one ``id:secret`` a line, the secret in hexadecimal or base64. The first makes new
pseudonyms; all of them recognise old ones.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cds_service.errors import ConfigurationError

Kind = Literal["patient", "user", "result", "said", "instance"]

_SHORTEST_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_REMEDY = "expected id:secret, the secret at least 32 random bytes in hexadecimal or base64 (openssl rand -hex 32)"


@dataclass(frozen=True, slots=True)
class Key:
    """A secret with the name by which rows tell that it made them."""

    id: str
    secret: bytes

    def pseudonym(self, kind: Kind, client: str, identifier: str) -> str:
        """What stands for an identifier of this kind at this client."""
        message = "\0".join((kind, client, identifier)).encode("utf-8", "surrogatepass")
        return f"{self.id}:{hmac.new(self.secret, message, 'sha256').hexdigest()}"

    def __repr__(self) -> str:
        return f"Key({self.id!r})"


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What the keys of a site make of its ids; without keys nothing is made of them, and nothing is stored."""

    keys: tuple[Key, ...] = ()

    def of(self, kind: Kind, client: str, identifier: str) -> str | None:
        """The pseudonym under the key in force; None without a key, or without an identifier."""
        return self.keys[0].pseudonym(kind, client, identifier) if self.keys and identifier else None

    def all_of(self, kind: Kind, client: str, identifier: str) -> tuple[str, ...]:
        """The pseudonyms under every key: an old row may bear any of them."""
        return tuple(key.pseudonym(kind, client, identifier) for key in self.keys)


def load_pseudonyms(path: Path | None) -> Pseudonyms:
    """The keys of a file; none where there is no file.

    Raises:
        ConfigurationError: it cannot be read, or a line cannot be used; the message names the line, never the secret.
    """
    if path is None:
        return Pseudonyms()
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"PSEUDONYM_KEYS={path} cannot be read: {type(error).__name__}; {_REMEDY}") from None
    keys: dict[str, Key] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            key = _key(line.strip(), f"PSEUDONYM_KEYS={path}, line {number}")
            if key.id in keys:
                raise ConfigurationError(f"PSEUDONYM_KEYS={path}, line {number}: id {key.id} stands there twice")
            keys[key.id] = key
    if not keys:
        raise ConfigurationError(f"PSEUDONYM_KEYS={path} holds no key; {_REMEDY}")
    return Pseudonyms(tuple(keys.values()))


def _key(line: str, place: str) -> Key:
    name, colon, text = line.partition(":")
    if not colon or not _ID.fullmatch(name):
        raise ConfigurationError(f"{place}: no id of letters, digits, - or _ before a colon; {_REMEDY}")
    try:
        secret = _decoded(text.strip())
    except (ValueError, binascii.Error):
        raise ConfigurationError(
            f"{place}: the secret of {name} is neither hexadecimal nor base64; {_REMEDY}"
        ) from None
    if len(secret) < _SHORTEST_BYTES:
        raise ConfigurationError(f"{place}: the secret of {name} has {len(secret)} bytes; {_REMEDY}")
    return Key(name, secret)


def _decoded(text: str) -> bytes:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
