"""What was heard and not yet committed. Positions are samples since the session's beginning and never go back."""

from __future__ import annotations

from collections import deque

import numpy as np

from voicebridge.audio.samples import EMPTY, Samples


class InputBuffer:
    """Uncommitted audio, from `start` to `end`."""

    def __init__(self) -> None:
        self._chunks: deque[Samples] = deque()
        self._start = 0
        self._end = 0

    @property
    def start(self) -> int:
        return self._start

    @property
    def end(self) -> int:
        """The position behind the last sample that ever arrived."""
        return self._end

    def __len__(self) -> int:
        return self._end - self._start

    def append(self, samples: Samples) -> None:
        if len(samples):
            self._chunks.append(samples)
            self._end += len(samples)

    def take(self, start: int, end: int) -> Samples:
        """The audio from `start` to `end`, as far as it is there; everything before `end` leaves the buffer."""
        self.drop_before(start)
        taken: list[Samples] = []
        while self._chunks and self._start < end:
            chunk = self._chunks.popleft()
            wanted = min(len(chunk), end - self._start)
            taken.append(chunk[:wanted])
            self._start += wanted
            if wanted < len(chunk):
                self._chunks.appendleft(chunk[wanted:])
        return np.concatenate(taken) if taken else EMPTY

    def peek(self, start: int, end: int) -> Samples:
        """A copy of the audio from `start` to `end`, as far as it is there; the buffer stays as it is."""
        wanted: list[Samples] = []
        chunk_end = self._end
        for chunk in reversed(self._chunks):  # what is asked for is the latest of a turn that may be minutes long
            chunk_start = chunk_end - len(chunk)
            if chunk_end <= start:
                break
            if chunk_start < end:
                wanted.append(chunk[max(0, start - chunk_start) : max(0, end - chunk_start)])
            chunk_end = chunk_start
        return np.concatenate(wanted[::-1]) if wanted else EMPTY

    def drop_before(self, position: int) -> None:
        """Forget audio before the position."""
        while self._chunks and self._start < position:
            chunk = self._chunks[0]
            surplus = position - self._start
            if len(chunk) > surplus:
                self._chunks[0] = chunk[surplus:]
                self._start = position
                return
            self._chunks.popleft()
            self._start += len(chunk)

    def clear(self) -> None:
        self._chunks.clear()
        self._start = self._end
