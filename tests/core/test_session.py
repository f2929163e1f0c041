"""The scenarios of the protocol, S1 to S20, event by event; barge-in, cancelling and limits at every stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.scenario import (
    CLOSE_AUDIO,
    CLOSE_TEXT,
    DONE,
    OPEN,
    PIECE,
    RULES,
    START,
    TURN,
    WEATHER,
    Scenario,
    speech,
    texts,
    tone,
)
from voicebridge.audio.listener import Heard
from voicebridge.audio.samples import EMPTY, ms_to_samples
from voicebridge.core.engine_io import (
    Audio,
    CallArguments,
    CallDone,
    CallStarted,
    EngineDone,
    Message,
    Recognised,
    TextDelta,
    ToolCall,
    TranscriptDelta,
    TranscriptDone,
)
from voicebridge.core.io import EndCall, ForgetSpeech, Listen, Retrieved, Tick
from voicebridge.core.session import SessionLimits
from voicebridge.protocol.formats import Pcm

# --- S1 to S4: the ordinary turns ---


def test_s1_a_session_begins_with_session_created_and_nothing_else() -> None:
    s = Scenario()
    assert [event["type"] for event in s.events] == ["session.created"]
    assert s.outputs[0] == Listen(Pcm(), detect=True)


def test_s2_a_spoken_turn() -> None:
    s = Scenario(audio={"input": {"transcription": {"model": "whisper-1"}}})
    assert s.turn() == f"{TURN} response.created"
    assert s.make(speech("Hello", 200), speech(" you.", 200)) == f"{OPEN} {PIECE} {PIECE}"
    assert s.transcribe(TranscriptDelta("Good"), TranscriptDone("Good day")) == (
        "transcription.delta transcription.completed"
    )
    assert s.make(EngineDone()) == f"{CLOSE_AUDIO} {DONE}"

    heard, answer = s.all("item.added")
    item_id = s.last("speech_started")["item_id"]
    assert {s.last(name)["item_id"] for name in ("speech_stopped", "committed", "transcription.completed")} == {item_id}
    assert s.last("committed")["previous_item_id"] is None
    assert heard["item"]["id"] == item_id
    assert heard["item"]["status"] == "completed"
    assert heard["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert answer["previous_item_id"] == item_id
    assert answer["item"]["status"] == "in_progress"
    assert answer["item"]["content"] == []
    assert s.last("part.added")["part"] == {"type": "audio", "transcript": ""}
    assert s.last("part.done")["part"] == {"type": "audio", "transcript": "Hello you."}
    assert s.response["output"] == [s.last("item.done")["item"]] == [s.last("output_item.done")["item"]]
    assert s.response["output"][0]["content"] == [{"type": "output_audio", "transcript": "Hello you."}]
    assert s.response["status_details"] is None


def test_s3_a_commit_by_hand_makes_an_item_and_no_response() -> None:
    s = Scenario(audio={"input": {"turn_detection": None}})
    assert s.hear(500) == ""
    assert s.send({"type": "input_audio_buffer.commit"}) == "committed item.added item.done"
    assert s.asks == []
    assert s.outputs[-4] == ForgetSpeech()
    assert s.ask() == "response.created"
    (message,) = s.asks[0].context
    assert isinstance(message, Message)
    (part,) = message.parts
    assert isinstance(part, Audio)
    assert np.array_equal(part.samples, tone(500))


def test_s4_a_written_turn() -> None:
    s = Scenario(output_modalities=["text"])
    assert s.write("Hello?") == "item.added item.done"
    assert s.ask() == "response.created"
    assert not s.asks[0].speak
    assert s.make(TextDelta("Hel"), TextDelta("lo."), EngineDone()) == (
        f"{OPEN} text.delta text.delta {CLOSE_TEXT} {DONE}"
    )
    assert s.last("part.added")["part"] == {"type": "text", "text": ""}
    assert s.last("text.done")["text"] == "Hello."
    assert s.response["output"][0]["content"] == [{"type": "output_text", "text": "Hello."}]


# --- S6: barge-in ---


def test_s6_speech_stops_the_answer_under_way() -> None:
    s = Scenario()
    s.turn()
    s.make(speech("One two", 400), speech(" three", 400))
    assert s.speak() == f"speech_started {CLOSE_AUDIO} {DONE}"
    assert s.cancelled == [s.asks[0].response_id]
    assert s.response["status"] == "cancelled"
    assert s.response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert s.response["output"][0]["status"] == "incomplete"
    assert s.last("transcript.done")["transcript"] == "One two three"
    assert s.make(speech(" four", 400), EngineDone()) == ""
    assert s.pause() == "speech_stopped committed item.added item.done response.created"


@pytest.mark.parametrize("stop", ["speech", "cancel", "truncate"])
def test_a_resampler_s_last_samples_are_not_heard_after_the_cut(stop: str) -> None:
    s = Scenario(audio={"output": {"format": {"type": "audio/pcmu"}}})
    s.turn()
    s.make(speech("One", 205))
    if stop == "truncate":
        item_id = s.last("item.added")["item"]["id"]
        s.send({"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": 9})
    before = len(s.all("audio.delta"))
    told = s.speak() if stop == "speech" else s.send({"type": "response.cancel"})
    assert told.endswith(f"{CLOSE_AUDIO} {DONE}")
    assert len(s.all("audio.delta")) == before


def test_s6_before_the_first_delta_there_is_nothing_to_close_but_the_response() -> None:
    s = Scenario()
    s.turn()
    assert s.speak() == f"speech_started {DONE}"
    assert s.response["output"] == []


def test_s6_after_generation_only_speech_started_is_seen() -> None:
    s = Scenario()
    s.turn()
    s.make(speech("Done.", 400), EngineDone())
    assert s.speak() == "speech_started"
    assert s.cancelled == [s.asks[0].response_id]  # by its own end, not by the speaker


def test_s6_in_the_middle_of_a_function_call() -> None:
    s = Scenario(tools=[WEATHER])
    s.turn()
    s.make(CallStarted("weather"), CallArguments('{"ci'))
    assert s.speak() == f"speech_started arguments.done item.done output_item.done {DONE}"
    assert s.response["output"][0]["status"] == "incomplete"
    s.pause()
    assert not any(isinstance(item, ToolCall) for item in s.asks[-1].context)


def test_s6_in_the_middle_of_a_written_answer() -> None:
    s = Scenario(output_modalities=["text"])
    s.turn()
    s.make(TextDelta("One"))
    assert s.speak() == f"speech_started {CLOSE_TEXT} {DONE}"


def test_s6_the_client_truncates_and_the_next_ask_holds_only_what_was_heard() -> None:
    s = Scenario()
    s.turn()
    s.make(speech("One two three four", 1_000))
    s.speak()
    item_id = s.response["output"][0]["id"]
    truncate = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": 500}
    assert s.send(truncate) == "item.truncated"
    s.pause()
    assert texts(s.asks[-1])[1] == "assistant: One two"


def test_without_interruption_the_next_answer_waits_and_is_one_for_all_turns() -> None:
    s = Scenario()
    s.detection(type="server_vad", interrupt_response=False)
    s.turn()
    s.make(speech("One", 200))
    assert s.turn() == TURN
    assert s.turn() == TURN
    assert s.make(speech(" two", 200)) == PIECE
    assert s.make(EngineDone()) == f"{CLOSE_AUDIO} {DONE} response.created"
    assert len(s.asks) == 2
    assert [item.role for item in s.asks[1].context if isinstance(item, Message)] == [
        "user", "assistant", "user", "user",
    ]  # fmt: skip
    assert s.make(EngineDone()).endswith(DONE)


def test_a_waiting_answer_does_not_talk_over_somebody_who_may_interrupt() -> None:
    s = Scenario()
    s.detection(type="server_vad", interrupt_response=False)
    s.turn()
    s.turn()
    s.detection(type="server_vad")
    assert s.speak() == f"speech_started {DONE}"
    assert len(s.asks) == 1
    assert s.pause() == "speech_stopped committed item.added item.done response.created"
    s.make(EngineDone())
    assert len(s.asks) == 2


def test_a_waiting_answer_goes_on_when_the_interrupting_speech_is_cleared() -> None:
    s = Scenario()
    s.detection(type="server_vad", interrupt_response=False)
    s.turn()
    s.turn()
    s.detection(type="server_vad")
    s.speak()
    assert s.send({"type": "input_audio_buffer.clear"}) == "cleared response.created"


def test_without_create_response_a_turn_is_only_committed() -> None:
    s = Scenario()
    s.detection(type="server_vad", create_response=False)
    assert s.turn() == TURN
    assert s.asks == []
    s.ask()
    s.make(speech("a", 100))
    assert s.speak() == f"speech_started {CLOSE_AUDIO} {DONE}"


def test_answers_aside_are_not_interrupted() -> None:
    s = Scenario()
    s.ask(conversation="none")
    assert s.speak() == "speech_started"
    assert s.make(speech("a", 100), EngineDone()).endswith(DONE)


# --- S13: idle ---


def idle_scenario(**more: object) -> Scenario:
    s = Scenario()
    s.detection(type="server_vad", idle_timeout_ms=5_000, **more)
    return s


def test_s13_silence_after_the_answer_was_played_becomes_a_turn() -> None:
    s = idle_scenario()
    s.turn()
    s.make(speech("Hello", 2_000), EngineDone())
    deadline = s.session.deadline
    assert deadline is not None
    assert (deadline.at, deadline.reason) == (START + 2 + 5, "idle")
    s.hear(1_000, 0.01)
    assert s.tick() == "timeout_triggered committed item.added item.done response.created"
    triggered = s.last("timeout_triggered")
    assert triggered["item_id"] == s.last("committed")["item_id"]
    assert triggered["audio_end_ms"] > triggered["audio_start_ms"]
    assert s.utterances == []


def test_s13_speech_ends_the_wait() -> None:
    s = idle_scenario()
    s.turn()
    s.make(speech("Hello", 2_000), EngineDone())
    s.speak()
    assert s.session.deadline is not None
    assert s.session.deadline.reason == "expiry"


def test_s13_the_wait_follows_the_settings() -> None:
    s = idle_scenario()
    s.turn()
    s.make(speech("Hello", 1_000), EngineDone())
    s.detection(type="server_vad", idle_timeout_ms=8_000)
    assert s.session.deadline is not None
    assert s.session.deadline.at == START + 1 + 8
    s.detection()
    assert s.session.deadline is not None
    assert s.session.deadline.reason == "expiry"


def test_s13_a_truncation_shortens_the_playback() -> None:
    s = idle_scenario()
    s.turn()
    s.make(speech("Hello", 10_000), EngineDone())
    s.wait(1.0)
    item_id = s.response["output"][0]["id"]
    s.send({"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": 1_000})
    s.ask()
    s.make(EngineDone())
    assert s.session.deadline is not None
    assert s.session.deadline.at == START + 1 + 5


def test_s13_works_without_any_audio() -> None:
    s = idle_scenario()
    s.write("hello")
    s.ask()
    s.make(speech("Hi", 100), EngineDone())
    assert s.tick() == "timeout_triggered committed item.added item.done response.created"


# --- S9: items ---


def test_truncating_an_answer_that_is_still_spoken_stops_its_sound_but_not_the_response() -> None:
    s = Scenario()
    s.ask()
    s.make(speech("One two three", 900))
    item_id = s.last("item.added")["item"]["id"]
    truncate = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": 600}
    assert s.send(truncate) == "item.truncated"
    assert s.make(speech(" four", 300)) == ""
    assert s.make(EngineDone()) == f"{CLOSE_AUDIO} {DONE}"
    assert s.response["output"][0]["content"] == [{"type": "output_audio"}]
    s.ask()
    assert texts(s.asks[-1]) == ["assistant: One two"]


def test_an_item_that_is_being_made_cannot_be_deleted() -> None:
    s = Scenario()
    s.ask()
    s.make(speech("One", 100))
    item_id = s.last("item.added")["item"]["id"]
    assert s.send({"type": "conversation.item.delete", "item_id": item_id}) == "error"
    assert s.make(EngineDone()) == f"{CLOSE_AUDIO} {DONE}"
    assert s.send({"type": "conversation.item.delete", "item_id": item_id}) == "item.deleted"


def test_an_item_that_is_being_made_can_be_retrieved() -> None:
    s = Scenario()
    s.ask()
    s.make(speech("One", 100))
    item_id = s.last("item.added")["item"]["id"]
    assert s.send({"type": "conversation.item.retrieve", "item_id": item_id}) == "item.retrieved"
    retrieved = s.outputs[-1]
    assert isinstance(retrieved, Retrieved)
    assert len(retrieved.audio[0]) == 2_400


def test_a_recognised_utterance_is_known_to_later_responses_but_not_shown() -> None:
    s = Scenario()
    s.turn()
    item_id = s.last("committed")["item_id"]
    assert s.make(Recognised(item_id, "good day"), Recognised("item_gone", "?"), EngineDone()).endswith(DONE)
    s.ask()
    assert texts(s.asks[-1])[0] == "user: good day"
    s.send({"type": "conversation.item.retrieve", "item_id": item_id})
    assert s.last("item.retrieved")["item"]["content"][0]["transcript"] is None


# --- S20, limits, settings ---


def test_s20_a_session_expires_with_an_error_and_a_close_and_nothing_after_it() -> None:
    s = Scenario()
    s.turn()
    s.make(speech("Hello", 100))
    assert s.tick() == "error"
    assert s.error["code"] == "session_expired"
    assert s.ended == EndCall(1001, "invalid_request_error.session_expired")
    assert s.session.deadline is None
    assert s.write("too late") == ""
    assert s.make(EngineDone()) == ""


def test_a_tick_before_the_time_changes_nothing() -> None:
    assert Scenario().feed(Tick()) == ""


def test_the_voice_is_locked_by_the_first_sound() -> None:
    s = Scenario()
    assert s.update(audio={"output": {"voice": "marin"}}) == "session.updated"
    s.ask()
    s.make(speech("", 0))
    assert s.update(audio={"output": {"voice": "alloy"}}) == "session.updated"
    s.make(speech("Hi", 100), EngineDone())
    before = s.last("session.updated")["session"]
    assert s.update(instructions="new", audio={"output": {"voice": "marin"}}) == "error"
    assert s.error["code"] == "cannot_update_voice"
    assert s.update(audio={"output": {"voice": "alloy"}}) == "session.updated"
    assert s.last("session.updated")["session"] == before
    assert s.ask(audio={"output": {"voice": "marin"}}) == "error"
    assert (s.error["code"], s.error["param"]) == ("cannot_update_voice", "response.audio.output.voice")


def test_an_update_in_the_middle_of_speech_forgets_the_turn_and_keeps_the_sound() -> None:
    s = Scenario()
    s.speak()
    assert s.detection(type="server_vad", silence_duration_ms=200) == "session.updated"
    assert s.pause() == ""
    assert s.send({"type": "input_audio_buffer.commit"}) == "committed item.added item.done"
    s.ask()
    (message,) = s.asks[0].context
    assert isinstance(message, Message)
    assert isinstance(message.parts[0], Audio)
    assert len(message.parts[0].samples) > ms_to_samples(1_200)


def test_an_update_of_something_else_in_the_middle_of_speech_leaves_the_turn_alone() -> None:
    s = Scenario()
    s.speak()
    assert s.update(instructions="Sing.") == "session.updated"
    assert s.pause() == "speech_stopped committed item.added item.done response.created"
    assert s.asks[0].instructions == "Sing."


def test_a_new_input_format_is_listened_to_from_the_next_append_on() -> None:
    s = Scenario()
    s.speak()
    s.update(audio={"input": {"format": {"type": "audio/pcmu"}}})
    (listen,) = [output for output in s.outputs[2:] if isinstance(output, Listen)]
    assert listen.audio_format.type == "audio/pcmu"
    assert s.pause() == "speech_stopped committed item.added item.done response.created"


def test_a_commit_in_the_middle_of_speech_ends_the_turn_early() -> None:
    s = Scenario()
    s.speak()
    item_id = s.last("speech_started")["item_id"]
    assert s.send({"type": "input_audio_buffer.commit"}) == "speech_stopped committed item.added item.done"
    assert s.last("committed")["item_id"] == item_id
    assert s.asks == []
    assert s.pause() == ""
    assert s.turn() == f"{TURN} response.created"


def test_clear_forgets_the_turn_without_a_word() -> None:
    s = Scenario()
    s.speak()
    assert s.send({"type": "input_audio_buffer.clear"}) == "cleared"
    assert ForgetSpeech() in s.outputs
    assert s.pause() == ""
    assert s.send({"type": "input_audio_buffer.clear"}) == "cleared"


def test_too_little_to_commit_is_an_error_and_nothing_is_lost() -> None:
    s = Scenario(audio={"input": {"turn_detection": None}})
    s.hear(99)
    assert s.send({"type": "input_audio_buffer.commit", "event_id": "c"}) == "error"
    assert (s.error["code"], s.error["event_id"]) == ("input_audio_buffer_commit_empty", "c")
    s.hear(1)
    assert s.send({"type": "input_audio_buffer.commit"}) == "committed item.added item.done"


def test_an_overfull_buffer_is_told_once_and_keeps_the_latest() -> None:
    s = Scenario(limits=SessionLimits(max_buffered=ms_to_samples(1_000)), audio={"input": {"turn_detection": None}})
    assert s.hear(1_000) == ""
    assert s.hear(20) == "error"
    assert s.error["code"] == "input_audio_buffer_full"
    assert s.hear(20) == ""
    s.send({"type": "input_audio_buffer.commit"})
    assert s.hear(1_000) == ""
    assert s.hear(20) == "error"


def test_quiet_never_overfills_a_small_buffer() -> None:
    s = Scenario(limits=SessionLimits(max_buffered=ms_to_samples(2_000)))
    assert s.pause(6_000) == ""
    assert s.turn() == f"{TURN} response.created"


def small_conversation(items: int) -> Scenario:
    return Scenario(limits=SessionLimits(max_items=items, responses=RULES))


def test_a_turn_in_a_full_conversation_is_an_error_and_the_session_goes_on() -> None:
    s = small_conversation(1)
    s.write("full")
    assert s.turn() == "speech_started speech_stopped error"
    assert s.error["code"] == "conversation_full"
    s.send({"type": "conversation.item.delete", "item_id": s.last("item.added")["item"]["id"]})
    assert s.turn() == f"{TURN} error"  # kept, but there is no room for an answer
    assert s.asks == []


def test_a_commit_in_a_full_conversation_loses_nothing() -> None:
    s = small_conversation(1)
    s.detection()
    s.write("full")
    s.hear(200)
    assert s.send({"type": "input_audio_buffer.commit", "event_id": "c"}) == "error"
    assert (s.error["code"], s.error["event_id"]) == ("conversation_full", "c")
    s.send({"type": "conversation.item.delete", "item_id": s.last("item.added")["item"]["id"]})
    assert s.send({"type": "input_audio_buffer.commit"}) == "committed item.added item.done"


def test_an_answer_begun_before_the_conversation_was_full_is_finished() -> None:
    s = small_conversation(2)
    s.write("hello")
    s.ask()
    s.write("full now")
    assert s.make(speech("Hi", 100), CallStarted("f"), CallDone(), EngineDone()).endswith(DONE)
    assert s.response["status"] == "completed"
    assert s.ask() == "error"
    assert s.error["code"] == "conversation_full"
    assert s.ask(conversation="none") == "response.created"


def test_an_idle_timeout_in_a_full_conversation_is_an_error() -> None:
    s = small_conversation(2)
    s.detection(type="server_vad", idle_timeout_ms=5_000)
    s.write("hello")
    s.ask()
    s.make(speech("Hi", 100), EngineDone())
    assert s.tick() == "timeout_triggered error"
    assert s.session.deadline is not None
    assert s.session.deadline.reason == "expiry"


def test_clearing_the_output_buffer_is_for_calls_whose_playback_the_server_owns() -> None:
    s = Scenario()
    assert s.send({"type": "output_audio_buffer.clear"}) == "error"
    assert (s.error["code"], s.error["param"]) == ("invalid_value", "type")


def test_settings_without_effect_are_stored_and_echoed() -> None:
    s = Scenario()
    given = {
        "tracing": "auto",
        "truncation": "disabled",
        "reasoning": {"effort": "low"},
        "parallel_tool_calls": False,
        "prompt": {"id": "pmpt_1"},
        "audio": {"input": {"noise_reduction": {"type": "near_field"}}},
    }
    assert s.update(**given) == "session.updated"
    session = s.last("session.updated")["session"]
    assert session["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    for member in ("tracing", "truncation", "reasoning", "parallel_tool_calls"):
        assert session[member] == given[member]
    assert session["prompt"]["id"] == "pmpt_1"


def test_semantic_detection_asks_whether_the_speaker_has_finished() -> None:
    s = Scenario()
    s.detection(type="semantic_vad", eagerness="medium")
    s.speak()
    assert s.pause(320) == ""
    assert len(s.questions) == 1
    assert s.judge(0.2) == ""
    s.pause(500)
    assert len(s.questions) == 2
    assert s.judge(0.9, question=0) == ""  # late: a newer question stands
    assert s.judge(0.9) == "speech_stopped committed item.added item.done response.created"
    assert s.judge(0.9) == ""


def test_a_judgement_of_an_older_turn_never_ends_a_newer_one() -> None:
    s = Scenario()
    s.detection(type="semantic_vad")
    s.speak()
    s.pause(320)
    s.send({"type": "input_audio_buffer.clear"})
    s.speak()
    s.pause(64)
    assert s.judge(0.99) == ""
    s.detection(type="semantic_vad", eagerness="high")
    s.speak()
    s.pause(64)
    assert s.judge(0.99) == ""


def test_a_long_enough_pause_ends_a_semantic_turn_without_a_judgement() -> None:
    s = Scenario()
    s.detection(type="semantic_vad", eagerness="high")
    s.speak()
    assert s.pause(2_100) == "speech_stopped committed item.added item.done response.created"


def test_an_empty_append_changes_nothing() -> None:
    assert Scenario().feed(Heard(EMPTY, ())) == ""


def test_busy_while_an_answer_or_a_transcript_is_made() -> None:
    s = Scenario(audio={"input": {"transcription": {"model": "whisper-1"}}})
    assert not s.session.busy
    s.turn()
    s.make(EngineDone())
    assert s.session.busy
    s.transcribe(TranscriptDone("a"))
    assert not s.session.busy
    s.ask(conversation="none")
    assert s.session.busy


def test_the_same_inputs_give_the_same_events() -> None:
    def told() -> list[dict[str, object]]:
        s = Scenario(seed=7)
        s.turn()
        s.make(speech("Hello", 300), EngineDone())
        return s.events

    assert told() == told()
    assert told() != replay_with_other_ids()


def replay_with_other_ids() -> list[dict[str, object]]:
    s = Scenario(seed=8)
    s.turn()
    return s.events


def test_expiry_counts_from_the_beginning() -> None:
    s = Scenario(limits=replace(SessionLimits(), max_session_s=90.0))
    assert s.session.deadline is not None
    assert s.session.deadline.at == START + 90
    s.tick()
    assert "1.5 minutes" in s.error["message"]
