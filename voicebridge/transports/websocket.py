"""A WebSocket as one end of a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voicebridge.core.io import EndCall, Input, Output
from voicebridge.transports.outbox import Outbox
from voicebridge.transports.pacing import EventRate

TOO_SLOW = EndCall(1013, "server_error.slow_consumer")
FAREWELL_S = 1.0


class Codec(Protocol):
    """The client's language: `wire.realtime.RealtimeCodec`."""

    def decode(self, frame: str | bytes) -> Input: ...

    def encode(self, output: Output) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who is told about bytes and drops."""

    received: Callable[[int], None]
    sent: Callable[[int], None]
    dropped: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """`queued_bytes` bounds what waits for a slow client; events over the rate wait, they are not lost."""

    queued_bytes: int
    events_per_s: float
    events_burst: int


class WebSocketPort:
    """Satisfies `runtime.ports.Port` over an accepted Starlette WebSocket."""

    def __init__(self, websocket: WebSocket, codec: Codec, limits: WebSocketLimits, traffic: Traffic) -> None:
        self._websocket = websocket
        self._codec = codec
        self._outbox = Outbox(limits.queued_bytes)
        self._now = asyncio.get_running_loop().time
        self._rate = EventRate(limits.events_per_s, limits.events_burst, self._now())
        self._traffic = traffic
        self._end: EndCall | None = None
        self._patience: asyncio.Timeout | None = None

    async def inputs(self) -> AsyncIterator[Input]:
        while True:
            try:
                message = await self._websocket.receive()
            except (WebSocketDisconnect, RuntimeError):
                return  # gone, or closed by us: Starlette says the second with a RuntimeError
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            frame = message["bytes"] if text is None else text
            self._traffic.received(len(frame))
            yield self._codec.decode(frame)
            delay = self._rate.delay(self._now())
            if delay > 0:
                await asyncio.sleep(delay)  # TCP makes the sender wait

    def send(self, output: Output) -> None:
        frame = self._codec.encode(output)
        if frame is None:
            return
        self._outbox.put(frame)
        if self._outbox.overflowed and self._patience is not None:
            patience, self._patience = self._patience, None  # once: a timeout that has struck takes no other time
            patience.reschedule(self._now())  # the writer hangs on a client that does not read

    def close(self, end: EndCall) -> None:
        self._end = end
        self._outbox.close()

    async def write(self) -> EndCall | None:
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._send_queued()
        except TimeoutError:
            pass  # overflowed
        except (WebSocketDisconnect, RuntimeError, OSError):
            return None  # gone
        finally:
            self._patience = None
            self._outbox.close()  # whatever is still said, nobody hears
        if self._outbox.overflowed:
            self._traffic.dropped(self._outbox.dropped)
            await self._close(TOO_SLOW)
            return TOO_SLOW
        if self._end is not None:
            await self._close(self._end)
        return None

    async def _send_queued(self) -> None:
        while (frame := await self._outbox.get()) is not None:
            self._traffic.sent(len(frame))
            await self._websocket.send_text(frame)

    async def _close(self, end: EndCall) -> None:
        """Say why we close, if that side still listens; one that does not read is not waited for."""
        connected = WebSocketState.CONNECTED
        if self._websocket.application_state is not connected or self._websocket.client_state is not connected:
            return
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._websocket.close(end.code, end.reason)
        except (WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            return  # gone meanwhile
