"""Whatever happens to an event on its way through a narrow channel, clients can still read it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.scenario import check_by_sdk
from protocol import server_examples
from voicebridge.core.io import Emit, Retrieved, Speech
from voicebridge.protocol import server_events as events
from voicebridge.protocol.client_events import parse_session
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.formats import PCM_24K
from voicebridge.protocol.items import FunctionCallItem, InputAudioPart, InputImagePart, InputTextPart, MessageItem
from voicebridge.protocol.responses import TextPart
from voicebridge.protocol.session_config import SessionDefaults, new_session, updated
from voicebridge.protocol.validation import Strictness
from voicebridge.wire.fitting import LEGIBLE, MARK, NO_PICTURE, fitting, size
from voicebridge.wire.realtime import RealtimeCodec

Event = dict[str, Any]

LIMIT = 65_536
AT: dict[str, Any] = {"event_id": "event_1", "response_id": "resp_1", "item_id": "item_1", "output_index": 0}


def frames(event: events.ServerEvent, dialect: Dialect = Dialect.GA, limit: int = LIMIT) -> list[Event]:
    coded = RealtimeCodec(dialect, media=True, max_message_bytes=limit).encode_frames(Emit(event))
    assert all(len(frame.encode()) <= limit for frame in coded)
    return [json.loads(frame) for frame in coded]


def fitted(event: events.ServerEvent, dialect: Dialect = Dialect.GA, limit: int = LIMIT) -> Event:
    (frame,) = frames(event, dialect, limit)
    if dialect is Dialect.GA:
        check_by_sdk(frame)
    return frame


def session_updated(**members: Any) -> events.SessionUpdated:
    fresh = new_session("realtime", SessionDefaults(), session_id="sess_1", expires_at=1)
    patch = parse_session({"type": "realtime", **members}, Strictness("error"))
    return events.SessionUpdated(event_id="event_1", session=updated(fresh, patch, SessionDefaults()))


def tool(name: str, **members: Any) -> Event:
    return {"type": "function", "name": name, "description": "Looks.", **members}


# --- what fits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", list(Dialect))
def test_what_fits_is_the_same_as_without_a_limit(dialect: Dialect) -> None:
    plain, bounded = RealtimeCodec(dialect), RealtimeCodec(dialect, max_message_bytes=LIMIT)
    for output in server_examples.outputs():
        frame = plain.encode(output)
        assert bounded.encode_frames(output) == ([] if frame is None else [frame])


@pytest.mark.parametrize("text", ["x" * 5_000, "é" * 2_500, "\U0001f600" * 1_250, '"' * 2_500])
def test_the_limit_is_in_bytes_and_may_be_reached(text: str) -> None:
    event = events.OutputTextDone(**AT, content_index=0, text=text)
    whole = len(RealtimeCodec(Dialect.GA).encode(Emit(event)).encode())  # type: ignore[union-attr]
    assert fitted(event, limit=whole)["text"] == text
    assert fitted(event, limit=whole - 1)["text"].endswith(MARK)


# --- what is split ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["word " * 40_000, "日本語" * 30_000, '\x00"\\\n' * 20_000, "\U0001f600" * 40_000])
@pytest.mark.parametrize("dialect", [Dialect.GA, Dialect.BETA])
def test_long_deltas_come_in_several_pieces_and_whole(text: str, dialect: Dialect) -> None:
    at = {**AT, "content_index": 0}
    for event in (
        events.OutputTextDelta(**at, delta=text),
        events.OutputAudioTranscriptDelta(**at, delta=text),
        events.FunctionCallArgumentsDelta(**AT, call_id="call_1", delta=text),
        events.TranscriptionDelta(event_id="event_1", item_id="item_1", content_index=0, delta=text),
    ):
        parts = frames(event, dialect)
        assert len(parts) > 1
        assert "".join(part["delta"] for part in parts) == text
        assert len({part["event_id"] for part in parts}) == len(parts)
        assert parts[0]["event_id"] == "event_1"
        without = [{**part, "delta": "", "event_id": ""} for part in parts]
        assert all(part == without[0] for part in without)


def test_the_probabilities_of_a_long_delta_are_all_there() -> None:
    logprobs = tuple(events.LogProb(token=f"t{n}", logprob=-0.5, bytes=(116,)) for n in range(5_000))
    event = events.TranscriptionDelta(
        event_id="event_1", item_id="item_1", content_index=0, delta="t" * 100_000, logprobs=logprobs
    )
    parts = frames(event)
    assert "".join(part["delta"] for part in parts) == event.delta
    assert [one["token"] for part in parts for one in part["logprobs"]] == [one.token for one in logprobs]
    for part in parts:
        check_by_sdk(part)


def test_sound_is_split_between_samples() -> None:
    samples = np.arange(4_800, dtype=np.int16)
    speech = Speech("event_1", "resp_1", "item_1", 0, 0, samples, PCM_24K)
    coded = RealtimeCodec(Dialect.GA, max_message_bytes=2_000).encode_frames(speech)
    assert all(len(frame) <= 2_000 for frame in coded)
    deltas = [json.loads(frame)["delta"] for frame in coded]
    assert all(len(delta) % 8 == 0 for delta in deltas[:-1])
    whole = RealtimeCodec(Dialect.GA).encode(speech)
    assert whole is not None
    assert "".join(deltas) == json.loads(whole)["delta"]


# --- what is shortened --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [Dialect.GA, Dialect.BETA])
def test_long_instructions_lose_their_end_and_nothing_else_changes(dialect: Dialect) -> None:
    event = session_updated(instructions="Be brief. " * 10_000, tools=[tool("look")], tool_choice="required")
    told = fitted(event, dialect)
    assert told["session"]["instructions"].startswith("Be brief. Be brief.")
    assert told["session"]["instructions"].endswith(MARK)
    assert len(told["session"]["instructions"]) > 60_000
    plain = RealtimeCodec(dialect).encode(Emit(event))
    assert plain is not None
    whole = json.loads(plain)
    whole["session"]["instructions"] = told["session"]["instructions"]
    assert told == whole


def test_the_longest_texts_are_cut_first() -> None:
    event = session_updated(instructions="i" * 20_000, tools=[tool("a", description="d" * 100_000), tool("b")])
    told = fitted(event)["session"]
    assert told["instructions"] == "i" * 20_000
    assert told["tools"][1]["description"] == "Looks."
    assert told["tools"][0]["description"].endswith("d" + MARK)


def test_schemas_that_are_too_much_are_left_out_before_every_text_is_a_stump() -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(5_000)}}
    event = session_updated(instructions="i" * 1_000, tools=[tool("a", parameters=schema), tool("b")])
    told = fitted(event)["session"]
    assert told["tools"][0] == tool("a", parameters={"type": "object", "description": MARK})
    assert LEGIBLE - len(MARK) - 2 <= len(told["instructions"]) <= LEGIBLE


def test_hundreds_of_tools_keep_their_names() -> None:
    schema = {"type": "object", "properties": {"where": {"type": "string", "description": "A place. " * 30}}}
    event = session_updated(tools=[tool(f"tool_{n}", parameters=schema) for n in range(400)])
    assert [one["name"] for one in fitted(event)["session"]["tools"]] == [f"tool_{n}" for n in range(400)]


def test_pictures_go_before_words() -> None:
    parts = (
        InputTextPart(text="t" * 50_000),
        InputImagePart(image_url="data:image/png;base64," + "A" * 50_000, detail="high"),
        InputImagePart(image_url="data:image/png;base64,AAAA", detail="high"),
    )
    item = MessageItem(id="item_1", status="completed", role="user", content=parts)
    told = fitted(events.ItemAdded(event_id="event_1", previous_item_id=None, item=item))
    first, second, third = told["item"]["content"]
    assert first["text"] == "t" * 50_000
    assert second["image_url"] == NO_PICTURE
    assert third["image_url"] == "data:image/png;base64,AAAA"


def test_arguments_that_were_cut_are_no_json() -> None:
    item = FunctionCallItem(
        id="item_1", status="completed", name="f", call_id="call_1", arguments=json.dumps({"a": "x" * 70_000})
    )
    told = fitted(events.OutputItemDone(event_id="event_1", response_id="resp_1", output_index=0, item=item))
    assert told["item"]["arguments"].endswith(MARK)
    with pytest.raises(json.JSONDecodeError):
        json.loads(told["item"]["arguments"])


@pytest.mark.parametrize("dialect", [Dialect.GA, Dialect.BETA])
def test_sound_of_a_retrieved_item_comes_only_if_it_fits(dialect: Dialect) -> None:
    parts = (InputAudioPart(transcript="long"), InputAudioPart(transcript="short"))
    item = MessageItem(id="item_1", status="completed", role="user", content=parts)
    retrieved = Retrieved("event_1", item, {0: np.zeros(48_000, np.int16), 1: np.zeros(4_800, np.int16)}, PCM_24K)
    (frame,) = RealtimeCodec(dialect, media=True, max_message_bytes=LIMIT).encode_frames(retrieved)
    assert len(frame) <= LIMIT
    first, second = json.loads(frame)["item"]["content"]
    assert first == {"type": "input_audio", "transcript": "long"}
    assert len(second["audio"]) == 12_800


def test_the_words_that_were_streamed_are_shortened_where_they_are_repeated() -> None:
    part = events.ContentPartDone(**AT, content_index=0, part=TextPart(text="word " * 20_000))
    assert fitted(part)["part"]["text"].endswith(MARK)


def test_what_cannot_be_sent_at_all_is_not_sent() -> None:
    assert frames(events.InputAudioBufferCleared(event_id="event_1"), limit=30) == []
    named = events.ItemDeleted(event_id="event_1", item_id="i" * 5_000)
    assert fitted(named, limit=200)["item_id"].endswith(MARK)
    assert frames(named, limit=65) == [{"event_id": "event_1", "type": "conversation.item.deleted"}]


# --- whatever it is -----------------------------------------------------------------------------------------------

EXAMPLES = [json.dumps(frame) for dialect in Dialect for frame in server_examples.frames(dialect)]
ALPHABETS = ["a", "word ", '"', "\\\x00", "é", "日本", "\U0001f600"]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Where there is something that could be longer."""
    found = []
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        if key not in ("type", "object", "event_id") and isinstance(child, str | list | dict):
            found.append((value, key))
        if isinstance(child, list | dict):
            found += places(child)
    return found


@st.composite
def grown(draw: st.DrawFn) -> Event:
    """An event some of whose texts are long, lists many and objects wide."""
    event: Event = json.loads(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        where = places(event)
        if not where or size(event) > 200_000:
            break
        holder, key = draw(st.sampled_from(where))
        times = draw(st.sampled_from([10, 300, 5_000, 20_000]))
        match holder[key]:
            case str():
                holder[key] = draw(st.sampled_from(ALPHABETS)) * times
            case list() as values:
                holder[key] = (values or ["x"]) * min(times, 50)
            case dict() as members if key in ("parameters", "metadata", "variables"):
                holder[key] = members | {f"{n}": "x" for n in range(min(times, 500))}
        event = json.loads(json.dumps(event))  # nothing in it twice
    return event


@given(event=grown(), limit=st.sampled_from([700, 2_000, 16_384, 65_536]))
@settings(max_examples=300, deadline=None)
def test_any_event_comes_out_below_the_limit_as_one_of_its_type(event: Event, limit: int) -> None:
    before: Event = json.loads(json.dumps(event))
    parts = fitting(event, limit)
    assert parts
    for part in parts:
        assert size(part) <= limit
        assert part["type"] == before["type"]
    assert parts[0]["event_id"] == before["event_id"]
    if size(before) <= limit:
        assert parts == [before]
    elif len(parts) > 1:
        assert "".join(part["delta"] for part in parts) == before["delta"]
    else:
        shape_is_kept(before, parts[0])


def shape_is_kept(before: Any, after: Any) -> None:
    """What is still there is what it was, or shorter."""
    assert type(before) is type(after)
    if isinstance(after, dict):
        stub = after.get("description") == MARK
        assert stub or after.keys() <= before.keys()
        for key in after.keys() & before.keys():
            shape_is_kept(before[key], after[key])
    elif isinstance(after, list):
        assert len(after) <= len(before)
        for one, other in zip(before, after, strict=False):
            shape_is_kept(one, other)
    elif before != after:
        assert after == NO_PICTURE or before.startswith(after.removesuffix(MARK))
