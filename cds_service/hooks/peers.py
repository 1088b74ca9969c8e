"""Where a request comes from: this machine itself, or through a proxy from anywhere."""

from ipaddress import IPv6Address, ip_address

from flask import Request

from cds_service.config import is_loopback

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


def is_local(request: Request) -> bool:
    """Whether the request was sent from this machine, and not by a proxy on it for somebody else."""
    return is_loopback(peer(request)) and not any(_is_forwarding(name.lower()) for name, _ in request.headers)


def _is_forwarding(header: str) -> bool:
    return header in _FORWARDED or header.startswith("x-forwarded")
