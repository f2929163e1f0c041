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


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_an_agent_is_asked_calls_its_tool_and_is_cut_short(
    browse: Browse,
    site_for: Site,
    embedded_server: RunningServer,
    recogniser: Recogniser,
    weather_question: Samples,
    interruption: Samples,
    transport: str,
) -> None:
    speaker = Microphone().pause(0.7).say(weather_question).pause(5.5).say(interruption)
    async with nothing_left(embedded_server), browse(speaker) as tab:
        await tab.page.goto(f"{site_for(embedded_server)}/agents.html?transport={transport}")
        truncated = await tab.until("conversation.item.truncated")
        await tab.until("conversation.item.retrieved", 2)
        await asyncio.sleep(0.5)
        talk = await tab.page.evaluate("({ ...talk, history: talk.history() })")
        recording = await tab.recording()
        await tab.page.evaluate("talk.hangUp()")
        assert await tab.left() == []

    asked, interrupting = spans(recording.microphone)
    assert re.search("21|twenty.one", words_of(recogniser, part(recording.heard, answer_to(recording, asked))))
    heard = cut_short_by(recording, interrupting)
    assert truncated.event["audio_end_ms"] / 1000 == pytest.approx(heard.seconds, abs=0.4)
    assert talk["calls"] == [{"city": "Paris"}]
    assert (talk["interruptions"] >= 1) == (transport == "websocket")  # by WebRTC the server has done it already
    judge_history(talk["history"])
    judge_events(tab, "ga")
    retrieved = tab.of("conversation.item.retrieved")[-1].event["item"]
    assert retrieved["id"] == truncated.event["item_id"]
    assert "transcript" not in retrieved["content"][0]  # nobody knows which of the words were heard
    if transport == "webrtc":
        judge_media_channel(tab)
        assert talk["callId"].startswith("rtc_")


def judge_history(history: list[dict[str, Any]]) -> None:
    """The SDK's own, made from our events: in order, with the words, and the call with its result."""
    asked, call, answer = history[:3]
    assert asked["role"] == "user"
    assert asked["content"][0]["transcript"] == "What is the weather in Paris?"
    assert call["type"] == "function_call"
    assert call["output"].startswith("It is twenty-one degrees")
    assert answer["role"] == "assistant"
