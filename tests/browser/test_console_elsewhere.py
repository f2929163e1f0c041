"""The console over https with a certificate that nobody signed, and its module in a page of another origin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from browser.chromium import ELSEWHERE
from browser.conftest import PAGES, Browse
from browser.console import Console, address, secure_address
from browser.judging import answer_to, judge_events, nothing_left, transcript_of, words_of
from browser.recording import Microphone, Samples, part, spans
from browser.site import site
from serving import RunningServer
from voicebridge.engines.embedded.stt import Recogniser

pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.timeout(120)]


IN_FLIGHT_MS = 400
"""What has left the server is audible in the page within this."""


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_anybodys_page(
    browse: Browse, embedded_server: RunningServer, recogniser: Recogniser, sum_question: Samples, transport: str
) -> None:
    speaker = Microphone().pause(0.7).say(sum_question)
    with site(embedded_server.url, embedded_server.api_key, PAGES) as url:
        async with nothing_left(embedded_server), browse(speaker) as tab:
            await tab.page.goto(f"{url}/call.html?transport={transport}")
            await tab.page.click("#call")
            asked = await tab.until("conversation.item.input_audio_transcription.completed")
            await tab.page.wait_for_function("heard.includes('stopped')")
            await tab.page.wait_for_timeout(IN_FLIGHT_MS)
            recording = await tab.recording()
            await tab.page.evaluate("call.hangUp()")
            assert await tab.left() == []

    assert re.search(r"(24|twenty.four) (\+|plus) (10|ten)", transcript_of(asked).lower())
    (spoken,) = spans(recording.microphone)
    assert re.search(r"34|thirty.four", words_of(recogniser, part(recording.heard, answer_to(recording, spoken))))
    judge_events(tab, "ga")


async def test_https_with_a_certificate_of_its_own(
    browse: Browse, artefacts: Path, scripted_server: RunningServer
) -> None:
    """By another name than localhost, as from another machine: then a key is asked for."""
    async with nothing_left(scripted_server), browse(Microphone().pause(1), ignore_https_errors=True) as tab:
        tab.tolerated = lambda problem: "401" in problem
        console = Console(tab, artefacts, "https")
        await console.open(secure_address(scripted_server, ELSEWHERE))
        await console["#connect"].click()
        assert "API key" in await console.problem("key_needed")
        await console.picture("key-needed")
        await console["#key"].press_sequentially("sk-wrong")
        await console["#key"].press("Enter")
        assert "does not accept this key" in await console.problem("wrong_key")
        await console.picture("wrong-key")
        await console["#key"].fill(scripted_server.api_key)
        await console["#key"].press("Enter")
        await console.connected()
        await console.picture("connected")
        await heard(console, 1)
        await console.hang_up()
        assert scripted_server.api_key not in await tab.page.evaluate("JSON.stringify(localStorage) + document.cookie")
        await tab.page.reload()
        await console.choose("websocket")
        await console.connect()
        await heard(console, 2)
        await console.hang_up()


async def heard(console: Console, count: int) -> None:
    """Something typed is answered, and the answer is heard in the page."""
    await console.say("over TLS")
    await console.tab.until("response.done", count)
    await console.phase("listening")
    await console.page.wait_for_function("voicebridge.turns.turns.at(-1).marks.playing")


async def test_https_on_this_machine_needs_no_key(
    browse: Browse, artefacts: Path, scripted_server: RunningServer
) -> None:
    async with nothing_left(scripted_server), browse(Microphone().pause(1), ignore_https_errors=True) as tab:
        console = Console(tab, artefacts, "https-here")
        await console.open(secure_address(scripted_server))
        await console.connect()
        await console.hang_up()


async def test_plain_http_from_elsewhere_says_what_to_do(
    browse: Browse, artefacts: Path, scripted_server: RunningServer
) -> None:
    async with browse(None) as tab:
        console = Console(tab, artefacts, "http-elsewhere")
        await console.open(address(scripted_server, ELSEWHERE))
        await console["#key"].fill(scripted_server.api_key)
        await console["#connect"].click()
        assert f"ssh -L {scripted_server.port}:127.0.0.1:{scripted_server.port} {ELSEWHERE}" in await console.problem(
            "insecure_context"
        )
        await console.picture("problem")
