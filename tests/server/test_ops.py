from __future__ import annotations

import httpx
from starlette.applications import Starlette

from voicebridge.config import hash_key
from voicebridge.server.auth import Authenticator
from voicebridge.server.ops import Readiness, ops_routes
from voicebridge.server.problems import exception_handlers
from voicebridge.server.tokens import TokenSigner
from voicebridge.telemetry.metrics import Metrics


def client(readiness: Readiness, *, key: str | None = None, metrics: Metrics | None = None) -> httpx.AsyncClient:
    auth = Authenticator([hash_key(key)], TokenSigner("s" * 32), lambda: 0.0) if key else None
    routes = ops_routes(metrics or Metrics(), lambda: readiness, metrics_auth=auth)
    app = Starlette(routes=list(routes), exception_handlers=exception_handlers())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")


async def test_alive_is_not_ready() -> None:
    async with client(Readiness("loading", "speech recognition", 0.4, {"stt": "loading"})) as http:
        alive, ready = await http.get("/healthz"), await http.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert ready.status_code == 503
    assert ready.json() == {
        "ready": False,
        "state": "loading",
        "detail": "speech recognition",
        "progress": 0.4,
        "parts": {"stt": "loading"},
    }
    assert ready.headers["cache-control"] == "no-store"


async def test_ready_says_so() -> None:
    async with client(Readiness("ready")) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "state": "ready", "parts": {}})


async def test_a_draining_server_is_not_ready() -> None:
    async with client(Readiness("draining")) as http:
        assert (await http.get("/readyz")).status_code == 503


async def test_metrics_are_what_prometheus_reads() -> None:
    metrics = Metrics()
    metrics.turn("manual")
    async with client(Readiness("ready"), metrics=metrics) as http:
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'voicebridge_turns_total{kind="manual"} 1.0' in answer.text


async def test_metrics_can_ask_for_a_key() -> None:
    async with client(Readiness("ready"), key="k") as http:
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics", headers={"authorization": "Bearer k"})).status_code == 200
        assert (await http.get("/healthz")).status_code == 200
