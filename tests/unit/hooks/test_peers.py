"""Where a request comes from."""

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from cds_service.config import Settings
from cds_service.hooks.peers import is_local, peer


def request(address: str | None, **headers: str) -> Request:
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(EnvironBuilder(headers=given, environ_base={"REMOTE_ADDR": address}).get_environ())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("2001:db8:0::1", "2001:db8::1"),
        ("", ""),
        (None, ""),
        ("unix:", ""),
    ],
)
def test_the_address_at_the_other_end(address: str | None, expected: str) -> None:
    assert peer(request(address)) == expected


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine(address: str) -> None:
    assert is_local(request(address), Settings())
    assert is_local(request(address, Authorization="Bearer x"), Settings())
    assert not is_local(request(address), Settings(behind_proxy=True)), "a proxy asks for somebody else"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("CDS.example.org", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("10.0.0.5", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_page_whose_own_name_leads_here_is_not_this_machine(host: str, expected: bool) -> None:
    settings = Settings(public_base_url="https://cds.example.org")
    assert is_local(request("127.0.0.1", Host=host), settings) is expected
    assert not is_local(request("127.0.0.1", Host="cds.example.org"), Settings())


@pytest.mark.parametrize("address", ["10.0.0.5", "192.168.1.1", "0.0.0.0", "::", "fe80::1", "", None])  # noqa: S104
def test_elsewhere(address: str | None) -> None:
    assert not is_local(request(address), Settings())


@pytest.mark.parametrize(
    "header", ["Forwarded", "X_Forwarded_For", "x_forwarded_proto", "X_Forwarded", "X_Real_IP", "VIA", "X_Client_IP"]
)
def test_a_proxy_on_this_machine_asks_for_somebody_else(header: str) -> None:
    assert not is_local(request("127.0.0.1", **{header: "127.0.0.1"}), Settings())
    assert not is_local(request("127.0.0.1", **{header: ""}), Settings())
