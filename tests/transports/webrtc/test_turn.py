"""A client that reaches us through a real TURN server, with the credentials that it gets from us."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import aioice
import pytest
from aioice import turn

from coturn import SECRET, Coturn, coturn
from voicebridge.config import WebRtcSettings
from voicebridge.ice_servers import IceServers
from voicebridge.transports.webrtc.addresses import NetworkSettings
from voicebridge.transports.webrtc.mux import IceSockets


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


def credentials(relay: Coturn, now: float, secret: str = SECRET) -> tuple[str, str]:
    settings = WebRtcSettings.model_validate({"turn_urls": [relay.url], "turn_secret": secret})
    (server,) = IceServers(settings).for_client(now, "rtc_1")
    return server["username"], server["credential"]


def wall() -> float:
    return time.time()  # noqa: TID251  coturn reads the same clock


def client_behind(relay: Coturn, transport: str) -> aioice.Connection:
    """A client that nothing reaches but the relay."""
    username, password = credentials(relay, wall())
    return aioice.Connection(
        ice_controlling=True,
        turn_server=("127.0.0.1", relay.port),
        turn_username=username,
        turn_password=password,
        turn_transport=transport,
        transport_policy=aioice.TransportPolicy.RELAY,
    )


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_goes_through_the_relay_and_all_its_data(relay: Coturn, transport: str) -> None:
    async with IceSockets(NetworkSettings(interfaces=("127.0.0.1",))) as sockets:
        received: asyncio.Queue[bytes] = asyncio.Queue()
        agent = sockets.agent(received.put_nowait)
        client = client_behind(relay, transport)
        client.remote_is_lite = True
        client.remote_username, client.remote_password = agent.ufrag, agent.password
        await client.gather_candidates()
        (relayed,) = client.local_candidates
        assert relayed.type == "relay"
        for candidate in sockets.candidates:
            await client.add_remote_candidate(aioice.Candidate.from_sdp(candidate.as_sdp()))
        await client.add_remote_candidate(None)
        try:
            await client.connect()
            assert agent.remote == (relayed.host, relayed.port)
            for size in (1, 160, 1200):
                await client.send(b"\x80" * size)
                assert await received.get() == b"\x80" * size
                agent.send(b"\x81" * size)
                assert await client.recv() == b"\x81" * size
        finally:
            await client.close()


@pytest.mark.parametrize(("secret", "age_s"), [("another secret", 0.0), (SECRET, 100_000.0)])
async def test_credentials_that_are_wrong_or_over_open_nothing(relay: Coturn, secret: str, age_s: float) -> None:
    username, password = credentials(relay, wall() - age_s, secret)
    with pytest.raises(aioice.stun.TransactionFailed, match="401"):
        await turn.create_turn_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", relay.port), username, password)
