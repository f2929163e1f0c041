from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from voicebridge import errors
from voicebridge.server.problems import error_body, exception_handlers, http_middleware, problem_response, read_json
from voicebridge.telemetry.logs import request_id


def raising(error: Exception) -> Route:
    async def endpoint(_request: Request) -> Response:
        raise error

    return Route("/raise", endpoint)


async def echo(request: Request) -> Response:
    return JSONResponse(await read_json(request, max_bytes=100))


async def show_id(_request: Request) -> Response:
    return JSONResponse(request_id.get())


async def break_off(_request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise RuntimeError("later")

    return StreamingResponse(body())


def client(*routes: Route) -> httpx.AsyncClient:
    app = Starlette(
        routes=[*routes, Route("/json", echo, methods=["POST"]), Route("/id", show_id), Route("/off", break_off)],
        exception_handlers=exception_handlers(),
        middleware=http_middleware(["https://page.example"]),
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://server")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.InvalidEvent("bad", code="invalid_value", param="session.model"), 400, "invalid_request_error"),
        (errors.Unauthorized("who", code="invalid_api_key"), 401, "invalid_request_error"),
        (errors.Forbidden("no"), 403, "invalid_request_error"),
        (errors.NotFound("where"), 404, "invalid_request_error"),
        (errors.InvalidState("not now"), 409, "invalid_request_error"),
        (errors.UnsupportedType("what"), 415, "invalid_request_error"),
        (errors.TooLarge("long"), 413, "invalid_request_error"),
        (errors.CapacityReached("full"), 503, "server_error"),
        (errors.EngineUnavailable("loading"), 503, "server_error"),
        (errors.EngineError("broken"), 500, "server_error"),
        (errors.UpstreamError("away"), 502, "server_error"),
    ],
)
async def test_our_errors_become_their_status_and_body(error: errors.VoicebridgeError, status: int, kind: str) -> None:
    async with client(raising(error)) as http:
        answer = await http.get("/raise")
    assert answer.status_code == status
    expected = {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}
    assert answer.json() == expected
    assert answer.headers["x-request-id"].startswith("req_")
    assert ("retry-after" in answer.headers) == (status == 503)
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_our_errors_are_counted() -> None:
    counted: list[tuple[str, str | None]] = []
    app = Starlette(
        routes=[raising(errors.Unauthorized("who", code="invalid_api_key"))],
        exception_handlers=exception_handlers(lambda kind, code: counted.append((kind, code))),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as http:
        await http.get("/raise")
    assert counted == [("invalid_request_error", "invalid_api_key")]


def test_every_class_of_error_has_an_answer() -> None:
    pending: list[type[errors.VoicebridgeError]] = [errors.VoicebridgeError]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        assert 400 <= problem_response(kind("x")).status_code < 600


async def test_unknown_paths_and_methods_have_the_same_shape() -> None:
    async with client() as http:
        missing, wrong = await http.get("/nowhere"), await http.delete("/json")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert missing.json()["error"]["message"] == "Invalid URL (GET /nowhere)"
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff\xff", b'{"a": NaN}', b"[" * 99])
async def test_a_body_that_is_no_json_is_a_bad_request(body: bytes) -> None:
    async with client() as http:
        answer = await http.post("/json", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"


async def test_bodies_have_a_limit_and_may_be_empty() -> None:
    async with client() as http:
        at_limit = await http.post("/json", content=b'{"a": "%s"}' % (b"x" * 91))
        over = await http.post("/json", content=b'{"a": "%s"}' % (b"x" * 92))
        empty = await http.post("/json")
    assert at_limit.status_code == 200
    assert (over.status_code, over.json()["error"]["code"]) == (413, "request_too_large")
    assert empty.json() == {}


async def test_unexpected_exceptions_are_logged_once_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with client(raising(RuntimeError("the password is xyzzy"))) as http:
            answer = await http.get("/raise", headers={"origin": "https://page.example"})
    assert answer.status_code == 500
    assert "xyzzy" not in answer.text
    assert answer.json()["error"]["type"] == "server_error"
    assert answer.headers["x-request-id"]
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    traces = [record for record in caplog.records if record.exc_info]
    assert len(traces) == 1


async def test_a_response_that_has_begun_is_broken_off() -> None:
    async with client() as http:
        with pytest.raises(RuntimeError, match="later"):
            await http.get("/off")


async def test_ids_are_made_or_kept_and_known_to_the_handlers() -> None:
    async with client() as http:
        made = await http.get("/id")
        kept = await http.get("/id", headers={"x-request-id": "mine-1"})
        refused = await http.get("/id", headers={"x-request-id": "x" * 200})
    assert made.json() == made.headers["x-request-id"]
    assert kept.json() == kept.headers["x-request-id"] == "mine-1"
    assert refused.headers["x-request-id"] != "x" * 200
    assert request_id.get() is None


@pytest.mark.parametrize("headers", [{}, {"origin": "https://page.example"}])
async def test_options_are_answered_though_they_are_no_preflight(headers: dict[str, str]) -> None:
    async with client() as http:
        for path in ("/json", "/nowhere"):
            answer = await http.options(path, headers=headers)
            assert answer.status_code == 204
            assert "PATCH" in answer.headers["allow"]
            assert ("access-control-allow-origin" in answer.headers) == bool(headers)


async def test_preflights_are_answered_on_every_path_and_echo_what_was_asked_for() -> None:
    asked = "authorization,content-type,openai-beta,x-openai-agents-sdk,x-stainless-arch,x-anything"
    headers = {
        "origin": "https://page.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": asked,
    }
    async with client() as http:
        for path in ("/json", "/nowhere"):
            answer = await http.options(path, headers=headers)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-headers"] == asked
            assert answer.headers["access-control-allow-origin"] == "https://page.example"
            assert {"POST", "PATCH", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
            assert answer.headers["x-request-id"]


async def test_pages_may_read_the_location_and_other_pages_nothing() -> None:
    async with client() as http:
        ours = await http.get("/id", headers={"origin": "https://page.example"})
        other = await http.get("/id", headers={"origin": "https://other.example"})
    exposed = {name.strip().lower() for name in ours.headers["access-control-expose-headers"].split(",")}
    assert exposed == {"location", "link", "x-request-id"}
    assert "access-control-allow-origin" not in other.headers


def test_the_body_always_has_all_four_members() -> None:
    assert error_body("m") == {"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": None}}
