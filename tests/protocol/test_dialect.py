"""Every row of the translation tables between the dialects, both ways (protocol 4.1 to 4.4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import client_examples, server_examples
from voicebridge.errors import InvalidEvent
from voicebridge.protocol.client_events import parse_client_event, parse_session
from voicebridge.protocol.dialect import (
    Dialect,
    beta_param,
    downgraded,
    downgraded_item,
    downgraded_session,
    downgraded_transcription_session,
    in_beta_words,
    upgraded,
    upgraded_session,
    upgraded_transcription_session,
)
from voicebridge.protocol.server_events import ErrorDetails, ErrorEvent
from voicebridge.protocol.session_config import RealtimeSession, SessionDefaults, new_session, updated
from voicebridge.protocol.validation import Strictness

Json = dict[str, Any]
PCM = {"type": "audio/pcm", "rate": 24000}
FORMATS = [("pcm16", PCM), ("g711_ulaw", {"type": "audio/pcmu"}), ("g711_alaw", {"type": "audio/pcma"})]


# --- 4.1: client events -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.commit"},
        {"type": "input_audio_buffer.clear"},
        {"type": "output_audio_buffer.clear"},
        {"type": "conversation.item.retrieve", "item_id": "i"},
        {"type": "conversation.item.delete", "item_id": "i"},
        {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 5},
        {"type": "response.create"},
        {"type": "response.cancel", "response_id": "r"},
    ],
)
def test_events_that_both_have_stay_as_they_are(event: Json) -> None:
    assert upgraded(event) == event
    assert upgraded(event | {"event_id": "e", "timestamp": 5}) == event | {"event_id": "e"}, "beta ignored the unknown"


def test_a_transcription_update_is_a_session_update() -> None:
    up = upgraded({"type": "transcription_session.update", "event_id": "e", "session": {"include": []}})
    assert up == {"type": "session.update", "event_id": "e", "session": {"type": "transcription", "include": []}}


@pytest.mark.parametrize("kind", ["session.update", "transcription_session.update"])
@pytest.mark.parametrize("session", [None, 5, "x", []])
def test_a_session_that_is_none_is_left_for_the_checks(kind: str, session: Any) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_client_event(upgraded({"type": kind, "session": session}), Strictness())
    assert caught.value.param == "session"
    assert caught.value.code == ("missing_required_parameter" if session is None else "invalid_type")


def test_events_of_the_other_dialects_are_unknown() -> None:
    for kind in ("session.close", "session.input_audio_buffer.append", "response.text.delta"):
        with pytest.raises(InvalidEvent) as caught:
            upgraded({"type": kind})
        assert (caught.value.code, caught.value.param) == ("invalid_value", "type")
    with pytest.raises(InvalidEvent) as caught:
        parse_client_event({"type": "transcription_session.update", "session": {}}, Strictness())
    assert (caught.value.code, caught.value.param) == ("invalid_value", "type")


# --- 4.2: session members -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        ({}, {}),
        ({"modalities": ["text"]}, {"output_modalities": ["text"]}),
        ({"modalities": ["audio", "text"]}, {"output_modalities": ["audio", "text"]}),
        ({"model": "m"}, {"model": "m"}),
        ({"instructions": "i"}, {"instructions": "i"}),
        ({"voice": "echo"}, {"audio": {"output": {"voice": "echo"}}}),
        *(({"input_audio_format": beta}, {"audio": {"input": {"format": ga}}}) for beta, ga in FORMATS),
        *(({"output_audio_format": beta}, {"audio": {"output": {"format": ga}}}) for beta, ga in FORMATS),
        (
            {"input_audio_transcription": {"model": "m", "language": "de", "prompt": "p", "enabled": True, "x": 1}},
            {"audio": {"input": {"transcription": {"model": "m", "language": "de", "prompt": "p"}}}},
        ),
        ({"input_audio_transcription": {"enabled": True}}, {"audio": {"input": {"transcription": {}}}}),
        ({"input_audio_transcription": {"enabled": False}}, {"audio": {"input": {"transcription": None}}}),
        ({"input_audio_transcription": None}, {"audio": {"input": {"transcription": None}}}),
        (
            {"input_audio_noise_reduction": {"type": "near_field"}},
            {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
        ),
        ({"input_audio_noise_reduction": None}, {"audio": {"input": {"noise_reduction": None}}}),
        (
            {"turn_detection": {"threshold": 0.5, "idle_timeout_ms": 6000}},
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.5, "idle_timeout_ms": 6000}}}},
        ),
        (
            {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}},
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}},
        ),
        ({"turn_detection": None}, {"audio": {"input": {"turn_detection": None}}}),
        ({"speed": 1.5}, {"audio": {"output": {"speed": 1.5}}}),
        ({"tools": [client_examples.FUNCTION]}, {"tools": [client_examples.FUNCTION]}),
        *(({"tool_choice": mode}, {"tool_choice": mode}) for mode in ("auto", "none", "required")),
        ({"tool_choice": "look"}, {"tool_choice": {"type": "function", "name": "look"}}),
        ({"max_response_output_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_output_tokens": "inf"}, {"max_output_tokens": "inf"}),
        ({"temperature": 0.7}, {"temperature": 0.7}),
        ({"tracing": "auto"}, {"tracing": "auto"}),
        ({"prompt": {"id": "p"}}, {"prompt": {"id": "p"}}),
        ({"client_secret": {"expires_after": {}}, "type": "x", "id": "y", "colour": "red"}, {}),
    ],
)
def test_each_session_member_has_its_ga_place(beta: Json, ga: Json) -> None:
    up = upgraded_session(beta)
    assert up == {"type": "realtime", "audio": {}, **ga}
    parse_session(up, Strictness("error"), beta=True)


def test_a_transcription_session_takes_only_what_it_has() -> None:
    beta = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {"create_response": False},
        "include": [],
        "modalities": ["text"],
        "client_secret": {},
        "voice": "echo",
        "model": "m",
    }
    up = upgraded_transcription_session(beta)
    assert up == {
        "type": "transcription",
        "include": [],
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "whisper-1"},
                "turn_detection": {"type": "server_vad", "create_response": False},
            }
        },
    }
    parse_session(up, Strictness("error"))


def beta_session(**settings: Any) -> Json:
    session = new_session("realtime", SessionDefaults(instructions="i"), session_id="sess_1", expires_at=9)
    session = updated(
        session, parse_session({"type": "realtime", **settings}, Strictness(), beta=True), SessionDefaults()
    )
    assert isinstance(session, RealtimeSession)
    return downgraded_session(session.model_dump(mode="json") | {"temperature": session.temperature})


def test_a_session_is_flat_in_beta() -> None:
    assert beta_session() == {
        "id": "sess_1",
        "object": "realtime.session",
        "expires_at": 9,
        "model": "gpt-realtime",
        "modalities": ["audio", "text"],
        "instructions": "i",
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
        "client_secret": None,
    }


@pytest.mark.parametrize(
    ("ga", "member", "beta"),
    [
        ({"output_modalities": ["text"]}, "modalities", ["text"]),
        ({"audio": {"output": {"voice": {"id": "v"}}}}, "voice", "v"),
        *(({"audio": {"input": {"format": ga}}}, "input_audio_format", beta) for beta, ga in FORMATS),
        *(({"audio": {"output": {"format": ga}}}, "output_audio_format", beta) for beta, ga in FORMATS),
        (
            {
                "audio": {
                    "input": {"transcription": {"model": "m", "languages": ["de"], "keywords": ["k"], "delay": "low"}}
                }
            },
            "input_audio_transcription",
            {"model": "m", "language": None, "prompt": None},
        ),
        (
            {"audio": {"input": {"noise_reduction": {"type": "near_field", "strength": 0.5}}}},
            "input_audio_noise_reduction",
            {"type": "near_field"},
        ),
        ({"audio": {"input": {"turn_detection": None}}}, "turn_detection", None),
        ({"tool_choice": {"type": "function", "name": "look"}}, "tool_choice", "look"),
        ({"max_output_tokens": 7}, "max_response_output_tokens", 7),
        ({"temperature": 1.5}, "temperature", 1.5),
        ({"tracing": {"group_id": "g"}}, "tracing", {"group_id": "g"}),
        ({"audio": {"output": {"speed": 0.5}}}, "speed", 0.5),
    ],
)
def test_each_ga_setting_has_its_beta_member(ga: Json, member: str, beta: Any) -> None:
    assert beta_session(**ga)[member] == beta


def test_what_only_ga_has_does_not_show_in_beta() -> None:
    session = beta_session(truncation="disabled", reasoning={"effort": "low"}, parallel_tool_calls=True)
    assert not {"truncation", "reasoning", "parallel_tool_calls", "type", "audio"} & session.keys()


def test_a_transcription_session_is_flat_in_beta() -> None:
    session = new_session("transcription", SessionDefaults(), session_id="sess_1", expires_at=9)
    assert downgraded_transcription_session(session.model_dump(mode="json")) == {
        "id": "sess_1",
        "object": "realtime.transcription_session",
        "expires_at": 9,
        "modalities": ["audio", "text"],
        "input_audio_format": "pcm16",
        "input_audio_noise_reduction": None,
        "input_audio_transcription": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        },
        "include": [],
        "client_secret": None,
    }


@given(st.sampled_from([one["session"] for one in client_examples.BETA["session.update"]]))
def test_what_a_beta_session_shows_can_be_sent_back(settings: Json) -> None:
    def after(current: RealtimeSession, flat: Json) -> RealtimeSession:
        patch = parse_session(upgraded_session(flat), Strictness("error"), beta=True)
        session = updated(current, patch, SessionDefaults())
        assert isinstance(session, RealtimeSession)
        return session

    fresh = new_session("realtime", SessionDefaults(), session_id="sess_1", expires_at=9)
    assert isinstance(fresh, RealtimeSession)
    session = after(fresh, settings)
    echo = downgraded_session(session.model_dump(mode="json") | {"temperature": session.temperature})
    assert after(session, echo) == session


# --- 4.3: items ---------------------------------------------------------------------------------------------------


def item_from_beta(item: Json) -> Json:
    event = upgraded({"type": "conversation.item.create", "item": item})
    parsed = parse_client_event(event, Strictness("error"), beta=True)
    body: Json = parsed.model_dump(exclude_unset=True, warnings=False)["item"]
    return body


NOTHING = dict.fromkeys(["id", "object", "status", "role", "content", "call_id", "name", "arguments", "output"])


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA", "transcript": "a"}]},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "audio", "transcript": "a"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "message", "role": "user", "content": [{"type": "text", "text": "a"}]},
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "o"},
    ],
)
def test_items_are_taken_without_what_does_not_belong_to_them(item: Json) -> None:
    assert item_from_beta(item) == item
    assert item_from_beta(NOTHING | item) == item, "members of null are not there"
    cluttered = {**dict.fromkeys(NOTHING, "x"), "mood": "good"} | item
    kept = item_from_beta({k: v for k, v in cluttered.items() if k not in ("object", "status", "role") or k in item})
    assert kept == item | {"id": "x"}


def test_pictures_and_unknown_items_are_left_for_the_checks() -> None:
    for item in ("x", None, {"type": "mcp_call"}, {"type": 5}, {}):
        with pytest.raises(InvalidEvent) as caught:
            item_from_beta(item)  # type: ignore[arg-type]
        assert str(caught.value.param).startswith("item")


@pytest.mark.parametrize(
    ("ga", "beta"),
    [
        ({"type": "input_text", "text": "a"}, {"type": "input_text", "text": "a"}),
        ({"type": "input_audio", "transcript": None}, {"type": "input_audio", "transcript": None}),
        ({"type": "output_text", "text": "a"}, {"type": "text", "text": "a"}),
        ({"type": "output_audio", "transcript": "a"}, {"type": "audio", "transcript": "a"}),
    ],
)
def test_content_has_betas_names(ga: Json, beta: Json) -> None:
    item = {"type": "message", "content": [ga, {"type": "input_image", "image_url": "x", "detail": "auto"}]}
    assert downgraded_item(item) == {"type": "message", "content": [beta]}


def test_function_items_are_the_same_in_both() -> None:
    for item in (client_examples.CALL, client_examples.CALL_OUTPUT):
        assert downgraded_item(item) == item


# --- 4.4: responses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        ({}, {}),
        ({"modalities": ["text"]}, {"output_modalities": ["text"]}),
        ({"voice": "echo"}, {"audio": {"output": {"voice": "echo"}}}),
        *(({"output_audio_format": beta}, {"audio": {"output": {"format": ga}}}) for beta, ga in FORMATS),
        ({"max_response_output_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_output_tokens": 5}, {"max_output_tokens": 5}),
        ({"temperature": 0.9}, {"temperature": 0.9}),
        ({"conversation": "none", "metadata": {"a": "b"}}, {"conversation": "none", "metadata": {"a": "b"}}),
        ({"instructions": "i", "tools": []}, {"instructions": "i", "tools": []}),
        ({"tool_choice": "look"}, {"tool_choice": {"type": "function", "name": "look"}}),
        ({"input": []}, {"input": []}),
        ({"input": [client_examples.REFERENCE | {"role": None}]}, {"input": [client_examples.REFERENCE]}),
        ({"prompt": {"id": "p"}, "reasoning": {}, "colour": 1}, {}),
    ],
)  # fmt: skip
def test_each_response_member_has_its_ga_place(beta: Json, ga: Json) -> None:
    up = upgraded({"type": "response.create", "response": beta})
    assert up == {"type": "response.create", "response": ga}
    parse_client_event(up, Strictness("error"), beta=True)


def test_a_response_is_flat_in_beta() -> None:
    (response, *_) = (
        frame["response"] for frame in server_examples.frames(Dialect.BETA) if frame["type"] == "response.done"
    )
    assert {name: value for name, value in response.items() if name not in ("output", "usage")} == {
        "object": "realtime.response",
        "id": "resp_1",
        "status": "completed",
        "status_details": None,
        "conversation_id": "conv_1",
        "modalities": ["audio", "text"],
        "max_output_tokens": "inf",
        "voice": "echo",
        "output_audio_format": "pcm16",
        "temperature": 0.8,
        "metadata": {"a": "b"},
    }
    assert [part["type"] for part in response["output"][0]["content"]] == ["text", "audio", "audio"]
    assert "image" not in json.dumps(response["usage"])


# --- 4.1: server events -------------------------------------------------------------------------------------------

RENAMED = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
DROPPED = {"conversation.item.done", "input_audio_buffer.timeout_triggered"}


def test_every_event_has_its_beta_name_or_none() -> None:
    for event in server_examples.emitted():
        body = event.model_dump(mode="json")
        for part in (body.get("session"), body.get("response")):
            if part is not None:
                part["temperature"] = 0.8
        down = downgraded(body, Dialect.BETA)
        kind = event.type
        if kind in DROPPED:
            assert down is None
        elif kind.startswith("session.") and body["session"]["type"] == "transcription":
            assert down is not None
            assert down["type"] == "transcription_" + kind
        else:
            assert down is not None
            assert down["type"] == RENAMED.get(kind, kind)


def test_ga_hears_all_but_what_is_betas() -> None:
    for event in server_examples.emitted():
        body = event.model_dump(mode="json")
        assert downgraded(body, Dialect.GA) == (None if event.type == "conversation.created" else body)


@pytest.mark.parametrize(
    "kind",
    ["conversation.item.input_audio_transcription.segment", "input_audio_buffer.dtmf_event_received"],
)
def test_what_only_ga_has_is_dropped_even_before_we_send_it(kind: str) -> None:
    assert downgraded({"type": kind}, Dialect.BETA) is None


def test_translating_does_not_change_what_it_translates() -> None:
    for frame in server_examples.frames(Dialect.GA):
        if "temperature" not in frame and frame["type"] not in ("session.created", "session.updated"):
            body = json.loads(json.dumps(frame))
            if "response" in body:
                body["response"]["temperature"] = 0.8
            before = json.dumps(body)
            downgraded(body, Dialect.BETA)
            assert json.dumps(body) == before
    for examples in client_examples.BETA.values():
        for event in examples:
            before = json.dumps(event)
            upgraded(event)
            assert json.dumps(event) == before


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ga", "beta"),
    [
        (None, None),
        ("type", "type"),
        ("session", "session"),
        ("session.type", "type"),
        ("session.model", "session.model"),
        ("session.tools[0].name", "session.tools[0].name"),
        ("session.output_modalities[1]", "session.modalities[1]"),
        ("session.max_output_tokens", "session.max_response_output_tokens"),
        ("session.audio.input.format", "session.input_audio_format"),
        ("session.audio.input.format.type", "session.input_audio_format"),
        ("session.audio.output.format.type", "session.output_audio_format"),
        ("session.audio.input.transcription.model", "session.input_audio_transcription.model"),
        ("session.audio.input.noise_reduction.type", "session.input_audio_noise_reduction.type"),
        ("session.audio.input.turn_detection.threshold", "session.turn_detection.threshold"),
        ("session.audio.output.voice", "session.voice"),
        ("session.audio.output.speed", "session.speed"),
        ("response.output_modalities", "response.modalities"),
        ("response.audio.output.voice", "response.voice"),
        ("response.audio.output.format.type", "response.output_audio_format"),
        ("response.max_output_tokens", "response.max_response_output_tokens"),
        ("response.input[0].content[1].text", "response.input[0].content[1].text"),
        ("item.content[0].type", "item.content[0].type"),
    ],
)
def test_members_have_their_beta_names_in_errors(ga: str | None, beta: str | None) -> None:
    assert beta_param(ga) == beta
    assert beta_param(beta) == beta, "said twice it stays right"


def test_an_errors_sentence_names_the_member_as_the_client_does() -> None:
    error = ErrorEvent(
        event_id="event_1",
        error=ErrorDetails(
            type="invalid_request_error",
            code="integer_above_max_value",
            message="Invalid 'session.max_output_tokens': above maximum value.",
            param="session.max_output_tokens",
            event_id="e",
        ),
    )
    down = downgraded(error.model_dump(), Dialect.BETA)
    assert down is not None
    assert down["error"]["param"] == "session.max_response_output_tokens"
    assert down["error"]["message"] == "Invalid 'session.max_response_output_tokens': above maximum value."


def test_formats_are_told_by_their_beta_names_only_where_formats_are_meant() -> None:
    message, _ = in_beta_words(
        "'session.audio.input.format.type': 'audio/pcm', 'audio/pcmu'", "session.audio.input.format.type"
    )
    assert message == "'session.input_audio_format': 'pcm16', 'g711_ulaw'"
    assert in_beta_words("'audio/pcm' is a word", "session.instructions")[0] == "'audio/pcm' is a word"


# --- properties ---------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
BETA_MEMBERS = st.sampled_from(
    [
        "modalities", "voice", "input_audio_format", "output_audio_format", "input_audio_transcription", "tools",
        "input_audio_noise_reduction", "turn_detection", "tool_choice", "max_response_output_tokens", "input", "speed",
        "type", "item", "role", "content", "temperature", "metadata",
    ]
)  # fmt: skip


@given(
    st.sampled_from(["session.update", "transcription_session.update", "response.create", "conversation.item.create"]),
    st.dictionaries(BETA_MEMBERS, JSON),
)
def test_whatever_a_member_holds_it_can_be_translated(kind: str, body: Json) -> None:
    for member in ("session", "response", "item"):
        up = upgraded({"type": kind, member: body})
        assert up["type"] in (kind, "session.update")


@pytest.mark.parametrize("dialect", [Dialect.BETA, Dialect.BETA_2024_10])
def test_translating_down_loses_no_member_name_of_plain_events(dialect: Dialect) -> None:
    for event in server_examples.emitted():
        body = event.model_dump(mode="json")
        if not {"session", "response", "item"} & body.keys():
            down = downgraded(body, dialect)
            assert down is None or down.keys() == body.keys()
