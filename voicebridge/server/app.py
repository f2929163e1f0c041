"""The composition root: builds everything from the settings and wires it together. Clocks are read here."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, WebSocketRoute

from voicebridge.audio.encoding import PCM16_24K
from voicebridge.audio.listener import Listener
from voicebridge.audio.samples import INTERNAL_RATE_HZ
from voicebridge.audio.silero import SileroDetector
from voicebridge.config import LimitsSettings, SessionSettings, Settings
from voicebridge.core.responding import ResponseRules
from voicebridge.core.session import SessionLimits
from voicebridge.errors import EngineUnavailable
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.server_events import RateLimit
from voicebridge.protocol.session_config import SessionDefaults
from voicebridge.protocol.validation import Strictness
from voicebridge.runtime.calls import Calls
from voicebridge.runtime.ports import Engine
from voicebridge.server.auth import Authenticator
from voicebridge.server.client_secrets import ClientSecrets
from voicebridge.server.engines import Engines, running_engines
from voicebridge.server.opening import OpeningRules
from voicebridge.server.ops import Readiness, ops_routes
from voicebridge.server.paths import CollapsedSlashes
from voicebridge.server.problems import exception_handlers, http_middleware
from voicebridge.server.realtime import CallSettings, RealtimeEndpoint
from voicebridge.server.tokens import TokenSigner
from voicebridge.state import InMemoryState
from voicebridge.telemetry.metrics import Metrics
from voicebridge.transports.websocket import WebSocketLimits
from voicebridge.wire.realtime import WireLimits

_log = logging.getLogger(__name__)

AMPLE_RATE_LIMITS = (
    RateLimit(name="requests", limit=100_000, remaining=99_999, reset_seconds=0.0),
    RateLimit(name="tokens", limit=10_000_000, remaining=9_990_000, reset_seconds=0.0),
)
"""What `rate_limits.updated` tells: nothing is rationed here, and clients expect the event (choice 9)."""


def create_app(settings: Settings) -> Starlette:
    """The ASGI application. `state.readiness()` and `state.drain()` are for whoever runs it."""
    server = _Server(settings)
    app = Starlette(
        routes=server.routes(),
        middleware=[Middleware(CollapsedSlashes), *http_middleware(settings.server.cors_allow_origins)],
        exception_handlers=exception_handlers(server.metrics.error),
        lifespan=server.lifespan,
    )
    app.state.readiness = server.readiness
    app.state.drain = server.drain
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
        self._defaults = session_defaults(settings.session)
        self._strictness = Strictness(settings.session.strict_unknown, _report_unknown)
        self._engines: Engines | None = None

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with running_engines(self._settings.engine, self.metrics, local_time) as self._engines:
            self.metrics.watch_tasks(lambda: len(asyncio.all_tasks()))
            await asyncio.to_thread(_new_listener)  # the detector's model loads now, not in somebody's first call
            yield
            await self._calls.drain(0)

    def readiness(self) -> Readiness:
        if self._calls.draining:
            return Readiness("draining")
        return self._engines.readiness() if self._engines else Readiness("starting")

    async def drain(self) -> None:
        await self._calls.drain(self._settings.server.drain_s)

    def routes(self) -> list[BaseRoute]:
        endpoint, minting = self._endpoint(), self._minting()
        metrics_auth = self._authenticator if self._settings.server.metrics_require_key else None
        sockets = ("/v1/realtime", "/openai/v1/realtime", "/openai/realtime")
        return [
            *(WebSocketRoute(path, endpoint.handle) for path in sockets),
            *minting.routes("/v1"),
            *minting.routes("/openai/v1"),
            *minting.routes("/openai"),
            *ops_routes(self.metrics, self.readiness, metrics_auth=metrics_auth),
        ]

    def _new_engine(self) -> Engine:
        if self._engines is None:
            raise EngineUnavailable("The server is still starting; try again in a moment.")
        return self._engines.new()

    def _endpoint(self) -> RealtimeEndpoint:
        settings = self._settings
        return RealtimeEndpoint(
            authenticator=self._authenticator,
            state=InMemoryState(time.time),
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
            new_listener=_new_listener,
            metrics=self.metrics,
            ids=self._ids,
            wall=time.time,
        )

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
        websocket=WebSocketLimits(limits.outbound_queue_bytes, limits.max_events_per_s, limits.max_events_burst),
        wire=WireLimits(limits.max_append_bytes),
        inbox_size=limits.inbox_size,
        pcm_channels=session.pcm_channels,
        max_sessions_per_key=limits.max_sessions_per_key,
        lenient_dialect=session.lenient_dialect,
        auth_http_401=settings.server.ws_auth_http_401,
    )


def session_limits(limits: LimitsSettings, session: SessionSettings) -> SessionLimits:
    buffered = int(limits.max_buffered_audio_s * INTERNAL_RATE_HZ)
    return SessionLimits(
        max_session_s=session.max_session_s,
        max_items=limits.max_items,
        max_buffered=buffered,
        max_kept=buffered,
        responses=ResponseRules(
            max_aside=limits.max_concurrent_responses,
            queue_second=session.queue_second_response,
            rate_limits=AMPLE_RATE_LIMITS if session.rate_limits_event else (),
        ),
    )


def local_time() -> str:
    """Now, in ISO 8601 with the offset of this machine's zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _new_listener() -> Listener:
    return Listener(PCM16_24K, SileroDetector())


def _report_unknown(path: str) -> None:
    _log.warning("a client sent a member that the protocol does not know; it is ignored", extra={"param": path})
