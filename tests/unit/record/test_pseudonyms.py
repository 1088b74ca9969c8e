"""Keys and what they make of ids."""

import base64
import hmac
from pathlib import Path

import pytest

from cds_service.errors import ConfigurationError
from cds_service.record.pseudonyms import Pseudonyms, load_pseudonyms

SECRET = bytes(range(32))


def keys(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "keys"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "written",
    [
        SECRET.hex(),
        SECRET.hex().upper(),
        base64.b64encode(SECRET).decode(),
        base64.b64encode(SECRET).decode().rstrip("="),
        base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    ],
)
def test_a_secret_is_hexadecimal_or_base64(tmp_path: Path, written: str) -> None:
    (key,) = load_pseudonyms(keys(tmp_path, f"# ours\n\nk1: {written} \n")).keys
    assert key.secret in (SECRET, b"\xff" * 32)
    assert repr(key) == "Key('k1')"


def test_a_pseudonym_is_the_keyed_hash_of_kind_client_and_id(tmp_path: Path) -> None:
    pseudonyms = load_pseudonyms(keys(tmp_path, f"k1:{SECRET.hex()}"))
    expected = hmac.new(SECRET, b"patient\0ehr\0p", "sha256").hexdigest()
    assert pseudonyms.of("patient", "ehr", "p") == f"k1:{expected}"
    others = [
        pseudonyms.of("user", "ehr", "p"),
        pseudonyms.of("patient", "", "p"),
        pseudonyms.of("patient", "ehr", "q"),
    ]
    assert len({expected, *others}) == 4
    assert pseudonyms.of("user", "ehr", "\ud800")


def test_the_first_key_is_in_force_and_all_recognise(tmp_path: Path) -> None:
    old = load_pseudonyms(keys(tmp_path, f"k1:{SECRET.hex()}"))
    new = load_pseudonyms(keys(tmp_path, f"k2:{'ab' * 32}\nk1:{SECRET.hex()}"))
    before, after = old.of("patient", "", "p"), new.of("patient", "", "p")
    assert (str(after)[:3], before != after) == ("k2:", True)
    assert new.all_of("patient", "", "p") == (after, before)


def test_without_keys_or_without_an_id_there_is_no_pseudonym(tmp_path: Path) -> None:
    assert load_pseudonyms(None) == Pseudonyms()
    assert Pseudonyms().of("patient", "", "p") is None
    assert Pseudonyms().all_of("patient", "", "p") == ()
    assert load_pseudonyms(keys(tmp_path, f"k1:{SECRET.hex()}")).of("result", "", "") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no key"),
        ("# none\n", "holds no key"),
        (f"\nk1:{SECRET.hex()[2:]}", "line 2: the secret of k1 has 31 bytes"),
        ("k1:", "line 1: the secret of k1 has 0 bytes"),
        ("k1:not/base64 at all!", "line 1: the secret of k1 is neither hexadecimal nor base64"),
        ("k1:ab\u00e9", "line 1: the secret of k1 is neither hexadecimal nor base64"),
        (SECRET.hex(), "line 1: no id"),
        (f"k 1:{SECRET.hex()}", "line 1: no id"),
        (f"k1:{SECRET.hex()}\nk1:{SECRET.hex()}", "line 2: id k1 stands there twice"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_line_and_without_the_secret(
    tmp_path: Path, text: str, said: str
) -> None:
    path = keys(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load_pseudonyms(path)
    assert f"PSEUDONYM_KEYS={path}" in str(caught.value)
    assert said in str(caught.value)
    assert SECRET.hex()[2:] not in str(caught.value)


@pytest.mark.parametrize("there", [False, True])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "keys"
    if there:
        path.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_pseudonyms(path)
