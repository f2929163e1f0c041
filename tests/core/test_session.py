"""The scenarios of the protocol, S1 to S20, event by event; barge-in, cancelling and limits at every stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.scenario import RATE_LIMITS, START, Scenario, speech, texts, tone
from voicebridge.audio.listener import Heard
from voicebridge.audio.samples import EMPTY, ms_to_samples
from voicebridge.core.engine_io import (
    Audio,
    CallArguments,
    CallDone,
    CallStarted,
    EngineDone,
    EngineFailed,
    Message,
    Recognised,
    SpeechDelta,
    Text,
    TextDelta,
    TokenCounts,
    TokenLogprob,
    ToolCall,
    ToolResult,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
)
from voicebridge.core.io import EndCall, ForgetSpeech, Listen, Retrieved, Speech, Tick
from voicebridge.core.responding import ResponseRules
from voicebridge.core.session import SessionLimits
from voicebridge.protocol.formats import Pcm
from voicebridge.protocol.session_config import SessionDefaults

TURN = "speech_started speech_stopped committed item.added item.done"
OPEN = "output_item.added item.added part.added"
PIECE = "transcript.delta audio.delta"
CLOSE_AUDIO = "audio.done transcript.done part.done item.done output_item.done"
CLOSE_TEXT = "text.done part.done item.done output_item.done"
DONE = "response.done rate_limits.updated"
WEATHER = {"type": "function", "name": "weather", "description": "The weather", "parameters": {"type": "object"}}
RULES = ResponseRules(8, queue_second=False, rate_limits=RATE_LIMITS)


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


def test_a_response_may_write_and_speak_in_one_message() -> None:
    s = Scenario()
    s.ask()
    assert s.make(TextDelta("a"), speech("b", 100), TextDelta("c"), EngineDone()) == (
        f"{OPEN} text.delta text.done part.done part.added {PIECE} audio.done transcript.done part.done "
        f"part.added text.delta {CLOSE_TEXT} {DONE}"
    )
    assert [event["content_index"] for event in s.all("part.done")] == [0, 1, 2]
    kinds = [part["type"] for part in s.response["output"][0]["content"]]
    assert kinds == ["output_text", "output_audio", "output_text"]
    s.ask()
    assert texts(s.asks[-1]) == ["assistant: a | b | c"]


def test_speech_is_sent_in_slices_after_the_words_it_says() -> None:
    s = Scenario()
    s.ask()
    assert s.make(speech("A long word", 450)) == f"{OPEN} {PIECE} audio.delta audio.delta"
    sizes = [len(output.samples) for output in s.outputs if isinstance(output, Speech)]
    assert sizes == [4_800, 4_800, 1_200]


# --- S5: function calls ---


def test_s5_a_call_after_a_spoken_preamble_and_the_answer_to_its_result() -> None:
    s = Scenario(tools=[WEATHER])
    s.turn()
    assert s.make(speech("Let me see.", 200), CallStarted("weather")) == (
        f"{OPEN} {PIECE} {CLOSE_AUDIO} output_item.added item.added"
    )
    begun = s.last("output_item.added")
    assert begun["output_index"] == 1
    assert begun["item"]["status"] == "in_progress"
    assert begun["item"]["arguments"] == ""
    assert s.make(CallArguments('{"city":'), CallArguments('"Oslo"}'), CallDone(), EngineDone()) == (
        f"arguments.delta arguments.delta arguments.done item.done output_item.done {DONE}"
    )
    done = s.last("arguments.done")
    assert done["name"] == "weather"
    assert done["arguments"] == '{"city":"Oslo"}'
    assert s.response["status"] == "completed"
    assert [item["type"] for item in s.response["output"]] == ["message", "function_call"]
    assert s.response["output"][1]["status"] == "completed"

    output = {"type": "function_call_output", "call_id": done["call_id"], "output": "rain"}
    assert s.send({"type": "conversation.item.create", "item": output}) == "item.added item.done"
    assert s.ask() == "response.created"
    assert s.asks[-1].context[-2:] == (
        ToolCall(begun["item"]["id"], done["call_id"], "weather", '{"city":"Oslo"}'),
        ToolResult(s.last("item.added")["item"]["id"], done["call_id"], "rain"),
    )


def test_s5_several_calls_in_one_response_have_an_item_each() -> None:
    s = Scenario(tools=[WEATHER])
    s.ask()
    s.make(CallStarted("weather"), CallArguments("{}"), CallDone(), CallStarted("weather"), CallDone(), EngineDone())
    assert [event["output_index"] for event in s.all("output_item.added")] == [0, 1]
    assert len({item["call_id"] for item in s.response["output"]}) == 2
    assert [event["output_index"] for event in s.all("arguments.done")] == [0, 1]


def test_the_words_and_tools_of_a_response_may_be_its_own() -> None:
    s = Scenario(instructions="of the session", tools=[WEATHER])
    s.ask(
        instructions="of the response",
        tools=[{"type": "function", "name": "other"}],
        tool_choice={"type": "function", "name": "other"},
        output_modalities=["text"],
        max_output_tokens=7,
        audio={"output": {"voice": "marin"}},
    )
    ask = s.asks[0]
    assert (ask.instructions, [tool.name for tool in ask.tools]) == ("of the response", ["other"])
    assert ask.tool_choice == ("function", "other")
    assert (ask.speak, ask.max_output_tokens, ask.voice) == (False, 7, "marin")
    s.make(EngineDone())
    s.ask()
    assert s.asks[1].instructions == "of the session"
    assert [tool.name for tool in s.asks[1].tools] == ["weather"]


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_tool_choice_is_passed_on(choice: str) -> None:
    s = Scenario(tools=[WEATHER], tool_choice=choice)
    s.ask()
    assert s.asks[0].tool_choice == choice


def test_a_tool_choice_that_names_no_tool_is_refused() -> None:
    s = Scenario()
    assert s.ask(tool_choice={"type": "function", "name": "weather"}) == "error"
    assert (s.error["code"], s.error["param"]) == ("invalid_value", "response.tool_choice")


def test_a_turn_is_kept_though_the_session_cannot_be_answered() -> None:
    s = Scenario(tool_choice={"type": "function", "name": "missing"})
    assert s.turn() == f"{TURN} error"
    assert s.error["event_id"] is None
    assert s.update(tool_choice="auto") == "session.updated"
    assert s.turn() == f"{TURN} response.created"


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


# --- S8: cancelling ---


def test_s8_cancel_closes_what_is_open() -> None:
    s = Scenario()
    s.ask()
    s.make(speech("Hello", 200))
    assert s.send({"type": "response.cancel"}) == f"{CLOSE_AUDIO} {DONE}"
    assert s.response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert s.response["output"][0]["status"] == "incomplete"
    assert s.make(speech(" you", 200), EngineDone()) == ""


def test_s8_cancel_before_anything_was_made() -> None:
    s = Scenario()
    s.ask()
    assert s.send({"type": "response.cancel", "response_id": s.asks[0].response_id}) == DONE


@pytest.mark.parametrize("response_id", [None, "resp_unknown"])
def test_cancelling_nothing_is_an_error(response_id: str | None) -> None:
    s = Scenario()
    assert s.send({"type": "response.cancel", "response_id": response_id, "event_id": "c1"}) == "error"
    assert (s.error["code"], s.error["event_id"]) == ("response_cancel_not_active", "c1")


def test_cancelling_a_finished_response_is_an_error() -> None:
    s = Scenario()
    s.ask()
    s.make(EngineDone())
    assert s.send({"type": "response.cancel", "response_id": s.asks[0].response_id}) == "error"


# --- S10 and S11: transcription ---


def test_s10_a_failed_transcription_is_told_by_its_own_event() -> None:
    s = Scenario(audio={"input": {"transcription": {"model": "whisper-1"}}})
    s.turn()
    assert s.transcribe(TranscriptDelta("um"), TranscriptFailed("audio_unintelligible", "No words.")) == (
        "transcription.delta transcription.failed"
    )
    failed = s.last("transcription.failed")
    assert failed["error"]["code"] == "audio_unintelligible"
    assert s.transcribe(TranscriptDone("late")) == ""


def test_s10_transcriptions_may_end_out_of_turn_and_fill_their_items() -> None:
    s = Scenario(audio={"input": {"transcription": {"model": "whisper-1", "language": "de", "prompt": "Zahlen"}}})
    s.turn()
    s.turn()
    assert [(u.model, u.language, u.prompt) for u in s.utterances] == [("whisper-1", "de", "Zahlen")] * 2
    s.transcribe(TranscriptDone("two"), utterance=1)
    s.transcribe(TranscriptDone("one"), utterance=0)
    first, second = (utterance.item_id for utterance in s.utterances)
    assert [event["item_id"] for event in s.all("transcription.completed")] == [second, first]
    s.send({"type": "conversation.item.retrieve", "item_id": first})
    assert s.last("item.retrieved")["item"]["content"][0]["transcript"] == "one"
    s.send({"type": "response.cancel"})
    s.ask()
    assert texts(s.asks[-1]) == ["user: one", "user: two"]


def test_logprobs_are_sent_when_included() -> None:
    s = Scenario(
        audio={"input": {"transcription": {"model": "whisper-1"}}}, include=["item.input_audio_transcription.logprobs"]
    )
    s.turn()
    tokens = (TokenLogprob("hé", -0.5),)
    s.transcribe(TranscriptDelta("hé", tokens), TranscriptDone("hé", tokens))
    expected = [{"token": "hé", "logprob": -0.5, "bytes": [104, 195, 169]}]
    assert s.last("transcription.delta")["logprobs"] == s.last("transcription.completed")["logprobs"] == expected


def test_a_deleted_item_still_gets_the_end_of_its_transcription() -> None:
    s = Scenario(audio={"input": {"transcription": {"model": "whisper-1"}}})
    s.turn()
    s.send({"type": "conversation.item.delete", "item_id": s.utterances[0].item_id})
    assert s.transcribe(TranscriptDone("gone")) == "transcription.completed"


def test_s11_a_transcription_session_never_responds() -> None:
    s = Scenario("transcription", audio={"input": {"transcription": {"model": "whisper-1"}}})
    assert s.turn() == TURN
    assert s.transcribe(TranscriptDelta("a"), TranscriptDone("a")) == "transcription.delta transcription.completed"
    assert s.ask() == "error"
    assert s.error["code"] == "invalid_value"
    assert s.asks == []


# --- S12: out of band ---


def test_s12_a_response_aside_leaves_no_trace_and_may_overlap() -> None:
    s = Scenario()
    s.write("main")
    s.ask()
    s.make(speech("a", 100))
    assert s.ask(conversation="none", metadata={"topic": "x"}, output_modalities=["text"]) == "response.created"
    created = s.last("response.created")["response"]
    assert (created["conversation_id"], created["metadata"]) == (None, {"topic": "x"})
    assert s.make(TextDelta("aside"), response=1) == "output_item.added part.added text.delta"
    assert s.make(speech(" b", 100), response=0) == PIECE
    assert s.make(EngineDone(), response=1) == f"text.done part.done output_item.done {DONE}"
    assert s.response["metadata"] == {"topic": "x"}
    assert s.make(EngineDone(), response=0) == f"{CLOSE_AUDIO} {DONE}"
    s.ask()
    assert texts(s.asks[-1]) == ["user: main", "assistant: a b"]


def test_s12_only_its_id_cancels_a_response_aside() -> None:
    s = Scenario()
    s.ask(conversation="none")
    assert s.send({"type": "response.cancel"}) == "error"
    assert s.send({"type": "response.cancel", "response_id": s.asks[0].response_id}) == DONE


def test_there_are_only_so_many_responses_aside() -> None:
    s = Scenario(limits=SessionLimits(responses=ResponseRules(2, queue_second=False, rate_limits=())))
    s.ask(conversation="none")
    s.ask(conversation="none")
    assert s.ask(conversation="none") == "error"
    assert s.error["code"] == "rate_limit_exceeded"
    s.make(EngineDone(), response=0)
    assert s.ask(conversation="none") == "response.created"


def test_a_response_may_bring_its_own_context() -> None:
    s = Scenario()
    s.write("kept")
    reference = s.last("item.added")["item"]["id"]
    s.write("not wanted")
    fresh = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief."}]}
    s.ask(input=[fresh, {"type": "item_reference", "id": reference}], conversation="none")
    assert texts(s.asks[0]) == ["system: Be brief.", "user: kept"]
    s.ask(input=[])
    assert s.asks[1].context == ()


def test_a_reference_to_nothing_is_refused() -> None:
    s = Scenario()
    assert s.ask(input=[{"type": "item_reference", "id": "item_x"}]) == "error"
    assert (s.error["code"], s.error["param"]) == ("item_not_found", "response.input[0].id")
    assert s.asks == []


# --- one response at a time ---


def test_a_second_response_is_refused_while_one_is_active() -> None:
    s = Scenario()
    s.turn()
    assert s.send({"type": "response.create", "event_id": "r2"}) == "error"
    assert (s.error["code"], s.error["event_id"]) == ("conversation_already_has_active_response", "r2")
    assert "response.create" in s.error["message"]
    assert s.asks[0].response_id in s.error["message"]


def queueing() -> Scenario:
    return Scenario(limits=SessionLimits(responses=ResponseRules(2, queue_second=True, rate_limits=())))


def test_a_second_response_waits_where_that_is_configured() -> None:
    s = queueing()
    s.ask(metadata={"n": "1"})
    assert s.ask(metadata={"n": "2"}) == ""
    assert s.ask(metadata={"n": "3"}) == ""
    assert s.ask(metadata={"n": "4"}) == "error"
    assert s.make(EngineDone()).endswith("response.done response.created")
    assert s.make(EngineDone()).endswith("response.done response.created")
    assert [event["response"]["metadata"]["n"] for event in s.all("response.created")] == ["1", "2", "3"]


def test_a_response_that_cannot_begin_when_its_turn_comes_is_an_error_that_cites_its_event() -> None:
    s = queueing()
    s.write("hello")
    item_id = s.last("item.added")["item"]["id"]
    s.ask()
    reference = {"input": [{"type": "item_reference", "id": item_id}]}
    s.send({"type": "response.create", "event_id": "second", "response": reference})
    assert s.ask(metadata={"n": "third"}) == ""
    s.send({"type": "conversation.item.delete", "item_id": item_id})
    assert s.make(EngineDone()).endswith("response.done error response.created")
    assert s.error["event_id"] == "second"
    assert s.response["status"] == "completed"


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


# --- S15, S17, S18 ---


def test_s15_rate_limits_once_per_response_and_never_where_switched_off() -> None:
    s = Scenario()
    s.ask()
    s.make(EngineDone())
    s.ask(conversation="none")
    s.make(EngineDone())
    assert len(s.all("rate_limits.updated")) == 2
    off = Scenario(limits=SessionLimits())
    off.ask()
    assert off.make(EngineDone()).endswith("response.done")


@pytest.mark.parametrize("said", [(), (speech("Hel", 100),), (CallStarted("weather"), CallArguments("{"))])
def test_s17_an_engine_error_fails_the_response(said: tuple[SpeechDelta, ...]) -> None:
    s = Scenario(tools=[WEATHER])
    s.ask()
    s.make(*said)
    assert s.make(EngineFailed("worker_crashed", "It broke.")).endswith(DONE)
    assert s.response["status"] == "failed"
    assert s.response["status_details"]["error"] == {
        "type": "server_error", "code": "worker_crashed", "message": "It broke.",
    }  # fmt: skip
    assert all(item["status"] == "incomplete" for item in s.response["output"])
    assert s.ask() == "response.created"


def test_s17_an_engine_that_breaks_its_contract_fails_the_response() -> None:
    s = Scenario()
    s.ask()
    assert s.make(CallArguments("{}")) == DONE
    assert s.response["status_details"]["error"]["code"] == "engine_protocol_error"
    assert s.cancelled == [s.asks[0].response_id]


def test_a_filter_of_the_model_makes_the_response_incomplete() -> None:
    s = Scenario()
    s.ask()
    s.make(speech("a", 100), EngineDone("content_filter"))
    assert s.response["status_details"] == {"type": "incomplete", "reason": "content_filter"}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20])
def test_speech_ends_at_the_token_limit(limit: int) -> None:
    s = Scenario()
    s.ask(max_output_tokens=limit)
    s.make(speech("Something to say", 700), speech(" and more", 700))
    assert s.response["status"] == "incomplete"
    assert s.response["status_details"]["reason"] == "max_output_tokens"
    assert s.response["usage"]["output_tokens"] <= limit
    assert s.cancelled == [s.asks[0].response_id]
    said = s.last("transcript.done")["transcript"]
    assert "Something to say and more".startswith(said)
    assert said == "".join(event["delta"] for event in s.all("transcript.delta"))


def test_text_ends_at_the_token_limit() -> None:
    s = Scenario(output_modalities=["text"], max_output_tokens=3)
    s.ask()
    s.make(TextDelta("abcd"), TextDelta("efghijklmnop"))
    assert s.last("text.done")["text"] == "abcdefghijkl"
    assert s.response["status"] == "incomplete"
    assert s.response["usage"]["output_tokens"] == 3


def test_arguments_of_a_call_end_at_the_token_limit() -> None:
    s = Scenario(tools=[WEATHER], max_output_tokens=2)
    s.ask()
    s.make(CallStarted("weather"), CallArguments('{"city":"Oslo"}'))
    assert s.last("arguments.done")["arguments"] == '{"city":'
    assert s.response["output"][0]["status"] == "incomplete"


def test_a_response_that_just_fits_its_limit_is_complete() -> None:
    s = Scenario(output_modalities=["text"], max_output_tokens=2)
    s.ask()
    s.make(TextDelta("abcdefgh"), EngineDone())
    assert s.response["status"] == "completed"


def test_an_answer_without_a_word_is_one_empty_message() -> None:
    s = Scenario()
    s.ask()
    assert s.make(EngineDone()) == f"output_item.added item.added item.done output_item.done {DONE}"
    (item,) = s.response["output"]
    assert (item["type"], item["content"], item["status"]) == ("message", [], "completed")


def test_usage_adds_up_whether_estimated_or_reported() -> None:
    s = Scenario(instructions="Be brief.")
    s.turn()
    s.make(speech("Hello", 100), EngineDone())
    estimated = s.response["usage"]
    assert estimated["output_token_details"] == {"text_tokens": 2, "audio_tokens": 2}
    s.ask()
    s.make(speech("Hello", 100), EngineDone(usage=TokenCounts(10, 20, 5, 3, 4)))
    reported = s.response["usage"]
    assert reported["input_token_details"]["cached_tokens"] == 5
    assert (reported["input_tokens"], reported["output_tokens"]) == (30, 7)
    for usage in (estimated, reported):
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        for side in ("input", "output"):
            details = usage[f"{side}_token_details"]
            assert usage[f"{side}_tokens"] == details["text_tokens"] + details["audio_tokens"]


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


def test_the_engine_is_told_the_language_and_the_model_s_own_name() -> None:
    s = Scenario(
        defaults=SessionDefaults(model_aliases={"gpt-realtime": "local"}),
        audio={"input": {"transcription": {"model": "whisper-1", "language": "fr"}}, "output": {"speed": 1.25}},
    )
    s.ask()
    assert (s.asks[0].language, s.asks[0].model, s.asks[0].speed) == ("fr", "local", 1.25)


def test_a_message_may_have_several_parts() -> None:
    s = Scenario()
    content = [
        {"type": "input_text", "text": "Look:"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_audio", "audio": "AAABAAIA", "transcript": "said"},
    ]
    item = {"type": "message", "role": "user", "content": content}
    assert s.send({"type": "conversation.item.create", "item": item}) == "item.added item.done"
    s.ask()
    (message,) = s.asks[0].context
    assert isinstance(message, Message)
    assert message.parts[0] == Text("Look:")
    audio = message.parts[2]
    assert isinstance(audio, Audio)
    assert (audio.samples.tolist(), audio.transcript) == ([0, 1, 2], "said")


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
