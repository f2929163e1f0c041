"""What is queued for a client: ordered, bounded in bytes, and never dropped in silence."""

from __future__ import annotations

import asyncio
from collections import deque


class Outbox:
    """Text frames for one writer. Over `max_bytes` it takes no more: the client is too slow, and its call must end."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._frames: deque[str] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._closed = False
        self.overflowed = False
        self.dropped = 0

    @property
    def queued_bytes(self) -> int:
        return self._bytes

    def put(self, frame: str) -> None:
        """Queue a frame, unless closed or overflowed; what is not taken is counted in `dropped`."""
        if self._closed or self.overflowed:
            self.dropped += 1
            return
        if self._bytes + len(frame) > self._max_bytes:
            self.overflowed = True
            self.dropped += 1
        else:
            self._frames.append(frame)
            self._bytes += len(frame)
        self._changed.set()

    def close(self) -> None:
        """Nothing more will come; `get` gives what is left and then None."""
        self._closed = True
        self._changed.set()

    async def get(self) -> str | None:
        """The next frame; None after the last one, or at once after an overflow."""
        while not self._frames and not self._closed and not self.overflowed:
            self._changed.clear()
            await self._changed.wait()
        if self.overflowed or not self._frames:
            return None
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        return frame
