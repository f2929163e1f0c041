"""The documented browser clients, unchanged but for the address, and openai's own WebRTC connection.

Each conversation ends in another way: the tab is closed, the peer is closed, the client hangs up.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from browser.conftest import Browse, Site
from browser.judging import (
    answer_to,
    cut_short_by,
    judge_events,
    judge_media_channel,
    nothing_left,
    transcript_of,
    words_of,
)
from browser.recording import Microphone, Samples, part, spans
from serving import RunningServer
from voicebridge.engines.embedded.stt import Recogniser

pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.timeout(120)]

IN_FLIGHT_S = 0.4
"""What has left the server is audible in the page within this."""


async def test_beta_as_documented(
    browse: Browse,
    site_for: Site,
    embedded_server: RunningServer,
    recogniser: Recogniser,
    story_question: Samples,
    interruption: Samples,
) -> None:
    speaker = Microphone().pause(0.7).say(story_question).pause(4.5).say(interruption)
    async with nothing_left(embedded_server), browse(speaker) as tab:
        await tab.page.goto(f"{site_for(embedded_server)}/beta.html")
        asked = await tab.until("conversation.item.input_audio_transcription.completed")
        await tab.until("conversation.item.truncated")
        understood = await tab.until("conversation.item.input_audio_transcription.completed", 2)
        recording = await tab.recording()
        await tab.page.goto("about:blank")

    assert transcript_of(asked) == "Tell me a story."
    assert transcript_of(understood) == "Your call cannot be completed as dialed."
    heard = cut_short_by(recording, spans(recording.microphone)[-1])
    assert "once upon a time" in words_of(recogniser, part(recording.heard, heard))
    judge_media_channel(tab)
    judge_events(tab, "beta")


async def test_ga_as_documented(
    browse: Browse, site_for: Site, storyteller: RunningServer, sum_question: Samples, interruption: Samples
) -> None:
    """The answer is one tone without a pause: how much of it was heard can be told to the hundredth of a second."""
    speaker = Microphone().pause(0.7).say(sum_question).pause(3.0).say(interruption)
    async with nothing_left(storyteller), browse(speaker) as tab:
        await tab.page.goto(f"{site_for(storyteller)}/ga.html")
        truncated = await tab.until("conversation.item.truncated")
        await tab.until("output_audio_buffer.cleared")
        await asyncio.sleep(IN_FLIGHT_S)
        recording = await tab.recording()
        await tab.page.evaluate("__rig.peers[0].close()")

    heard = cut_short_by(recording, spans(recording.microphone)[-1])
    assert truncated.event["audio_end_ms"] / 1000 == pytest.approx(heard.seconds, abs=0.1)
    judge_media_channel(tab)
    (cancelled,) = judge_events(tab, "ga").of("response.done")
    assert cancelled["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}


async def test_openai_with_a_form(
    browse: Browse,
    site_for: Site,
    embedded_server: RunningServer,
    recogniser: Recogniser,
    sum_question: Samples,
) -> None:
    async with nothing_left(embedded_server), browse(Microphone().pause(0.7).say(sum_question)) as tab:
        await tab.page.goto(f"{site_for(embedded_server)}/openai.html")
        asked = await tab.until("conversation.item.input_audio_transcription.completed")
        stopped = await tab.until("output_audio_buffer.stopped")
        (started,) = tab.of("output_audio_buffer.started")
        await asyncio.sleep(IN_FLIGHT_S)
        (inbound,) = await tab.stats("inbound-rtp")
        recording = await tab.recording()
        await tab.page.evaluate("hangUp()")
        assert await tab.left() == []

    assert re.search(r"(24|twenty.four) (\+|plus) (10|ten)", transcript_of(asked).lower())
    (spoken,) = spans(recording.microphone)
    answer = answer_to(recording, spoken)
    assert answer.seconds == pytest.approx(stopped.at - started.at, abs=0.4)
    assert re.search(r"34|thirty.four", words_of(recogniser, part(recording.heard, answer)))
    assert inbound["packetsLost"] == 0
    judge_media_channel(tab)
    judge_events(tab, "ga")
