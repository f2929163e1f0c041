"""CORS for pages that call the REST endpoints from anywhere that is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

METHODS = ("GET", "POST", "PATCH", "DELETE", "OPTIONS")


class AnsweredOptions:
    """Middleware: an OPTIONS request that is no preflight (no Origin, or no method asked for) is answered too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={"allow": ", ".join(METHODS)})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def cors_middleware(allow_origins: Sequence[str]) -> Middleware:
    """Preflights are answered on every path and echo the headers asked for (SDKs send `x-stainless-*` and more).

    `Location`, `Link` and `x-request-id` are exposed: without the first, browser SDKs lose the id of their call, and
    with the second come TURN servers. No cookies are used, so credentials stay off and any origin may be allowed. A
    page on the internet may reach a server on the visitor's own machine: the key is what protects it.
    """
    return Middleware(
        CORSMiddleware,
        allow_origins=tuple(allow_origins),
        allow_methods=METHODS,
        allow_headers=("*",),
        expose_headers=("Location", "Link", "x-request-id"),
        allow_private_network=True,
        max_age=600,
    )
