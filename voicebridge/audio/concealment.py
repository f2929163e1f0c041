"""Concealment for codecs without any of their own: the last pitch period repeated and faded, joined on both sides.

In the spirit of ITU-T G.711 Appendix I, without its delay of 3.75 ms: that one goes back to smooth what was played
before the gap; here a step at the beginning of the gap is levelled out inside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voicebridge.audio.encoding import G711_RATE_HZ
from voicebridge.audio.g711 import alaw_to_pcm16, ulaw_to_pcm16
from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples

_SHORTEST_PERIOD_MS = 5  # 200 Hz; higher voices repeat in several of their periods
_LONGEST_PERIOD_MS = 15  # 66 Hz
_COMPARED_MS = 20
_FULL_MS = 10  # the first of a gap is as loud as what was before
_FADED_MS = 60  # nothing is left of it
_JOIN_MS = 4
_RATIO = INTERNAL_RATE_HZ // G711_RATE_HZ
_NOTHING = np.zeros(1)


class PitchRepetition:
    """One stream of int16 samples with gaps in it, at `rate_hz`."""

    def __init__(self, rate_hz: int) -> None:
        ms = rate_hz // 1000
        self._shortest, self._longest = _SHORTEST_PERIOD_MS * ms, _LONGEST_PERIOD_MS * ms
        self._compared = _COMPARED_MS * ms
        self._full, self._faded, self._join = _FULL_MS * ms, _FADED_MS * ms, _JOIN_MS * ms
        self._history: NDArray[np.float32] = np.zeros(self._longest + self._compared, np.float32)
        self._period: NDArray[np.float32] = self._history[: self._shortest]
        self._concealed = 0  # samples of the gap so far
        self._step = 0.0  # at the beginning of the gap

    def heard(self, samples: Samples) -> Samples:
        """The next samples that did come; returns them, after a gap with their beginning joined to what filled it."""
        if self._concealed and len(samples):
            length = min(self._join, len(samples))
            rising = np.arange(1, length + 1, dtype=np.float32) / (length + 1)
            joined = samples[:length] * rising + self._repeat(length) * (1 - rising)
            samples = np.concatenate((np.rint(joined).astype(np.int16), samples[length:]))
            self._concealed = 0
        self._remember(samples.astype(np.float32))
        return samples

    def conceal(self, count: int) -> Samples:
        """What might have been in the next `count` samples; silence from 60 ms after the beginning of a gap on."""
        if not self._concealed:
            self._begin()
        concealed = self._repeat(count)
        self._concealed += count
        self._remember(concealed)
        return np.rint(concealed).astype(np.int16)

    def _remember(self, samples: NDArray[np.float32]) -> None:
        self._history = np.concatenate((self._history, samples))[-len(self._history) :]

    def _begin(self) -> None:
        """Finds the pitch, and makes a period whose end leads into its beginning."""
        past = self._history
        period = self._pitch()
        quarter = period // 4
        rising = np.arange(1, quarter + 1, dtype=np.float32) / (quarter + 1)
        self._period = past[-period:].copy()
        self._period[-quarter:] *= 1 - rising
        self._period[-quarter:] += past[-period - quarter : -period] * rising
        self._step = float(past[-1] - past[-period - 1])

    def _pitch(self) -> int:
        """The lag at which the last 20 ms resemble most what was before them."""
        past, compared = self._history, self._compared
        alike = np.correlate(past, past[-compared:], "valid")  # by lag, from the longest to none
        sums = np.cumsum(np.square(past, dtype=np.float64))
        energy = sums[compared - 1 :] - np.concatenate((_NOTHING, sums[:-compared]))
        likeness = (alike / np.sqrt(energy + 1))[self._longest - self._shortest :: -1]
        return self._shortest + int(np.argmax(likeness))

    def _repeat(self, count: int) -> NDArray[np.float32]:
        if self._concealed >= self._faded:
            return np.zeros(count, np.float32)
        at = np.arange(self._concealed, self._concealed + count)
        wave = self._period.take(at, mode="wrap")
        wave += self._step * np.maximum(1 - (at + 1) / self._join, 0)
        wave *= np.minimum(np.maximum((self._faded - at) / (self._faded - self._full), 0), 1)
        return np.minimum(np.maximum(wave, -32_768), 32_767)


class G711Decoder:
    """One stream of G.711 packets of any length, to 24 kHz, with the same methods as `OpusDecoder`."""

    def __init__(self, law: str) -> None:
        """`law` is "pcmu" or "pcma"."""
        self._read = alaw_to_pcm16 if law == "pcma" else ulaw_to_pcm16
        self._repetition = PitchRepetition(G711_RATE_HZ)
        self._resampler = Resampler(G711_RATE_HZ, INTERNAL_RATE_HZ)

    def duration(self, payload: bytes) -> int:
        return len(payload) * _RATIO

    def decode(self, payload: bytes) -> Samples:
        return self._resampler.push(self._repetition.heard(self._read(payload)))

    def conceal(self, samples: int) -> Samples:
        """`samples` at 24 kHz, of any number of whole G.711 samples."""
        return self._resampler.push(self._repetition.conceal(samples // _RATIO))

    def recover(self, next_payload: bytes, samples: int) -> Samples:  # noqa: ARG002 -- G.711 carries no correction
        return self.conceal(samples)

    def corrects(self, payload: bytes) -> bool:  # noqa: ARG002
        return False
