"""One uvicorn server on one or two sockets: plain and TLS, the same application, started and drained once."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn
import uvicorn.config
from starlette.applications import Starlette

from voicebridge.cli.terminal import CommandError, own_command
from voicebridge.config import ServerSettings, Settings
from voicebridge.errors import ConfigError
from voicebridge.server.ops import Readiness

_log = logging.getLogger(__name__)
_BACKLOG = 2048
_CLOSING_S = 5


@dataclass(frozen=True, slots=True)
class Listeners:
    """Bound sockets."""

    plain: socket.socket | None
    tls: socket.socket | None

    @property
    def plain_port(self) -> int | None:
        return _port(self.plain)

    @property
    def tls_port(self) -> int | None:
        return _port(self.tls)


def bind(server: ServerSettings) -> Listeners:
    """Take the ports before anything else is loaded. Raises `CommandError` where one is taken or not allowed."""
    if not server.tls_enabled:
        return Listeners(_bind(server.host, server.port), None)
    if server.port and server.tls_port == server.port:
        return Listeners(None, _bind(server.host, server.port))
    plain = _bind(server.host, server.port)
    return Listeners(plain, _bind(server.host, server.effective_tls_port))


def _bind(host: str, port: int) -> socket.socket:
    host = host.strip("[]")
    try:
        family, _, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        bound = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise CommandError(f"server.host = {host!r} is not an address of this machine: {error}") from error
    except OSError as error:
        raise CommandError(_why_not(host, port, error)) from error
    bound.setblocking(False)
    return bound


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is already in use, perhaps by another voicebridge. "
            f"Stop it, or take another one: {own_command()} serve --port {port + 10}"
        )
    if error.errno == errno.EACCES:
        return f"port {port} may not be used without privileges; take one above 1023: {own_command()} serve --port 8765"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; try --host 127.0.0.1"
    return f"cannot listen on {host}:{port}: {error}"


def _port(bound: socket.socket | None) -> int | None:
    return int(bound.getsockname()[1]) if bound is not None else None


class Server(uvicorn.Server):
    """uvicorn, with a second listener for TLS and a drain before connections are closed.

    `app.state.readiness` (`() -> Readiness`) and `app.state.drain` (`async () -> None`) are the application's side:
    draining refuses new calls, lets running answers finish within `server.drain_s` and closes the calls.
    """

    def __init__(self, app: Starlette, settings: Settings, listeners: Listeners) -> None:
        self._app = app
        self._listeners = listeners
        self._tls_context = _tls_context(settings.server) if listeners.tls is not None else None
        super().__init__(_uvicorn_config(app, settings))

    def loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop] | None:
        return self.config.get_loop_factory()

    def readiness(self) -> Readiness:
        now: Readiness = self._app.state.readiness()
        return now

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        plain = [self._listeners.plain] if self._listeners.plain is not None else []
        await super().serve(sockets if sockets is not None else plain)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._listeners.tls is None:
            return
        loop = asyncio.get_running_loop()
        secure = await loop.create_server(
            self._protocol, sock=self._listeners.tls, ssl=self._tls_context, backlog=_BACKLOG
        )
        self.servers.append(secure)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain while the listeners still answer (health checks, refusals), then let uvicorn close them."""
        _log.info("draining")
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(self._app.state.drain())
            while not draining.done() and not self.force_exit:
                await asyncio.wait({draining}, timeout=0.1)
            draining.cancel()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first signal drains, the second one does not wait. Unlike uvicorn's, they end with us: exit status 0."""
        handled = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, before in handled.items():
                signal.signal(number, before)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signal module's signature
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    def _protocol(self) -> asyncio.Protocol:
        # The class is declared as any Protocol; uvicorn itself calls it like this.
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _uvicorn_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    protocols = uvicorn.config.WS_PROTOCOLS
    server = settings.server
    options: dict[str, Any] = {
        "ws": "websockets-sansio" if "websockets-sansio" in protocols else "websockets",
        "ws_max_size": settings.limits.max_message_bytes,
        "ws_ping_interval": server.ws_ping_interval_s,
        "ws_ping_timeout": server.ws_ping_timeout_s,
        "ws_per_message_deflate": server.ws_compression,
    }
    return uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=settings.log.level == "debug",
        server_header=False,
        timeout_graceful_shutdown=_CLOSING_S,
        **options,
    )


def _tls_context(server: ServerSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    if server.tls_certificate is None or server.tls_key is None:
        raise ConfigError("TLS needs server.tls_certificate and server.tls_key", param="server.tls_certificate")
    try:
        context.load_cert_chain(server.tls_certificate, server.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot use server.tls_certificate = {server.tls_certificate} with server.tls_key = {server.tls_key}: "
            f"{error}",
            param="server.tls_certificate",
        ) from error
    return context
