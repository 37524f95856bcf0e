"""Where a webhook or a syslog receiver may be: names that were allowed, at addresses that were looked at.

A name is resolved once, every address that it has must be allowed, and the connection goes to the address that was
looked at, not to the name again: what a name server says a moment later changes nothing (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from louver.failures import Misused

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class NotAllowed(Exception):
    """The receiver is at an address where nothing may be sent."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name by this machine's resolver. Raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks such as `10.20.0.0/16`. Raises ``Misused``."""
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError:
        raise Misused("`networks` are written as 10.20.0.0/16") from None


def chosen(host: str, port: int, inside: Sequence[Network], look_up: Resolve = resolve) -> str:
    """The address to connect to. Public addresses are allowed, others only in the networks ``inside``; one address of
    a name that is not allowed forbids the name. Raises ``NotAllowed``, ``OSError``."""
    found = look_up(host, port)
    for text in found:
        if not _is_allowed(text, inside):
            raise NotAllowed
    if not found:
        raise NotAllowed
    return found[0]


def _is_allowed(text: str, inside: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if any(address in network for network in inside):
        return True
    return _is_public(address) and all(_is_public(one) for one in _embedded(address))


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: Address) -> list[Address]:
    """IPv4 addresses to which an IPv6 address leads: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    teredo = address.teredo
    given: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(teredo or ())]
    if address in _NAT64:
        given.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in given if one is not None]
