"""The official SDK's connections, with a strict eye on every frame."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openai import AsyncOpenAI, OpenAI
from openai.types.realtime import RealtimeServerEvent

from clients.strict import Dialect, Event, Recorder

Int16 = NDArray[np.int16]
PATIENCE_S = 20.0
CHUNK = 2400  # 100 ms
MODEL = "gpt-realtime"

BETA_NAMES = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}


class Conversation:
    """One connection of the SDK (`sdk`). Events are named as in GA, whichever dialect is spoken."""

    def __init__(self, sdk: Any, dialect: Dialect) -> None:
        self.sdk = sdk
        self.dialect = dialect
        self.seen = Recorder(dialect)

    def name(self, kind: str) -> str:
        return BETA_NAMES.get(kind, kind) if self.dialect == "beta" else kind

    async def next(self) -> Event:
        raw = await asyncio.wait_for(self.sdk.recv_bytes(), PATIENCE_S)
        event: RealtimeServerEvent = self.sdk.parse_event(raw)  # what the SDK's user sees
        taken = self.seen.take(raw)
        assert event.type == taken["type"]
        return taken

    async def until(self, kind: str, when: Callable[[Event], bool] = lambda _event: True) -> Event:
        """The next event of that type; all on the way to it are judged and kept."""
        kind = self.name(kind)
        while True:
            event = await self.next()
            if event["type"] == kind and when(event):
                return event
            assert event["type"] != "error" or kind == "error", event

    def of(self, kind: str) -> list[Event]:
        return self.seen.of(self.name(kind))

    def clear(self) -> None:
        """Forget the events, not the state they led to."""
        self.seen.events[1:] = []

    async def says(self, text: str) -> Event:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.sdk.conversation.item.create(item=item)
        return (await self.until("conversation.item.added"))["item"]  # type: ignore[no-any-return]

    async def answers(self, **response: Any) -> Event:
        """Ask for a response and wait for its end."""
        await self.sdk.response.create(**({"response": response} if response else {}))
        done = await self.until("response.done")
        await self.until("rate_limits.updated")
        return done["response"]  # type: ignore[no-any-return]

    async def hears(self, samples: Int16, *, silence_s: float = 1.0) -> None:
        await self.hears_bytes(np.concatenate([samples, np.zeros(int(24_000 * silence_s), np.int16)]).tobytes())

    async def hears_bytes(self, audio: bytes, chunk: int = 2 * CHUNK) -> None:
        for at in range(0, len(audio), chunk):
            await self.sdk.input_audio_buffer.append(audio=base64.b64encode(audio[at : at + chunk]).decode())

    def spoken(self) -> bytes:
        return b"".join(base64.b64decode(event["delta"]) for event in self.of("response.output_audio.delta"))


@asynccontextmanager
async def talking(client: AsyncOpenAI, dialect: Dialect, **connect: Any) -> AsyncIterator[Conversation]:
    """Connected, and greeted by `session.created`."""
    surface = client.beta.realtime if dialect == "beta" else client.realtime
    if not connect:
        connect = {"model": MODEL}
    async with surface.connect(**connect) as sdk:
        conversation = Conversation(sdk, dialect)
        await conversation.next()
        if dialect == "beta" and "intent" not in connect.get("extra_query", {}):
            await conversation.until("conversation.created")
        yield conversation


class SyncConversation:
    """The same for the SDK's blocking client: what the tests of it need."""

    def __init__(self, sdk: Any, dialect: Dialect) -> None:
        self.sdk = sdk
        self.seen = Recorder(dialect)

    def until(self, kind: str) -> Event:
        while True:
            raw = self.sdk.recv_bytes()
            event = self.seen.take(raw)
            assert self.sdk.parse_event(raw).type == event["type"]
            if event["type"] == kind:
                return event


@contextmanager
def talking_sync(client: OpenAI, dialect: Dialect) -> Iterator[SyncConversation]:
    surface = client.beta.realtime if dialect == "beta" else client.realtime
    with surface.connect(model=MODEL) as sdk:
        conversation = SyncConversation(sdk, dialect)
        conversation.until("session.created")
        yield conversation
