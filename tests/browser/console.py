"""The console as its user sees it: what can be done with the page, and what it shows."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from browser.chromium import PATIENCE_S, Tab
from browser.recording import Recording
from serving import RunningServer

POLL_S = 0.05
CONNECTING_S = 2.0
"""The microphone is open before the call is: nothing is said for as long as a busy machine takes to connect."""

expect.set_options(timeout=PATIENCE_S * 1000)


def address(server: RunningServer, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{server.port}/"


def secure_address(server: RunningServer, host: str = "localhost") -> str:
    return f"https://{host}:{server.tls_port}/"


@dataclass(frozen=True, slots=True)
class Turn:
    """A row of the latency table, in milliseconds."""

    notes: str
    stages: dict[str, int]
    total: str


class Console:
    """Pictures go to `artefacts`, each under the name of the test and of what is to be seen."""

    def __init__(self, tab: Tab, artefacts: Path, name: str) -> None:
        self.tab = tab
        self._artefacts = artefacts
        self._name = name

    @property
    def page(self) -> Page:
        return self.tab.page

    def __getitem__(self, selector: str) -> Locator:
        return self.page.locator(selector)

    async def picture(self, of: str) -> None:
        await self.page.screenshot(path=self._artefacts / f"{self._name}-{of}.png")

    # --- the call ---

    async def open(self, url: str) -> None:
        await self.page.goto(url)
        await expect(self["#connect"]).to_be_enabled()

    async def choose(self, transport: str) -> None:
        await self[f"#transport-{transport}"].check()

    async def connect(self) -> None:
        await self["#connect"].click()
        await self.connected()

    async def connected(self) -> None:
        await expect(self["#connection"]).to_have_attribute("data-state", "connected")
        await expect(self["#problem"]).to_be_hidden()

    async def phase(self, name: str) -> None:
        await expect(self["#phase"]).to_have_attribute("data-phase", name)

    async def hang_up(self) -> None:
        """Afterwards nothing of the call is left in the page."""
        await self["#hang-up"].click()
        await self.is_over()

    async def is_over(self) -> None:
        await expect(self["#connection"]).to_have_attribute("data-state", "closed")
        assert await self.tab.left() == []
        await self.becomes("__rig.contexts.every((context) => context.state === 'closed')")

    async def becomes(self, expression: str) -> None:
        """Playwright's own way to wait for an expression needs what the page's policy forbids."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self.page.evaluate(expression):  # noqa: ASYNC110  what changes is in the page
                await asyncio.sleep(POLL_S)

    async def say(self, text: str) -> None:
        await self["#text"].fill(text)
        await self["#send"].click()
        await expect(self["#text"]).to_have_value("")

    async def problem(self, reason: str) -> str:
        """What the page says to that, in two sentences."""
        await expect(self["#problem"]).to_have_attribute("data-reason", reason)
        await expect(self["#problem"]).to_be_visible()
        what, do = await self["#problem-what"].inner_text(), await self["#problem-do"].inner_text()
        assert what
        assert do
        return f"{what} {do}"

    # --- the conversation ---

    def entries(self, kind: str) -> Locator:
        return self[f"#conversation .entry.{kind}"]

    def text(self, kind: str, number: int) -> Locator:
        return self.entries(kind).nth(number).locator(".text")

    # --- beside it ---

    async def show(self, tab: str) -> None:
        await self[f"#tab-{tab}"].click()
        await expect(self[f"#panel-{tab}"]).to_be_visible()

    async def saved(self, button: str) -> bytes:
        """The file that a button gives."""
        async with self.page.expect_download() as download:
            await self[button].click()
        given = await download.value
        path = self._artefacts / f"{self._name}-{given.suggested_filename}"
        await given.save_as(path)
        return path.read_bytes()

    async def recording(self) -> Recording:
        await self.show("audio")
        return Recording.read(await self.saved("#save-stereo"))

    async def event_log(self) -> list[dict[str, Any]]:
        await self.show("events")
        return [json.loads(line) for line in (await self.saved("#save-log")).decode().splitlines()]

    async def turns(self) -> list[Turn]:
        """The latency table, oldest first."""
        await self.show("latency")
        rows = await self["#latency tbody tr"].all()
        turns = []
        for row in reversed(rows):
            notes, _, total = await row.locator("td").all_inner_texts()
            parts = await row.locator(".parts span").all_inner_texts()
            stages = {name: int(ms) for name, ms in (part.rsplit(" ", 1) for part in parts)}
            turns.append(Turn(notes, stages, total))
        return turns

    async def figures(self) -> dict[str, str]:
        """Name → figure of the audio statistics, once they are there."""
        await self.show("audio")
        await expect(self["#stats [data-stat=path] dd"]).not_to_be_empty()
        tiles = await self["#stats [data-stat]"].all()
        return {str(await tile.get_attribute("data-stat")): await tile.locator("dd").inner_text() for tile in tiles}


def number_in(figure: str) -> float:
    """The first number of a text."""
    found = re.search(r"-?\d+(\.\d+)?", figure)
    assert found, figure
    return float(found[0])
