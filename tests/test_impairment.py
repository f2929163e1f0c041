"""The bad line itself: what it promises is what a run over it is worth."""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from impairment import CLEAN, LOOPBACK, Impairment, Link, NamespaceLink, UdpRelay, is_media

MANY = 20_000


def fates(link: Link, seed: int = 1) -> list[tuple[float, ...]]:
    impairment = Impairment(link, seed)
    return [impairment.fate(number) for number in range(MANY)]


def rtp(sequence: int, payload: bytes = b"") -> bytes:
    return bytes((0x80, 111)) + sequence.to_bytes(2, "big") + bytes(4) + b"ssrc" + payload


@pytest.mark.parametrize("burst", [1.0, 3.0])
@pytest.mark.parametrize("loss", [0.05, 0.1])
def test_as_many_are_lost_as_were_ordered_and_in_runs_of_that_length(loss: float, burst: float) -> None:
    lost = [not fate for fate in fates(Link(loss=loss, burst=burst))]
    assert sum(lost) / MANY == pytest.approx(loss, rel=0.25)
    runs = [len(list(run)) for gone, run in itertools.groupby(lost) if gone]
    assert sum(runs) / len(runs) == pytest.approx(max(burst, 1 / (1 - loss)), rel=0.2)


def test_delays_lie_around_the_mean_and_are_never_negative() -> None:
    delays = [fate[0] for fate in fates(Link(delay_s=0.05, jitter_s=0.02))]
    assert 0.03 <= min(delays) < 0.031
    assert 0.069 < max(delays) <= 0.07
    assert sum(delays) / MANY == pytest.approx(0.05, rel=0.02)
    assert min(fate[0] for fate in fates(Link(jitter_s=0.05))) == 0.0


def test_the_same_seed_is_the_same_line_and_another_is_another() -> None:
    link = Link(loss=0.1, burst=2, jitter_s=0.02, duplicate=0.1)
    assert fates(link, 7) == fates(link, 7) != fates(link, 8)


def test_a_fate_does_not_depend_on_who_asks_first() -> None:
    link = Link(loss=0.1, jitter_s=0.02)
    backwards = Impairment(link, 3)
    asked = [backwards.fate(number) for number in reversed(range(100))]
    assert asked[::-1] == fates(link, 3)[:100]


def test_duplicates_arrive_twice() -> None:
    twice = sum(len(fate) == 2 for fate in fates(Link(duplicate=0.1)))
    assert twice / MANY == pytest.approx(0.1, rel=0.1)


def test_media_is_told_from_everything_else() -> None:
    assert is_media(rtp(1))
    assert not is_media(bytes((0x80, 200)) + bytes(20))  # a sender report
    assert not is_media(bytes(20))  # STUN
    assert not is_media(bytes((22,)) + bytes(20))  # DTLS


class Echo(asyncio.DatagramProtocol):
    """A server that sends everything back, and knows who sent it."""

    def __init__(self) -> None:
        self.peers: list[tuple[str, int]] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.peers.append(addr)
        self._transport.sendto(data, addr)


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, tuple[str, int]]]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=(LOOPBACK, 0))
    yield protocol, transport.get_extra_info("sockname")
    transport.close()
    await asyncio.sleep(0)


class Caller:
    """Sends numbered media through a relay and keeps the numbers that come back."""

    def __init__(self, relay: UdpRelay) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.connect(relay.address)

    async def exchange(self, numbers: range) -> list[int]:
        for number in numbers:
            self._sock.send(rtp(number))
        loop = asyncio.get_running_loop()
        back: list[int] = []
        while True:
            try:
                data = await asyncio.wait_for(loop.sock_recv(self._sock, 2048), 0.15)
            except TimeoutError:
                return back
            back.append(int.from_bytes(data[2:4], "big"))

    def close(self) -> None:
        self._sock.close()


async def through(relay: UdpRelay, numbers: range = range(100)) -> list[int]:
    caller = Caller(relay)
    try:
        return await caller.exchange(numbers)
    finally:
        caller.close()


async def test_a_clean_relay_changes_nothing(echo: tuple[Echo, tuple[str, int]]) -> None:
    async with UdpRelay(echo[1]) as relay:
        assert await through(relay) == list(range(100))


async def test_exactly_the_packets_are_lost_whose_fate_it_was(echo: tuple[Echo, tuple[str, int]]) -> None:
    async with UdpRelay(echo[1], up=Link(loss=0.1), seed=5) as relay:
        back = await through(relay)
    async with UdpRelay(echo[1], up=Link(loss=0.1), seed=5) as again:
        assert await through(again) == back
    assert 0 < again.tally("up").lost == 100 - len(back) < 30


async def test_jitter_keeps_the_order_unless_it_may_not(echo: tuple[Echo, tuple[str, int]]) -> None:
    jitter = Link(delay_s=0.03, jitter_s=0.02)
    async with UdpRelay(echo[1], up=jitter) as relay:
        assert await through(relay) == list(range(100))
    async with UdpRelay(echo[1], up=Link(delay_s=0.03, jitter_s=0.02, reorder=True)) as relay:
        back = await through(relay)
        assert back != sorted(back) == list(range(100))


async def test_a_cut_line_carries_nothing_and_then_everything(echo: tuple[Echo, tuple[str, int]]) -> None:
    async with UdpRelay(echo[1]) as relay:
        relay.cut = True
        assert await through(relay) == []
        relay.cut = False
        assert await through(relay) == list(range(100))


async def test_set_up_passes_where_only_media_suffers(echo: tuple[Echo, tuple[str, int]]) -> None:
    async with UdpRelay(echo[1], up=Link(loss=1.0), media_only=True) as relay:
        loop, sock = asyncio.get_running_loop(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect(relay.address)
        sock.send(b"\x16handshake")
        assert await asyncio.wait_for(loop.sock_recv(sock, 2048), 1) == b"\x16handshake"
        sock.close()
        assert await through(relay) == []


async def test_each_client_has_an_address_of_its_own_and_another_after_a_rebinding(
    echo: tuple[Echo, tuple[str, int]],
) -> None:
    server, address = echo
    async with UdpRelay(address) as relay:
        one, other = Caller(relay), Caller(relay)
        await one.exchange(range(1))
        await other.exchange(range(1))
        relay.rebind()
        await one.exchange(range(1))
        assert len(set(server.peers)) == 3
        one.close()
        other.close()


async def test_a_line_can_change(echo: tuple[Echo, tuple[str, int]]) -> None:
    async with UdpRelay(echo[1], down=Link(loss=1.0)) as relay:
        assert await through(relay) == []
        relay.change("down", CLEAN)
        assert await through(relay) == list(range(100))


ECHO_PROGRAM = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.77.0.1", 4000))
print("ready", flush=True)
while True:
    data, client = sock.recvfrom(2048)
    sock.sendto(data, client)
"""
COUNT_PROGRAM = """
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("10.77.0.1", 4000))
sock.settimeout(0.5)
for number in range(200):
    sock.send(bytes((0x80, 111)) + number.to_bytes(2, "big") + bytes(8))
sent, back = time.perf_counter(), 0
try:
    while sock.recv(2048):
        back += 1
        first = time.perf_counter() if back == 1 else first
except TimeoutError:
    print(back, first - sent)
"""


@pytest.mark.network
def test_programs_in_namespaces_have_the_same_line_between_them() -> None:
    with NamespaceLink(up=Link(loss=0.1, delay_s=0.05), down=Link(delay_s=0.05)) as link:
        server = subprocess.Popen(
            link.command("server", sys.executable, "-c", ECHO_PROGRAM), stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        counted = subprocess.run(
            link.command("client", sys.executable, "-c", COUNT_PROGRAM), check=True, capture_output=True, text=True
        )
        server.kill()
        server.communicate()
        back, first_s = counted.stdout.split()
        expected = sum(bool(Impairment(Link(loss=0.1), "1 up media 0").fate(number)) for number in range(200))
        assert int(back) == 200 - link.tally("client").lost == expected < 200
        assert float(first_s) > 0.08
