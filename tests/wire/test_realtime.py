from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import client_examples, server_examples
from voicebridge.audio.codec import Encoder
from voicebridge.audio.encoding import PCMA, PCMU
from voicebridge.core.engine_io import EngineDone, SpeechDelta
from voicebridge.core.io import (
    AudioAppended,
    ClientFault,
    ForgetSpeech,
    FromClient,
    FromEngine,
    Retrieved,
    Speech,
    StartResponse,
)
from voicebridge.core.session import LocalSession, SessionLimits
from voicebridge.protocol.client_events import SessionUpdate
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.formats import PCM_24K, AudioFormat, Pcma, Pcmu
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.items import InputAudioPart, InputTextPart, MessageItem, OutputAudioPart
from voicebridge.protocol.session_config import SessionDefaults, new_session
from voicebridge.protocol.validation import Strictness
from voicebridge.wire.realtime import RealtimeCodec, WireLimits

DIALECTS = list(Dialect)
MIB = 1024 * 1024


def codec(dialect: Dialect = Dialect.GA, **members: Any) -> RealtimeCodec:
    return RealtimeCodec(dialect, **members)


def fault(frame: str | bytes | dict[str, Any], coder: RealtimeCodec | None = None) -> ClientFault:
    if isinstance(frame, dict):
        frame = json.dumps(frame)
    result = (coder or codec()).decode(frame)
    assert isinstance(result, ClientFault), result
    return result


def error_of(frame: str | bytes | dict[str, Any], coder: RealtimeCodec | None = None) -> tuple[str | None, str | None]:
    error = fault(frame, coder).error
    return error.code, error.param


# --- frames that are no event -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        (b"", "invalid_event", None),
        (b'{"type": "response.create"}', "invalid_event", None),
        ("", "invalid_json", None),
        ("hello", "invalid_json", None),
        ("[]", "invalid_json", None),
        ('"response.create"', "invalid_json", None),
        ("null", "invalid_json", None),
        ('{"type": "response.create"', "invalid_json", None),
        ('{"type": "response.create"} {}', "invalid_json", None),
        ("\ufeff{}", "invalid_json", None),
        ("[" * 100_000, "invalid_json", None),
        ('{"a":' * 100_000, "invalid_json", None),
        ('{"type": ' + "9" * 5000 + "}", "invalid_json", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type": null}', "invalid_type", "type"),
        ('{"type": 5}', "invalid_type", "type"),
        ('{"type": ["response.create"]}', "invalid_type", "type"),
        ('{"type": "response.begin"}', "invalid_value", "type"),
        ('{"type": "session.created"}', "invalid_value", "type"),
        ('{"type": "session.update"}', "missing_required_parameter", "session"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": null}', "invalid_type", "audio"),
    ],
)
def test_what_is_no_event_is_told_so(dialect: Dialect, frame: str | bytes, code: str, param: str | None) -> None:
    assert error_of(frame, codec(dialect)) == (code, param)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_json_does_not_have_are_refused(value: str) -> None:
    frame = f'{{"type": "response.create", "response": {{"tools": [{{"name": "f", "x": {value}}}]}}}}'
    assert error_of(frame) == ("invalid_json", None)


@pytest.mark.parametrize("escaped", [r"\ud800", r"\uDC00", r"\ude00\ud83d", r"x\uD83Dx"])
def test_half_a_character_is_refused_wherever_it_stands(escaped: str) -> None:
    for frame in (
        f'{{"type": "{escaped}"}}',
        f'{{"type": "response.create", "event_id": "{escaped}"}}',
        f'{{"type": "session.update", "session": {{"type": "realtime", "{escaped}": 1}}}}',
        f'{{"type": "input_audio_buffer.append", "audio": "", "event_id": "{escaped}"}}',
        f'{{"type": "response.create", "response": {{"metadata": {{"a": "{escaped}"}}}}}}',
    ):
        assert error_of(frame) == ("invalid_json", None)


@pytest.mark.parametrize(
    "text", ["\U0001f600", "日本語", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")]
)
def test_whole_characters_are_taken_escaped_or_not(text: str) -> None:
    event = {"type": "session.update", "session": {"type": "realtime", "instructions": text}}
    for frame in (json.dumps(event), json.dumps(event, ensure_ascii=False)):
        result = codec().decode(frame)
        assert isinstance(result, FromClient)
        assert isinstance(result.event, SessionUpdate)
        assert result.event.session.model_dump(exclude_unset=True)["instructions"] == text


def test_nesting_is_taken_to_a_hundred_levels_and_can_be_sent_back() -> None:
    def update(levels: int) -> str:
        parameters: dict[str, Any] = {}
        for _ in range(levels):
            parameters = {"a": parameters}
        tool = {"type": "function", "name": "f", "parameters": parameters}
        return json.dumps({"type": "session.update", "session": {"type": "realtime", "tools": [tool]}})

    for dialect in (Dialect.GA, Dialect.BETA):
        (answer,) = Peer(dialect).say(update(95))
        assert answer["type"] == "session.updated"
    assert error_of(update(96)) == ("invalid_json", None)
    assert error_of(update(900)) == ("invalid_json", None)


def test_the_last_of_two_members_of_one_name_counts() -> None:
    result = codec().decode(
        '{"type": "session.update", "type": "input_audio_buffer.clear", "event_id": 1, "event_id": "e"}'
    )
    assert isinstance(result, FromClient)
    assert result.event.event_id == "e"


def test_a_flood_of_unknown_members_is_refused_without_listing_it() -> None:
    session: dict[str, Any] = {"type": "realtime", **{f"x{n}": 1 for n in range(100_000)}}
    assert error_of({"type": "session.update", "session": session}) == ("invalid_value", None)


# --- ids ----------------------------------------------------------------------------------------------------------


def test_the_events_own_id_comes_with_its_fault() -> None:
    assert fault({"type": "nothing", "event_id": "mine"}).event_id == "mine"
    assert fault({"type": "session.update", "event_id": "mine"}).event_id == "mine"
    assert fault({"type": "input_audio_buffer.append", "audio": "!", "event_id": "mine"}).event_id == "mine"
    assert fault("{").event_id is None


@pytest.mark.parametrize("kind", ["input_audio_buffer.append", "response.create"])
def test_ids_are_strings_of_at_most_512_characters(kind: str) -> None:
    event = {"type": kind, "audio": ""} if kind.endswith("append") else {"type": kind}
    for good in (None, "", "x" * 512):
        assert not isinstance(codec().decode(json.dumps({**event, "event_id": good})), ClientFault)
    too_long = fault({**event, "event_id": "x" * 513})
    assert (too_long.error.code, too_long.error.param, too_long.event_id) == (
        "string_above_max_length",
        "event_id",
        None,
    )
    assert error_of({**event, "event_id": 7}) == ("invalid_type", "event_id")


# --- audio --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", b""),
        ("AAE=", b"\0\1"),
        ("AAE", b"\0\1"),
        ("AA==", b"\0"),
        ("AA", b"\0"),
        ("AA=", b"\0"),
        ("+/8=", b"\xfb\xff"),
    ],
)
def test_audio_is_base64_whose_padding_may_be_missing(text: str, data: bytes) -> None:
    result = codec().decode(json.dumps({"type": "input_audio_buffer.append", "audio": text, "event_id": "e"}))
    assert result == AudioAppended(data)


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAAAA",
        "AA E=",
        "AAE=\n",
        " AAE=",
        "-_8=",
        "AAE=AAE=",
        "=",
        "====",
        "ÄÄÄÄ",
        "AA\u0000A",
        "%%%%",
    ],
)
def test_other_text_is_no_audio(text: str) -> None:
    assert error_of({"type": "input_audio_buffer.append", "audio": text}) == ("invalid_value", "audio")
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": text}]}
    create = {"type": "conversation.item.create", "item": item}
    assert error_of(create) == ("invalid_value", "item.content[0].audio")
    assert error_of(create, codec(Dialect.BETA)) == ("invalid_value", "item.content[0].audio")


@given(st.binary())
def test_any_bytes_arrive_as_they_were(data: bytes) -> None:
    audio = base64.b64encode(data).decode()
    result = codec().decode(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    assert result == AudioAppended(data)


def test_an_append_has_at_most_15_mebibytes_by_default() -> None:
    def append(size: int) -> str:
        return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(size)).decode()})

    assert isinstance(codec().decode(append(15 * MIB)), AudioAppended)
    assert error_of(append(15 * MIB + 1)) == ("invalid_value", "audio")


def test_the_limit_of_an_append_can_be_set() -> None:
    small = codec(limits=WireLimits(max_append_bytes=3))
    assert isinstance(small.decode('{"type":"input_audio_buffer.append","audio":"AAAA"}'), AudioAppended)
    assert error_of('{"type":"input_audio_buffer.append","audio":"AAAAAA=="}', small) == ("invalid_value", "audio")


def test_unknown_members_of_an_append_are_refused_where_all_are() -> None:
    event = {"type": "input_audio_buffer.append", "audio": "", "timestamp": 1}
    assert isinstance(codec().decode(json.dumps(event)), AudioAppended)
    assert error_of(event, codec(strictness=Strictness("error"))) == ("unknown_parameter", "timestamp")
    beta = codec(Dialect.BETA, strictness=Strictness("error"))
    assert isinstance(beta.decode(json.dumps(event)), AudioAppended)  # beta never minded


@pytest.mark.parametrize("dialect", DIALECTS)
def test_where_sound_comes_by_a_track_there_are_no_appends(dialect: Dialect) -> None:
    event = {"type": "input_audio_buffer.append", "audio": "AAAA", "event_id": "mine"}
    refused = fault(event, codec(dialect, media=True))
    assert (refused.error.code, refused.error.param, refused.event_id) == ("invalid_value", "type", "mine")
    commit = codec(dialect, media=True).decode('{"type": "input_audio_buffer.commit"}')
    assert isinstance(commit, FromClient)


def test_sound_in_items_comes_by_its_path() -> None:
    content = [{"type": "input_text", "text": "a"}, {"type": "input_audio", "audio": "AAEC"}]
    item = {"type": "message", "role": "user", "content": content}
    created = codec().decode(json.dumps({"type": "conversation.item.create", "item": item}))
    assert isinstance(created, FromClient)
    assert created.audio == {"item.content[1].audio": b"\0\1\2"}
    response = {"input": [{"type": "item_reference", "id": "x"}, item]}
    for dialect in (Dialect.GA, Dialect.BETA):
        asked = codec(dialect).decode(json.dumps({"type": "response.create", "response": response}))
        assert isinstance(asked, FromClient)
        assert asked.audio == {"response.input[1].content[1].audio": b"\0\1\2"}


# --- dialects -----------------------------------------------------------------------------------------------------


def test_faults_speak_the_clients_dialect() -> None:
    event = {"type": "session.update", "session": {"input_audio_format": "mp3"}}
    error = fault(event, codec(Dialect.BETA)).error
    assert (error.code, error.param) == ("invalid_value", "session.input_audio_format")
    assert error.message == (
        "Invalid value: 'mp3' for 'session.input_audio_format'. "
        "Supported values are: 'pcm16', 'g711_ulaw', 'g711_alaw'."
    )


def test_a_half_ported_client_is_forgiven_only_where_that_is_asked_for() -> None:
    ported = {"type": "session.update", "session": {"modalities": ["text"], "temperature": 0.7}}
    assert error_of(ported) == ("missing_required_parameter", "session.type")
    result = codec(lenient=True).decode(json.dumps(ported))
    assert isinstance(result, FromClient)
    assert isinstance(result.event, SessionUpdate)
    assert result.event.session.model_dump(exclude_unset=True, warnings=False) == {
        "type": "realtime",
        "output_modalities": ["text"],
        "temperature": 0.7,
        "audio": {},
    }


def test_a_ga_session_without_type_is_not_taken_for_a_beta_one() -> None:
    event = {"type": "session.update", "session": {"audio": {"output": {"voice": "echo"}}}}
    assert error_of(event, codec(lenient=True)) == ("missing_required_parameter", "session.type")


# --- out ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_that_goes_out_is_one_json_object_with_an_id(dialect: Dialect) -> None:
    frames = server_examples.frames(dialect)
    assert frames
    assert all(frame["event_id"] and frame["type"] for frame in frames)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_for_the_driver_is_not_for_the_client(dialect: Dialect) -> None:
    assert codec(dialect).encode(ForgetSpeech()) is None


def speech(samples: Any, audio_format: AudioFormat = PCM_24K, *, last: bool = False, **place: Any) -> Speech:
    at: dict[str, Any] = {"response_id": "resp_1", "item_id": "item_1", "output_index": 1, "content_index": 2} | place
    return Speech("event_1", **at, samples=np.asarray(samples, np.int16), audio_format=audio_format, last=last)


def deltas(coder: RealtimeCodec, *pieces: Speech) -> bytes:
    frames = [coder.encode(piece) for piece in pieces]
    return b"".join(base64.b64decode(json.loads(frame)["delta"]) for frame in frames if frame is not None)


@pytest.mark.parametrize(
    ("dialect", "name"),
    [
        (Dialect.GA, "response.output_audio.delta"),
        (Dialect.BETA, "response.audio.delta"),
        (Dialect.BETA_2024_10, "response.audio.delta"),
    ],
)
def test_speech_is_a_delta_of_its_part(dialect: Dialect, name: str) -> None:
    frame = codec(dialect).encode(speech([1, -2]))
    assert frame is not None
    assert json.loads(frame) == {
        "event_id": "event_1",
        "type": name,
        "response_id": "resp_1",
        "item_id": "item_1",
        "output_index": 1,
        "content_index": 2,
        "delta": base64.b64encode(b"\x01\x00\xfe\xff").decode(),
    }


def test_the_end_of_pcm_speech_is_silent() -> None:
    coder = codec()
    coder.encode(speech([1, 2]))
    assert coder.encode(speech([], last=True)) is None


@pytest.mark.parametrize(("audio_format", "encoding"), [(Pcmu(), PCMU), (Pcma(), PCMA)])
@given(cuts=st.lists(st.integers(0, 2400), max_size=5))
@settings(max_examples=20)
def test_g711_speech_is_the_same_in_any_pieces_and_complete(
    audio_format: AudioFormat, encoding: Any, cuts: list[int]
) -> None:
    tone = (8000 * np.sin(np.arange(2400) * 0.1)).astype(np.int16)
    encoder = Encoder(encoding)
    whole = encoder.push(tone) + encoder.finish()
    bounds = [0, *sorted(cuts), 2400]
    pieces = [speech(tone[start:end], audio_format) for start, end in itertools.pairwise(bounds)]
    said = deltas(codec(), *pieces, speech([], audio_format, last=True))
    assert said == whole
    assert len(said) == 800


@pytest.mark.parametrize("dialect", DIALECTS)
def test_where_sound_goes_by_a_track_there_are_no_audio_deltas(dialect: Dialect) -> None:
    coder = codec(dialect, media=True)
    for piece in (speech([1, -2], Pcmu()), speech([], Pcmu(), last=True)):
        assert coder.encode(piece) is None
        assert coder.encode_frames(piece) == []


def test_parts_that_are_spoken_at_once_do_not_mix() -> None:
    loud, quiet = np.full(240, 20_000, np.int16), np.zeros(240, np.int16)
    coder = codec()
    mixed: dict[str, bytes] = {}
    for last in (False, True):
        for name, sound in (("a", loud), ("b", quiet)):
            piece = speech([] if last else sound, Pcmu(), last=last, item_id=name)
            mixed[name] = mixed.get(name, b"") + deltas(coder, piece)
    for name, sound in (("a", loud), ("b", quiet)):
        alone = codec()
        assert mixed[name] == deltas(alone, speech(sound, Pcmu()), speech([], Pcmu(), last=True)), name


def test_a_part_that_ended_leaves_nothing_to_the_next() -> None:
    coder = codec()
    first = deltas(coder, speech([5] * 100, Pcmu()), speech([], Pcmu(), last=True))
    assert deltas(coder, speech([5] * 100, Pcmu()), speech([], Pcmu(), last=True)) == first


def user_item(*parts: Any) -> MessageItem:
    return MessageItem(id="item_1", status="completed", role="user", content=parts)


@pytest.mark.parametrize("dialect", [Dialect.GA, Dialect.BETA])
def test_a_retrieved_item_has_its_sound(dialect: Dialect) -> None:
    item = user_item(InputTextPart(text="a"), InputAudioPart(transcript="b"))
    frame = codec(dialect).encode(Retrieved("event_1", item, {1: np.array([1, 2], np.int16)}, PCM_24K))
    assert frame is not None
    event = json.loads(frame)
    assert event["type"] == "conversation.item.retrieved"
    assert event["item"]["content"] == [
        {"type": "input_text", "text": "a"},
        {"type": "input_audio", "transcript": "b", "audio": base64.b64encode(b"\1\0\2\0").decode()},
    ]


@pytest.mark.parametrize("text", ["", "x" * 300_000, "é" * 300_000])
@pytest.mark.parametrize("seconds", [15, 16.3, 16.4, 600])
def test_a_retrieved_item_stays_under_a_mebibyte(text: str, seconds: float) -> None:
    item = user_item(InputTextPart(text=text), InputAudioPart(transcript="b"), InputAudioPart(transcript="c"))
    sound = np.zeros(int(seconds * 24_000), np.int16)
    frame = codec().encode(Retrieved("event_1", item, {1: sound, 2: sound[:240]}, PCM_24K))
    assert frame is not None
    assert len(frame.encode()) < MIB
    content = json.loads(frame)["item"]["content"]
    assert ("audio" in content[1]) == (not text and seconds < 16.35)
    assert "audio" in content[2], "what is small enough comes although something else did not"


def test_retrieved_sound_is_in_the_sessions_format() -> None:
    item = MessageItem(id="i", status="completed", role="assistant", content=(OutputAudioPart(transcript="b"),))
    frame = codec().encode(Retrieved("event_1", item, {0: np.zeros(2400, np.int16)}, Pcmu()))
    assert frame is not None
    assert base64.b64decode(json.loads(frame)["item"]["content"][0]["audio"]) == b"\xff" * 800


# --- never an exception, and the session goes on -------------------------------------------------------------------


class Peer:
    """A client's codec and the session behind it."""

    def __init__(self, dialect: Dialect, kind: Any = "realtime") -> None:
        self.codec = RealtimeCodec(dialect)
        ids = IdFactory(seed=1)
        session = new_session(kind, SessionDefaults(), session_id="sess_1", expires_at=1)
        self.session = LocalSession(session, ids, SessionDefaults(), SessionLimits(), 0.0)
        self.session.start()

    def say(self, frame: str | bytes) -> list[dict[str, Any]]:
        """What comes back; every response that begins is made at once."""
        given_ = self.codec.decode(frame)
        if isinstance(given_, AudioAppended):
            return []
        outputs = list(self.session.feed(given_, 0.0))
        for output in tuple(outputs):
            if isinstance(output, StartResponse):
                for made in (SpeechDelta("Hello.", np.ones(480, np.int16)), EngineDone("completed", None)):
                    outputs += self.session.feed(FromEngine(output.ask.response_id, made), 0.0)
        frames = [self.codec.encode(output) for output in outputs]
        for one in frames:
            if one is not None:
                one.encode()  # goes out as UTF-8
        return [json.loads(one) for one in frames if one is not None]

    def still_answers(self) -> None:
        (answer,) = self.say('{"type": "input_audio_buffer.clear"}')
        assert answer["type"] == "input_audio_buffer.cleared"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(st.characters(categories=["L", "Cs", "So", "Cc", "P"]), max_size=20)
    | st.sampled_from(
        ["auto", "none", "realtime", "message", "function", "text", "audio/pcm", "root", "AAAA", "item_1"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
EXAMPLES = [
    (dialect, example)
    for dialect, examples in ((Dialect.GA, client_examples.GA), (Dialect.BETA, client_examples.BETA))
    for listed in examples.values()
    for example in listed
]


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    members: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, member in members for place in places(member, (*at, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Dialect, str]:
    """A good event with up to three things replaced, added or taken away; now and then in the wrong dialect."""
    dialect, example = draw(st.sampled_from(EXAMPLES))
    event = json.loads(json.dumps(example))
    for _ in range(draw(st.integers(0, 3))):
        everywhere = places(event)[1:]
        if not everywhere:
            break
        *way, last = draw(st.sampled_from(everywhere))
        here = event
        for key in way:
            here = here[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                here[last] = draw(JSON_VALUES)
            case "remove":
                del here[last]
            case "add" if isinstance(here, dict):
                names = ["text", "audio", "type", "realtime", "function", "name", "branch:text", "temperature", "voice"]
                here[draw(st.sampled_from(names) | st.text(max_size=5))] = draw(JSON_VALUES)
    if draw(st.integers(0, 9)) == 0:
        dialect = draw(st.sampled_from(DIALECTS))
    return dialect, json.dumps(event, ensure_ascii=draw(st.booleans()))


@given(st.text() | st.binary() | JSON_VALUES.map(json.dumps), st.sampled_from(DIALECTS))
@settings(max_examples=150, deadline=None)
def test_no_frame_is_too_strange(frame: str | bytes, dialect: Dialect) -> None:
    peer = Peer(dialect)
    (answer,) = peer.say(frame)
    assert answer["type"] == "error"
    assert answer["error"]["type"] == "invalid_request_error"
    peer.still_answers()


@given(st.lists(mutated(), min_size=1, max_size=4), st.sampled_from(["realtime", "transcription"]))
@settings(max_examples=500, deadline=None)
def test_no_event_is_too_damaged(events: list[tuple[Dialect, str]], kind: str) -> None:
    peer = Peer(events[0][0], kind)
    for _, frame in events:
        for answer in peer.say(frame):
            if answer["type"] == "error":
                assert answer["error"]["type"] == "invalid_request_error"
                assert answer["error"]["message"]
    peer.still_answers()
