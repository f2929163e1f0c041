"""What the console says when something is missing, and what it does when the server goes away."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from browser.chromium import tab_of
from browser.conftest import Browse
from browser.console import Console, address
from browser.judging import nothing_left
from browser.recording import Microphone
from serving import RunningServer, serving
from voicebridge.config import LimitsSettings, WebRtcSettings

pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.timeout(120)]

LONGEST_WAIT_MS = 15_000
"""Between two attempts to reach a server again."""


async def test_a_server_that_restarts(browse: Browse, artefacts: Path, tmp_path: Path) -> None:
    async with browse(Microphone().pause(1)) as tab, tab_of(tab.page.context, artefacts, "restarts-websocket") as other:
        consoles = [Console(tab, artefacts, "restarts-webrtc"), Console(other, artefacts, "restarts-websocket")]
        for console in consoles:
            console.tab.tolerated = lambda problem: "ERR_CONNECTION_REFUSED" in problem
        with serving(tmp_path, "scripted") as server:
            for console, transport in zip(consoles, ("webrtc", "websocket"), strict=True):
                await console.open(address(server))
                await console.choose(transport)
                await console.connect()
                await console.say("before")
                await console.tab.until("response.done")
        for console in consoles:
            await expect(console["#connection"]).to_have_attribute("data-state", "reconnecting")
            await expect(console["#hint"]).to_contain_text("The server went away.")
            await console.picture("reconnecting")
        with serving(tmp_path, "scripted", port=server.port):
            for console in consoles:
                await console.connected()
                await expect(console.entries("break")).to_contain_text("New session.")
                await console.say("after")
                await console.tab.until("response.done", 2)
                await expect(console.text("assistant", 1)).to_have_text("You said: after")
                await console.picture("again")
            await consoles[1].hang_up()
        await gone_for_good(consoles[0])


async def gone_for_good(console: Console) -> None:
    await expect(console["#connection"]).to_have_attribute("data-state", "reconnecting")
    await console.page.clock.install()  # minutes of attempts in a moment
    while await console["#connection"].get_attribute("data-state") == "reconnecting":
        await console.page.clock.run_for(LONGEST_WAIT_MS)
    assert "Start it again" in await console.problem("server_gone")
    await console.picture("gone")
    await console.is_over()
    await console["#problem-close"].click()
    await console["#connect"].click()
    assert "cannot be reached" in await console.problem("server_gone")
    await console.is_over()


async def test_a_full_server(browse: Browse, artefacts: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "scripted", limits=LimitsSettings(max_sessions=1)) as server:
        async with browse(Microphone().pause(1)) as tab, tab_of(tab.page.context, artefacts, "full-other") as other:
            first, second = Console(tab, artefacts, "full"), Console(other, artefacts, "full")
            other.tolerated = lambda problem: "429" in problem or "503" in problem
            await first.open(address(server))
            await first.connect()
            await second.open(address(server))
            for transport in ("webrtc", "websocket"):
                await second.choose(transport)
                await second["#connect"].click()
                assert "limits.max_sessions" in await second.problem("server_full")
                await second.picture(transport)
                await second.is_over()
                await second["#problem-close"].click()
            await first.hang_up()
            await second.connect()
            await second.hang_up()


async def test_no_permission_for_the_microphone(
    browse: Browse, artefacts: Path, scripted_server: RunningServer
) -> None:
    async with nothing_left(scripted_server), browse(None, allowed=False) as tab:
        console = Console(tab, artefacts, "permission")
        await console.open(address(scripted_server))
        await console["#connect"].click()
        assert "Allow it by the icon in the address bar" in await console.problem("permission_denied")
        await console.picture("denied")
        await console["#microphone"].select_option("none")
        await console.connect()
        await console.say("typed")
        await expect(console.text("assistant", 0)).to_have_text("You said: typed")
        await console.picture("typed")
        await console.hang_up()


async def test_a_server_without_webrtc(browse: Browse, artefacts: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "scripted", webrtc=WebRtcSettings(enabled=False)) as server:
        async with nothing_left(server), browse(Microphone().pause(1)) as tab:
            tab.tolerated = lambda problem: "404" in problem
            console = Console(tab, artefacts, "no-webrtc")
            await console.open(address(server))
            await console["#connect"].click()
            assert "Choose the other transport." in await console.problem("not_served")
            await console.picture("problem")
            await console.choose("websocket")
            await console.connect()
            await console.hang_up()
