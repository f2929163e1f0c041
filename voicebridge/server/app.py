"""The composition root: builds everything from the settings and wires it together. Clocks are read here."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, WebSocketRoute

from voicebridge.audio.encoding import PCM16_24K
from voicebridge.audio.listener import Listener
from voicebridge.audio.samples import INTERNAL_RATE_HZ
from voicebridge.audio.silero import SileroDetector
from voicebridge.config import LimitsSettings, SessionSettings, Settings, WebRtcSettings
from voicebridge.core.responding import ResponseRules
from voicebridge.core.session import SessionLimits
from voicebridge.errors import ConfigError, EngineUnavailable
from voicebridge.ice_servers import IceServers
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.server_events import RateLimit
from voicebridge.protocol.session_config import SessionDefaults
from voicebridge.protocol.validation import Strictness
from voicebridge.runtime.calls import Calls
from voicebridge.runtime.ports import Engine
from voicebridge.runtime.window_batch import WindowBatch
from voicebridge.server.admission import Admission, CallSettings
from voicebridge.server.auth import Authenticator
from voicebridge.server.client_secrets import ClientSecrets
from voicebridge.server.console import KeylessAccess, console_routes
from voicebridge.server.engines import Engines, running_engines
from voicebridge.server.open_calls import OpenCalls
from voicebridge.server.opening import OpeningRules
from voicebridge.server.ops import Readiness, ops_routes
from voicebridge.server.paths import CollapsedSlashes
from voicebridge.server.problems import exception_handlers, http_middleware
from voicebridge.server.realtime import RealtimeEndpoint
from voicebridge.server.tokens import TokenSigner
from voicebridge.server.webrtc import WebRtcEndpoint, process_counts
from voicebridge.state import InMemoryState
from voicebridge.telemetry.metrics import Metrics
from voicebridge.transports.webrtc.addresses import NetworkSettings
from voicebridge.transports.webrtc.endpoint import WebRtc
from voicebridge.transports.webrtc.mux import IceSockets
from voicebridge.transports.webrtc.port import PortLimits
from voicebridge.transports.websocket import WebSocketLimits
from voicebridge.wire.realtime import WireLimits

_log = logging.getLogger(__name__)

AMPLE_RATE_LIMITS = (
    RateLimit(name="requests", limit=100_000, remaining=99_999, reset_seconds=0.0),
    RateLimit(name="tokens", limit=10_000_000, remaining=9_990_000, reset_seconds=0.0),
)
"""What `rate_limits.updated` tells: nothing is rationed here, and clients expect the event (choice 9)."""


PREFIXES = ("/v1", "/openai/v1", "/openai")
"""OpenAI's own, and the two of Azure's."""


def create_app(settings: Settings) -> Starlette:
    """The ASGI application. `state.readiness()`, `state.drain()` and `state.problem()` are for whoever runs it.

    The last gives the ConfigError for which it could not start; servers only say that it did not.
    """
    server = _Server(settings)
    app = Starlette(
        routes=server.routes(),
        middleware=[Middleware(CollapsedSlashes), *http_middleware(settings.server.cors_allow_origins)],
        exception_handlers=exception_handlers(server.metrics.error),
        lifespan=server.lifespan,
    )
    app.state.readiness = server.readiness
    app.state.drain = server.drain
    app.state.problem = lambda: server.problem
    return app


class _Server:
    """The parts that live as long as the server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.metrics = Metrics()
        self._ids = IdFactory()
        secret = settings.server.token_secret
        self._signer = TokenSigner(secret.get_secret_value() if secret else secrets.token_urlsafe(32))
        self._authenticator = Authenticator(
            settings.server.api_keys, self._signer, time.time, allow_query=settings.server.query_api_key
        )
        self._calls = Calls(settings.limits.max_sessions)
        self._windows = WindowBatch()
        self._defaults = session_defaults(settings.session)
        self._strictness = Strictness(settings.session.strict_unknown, _report_unknown)
        self._state = InMemoryState(time.time)
        self._open_calls = OpenCalls(self._calls, self._state, secrets.token_hex(8))
        self._admission = self._new_admission()
        self._engines: Engines | None = None
        self._webrtc: WebRtc | None = None
        self.metrics.media.watch(self._open_calls.media, self._process_counts)
        self.problem: ConfigError | None = None

    def _process_counts(self) -> Mapping[str, int]:
        return process_counts(self._webrtc) if self._webrtc is not None else {}

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            engines = running_engines(self._settings.engine, self.metrics, local_time)
            self._engines = await stack.enter_async_context(engines)
            self.metrics.watch_tasks(lambda: len(asyncio.all_tasks()))
            await asyncio.to_thread(SileroDetector)  # the detector's model loads now, not in somebody's first call
            if self._settings.webrtc.enabled:
                try:
                    self._webrtc = await stack.enter_async_context(new_webrtc(self._settings))
                except ConfigError as error:
                    self.problem = error
                    raise
            await stack.enter_async_context(self._calls.running())
            yield

    def readiness(self) -> Readiness:
        if self._calls.draining:
            return Readiness("draining")
        return self._engines.readiness() if self._engines else Readiness("starting")

    async def drain(self) -> None:
        await self._calls.drain(self._settings.server.drain_s)

    def routes(self) -> list[BaseRoute]:
        sockets, webrtc, minting = self._sockets(), self._webrtc_endpoint(), self._minting()
        metrics_auth = self._authenticator if self._settings.server.metrics_require_key else None
        paths = ("/v1/realtime", "/openai/v1/realtime", "/openai/realtime")
        return [
            *(WebSocketRoute(path, sockets.handle) for path in paths),
            *(route for prefix in PREFIXES for route in (*minting.routes(prefix), *webrtc.routes(prefix))),
            *ops_routes(self.metrics, self.readiness, metrics_auth=metrics_auth),
            *console_routes(self._keyless_access()),
        ]

    def _new_engine(self) -> Engine:
        if self._engines is None:
            raise EngineUnavailable("The server is still starting; try again in a moment.")
        return self._engines.new()

    def _new_listener(self) -> Listener:
        detector = SileroDetector()
        return Listener(PCM16_24K, detector, soon=self._windows.admit(detector))

    def _new_admission(self) -> Admission:
        settings = self._settings
        return Admission(
            authenticator=self._authenticator,
            state=self._state,
            calls=self._calls,
            rules=OpeningRules(
                defaults=self._defaults,
                strictness=self._strictness,
                allowed_models=settings.session.allowed_models,
                beta_enabled=settings.server.beta_enabled,
                max_session_s=settings.session.max_session_s,
            ),
            settings=call_settings(settings),
            new_engine=self._new_engine,
            new_listener=self._new_listener,
            metrics=self.metrics,
            ids=self._ids,
            wall=time.time,
        )

    def _sockets(self) -> RealtimeEndpoint:
        limits = self._settings.limits
        return RealtimeEndpoint(
            admission=self._admission,
            open_calls=self._open_calls,
            limits=WebSocketLimits(limits.outbound_queue_bytes, limits.max_events_per_s, limits.max_events_burst),
            auth_http_401=self._settings.server.ws_auth_http_401,
        )

    def _webrtc_endpoint(self) -> WebRtcEndpoint:
        return WebRtcEndpoint(
            admission=self._admission,
            open_calls=self._open_calls,
            webrtc=lambda: self._webrtc,
            ice_servers=IceServers(self._settings.webrtc),
            ttl_s=self._settings.webrtc.turn_ttl_s,
            max_body_bytes=self._settings.limits.max_body_bytes,
        )

    def _keyless_access(self) -> KeylessAccess:
        server = self._settings.server
        key_hashes = () if server.console_requires_key else server.api_keys
        return KeylessAccess(self._signer, key_hashes, server.host, time.time)

    def _minting(self) -> ClientSecrets:
        return ClientSecrets(
            authenticator=self._authenticator,
            signer=self._signer,
            ids=self._ids,
            defaults=self._defaults,
            strictness=self._strictness,
            settings=self._settings.tokens,
            metrics=self.metrics,
            wall=time.time,
            max_body_bytes=self._settings.limits.max_body_bytes,
            beta_enabled=self._settings.server.beta_enabled,
        )


def session_defaults(session: SessionSettings) -> SessionDefaults:
    return SessionDefaults(
        model=session.model,
        instructions=session.instructions,
        voice=session.voice,
        threshold=session.threshold,
        prefix_padding_ms=session.prefix_padding_ms,
        silence_duration_ms=session.silence_duration_ms,
        max_output_tokens=session.max_output_tokens,
        transcription_model=session.transcription_model,
        model_aliases=session.model_aliases,
        allowed_pcm_rates=session.allow_pcm_rates,
    )


def call_settings(settings: Settings) -> CallSettings:
    limits, session = settings.limits, settings.session
    return CallSettings(
        session=session_limits(limits, session),
        wire=WireLimits(limits.max_append_bytes),
        lenient_dialect=session.lenient_dialect,
        inbox_size=limits.inbox_size,
        pcm_channels=session.pcm_channels,
        max_sessions_per_key=limits.max_sessions_per_key,
        sideband_grace_s=settings.webrtc.sideband_grace_s,
    )


def network_settings(webrtc: WebRtcSettings) -> NetworkSettings:
    return NetworkSettings(
        udp_ports=webrtc.udp_ports,
        advertised=webrtc.advertised_addresses,
        advertise_local=webrtc.advertise_local,
        interfaces=webrtc.interfaces,
    )


async def check_network(settings: Settings) -> None:
    """Raises ConfigError where WebRTC's sockets could not be bound: better said before a server announces itself."""
    if settings.webrtc.enabled:
        async with IceSockets(network_settings(settings.webrtc)):
            return


def new_webrtc(settings: Settings) -> WebRtc:
    webrtc = settings.webrtc
    return WebRtc(
        network_settings(webrtc),
        PortLimits(
            connect_timeout_s=webrtc.connect_timeout_s,
            disconnect_timeout_s=webrtc.disconnect_timeout_s,
            queued_bytes=settings.limits.outbound_queue_bytes,
            max_queued=int(webrtc.max_queued_audio_s * INTERNAL_RATE_HZ),
        ),
        time.time,
    )


def session_limits(limits: LimitsSettings, session: SessionSettings) -> SessionLimits:
    buffered = int(limits.max_buffered_audio_s * INTERNAL_RATE_HZ)
    return SessionLimits(
        max_session_s=session.max_session_s,
        max_items=limits.max_items,
        max_buffered=buffered,
        max_kept=buffered,
        max_characters=limits.max_conversation_characters,
        responses=ResponseRules(
            max_aside=limits.max_concurrent_responses,
            queue_second=session.queue_second_response,
            rate_limits=AMPLE_RATE_LIMITS if session.rate_limits_event else (),
        ),
    )


def local_time() -> str:
    """Now, in ISO 8601 with the offset of this machine's zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _report_unknown(path: str) -> None:
    _log.warning("a client sent a member that the protocol does not know; it is ignored", extra={"param": path})
