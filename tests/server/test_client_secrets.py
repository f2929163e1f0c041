"""Minting ephemeral keys (protocol 1.3 to 1.5), through the whole application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openai.types.beta.realtime import SessionCreateResponse, TranscriptionSession
from openai.types.realtime import ClientSecretCreateResponse
from pydantic import BaseModel

from voicebridge.config import LimitsSettings, ServerSettings, SessionSettings, Settings, TokensSettings
from voicebridge.server.app import create_app

KEY = "sk-test-of-minting"
GA = "/v1/realtime/client_secrets"
BETA = "/v1/realtime/sessions"
BETA_TRANSCRIPTION = "/v1/realtime/transcription_sessions"
ALL = (GA, BETA, BETA_TRANSCRIPTION)


def client_of(settings: Settings | None = None, key: str | None = KEY) -> httpx.AsyncClient:
    app = create_app((settings or Settings()).with_api_key(KEY))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of() as one:
        yield one


async def minted(client: httpx.AsyncClient, path: str, body: Any = None) -> dict[str, Any]:
    answer = await client.post(path, json={} if body is None else body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    result: dict[str, Any] = answer.json()
    return result


async def refused(client: httpx.AsyncClient, path: str, body: Any, status: int = 400) -> tuple[str | None, str | None]:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] is None or f"'{error['param']}'" in error["message"], error
    return error["code"], error["param"]


def undeclared(value: Any, path: str = "") -> list[str]:
    """Members that the SDK's type does not know."""
    if isinstance(value, BaseModel):
        return [
            *(f"{path}{name}" for name in value.model_extra or {}),
            *(one for name in type(value).model_fields for one in undeclared(getattr(value, name), f"{path}{name}.")),
        ]
    return [one for member in value for one in undeclared(member, path)] if isinstance(value, list) else []


# --- GA -----------------------------------------------------------------------------------------------------------


async def test_a_secret_comes_with_the_session_it_opens(client: httpx.AsyncClient) -> None:
    body = await minted(client, GA)
    assert body["value"].startswith("ek_")
    session = body["session"]
    assert session["id"].startswith("sess_")
    assert session["instructions"]
    assert {**session, "id": "", "instructions": ""} == {
        "type": "realtime",
        "object": "realtime.session",
        "id": "",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": 0,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


REALTIME: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "instructions": "Be brief.",
    "output_modalities": ["text"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "whisper-1", "language": "de"},
            "noise_reduction": {"type": "near_field"},
            "turn_detection": {"type": "semantic_vad", "eagerness": "low"},
        },
        "output": {"format": {"type": "audio/pcma"}, "voice": "cedar", "speed": 1.25},
    },
    "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}],
    "tool_choice": {"type": "function", "name": "f"},
    "max_output_tokens": 100,
    "tracing": {"workflow_name": "w"},
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
    "include": ["item.input_audio_transcription.logprobs"],
    "prompt": {"id": "p"},
    "reasoning": {"effort": "low"},
}
TRANSCRIPTION: dict[str, Any] = {
    "type": "transcription",
    "audio": {"input": {"transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}}},
}


@pytest.mark.parametrize("session", [None, REALTIME, {"type": "realtime", "tracing": "auto"}, TRANSCRIPTION])
async def test_the_sdk_takes_the_answer_without_conversion(client: httpx.AsyncClient, session: Any) -> None:
    body = await minted(client, GA, {} if session is None else {"session": session})
    parsed = ClientSecretCreateResponse.model_validate_json(json.dumps(body), strict=True)
    assert set(undeclared(parsed)) <= {"session.audio.input.turn_detection.eagerness"}
    if session:
        assert parsed.session.type == session["type"]


async def test_the_session_is_the_one_that_was_asked_for(client: httpx.AsyncClient) -> None:
    session = (await minted(client, GA, {"session": REALTIME}))["session"]
    assert session["audio"]["output"] == REALTIME["audio"]["output"]
    assert session["audio"]["input"]["transcription"] == {"model": "whisper-1", "language": "de", "prompt": None}
    for member in REALTIME.keys() - {"audio"}:
        assert session[member] == REALTIME[member]


async def test_a_transcription_session_has_only_what_it_has(client: httpx.AsyncClient) -> None:
    session = (await minted(client, GA, {"session": TRANSCRIPTION}))["session"]
    assert session.keys() == {"type", "object", "id", "expires_at", "audio", "include"}
    assert session["object"] == "realtime.transcription_session"
    assert session["audio"].keys() == {"input"}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"session": null, "expires_after": null}'])
async def test_nothing_needs_to_be_asked_for(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(GA, content=body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"session": 5}, "invalid_type", "session"),
        ({"session": {}}, "missing_required_parameter", "session.type"),
        ({"session": {"type": "translation"}}, "invalid_value", "session.type"),
        ({"session": {"type": "realtime", "voice": "echo"}}, "unknown_parameter", "session.voice"),
        ({"session": {"type": "realtime", "temperature": 0.8}}, "unknown_parameter", "session.temperature"),
        ({"session": {"type": "realtime", "instructions": 5}}, "invalid_type", "session.instructions"),
        ({"session": {"type": "realtime", "max_output_tokens": 0}}, "integer_below_min_value",
         "session.max_output_tokens"),
        ({"session": {"type": "realtime", "tools": [{"type": "mcp", "server_label": "x"}]}}, "invalid_value",
         "session.tools[0].type"),
        ({"session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}}},
         "integer_below_min_value", "session.audio.input.format.rate"),
        ({"session": {"type": "transcription", "model": "whisper-1"}}, "unknown_parameter", "session.model"),
        ({"model": "gpt-realtime", "instructions": "x"}, "unknown_parameter", "instructions"),
        ({"expires_after": 60}, "invalid_type", "expires_after"),
        ({"expires_after": {"anchor": "now"}}, "invalid_value", "expires_after.anchor"),
        ({"expires_after": {"seconds": "60"}}, "invalid_type", "expires_after.seconds"),
        ({"expires_after": {"seconds": 60.5}}, "invalid_type", "expires_after.seconds"),
        ({"expires_after": {"seconds": 9}}, "integer_below_min_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "integer_above_max_value", "expires_after.seconds"),
        ({"single_use": "yes"}, "invalid_type", "single_use"),
    ],
)  # fmt: skip
async def test_a_bad_request_is_told_by_its_member(client: httpx.AsyncClient, body: Any, code: str, param: str) -> None:
    assert await refused(client, GA, body) == (code, param)


# --- lifetimes ----------------------------------------------------------------------------------------------------


def lifetime(path: str, seconds: int | None) -> dict[str, Any]:
    after: dict[str, Any] = {"anchor": "created_at"} | ({} if seconds is None else {"seconds": seconds})
    if path == GA:
        return {"expires_after": after}
    return {"client_secret": {"expires_after" if path == BETA else "expires_at": after}}


def expiry(path: str, body: dict[str, Any]) -> int:
    return int(body["expires_at"] if path == GA else body["client_secret"]["expires_at"])


@pytest.mark.parametrize(
    ("path", "asked", "lasts"),
    [
        *((GA, asked, lasts) for asked, lasts in ((None, 600), (10, 10), (7200, 7200))),
        *((path, asked, lasts) for path in (BETA, BETA_TRANSCRIPTION)
          for asked, lasts in ((None, 60), (10, 10), (7200, 7200))),
    ],
)  # fmt: skip
async def test_a_key_lasts_as_long_as_asked_or_by_default(
    client: httpx.AsyncClient, path: str, asked: int | None, lasts: int
) -> None:
    reference = expiry(path, await minted(client, path, lifetime(path, 10))) - 10
    assert 0 <= expiry(path, await minted(client, path, lifetime(path, asked))) - reference - lasts <= 2


async def test_default_lifetimes_come_from_configuration() -> None:
    settings = Settings(tokens=TokensSettings(beta_ttl_s=30, ga_ttl_s=45))
    async with client_of(settings) as client:
        for path, lasts in ((GA, 45), (BETA, 30), (BETA_TRANSCRIPTION, 30)):
            reference = expiry(path, await minted(client, path, lifetime(path, 10))) - 10
            assert 0 <= expiry(path, await minted(client, path)) - reference - lasts <= 2


@pytest.mark.parametrize("seconds", [9, 7201])
@pytest.mark.parametrize("member", ["expires_after", "expires_at"])
@pytest.mark.parametrize("path", [BETA, BETA_TRANSCRIPTION])
async def test_a_lifetime_out_of_range_is_told_by_the_name_it_was_sent_with(
    client: httpx.AsyncClient, path: str, member: str, seconds: int
) -> None:
    code = "integer_below_min_value" if seconds == 9 else "integer_above_max_value"
    body = {"client_secret": {member: {"anchor": "created_at", "seconds": seconds}}}
    assert await refused(client, path, body) == (code, f"client_secret.{member}.seconds")


# --- beta ---------------------------------------------------------------------------------------------------------


async def test_a_beta_session_is_flat_and_carries_its_secret(client: httpx.AsyncClient) -> None:
    body = await minted(client, BETA)
    assert body["id"].startswith("sess_")
    assert body["client_secret"]["value"].startswith("ek_")
    assert body["client_secret"].keys() == {"value", "expires_at"}
    assert {name: body[name] for name in body.keys() - {"id", "instructions", "client_secret"}} == {
        "object": "realtime.session",
        "expires_at": 0,
        "model": "gpt-realtime",
        "modalities": ["audio", "text"],
        "voice": "alloy",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_noise_reduction": None,
        "input_audio_transcription": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "idle_timeout_ms": None,
            "create_response": True,
            "interrupt_response": True,
        },
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
        "speed": 1.0,
        "tracing": None,
    }


BETA_REQUEST: dict[str, Any] = {
    "model": "gpt-4o-realtime-preview",
    "modalities": ["text"],
    "instructions": "Be brief.",
    "voice": "echo",
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "g711_alaw",
    "input_audio_noise_reduction": {"type": "far_field"},
    "input_audio_transcription": {"model": "whisper-1", "language": "de", "prompt": "p"},
    "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}],
    "tool_choice": "f",
    "temperature": 1.1,
    "max_response_output_tokens": 100,
    "speed": 1.5,
    "tracing": "auto",
}


async def test_a_beta_session_is_the_one_that_was_asked_for(client: httpx.AsyncClient) -> None:
    body = await minted(client, BETA, BETA_REQUEST)
    assert {name: body[name] for name in BETA_REQUEST} == BETA_REQUEST


@pytest.mark.parametrize("asked", [{}, BETA_REQUEST, {"turn_detection": None}])
async def test_the_beta_sdk_takes_the_answer_without_conversion(client: httpx.AsyncClient, asked: Any) -> None:
    body = await minted(client, BETA, asked)
    parsed = SessionCreateResponse.model_validate_json(json.dumps(body), strict=True)
    assert parsed.client_secret.value == body["client_secret"]["value"]


async def test_a_beta_transcription_session_is_the_one_that_was_asked_for(client: httpx.AsyncClient) -> None:
    asked = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "de", "prompt": "p"},
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": {"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 1, "silence_duration_ms": 200},
        "include": ["item.input_audio_transcription.logprobs"],
        "modalities": ["audio", "text"],
    }
    body = await minted(client, BETA_TRANSCRIPTION, asked)
    assert body.pop("id").startswith("sess_")
    secret = body.pop("client_secret")
    assert secret["value"].startswith("ek_")
    assert body == {**asked, "object": "realtime.transcription_session", "expires_at": 0}
    TranscriptionSession.model_validate_json(json.dumps({**body, "client_secret": secret}), strict=True)


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        (BETA, {"voice": 5}, "invalid_type", "voice"),
        (BETA, {"modalities": ["smell"]}, "invalid_value", "modalities[0]"),
        (BETA, {"input_audio_format": "mp3"}, "invalid_value", "input_audio_format"),
        (BETA, {"max_response_output_tokens": 0}, "integer_below_min_value", "max_response_output_tokens"),
        (BETA, {"temperature": 3}, "decimal_above_max_value", "temperature"),
        (BETA, {"turn_detection": {"threshold": 2}}, "decimal_above_max_value", "turn_detection.threshold"),
        (BETA, {"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
        (BETA, {"speed": 2}, "decimal_above_max_value", "speed"),
        (BETA, {"client_secret": "x"}, "invalid_type", "client_secret"),
        (BETA, {"client_secret": {"expires_after": {"anchor": "now"}}}, "invalid_value",
         "client_secret.expires_after.anchor"),
        (BETA_TRANSCRIPTION, {"input_audio_transcription": {"model": 5}}, "invalid_type",
         "input_audio_transcription.model"),
        (BETA_TRANSCRIPTION, {"include": ["everything"]}, "invalid_value", "include[0]"),
    ],
)  # fmt: skip
async def test_a_bad_beta_request_is_told_by_its_beta_member(
    client: httpx.AsyncClient, path: str, body: Any, code: str, param: str
) -> None:
    assert await refused(client, path, body) == (code, param)


async def test_beta_headers_make_no_difference(client: httpx.AsyncClient) -> None:
    for value in ("assistants=v2", "realtime=v1", "anything"):
        for path in ALL:
            answer = await client.post(path, json={}, headers={"OpenAI-Beta": value})
            assert answer.status_code == 200


async def test_unknown_members_are_let_through_by_default_and_refused_where_asked() -> None:
    session = {"type": "realtime", "colour": "red"}
    async with client_of() as client:
        assert "colour" not in (await minted(client, GA, {"session": session, "mood": 1}))["session"]
        await minted(client, BETA, {"colour": "red"})
    async with client_of(Settings(session=SessionSettings(strict_unknown="error"))) as client:
        assert await refused(client, GA, {"session": session}) == ("unknown_parameter", "session.colour")
        assert await refused(client, GA, {"mood": 1}) == ("unknown_parameter", "mood")


# --- who may, and what with ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize(
    ("key", "code"), [(None, None), ("sk-wrong", "invalid_api_key"), ("ek_wrong", "invalid_api_key")]
)
async def test_only_a_good_key_mints(path: str, key: str | None, code: str | None) -> None:
    async with client_of(key=key) as client:
        assert await refused(client, path, {}, 401) == (code, None)


@pytest.mark.parametrize("path", ALL)
async def test_keys_do_not_mint_keys(client: httpx.AsyncClient, path: str) -> None:
    for source in ALL:
        body = await minted(client, source)
        value = body["value"] if source == GA else body["client_secret"]["value"]
        client.headers["Authorization"] = f"Bearer {value}"
        assert await refused(client, path, {}, 403) == ("ephemeral_key_forbidden", None)
        client.headers["Authorization"] = f"Bearer {KEY}"


async def test_the_key_is_asked_before_the_body_is_read(client: httpx.AsyncClient) -> None:
    client.headers["Authorization"] = "Bearer wrong"
    assert (await client.post(GA, content=b"not json")).status_code == 401


@pytest.mark.parametrize(
    "content",
    [
        b"not json",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"session": {"type": "realtime", "instructions": "\\ud800"}}',
        b'{"session": {"type": "realtime", "\\ud800": 1}}',
        b'{"session": {"type": "realtime", "prompt": {"id": "p", "variables": {"x": 1e999}}}}',
        b'{"session": {"type": "realtime", "prompt": {"id": "p", "variables": {"x": NaN}}}}',
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("path", ALL)
async def test_a_body_that_is_no_json_object_is_refused(client: httpx.AsyncClient, path: str, content: bytes) -> None:
    answer = await client.post(path, content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


async def test_a_body_or_session_that_is_too_long_is_refused() -> None:
    async with client_of(Settings(limits=LimitsSettings(max_body_bytes=1000))) as client:
        assert await refused(client, GA, {"session": {"type": "realtime", "instructions": "x" * 1000}}, 413) == (
            "request_too_large",
            None,
        )
    async with client_of() as client:
        varied = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(20_000))
        answer = await client.post(GA, json={"session": {"type": "realtime", "instructions": varied}})
        assert (answer.status_code, answer.json()["error"]["param"]) == (413, "session")


async def test_without_beta_only_ga_mints() -> None:
    async with client_of(Settings(server=ServerSettings(beta_enabled=False))) as client:
        await minted(client, GA)
        for path in (BETA, BETA_TRANSCRIPTION):
            answer = await client.post(path, json={})
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == "beta_api_shape_disabled"


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/openai", "/v1/"])
async def test_minting_is_found_where_clients_look_for_it(client: httpx.AsyncClient, prefix: str) -> None:
    assert (await client.post(f"{prefix}/realtime/client_secrets", json={})).status_code == 200


async def test_minting_wants_post(client: httpx.AsyncClient) -> None:
    assert (await client.get(GA)).status_code == 405


async def test_every_key_is_another(client: httpx.AsyncClient) -> None:
    bodies = await asyncio.gather(*(minted(client, GA) for _ in range(20)))
    assert len({body["value"] for body in bodies}) == 20
    assert len({body["session"]["id"] for body in bodies}) == 20
