"""Every field of every server event in the catalogue: sent with its type, or excluded here. And nothing else is sent.

Fails for a field that the catalogue gains, or an event we gain, and nobody decided about.
"""

from __future__ import annotations

import json
import re
import typing
from typing import Any

import pydantic
import pytest
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent as GaServerEvent

from protocol import server_examples
from protocol.catalogue import Event, Field, events, fits, paths
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.server_events import ServerEvent

EXCLUDED = [
    ("ga", r"(response\.)?mcp_.*", r".*", "MCP is not served"),
    ("ga", r".*", r".*\{mcp(_\w+)?\}.*", "MCP is not served"),
    ("ga", r"input_audio_buffer\.dtmf_event_received", r".*", "only of telephone calls"),
    ("ga", r"conversation\.(created|item\.created)", r".*", "declared, never sent: clients would count twice"),
    ("ga", r".*_transcription\.segment", r".*", "no recogniser here tells speakers apart"),
    ("ga", r".*_transcription\.completed", r"languages.*", "no recogniser here tells languages"),
    ("ga|beta", r".*_transcription\.completed", r"usage\{duration\}.*", "usage is told in tokens"),
    (r"ga|beta", r".*", r".*\.variables\[\*\].*", "prompts are echoed as they came"),
    ("ga", r".*", r".*\{transcription\}.*\.(idle_timeout_ms|create_response|interrupt_response)", "it never responds"),
    ("ga", r"conversation\.item\.(added|done)", r".*content\[\]\.audio", "audio only in conversation.item.retrieved"),
    ("ga", r"response\.(created|done|output_item\..*)", r".*content\[\]\.audio", "audio only in item.retrieved"),
    (r"ga|beta", r"response\.content_part\..*", r"part\.audio", "audio goes in response.output_audio.delta"),
    ("ga", r"response\.(created|done)", r"response\.output\[\]\{(message/(user|system)|function_call_output)\}.*",
     "the model makes none of those"),
    ("beta", r"response\.(created|done)", r"response\.output\[\]\.output", "the model makes none of those"),
    ("beta", r".*", r".*content\[\]\.id", "belongs to item_reference parts, which no source explains"),
    ("beta", r"(conversation\.item\.created|response\..*)", r".*content\[\]\.audio", "audio only in item.retrieved"),
    ("beta", r"transcription_session\..*", r"session\.client_secret.*", "null: there is none in an open session"),
    ("ga", r"session\..*", r"session\{realtime\}\.audio\.output\.voice\.id", "a voice is told by its name"),
]  # fmt: skip
"""Dialect, event and path (regular expressions) of what is not sent, and why. Translation sessions are not served."""

EXTRA = [
    ("ga", r"session\..*", r"session\{\w+\}\.(id|object|expires_at)", "sent by the service, read by all clients"),
    ("beta", r"(transcription_)?session\..*", r"session\.(id|object|expires_at|client_secret)", "protocol 1.3, 1.4"),
    ("beta", r"session\..*", r"session\.turn_detection\.idle_timeout_ms", "passed through (protocol 4.2)"),
    ("beta", r"session\..*", r"session\.tracing(\..*)?", "an object or auto"),
    ("beta", r"transcription_session\..*", r"session\.(include|input_audio_noise_reduction(\.type)?)", "protocol 3.5"),
    ("beta", r"transcription_session\..*", r"session\.turn_detection\.eagerness", "of semantic_vad"),
    ("beta", r"response\.function_call_arguments\.done", r"name", "protocol 4.1"),
    ("beta", r"response\.(created|done)", r"response\.usage\.input_token_details\.cached_tokens_details(\..*)?", "3.4"),
    ("ga|beta", r".*", r".*\.(metadata|parameters|variables)\..*", "the client's own"),
]
"""Dialect, event and path of what is sent besides, and why."""

NULL = [
    (r"previous_item_id", "the first item of a conversation"),
    (r"error\.(code|param|event_id)", "nothing to tell"),
    (r"(item|response\.output\[\]).*\.content\[\]\.transcript", "not known yet"),
    (r"response\.(status_details|conversation_id|metadata|usage)", "nothing yet, or none"),
    (r"session(\{\w+\})?\.(tracing|prompt|include|client_secret)", "none"),
    (r"session\{\w+\}\.audio\.input\.(transcription|noise_reduction|turn_detection)", "off"),
    (r"session\{\w+\}\.audio\.input\.transcription\.(language|prompt)", "none"),
    (r"session\.(input_audio_transcription|input_audio_noise_reduction|turn_detection)", "off"),
    (r"session\.input_audio_transcription\.(language|prompt)", "none"),
    (r"session.*turn_detection.*\.idle_timeout_ms", "off"),
]
"""Where null is sent, and what it says. Elsewhere a member without a value is left out (protocol 3.1)."""

DIALECTS = {"ga": [Dialect.GA], "beta": [Dialect.BETA], "both": [Dialect.GA, Dialect.BETA], "translation": []}
FRAMES = {dialect: server_examples.frames(dialect) for dialect in Dialect}
KNOWN = events("server")


def listed(table: list[tuple[str, str, str, str]], dialect: Dialect, event: Event, path: str) -> bool:
    name_of = "beta" if dialect.is_beta else "ga"
    return any(
        re.fullmatch(spoken, name_of) and re.fullmatch(name, event.name) and re.fullmatch(pattern, path)
        for spoken, name, pattern, _ in table
    )


def entry_of(dialect: Dialect, name: str) -> Event:
    spoken = Dialect.BETA if dialect.is_beta else Dialect.GA
    return next(event for event in KNOWN if event.name == name and spoken in DIALECTS[event.dialect])


def frames_of(dialect: Dialect, event: Event) -> list[dict[str, Any]]:
    return [frame for frame in FRAMES[dialect] if frame["type"] == event.name]


CASES = [
    pytest.param(dialect, event, field, id=f"{dialect.value}:{event.name}:{field.path}")
    for event in KNOWN
    for dialect in DIALECTS[event.dialect]
    for field in event.fields
    if not listed(EXCLUDED, dialect, event, field.path)
]


@pytest.mark.parametrize(("dialect", "event", "field"), CASES)
def test_every_field_is_sent_with_its_type(dialect: Dialect, event: Event, field: Field) -> None:
    values = [value for frame in frames_of(dialect, event) for path, value in paths(frame, event) if path == field.path]
    assert values, "neither sent nor excluded"
    told = [value for value in values if value is not None]
    assert told, "never anything but null"
    for value in told:
        assert fits(value, field.type), value
    if None in values:
        assert any(re.fullmatch(path, field.path) for path, _ in NULL), "null where clients take none"


SOME_ONLY = r"item\.call_id|.*\.content\[\]\.(?!type).*"
"""Members of some kinds only of what the catalogue writes as one object."""


@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_object_has_all_that_it_must_have(dialect: Dialect) -> None:
    for frame in FRAMES[dialect]:
        event = entry_of(dialect, frame["type"])
        members = [path for path, _ in paths(frame, event)]
        objects = _objects(frame, event)
        for field in event.fields:
            if not (field.required or field.emit) or re.fullmatch(SOME_ONLY, field.path):
                continue
            if not listed(EXCLUDED, dialect, event, field.path):
                assert members.count(field.path) == objects.count(field.parent), (field.path, frame)


def _objects(value: Any, event: Event) -> list[str]:
    """The path of every object, with its branch."""
    found = []

    def walk(value: Any, prefix: str) -> None:
        if isinstance(value, list):
            for one in value:
                walk(one, prefix + "[]")
        elif isinstance(value, dict):
            if prefix and event.branches(prefix):
                kind = value["type"]
                prefix += "{" + (f"message/{value['role']}" if kind == "message" else kind) + "}"
            found.append(prefix)
            for name, member in value.items():
                walk(member, f"{prefix}.{name}" if prefix else name)

    walk(value, "")
    return found


@pytest.mark.parametrize("dialect", list(Dialect))
def test_nothing_is_sent_that_the_catalogue_does_not_have(dialect: Dialect) -> None:
    for frame in FRAMES[dialect]:
        event = entry_of(dialect, frame["type"])
        declared = {field.path for field in event.fields}
        for path, _ in paths(frame, event):
            assert path in declared or listed(EXTRA, dialect, event, path), f"{event}: {path}"


def test_every_event_we_have_is_in_the_examples() -> None:
    classes = {type(event) for event in server_examples.emitted()}
    assert classes == set(typing.get_args(ServerEvent))


def test_no_exclusion_is_stale() -> None:
    for entry in EXCLUDED:
        assert any(
            listed([entry], dialect, event, field.path)
            for event in KNOWN
            for dialect in DIALECTS[event.dialect]
            for field in event.fields
        ), entry
    for path, reason in NULL:
        assert any(re.fullmatch(path, one) for one in SENT if SENT[one]), (path, reason)


def _sent() -> dict[tuple[Dialect, Event, str], bool]:
    """Every member that is sent, and whether it was ever null."""
    sent: dict[tuple[Dialect, Event, str], bool] = {}
    for dialect in (Dialect.GA, Dialect.BETA):
        for frame in FRAMES[dialect]:
            event = entry_of(dialect, frame["type"])
            for path, value in paths(frame, event):
                key = (dialect, event, path)
                sent[key] = sent.get(key, False) or value is None
    return sent


MEMBERS = _sent()
SENT = {path: any(null for (_, _, other), null in MEMBERS.items() if other == path) for _, _, path in MEMBERS}


@pytest.mark.parametrize("entry", EXTRA, ids=lambda entry: f"{entry[1]}:{entry[2]}")
def test_every_extra_is_really_sent(entry: tuple[str, str, str, str]) -> None:
    assert any(listed([entry], dialect, event, path) for dialect, event, path in MEMBERS)


# --- the official SDK's types, strictly ----------------------------------------------------------------------------


def _models(union: Any) -> dict[str, type[pydantic.BaseModel]]:
    members = typing.get_args(typing.get_args(union)[0])
    return {typing.get_args(model.model_fields["type"].annotation)[0]: model for model in members}


MODELS = {Dialect.GA: _models(GaServerEvent), Dialect.BETA: _models(BetaServerEvent)}
NO_CLASS = {"transcription_session.created", "transcription_session.updated"}
"""The SDK has no class for the first, and wants a client secret in the second, which an open session has not."""


@pytest.mark.parametrize("dialect", [Dialect.GA, Dialect.BETA])
def test_the_sdk_takes_every_event_without_conversion(dialect: Dialect) -> None:
    for frame in FRAMES[dialect]:
        if frame["type"] not in NO_CLASS:
            MODELS[dialect][frame["type"]].model_validate_json(json.dumps(frame), strict=True)


def test_the_first_preview_hears_only_of_what_it_knew() -> None:
    kinds = {frame["type"] for frame in FRAMES[Dialect.BETA]} - {
        frame["type"] for frame in FRAMES[Dialect.BETA_2024_10]
    }
    assert kinds == {
        "conversation.created",
        "conversation.item.retrieved",
        "conversation.item.input_audio_transcription.delta",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "output_audio_buffer.cleared",
    }
