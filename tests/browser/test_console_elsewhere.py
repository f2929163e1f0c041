"""The console over https with a certificate that nobody signed, and its module in a page of another origin."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from browser.chromium import ELSEWHERE
from browser.conftest import PAGES, Browse
from browser.console import CONNECTING_S, Console, address, secure_address
from browser.judging import answer_to, judge_events, nothing_left
from browser.recording import Microphone, Samples, spans
from browser.site import site
from serving import RunningServer

pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.timeout(120)]


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_anybodys_page(
    browse: Browse, scripted_server: RunningServer, story_question: Samples, transport: str
) -> None:
    """On another origin, and with nothing but the module that the server has for it."""
    with site(scripted_server.url, scripted_server.api_key, PAGES) as url:
        async with nothing_left(scripted_server), browse(Microphone().pause(CONNECTING_S).say(story_question)) as tab:
            await tab.page.goto(f"{url}/call.html?transport={transport}")
            await tab.page.click("#call")
            await tab.page.wait_for_function("heard.includes('stopped')")
            recording = await tab.recording()
            await tab.page.evaluate("call.hangUp()")
            assert await tab.left() == []

    (spoken,) = spans(recording.microphone)
    assert answer_to(recording, spoken).seconds > 1
    judge_events(tab, "ga")


async def test_https_with_a_certificate_of_its_own(
    browse: Browse, artefacts: Path, scripted_server: RunningServer
) -> None:
    async with nothing_left(scripted_server), browse(Microphone().pause(1), ignore_https_errors=True) as tab:
        tab.tolerated = lambda problem: "401" in problem
        console = Console(tab, artefacts, "https")
        await plain_from_elsewhere(console, scripted_server)
        await secure_from_elsewhere(console, scripted_server)
        await console.open(secure_address(scripted_server))
        await expect(console["#key-row"]).to_be_hidden()
        await console.connect()
        await console.hang_up()


async def plain_from_elsewhere(console: Console, server: RunningServer) -> None:
    """By another name than localhost, as from another machine. A browser has no microphone for such a page."""
    await console.open(address(server, ELSEWHERE))
    await console["#key"].fill(server.api_key)
    await console["#connect"].click()
    told = await console.problem("insecure_context")
    assert "--tls-self-signed" in told
    assert f"ssh -L {server.port}:127.0.0.1:{server.port} {ELSEWHERE}" in told
    await console.picture("plain-elsewhere")


async def secure_from_elsewhere(console: Console, server: RunningServer) -> None:
    """It has to know a key, keeps it in its tab only, and works by both transports."""
    await console.open(secure_address(server, ELSEWHERE))
    await console["#connect"].click()
    assert "API key" in await console.problem("key_needed")
    await expect(console["#key"]).to_be_focused()
    await console.picture("key-needed")
    await console.page.keyboard.type("sk-wrong")
    await console.page.keyboard.press("Enter")
    assert "does not accept this key" in await console.problem("wrong_key")
    await console.picture("wrong-key")
    await console["#key"].fill(server.api_key)
    await console.page.keyboard.press("Enter")
    await console.connected()
    await heard(console, 1)
    await console.picture("connected")
    await console.hang_up()
    assert server.api_key not in await console.page.evaluate("JSON.stringify(localStorage) + document.cookie")
    await console.page.reload()
    await console.choose("websocket")
    await console.connect()
    await heard(console, 2)
    await console.hang_up()


async def heard(console: Console, count: int) -> None:
    """Something typed is answered, and the answer sounds in the page."""
    await console.say("over TLS")
    await console.tab.until("response.done", count)
    await console.becomes("Boolean(voicebridge.turns.turns.at(-1)?.marks.playing)")
