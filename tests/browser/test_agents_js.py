"""@openai/agents-realtime in a browser, both transports as published: an agent is asked, calls, and is cut short."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from browser.conftest import Browse, Site
from browser.judging import answer_to, cut_short_by, judge_events, judge_media_channel, nothing_left, words_of
from browser.recording import Microphone, Samples, part, spans
from serving import RunningServer
from voicebridge.engines.embedded.stt import Recogniser

pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.timeout(120)]


@pytest.mark.parametrize("transport", ["websocket"])
async def test_an_agent_is_asked_calls_its_tool_and_is_cut_short(
    browse: Browse,
    site_for: Site,
    embedded_server: RunningServer,
    recogniser: Recogniser,
    weather_question: Samples,
    story_question: Samples,
    interruption: Samples,
    transport: str,
) -> None:
    speaker = Microphone().pause(0.7).say(weather_question).pause(5.0).say(story_question).pause(4.5).say(interruption)
    async with nothing_left(embedded_server), browse(speaker) as tab:
        await tab.page.goto(f"{site_for(embedded_server)}/agents.html?transport={transport}")
        await tab.until("input_audio_buffer.speech_started", 3, within_s=40)
        truncated = await tab.until("conversation.item.truncated")
        await tab.until("conversation.item.retrieved", 3)
        await asyncio.sleep(0.5)
        history = await tab.page.evaluate("talk.history()")
        call_id = await tab.page.evaluate("talk.callId")
        assert await tab.page.evaluate("talk.calls") == [{"city": "Paris"}]
        assert await tab.page.evaluate("talk.interruptions") >= 1
        recording = await tab.recording()
        await tab.page.evaluate("talk.hangUp()")
        assert await tab.left() == []

    asked, _, interrupting = spans(recording.microphone)
    assert re.search("21|twenty.one", words_of(recogniser, part(recording.heard, answer_to(recording, asked))))
    heard = cut_short_by(recording, interrupting)
    assert truncated.event["audio_end_ms"] / 1000 == pytest.approx(heard.seconds, abs=0.4)
    cut_item = truncated.event["item_id"]
    judge_history(history)
    (retrieved,) = (event for event in tab.of("conversation.item.retrieved") if event.event["item"]["id"] == cut_item)
    assert "transcript" not in retrieved.event["item"]["content"][0]  # nobody knows which words were heard
    judge_events(tab, "ga")
    if transport == "webrtc":
        judge_media_channel(tab)
        assert str(call_id).startswith("rtc_")


def judge_history(history: list[dict[str, Any]]) -> None:
    """The SDK's own, made from our events: in order, with the words, and the call with its result."""
    assert [item.get("role", item["type"]) for item in history[:5]] == [
        "user",
        "function_call",
        "assistant",
        "user",
        "assistant",
    ]
    asked, call, answer, story = history[:4]
    assert asked["content"][0]["transcript"] == "What is the weather in Paris?"
    assert call["output"] == '{"temperature":21}'
    assert "twenty-one" in answer["content"][0]["transcript"]
    assert "story" in story["content"][0]["transcript"]
    assert history[4]["status"] == "incomplete"
