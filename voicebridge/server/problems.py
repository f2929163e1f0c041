"""Errors as HTTP answers: one JSON shape for all of them, and `x-request-id` on every response.

The order of the middleware matters: ids outermost (also for preflights), CORS around the errors (a page must be able
to read them), and the net for unexpected exceptions innermost.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebridge.errors import MalformedEvent, TooLarge, VoicebridgeError
from voicebridge.protocol.json_text import check_depth, json_object
from voicebridge.server.cors import AnsweredOptions, cors_middleware
from voicebridge.telemetry.logs import request_id

_log = logging.getLogger(__name__)

_HTTP_CODES: Mapping[int, str] = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_content_type",
    426: "upgrade_required",
    429: "rate_limit_exceeded",
}


def error_body(
    message: str, *, error_type: str = "invalid_request_error", code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """The body of every failed request."""
    return {"error": {"message": message, "type": error_type, "param": param, "code": code}}


def problem_response(error: VoicebridgeError) -> JSONResponse:
    """The answer to a request that failed with one of our errors: its own status, type, code and parameter."""
    headers = {}
    if error.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.http_status == 503:
        headers["Retry-After"] = "1"
    body = error_body(error.message, error_type=error.type, code=error.code, param=error.param)
    return JSONResponse(body, status_code=error.http_status, headers=headers)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """404, 405 and the like, which Starlette raises."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code in {204, 304}:
        return Response(status_code=error.status_code, headers=error.headers)
    message = error.detail
    if error.status_code == 404:
        message = f"Invalid URL ({request.method} {request.url.path})"
    elif error.status_code == 405 and message == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        message = f"Not allowed to {request.method} on {request.url.path}"
    kind = "server_error" if error.status_code >= 500 else "invalid_request_error"
    body = error_body(message, error_type=kind, code=_HTTP_CODES.get(error.status_code))
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def exception_handlers(
    count: Callable[[str, str | None], None] = lambda _type, _code: None,
) -> dict[Any, Callable[[Request, Exception], Any]]:
    """What Starlette does with exceptions of handlers: `Starlette(exception_handlers=exception_handlers())`.

    `count` is told the type and code of each of our errors (`Metrics.error`).
    """

    async def on_voicebridge_error(_request: Request, error: Exception) -> Response:
        if not isinstance(error, VoicebridgeError):
            raise error
        count(error.type, error.code)
        if error.http_status >= 500:
            _log.warning("request failed: %s", error.message, extra={"code": error.code})
        return problem_response(error)

    return {VoicebridgeError: on_voicebridge_error, HTTPException: _on_http_exception}


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The body. Raises `TooLarge`, as soon as that is certain."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"The body of your request is longer than {max_bytes} bytes.", code="request_too_large")
    return bytes(body)


async def read_json(request: Request, *, max_bytes: int) -> dict[str, Any]:
    """The body, one JSON object of at most `max_bytes`; an empty body counts as an empty object.

    Raises `TooLarge` or `MalformedEvent` (`invalid_json`).
    """
    body = await read_body(request, max_bytes=max_bytes)
    try:
        value = json_object((body or b"{}").decode())
        check_depth(value)
    except (MalformedEvent, UnicodeDecodeError):
        raise MalformedEvent(
            "We could not parse the JSON body of your request. It must be one JSON object in UTF-8.",
            code="invalid_json",
        ) from None
    return value


class RequestIds:
    """Gives each request and handshake an id: in the context for logs, and as `x-request-id` on the response.

    An id that the client sent (up to 128 visible characters) is kept, so that its logs and ours can be joined.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        own_id = _sent_id(scope) or "req_" + secrets.token_hex(16)

        async def send_with_id(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.accept", "websocket.http.response.start"}:
                MutableHeaders(scope=message).setdefault("x-request-id", own_id)
            await send(message)

        token = request_id.set(own_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            request_id.reset(token)


class UnexpectedErrors:
    """The net below every REST handler: an exception nobody foresaw is logged once and becomes a bare 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Exception:  # whatever it is, the caller gets an answer and the log the trace
            _log.exception("unexpected error in %s %s", scope["method"], scope["path"])
            if started:
                raise
            body = error_body(
                "The server had an error while processing your request. Its log has more under the x-request-id of "
                "this response.",
                error_type="server_error",
                code="internal_error",
            )
            await JSONResponse(body, status_code=500)(scope, receive, send)


def http_middleware(cors_allow_origins: Sequence[str]) -> list[Middleware]:
    """All middleware of the server, in order: `Starlette(middleware=http_middleware(...))`."""
    return [
        Middleware(RequestIds),
        cors_middleware(cors_allow_origins),
        Middleware(AnsweredOptions),
        Middleware(UnexpectedErrors),
    ]


def _sent_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and 0 < len(value) <= 128 and all(0x21 <= byte <= 0x7E for byte in value):
            return str(value.decode("ascii"))
    return None
