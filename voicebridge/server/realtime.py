"""`GET /v1/realtime`: WebSocket calls, and WebSockets that join a call (protocol 1.9, 1.10)."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voicebridge.errors import ClientError, NotFound, Unauthorized
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.server_events import ErrorDetails, ErrorEvent
from voicebridge.server.admission import Admission
from voicebridge.server.auth import Identity, select_subprotocol
from voicebridge.server.open_calls import OpenCalls
from voicebridge.server.opening import asks_for_beta, check_beta, close_of, dialect_of, session_of_socket
from voicebridge.server.problems import problem_response
from voicebridge.transports.websocket import Traffic, WebSocketLimits, WebSocketPort
from voicebridge.wire.realtime import RealtimeCodec


@dataclass(frozen=True, slots=True)
class RealtimeEndpoint:
    """Accepts, refuses and runs WebSocket calls, and lets sidebands join the calls of other transports."""

    admission: Admission
    open_calls: OpenCalls
    limits: WebSocketLimits
    auth_http_401: bool

    async def handle(self, websocket: WebSocket) -> None:
        try:
            if "call_id" in websocket.query_params:
                await self._join(websocket)
            else:
                await self._serve(websocket, self.admission.identify(websocket))
        except ClientError as error:
            await self._refuse(websocket, error)
        except WebSocketDisconnect:
            return  # gone during the handshake

    async def _serve(self, websocket: WebSocket, identity: Identity) -> None:
        admission = self.admission
        dialect = dialect_of(websocket, identity)
        async with admission.place(identity):
            session = session_of_socket(websocket, identity, admission.rules, admission.ids, admission.wall())
            await admission.claim(identity)
            port = await self._accepted(websocket, admission.codec(dialect), "websocket")
            await admission.calls.run(admission.new_call(session, port, dialect, "websocket"))

    async def _join(self, websocket: WebSocket) -> None:
        """One more party for a running call (protocol 1.10): only by the standard key that it belongs to."""
        admission = self.admission
        owner = admission.authenticator.require_standard(websocket)
        call, opened = self.open_calls.of(websocket.query_params["call_id"], owner)
        dialect = Dialect.BETA if asks_for_beta(websocket) else opened.dialect
        check_beta(dialect, admission.rules)
        port = await self._accepted(websocket, admission.codec(dialect, media=True), "sideband")
        with admission.metrics.sideband(dialect.value):
            await call.join(port)

    async def _accepted(self, websocket: WebSocket, codec: RealtimeCodec, transport: str) -> WebSocketPort:
        await websocket.accept(select_subprotocol(websocket.scope.get("subprotocols", ())))
        metrics = self.admission.metrics
        traffic = Traffic(
            received=lambda count: metrics.wire_bytes("in", transport, count),
            sent=lambda count: metrics.wire_bytes("out", transport, count),
            dropped=lambda count: metrics.dropped("outbound_events", count),
        )
        return WebSocketPort(websocket, codec, self.limits, traffic)

    async def _refuse(self, websocket: WebSocket, error: ClientError) -> None:
        """101, one `error`, and a close that says why: browsers cannot see the status of a handshake (choice 1).

        Who looks for a call that is not there sees 404, as the service does it (protocol 1.9).
        """
        admission = self.admission
        admission.metrics.error(error.type, error.code)
        if isinstance(error, NotFound) or (self.auth_http_401 and isinstance(error, Unauthorized)):
            await websocket.send_denial_response(problem_response(error))
            return
        details = ErrorDetails(
            type=error.type, code=error.code, message=error.message, param=error.param, event_id=None
        )
        event = ErrorEvent(event_id=admission.ids.new("event"), error=details)
        code, reason = close_of(error)
        try:
            if websocket.application_state is WebSocketState.CONNECTING:
                await websocket.accept(select_subprotocol(websocket.scope.get("subprotocols", ())))
            await websocket.send_text(event.model_dump_json())
            await websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # gone before it could be told
