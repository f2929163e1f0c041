"""The UDP sockets that all calls of the process share: one port, bound on each local address."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Self

from voicebridge.errors import ConfigError
from voicebridge.transports.webrtc import addresses
from voicebridge.transports.webrtc.addresses import IceCandidate, NetworkSettings
from voicebridge.transports.webrtc.ice import Address, IceAgent, IceCounters, IceLite, Path

_log = logging.getLogger(__name__)

MAX_DATAGRAM = 2048
"""Media and DTLS keep below the usual 1500; what is longer is not for us."""

DATAGRAMS_PER_WAKE = 32
"""Then the loop's other work comes first: each may cost a decoded frame, about 50 µs."""

BUFFER_BYTES = 4 * 1024 * 1024
"""Asked for in each direction; the system grants what it allows. A second of 1000 calls is about as much."""

_ATTEMPTS_AT_ANY_PORT = 32
_TAKEN = {errno.EADDRINUSE, errno.EACCES, errno.EPERM}


class IceSockets:
    """Asynchronous context manager: bound and read inside. Raises `ConfigError` on entry where that cannot be."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings
        self._ice = IceLite(self._transmit)
        self._sockets: list[socket.socket] = []
        self._senders: list[Callable[[bytes, Address], Any]] = []
        self._closing = contextlib.ExitStack()
        self.candidates: tuple[IceCandidate, ...] = ()
        """What to offer to clients, best first."""

    @property
    def counters(self) -> IceCounters:
        return self._ice.counters

    @property
    def port(self) -> int:
        """The UDP port that is bound on every address."""
        return int(self._sockets[0].getsockname()[1])

    def agent(self, received: Callable[[bytes], None]) -> IceAgent:
        """A new call. `received` gets every datagram of its client but STUN, synchronously from the reader.

        Raises `CapacityReached`.
        """
        return self._ice.agent(received, asyncio.get_running_loop().time())

    async def __aenter__(self) -> Self:
        advertised = await addresses.resolve(self._settings.advertised)
        self._sockets = bind(addresses.local_addresses(self._settings.interfaces), self._settings.udp_ports)
        with contextlib.ExitStack() as closing:
            for number, bound in enumerate(self._sockets):
                closing.callback(bound.close)
                self._senders.append(await self._listen(number, bound, closing))
            self._closing = closing.pop_all()
        hosts = [str(bound.getsockname()[0]) for bound in self._sockets]
        self.candidates = addresses.candidates(
            hosts, self.port, advertised, advertise_local=self._settings.advertise_local
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()

    async def _listen(
        self, number: int, bound: socket.socket, closing: contextlib.ExitStack
    ) -> Callable[[bytes, Address], Any]:
        """Begin to read; returns what sends."""
        loop = asyncio.get_running_loop()
        try:
            loop.add_reader(bound, self._drain, number, bound, loop.time)
        except NotImplementedError:  # Windows' usual loop
            transport, _ = await loop.create_datagram_endpoint(
                partial(_Datagrams, self._ice, number, loop.time), sock=bound
            )
            closing.callback(transport.close)
            return transport.sendto
        closing.callback(loop.remove_reader, bound)
        return bound.sendto

    def _drain(self, number: int, bound: socket.socket, clock: Callable[[], float]) -> None:
        receive, deliver, now = bound.recvfrom, self._ice.datagram, clock()
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                data, address = receive(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:  # a report that something sent before did not arrive
                continue
            deliver(data, (number, address), now)

    def _transmit(self, data: bytes, path: Path) -> None:
        try:
            self._senders[path[0]](data, path[1])
        except OSError:  # buffer full, no route, forbidden by a firewall: all of them a lost packet
            self._ice.counters.send_failed += 1


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, ice: IceLite, number: int, clock: Callable[[], float]) -> None:
        self._ice = ice
        self._number = number
        self._clock = clock

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._ice.datagram(data, (self._number, addr), self._clock())


def bind(hosts: Iterable[str], ports: tuple[int, int]) -> list[socket.socket]:
    """One socket on each host that can be bound, all on the first port of the range that is free on each of them.

    Raises `ConfigError` naming the setting to change.
    """
    lowest, highest = ports
    hosts = tuple(hosts)
    for port in range(lowest, highest + 1) if highest else [0] * _ATTEMPTS_AT_ANY_PORT:
        bound = _bind_all(hosts, port)
        if bound is not None:
            return bound
    which = f"UDP port {lowest}" if lowest == highest else f"UDP port from {lowest} to {highest}"
    raise ConfigError(
        f"no {which} can be used on all of {', '.join(hosts)}: taken by another program, or not allowed. "
        "Change webrtc.udp_port_min and webrtc.udp_port_max (both 0: any port), or stop the other program",
        param="webrtc.udp_port_min",
    )


def _bind_all(hosts: tuple[str, ...], port: int) -> list[socket.socket] | None:
    """None where the port is taken somewhere. Addresses that have just gone are left out."""
    with contextlib.ExitStack() as closing:
        bound: list[socket.socket] = []
        for host in hosts:
            try:
                bound.append(closing.enter_context(_bind_one(host, port)))
            except OSError as error:
                if error.errno in _TAKEN:
                    return None
                _log.warning("cannot receive media on %s: %s", host, error)
                continue
            port = bound[0].getsockname()[1]
        if not bound:
            raise ConfigError(f"none of {', '.join(hosts)} can be bound", param="webrtc.interfaces")
        closing.pop_all()
        return bound


def _bind_one(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with contextlib.suppress(OSError):  # some systems refuse where others cut down
                made.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
