"""The console: the page at `/`, its files, and a key for whoever sits at this machine.

The page is static: the files of `web/`, each under its own name and nothing else. It needs an ephemeral key to open a
call. Where a server listens on loopback only, its page gets one without asking for an API key; every other page has to
be given a key by its user.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voicebridge.config import fingerprint, is_loopback
from voicebridge.errors import Forbidden
from voicebridge.server.tokens import TokenSigner, new_grant

_log = logging.getLogger(__name__)

TOKEN_TTL_S = 60
"""A page asks for a key each time it connects."""

_PACKAGE = Path(__file__).parents[1]
WEB_DIRECTORIES = (_PACKAGE / "_web", _PACKAGE.parent / "web")
"""Where the files are: inside an installed package, beside it in a checkout."""

_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Written down, because what `mimetypes` says depends on the machine, and browsers refuse modules of another type."""

_SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",  # worklets count as scripts
    "style-src": "'self'",
    "connect-src": "'self'",  # of the page's own host and port, ws: and wss: included
    "img-src": "'self' data: blob:",  # pictures that the user attaches
    "media-src": "'self' blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
_PAGE_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "; ".join(f"{what} {whence}" for what, whence in _SOURCES.items()),
    "permissions-policy": "microphone=(self), camera=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_UNCACHED = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

# What proxies add to a request. One that adds nothing and speaks HTTP/1.1 cannot be told from a browser: behind such a
# one `server.console_requires_key` has to be set.
_FORWARDING = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"})


@dataclass(frozen=True, slots=True)
class KeylessAccess:
    """Ephemeral keys for pages that need not know an API key.

    `key_hashes` are those of the server's API keys (`voicebridge.config.hash_key`): a key given out counts as asked
    for by the first one; without any nobody gets one. `bound_host` is the address the server listens on; `wall` gives
    Unix seconds.
    """

    signer: TokenSigner
    key_hashes: Sequence[str]
    bound_host: str
    wall: Callable[[], float]

    def refusal(self, request: Request) -> str | None:
        """Why this request needs an API key; None when it does not.

        Only a page of this server, open in a browser on this machine, does without. A name that somebody made to
        resolve to 127.0.0.1 is not such a page (its Host is another), and what a proxy on this machine hands on is
        not either.
        """
        if not self.key_hashes:
            return "This server's console takes a key."
        if not is_loopback(self.bound_host):
            return "This server can be reached from other machines."
        if request.client is None or not is_loopback(request.client.host):
            return "You are calling from another machine."
        if request.scope["http_version"] == "1.0" or not _FORWARDING.isdisjoint(request.headers.keys()):
            return "Your request came through a proxy."
        if not is_loopback(_host_name(request.headers.get("host", ""))):
            return "Your request names another host than localhost."
        return None

    def mint(self) -> tuple[str, int]:
        """A fresh ephemeral key, and the Unix second in which it expires."""
        now = self.wall()
        grant = new_grant(
            kind="realtime",
            minted_in="ga",
            session={"type": "realtime"},
            ttl_s=TOKEN_TTL_S,
            single_use=False,
            issuer=fingerprint(self.key_hashes[0]),
            now_wall=now,
        )
        return self.signer.mint(grant, now), grant.expires_at


def console_routes(access: KeylessAccess, *, web: Path | None = None) -> list[BaseRoute]:
    """The page at `/`, its files beside it, `GET /console/access` and `POST /console/token`.

    `web` is the directory with the page, found by itself when not given. Whatever lies in it when the server starts is
    served, read anew each time. Without one there is no page, and a line in the log.
    """

    async def told(request: Request) -> Response:
        """Whether the page has to ask its user for an API key."""
        return JSONResponse({"key_required": access.refusal(request) is not None}, headers=_UNCACHED)

    async def token(request: Request) -> Response:
        """An ephemeral key for the page. Raises `Forbidden` (`console_key_required`)."""
        reason = access.refusal(request) or _foreign_page(request)
        if reason is not None:
            raise Forbidden(f"{reason} Use an API key: POST /v1/realtime/client_secrets.", code="console_key_required")
        value, expires_at = access.mint()
        return JSONResponse({"value": value, "expires_at": expires_at}, headers=_UNCACHED)

    directory = web or next((path for path in WEB_DIRECTORIES if path.is_dir()), None)
    if directory is None:
        _log.warning("the console's files are missing; there is no page at /")
        return []
    return [
        Route("/console/access", told),
        Route("/console/token", token, methods=["POST"]),
        *(Route(path, _file(file)) for path, file in _served(directory).items()),
    ]


def _served(directory: Path) -> Mapping[str, Path]:
    """URL path → file. Nothing that is asked for ever becomes part of a file name."""
    files = sorted(
        file
        for file in directory.iterdir()
        if file.suffix in _CONTENT_TYPES and not file.name.startswith(".") and file.is_file()
    )
    return {"/" if file.name == "index.html" else f"/{file.name}": file for file in files}


def _file(path: Path) -> Callable[[Request], Response]:
    """Starlette runs a plain function in a thread, where reading a file holds up nobody."""

    def serve(request: Request) -> Response:
        body = path.read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {**_PAGE_HEADERS, "content-type": _CONTENT_TYPES[path.suffix], "etag": etag}
        known = request.headers.get("if-none-match", "")
        if etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers)

    return serve


def _foreign_page(request: Request) -> str | None:
    """Why the page that sent this is none of ours. Browsers always send Origin with a POST, and pages cannot set it."""
    ours = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if request.headers.get("origin") != ours or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return "Your request comes from another page."
    return None


def _host_name(host: str) -> str:
    """The name in a Host header, without its port; empty if it cannot be read."""
    try:
        parts = urlsplit(f"//{host}")
        named = parts.hostname if parts.netloc == host and parts.username is None else None
    except ValueError:
        return ""
    return named or ""
