"""Which fault of an event is told, in which words, and what is let through (protocol 2.1, 7.1, choice 17)."""

from __future__ import annotations

from typing import Any

import pytest

from voicebridge.errors import InvalidEvent
from voicebridge.protocol.client_events import parse_client_event, parse_session
from voicebridge.protocol.validation import MAX_FAULTS, OTHER_DIALECT, Strictness, UnknownMembers

STRICT = Strictness("error")
LENIENT = Strictness("off")


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def refused(event: dict[str, Any], strictness: Strictness = STRICT) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        parse_client_event(event, strictness)
    return caught.value


def taken(event: dict[str, Any], strictness: Strictness = LENIENT) -> dict[str, Any]:
    parsed = parse_client_event(event, strictness)
    return parsed.model_dump(exclude_unset=True, warnings=False)


@pytest.mark.parametrize(
    ("event", "code", "param", "message"),
    [
        ({}, "missing_required_parameter", "type", "Missing required parameter: 'type'."),
        ({"type": "session.update"}, "missing_required_parameter", "session",
         "Missing required parameter: 'session'. All settings go inside it."),
        ({"type": "session.update", "session": 3}, "invalid_type", "session",
         "Invalid type for 'session': expected an object, but got an integer instead."),
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type",
         "Missing required parameter: 'session.type'."),
        ({"type": "session.update", "session": {"type": 5}}, "invalid_type", "session.type",
         "Invalid type for 'session.type': expected a string, but got an integer instead."),
        ({"type": "session.update", "session": {"type": "live"}}, "invalid_value", "session.type",
         "Invalid value: 'live' for 'session.type'. Supported values are: 'realtime', 'transcription'."),
        (update(instructions=5), "invalid_type", "session.instructions",
         "Invalid type for 'session.instructions': expected a string, but got an integer instead."),
        (update(parallel_tool_calls="yes"), "invalid_type", "session.parallel_tool_calls",
         "Invalid type for 'session.parallel_tool_calls': expected a boolean, but got a string instead."),
        (update(tools={}), "invalid_type", "session.tools",
         "Invalid type for 'session.tools': expected an array, but got an object instead."),
        (update(audio=[]), "invalid_type", "session.audio",
         "Invalid type for 'session.audio': expected an object, but got an array instead."),
        (update(audio={"output": {"speed": "fast"}}), "invalid_type", "session.audio.output.speed",
         "Invalid type for 'session.audio.output.speed': expected a number, but got a string instead."),
        (update(max_output_tokens=1.5), "invalid_type", "session.max_output_tokens",
         "Invalid type for 'session.max_output_tokens': expected an integer, but got a number instead."),
        (update(max_output_tokens=0), "integer_below_min_value", "session.max_output_tokens",
         "Invalid 'session.max_output_tokens': below minimum value. Expected a value >= 1, but got 0 instead."),
        (update(max_output_tokens=4097), "integer_above_max_value", "session.max_output_tokens",
         "Invalid 'session.max_output_tokens': above maximum value. Expected a value <= 4096, but got 4097 instead."),
        (update(audio={"output": {"speed": 0.1}}), "decimal_below_min_value", "session.audio.output.speed",
         "Invalid 'session.audio.output.speed': below minimum value. Expected a value >= 0.25, but got 0.1 instead."),
        (update(tools=[{"type": "function", "name": "x" * 65}]), "string_above_max_length", "session.tools[0].name",
         "Invalid 'session.tools[0].name': expected at most 64 characters."),
        (update(tools=[{"type": "function", "name": "f"}, {"type": "function"}]), "missing_required_parameter",
         "session.tools[1].name", "Missing required parameter: 'session.tools[1].name'."),
        (update(colour="red"), "unknown_parameter", "session.colour", "Unknown parameter: 'session.colour'."),
        (update(audio={"input": {"format": "pcm16"}}), "invalid_type", "session.audio.input.format",
         "Invalid type for 'session.audio.input.format': expected an object, but got a string instead."),
        (update(audio={"output": {"format": {"type": "mp3"}}}), "invalid_value", "session.audio.output.format.type",
         ("Invalid value: 'mp3' for 'session.audio.output.format.type'. "
          "Supported values are: 'audio/pcm', 'audio/pcmu', 'audio/pcma'.")),
        ({"type": "conversation.item.create", "item": {"type": "picture"}}, "invalid_value", "item.type",
         ("Invalid value: 'picture' for 'item.type'. "
          "Supported values are: 'message', 'function_call', 'function_call_output'.")),
        ({"type": "conversation.item.create", "item": "hi"}, "invalid_type", "item",
         "Invalid type for 'item': expected an object, but got a string instead."),
        ({"type": "conversation.item.create", "item": None}, "invalid_type", "item",
         "Invalid type for 'item': expected an object, but got null instead."),
        ({"type": "response.create", "response": {"input": [{"type": "item_reference"}]}},
         "missing_required_parameter", "response.input[0].id", "Missing required parameter: 'response.input[0].id'."),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_code_its_path_and_a_sentence(
    event: dict[str, Any], code: str, param: str, message: str
) -> None:
    error = refused(event)
    assert (error.code, error.param, error.message) == (code, param, message)
    assert error.type == "invalid_request_error"


def test_of_several_faults_the_first_of_the_protocols_order_is_told() -> None:
    session: dict[str, Any] = {
        "max_output_tokens": 0,
        "instructions": 5,
        "colour": "red",
        "tools": [{"type": "function"}],
        "type": "live",
    }
    event = {"type": "session.update", "session": session}
    assert refused(event).param == "session.type"
    session["type"] = "realtime"
    assert refused(event).param == "session.tools[0].name"
    session["tools"] = []
    assert refused(event).param == "session.colour"
    del session["colour"]
    assert refused(event).param == "session.instructions"
    session["instructions"] = ""
    assert refused(event).param == "session.max_output_tokens"


def test_the_wrong_kind_of_tool_is_told_before_what_it_lacks() -> None:
    error = refused(update(tools=[{"type": "mcp"}]))
    assert (error.code, error.param) == ("invalid_value", "session.tools[0].type")


# --- unknown members ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "reports"), [("off", []), ("warn", ["session.colour", "session.audio.mood", "extra"])])
def test_unknown_members_are_left_out_and_told_where_asked(how: UnknownMembers, reports: list[str]) -> None:
    told: list[str] = []
    event = update(colour="red", audio={"mood": "good", "output": {"voice": "echo"}}) | {"extra": 1}
    before = repr(event)
    session = taken(event, Strictness(how, told.append))["session"]
    assert session == {"type": "realtime", "audio": {"output": {"voice": "echo"}}}
    assert sorted(told) == sorted(reports)
    assert repr(event) == before, "the client's event is not changed"


def test_unknown_members_do_not_hide_other_faults() -> None:
    assert refused(update(colour="red", instructions=5), LENIENT).param == "session.instructions"


def test_several_unknown_members_of_list_elements_are_left_out() -> None:
    part = {"type": "input_text", "text": "a", "x": 1, "y": {"z": 2}}
    item = {"type": "message", "role": "user", "content": [part, part], "mood": 3}
    content = taken({"type": "conversation.item.create", "item": item})["item"]["content"]
    assert content == [{"type": "input_text", "text": "a"}] * 2


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        ({"type": "text", "text": "a", "x": 1}, {"type": "text", "text": "a"}),
        ({"type": "audio", "transcript": "a", "audio": "AAAA", "format": "pcm16"},
         {"type": "audio", "transcript": "a", "audio": "AAAA"}),
        ({"type": "text", "text": "a", "branch:text": 1}, {"type": "text", "text": "a"}),
    ],
)  # fmt: skip
def test_members_called_like_their_type_are_not_mixed_up_with_it(part: dict[str, Any], kept: dict[str, Any]) -> None:
    item = {"type": "message", "role": "assistant", "content": [part]}
    assert taken({"type": "conversation.item.create", "item": item})["item"]["content"] == [kept]


def test_unknown_members_called_like_their_parents_type_are_found() -> None:
    assert taken(update(realtime={"colour": 1}, colour=2)) == update()
    error = refused(update(tool_choice={"type": "function", "function": {"name": "f"}}))
    assert (error.code, error.param) == ("missing_required_parameter", "session.tool_choice.name")
    assert refused(update(realtime=1)).param == "session.realtime"
    assert refused(update(**{"branch:realtime": 1})).param == "session.branch:realtime"


def test_turn_detection_takes_members_of_any_name() -> None:
    detection = {"type": "semantic_vad", "model_version": "v1", "threshold": "ignored"}
    audio = taken(update(audio={"input": {"turn_detection": detection}}), STRICT)["session"]["audio"]
    assert audio["input"]["turn_detection"] == {"type": "semantic_vad"}


def test_a_session_may_be_echoed_with_what_the_server_owns() -> None:
    echoed = {"id": "sess_1", "object": "realtime.session", "expires_at": 5, "client_secret": None}
    assert taken(update(**echoed), STRICT)["session"]["type"] == "realtime"


def test_names_in_errors_are_cut() -> None:
    assert refused(update(**{"x" * 5000: 1})).param == "session." + "x" * 100


def test_more_faults_than_anybody_reads_are_not_listed() -> None:
    flood = {f"x{n}": 1 for n in range(MAX_FAULTS + 1)}
    error = refused(update(**flood), LENIENT)
    assert (error.code, error.param) == ("invalid_value", None)
    flood.popitem()
    assert taken(update(**flood)) == update()


# --- the other dialect --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(OTHER_DIALECT))
def test_a_beta_member_is_refused_and_told_its_ga_name(path: str) -> None:
    where, member = path.split(".")
    event = update(**{member: 1}) if where == "session" else {"type": "response.create", "response": {member: 1}}
    error = refused(event, LENIENT)
    assert (error.code, error.param) == ("unknown_parameter", path)
    assert (OTHER_DIALECT[path] or "GA has none") in error.message
    assert "OpenAI-Beta: realtime=v1" in error.message


@pytest.mark.parametrize("member", ["instructions", "voice", "modalities", "tools"])
def test_settings_beside_the_session_are_refused_with_a_hint(member: str) -> None:
    error = refused(update() | {member: "x"}, LENIENT)
    assert (error.code, error.param) == ("unknown_parameter", member)
    assert "inside 'session'" in error.message


@pytest.mark.parametrize("where", ["session.update", "response.create"])
def test_temperature_is_betas(where: str) -> None:
    body = {"temperature": 0.9}
    event = update(**body) if where == "session.update" else {"type": where, "response": body}
    assert refused(event, LENIENT).code == "unknown_parameter"
    member = "session" if where == "session.update" else "response"
    assert getattr(parse_client_event(event, STRICT, beta=True), member).temperature == 0.9


def test_a_transcription_sessions_model_must_be_where_it_belongs() -> None:
    error = refused({"type": "session.update", "session": {"type": "transcription", "model": "whisper-1"}}, LENIENT)
    assert (error.code, error.param) == ("unknown_parameter", "session.model")
    assert "session.audio.input.transcription.model" in error.message


# --- a session by itself ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ([], "invalid_type", "session"),
        (None, "invalid_type", "session"),
        ({}, "missing_required_parameter", "session.type"),
        ({"type": "translation"}, "invalid_value", "session.type"),
        ({"type": "realtime", "audio": {"output": {"voice": {}}}}, "missing_required_parameter",
         "session.audio.output.voice.id"),
        ({"type": "realtime", "voice": "echo"}, "unknown_parameter", "session.voice"),
    ],
)  # fmt: skip
def test_a_session_from_elsewhere_is_checked_alike(session: Any, code: str, param: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_session(session, LENIENT)
    assert (caught.value.code, caught.value.param) == (code, param)
