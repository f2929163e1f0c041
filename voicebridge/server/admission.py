"""What opening a call takes, however it is carried: a key, a place, a session, and the parts that run it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from starlette.requests import HTTPConnection

from voicebridge.audio.listener import Listener
from voicebridge.core.session import LocalSession, SessionLimits
from voicebridge.errors import CapacityReached, Unauthorized
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.session_config import Session
from voicebridge.runtime.call import Call
from voicebridge.runtime.calls import Calls
from voicebridge.runtime.ports import Engine, Port
from voicebridge.server.auth import Authenticator, Ephemeral, Identity, claim
from voicebridge.server.opening import OpeningRules, check_beta, dialect_of
from voicebridge.state import State
from voicebridge.telemetry.call_meter import CallMeter
from voicebridge.telemetry.metrics import Metrics
from voicebridge.wire.realtime import RealtimeCodec, WireLimits


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What every call of this server has in common. `sideband_grace_s`: how long one outlives its client."""

    session: SessionLimits
    wire: WireLimits
    lenient_dialect: bool
    inbox_size: int
    pcm_channels: int
    max_sessions_per_key: int
    sideband_grace_s: float


@dataclass(frozen=True, slots=True)
class Admission:
    """Decides who may open a call, and builds it."""

    authenticator: Authenticator
    state: State
    calls: Calls
    rules: OpeningRules
    settings: CallSettings
    new_engine: Callable[[], Engine]
    new_listener: Callable[[], Listener]
    metrics: Metrics
    ids: IdFactory
    wall: Callable[[], float]

    def identify(self, connection: HTTPConnection) -> Identity:
        """Raises Unauthorized, or InvalidEvent for a dialect that is switched off."""
        identity = self.authenticator.identify(connection)
        check_beta(dialect_of(connection, identity), self.rules)
        return identity

    @asynccontextmanager
    async def place(self, identity: Identity) -> AsyncIterator[None]:
        """Hold one of the server's places and one of the key's. Raises CapacityReached."""
        limit = self.settings.max_sessions_per_key
        group, member = f"sessions:{identity.fingerprint}", self.ids.new("place")
        with self.calls.place():
            if not await self.state.enter(group, member, limit=limit, ttl_s=self.holds_s):
                raise CapacityReached(
                    f"This API key has reached its limit of {limit} simultaneous sessions.",
                    code="session_limit_reached",
                )
            try:
                yield
            finally:
                await self.state.leave(group, member)

    @property
    def holds_s(self) -> float:
        """When whatever a call holds may be forgotten, should nobody give it back."""
        return self.rules.max_session_s + 60

    async def claim(self, identity: Identity) -> None:
        """Use up a single-use key; the last step before the call begins. Raises Unauthorized."""
        try:
            await claim(identity, self.state)
        except Unauthorized:
            self.metrics.token_used("used")
            raise
        if isinstance(identity, Ephemeral):
            self.metrics.token_used("accepted")

    def codec(self, dialect: Dialect, *, media: bool = False, max_message_bytes: int | None = None) -> RealtimeCodec:
        """The language of one connection. With `media`, sound travels beside its messages and not in them."""
        return RealtimeCodec(
            dialect,
            strictness=self.rules.strictness,
            limits=self.settings.wire,
            lenient=self.settings.lenient_dialect,
            media=media,
            max_message_bytes=max_message_bytes,
        )

    def new_call(
        self, session: Session, port: Port, dialect: Dialect, transport: Literal["websocket", "webrtc"]
    ) -> Call:
        """A call that must now be run. On WebRTC it is we who play its sound, and others may join it."""
        now = asyncio.get_running_loop().time()
        media = transport == "webrtc"
        call = Call(
            LocalSession(session, self.ids, self.rules.defaults, self.settings.session, now, owns_playback=media),
            port,
            self.new_engine(),
            self.new_listener(),
            meter := CallMeter(self.metrics, dialect.value, transport, session.id),
            inbox_size=self.settings.inbox_size,
            pcm_channels=self.settings.pcm_channels,
            grace_s=self.settings.sideband_grace_s if media else 0.0,
        )
        meter.opened(now)
        return call
