"""A client's port in memory, a detector that hears what is written in the samples, an observer that remembers."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from voicebridge.audio.encoding import PCM16_24K
from voicebridge.audio.listener import Listener
from voicebridge.audio.samples import Samples
from voicebridge.core.io import EndCall, Input, Output
from voicebridge.core.session import LocalSession, SessionLimits
from voicebridge.errors import EngineError
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.session_config import SessionDefaults, new_session
from voicebridge.runtime.call import Call
from voicebridge.runtime.ports import Engine
from voicebridge.wire.realtime import RealtimeCodec

Event = dict[str, Any]

LOUD = 20_000


class LoudnessDetector:
    """Speech is what is loud. Fails at a window that holds -1."""

    def probability(self, window: Samples) -> float:
        if window[0] == -1:
            raise EngineError("the detector broke")
        return 0.95 if window.max() >= LOUD else 0.0

    def reset(self) -> None:
        """It remembers nothing."""


class MemoryPort:
    """What a test `says` goes in; what the call sends is in `events`. `stalled` holds the writer back."""

    def __init__(self) -> None:
        self.codec = RealtimeCodec(Dialect.GA)
        self.events: list[Event] = []
        self.closed: EndCall | None = None
        self.closing = asyncio.Event()
        self.read = 0
        self.first_read = asyncio.Event()
        self.stalled = asyncio.Event()
        self.stalled.set()
        self._said: asyncio.Queue[Input | None] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._why: EndCall | None = None

    def say(self, event: Event) -> None:
        self._said.put_nowait(self.codec.decode(json.dumps(event)))

    def append(self, samples: Samples) -> None:
        self.say({"type": "input_audio_buffer.append", "audio": base64.b64encode(samples.tobytes()).decode()})

    def speak(self, ms: int = 400) -> None:
        self.append(np.full(ms * 24, LOUD, np.int16))

    def pause(self, ms: int = 800) -> None:
        self.append(np.zeros(ms * 24, np.int16))

    def hang_up(self) -> None:
        """The client's messages end here."""
        self._said.put_nowait(None)

    def break_off(self, why: EndCall | None = None) -> None:
        """The writer finds that the client is gone or too slow."""
        self._why = why
        self._gone.set()

    async def until(self, name: str, count: int = 1) -> Event:
        """The count-th event of the type."""
        while len(found := [event for event in self.events if event["type"] == name]) < count:
            self._changed.clear()
            await self._changed.wait()
        return found[count - 1]

    @property
    def names(self) -> list[str]:
        return [event["type"] for event in self.events]

    # --- as the driver sees it ---

    async def inputs(self) -> AsyncIterator[Input]:
        while (given := await self._said.get()) is not None:
            self.read += 1
            self.first_read.set()
            yield given

    def send(self, output: Output) -> None:
        frame = self.codec.encode(output)
        if frame is not None:
            self.events.append(json.loads(frame))
            self._changed.set()

    async def write(self) -> EndCall | None:
        await self._gone.wait()
        await self.stalled.wait()
        return self._why

    def close(self, end: EndCall) -> None:
        self.closed = end
        self.closing.set()
        self._gone.set()


class Memory:
    """An observer."""

    def __init__(self) -> None:
        self.inputs: list[Input | None] = []
        self.end: EndCall | None = None

    def fed(self, given: Input | None, outputs: list[Output], now: float) -> None:
        self.inputs.append(given)

    def ended(self, end: EndCall, now: float) -> None:
        self.end = end


def new_call(
    port: MemoryPort, engine: Engine, *, inbox_size: int = 64, limits: SessionLimits | None = None, **session: Any
) -> tuple[Call, Memory]:
    defaults = SessionDefaults()
    memory = Memory()
    call = Call(
        LocalSession(
            new_session("realtime", defaults, session_id="sess_1", expires_at=0),
            IdFactory(1),
            defaults,
            limits or SessionLimits(),
            asyncio.get_running_loop().time(),
        ),
        port,
        engine,
        Listener(PCM16_24K, LoudnessDetector()),
        memory,
        inbox_size=inbox_size,
        **session,
    )
    return call, memory
