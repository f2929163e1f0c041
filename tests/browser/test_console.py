"""The console, driven as a person would: it is spoken to, interrupted, asked to call a function, and looked at."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from browser.chromium import Tab
from browser.conftest import Browse
from browser.console import CONNECTING_S, Console, Turn, address, number_in
from browser.judging import (
    answer_to,
    cut_short_by,
    judge_events,
    judge_media_channel,
    nothing_left,
    words_of,
)
from browser.recording import Microphone, Recording, Samples, Span, level_dbfs, part, spans
from serving import RunningServer
from voicebridge.engines.embedded.stt import Recogniser
from voicebridge.engines.scripted import MS_PER_CHARACTER

pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.timeout(120)]

IN_FLIGHT_S = 0.4
"""What has left the server is audible in the page within this."""
STAGES = ("committed", "response created", "first words", "first audio", "heard")
TONE_DBFS = -20.0
REFILL_S = 0.05
"""A player that ran dry is silent for longer than this, until there is something to play again."""
HEARD_THE_NAME = "document.querySelector('.entry.assistant .text')?.firstChild.data.includes('Mara')"
WORD = 10
"""Captions advance by words; none of the story is longer than this."""
WEATHER = '{"city": "Paris", "temperature_celsius": 33}'
SPEECH_DBFS = -40.0
MOST_MS = 4000
"""An answer of the embedded engine begins within this, also on a busy machine."""


async def test_a_conversation_by_webrtc(
    browse: Browse,
    artefacts: Path,
    embedded_server: RunningServer,
    recogniser: Recogniser,
    story_question: Samples,
    interruption: Samples,
    weather_question: Samples,
) -> None:
    speaker = (
        Microphone().pause(CONNECTING_S).say(story_question).pause(4).say(interruption).pause(4).say(weather_question)
    )
    async with nothing_left(embedded_server), browse(speaker) as tab:
        await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        console = Console(tab, artefacts, "webrtc")
        await console.open(address(embedded_server))
        await console.picture("before")
        await offer_weather(console)
        await console.connect()
        await expect(console["#key-row"]).to_be_hidden()
        shown = await interrupted_story(console)
        await answer_the_call(console)
        await change_the_session(console)
        await ask_in_writing(console)
        await look_through_the_events(console)
        turns = await console.turns()
        await console.picture("latency")
        figures = await console.figures()
        await console.picture("audio")
        kept, logged = await console.recording(), await console.event_log()
        await asyncio.sleep(IN_FLIGHT_S)
        recording = await tab.recording()
        await console.hang_up()
        await console.picture("after")

    asked, interrupting, _ = spans(recording.microphone)
    story = cut_short_by(recording, interrupting)
    assert len(words_of(recogniser, part(recording.heard, story)).split()) == pytest.approx(len(shown.split()), abs=4)
    judge_sound(recogniser, recording)
    judge_sound(recogniser, kept)
    stopped = tab.of("input_audio_buffer.speech_stopped")[0].at
    judge_latency(turns, 1000 * (answer_to(recording, asked).begin - stopped))
    judge_figures(figures)
    judge_log(logged, tab)
    judge_media_channel(tab)
    judge_events(tab, "ga")


async def offer_weather(console: Console) -> None:
    """Its calls are to be answered by hand."""
    await console.show("functions")
    await console["#auto-answer"].uncheck()
    await console["#offer-get_weather"].check()
    await console.picture("functions")
    await console.show("events")


async def interrupted_story(console: Console) -> str:
    """What the caption says was heard."""
    tab = console.tab
    await expect(console.text("user", 0)).to_have_text("Tell me a story.")
    await console.phase("speaking")
    truncated = await tab.until("conversation.item.truncated")
    await console.phase("interrupted")
    await console.picture("interrupted")
    story = console.text("assistant", 0)
    await expect(story.locator(".unheard")).not_to_be_empty()
    await expect(story.locator(".unheard")).to_have_css("text-decoration-line", "line-through")
    seconds = truncated.event["audio_end_ms"] / 1000
    await expect(console.entries("assistant").first.locator(".cut")).to_have_text(f"cut at {seconds:.1f} s")
    await expect(console.text("user", 1)).to_have_text("Your call cannot be completed as dialed.")
    return (await story.inner_text()).removesuffix(await story.locator(".unheard").inner_text())


async def answer_the_call(console: Console) -> None:
    call = console.entries("call")
    await expect(call).to_contain_text('get_weather({"city": "Paris"})')
    await console.picture("call")
    await call.locator("textarea").fill(WEATHER)
    await call.locator("button").click()
    await expect(call.locator(".result")).to_contain_text(WEATHER)
    await console.tab.until("output_audio_buffer.stopped")
    (sent,) = console.tab.of("conversation.item.create", "out")
    assert sent.event["item"]["output"] == WEATHER


async def change_the_session(console: Console) -> None:
    await console.show("session")
    await console["#session-silence"].fill("400")
    await console["#session-instructions"].fill("Be brief.")
    await console.picture("session")
    known = len(console.tab.of("session.updated"))
    await console["#update-session"].click()
    updated = await console.tab.until("session.updated", known + 1)
    await expect(console["#session-status"]).to_contain_text("Updated at")
    session = updated.event["session"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 400
    sent = console.tab.of("session.update", "out")[-1].event["session"]
    assert sent.keys() == {"type", "instructions", "audio"}  # what was not changed is not sent


async def ask_in_writing(console: Console) -> None:
    await console.say("What is ten plus ten?")
    await expect(console.text("user", 3)).to_have_text("What is ten plus ten?")
    await console.tab.until("output_audio_buffer.stopped", 2)


async def look_through_the_events(console: Console) -> None:
    await console.show("events")
    await console["#filter-text"].fill("item.TRUNCATED")
    truncated = len(console.tab.of("conversation.item.truncated"))
    await expect(console["#events .event"]).to_have_count(truncated)
    await console["#events .event"].first.click()
    await expect(console["#detail-type"]).to_have_text("conversation.item.truncated")
    await console["#copy-event"].click()
    await expect(console["#toast"]).to_have_text("Copied.")
    await console.picture("events")
    copied = json.loads(await console.page.evaluate("navigator.clipboard.readText()"))
    assert copied == console.tab.of("conversation.item.truncated")[0].event
    await console["#filter-text"].fill("")
    await console["#filter-direction"].select_option("sent")
    await console["#filter-type"].select_option("response.create")
    await expect(console["#events .event .type"]).to_have_text(["response.create"] * 2)
    await console["#filter-direction"].select_option("received")
    await expect(console["#events-empty"]).to_have_text("No event matches the filter.")


def judge_sound(recogniser: Recogniser, recording: Recording) -> None:
    """Both sides as they sounded, whoever recorded them."""
    said = [words_of(recogniser, part(recording.microphone, span)) for span in spans(recording.microphone)]
    assert said == ["tell me a story.", "your call cannot be completed as dialed.", "what is the weather in paris?"]
    answers = spans(recording.heard, bridge_s=1.0)
    assert all(level_dbfs(part(recording.heard, span)) > SPEECH_DBFS for span in answers)
    heard = " ".join(words_of(recogniser, part(recording.heard, span)) for span in answers)
    assert re.match(r"once upon a time.*do not know.*(33|thirty.three).*(20|twenty)", heard), heard


def judge_latency(turns: list[Turn], measured_ms: float) -> None:
    """`measured_ms`: from the end of the first turn to its answer, by the recording."""
    kinds = [turn.notes.splitlines()[1] for turn in turns]
    assert kinds == ["spoken", "spoken", "spoken", "function result", "typed"]
    assert "after 500 ms of silence" in turns[0].notes
    assert "interrupted" in turns[0].notes
    assert "calls get_weather" in turns[2].notes
    for turn in turns:
        assert list(turn.stages) == [name for name in STAGES if name in turn.stages]
        assert {"response created", "first words"} <= turn.stages.keys()
        assert ("heard" in turn.stages) == ("calls" not in turn.notes)
        assert number_in(turn.total) == pytest.approx(sum(turn.stages.values()), abs=len(turn.stages))
        assert 10 < number_in(turn.total) < MOST_MS
    assert number_in(turns[0].total) == pytest.approx(measured_ms, abs=200)


def judge_figures(figures: dict[str, str]) -> None:
    """Of a call over loopback."""
    assert figures["codec"] == "opus 48 kHz"
    assert figures["path"] == "host udp → host udp"
    assert 0 <= number_in(figures["roundTrip"]) < 100
    assert 0 <= number_in(figures["jitter"]) < 100
    assert number_in(figures["lossIn"]) == number_in(figures["lossOut"]) == 0
    assert number_in(figures["concealed"]) < 10
    assert number_in(figures["out"]) > 0


def judge_log(logged: list[dict[str, Any]], tab: Tab) -> None:
    """All events since the call began, in both directions, in order."""
    ways = {"sent": "out", "received": "in"}
    assert [(ways[line["direction"]], line["event"]["type"]) for line in logged] == [
        (passed.way, passed.type) for passed in tab.passed[: len(logged)]
    ]
    assert {line["direction"] for line in logged} == {"sent", "received"}
    times = [line["at"] for line in logged]
    assert times == sorted(times)


async def test_words_by_websocket(
    browse: Browse, artefacts: Path, embedded_server: RunningServer, recogniser: Recogniser, story_question: Samples
) -> None:
    """Hung up in the middle of a sentence."""
    async with nothing_left(embedded_server), browse(Microphone().pause(CONNECTING_S).say(story_question)) as tab:
        console = Console(tab, artefacts, "websocket")
        await console.open(address(embedded_server))
        await console.choose("websocket")
        await console.connect()
        await expect(console.text("user", 0)).to_have_text("Tell me a story.")
        await console.phase("speaking")
        figures = await console.figures()
        await console.picture("audio")
        await console.becomes(HEARD_THE_NAME)
        (turn,) = await console.turns()
        await console.picture("latency")
        logged = await console.event_log()
        recording = await tab.recording()
        await console.hang_up()

    (story,) = spans(recording.heard, bridge_s=1.0)
    assert level_dbfs(part(recording.heard, story)) > SPEECH_DBFS
    assert re.match(
        "once upon a time,? there was a lighthouse keeper", words_of(recogniser, part(recording.heard, story))
    )
    assert (figures["codec"], figures["path"], figures["underruns"], figures["dropped"]) == (
        "PCM 24 kHz",
        "TCP",
        "0",
        "0",
    )
    assert list(turn.stages) == list(STAGES)
    appended = [line for line in logged if line["event"]["type"] == "input_audio_buffer.append"]
    assert sum(line.get("count", 1) for line in appended) > len(appended)
    assert "bytes of audio" in appended[0]["event"]["audio"]
    judge_events(tab, "ga")


async def test_playback_by_websocket(
    browse: Browse, artefacts: Path, storyteller: RunningServer, sum_question: Samples, interruption: Samples
) -> None:
    """The answer is one tone without a pause: how much of it was heard can be told to the hundredth of a second."""
    speaker = Microphone().pause(CONNECTING_S).say(sum_question).pause(4).say(interruption)
    async with nothing_left(storyteller), browse(speaker) as tab:
        console = Console(tab, artefacts, "playback")
        await console.open(address(storyteller))
        await console.choose("websocket")
        await console.connect()
        truncated = await tab.until("conversation.item.truncated")
        await expect(console.text("assistant", 0).locator(".unheard")).not_to_be_empty()
        await console.picture("interrupted")
        shown = await console.text("assistant", 0).inner_text()
        underruns = await tab.page.evaluate(
            "voicebridge.call.getStats().then((stats) => stats.get('websocket').underruns)"
        )
        unheard = await console.text("assistant", 0).locator(".unheard").inner_text()
        await asyncio.sleep(IN_FLIGHT_S)
        recording = await tab.recording()
        await console.hang_up()

    heard = cut_short_by(recording, spans(recording.microphone)[-1])
    assert truncated.event["audio_end_ms"] / 1000 == pytest.approx(heard.seconds, abs=0.05)
    inside = part(recording.heard, Span(heard.begin + 0.03, heard.end - 0.03))
    assert len(spans(inside, bridge_s=REFILL_S)) == 1
    assert level_dbfs(inside) == pytest.approx(TONE_DBFS, abs=0.5)
    assert underruns == 0
    characters = heard.seconds * 1000 / MS_PER_CHARACTER
    assert len(shown) - len(unheard) == pytest.approx(characters, abs=WORD)
