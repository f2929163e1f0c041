"""Sound on both sides of a page: what its microphone will hear, and what was heard and made audible in it."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import av
import numpy as np
from numpy.typing import NDArray

from voicebridge.audio.resample import Resampler

Samples = NDArray[np.int16]
RATE_HZ = 24_000
MICROPHONE_HZ = 48_000
FRAME = 240  # 10 ms
QUIET_DBFS = -50.0
SILENCE_S = 60
PEAK = 0.7 * 32_767


class Microphone:
    """A script for the microphone, at 24 kHz. `said` tells where each piece of speech lies, in seconds."""

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self.said: list[tuple[float, float]] = []

    @property
    def seconds(self) -> float:
        return sum(map(len, self._pieces)) / RATE_HZ

    def pause(self, seconds: float) -> Self:
        self._pieces.append(np.zeros(int(seconds * RATE_HZ), np.int16))
        return self

    def say(self, samples: Samples) -> Self:
        loud = samples * (PEAK / np.abs(samples.astype(np.int32)).max())
        begin = self.seconds
        self._pieces.append(loud.astype(np.int16))
        self.said.append((begin, self.seconds))
        return self

    def write(self, path: Path) -> Path:
        """As Chromium's fake microphone wants it, with silence behind: it makes a growing noise of the file's end."""
        resampler = Resampler(RATE_HZ, MICROPHONE_HZ, aligned=True)
        silence = np.zeros(SILENCE_S * RATE_HZ, np.int16)
        samples = np.concatenate([resampler.push(np.concatenate([*self._pieces, silence])), resampler.flush()])
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(MICROPHONE_HZ)
            file.writeframes(samples.tobytes())
        return path


def read_wave(source: Path | io.BytesIO) -> Samples:
    """A mono file's samples at 24 kHz."""
    return _mono(source)[0]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of sound, in seconds from the beginning."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Recording:
    """24 kHz, both on one clock: what the microphone gave and what the page made audible."""

    microphone: Samples
    heard: Samples

    @classmethod
    def read(cls, data: bytes) -> Self:
        """From a file with the microphone on the left."""
        microphone, heard = _mono(io.BytesIO(data))
        return cls(microphone, heard)

    def write(self, path: Path) -> None:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(np.stack([self.microphone, self.heard], axis=1).tobytes())


def part(samples: Samples, span: Span) -> Samples:
    return samples[int(span.begin * RATE_HZ) : int(span.end * RATE_HZ)]


def level_dbfs(samples: Samples) -> float:
    if not len(samples):
        return -120.0
    return float(10 * np.log10(np.mean(np.square(samples.astype(np.float64) / 32_768)) + 1e-12))


def spans(samples: Samples, *, bridge_s: float = 0.5) -> list[Span]:
    """Where it sounds, in steps of 10 ms; silences shorter than `bridge_s` are bridged."""
    return list(_spans(samples, bridge_s))


def _spans(samples: Samples, bridge_s: float) -> Iterator[Span]:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64) / 32_768
    loud = np.flatnonzero(10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-12) > QUIET_DBFS)
    if not len(loud):
        return
    for stretch in np.split(loud, np.flatnonzero(np.diff(loud) > bridge_s * 100) + 1):
        yield Span(float(stretch[0]) / 100, float(stretch[-1] + 1) / 100)


def _mono(source: Path | io.BytesIO) -> list[Samples]:
    """Each channel at 24 kHz."""
    with av.open(source if isinstance(source, io.BytesIO) else str(source), "r") as file:
        stream = file.streams.audio[0]
        layout = "stereo" if stream.codec_context.channels == 2 else "mono"
        resampler = av.AudioResampler(format="s16p", layout=layout, rate=RATE_HZ)
        frames = [out for frame in file.decode(stream) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return list(cast("Samples", np.concatenate([frame.to_ndarray() for frame in frames], axis=1)))
