"""`GET /v1/realtime`: WebSocket calls (protocol 1.9)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from voicebridge.audio.listener import Listener
from voicebridge.core.session import LocalSession, SessionLimits
from voicebridge.errors import CapacityReached, ClientError, Unauthorized
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.server_events import ErrorDetails, ErrorEvent
from voicebridge.runtime.call import Call
from voicebridge.runtime.calls import Calls
from voicebridge.runtime.ports import Engine
from voicebridge.server.auth import Authenticator, Ephemeral, Identity, claim, select_subprotocol
from voicebridge.server.opening import OpeningRules, check_beta, close_of, dialect_of, session_of
from voicebridge.server.problems import error_body, problem_response
from voicebridge.state import State
from voicebridge.telemetry.call_meter import CallMeter
from voicebridge.telemetry.metrics import Metrics
from voicebridge.transports.websocket import Traffic, WebSocketLimits, WebSocketPort
from voicebridge.wire.realtime import RealtimeCodec, WireLimits


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What every WebSocket call of this server has in common."""

    session: SessionLimits
    websocket: WebSocketLimits
    wire: WireLimits
    inbox_size: int
    pcm_channels: int
    max_sessions_per_key: int
    lenient_dialect: bool
    auth_http_401: bool


@dataclass(frozen=True, slots=True)
class RealtimeEndpoint:
    """Accepts, refuses and runs WebSocket calls."""

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

    async def handle(self, websocket: WebSocket) -> None:
        if "call_id" in websocket.query_params:
            await _deny_unknown_call(websocket)
            return
        try:
            identity = self._identify(websocket)
            with self.calls.place():
                await self._serve(websocket, identity)
        except ClientError as error:
            await self._refuse(websocket, error)

    def _identify(self, websocket: WebSocket) -> Identity:
        identity = self.authenticator.identify(websocket)
        check_beta(dialect_of(websocket, identity), self.rules)
        return identity

    async def _serve(self, websocket: WebSocket, identity: Identity) -> None:
        dialect = dialect_of(websocket, identity)
        session = session_of(websocket, identity, self.rules, self.ids, self.wall())
        group = f"sessions:{identity.fingerprint}"
        lasts_s = self.rules.max_session_s + 60
        limit = self.settings.max_sessions_per_key
        if not await self.state.enter(group, session.id, limit=limit, ttl_s=lasts_s):
            raise CapacityReached(
                f"This API key has reached its limit of {limit} simultaneous sessions.", code="session_limit_reached"
            )
        try:
            await self._claim(identity)
            await websocket.accept(select_subprotocol(websocket.scope.get("subprotocols", ())))
            codec = RealtimeCodec(
                dialect,
                strictness=self.rules.strictness,
                limits=self.settings.wire,
                lenient=self.settings.lenient_dialect,
            )
            port = WebSocketPort(websocket, codec, self.settings.websocket, self._traffic())
            now = asyncio.get_running_loop().time()
            meter = CallMeter(self.metrics, dialect.value, "websocket", session.id)
            call = Call(
                LocalSession(session, self.ids, self.rules.defaults, self.settings.session, now),
                port,
                self.new_engine(),
                self.new_listener(),
                meter,
                inbox_size=self.settings.inbox_size,
                pcm_channels=self.settings.pcm_channels,
            )
            meter.opened(now)
            await self.calls.run(call)
        except WebSocketDisconnect:
            return  # gone during the handshake
        finally:
            await self.state.leave(group, session.id)

    async def _claim(self, identity: Identity) -> None:
        try:
            await claim(identity, self.state)
        except Unauthorized:
            self.metrics.token_used("used")
            raise
        if isinstance(identity, Ephemeral):
            self.metrics.token_used("accepted")

    def _traffic(self) -> Traffic:
        metrics = self.metrics
        return Traffic(
            received=lambda count: metrics.wire_bytes("in", "websocket", count),
            sent=lambda count: metrics.wire_bytes("out", "websocket", count),
            dropped=lambda count: metrics.dropped("outbound_events", count),
        )

    async def _refuse(self, websocket: WebSocket, error: ClientError) -> None:
        """101, one `error`, and a close that says why: browsers cannot see the status of a handshake (choice 1)."""
        self.metrics.error(error.type, error.code)
        if self.settings.auth_http_401 and isinstance(error, Unauthorized):
            await websocket.send_denial_response(problem_response(error))
            return
        details = ErrorDetails(
            type=error.type, code=error.code, message=error.message, param=error.param, event_id=None
        )
        event = ErrorEvent(event_id=self.ids.new("event"), error=details)
        code, reason = close_of(error)
        try:
            await websocket.accept(select_subprotocol(websocket.scope.get("subprotocols", ())))
            await websocket.send_text(event.model_dump_json())
            await websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # gone before it could be told


async def _deny_unknown_call(websocket: WebSocket) -> None:
    """A sideband joins a running WebRTC or SIP call; this one is not running here (protocol 1.10)."""
    call_id = websocket.query_params["call_id"][:100]
    body = error_body(f"No session found for call_id '{call_id}'.", code="call_id_not_found", param="call_id")
    await websocket.send_denial_response(JSONResponse(body, status_code=404))
