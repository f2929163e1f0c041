"""Endpoints for those who run the server: is it alive, can it serve, what has it done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from voicebridge.server.auth import Authenticator
from voicebridge.telemetry.metrics import Metrics

ReadyState = Literal["starting", "loading", "ready", "draining", "failed"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether new calls are taken and answered, and why not.

    `progress` is 0 to 1 while models load; `detail` says what is going on in words; `parts` names the state of each
    worker or model.
    """

    state: ReadyState
    detail: str = ""
    progress: float | None = None
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return self.state == "ready"


def ops_routes(
    metrics: Metrics, readiness: Callable[[], Readiness], *, metrics_auth: Authenticator | None = None
) -> list[Route]:
    """/healthz, /readyz, /metrics. With `metrics_auth`, /metrics asks for a standard API key."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_UNCACHED)

    async def readyz(_request: Request) -> Response:
        now = readiness()
        body = {"ready": now.ready, **{name: value for name, value in asdict(now).items() if value not in (None, "")}}
        return JSONResponse(body, status_code=200 if now.ready else 503, headers=_UNCACHED)

    async def exposition(request: Request) -> Response:
        if metrics_auth is not None:
            metrics_auth.require_standard(request)
        body, content_type = metrics.exposition()
        return Response(body, headers={"content-type": content_type, **_UNCACHED})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)]


_UNCACHED = {"cache-control": "no-store"}
