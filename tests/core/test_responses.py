"""How one response is made and ends (S5, S15, S17, S18)."""

from __future__ import annotations

import pytest

from core.scenario import (
    CLOSE_AUDIO,
    CLOSE_TEXT,
    DONE,
    OPEN,
    PIECE,
    TURN,
    WEATHER,
    Scenario,
    speech,
    texts,
)
from voicebridge.core.engine_io import (
    CallArguments,
    CallDone,
    CallStarted,
    EngineDone,
    EngineFailed,
    SpeechDelta,
    TextDelta,
    TokenCounts,
    ToolCall,
    ToolResult,
)
from voicebridge.core.io import Speech
from voicebridge.core.session import SessionLimits


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


def test_a_turn_is_kept_though_the_session_cannot_be_answered() -> None:
    s = Scenario(tool_choice={"type": "function", "name": "missing"})
    assert s.turn() == f"{TURN} error"
    assert s.error["event_id"] is None
    assert s.update(tool_choice="auto") == "session.updated"
    assert s.turn() == f"{TURN} response.created"


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
