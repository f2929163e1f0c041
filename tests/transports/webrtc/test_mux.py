"""The sockets, driven by a full ICE agent (aioice) over loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import aioice
import aioice.ice
import pytest
import uvloop
from aioice import stun

from voicebridge.errors import ConfigError
from voicebridge.transports.webrtc import ice, mux
from voicebridge.transports.webrtc.addresses import NetworkSettings, local_addresses
from voicebridge.transports.webrtc.ice import IceAgent
from voicebridge.transports.webrtc.mux import DATAGRAMS_PER_WAKE, IceSockets

LoopFactory: TypeAlias = Callable[[], asyncio.AbstractEventLoop]
LOOPBACK = NetworkSettings(interfaces=("127.0.0.1",))


class WithoutReaders(asyncio.SelectorEventLoop):
    """As Windows' usual loop; what it does itself goes another way."""

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _clients_use_loopback_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])


def run(loop: LoopFactory, main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop.new_event_loop, WithoutReaders])
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    factory: LoopFactory = request.param
    return factory


class Served:
    """A call whose datagrams go into a queue."""

    def __init__(self, sockets: IceSockets) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.agent: IceAgent = sockets.agent(self.received.put_nowait)


@asynccontextmanager
async def client(sockets: IceSockets, agent: IceAgent, **options: Any) -> AsyncIterator[aioice.Connection]:
    """Connected, having learnt of us what an answer says."""
    connection = aioice.Connection(ice_controlling=True, **options)
    connection.remote_is_lite = True
    connection.remote_username, connection.remote_password = agent.ufrag, agent.password
    await connection.gather_candidates()
    for candidate in sockets.candidates:
        await connection.add_remote_candidate(aioice.Candidate.from_sdp(candidate.as_sdp()))
    await connection.add_remote_candidate(None)
    try:
        await connection.connect()
        yield connection
    finally:
        await connection.close()


def test_a_client_connects_and_data_flows_both_ways(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        async with IceSockets(LOOPBACK) as sockets:
            call = Served(sockets)
            connected = asyncio.Event()
            call.agent.on_connected = connected.set
            async with client(sockets, call.agent) as connection:
                await connected.wait()
                await connection.send(b"\x80to the server")
                assert await call.received.get() == b"\x80to the server"
                call.agent.send(b"\x80to the client")
                assert await connection.recv() == b"\x80to the client"
                assert call.agent.remote == ("127.0.0.1", connection.local_candidates[0].port)

    run(loop_factory, main())


def test_many_calls_share_the_port_and_hear_their_own_client_only(loop_factory: LoopFactory) -> None:
    async def talk(sockets: IceSockets, number: int) -> None:
        call = Served(sockets)
        async with client(sockets, call.agent) as connection:
            said = [f"\x80{number}-{n}".encode() for n in range(20)]
            for data in said:
                await connection.send(data)
                call.agent.send(data)
            assert [await call.received.get() for _ in said] == said
            assert [await connection.recv() for _ in said] == said
        call.agent.close()

    async def main() -> None:
        async with IceSockets(LOOPBACK) as sockets, asyncio.TaskGroup() as tasks:
            for number in range(5):
                tasks.create_task(talk(sockets, number))

    run(loop_factory, main())


async def test_a_client_without_the_password_does_not_connect() -> None:
    async with IceSockets(LOOPBACK) as sockets:
        call = Served(sockets)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.setblocking(False)
            request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
            request.attributes["USERNAME"] = f"{call.agent.ufrag}:theirs"
            request.add_message_integrity(b"guessed")
            stranger.sendto(bytes(request), ("127.0.0.1", sockets.port))
            stranger.sendto(b"\x80no call of mine", ("127.0.0.1", sockets.port))
            await until(lambda: sockets.counters.unrouted == 1)
            with pytest.raises(BlockingIOError):
                stranger.recv(100)
        assert sockets.counters.unauthenticated == 1
        assert not call.agent.connected


async def test_one_wake_up_reads_so_many_and_lets_others_work() -> None:
    async with IceSockets(LOOPBACK) as sockets:
        call = Served(sockets)
        async with client(sockets, call.agent) as connection:
            waiting_at: list[int] = []
            sender = connection._nominated[1].protocol.transport

            def received(data: bytes) -> None:
                if not seen:
                    asyncio.get_running_loop().call_soon(lambda: waiting_at.append(len(seen)))
                seen.append(data)

            seen: list[bytes] = []
            call.agent.received = received
            for n in range(100):
                sender.sendto(b"\x80%d" % n, ("127.0.0.1", sockets.port))
            await until(lambda: len(seen) == 100)
            assert waiting_at == [DATAGRAMS_PER_WAKE]
            assert seen == [b"\x80%d" % n for n in range(100)]


async def test_what_cannot_be_sent_is_counted_and_raises_nothing() -> None:
    async with IceSockets(LOOPBACK) as sockets:
        call = Served(sockets)
        async with client(sockets, call.agent):
            call.agent.send(bytes(70_000))
        assert sockets.counters.send_failed == 1


async def test_ports_and_readers_are_given_back() -> None:
    async with IceSockets(LOOPBACK) as sockets:
        port = sockets.port
    async with IceSockets(NetworkSettings((port, port), interfaces=("127.0.0.1",))) as again:
        assert again.port == port


async def test_the_port_is_the_first_that_is_free_on_every_address() -> None:
    hosts = ["127.0.0.1", "127.0.0.2"]
    lowest = free_range(3)
    with udp("127.0.0.1", lowest), udp("127.0.0.2", lowest + 1):
        bound = mux.bind(hosts, (lowest, lowest + 2))
        assert [one.getsockname() for one in bound] == [(host, lowest + 2) for host in hosts]
        for one in bound:
            one.close()


async def test_a_range_that_is_taken_says_what_to_change() -> None:
    lowest = free_range(1)
    with udp("127.0.0.1", lowest), pytest.raises(ConfigError, match=f"UDP port {lowest} can") as caught:
        mux.bind(["127.0.0.1"], (lowest, lowest))
    assert caught.value.param == "webrtc.udp_port_min"
    assert "webrtc.udp_port_max" in caught.value.message


async def test_an_address_that_has_gone_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    (bound,) = mux.bind(["203.0.113.250", "127.0.0.1"], (0, 0))
    assert bound.getsockname()[0] == "127.0.0.1"
    assert "203.0.113.250" in caplog.text
    bound.close()
    with pytest.raises(ConfigError, match="can be bound"):
        mux.bind(["203.0.113.250"], (0, 0))


async def test_the_same_port_is_offered_on_every_address_and_loopback_always() -> None:
    async with IceSockets(NetworkSettings()) as sockets:
        assert {candidate.port for candidate in sockets.candidates} == {sockets.port}
        assert "127.0.0.1" in {candidate.host for candidate in sockets.candidates}


async def test_what_is_advertised_is_offered() -> None:
    async with IceSockets(NetworkSettings(advertised=("203.0.113.7:40000",))) as sockets:
        best = sockets.candidates[0]
        assert (best.host, best.port) == ("203.0.113.7", 40000)


async def test_a_client_over_ipv6_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["::1"])
    if "::1" not in local_addresses():
        pytest.skip("this machine has no IPv6 loopback")
    async with IceSockets(NetworkSettings(interfaces=("::1",))) as sockets:
        call = Served(sockets)
        async with client(sockets, call.agent) as connection:
            await connection.send(b"\x80")
            assert await call.received.get() == b"\x80"
            assert call.agent.remote == ("::1", connection.local_candidates[0].port)


class Router:
    """As Docker's proxy and home routers do it: what comes to the public port goes on from a port of its own."""

    def __init__(self, public: socket.socket, inside: tuple[str, int]) -> None:
        self._public, self._inside_address = public, inside
        self._client: Any = None
        self._inside = udp("127.0.0.1", 0)
        public.setblocking(False)
        asyncio.get_running_loop().add_reader(public, self._inwards)
        self.map_anew()

    def map_anew(self) -> None:
        """Forget the mapping: from now on the client is seen at another address."""
        self._stop_inside()
        self._inside = udp("127.0.0.1", 0)
        self._inside.setblocking(False)
        asyncio.get_running_loop().add_reader(self._inside, self._outwards)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._public)
        self._public.close()
        self._stop_inside()

    @property
    def mapped(self) -> tuple[str, int]:
        host, port = self._inside.getsockname()
        return host, port

    def _stop_inside(self) -> None:
        asyncio.get_running_loop().remove_reader(self._inside)
        self._inside.close()

    def _inwards(self) -> None:
        data, self._client = self._public.recvfrom(2048)
        self._inside.sendto(data, self._inside_address)

    def _outwards(self) -> None:
        self._public.sendto(self._inside.recv(2048), self._client)


async def test_a_server_behind_a_router_is_reached_by_its_advertised_address_and_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.02)
    monkeypatch.setattr(ice, "STALE_S", 0.1)
    public = udp("127.0.0.2", 0)
    host, port = public.getsockname()
    network = NetworkSettings(interfaces=("127.0.0.1",), advertised=(f"{host}:{port}",))
    async with IceSockets(network) as sockets:
        sockets.candidates = sockets.candidates[:1]
        router = Router(public, ("127.0.0.1", sockets.port))
        call = Served(sockets)
        async with client(sockets, call.agent) as connection:
            assert call.agent.remote == router.mapped
            await connection.send(b"\x80 inwards")
            assert await call.received.get() == b"\x80 inwards"
            router.map_anew()
            await until(lambda: call.agent.remote == router.mapped)
            call.agent.send(b"\x80 outwards")
            assert await connection.recv() == b"\x80 outwards"
        router.close()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  what is waited for raises no event
        await asyncio.sleep(0.001)


def udp(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, port))
    return made


def free_range(count: int) -> int:
    """A port that is free with those after it."""
    while True:
        with udp("127.0.0.1", 0) as probe:
            lowest = int(probe.getsockname()[1])
        try:
            for port in range(lowest, lowest + count):
                udp("127.0.0.1", port).close()
        except (OSError, OverflowError):
            continue
        return lowest
