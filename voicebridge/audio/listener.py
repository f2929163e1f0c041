"""The ear of one call: wire bytes in, samples and speech probabilities out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from voicebridge.audio.codec import Decoder
from voicebridge.audio.encoding import AudioEncoding
from voicebridge.audio.samples import Samples
from voicebridge.audio.vad import VAD_WINDOW, VoiceActivityDetector


@dataclass(frozen=True, slots=True)
class Heard:
    """What one push brought.

    `samples` are all the new ones, 24 kHz mono. `speech` are the probabilities (0 to 1) of the windows that they
    completed, in order: window k covers samples [k * VAD_WINDOW, (k + 1) * VAD_WINDOW) since the call began. Without
    detection it is empty.
    """

    samples: Samples
    speech: tuple[float, ...]


class Listener:
    """Decodes what one side of a call says and judges it window by window, on a grid that nothing ever moves.

    Methods raise EngineError when the detector's model fails; the samples of that push are lost to the detector only.
    `soon` judges a window for the same detector and may let it wait for those of other calls, while nothing else is
    asked of this listener.
    """

    def __init__(
        self,
        encoding: AudioEncoding,
        detector: VoiceActivityDetector,
        *,
        detect: bool = True,
        soon: Callable[[Samples], Awaitable[float]] | None = None,
    ) -> None:
        self._encoding = encoding
        self._decoder = Decoder(encoding)
        self._detector = detector
        self._soon = soon
        self._detect = detect
        self._position = 0
        self._skip = 0  # samples still to pass before the next line of the grid
        self._pending: list[Samples] = []  # the beginning of an incomplete window
        self._held = 0  # samples of it

    @property
    def position(self) -> int:
        """How many samples were heard since the call began."""
        return self._position

    def configure(self, encoding: AudioEncoding, *, detect: bool) -> None:
        """From the next push on. The same values change nothing; turning detection on begins with a whole window."""
        if encoding != self._encoding:
            self._encoding = encoding
            self._decoder = Decoder(encoding)
        if detect and not self._detect:
            self._detector.reset()
            self._skip = -self._position % VAD_WINDOW
        if not detect:
            self._pending, self._held = [], 0
        self._detect = detect

    def reset(self) -> None:
        """What was said so far no longer matters: forget it as context. Position and window grid stay."""
        self._detector.reset()

    def append(self, data: bytes) -> Heard:
        """The next bytes from the wire, any number of them."""
        return self.hear(self._decoder.push(data))

    async def append_live(self, data: bytes) -> Heard:
        """The same for sound that comes at its own pace: what completes just one window may wait for other calls."""
        return await self.hear_live(self._decoder.push(data))

    def hear(self, samples: Samples) -> Heard:
        """The next samples of media that somebody else has decoded."""
        return Heard(samples, tuple(map(self._detector.probability, self._windows(samples))))

    async def hear_live(self, samples: Samples) -> Heard:
        """The same for media that comes at its own pace."""
        windows = self._windows(samples)
        if self._soon is not None and len(windows) == 1:
            return Heard(samples, (await self._soon(windows[0]),))
        return Heard(samples, tuple(map(self._detector.probability, windows)))

    def _windows(self, samples: Samples) -> list[Samples]:
        """The windows that these samples complete."""
        self._position += len(samples)
        if not self._detect:
            return []
        skipped = min(self._skip, len(samples))
        self._skip -= skipped
        if len(samples) > skipped:
            self._pending.append(samples[skipped:])
            self._held += len(samples) - skipped
        if self._held < VAD_WINDOW:
            return []
        held = np.concatenate(self._pending)
        self._held %= VAD_WINDOW
        whole = len(held) - self._held
        self._pending = [held[whole:]]
        return [held[start : start + VAD_WINDOW] for start in range(0, whole, VAD_WINDOW)]
