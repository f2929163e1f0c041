"""Bad networks: what becomes of each datagram, a UDP relay in this process, and a link between two namespaces.

The kernel's netem is not everywhere; all of this runs in user space. What happens to a packet depends on the seed and
on its number alone, not on the clock, so that a run can be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Self

Address = tuple[str, int]
Direction = Literal["up", "down"]
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Link:
    """One direction of a network path. Shares are 0 to 1; times are seconds."""

    loss: float = 0.0
    burst: float = 1.0
    """The mean length of a run of lost packets."""
    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Uniform, to both sides of the delay."""
    reorder: bool = False
    """Whether jitter lets packets overtake one another; else each waits for those before it."""
    duplicate: float = 0.0


CLEAN = Link()


class Impairment:
    """The fates of the packets of one stream over one `Link`."""

    def __init__(self, link: Link, seed: int | str) -> None:
        self._link = link
        self._random = random.Random(seed)
        self._losing = False
        self._fates: list[tuple[float, ...]] = []

    def fate(self, number: int) -> tuple[float, ...]:
        """After how many seconds packet `number` (from 0) arrives; empty: never; two values: twice."""
        while len(self._fates) <= number:
            self._fates.append(self._next())
        return self._fates[number]

    def _next(self) -> tuple[float, ...]:
        lost, copies = self._lost(), 2 if self._random.random() < self._link.duplicate else 1
        delays = [self._link.delay_s + self._random.uniform(-1, 1) * self._link.jitter_s for _ in range(copies)]
        return () if lost else tuple(max(0.0, delay) for delay in delays)

    def _lost(self) -> bool:
        """Gilbert's model: runs of losses of the mean length `burst`, `loss` of all packets in them."""
        ends, loss = 1 / max(1.0, self._link.burst), self._link.loss
        draw = self._random.random()
        if self._link.burst <= 1:
            return draw < loss
        self._losing = draw >= ends if self._losing else draw < loss * ends / (1 - loss)
        return self._losing


@dataclass
class Tally:
    passed: int = 0
    lost: int = 0


@dataclass
class _Path:
    """One direction: media packets are numbered by their own sequence, everything else as it comes."""

    link: Link
    seed: str
    tally: Tally = field(default_factory=Tally)
    _media: dict[bytes, tuple[int, Impairment]] = field(default_factory=dict)
    _others: int = 0
    _last: float = 0.0

    def __post_init__(self) -> None:
        self._other = Impairment(self.link, f"{self.seed} others")

    def change(self, link: Link) -> None:
        self.link = link
        self._media.clear()
        self._other, self._others = Impairment(link, f"{self.seed} others"), 0

    def arrivals(self, data: bytes, now: float) -> list[float]:
        delays = self._fate(data)
        self.tally.passed += bool(delays)
        self.tally.lost += not delays
        times = [now + delay for delay in delays]
        if not self.link.reorder:
            times = [max(at, self._last + 1e-6) for at in times]  # timers of one instant come in any order
        self._last = max([self._last, *times])
        return times

    def _fate(self, data: bytes) -> tuple[float, ...]:
        if not is_media(data):
            self._others += 1
            return self._other.fate(self._others - 1)
        sequence, source = int.from_bytes(data[2:4], "big"), data[8:12]
        if source not in self._media:
            self._media[source] = (sequence, Impairment(self.link, f"{self.seed} media {len(self._media)}"))
        first, impairment = self._media[source]
        return impairment.fate((sequence - first) & 0xFFFF)


def is_media(data: bytes) -> bool:
    """RTP, encrypted or not, and not RTCP (RFC 5761, RFC 7983)."""
    return len(data) >= 12 and 128 <= data[0] <= 191 and not 192 <= data[1] <= 223


class UdpRelay:
    """Between clients and a server, as a NAT with a bad line is: an async context manager.

    `server` may be set later, before anybody sends. Each client is known to it by a port of its own. `cut` stops
    everything, both ways, until it is unset.
    """

    def __init__(
        self,
        server: Address | None = None,
        *,
        up: Link = CLEAN,
        down: Link = CLEAN,
        seed: int = 1,
        media_only: bool = False,
    ) -> None:
        self.server = server
        self._paths: dict[Direction, _Path] = {"up": _Path(up, f"{seed} up"), "down": _Path(down, f"{seed} down")}
        self._media_only = media_only
        self._uplinks: dict[Address, socket.socket] = {}
        self.cut = False
        self.address: Address = (LOOPBACK, 0)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._downlink = _udp_socket()
        self._downlink.bind((LOOPBACK, 0))
        self.address = self._downlink.getsockname()
        self._loop.add_reader(self._downlink, self._from_clients)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.rebind()
        self._close(self._downlink)

    def tally(self, direction: Direction) -> Tally:
        return self._paths[direction].tally

    def change(self, direction: Direction, link: Link) -> None:
        """From now on that direction is like this."""
        self._paths[direction].change(link)

    def rebind(self) -> None:
        """Forget the ports by which the server knows the clients, as a NAT does that was restarted."""
        for uplink in self._uplinks.values():
            self._close(uplink)
        self._uplinks.clear()

    def _from_clients(self) -> None:
        for data, client in _received(self._downlink):
            uplink = self._uplinks.get(client) or self._bind(client)
            assert self.server is not None, "nobody has told the relay where the server is"
            self._pass("up", data, uplink, self.server)

    def _bind(self, client: Address) -> socket.socket:
        uplink = self._uplinks[client] = _udp_socket()
        uplink.bind(("", 0))
        self._loop.add_reader(uplink, self._from_server, uplink, client)
        return uplink

    def _from_server(self, uplink: socket.socket, client: Address) -> None:
        for data, _server in _received(uplink):
            self._pass("down", data, self._downlink, client)

    def _pass(self, direction: Direction, data: bytes, through: socket.socket, to: Address) -> None:
        if self.cut:
            return
        if self._media_only and not is_media(data):
            _send(through, data, to)
            return
        now = self._loop.time()
        for at in self._paths[direction].arrivals(data, now):
            if at <= now:
                _send(through, data, to)
            else:
                self._loop.call_at(at, _send, through, data, to)

    def _close(self, sock: socket.socket) -> None:
        self._loop.remove_reader(sock)
        sock.close()


def _udp_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return sock


def _received(sock: socket.socket) -> Iterator[tuple[bytes, Address]]:
    for _ in range(64):
        try:
            yield sock.recvfrom(2048)
        except OSError:  # nothing more, or the other side's port is closed
            return


def _send(sock: socket.socket, data: bytes, to: Address) -> None:
    """As networks do: without a promise. The socket may have been closed while the packet was on its way."""
    with contextlib.suppress(OSError):
        sock.sendto(data, to)


TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
UDP = 17
Side = Literal["server", "client"]


class NamespaceLink:
    """Two network namespaces joined by a bad line: a context manager; `command` leads into them.

    Needs root. Only UDP suffers, so that signalling by TCP can be judged apart from media. Both sides have loopback.
    """

    def __init__(self, *, up: Link = CLEAN, down: Link = CLEAN, seed: int = 1) -> None:
        self._paths = {"client": _Path(up, f"{seed} up"), "server": _Path(down, f"{seed} down")}
        self._names: dict[Side, str] = {"server": f"vb{os.getpid()}s", "client": f"vb{os.getpid()}c"}
        self.addresses: dict[Side, str] = {"server": "10.77.0.1", "client": "10.77.0.2"}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="bad line", daemon=True)

    def __enter__(self) -> Self:
        self._devices = {side: self._open(side) for side in self._names}
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(5)
        for side, name in self._names.items():
            os.close(self._devices[side])
            _ip("netns", "del", name)

    def command(self, side: Side, *arguments: str) -> list[str]:
        """The command line that runs a program on that side."""
        return ["ip", "netns", "exec", self._names[side], *arguments]

    def tally(self, side: Side) -> Tally:
        """Of what that side sent."""
        return self._paths[side].tally

    def _open(self, side: Side) -> int:
        name, device = self._names[side], f"vb{os.getpid()}{side[0]}"
        _ip("netns", "add", name)
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN_NO_PI))
        _ip("link", "set", device, "netns", name)
        _ip("-n", name, "addr", "add", f"{self.addresses[side]}/24", "dev", device)
        _ip("-n", name, "link", "set", device, "mtu", "1400", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        return handle

    def _carry(self) -> None:
        """Moves packets from each device to the other, each when its time has come."""
        other: dict[Side, Side] = {"server": "client", "client": "server"}
        sides = {handle: side for side, handle in self._devices.items()}
        waiting: list[tuple[float, int, Side, bytes]] = []
        number = 0
        while not self._stopping.is_set():
            patience = max(0.0, waiting[0][0] - _now()) if waiting else 0.1
            for handle in select.select(list(sides), [], [], min(patience, 0.1))[0]:
                for packet in _packets(handle):
                    for at in self._arrivals(sides[handle], packet):
                        number += 1
                        heapq.heappush(waiting, (at, number, other[sides[handle]], packet))
            while waiting and waiting[0][0] <= _now():
                _at, _number, side, packet = heapq.heappop(waiting)
                with contextlib.suppress(OSError):
                    os.write(self._devices[side], packet)

    def _arrivals(self, sender: Side, packet: bytes) -> list[float]:
        if packet[0] >> 4 != 4 or packet[9] != UDP:
            return [_now()]
        return self._paths[sender].arrivals(packet[(packet[0] & 15) * 4 + 8 :], _now())


def _packets(handle: int) -> Iterator[bytes]:
    for _ in range(64):
        try:
            yield os.read(handle, 2048)
        except BlockingIOError:
            return


def _now() -> float:
    return time.monotonic()  # noqa: TID251  the line's own clock


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
