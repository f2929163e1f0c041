"""A real Chromium with a file as its microphone, and a tab of it that is listened in on."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, Page, Playwright, async_playwright

from browser.recording import Recording

TAP = Path(__file__).with_name("tap.js")
PATIENCE_S = 20.0
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ELSEWHERE = "voice.test"
"""A name that leads to this machine without being one of its own."""
LOCAL = (
    *(
        f"{scheme}://{host}:"
        for scheme in ("http", "https", "ws", "wss")
        for host in ("127.0.0.1", "localhost", ELSEWHERE)
    ),
    "data:",
    "blob:",
)

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Passed:
    """An event on its way: `way` is "in" (from the server) or "out"; `at`, seconds into the recording."""

    way: str
    at: float
    bytes: int
    event: Event

    @property
    def type(self) -> str:
        return str(self.event["type"])


class Tab:
    """One page. Whatever goes wrong in it is in `problems`, and ends every wait."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.passed: list[Passed] = []
        self.problems: list[str] = []
        self.tolerated: Callable[[str], bool] = lambda _problem: False
        self.kept: Recording | None = None
        self._news = asyncio.Event()

    async def prepare(self) -> None:
        await self.page.expose_binding("__voicebridge_event", self._take)
        await self.page.add_init_script(path=TAP)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._problem(f"uncaught: {error}"))
        self.page.on("request", lambda request: self._asked_for(request.url))
        self.page.on("websocket", lambda socket: self._asked_for(socket.url))

    def _take(self, _source: object, passed: dict[str, Any]) -> None:
        self.passed.append(Passed(**passed))
        self._news.set()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._problem(f"console: {message.text} ({message.location.get('url')})")

    def _asked_for(self, url: str) -> None:
        if not url.startswith(LOCAL):
            self._problem(f"a request to the outside: {url}")

    def _problem(self, problem: str) -> None:
        if not self.tolerated(problem):
            self.problems.append(problem)
            self._news.set()

    # --- events ---

    def of(self, kind: str, way: str = "in") -> list[Passed]:
        return [passed for passed in self.passed if passed.type == kind and passed.way == way]

    async def until(self, kind: str, count: int = 1, *, way: str = "in", within_s: float = PATIENCE_S) -> Passed:
        """The `count`th event of that type. A problem in the page or an `error` of the server fails the test."""
        try:
            async with asyncio.timeout(within_s):
                while len(self.of(kind, way)) < count:
                    self._news.clear()
                    assert not self.problems, self.problems
                    assert kind == "error" or not self.of("error"), self.of("error")
                    await self._news.wait()
        except TimeoutError:
            said = [f"{passed.at:.2f} {passed.way} {passed.type}" for passed in self.passed]
            raise AssertionError(f"no {kind} ({count}) within {within_s} s, but {said}; {self.problems}") from None
        return self.of(kind, way)[count - 1]

    # --- the page ---

    async def now(self) -> float:
        """Seconds into the recording."""
        return float(await self.page.evaluate("__rig.now()"))

    async def at(self, seconds: float) -> None:
        """Wait for that place in the recording."""
        await asyncio.sleep(max(0.0, seconds - await self.now()))

    async def recording(self) -> Recording:
        """What has been recorded; this ends it."""
        if self.kept is None:
            data = base64.b64decode(await self.page.evaluate("__rig.recording()"))
            self.kept = Recording.read(data)
        return self.kept

    async def stats(self, kind: str) -> list[dict[str, Any]]:
        """getStats of the last peer: its reports of one type, such as "inbound-rtp"."""
        peers = await self.page.evaluate("__rig.stats()")
        return [report for report in peers[-1] if report["type"] == kind]

    async def left(self) -> list[str]:
        """What of microphones, peers and sockets is still alive."""
        found: list[str] = await self.page.evaluate("__rig.left()")
        return found

    async def keep(self, directory: Path, name: str) -> None:
        """Leave a screenshot, the sound and the events for somebody to look at."""
        await self.page.screenshot(path=directory / f"{name}.png", full_page=True)
        self._write(directory / name, await self.recording())

    def _write(self, path: Path, recording: Recording) -> None:
        lines = [json.dumps({"way": p.way, "at": round(p.at, 3), **p.event}) for p in self.passed]
        path.with_suffix(".jsonl").write_text("\n".join([*lines, *self.problems]) + "\n", encoding="utf-8")
        recording.write(path.with_suffix(".wav"))


def executable(playwright: Playwright) -> str:
    """Where Chromium is, the system's own first; skips, loudly, where there is none."""
    for name in (*NAMES, playwright.chromium.executable_path):
        if found := shutil.which(name):
            return found
    pytest.skip("CHROMIUM IS MISSING: nothing is tested in a browser. Install Debian's chromium, or Google Chrome.")


@asynccontextmanager
async def chromium(microphone: Path | None, *, allowed: bool = True, **wanted: Any) -> AsyncIterator[BrowserContext]:
    """A browser of its own, since the file is given when it starts. Each getUserMedia plays it from the beginning.

    Without a file the microphone hears a beep every second. `allowed`: whether its user lets pages have it.
    `wanted` are options of the context, such as its language.
    """
    flags = [
        *(["--use-fake-ui-for-media-stream"] if allowed else []),
        "--use-fake-device-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
        f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
    ]
    if microphone is not None:
        flags.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(playwright), args=flags)
        try:
            yield await browser.new_context(**wanted)
        finally:
            await browser.close()


@asynccontextmanager
async def tab_of(context: BrowserContext, artefacts: Path, name: str) -> AsyncIterator[Tab]:
    """A tab whose problems fail the test, and which leaves its picture, sound and events when the test is over."""
    tab = Tab(await context.new_page())
    await tab.prepare()
    try:
        yield tab
        assert not tab.problems, tab.problems
    finally:
        if not tab.page.is_closed():
            await tab.keep(artefacts, name)
