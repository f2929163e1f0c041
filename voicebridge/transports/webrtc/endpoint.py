"""The WebRTC side of a server process: one set of sockets, one certificate, one ticker for all its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from voicebridge.transports.webrtc.addresses import NetworkSettings
from voicebridge.transports.webrtc.dtls import Certificate
from voicebridge.transports.webrtc.mux import IceSockets
from voicebridge.transports.webrtc.offer import read_offer
from voicebridge.transports.webrtc.port import Codec, PortLimits, WebRtcPort
from voicebridge.transports.webrtc.ticker import Subscription, Ticker


class WebRtc:
    """Enter it in the server's lifespan; `answer` is for its requests. `wall` is Unix time in seconds."""

    def __init__(self, network: NetworkSettings, limits: PortLimits, wall: Callable[[], float]) -> None:
        self._limits = limits
        self._wall = wall
        self._certificate = Certificate()
        self._sockets = IceSockets(network)
        self._ticker = Ticker()
        self._ports: dict[WebRtcPort, Subscription] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises ConfigError where no socket can be bound."""
        await self._stack.enter_async_context(self._sockets)
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        ticking = tasks.create_task(self._ticker.run())
        self._stack.callback(ticking.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for port in tuple(self._ports):
            port.abandon()
        await self._stack.__aexit__(kind, error, trace)

    @property
    def sockets(self) -> IceSockets:
        return self._sockets

    @property
    def ticker(self) -> Ticker:
        return self._ticker

    def answer(self, offer: str, new_codec: Callable[[int], Codec]) -> WebRtcPort:
        """The port of a new call, its `answer` written, its timers running. Raises InvalidOffer.

        `new_codec` gets the size in bytes of the biggest message that the client takes. Whoever does not run the port
        in a call must `abandon` it.
        """
        read = read_offer(offer)
        if self._certificate.expires_soon(self._wall()):
            self._certificate = Certificate()
        port = WebRtcPort(
            read,
            self._certificate,
            self._sockets,
            new_codec(read.max_message),
            self._limits,
            wall=self._wall,
            gone=self._forget,
        )
        self._ports[port] = self._ticker.add(port.tick, port.failed)
        return port

    def _forget(self, port: WebRtcPort) -> None:
        ticking = self._ports.pop(port, None)
        if ticking is not None:
            self._ticker.remove(ticking)
