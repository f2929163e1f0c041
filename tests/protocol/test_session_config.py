"""Defaults, ranges, merging and locks of a session's settings (protocol 2.3, 5, 7.1)."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import client_examples
from voicebridge.errors import InvalidEvent
from voicebridge.protocol.client_events import parse_session
from voicebridge.protocol.session_config import Session, SessionDefaults, new_session, updated
from voicebridge.protocol.validation import Strictness

DEFAULTS = SessionDefaults(instructions="Be kind.")


def fresh(kind: Literal["realtime", "transcription"] = "realtime", defaults: SessionDefaults = DEFAULTS) -> Session:
    return new_session(kind, defaults, session_id="sess_1", expires_at=1_800_000_000)


def change(
    session: Session, defaults: SessionDefaults = DEFAULTS, *, voice_locked: bool = False, **members: Any
) -> Session:
    patch = parse_session({"type": session.type, **members}, Strictness("error"), beta=True)
    return updated(session, patch, defaults, voice_locked=voice_locked)


def shown(session: Session) -> dict[str, Any]:
    return session.model_dump(mode="json")


def shown_input(session: Session) -> dict[str, Any]:
    body: dict[str, Any] = shown(session)["audio"]["input"]
    return body


def refused(session: Session, **members: Any) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        change(session, **members)
    return caught.value


SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD = {"type": "semantic_vad", "eagerness": "auto", "create_response": True, "interrupt_response": True}


def test_a_conversation_begins_with_the_documented_settings() -> None:
    assert shown(fresh()) == {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "Be kind.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": 1_800_000_000,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": SERVER_VAD,
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def test_a_transcription_begins_with_the_documented_settings() -> None:
    detection = {name: SERVER_VAD[name] for name in ("type", "threshold", "prefix_padding_ms", "silence_duration_ms")}
    assert shown(fresh("transcription")) == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_1",
        "expires_at": 1_800_000_000,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": detection,
            }
        },
        "include": None,
    }


def test_defaults_come_from_configuration() -> None:
    defaults = SessionDefaults(
        model="m",
        instructions="i",
        voice="echo",
        threshold=0.25,
        prefix_padding_ms=100,
        silence_duration_ms=200,
        max_output_tokens=77,
        transcription_model="t",
    )
    session = shown(fresh(defaults=defaults))
    assert (session["model"], session["instructions"], session["max_output_tokens"]) == ("m", "i", 77)
    assert session["audio"]["output"]["voice"] == "echo"
    detection = session["audio"]["input"]["turn_detection"]
    assert (detection["threshold"], detection["prefix_padding_ms"], detection["silence_duration_ms"]) == (
        0.25,
        100,
        200,
    )
    again = change(fresh(), defaults, audio={"input": {"turn_detection": {"type": "server_vad"}, "transcription": {}}})
    assert shown_input(again)["turn_detection"] == {**SERVER_VAD, **detection}
    assert shown_input(again)["transcription"]["model"] == "t"


# --- merging ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["realtime", "transcription"])
def test_an_empty_update_changes_nothing(kind: Literal["realtime", "transcription"]) -> None:
    assert change(fresh(kind)) == fresh(kind)
    assert change(fresh(kind), audio={}) == fresh(kind)
    assert change(fresh(kind), audio={"input": {}}) == fresh(kind)


def test_members_of_audio_are_merged_one_by_one() -> None:
    session = change(fresh(), audio={"output": {"speed": 1.25}, "input": {"format": {"type": "audio/pcmu"}}})
    session = change(session, audio={"output": {"voice": "echo"}})
    session = change(session, audio={"input": {"transcription": {"model": "whisper-1"}}})
    audio = shown(session)["audio"]
    assert audio["output"] == {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "echo", "speed": 1.25}
    assert audio["input"]["format"] == {"type": "audio/pcmu"}
    assert audio["input"]["turn_detection"] == SERVER_VAD


@pytest.mark.parametrize(
    ("first", "second", "shows"),
    [
        (
            {"turn_detection": {"type": "server_vad", "threshold": 0.9, "create_response": False}},
            {"turn_detection": {"type": "server_vad", "silence_duration_ms": 900}},
            {"turn_detection": {**SERVER_VAD, "silence_duration_ms": 900}},
        ),
        (
            {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}},
            {"turn_detection": {"type": "semantic_vad"}},
            {"turn_detection": SEMANTIC_VAD},
        ),
        (
            {"transcription": {"model": "whisper-1", "language": "de"}},
            {"transcription": {"prompt": "names"}},
            {"transcription": {"model": "gpt-4o-mini-transcribe", "language": None, "prompt": "names"}},
        ),
        (
            {"noise_reduction": {"type": "near_field", "strength": 0.5}},
            {"noise_reduction": {"type": "far_field"}},
            {"noise_reduction": {"type": "far_field"}},
        ),
    ],
)
def test_settings_of_one_thing_are_replaced_as_a_whole(
    first: dict[str, Any], second: dict[str, Any], shows: dict[str, Any]
) -> None:
    session = change(change(fresh(), audio={"input": first}), audio={"input": second})
    assert shows.items() <= shown_input(session).items()


@pytest.mark.parametrize("member", ["transcription", "noise_reduction", "turn_detection"])
def test_null_turns_a_part_of_hearing_off(member: str) -> None:
    on: dict[str, Any] = {
        "transcription": {},
        "noise_reduction": {"type": "near_field"},
        "turn_detection": {"type": "semantic_vad"},
    }
    session = change(fresh(), audio={"input": on})
    assert shown_input(session)[member] is not None
    assert shown_input(change(session, audio={"input": {member: None}}))[member] is None


@pytest.mark.parametrize(
    ("member", "value", "cleared"),
    [
        ("instructions", "x", ""),
        ("tools", [client_examples.FUNCTION], []),
        ("tracing", "auto", None),
        ("prompt", {"id": "p"}, None),
        ("include", ["item.input_audio_transcription.logprobs"], None),
    ],
)
def test_settings_are_set_and_cleared(member: str, value: Any, cleared: Any) -> None:
    session = change(fresh(), **{member: value})
    assert shown(session)[member] == value
    assert shown(change(session, **{member: cleared}))[member] == cleared


@pytest.mark.parametrize(("member", "value"), [("reasoning", {"effort": "high"}), ("parallel_tool_calls", False)])
def test_settings_of_reasoning_models_show_only_where_set(member: str, value: Any) -> None:
    assert member not in shown(fresh())
    session = change(fresh(), **{member: value})
    assert shown(session)[member] == value
    off: dict[str, Any] = {member: None}
    assert member not in shown(change(session, **off))


@pytest.mark.parametrize(
    "members",
    [
        {"model": None},
        {"output_modalities": None},
        {"instructions": None},
        {"tools": None},
        {"tool_choice": None},
        {"max_output_tokens": None},
        {"truncation": None},
        {"audio": None},
        {"audio": {"input": None, "output": None}},
        {"audio": {"input": {"format": None}}},
        {"audio": {"output": {"format": None, "voice": None, "speed": None}}},
    ],
)
def test_null_leaves_what_cannot_be_off_as_it_is(members: dict[str, Any]) -> None:
    session = change(fresh(), instructions="x", tool_choice="none", tools=[client_examples.FUNCTION])
    assert change(session, **members) == session


@pytest.mark.parametrize(
    "value",
    [
        {"tool_choice": {"type": "function", "name": "look"}},
        {"tool_choice": "required"},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.5}},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 1, "token_limits": {"post_instructions": 0}}},
        {"truncation": "disabled"},
        {"tracing": {"workflow_name": "w"}},
        {"prompt": {"id": "p", "variables": {"city": {"type": "input_text", "text": "Rome"}}}},
        {"max_output_tokens": 4096},
        {"tools": [{**client_examples.FUNCTION, "strict": True, "parameters": {"$schema": "x", "title": "y"}}]},
    ],
)
def test_what_was_set_is_echoed_as_it_came(value: dict[str, Any]) -> None:
    assert value.items() <= shown(change(fresh(), **value)).items()


def test_a_tool_without_a_type_is_a_function() -> None:
    assert shown(change(fresh(), tools=[{"name": "f"}]))["tools"] == [{"type": "function", "name": "f"}]


@pytest.mark.parametrize(
    ("asked", "means"),
    [(["audio"], ["audio"]), (["text"], ["text"]), (["audio", "text"], ["audio"]), (["text", "audio"], ["audio"])],
)
def test_speech_always_brings_its_text(asked: list[str], means: list[str]) -> None:
    assert shown(change(fresh(), output_modalities=asked))["output_modalities"] == means


def test_a_voice_may_be_a_reference_and_is_told_by_its_name() -> None:
    assert (
        shown(change(fresh(), audio={"output": {"voice": {"id": "voice_7"}}}))["audio"]["output"]["voice"] == "voice_7"
    )


@pytest.mark.parametrize("language", [None, "", "auto"])
def test_no_language_is_any_language(language: str | None) -> None:
    session = change(fresh(), audio={"input": {"transcription": {"language": language, "prompt": ""}}})
    assert shown_input(session)["transcription"] == {
        "model": "gpt-4o-mini-transcribe",
        "language": None,
        "prompt": None,
    }


def test_hints_for_recognition_are_echoed() -> None:
    hints = {"model": "x", "language": "de", "prompt": "p", "languages": ["de"], "keywords": ["k"], "delay": "low"}
    assert shown_input(change(fresh(), audio={"input": {"transcription": hints}}))["transcription"] == hints


# --- ranges -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "asked", "means"),
    [
        ("prefix_padding_ms", 0, 0),
        ("prefix_padding_ms", 5000, 5000),
        ("prefix_padding_ms", 5001, 5000),
        ("prefix_padding_ms", 10**30, 5000),
        ("silence_duration_ms", 0, 0),
        ("silence_duration_ms", 100, 100),
        ("silence_duration_ms", 10_000, 10_000),
        ("silence_duration_ms", 10_001, 10_000),
        ("threshold", 0, 0),
        ("threshold", 1.0, 1.0),
        ("idle_timeout_ms", 5000, 5000),
        ("idle_timeout_ms", 30_000, 30_000),
        ("idle_timeout_ms", None, None),
        ("prefix_padding_ms", None, 300),
        ("silence_duration_ms", None, 500),
        ("threshold", None, 0.5),
        ("create_response", None, True),
        ("interrupt_response", False, False),
    ],
)
def test_turn_detection_tells_what_is_in_effect(member: str, asked: Any, means: Any) -> None:
    session = change(fresh(), audio={"input": {"turn_detection": {"type": "server_vad", member: asked}}})
    assert shown_input(session)["turn_detection"] == {**SERVER_VAD, member: means}


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("threshold", -0.1, "decimal_below_min_value"),
        ("threshold", 1.1, "decimal_above_max_value"),
        ("prefix_padding_ms", -1, "integer_below_min_value"),
        ("silence_duration_ms", -1, "integer_below_min_value"),
        ("idle_timeout_ms", 4999, "integer_below_min_value"),
        ("idle_timeout_ms", 30_001, "integer_above_max_value"),
    ],
)
def test_turn_detection_has_limits(member: str, value: Any, code: str) -> None:
    error = refused(fresh(), audio={"input": {"turn_detection": {"type": "server_vad", member: value}}})
    assert (error.code, error.param) == (code, f"session.audio.input.turn_detection.{member}")


def test_only_configured_rates_of_pcm_are_taken() -> None:
    def pcm(rate: int) -> dict[str, Any]:
        return {"input": {"format": {"type": "audio/pcm", "rate": rate}}}

    low, high = refused(fresh(), audio=pcm(16_000)), refused(fresh(), audio=pcm(48_000))
    assert (low.code, low.param) == ("integer_below_min_value", "session.audio.input.format.rate")
    assert (high.code, high.param) == ("integer_above_max_value", "session.audio.input.format.rate")
    wider = SessionDefaults(allowed_pcm_rates=(16_000,))
    assert shown_input(change(fresh(), wider, audio=pcm(16_000)))["format"] == {"type": "audio/pcm", "rate": 16_000}
    assert shown_input(change(fresh(), wider, audio=pcm(24_000)))["format"]["rate"] == 24_000
    assert shown_input(change(fresh(), audio={"input": {"format": {"type": "audio/pcm"}}}))["format"]["rate"] == 24_000


def test_the_rate_of_what_is_spoken_has_its_own_name() -> None:
    error = refused(fresh(), audio={"output": {"format": {"type": "audio/pcm", "rate": 8000}}})
    assert error.param == "session.audio.output.format.rate"


@pytest.mark.parametrize(("asked", "code"), [(-0.1, "decimal_below_min_value"), (2.1, "decimal_above_max_value")])
def test_betas_temperature_is_from_0_to_2(asked: float, code: str) -> None:
    for good in (0, 0.8, 2):
        assert change(fresh(), temperature=good).temperature == good  # type: ignore[union-attr]
    assert refused(fresh(), temperature=asked).code == code
    assert "temperature" not in shown(change(fresh(), temperature=1.5))


# --- what may not change ------------------------------------------------------------------------------------------


def test_the_model_may_be_repeated_but_not_changed() -> None:
    assert change(fresh(), model="gpt-realtime") == fresh()
    error = refused(fresh(), model="gpt-realtime-2.1")
    assert (error.code, error.param) == ("invalid_value", "session.model")


def test_another_name_of_the_same_model_changes_nothing() -> None:
    defaults = SessionDefaults(model_aliases={"gpt-realtime-2.1": "gpt-realtime", "small": "tiny"})
    session = fresh(defaults=defaults)
    assert change(session, defaults, model="gpt-realtime-2.1") == session
    with pytest.raises(InvalidEvent):
        change(session, defaults, model="small")


@pytest.mark.parametrize(("is_", "patch"), [("realtime", "transcription"), ("transcription", "realtime")])
def test_a_session_keeps_its_kind(is_: Any, patch: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        updated(fresh(is_), parse_session({"type": patch}, Strictness()), DEFAULTS)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "session.type")
    assert is_ in caught.value.message
    assert patch in caught.value.message


def test_the_voice_is_locked_once_it_was_heard() -> None:
    assert change(fresh(), voice_locked=True, audio={"output": {"voice": "alloy", "speed": 1.5}}) != fresh()
    error = refused(fresh(), voice_locked=True, audio={"output": {"voice": "echo"}})
    assert (error.code, error.param) == ("cannot_update_voice", None)


def test_ranges_come_before_locks_and_the_model_before_the_voice() -> None:
    other_voice = {"voice": "echo"}
    bad = {"input": {"format": {"type": "audio/pcm", "rate": 8000}}, "output": other_voice}
    assert refused(fresh(), voice_locked=True, model="other", audio=bad).param == "session.audio.input.format.rate"
    assert refused(fresh(), voice_locked=True, model="other", audio={"output": other_voice}).param == "session.model"


def test_settings_that_only_transcription_lacks_are_kept_quiet_there() -> None:
    session = change(
        fresh("transcription"), audio={"input": {"turn_detection": {**SERVER_VAD, "idle_timeout_ms": 9000}}}
    )
    assert shown_input(session)["turn_detection"].keys() == {
        "type", "threshold", "prefix_padding_ms", "silence_duration_ms",
    }  # fmt: skip
    semantic = change(session, audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}})
    assert shown_input(semantic)["turn_detection"] == {"type": "semantic_vad", "eagerness": "high"}


# --- an update is whole or nothing, and says all ------------------------------------------------------------------

GOOD = [event["session"] for event in client_examples.GA["session.update"] if event["session"]["type"] == "realtime"]


@given(st.lists(st.sampled_from(GOOD), max_size=4), st.sampled_from(GOOD))
def test_a_repeated_update_changes_nothing_more(earlier: list[dict[str, Any]], last: dict[str, Any]) -> None:
    session: Session = fresh()
    for one in earlier:
        session = updated(session, parse_session(one, Strictness()), DEFAULTS)
    patch = parse_session(last, Strictness())
    once = updated(session, patch, DEFAULTS)
    assert updated(once, patch, DEFAULTS) == once


@given(st.sampled_from(GOOD))
def test_what_a_session_shows_can_be_sent_back(settings: dict[str, Any]) -> None:
    session = updated(fresh(), parse_session(settings, Strictness()), DEFAULTS)
    echo = parse_session(shown(session), Strictness("error"))
    assert updated(session, echo, DEFAULTS) == session


def test_a_refused_update_leaves_the_session_as_it_was() -> None:
    session = fresh()
    before = session.model_dump_json()
    refused(session, instructions="new", model="other", audio={"output": {"voice": "echo"}})
    assert session.model_dump_json() == before
