"""CORS for pages that call the REST endpoints from anywhere that is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware


def cors_middleware(allow_origins: Sequence[str]) -> Middleware:
    """Preflights are answered on every path and echo the headers asked for (SDKs send `x-stainless-*` and more).

    `Location` and `x-request-id` are exposed: without the first, browser SDKs lose the id of their call. No cookies
    are used, so credentials stay off and any origin may be allowed. A page on the internet may reach a server on the
    visitor's own machine: the key is what protects it.
    """
    return Middleware(
        CORSMiddleware,
        allow_origins=tuple(allow_origins),
        allow_methods=("GET", "POST", "OPTIONS"),
        allow_headers=("*",),
        expose_headers=("Location", "x-request-id"),
        allow_private_network=True,
        max_age=600,
    )
