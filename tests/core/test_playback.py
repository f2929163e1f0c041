"""Calls whose playback is ours: what sounds, what was heard of it, and what clients are told (S7, S8, S12 to S14)."""

from __future__ import annotations

from typing import Any

import pytest

from core.scenario import CLOSE_AUDIO, CLOSE_TEXT, DONE, OPEN, PIECE, START, TURN, Scenario, short, speech, texts
from voicebridge.audio.samples import ms_to_samples
from voicebridge.core.engine_io import CallDone, CallStarted, EngineDone, EngineFailed, TextDelta
from voicebridge.core.io import ClearPlayout, Emit, PlayedPart, PlayoutCleared, PlayoutDrained, SpeechEnded
from voicebridge.core.playout import CLEAR_FADE
from voicebridge.protocol.server_events import ResponseDone

FADE_MS = CLEAR_FADE // 24


def playing(**settings: Any) -> Scenario:
    return Scenario(owns_playback=True, **settings)


def answered(ms: int = 1_000, text: str = "One two three four") -> Scenario:
    """Somebody asked and an answer of this length was made; nothing of it has gone out."""
    s = playing()
    s.turn()
    s.make(speech(text, ms), EngineDone())
    return s


def clears(s: Scenario) -> int:
    return s.outputs.count(ClearPlayout())


def clear(s: Scenario) -> str:
    return s.send({"type": "output_audio_buffer.clear", "event_id": "c"})


# --- S14: from the first sound to the last ------------------------------------------------------------------------


def test_s14_a_spoken_answer_starts_while_it_is_made_and_stops_when_all_is_out() -> None:
    s = playing()
    assert s.turn() == f"{TURN} response.created"
    assert s.make(speech("Hello", 200)) == f"{OPEN} {PIECE}"
    assert s.play(20) == "playback.started"
    assert s.make(speech(" you", 200), EngineDone()) == f"{PIECE} {CLOSE_AUDIO} {DONE}"
    assert s.play(360) == ""
    assert s.play(40) == "playback.stopped"
    for name in ("playback.started", "playback.stopped"):
        assert s.last(name)["response_id"] == s.asks[0].response_id


def test_s14_the_end_of_its_speech_is_said_once_after_response_done() -> None:
    s = answered()
    ends = [at for at, output in enumerate(s.outputs) if isinstance(output, SpeechEnded)]
    (done,) = [
        at for at, output in enumerate(s.outputs) if isinstance(output, Emit) and isinstance(output.event, ResponseDone)
    ]
    assert ends == [done + 1]
    assert s.outputs[done + 1] == SpeechEnded(s.asks[0].response_id)


@pytest.mark.parametrize("end", [EngineDone(), EngineDone("max_output_tokens"), EngineFailed("x", "y"), "cancel"])
def test_s14_however_a_response_ends_what_was_said_is_played(end: Any) -> None:
    s = playing()
    s.ask()
    s.make(speech("Hello", 200))
    if end == "cancel":
        s.send({"type": "response.cancel"})
    else:
        s.make(end)
    assert s.play(400) == "playback.started playback.stopped"


def test_s14_written_answers_and_calls_have_no_playback() -> None:
    s = playing(tools=[{"type": "function", "name": "f"}])
    s.ask(output_modalities=["text"])
    s.make(TextDelta("Hello"), EngineDone())
    s.ask()
    s.make(CallStarted("f"), CallDone(), EngineDone())
    s.ask()
    s.make(speech("no sound", 0), EngineDone())
    assert s.play(200) == ""
    assert not any(isinstance(output, SpeechEnded) for output in s.outputs)
    assert not s.session.busy


def test_a_client_that_plays_itself_has_none_of_it() -> None:
    s = Scenario()
    s.turn()
    s.make(speech("Hello", 200), EngineDone())
    s.speak()
    assert not any(isinstance(output, SpeechEnded | ClearPlayout) for output in s.outputs)


# --- S7: barge-in -------------------------------------------------------------------------------------------------


def test_s7_speech_stops_the_answer_under_way_and_the_item_ends_where_it_was_heard() -> None:
    s = playing()
    s.turn()
    s.make(speech("One two three four", 1_000))
    s.play(500)
    assert s.speak() == f"speech_started {CLOSE_AUDIO} {DONE}"
    assert s.report() == "playback.cleared item.truncated"
    truncated = s.last("item.truncated")
    assert truncated["item_id"] == s.response["output"][0]["id"]
    assert (truncated["content_index"], truncated["audio_end_ms"]) == (0, 500 + FADE_MS)
    assert s.play(100) == ""
    s.pause()
    assert texts(s.asks[-1])[1] == "assistant: One two"
    s.send({"type": "conversation.item.retrieve", "item_id": truncated["item_id"]})
    assert "transcript" not in s.last("item.retrieved")["item"]["content"][0]


def test_s7_a_finished_answer_that_still_sounds_is_cut_the_same_way_without_a_second_done() -> None:
    s = answered()
    s.play(250)
    assert s.speak() == "speech_started"
    assert s.report() == "playback.cleared item.truncated"
    assert s.last("item.truncated")["audio_end_ms"] == 260 + FADE_MS
    s.pause()
    assert texts(s.asks[-1])[1] == "assistant: One"


def test_s7_an_answer_that_had_not_begun_to_sound_was_not_heard_at_all() -> None:
    s = answered()
    assert s.speak() == "speech_started"
    assert s.report() == "item.truncated"
    assert s.last("item.truncated")["audio_end_ms"] == 0
    s.pause()
    assert [line.split(":")[0] for line in texts(s.asks[-1])] == ["user", "user"]


def test_s7_all_that_waits_to_be_played_is_cut() -> None:
    s = answered()
    s.ask()
    s.make(speech("Five six", 400), EngineDone())
    s.play(500)
    s.speak()
    assert s.report() == "playback.cleared item.truncated item.truncated"
    first, second = s.all("item.truncated")
    assert (first["audio_end_ms"], second["audio_end_ms"]) == (500 + FADE_MS, 0)


def test_s7_an_answer_that_was_all_heard_stops_and_keeps_its_words() -> None:
    s = playing()
    s.turn()
    s.make(speech("One", 400))
    s.play(600)  # the engine is slow
    s.speak()
    assert s.report() == ""
    assert s.play(20) == "playback.stopped"
    s.pause()
    assert texts(s.asks[-1])[1] == "assistant: One"


@pytest.mark.parametrize("detection", [{"type": "server_vad"}, {"type": "semantic_vad"}])
def test_s7_only_where_speech_may_interrupt(detection: dict[str, Any]) -> None:
    s = answered()
    s.detection(**detection, interrupt_response=False)
    s.play(100)
    assert s.speak() == "speech_started"
    assert s.play(1_000) == "playback.stopped"
    assert clears(s) == 0


def test_s7_speech_into_silence_clears_nothing() -> None:
    s = answered()
    s.play(1_200)
    s.speak()
    assert clears(s) == 0


def test_s7_items_of_answers_aside_and_deleted_ones_are_not_truncated() -> None:
    s = playing()
    s.ask(conversation="none")
    s.make(speech("aside", 400), EngineDone())
    s.ask()
    s.make(speech("main", 400), EngineDone())
    s.send({"type": "conversation.item.delete", "item_id": s.last("item.added")["item"]["id"]})
    s.play(100)
    s.speak()
    assert s.report() == "playback.cleared"


def test_s7_what_is_still_made_aside_is_not_heard_after_the_cut() -> None:
    s = playing()
    s.ask(conversation="none")
    s.make(speech("a", 400))
    s.play(100)
    assert s.speak() == "speech_started"
    assert s.make(speech("b", 400)) == ""
    assert s.report() == "playback.cleared"
    assert s.make(speech("c", 400), TextDelta("d"), speech("e", 100), EngineDone()).endswith(DONE)
    assert s.play(1_000) == ""
    assert s.playout is not None
    assert s.playout.dropped == 0


# --- S8: cancelling and clearing by the client --------------------------------------------------------------------


def test_s8_a_cancelled_answer_sounds_to_the_end_of_what_was_made() -> None:
    s = playing()
    s.turn()
    s.make(speech("One two", 400))
    s.play(100)
    assert s.send({"type": "response.cancel"}) == f"{CLOSE_AUDIO} {DONE}"
    assert clears(s) == 0
    assert s.play(400) == "playback.stopped"
    s.ask()
    assert texts(s.asks[-1])[1] == "assistant: One two"


def test_s8_cancelled_and_cleared_it_ends_where_it_was_heard() -> None:
    s = playing()
    s.turn()
    s.make(speech("One two three four", 1_000))
    s.play(500)
    s.send({"type": "response.cancel"})
    assert clear(s) == ""
    assert s.report() == "playback.cleared item.truncated"
    assert clear(s) == ""
    assert s.report() == ""


@pytest.mark.parametrize("kind", ["realtime", "transcription"])
def test_clearing_when_nothing_sounds_is_silent(kind: str) -> None:
    s = Scenario(kind, owns_playback=True)
    assert clear(s) == ""
    assert clears(s) == 0


def test_a_cleared_answer_that_is_still_made_is_not_heard_any_more() -> None:
    s = playing()
    s.ask()
    s.make(speech("One two", 400))
    s.play(300)
    assert clear(s) == ""
    assert s.make(speech(" three", 400)) == ""
    assert s.report() == "playback.cleared item.truncated"
    assert s.make(speech(" four", 400), TextDelta("Five"), EngineDone()) == (
        "audio.done transcript.done part.done part.added text.delta " + f"{CLOSE_TEXT} {DONE}"
    )
    assert s.play(1_000) == ""
    assert s.playout is not None
    assert (s.playout.queued, s.playout.dropped) == (0, 0)
    s.ask()
    assert texts(s.asks[-1]) == ["assistant: One | Five"]


def test_the_next_answer_sounds_again() -> None:
    s = answered()
    s.play(100)
    clear(s)
    s.report()
    s.ask()
    s.make(speech("Again", 100), EngineDone())
    assert s.play(200) == "playback.started playback.stopped"


# --- truncations by the client ------------------------------------------------------------------------------------


def truncate(s: Scenario, ms: int) -> str:
    item_id = s.all("item.added")[1]["item"]["id"]
    return s.send({"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": ms})


@pytest.mark.parametrize(
    ("ms", "kept"), [(0, None), (500, "One"), (1_100, "One two"), (3_500, "One two"), (90_000, "One two")]
)
def test_a_truncation_after_ours_is_answered_and_keeps_nothing_that_was_not_heard(ms: int, kept: str | None) -> None:
    s = answered(4_000, "One two three four five six seven eight")
    s.play(1_000)
    s.speak()
    s.report()
    assert truncate(s, ms) == "item.truncated"
    s.pause()
    assert texts(s.asks[-1])[1:-1] == ([f"assistant: {kept}"] if kept else [])


def test_a_truncation_of_what_sounds_does_not_stop_it() -> None:
    s = answered()
    s.play(200)
    assert truncate(s, 500) == "item.truncated"
    assert s.play(1_000) == "playback.stopped"


def test_the_shorter_of_two_truncations_counts() -> None:
    s = answered()
    s.play(800)
    truncate(s, 500)
    s.speak()
    assert s.report() == "playback.cleared item.truncated"
    assert s.last("item.truncated")["audio_end_ms"] == 500
    s.pause()
    assert texts(s.asks[-1])[1] == "assistant: One two"


def test_more_than_was_ever_said_cannot_be_kept() -> None:
    s = answered(1_000)
    assert truncate(s, 2_001) == "error"


# --- S12: answers aside -------------------------------------------------------------------------------------------


def test_s12_an_answer_aside_may_be_heard_when_all_is_silent() -> None:
    s = playing()
    s.ask(conversation="none")
    assert s.asks[-1].speak
    s.make(speech("aside", 100), EngineDone())
    assert s.play(200) == "playback.started playback.stopped"


@pytest.mark.parametrize("meanwhile", ["made", "sounding", "aside"])
def test_s12_an_answer_aside_is_written_while_another_is_made_or_heard(meanwhile: str) -> None:
    s = playing()
    s.ask(**({"conversation": "none"} if meanwhile == "aside" else {}))
    if meanwhile == "sounding":
        s.make(speech("main", 400), EngineDone())
    s.ask(conversation="none", output_modalities=["audio"], metadata={"a": "b"})
    assert not s.asks[-1].speak
    created = s.last("response.created")["response"]
    assert (created["output_modalities"], created["metadata"]) == (["text"], {"a": "b"})
    s.make(TextDelta("written"), EngineDone())
    assert s.response["output"][0]["content"] == [{"type": "output_text", "text": "written"}]


def test_s12_where_clients_play_answers_aside_are_as_they_were_asked_for() -> None:
    s = Scenario()
    s.ask()
    s.ask(conversation="none")
    assert s.asks[-1].speak


# --- S13: idle ----------------------------------------------------------------------------------------------------


def idle_at(s: Scenario) -> float | None:
    deadline = s.session.deadline
    assert deadline is not None
    return round(deadline.at - START, 3) if deadline.reason == "idle" else None


@pytest.mark.parametrize("end", ["drained", "cleared"])
def test_s13_silence_counts_from_the_real_end_of_playback(end: str) -> None:
    s = playing()
    s.detection(type="server_vad", idle_timeout_ms=5_000)
    s.turn()
    s.make(speech("Hello", 1_000), EngineDone())
    assert idle_at(s) is None
    s.wait(10.0)  # nobody has played it yet
    assert idle_at(s) is None
    s.play(500)
    if end == "cleared":
        clear(s)
        s.report()
        assert idle_at(s) == 15.5
    else:
        s.play(500)
        assert idle_at(s) == 16.0
    assert s.tick() == "timeout_triggered committed item.added item.done response.created"


def test_s13_a_written_answer_counts_from_its_end() -> None:
    s = playing(output_modalities=["text"])
    s.detection(type="server_vad", idle_timeout_ms=5_000)
    s.ask()
    s.make(TextDelta("Hello"), EngineDone())
    assert idle_at(s) == 5.0


# --- and -----------------------------------------------------------------------------------------------------------


def test_busy_until_the_last_sound() -> None:
    s = answered()
    assert s.session.busy
    s.play(980)
    assert s.session.busy
    s.play(20)
    assert not s.session.busy


@pytest.mark.parametrize(
    "report", [PlayoutDrained("unknown"), PlayoutCleared("unknown", (PlayedPart("item_x", 0, ms_to_samples(1)),))]
)
def test_reports_of_nothing_known_are_ignored(report: PlayoutDrained | PlayoutCleared) -> None:
    assert playing().feed(report) == ""
    assert Scenario().feed(report) == ""


def test_a_party_that_joins_is_told_the_session_as_it_stands() -> None:
    s = playing()
    s.update(instructions="Sing.")
    joined = [output.event for output in s.session.joined() if isinstance(output, Emit)]
    assert [short(event.type) for event in joined] == ["session.created", "created"]
    assert joined[0].model_dump(mode="json")["session"] == s.last("session.updated")["session"]
    assert joined[0].event_id not in {event["event_id"] for event in s.events}


def test_a_party_that_joins_a_transcription_is_told_of_no_conversation() -> None:
    s = Scenario("transcription")
    (joined,) = s.session.joined()
    assert isinstance(joined, Emit)
    assert joined.event.type == "session.created"
