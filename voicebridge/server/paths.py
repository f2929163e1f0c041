"""Clients that join a base URL and a path carelessly ask for `//realtime`; one slash is what they mean."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile("/{2,}")


class CollapsedSlashes:
    """Middleware: runs of slashes in the path count as one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if "//" in path:
            scope = {**scope, "path": _SLASHES.sub("/", path)}
            scope.pop("raw_path", None)
        await self._app(scope, receive, send)
