"""Where media is received, and which addresses clients are told to send it to."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import socket
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import ifaddr

from voicebridge.errors import ConfigError

_log = logging.getLogger(__name__)

MAX_ADDRESSES = 16
"""A machine full of container bridges has dozens; each costs every client a check."""

_HOST_TYPE_PREFERENCE = 126  # RFC 8445 section 5.1.2.2
_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """`udp_ports`: lowest and highest, (0, 0) is any. `interfaces`: names or networks (CIDR), empty is all.

    `advertised`: `host`, `host:port`, an IPv6 address or `[address]:port`; they stand in for the private addresses of
    their family unless `advertise_local`.
    """

    udp_ports: tuple[int, int] = (0, 0)
    advertised: tuple[str, ...] = ()
    advertise_local: bool = False
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IceCandidate:
    """A host candidate for the one component that everything is multiplexed on, over UDP."""

    host: str
    port: int
    priority: int
    foundation: str

    def as_sdp(self) -> str:
        """What follows `a=candidate:` (RFC 8839 section 5.1)."""
        return f"{self.foundation} 1 udp {self.priority} {self.host} {self.port} typ host"


@dataclass(frozen=True, slots=True)
class Advertised:
    """An address as seen from outside; `port` None is the port that is bound."""

    host: str
    port: int | None = None


def local_addresses(interfaces: Sequence[str] = ()) -> list[str]:
    """The addresses of this machine to bind, best first, loopback last. Raises `ConfigError` where none is left."""
    adapters = list(ifaddr.get_adapters())
    found = usable_addresses(adapters, interfaces)
    if not found:
        there_are = ", ".join(f"{adapter.name} {_text(ip)}" for adapter in adapters for ip in adapter.ips)
        raise ConfigError(
            f"no address matches webrtc.interfaces = {list(interfaces)}; this machine has {there_are}",
            param="webrtc.interfaces",
        )
    if len(found) > MAX_ADDRESSES:
        _log.warning("only the first %d of %d addresses are used; choose with webrtc.interfaces",
                     MAX_ADDRESSES, len(found))  # fmt: skip
        found = [*found[: MAX_ADDRESSES - 1], found[-1]]  # the last one is loopback, which local pages need
    return found


def usable_addresses(adapters: Iterable[ifaddr.Adapter], interfaces: Sequence[str]) -> list[str]:
    """Those that `interfaces` names and that need no zone: public ones, then private ones, then loopback."""
    found: dict[str, tuple[bool, bool]] = {}
    for adapter in adapters:
        for ip in adapter.ips:
            address = ipaddress.ip_address(_text(ip))
            if address.is_link_local or address.is_unspecified or address.is_multicast:
                continue
            if not interfaces or any(_names(entry, adapter, address) for entry in interfaces):
                found[str(address)] = (address.is_loopback, not address.is_global)
    return sorted(found, key=found.__getitem__)


def _text(ip: ifaddr.IP) -> str:
    return ip.ip if isinstance(ip.ip, str) else ip.ip[0]


def _names(entry: str, adapter: ifaddr.Adapter, address: _IPAddress) -> bool:
    if entry in {adapter.name, adapter.nice_name}:
        return True
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


async def resolve(advertised: Sequence[str]) -> list[Advertised]:
    """Addresses stay as they are, names become all of their addresses, once. Raises `ConfigError`."""
    return [found for entry in advertised for found in await _resolve_one(entry)]


async def _resolve_one(entry: str) -> list[Advertised]:
    host, port = split_port(entry)
    try:
        return [Advertised(str(ipaddress.ip_address(host)), port)]
    except ValueError:
        pass
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"webrtc.advertised_addresses: {host} cannot be resolved: {error}; correct the name or write an address",
            param="webrtc.advertised_addresses",
        ) from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    _log.info("advertised address %s is %s until the next start", host, ", ".join(addresses))
    return [Advertised(address, port) for address in addresses]


def split_port(entry: str) -> tuple[str, int | None]:
    """`host:port`, `[address]:port` or either without a port."""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
        return host, int(port[1:]) if port else None
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, int(port)
    return entry, None


def candidates(
    bound: Sequence[str], port: int, advertised: Sequence[Advertised], *, advertise_local: bool
) -> tuple[IceCandidate, ...]:
    """What to offer, best first: `advertised`, then the addresses that it does not stand for, then loopback."""
    replaced = frozenset(ipaddress.ip_address(one.host).version for one in advertised if not advertise_local)
    offered = [(one.host, one.port or port) for one in advertised]
    offered += [(host, port) for host in bound if not _is_replaced(ipaddress.ip_address(host), replaced)]
    return tuple(_candidates(dict.fromkeys(offered)))


def _is_replaced(address: _IPAddress, replaced: Container[int]) -> bool:
    # Loopback stays: a page on this machine reaches us by it whatever the world outside looks like.
    return address.version in replaced and not address.is_global and not address.is_loopback


def _candidates(offered: Iterable[tuple[str, int]]) -> Iterator[IceCandidate]:
    for position, (host, port) in enumerate(offered):
        loopback = ipaddress.ip_address(host).is_loopback
        preference = (255 if loopback else 65535) - position
        priority = (_HOST_TYPE_PREFERENCE << 24) + (preference << 8) + 255
        foundation = hashlib.sha256(host.encode()).hexdigest()[:8]
        yield IceCandidate(host, port, priority, foundation)
