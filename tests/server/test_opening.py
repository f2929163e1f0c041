"""The WebSocket handshake: keys, subprotocols, dialects, kinds of session, refusals (protocol 1.2, 1.9, 1.13, 6.3)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from serving import API_KEY, RunningServer, serving
from voicebridge.config import ServerSettings, SessionSettings, fingerprint, hash_key
from voicebridge.server.tokens import TokenSigner, new_grant

SECRET = "a-secret-of-the-tests-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {API_KEY}"}
BETA_HEADER = {"OpenAI-Beta": "realtime=v1"}
BETA_PROTOCOL = "openai-beta.realtime-v1"
MODEL = "/v1/realtime?model=gpt-realtime"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(
        tmp_path_factory.mktemp("tls"), "scripted", server=ServerSettings.model_validate({"token_secret": SECRET})
    ) as one:
        yield one


@dataclass
class Opened:
    """How a connection began and, where the server closed it, how it ended."""

    first: dict[str, Any]
    subprotocol: str | None
    code: int | None = None
    reason: str | None = None

    @property
    def dialect(self) -> str:
        return "ga" if "type" in self.first.get("session", {}) else "beta"


def origin(server: RunningServer) -> str:
    return server.ws_url.removesuffix("/v1")


@asynccontextmanager
async def joined(
    server: RunningServer, path: str, headers: dict[str, str] | None = None, offered: tuple[str, ...] = ()
) -> Any:
    subprotocols = [Subprotocol(one) for one in offered] or None
    async with connect(
        origin(server) + path,
        additional_headers=BEARER if headers is None else headers,
        subprotocols=subprotocols,
        proxy=None,
    ) as websocket:
        yield websocket


async def opened(
    server: RunningServer, path: str = MODEL, headers: dict[str, str] | None = None, offered: tuple[str, ...] = ()
) -> Opened:
    async with joined(server, path, headers, offered) as websocket:
        result = Opened(json.loads(await websocket.recv()), websocket.subprotocol)
        if result.first["type"] == "error":
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.recv()
            assert closed.value.rcvd is not None
            result.code, result.reason = closed.value.rcvd.code, closed.value.rcvd.reason
        return result


def refusal(result: Opened) -> tuple[str | None, str | None, int | None, str | None]:
    error = result.first["error"]
    assert error.keys() == {"type", "code", "message", "param", "event_id"}
    assert result.first["event_id"].startswith("event_")
    assert error["event_id"] is None
    assert error["type"] == "invalid_request_error"
    return error["code"], error["param"], result.code, result.reason


async def minted(server: RunningServer, path: str, body: dict[str, Any] | None = None) -> str:
    async with httpx.AsyncClient(base_url=server.url, headers=BEARER, trust_env=False) as client:
        answer = (await client.post(f"/realtime/{path}", json=body or {})).json()
    value: str = answer.get("value") or answer["client_secret"]["value"]
    return value


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "offered"),
    [
        (BEARER, ()),
        ({"api-key": API_KEY}, ()),
        ({}, ("realtime", f"openai-insecure-api-key.{API_KEY}")),
        ({}, ("realtime", f"openai-insecure-api-key.{API_KEY}", "openai-organization.o", "openai-agents-sdk.1")),
    ],
)
async def test_a_good_key_is_taken_from_where_clients_put_it(
    server: RunningServer, headers: dict[str, str], offered: tuple[str, ...]
) -> None:
    result = await opened(server, MODEL, headers, offered)
    assert result.first["type"] == "session.created"


@pytest.mark.parametrize(
    ("headers", "code", "reason"),
    [
        ({}, None, "invalid_request_error"),
        ({"Authorization": "Basic x"}, None, "invalid_request_error"),
        (bearer("sk-wrong"), "invalid_api_key", "invalid_request_error.invalid_api_key"),
        (bearer("ek_wrong"), "invalid_api_key", "invalid_request_error.invalid_api_key"),
    ],
)
@pytest.mark.parametrize("path", [MODEL, "/v1/realtime", "/v1/realtime?intent=transcription", "/openai/realtime"])
async def test_a_bad_key_is_told_after_the_handshake(
    server: RunningServer, path: str, headers: dict[str, str], code: str | None, reason: str
) -> None:
    assert refusal(await opened(server, path, headers)) == (code, None, 3000, reason)


async def test_a_key_in_the_query_is_not_looked_at(server: RunningServer) -> None:
    result = await opened(server, f"{MODEL}&api_key={API_KEY}", {})
    assert refusal(result)[0] is None


async def test_a_bad_key_can_be_refused_at_the_handshake_instead(tmp_path: Any) -> None:
    with serving(tmp_path, "scripted", server=ServerSettings(ws_auth_http_401=True)) as strict:
        for headers, code in (({}, None), (bearer("sk-wrong"), "invalid_api_key")):
            with pytest.raises(InvalidStatus) as caught:
                await opened(strict, MODEL, headers)
            assert caught.value.response.status_code == 401
            assert json.loads(caught.value.response.body or b"")["error"]["code"] == code
        assert (await opened(strict)).first["type"] == "session.created"
        assert refusal(await opened(strict, "/v1/realtime"))[0] == "missing_model"


# --- subprotocols -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "selected"),
    [
        ((), None),
        (("realtime",), "realtime"),
        ((BETA_PROTOCOL, "realtime"), "realtime"),
        ((f"openai-insecure-api-key.{API_KEY}", "realtime", BETA_PROTOCOL), "realtime"),
        ((BETA_PROTOCOL,), BETA_PROTOCOL),
        ((f"openai-insecure-api-key.{API_KEY}",), None),
    ],
)
async def test_the_protocol_is_selected_and_never_a_key(
    server: RunningServer, offered: tuple[str, ...], selected: str | None
) -> None:
    result = await opened(server, MODEL, BEARER, offered)
    assert result.first["type"].endswith("session.created")
    assert result.subprotocol == selected


async def test_the_protocol_is_selected_for_refusals_too(server: RunningServer) -> None:
    result = await opened(server, MODEL, {}, ("realtime", "openai-insecure-api-key.wrong"))
    assert result.subprotocol == "realtime"
    assert refusal(result)[0] == "invalid_api_key"


# --- what is asked for --------------------------------------------------------------------------------------------


async def test_a_conversation_begins_with_its_session(server: RunningServer) -> None:
    before = time.time()  # noqa: TID251 - a test's clock
    session = (await opened(server)).first["session"]
    assert (session["type"], session["object"], session["model"]) == ("realtime", "realtime.session", "gpt-realtime")
    assert before + 3500 < session["expires_at"] < before + 3700
    assert session["id"].startswith("sess_")


async def test_any_model_is_taken_and_echoed(server: RunningServer) -> None:
    result = await opened(server, "/v1/realtime?model=my/own%20model&colour=red&api-version=x")
    assert result.first["session"]["model"] == "my/own model"


async def test_a_transcription_begins_with_its_session(server: RunningServer) -> None:
    session = (await opened(server, "/v1/realtime?intent=transcription")).first["session"]
    assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")
    assert "model" not in session


async def test_a_beta_conversation_begins_with_two_events(server: RunningServer) -> None:
    async with joined(server, MODEL, BEARER | BETA_HEADER) as websocket:
        created, conversation = [json.loads(await websocket.recv()) for _ in range(2)]
    assert created["session"]["modalities"] == ["audio", "text"]
    assert created["session"]["client_secret"] is None
    assert conversation["type"] == "conversation.created"
    assert conversation["conversation"].keys() == {"id", "object"}


async def test_a_beta_transcription_has_an_event_of_its_own(server: RunningServer) -> None:
    result = await opened(server, "/v1/realtime?intent=transcription", BEARER | BETA_HEADER)
    assert result.first["type"] == "transcription_session.created"
    assert result.first["session"]["object"] == "realtime.transcription_session"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "missing_model"),
        ("?model=", "missing_model"),
        ("?intent=chat", "missing_model"),
        ("?model=gpt-realtime&intent=transcription", "invalid_model"),
    ],
)
@pytest.mark.parametrize("beta", [False, True])
async def test_a_request_of_no_shape_is_told_after_the_handshake(
    server: RunningServer, query: str, code: str, beta: bool
) -> None:
    result = await opened(server, f"/v1/realtime{query}", BEARER | (BETA_HEADER if beta else {}))
    assert refusal(result) == (code, "model", 4000, f"invalid_request_error.{code}")


async def test_models_can_be_limited(tmp_path: Any) -> None:
    with serving(tmp_path, "scripted", session=SessionSettings(allowed_models=("a", "b"), model="a")) as limited:
        assert (await opened(limited, "/v1/realtime?model=b")).first["session"]["model"] == "b"
        result = await opened(limited, "/v1/realtime?model=" + "c" * 500)
        assert refusal(result) == ("invalid_model", "model", 4000, "invalid_request_error.invalid_model")
        assert len(result.first["error"]["message"]) < 300
        assert (await opened(limited, "/v1/realtime?intent=transcription")).first["type"] == "session.created"


async def test_a_call_that_does_not_run_is_not_found(server: RunningServer) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await opened(server, "/v1/realtime?call_id=rtc_1")
    assert caught.value.response.status_code == 404
    error = json.loads(caught.value.response.body or b"")["error"]
    assert (error["code"], error["param"], error["type"]) == ("call_id_not_found", "call_id", "invalid_request_error")


async def test_who_looks_for_a_call_shows_an_api_key_first(server: RunningServer) -> None:
    assert refusal(await opened(server, "/v1/realtime?call_id=rtc_1", {}))[0] is None
    assert refusal(await opened(server, "/v1/realtime?call_id=rtc_1", bearer("wrong")))[0] == "invalid_api_key"
    key = await minted(server, "client_secrets")
    result = await opened(server, "/v1/realtime?call_id=rtc_1", bearer(key))
    assert refusal(result)[::2] == ("ephemeral_key_forbidden", 3000)


# --- dialects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "offered", "dialect"),
    [
        (MODEL, {}, (), "ga"),
        (MODEL, BETA_HEADER, (), "beta"),
        (MODEL, {"OpenAI-Beta": "assistants=v2, realtime=v1"}, (), "beta"),
        (MODEL, {"OpenAI-Beta": "assistants=v2"}, (), "ga"),
        (MODEL, {}, ("realtime", BETA_PROTOCOL), "beta"),
        ("/openai/v1/realtime?model=x", {}, (), "ga"),
        ("/openai/v1/realtime?model=x&api-version=preview", {}, (), "ga"),
        ("/openai/v1/realtime?deployment=x", {}, (), "ga"),
        ("/openai/realtime?api-version=2025-04-01-preview&deployment=x", {}, (), "beta"),
        ("/openai/realtime?api-version=2024-10-01-preview&deployment=x", {}, (), "beta"),
        ("/v1//realtime?model=x", {}, (), "ga"),
        ("//v1/realtime?model=x", {}, (), "ga"),
        ("/openai//realtime?deployment=x&api-version=y", {}, (), "beta"),
    ],
)
async def test_a_connection_says_by_its_marks_and_its_path_how_it_speaks(
    server: RunningServer, path: str, headers: dict[str, str], offered: tuple[str, ...], dialect: str
) -> None:
    result = await opened(server, path, BEARER | headers, offered)
    assert result.first["type"] == "session.created"
    assert result.dialect == dialect
    assert result.first["session"]["model"] in ("x", "gpt-realtime")


@pytest.mark.parametrize(
    ("minted_by", "headers", "dialect"),
    [
        ("client_secrets", {}, "ga"),
        ("client_secrets", BETA_HEADER, "beta"),
        ("sessions", {}, "beta"),
        ("sessions", BETA_HEADER, "beta"),
        ("transcription_sessions", {}, "beta"),
    ],
)
async def test_without_marks_a_keys_origin_decides(
    server: RunningServer, minted_by: str, headers: dict[str, str], dialect: str
) -> None:
    key = await minted(server, minted_by)
    result = await opened(server, "/v1/realtime", bearer(key) | headers)
    assert result.dialect == dialect
    assert result.first["type"].startswith("transcription") == (minted_by == "transcription_sessions")


async def test_the_first_preview_hears_nothing_it_does_not_know(server: RunningServer) -> None:
    path = "/openai/realtime?api-version=2024-10-01-preview&deployment=x"
    async with joined(server, path, {"api-key": API_KEY}) as websocket:
        await websocket.send('{"type": "input_audio_buffer.clear"}')
        kinds = [json.loads(await websocket.recv())["type"] for _ in range(2)]
    assert kinds == ["session.created", "input_audio_buffer.cleared"]


async def test_the_beta_can_be_switched_off(tmp_path: Any) -> None:
    with serving(tmp_path, "scripted", server=ServerSettings(beta_enabled=False)) as without:
        expected = ("beta_api_shape_disabled", None, 4000, "invalid_request_error.beta_api_shape_disabled")
        assert refusal(await opened(without, MODEL, BEARER | BETA_HEADER)) == expected
        assert refusal(await opened(without, MODEL, BEARER, (BETA_PROTOCOL,))) == expected
        assert refusal(await opened(without, "/openai/realtime?deployment=x")) == expected
        assert refusal(await opened(without, MODEL, bearer("wrong") | BETA_HEADER))[0] == "invalid_api_key"
        assert (await opened(without)).first["type"] == "session.created"


# --- ephemeral keys -----------------------------------------------------------------------------------------------


async def test_the_session_of_a_key_is_the_session_of_its_connection(server: RunningServer) -> None:
    asked = {
        "type": "realtime",
        "model": "gpt-realtime-2.1",
        "instructions": "Be brief.",
        "audio": {"output": {"voice": "cedar"}, "input": {"turn_detection": None, "format": {"type": "audio/pcmu"}}},
        "tools": [{"type": "function", "name": "f"}],
    }
    key = await minted(server, "client_secrets", {"session": asked})
    for query in ("", "?model=gpt-realtime-2.1"):
        session = (await opened(server, f"/v1/realtime{query}", bearer(key))).first["session"]
        assert (session["model"], session["instructions"]) == ("gpt-realtime-2.1", "Be brief.")
        assert session["tools"] == asked["tools"]
        assert session["audio"]["output"]["voice"] == "cedar"
        assert session["audio"]["input"]["turn_detection"] is None
        assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert session["expires_at"] > 0


async def test_the_session_of_a_beta_key_is_too(server: RunningServer) -> None:
    asked = {"voice": "echo", "temperature": 1.1, "turn_detection": {"threshold": 0.25}, "tool_choice": "f"}
    key = await minted(server, "sessions", asked)
    session = (await opened(server, "/v1/realtime?model=x", {}, ("realtime", f"openai-insecure-api-key.{key}"))).first[
        "session"
    ]
    assert (session["voice"], session["temperature"], session["tool_choice"]) == ("echo", 1.1, "f")
    assert session["turn_detection"]["threshold"] == 0.25
    assert session["model"] == "x"


async def test_a_key_for_transcription_opens_that_and_nothing_else(server: RunningServer) -> None:
    body = {"session": {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}}
    key = await minted(server, "client_secrets", body)
    for query in ("", "?intent=transcription"):
        session = (await opened(server, f"/v1/realtime{query}", bearer(key))).first["session"]
        assert session["type"] == "transcription"
        assert session["audio"]["input"]["transcription"]["model"] == "whisper-1"
    assert refusal(await opened(server, MODEL, bearer(key)))[:2] == ("invalid_model", "model")


async def test_a_key_for_one_model_or_kind_opens_no_other(server: RunningServer) -> None:
    key = await minted(server, "client_secrets", {"session": {"type": "realtime", "model": "a"}})
    assert refusal(await opened(server, "/v1/realtime?model=b", bearer(key)))[0] == "invalid_model"
    assert refusal(await opened(server, "/v1/realtime?intent=transcription", bearer(key)))[0] == "invalid_model"
    free = await minted(server, "client_secrets")
    assert (await opened(server, "/v1/realtime?model=b", bearer(free))).first["session"]["model"] == "b"


async def test_a_key_opens_many_sessions_or_one_as_it_was_minted(server: RunningServer) -> None:
    many = await minted(server, "client_secrets")
    for _ in range(3):
        assert (await opened(server, MODEL, bearer(many))).first["type"] == "session.created"
    for path, body in (("sessions", None), ("transcription_sessions", None), ("client_secrets", {"single_use": True})):
        key = await minted(server, path, body)
        assert (await opened(server, "/v1/realtime", bearer(key))).first["type"].endswith("session.created")
        expected = ("ephemeral_key_used", None, 3000, "invalid_request_error.ephemeral_key_used")
        assert refusal(await opened(server, "/v1/realtime", bearer(key))) == expected


async def test_of_twenty_who_use_a_key_at_once_one_wins(server: RunningServer) -> None:
    for path, body in (("sessions", None), ("client_secrets", {"single_use": True})):
        key = await minted(server, path, body)
        results = await asyncio.gather(*(opened(server, "/v1/realtime", bearer(key)) for _ in range(20)))
        assert sorted(result.first["type"] for result in results) == ["error"] * 19 + ["session.created"]
        refused = [refusal(result)[0] for result in results if result.first["type"] == "error"]
        assert set(refused) == {"ephemeral_key_used"}


async def test_a_request_that_was_refused_does_not_use_up_its_key(server: RunningServer) -> None:
    key = await minted(server, "sessions", {"model": "a"})
    assert refusal(await opened(server, "/v1/realtime?model=b", bearer(key)))[0] == "invalid_model"
    assert (await opened(server, "/v1/realtime?model=a", bearer(key))).first["type"] == "session.created"


def forged(*, issued_at: float, issuer: str = API_KEY, secret: str = SECRET) -> str:
    grant = new_grant(
        kind="realtime",
        minted_in="ga",
        session={"type": "realtime"},
        ttl_s=60,
        single_use=False,
        issuer=fingerprint(hash_key(issuer)),
        now_wall=issued_at,
    )
    return TokenSigner(secret).mint(grant, issued_at)


async def test_keys_that_are_old_or_strange_open_nothing(server: RunningServer) -> None:
    now = time.time()  # noqa: TID251 - a test's clock
    assert (await opened(server, MODEL, bearer(forged(issued_at=now)))).first["type"] == "session.created"
    for key, code in (
        (forged(issued_at=now - 61), "ephemeral_key_expired"),
        (forged(issued_at=now, issuer="sk-removed"), "invalid_api_key"),
        (forged(issued_at=now, secret="another-secret-0123456789abcdefghij"), "invalid_api_key"),
        (forged(issued_at=now)[:-1], "invalid_api_key"),
    ):
        assert refusal(await opened(server, MODEL, bearer(key))) == (code, None, 3000, f"invalid_request_error.{code}")


# --- other requests -----------------------------------------------------------------------------------------------


async def test_there_is_nothing_to_get_without_an_upgrade(server: RunningServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=BEARER, trust_env=False) as client:
        answer = await client.get("/realtime", params={"model": "x"})
    assert answer.status_code in (404, 405, 426)
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_unknown_paths_are_refused_at_the_handshake(server: RunningServer) -> None:
    for path in ("/v2/realtime?model=x", "/v1/realtime/translations?model=x", "/v1/realtimes"):
        with pytest.raises(InvalidStatus) as caught:
            await opened(server, path)
        assert caught.value.response.status_code in (403, 404)
