"""Every field of the bodies that mint keys, as the catalogue has them (`data/http.json`)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from protocol import client_examples
from protocol.catalogue import ABSENT, DATA, Event, Field, constants, dotted, fits, is_object, is_open, paths, placed
from voicebridge.config import SessionSettings, Settings
from voicebridge.server.app import create_app

GA, BETA, BETA_TRANSCRIPTION = "client_secrets", "sessions", "transcription_sessions"
NOT_SERVED = {
    "POST /v1/realtime/calls": "WebRTC",
    "POST /v1/realtime/calls/{call_id}/accept": "telephone calls",
    "POST /v1/realtime/calls/{call_id}/refer": "telephone calls",
    "POST /v1/realtime/calls/{call_id}/reject": "telephone calls",
    "POST /v1/realtime/translations/client_secrets": "translation sessions",
}
EXCLUDED = [
    (GA, r".*\{mcp\}.*", "MCP is not served"),
    (GA, r".*\.variables\[\*\].*", "prompts are kept and echoed, and have no effect: variables stay as they are"),
]
IGNORED = [(BETA_TRANSCRIPTION, r"modalities", "it never responds")]
OPTIONAL = [(BETA, r"client_secret\.expires_after\.anchor", "there is only one")]
REQUIRED = [
    (r".*tools\[\](\{function\})?\.name", "a function without a name cannot be called"),
    (r".*\.format\{.*\}\.type", "a format is known by its type"),
]
OPEN = r"model|input_audio_transcription\.model|tool_choice"
"""Any name is taken (protocol 5.4, 5.9)."""
OBJECTS_TOO = r"voice|tool_choice|input_audio_format|output_audio_format"
"""Strings in beta; the objects that they are in GA are taken there as well."""
NEVER_ANSWERED = [
    (GA, r".*\{mcp\}.*", "MCP is not served"),
    (GA, r".*\.variables\[\*\].*", "prompts are echoed as they came"),
]

_EXPIRY = {"anchor": "created_at", "seconds": 60}


def _flat(sessions: list[dict[str, Any]], expiry: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**event["session"], "client_secret": expiry} for event in sessions]


EXAMPLES: dict[str, list[dict[str, Any]]] = {
    GA: [{"expires_after": _EXPIRY, "session": event["session"]} for event in client_examples.GA["session.update"]],
    BETA: _flat(client_examples.BETA["session.update"], {"expires_after": _EXPIRY}),
    BETA_TRANSCRIPTION: _flat(client_examples.BETA["transcription_session.update"], {"expires_at": _EXPIRY}),
}


def _rows() -> list[Any]:
    rows: list[Any] = json.loads((DATA / "http.json").read_text(encoding="utf-8"))
    return rows


def _bodies(side: str) -> list[Event]:
    return [
        Event(row["endpoint"].rpartition("/")[2], side, row["dialect"], tuple(Field(**one) for one in row["fields"]))
        for row in _rows()
        if row["side"] == side and row["endpoint"] not in NOT_SERVED
    ]


def _listed(table: list[tuple[str, str, str]], endpoint: str, path: str) -> bool:
    return any(name == endpoint and re.fullmatch(pattern, path) for name, pattern, _ in table)


REQUESTS, ANSWERS = _bodies("request"), _bodies("response")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(session=SessionSettings(strict_unknown="error")).with_api_key("sk-test")
    transport = httpx.ASGITransport(create_app(settings))
    headers = {"Authorization": "Bearer sk-test"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test/v1/realtime/", headers=headers) as one:
        yield one


async def answered(client: httpx.AsyncClient, endpoint: str, body: Any) -> tuple[int, dict[str, Any]]:
    answer = await client.post(endpoint, json=body)
    return answer.status_code, answer.json()


async def refused(client: httpx.AsyncClient, endpoint: str, body: Any, code: str, param: str) -> None:
    status, answer = await answered(client, endpoint, body)
    assert status == 400, (param, answer)
    assert (answer["error"]["code"], answer["error"]["param"]) == (code, param)


def example_with(body: Event, field: Field) -> dict[str, Any]:
    for example in EXAMPLES[body.name]:
        if any(path == field.path for path, _ in paths(example, body)):
            return example
    pytest.fail(f"neither covered by an example nor excluded: {body.name} {field.path}")


@pytest.mark.parametrize("endpoint", [GA, BETA, BETA_TRANSCRIPTION])
async def test_every_example_is_taken(client: httpx.AsyncClient, endpoint: str) -> None:
    for example in EXAMPLES[endpoint]:
        status, answer = await answered(client, endpoint, example)
        assert status == 200, answer


@pytest.mark.parametrize("body", REQUESTS, ids=lambda body: body.name)
async def test_every_field_of_a_request_is_checked(client: httpx.AsyncClient, body: Event) -> None:
    for field in body.fields:
        if _listed(EXCLUDED, body.name, field.path):
            continue
        example = example_with(body, field)
        if _listed(IGNORED, body.name, field.path):
            status, _ = await answered(client, body.name, placed(example, field.path, 5))
            assert status == 200
            continue
        if field.type != "any":
            wrong: Any = True if field.type != "boolean" else "x"
            await refused(client, body.name, placed(example, field.path, wrong), "invalid_type", dotted(field.path))
            if not is_object(field.type) and "map<" not in field.type and not re.fullmatch(OBJECTS_TOO, field.path):
                await refused(client, body.name, placed(example, field.path, {}), "invalid_type", dotted(field.path))
        closed = constants(field.type) and not is_open(field.type) and not field.type.startswith("array<")
        if closed and not re.fullmatch(OPEN, field.path):
            bogus = placed(example, field.path, "bogus")
            await refused(client, body.name, bogus, "invalid_value", dotted(field.path))


@pytest.mark.parametrize("body", REQUESTS, ids=lambda body: body.name)
async def test_what_a_request_needs_is_missed_and_the_rest_is_not(client: httpx.AsyncClient, body: Event) -> None:
    for field in body.fields:
        if _listed(EXCLUDED, body.name, field.path):
            continue
        without = placed(example_with(body, field), field.path, ABSENT)
        needed = field.required and not _listed(OPTIONAL, body.name, field.path)
        if needed or any(re.fullmatch(path, field.path) for path, _ in REQUIRED):
            await refused(client, body.name, without, "missing_required_parameter", dotted(field.path))
        else:
            status, answer = await answered(client, body.name, without)
            assert status == 200, (field.path, answer)


@pytest.mark.parametrize("body", ANSWERS, ids=lambda body: body.name)
async def test_every_field_of_an_answer_is_there_with_its_type(client: httpx.AsyncClient, body: Event) -> None:
    members: list[tuple[str, Any]] = []
    for example in [*EXAMPLES[body.name], {}]:
        _, answer = await answered(client, body.name, example)
        here = list(paths(answer, body))
        for field in body.fields:
            if field.required and "{" not in field.path:
                assert field.path in dict(here)
        members += here
    for field in body.fields:
        if _listed(NEVER_ANSWERED, body.name, field.path):
            continue
        told = [value for path, value in members if path == field.path and value is not None]
        assert told, f"never answered: {field.path}"
        for value in told:
            assert fits(value, field.type) or re.fullmatch(OPEN, field.path), (field.path, value)


def test_every_endpoint_is_covered_or_excluded() -> None:
    served = {f"POST /v1/realtime/{name}" for name in EXAMPLES}
    assert {row["endpoint"] for row in _rows()} == served | NOT_SERVED.keys()


def test_no_exclusion_is_stale() -> None:
    for table, bodies in ((EXCLUDED + IGNORED + OPTIONAL, REQUESTS), (NEVER_ANSWERED, ANSWERS)):
        for entry in table:
            assert any(_listed([entry], body.name, field.path) for body in bodies for field in body.fields), entry
