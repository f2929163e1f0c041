"""The console in both languages and colours, on a phone, by keyboard, and without motion."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import expect

from browser.conftest import Browse
from browser.console import Console, address
from browser.judging import nothing_left
from browser.recording import Microphone
from serving import RunningServer

pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.timeout(120)]

AUDIT = Path(__file__).with_name("audit.js").read_text(encoding="utf-8")
TABS = ("events", "latency", "audio", "session", "functions")
WIDE = {"width": 1280, "height": 720}
PHONE = {"width": 360, "height": 740}
LOOKS: tuple[tuple[str, dict[str, int], Literal["light", "dark"], str], ...] = (
    ("wide-dark", WIDE, "dark", "en"),
    ("wide-chinese", WIDE, "light", "zh"),
    ("phone-light", PHONE, "light", "en"),
    ("phone-dark-chinese", PHONE, "dark", "zh"),
    ("wide-light", WIDE, "light", "en"),
)
NEED_NO_TRANSLATION = (
    *(
        "voicebridge",
        "WebRTC",
        "WebSocket",
        "API",
        "JSON",
        "WAV",
        "VAD",
        "ISO",
        "PCM",
        "kHz",
        "TCP",
        "udp",
        "host",
        "opus",
    ),
    *("ms", "kbit", "kB", "inf", "auto", "low", "medium", "high", "token", "Enter", "en", "zh", "server_vad", "server"),
    *("semantic_vad", "get_weather", "limits", "max_sessions"),
)


async def test_looks(browse: Browse, artefacts: Path, scripted_server: RunningServer) -> None:
    """Nothing overflows, every control can be reached, all can be read, and in Chinese nothing is English."""
    async with nothing_left(scripted_server), browse(Microphone().pause(1)) as tab:
        console = Console(tab, artefacts, "looks")
        await console.open(address(scripted_server))
        faults = await looks(console, "before")
        await console.connect()
        await fill_the_page(console)
        await stands_still(console)
        faults += await looks(console, "call")
        await console.hang_up()
        faults += await looks(console, "help")
    assert not faults, "\n".join(faults)


async def fill_the_page(console: Console) -> None:
    """With an answer that was cut, a call that waits for its result, one that has it, and an event that was refused."""
    await console.say("a sentence that takes its time to be spoken, so that there is time to stop it")
    await console.phase("speaking")
    await console["#interrupt"].click()
    await expect(console.entries("assistant").locator(".cut")).to_be_visible()
    await console.show("functions")
    await console["#auto-answer"].uncheck()
    await console["#offer-get_weather"].check()
    await console["#functions [data-function=get_weather] summary"].click()
    await console.show("session")
    await console["#session-toolChoice"].fill("required")
    await console["#update-session"].click()
    await expect(console["#session-status"]).to_contain_text("Updated at")
    await console.say("first")
    await console.entries("call").locator("button").click()
    await expect(console.entries("call")).to_have_count(2)
    await console.page.evaluate("voicebridge.call.send({type: 'no.such.event'})")
    await console["#session-speed"].fill("1.25")
    await console.show("events")
    await console["#events .event.error"].click()


async def looks(console: Console, state: str) -> list[str]:
    """All faults in all looks: of each tab, or of what the help says."""
    faults = []
    for name, size, colours, language in LOOKS if state == "call" else LOOKS[-2:]:
        await console.page.set_viewport_size({"width": size["width"], "height": size["height"]})
        await console.page.emulate_media(color_scheme=colours)
        await console.page.evaluate("""(language) => {
            const choice = document.getElementById("language");
            choice.value = language;
            choice.dispatchEvent(new Event("change", { bubbles: true }));
        }""", language)  # fmt: skip
        for which in ("help",) if state == "help" else (*(("talk",) if size is PHONE else ()), *TABS):
            await (console["#help"].click() if which == "help" else console.show(which))
            await console.picture(f"{state}-{name}-{which}")
            found = await console.page.evaluate(AUDIT, NEED_NO_TRANSLATION if language == "zh" else None)
            faults += [f"{state} {name} {which}: {fault}" for fault in found]
            await console.page.keyboard.press("Escape")
    return faults


async def test_keyboard_only(browse: Browse, artefacts: Path, scripted_server: RunningServer) -> None:
    async with nothing_left(scripted_server), browse(Microphone().pause(1)) as tab:
        console, keyboard = Console(tab, artefacts, "keyboard"), tab.page.keyboard
        await console.open(address(scripted_server))
        await tab_to(console, "#connect")
        await keyboard.press("Enter")
        await console.connected()
        await expect(console["#mute"]).to_be_focused()  # not lost with the button that went
        await keyboard.press("m")
        await expect(console["#mute"]).to_have_attribute("aria-pressed", "true")
        await keyboard.press("Enter")
        await expect(console["#mute"]).to_have_attribute("aria-pressed", "false")
        await keyboard.press("t")
        await keyboard.type("by keyboard, mute and x and c are letters here")
        await keyboard.press("Enter")
        await expect(console.text("user", 0)).to_contain_text("are letters here")
        await console.phase("speaking")
        await keyboard.press("Escape")
        await keyboard.press("x")
        await expect(console.entries("assistant").locator(".cut")).to_be_visible()
        await keyboard.press("/")
        await keyboard.type("response.created")
        await tab_to(console, "#events")
        await keyboard.press("ArrowUp")
        await keyboard.press("Enter")
        await expect(console["#detail-type"]).to_have_text("response.created")
        await console.picture("event")
        await keyboard.press("Escape")
        await expect(console["#event-detail"]).to_be_hidden()
        await keyboard.press("2")
        await expect(console["#panel-latency"]).to_be_visible()
        await keyboard.press("?")
        await expect(console["#help-dialog"]).to_be_visible()
        await console.picture("help")
        await keyboard.press("Escape")
        await tab_to(console, "#hang-up")
        await keyboard.press("Enter")
        await console.is_over()
        await expect(console["#connect"]).to_be_focused()


async def tab_to(console: Console, selector: str) -> None:
    """With the Tab key; all that has the focus on the way shows it."""
    for _ in range(60):
        await console.page.keyboard.press("Tab")
        outline = await console.page.evaluate("""() => {
            const {activeElement: at} = document;
            const shown = at.closest('.segments') ? at.nextElementSibling : at;
            return at === document.body ? 'solid' : getComputedStyle(shown).outlineStyle;
        }""")
        assert outline != "none", await console.page.evaluate("document.activeElement.outerHTML")
        if await console[selector].evaluate("(wanted) => wanted === document.activeElement"):
            return
    raise AssertionError(f"no {selector} within 60 tabs")


async def stands_still(console: Console) -> None:
    """For whoever wants no motion: nothing fades, and the picture of the sound stays where it was drawn."""
    await console.page.emulate_media(reduced_motion="reduce")
    await expect(console["#toast"]).to_have_css("transition-duration", "0s")
    await expect(console["#phase"]).to_have_attribute("data-phase", "listening")
    first, second = [await console["#scope"].screenshot() for _ in range(2)]
    assert first == second
    await console.page.emulate_media(reduced_motion="no-preference")
