"""What has come from a client and waits for the call's driver: bounded, in order, losses counted."""

from __future__ import annotations

import asyncio
from collections import deque

from voicebridge.audio.samples import Samples
from voicebridge.core.io import AudioReceived, Input

MAX_AUDIO = 250
"""Pieces of sound that may wait: 5 s of 20 ms each. Then the oldest is lost, as it would be late anyway."""

MAX_EVENTS = 4096
"""Events that may wait. A client that sends more while none is taken is cut off."""


class Intake:
    """One producer in the loop, one consumer task."""

    def __init__(self) -> None:
        self._waiting: deque[Input] = deque()
        self._audio = 0
        self._changed = asyncio.Event()
        self._closed = False
        self.dropped_audio = 0
        self.flooded = False

    def put_audio(self, samples: Samples) -> None:
        if self._closed:
            return
        if self._audio >= MAX_AUDIO:
            self._drop_oldest_audio()
        self._audio += 1
        self._put(AudioReceived(samples))

    def put(self, given: Input) -> None:
        """Queue an event; over the limit it is not taken and `flooded` is set."""
        if self._closed:
            return
        if len(self._waiting) - self._audio >= MAX_EVENTS:
            self.flooded = True
            return
        self._put(given)

    def close(self) -> None:
        """Nothing more will come; what is here may still be taken."""
        self._closed = True
        self._changed.set()

    async def get(self) -> Input | None:
        """The next input; None after the last."""
        while not self._waiting:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        given = self._waiting.popleft()
        if isinstance(given, AudioReceived):
            self._audio -= 1
        return given

    def _put(self, given: Input) -> None:
        self._waiting.append(given)
        self._changed.set()

    def _drop_oldest_audio(self) -> None:
        for index, given in enumerate(self._waiting):
            if isinstance(given, AudioReceived):
                del self._waiting[index]
                self._audio -= 1
                self.dropped_audio += 1
                return
