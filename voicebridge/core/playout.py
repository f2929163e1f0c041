"""What a listener hears of us when the playback is ours: frames of 20 ms, one for every tick of somebody's clock.

Responses play one after another. Where sound begins, ends, runs dry or is thrown away it is faded, so that nothing
clicks; and of every part it is known, to the sample, how much has gone out.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from voicebridge.audio.samples import Samples, ms_to_samples
from voicebridge.core.io import PlayedPart, PlayoutCleared, PlayoutDrained, PlayoutStarted, Speech

FRAME = ms_to_samples(20)
"""Samples of one frame."""

FADE = ms_to_samples(5) // 2
"""2.5 ms: how long sound comes and goes. Shorter clicks, longer takes the attack off the first consonant."""

CLEAR_FADE = ms_to_samples(5)
"""How much is still heard after a clear."""

ENOUGH = FRAME + FADE
"""With less than this the next frame might have to end in the middle of a sound."""

RESUME = ms_to_samples(60)
"""After running dry so much is gathered first: several short gaps are worse than one."""

_RISE = np.arange(1, FADE + 1, dtype=np.float32) / (FADE + 1)


class _Part:
    """One spoken part: `accepted` samples were queued, `played` of them have gone out; `complete` if no more comes."""

    __slots__ = ("accepted", "complete", "content_index", "item_id", "played")

    def __init__(self, item_id: str, content_index: int) -> None:
        self.item_id = item_id
        self.content_index = content_index
        self.accepted = 0
        self.played = 0
        self.complete = False


class _Sound:
    """What is queued of one response. `final`: what is here is all that will be heard."""

    def __init__(self, response_id: str) -> None:
        self.response_id = response_id
        self.left = 0
        self.started = False
        self.ended = False
        self.final = False
        self._flowing = False
        self._parts: dict[tuple[str, int], _Part] = {}
        self._pieces: deque[tuple[_Part, Samples]] = deque()
        self._at = 0

    @property
    def over(self) -> bool:
        return self.ended and not self.left

    @property
    def ready(self) -> bool:
        """Is there enough for a frame?"""
        if self._flowing or self.final:
            return self.left > 0
        return self.left >= (RESUME if self.started else ENOUGH)

    def add(self, speech: Speech, room: int) -> int:
        """Take up to `room` samples; returns how many. What does not fit ends the sound: a hole would be worse."""
        key = speech.item_id, speech.content_index
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part(*key)
        taken = 0 if self.final else min(len(speech.samples), room)
        if taken:
            self._pieces.append((part, speech.samples[:taken]))
            part.accepted += taken
            self.left += taken
        self.final = self.final or taken < len(speech.samples)
        return taken

    def complete(self, speech: Speech) -> None:
        """No more speech of this part will come."""
        part = self._parts.get((speech.item_id, speech.content_index))
        if part is not None and not self.final:
            part.complete = True

    def end(self) -> None:
        if not self.final:
            for part in self._parts.values():
                part.complete = True
        self.ended = self.final = True

    def frame(self) -> Samples:
        """The next `FRAME` samples; call it when `ready`."""
        left = self.left
        samples = self._take(min(left, FRAME))
        if self._flowing and left >= ENOUGH:
            return samples
        shaped = np.zeros(FRAME, np.float32)
        shaped[: len(samples)] = samples
        if not self._flowing:
            rise = min(FADE, len(samples))
            shaped[:rise] *= _RISE[:rise]
        self._flowing = self.left > 0 if self.final else left >= ENOUGH
        if left < ENOUGH:
            _fade_out(shaped, left if self.final else len(samples))
        return shaped.astype(np.int16)

    def farewell(self) -> Samples | None:
        """The frame in which a sound that is cut off goes away; None where nothing is heard anyway."""
        if not self._flowing:
            return None
        span = min(self.left, CLEAR_FADE)
        shaped = np.zeros(FRAME, np.float32)
        shaped[:span] = self._take(span)
        # where its end had begun to fade already, that fade just goes on
        shaped[:span] *= np.arange(span, 0, -1, dtype=np.float32) / (max(span, FADE) + 1)
        return shaped.astype(np.int16)

    def played(self) -> tuple[PlayedPart, ...]:
        """How far each part has got that was not played to its end."""
        return tuple(
            PlayedPart(part.item_id, part.content_index, part.played)
            for part in self._parts.values()
            if part.played < part.accepted or not part.complete
        )

    def _take(self, wanted: int) -> Samples:
        part, piece = self._pieces[0]
        self.left -= wanted
        end = self._at + wanted
        if end >= len(piece):
            return self._gather(wanted)
        part.played += wanted
        samples = piece[self._at : end]
        self._at = end
        return samples

    def _gather(self, wanted: int) -> Samples:
        samples: list[Samples] = []
        while wanted:
            part, piece = self._pieces[0]
            taken = piece[self._at : self._at + wanted]
            samples.append(taken)
            part.played += len(taken)
            wanted -= len(taken)
            self._at += len(taken)
            if self._at == len(piece):
                self._pieces.popleft()
                self._at = 0
        return samples[0] if len(samples) == 1 else np.concatenate(samples)


class Playout:
    """The playback of one call. Feed it the session's outputs, take a frame every 20 ms, report what it says.

    Every response whose speech was added gets at most one `PlayoutStarted` and, once ended or cleared, exactly one
    `PlayoutDrained` or `PlayoutCleared`. Nothing of a response may come after its end. `dropped` counts samples that
    will not be played because more than `max_queued` were waiting, or because their response had been cleared.
    """

    def __init__(self, max_queued: int) -> None:
        self._max_queued = max_queued
        self._sounds: dict[str, _Sound] = {}
        self._cleared: set[str] = set()  # and not ended
        self._farewell: Samples | None = None
        self.queued = 0
        self.dropped = 0

    def add(self, speech: Speech) -> None:
        """Queue a piece, or learn from a `last` one that its part is complete."""
        sound = self._sounds.get(speech.response_id)
        if speech.last:
            if sound is not None:
                sound.complete(speech)
            return
        count = len(speech.samples)
        if speech.response_id in self._cleared:
            self.dropped += count
            return
        if not count:
            return
        if sound is None:
            sound = self._sounds[speech.response_id] = _Sound(speech.response_id)
        taken = sound.add(speech, self._max_queued - self.queued)
        self.queued += taken
        self.dropped += count - taken

    def end(self, response_id: str) -> None:
        """No more speech of this response will come."""
        self._cleared.discard(response_id)
        sound = self._sounds.get(response_id)
        if sound is not None:
            sound.end()

    def clear(self) -> list[PlayoutCleared]:
        """Throw away what has not gone out, but for a fade of `CLEAR_FADE` in the next frame, which counts as played.

        One result for each response that had sound left or was not ended, in the order of their playing.
        """
        cleared: list[PlayoutCleared] = []
        finished: dict[str, _Sound] = {}
        for response_id, sound in self._sounds.items():
            if sound.over:
                finished[response_id] = sound  # its end is still to be told
                continue
            farewell = sound.farewell()  # of the one that is heard
            if farewell is not None:
                self._farewell = farewell
            cleared.append(PlayoutCleared(response_id, sound.played()))
            if not sound.ended:
                self._cleared.add(response_id)
        self._sounds = finished
        self.queued = 0
        return cleared

    def next_frame(self) -> tuple[Samples | None, list[PlayoutStarted | PlayoutDrained]]:
        """Exactly `FRAME` samples, or None for silence; and what began or came to its end with them."""
        if self._farewell is not None:
            frame, self._farewell = self._farewell, None
            return frame, []
        told: list[PlayoutStarted | PlayoutDrained] = []
        while (sound := next(iter(self._sounds.values()), None)) is not None:
            if sound.over:
                del self._sounds[sound.response_id]
                told.append(PlayoutDrained(sound.response_id))
            elif sound.ready:
                return self._frame_of(sound, told), told
            else:
                break
        return None, told

    def _frame_of(self, sound: _Sound, told: list[PlayoutStarted | PlayoutDrained]) -> Samples:
        if not sound.started:
            sound.started = True
            told.append(PlayoutStarted(sound.response_id))
        before = sound.left
        frame = sound.frame()
        self.queued -= before - sound.left
        if sound.over:
            del self._sounds[sound.response_id]
            told.append(PlayoutDrained(sound.response_id))
        return frame


def _fade_out(frame: NDArray[np.float32], end: int) -> None:
    """Let the sound go that ends after `end` samples of the frame, or soon behind it."""
    start = max(0, end - FADE)
    rest = np.arange(end - start, 0, -1, dtype=np.float32)[: max(0, len(frame) - start)]
    frame[start : start + len(rest)] *= rest / (FADE + 1)
