"""The server as `voicebridge serve` runs it, in a thread of its own with a loop of its own, for tests over sockets."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from voicebridge.cli import listening
from voicebridge.config import EngineSettings, LimitsSettings, ServerSettings, SessionSettings, Settings, WebRtcSettings
from voicebridge.server import tls
from voicebridge.server.app import create_app

API_KEY = "sk-test-of-clients"
STARTS_WITHIN_S = 50.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where to reach it. `settle` runs a coroutine function on the server's own loop and returns its result."""

    port: int
    tls_port: int
    certificate: Path
    loop: asyncio.AbstractEventLoop
    api_key: str = API_KEY

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self.tls_port}/v1"

    def tasks(self) -> int:
        """How many tasks the server's loop has now."""
        return asyncio.run_coroutine_threadsafe(_count_tasks(), self.loop).result(10)


async def _count_tasks() -> int:
    return len(asyncio.all_tasks())


class _ThreadServer(listening.Server):
    """Signals belong to the process that runs the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def serving(
    certificates: Path,
    kind: str,
    *,
    limits: LimitsSettings | None = None,
    session: SessionSettings | None = None,
    server: ServerSettings | None = None,
    webrtc: WebRtcSettings | None = None,
    port: int = 0,
) -> Iterator[RunningServer]:
    """Serve on free ports, plain (unless `port` is one) and TLS, until the block ends; the engine is ready inside."""
    certificate = tls.ensure_certificate(certificates, tls.own_names(), datetime.now(UTC))
    settings = Settings(
        engine=EngineSettings.model_validate({"kind": kind}),
        limits=limits or LimitsSettings(),
        session=session or SessionSettings(),
        webrtc=webrtc or WebRtcSettings(),
        server=(server or ServerSettings()).model_copy(
            update={
                "port": port,
                "tls_port": 0,
                "tls_certificate": certificate.certificate,
                "tls_key": certificate.key,
                "drain_s": 0,
            }
        ),
    ).with_api_key(API_KEY)
    listeners = listening.bind(settings.server)
    running = _ThreadServer(create_app(settings), settings, listeners)
    loops: list[asyncio.AbstractEventLoop] = []

    def run() -> None:
        with asyncio.Runner(loop_factory=running.loop_factory()) as runner:
            loops.append(runner.get_loop())
            runner.run(running.serve())

    thread = threading.Thread(target=run, name=f"voicebridge-{kind}")
    thread.start()
    try:
        _await_ready(running, thread)
        yield RunningServer(listeners.plain_port or 0, listeners.tls_port or 0, certificate.certificate, loops[0])
    finally:
        running.should_exit = True
        thread.join(20)
    assert not thread.is_alive(), "the server did not stop"


def _await_ready(server: _ThreadServer, thread: threading.Thread) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S  # noqa: TID251  a test's patience
    while not (server.started and server.readiness().ready):
        assert thread.is_alive(), "the server ended before it was ready"
        assert time.monotonic() < deadline, f"not ready: {server.readiness()}"  # noqa: TID251  a test's patience
        time.sleep(0.02)
