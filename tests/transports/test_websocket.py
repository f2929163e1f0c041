"""The WebSocket end of a call over a real socket: uvicorn on one side, the websockets client on the other."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicebridge.core.io import AudioAppended, ClientFault, Emit, EndCall, FromClient, Input
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.server_events import InputAudioBufferCleared, TranscriptionDelta
from voicebridge.transports.websocket import TOO_SLOW, Traffic, WebSocketLimits, WebSocketPort
from voicebridge.wire.realtime import RealtimeCodec

CLEARED = Emit(InputAudioBufferCleared(event_id="event_1"))
LONG = Emit(TranscriptionDelta(event_id="event_2", item_id="item_1", content_index=0, delta="x" * 100_000))
CLEAR = json.dumps({"type": "input_audio_buffer.clear"})


@dataclass
class Served:
    """What one connection's port saw."""

    url: str
    inputs: asyncio.Queue[Input | None] = field(default_factory=asyncio.Queue)
    ports: asyncio.Queue[WebSocketPort] = field(default_factory=asyncio.Queue)
    ends: asyncio.Queue[EndCall | None] = field(default_factory=asyncio.Queue)
    received: int = 0
    sent: int = 0
    dropped: int = 0

    def count(self, name: str) -> Callable[[int], None]:
        return lambda count: setattr(self, name, getattr(self, name) + count)

    async def serve(self, websocket: WebSocket, limits: WebSocketLimits) -> None:
        """Read and write as a call does, until the writer ends."""
        await websocket.accept()
        traffic = Traffic(self.count("received"), self.count("sent"), self.count("dropped"))
        port = WebSocketPort(websocket, RealtimeCodec(Dialect.GA), limits, traffic)
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(self._read(port))
            await self.ports.put(port)
            await self.ends.put(await port.write())
            reader.cancel()

    async def _read(self, port: WebSocketPort) -> None:
        async for given in port.inputs():
            await self.inputs.put(given)
        await self.inputs.put(None)


@asynccontextmanager
async def served(limits: WebSocketLimits | None = None) -> AsyncIterator[Served]:
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # so that a client that does not read is soon felt
    seen = Served(f"ws://127.0.0.1:{bound.getsockname()[1]}/")
    effective = limits or WebSocketLimits(queued_bytes=1_000_000, events_per_s=1_000, events_burst=1_000)

    async def endpoint(websocket: WebSocket) -> None:
        await seen.serve(websocket, effective)

    app = Starlette(routes=[WebSocketRoute("/", endpoint)])
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server._serve([bound]))
        yield seen
        server.should_exit = True
        await task


async def closed(client: ClientConnection) -> tuple[int | None, str]:
    """The code and reason that the server closes with, after everything else it says."""
    try:
        while True:
            await client.recv()
    except ConnectionClosed as end:
        return (end.rcvd.code, end.rcvd.reason) if end.rcvd else (None, "")


async def test_frames_become_inputs_and_outputs_frames_in_order() -> None:
    async with served() as server, connect(server.url) as client:
        await client.send(CLEAR)
        await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA"}))
        await client.send(b"\x00\x01")
        await client.send("{")
        port = await server.ports.get()
        kinds = [type(await server.inputs.get()) for _ in range(4)]
        assert kinds == [FromClient, AudioAppended, ClientFault, ClientFault]
        for _ in range(3):
            port.send(LONG)
            port.send(CLEARED)
        names = [json.loads(await client.recv())["type"].split(".")[-1] for _ in range(6)]
        assert names == ["delta", "cleared"] * 3
        assert server.received > len(CLEAR)
        assert server.sent > 300_000


async def test_a_close_follows_everything_that_was_said_before() -> None:
    async with served() as server, connect(server.url) as client:
        port = await server.ports.get()
        port.send(LONG)
        port.close(EndCall(1001, "because"))
        port.send(CLEARED)
        assert json.loads(await client.recv())["delta"] == "x" * 100_000
        assert await closed(client) == (1001, "because")
        assert await server.ends.get() is None


async def test_a_client_that_says_goodbye_ends_its_inputs() -> None:
    async with served() as server:
        async with connect(server.url) as client:
            port = await server.ports.get()
            await client.send(CLEAR)
        assert isinstance(await server.inputs.get(), FromClient)
        assert await server.inputs.get() is None
        port.send(CLEARED)
        port.close(EndCall(1000, "client gone"))
        assert await server.ends.get() is None


async def test_a_connection_that_breaks_ends_both_directions() -> None:
    async with served() as server:
        client = await connect(server.url)
        port = await server.ports.get()
        client.transport.abort()
        assert await server.inputs.get() is None
        for _ in range(20):  # far more than may be queued: the writer is gone, and nobody is bothered
            port.send(LONG)
        assert await server.ends.get() in (None, TOO_SLOW)
        port.send(LONG)


def stalled() -> Any:
    """A client that reads nothing until it is asked to: small buffers, one message ahead."""
    return {"max_queue": 1, "max_size": None, "close_timeout": 0.1}


async def test_a_client_that_does_not_read_is_given_up_and_told_when_it_reads_again() -> None:
    limits = WebSocketLimits(queued_bytes=3_000_000, events_per_s=1_000, events_burst=1_000)
    async with served(limits) as server, connect(server.url, **stalled()) as client:
        port = await server.ports.get()
        while not server.dropped:
            port.send(LONG)
            await asyncio.sleep(0)
        assert await closed(client) == (TOO_SLOW.code, TOO_SLOW.reason)
        assert await server.ends.get() == TOO_SLOW
        assert server.dropped >= 1


async def test_a_client_that_never_reads_again_is_not_waited_for() -> None:
    limits = WebSocketLimits(queued_bytes=500_000, events_per_s=1_000, events_burst=1_000)
    async with served(limits) as server:
        client = await connect(server.url, **stalled())
        port = await server.ports.get()
        while server.ends.empty():
            port.send(LONG)
            await asyncio.sleep(0)
        assert await server.ends.get() == TOO_SLOW
        client.transport.abort()


async def test_events_over_the_rate_wait_and_none_is_lost() -> None:
    limits = WebSocketLimits(queued_bytes=1_000, events_per_s=200.0, events_burst=5)
    async with served(limits) as server, connect(server.url) as client:
        began = asyncio.get_running_loop().time()
        for _ in range(25):
            await client.send(CLEAR)
        for _ in range(25):
            assert isinstance(await server.inputs.get(), FromClient)
        assert asyncio.get_running_loop().time() - began >= (25 - 5 - 1) / 200
