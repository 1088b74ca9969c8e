"""Where a request comes from: this machine itself, or through a proxy from anywhere."""

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from flask import Request

from cds_service.config import Settings, is_loopback

#: Headers by which proxies say for whom they ask, beside all that begin with X-Forwarded.
_FORWARDED = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "x-original-forwarded-for"})


def peer(request: Request) -> str:
    """The IP address at the other end of the connection, IPv4 as such also where it came over IPv6; "" for none."""
    given = request.remote_addr or ""
    try:
        address = ip_address(given)
    except ValueError:
        return ""
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)


def is_local(request: Request, settings: Settings) -> bool:
    """Whether the request was sent from this machine, and not by a proxy or a page in a browser on it for others.

    Behind a proxy nothing is. By the host that was called a page is known that had its own name lead here (DNS
    rebinding).
    """
    if settings.behind_proxy or not is_loopback(peer(request)):
        return False
    is_forwarded = any(_is_forwarding(name.lower()) for name, _ in request.headers)
    return not is_forwarded and _is_ours(request.headers.get("Host", ""), settings.public_base_url)


def _is_ours(host: str, public: str | None) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or bool(public and name == urlsplit(public).hostname)


def _is_forwarding(header: str) -> bool:
    return header in _FORWARDED or header.startswith("x-forwarded")
