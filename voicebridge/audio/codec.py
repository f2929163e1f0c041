"""Streams of wire bytes to and from samples."""

from __future__ import annotations

import sys

import numpy as np

from voicebridge.audio.encoding import AudioEncoding
from voicebridge.audio.g711 import alaw_to_pcm16, pcm16_to_alaw, pcm16_to_ulaw, ulaw_to_pcm16
from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples


class _Reader:
    """Wire bytes to mono samples at the wire's own rate. Bytes of an incomplete frame wait for the rest of it."""

    def __init__(self, encoding: AudioEncoding) -> None:
        self._codec = encoding.codec
        self._channels = encoding.channels
        self._frame_bytes = encoding.frame_bytes
        self._rest = b""

    def push(self, data: bytes) -> Samples:
        if self._codec == "ulaw":
            return ulaw_to_pcm16(data)
        if self._codec == "alaw":
            return alaw_to_pcm16(data)
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = bytes(data[whole:])
        samples = np.frombuffer(data, "<i2", whole // 2)
        if sys.byteorder == "big":
            samples = samples.astype(np.int16)
        if self._channels == 2:
            # The mean of two int16 always fits; halves round down, half a step of 65,536.
            samples = ((samples[0::2].astype(np.int32) + samples[1::2]) >> 1).astype(np.int16)
        return samples


def _write(samples: Samples, encoding: AudioEncoding) -> bytes:
    """Mono samples at the encoding's own rate to wire bytes; two channels carry the same."""
    if encoding.codec == "ulaw":
        return pcm16_to_ulaw(samples)
    if encoding.codec == "alaw":
        return pcm16_to_alaw(samples)
    if encoding.channels == 2:
        samples = np.repeat(samples, 2)
    return samples.astype("<i2", copy=False).tobytes()


class Decoder:
    """Wire bytes to 24 kHz mono samples, for one live stream.

    Any number of bytes may come at a time. Frames keep their length: n whole samples on the wire give exactly
    ceil(n * 24,000 / rate) at once. Rates other than 24 kHz come out up to 3 ms late (see `Resampler`).
    """

    def __init__(self, encoding: AudioEncoding) -> None:
        self._reader = _Reader(encoding)
        self._resampler = Resampler(encoding.rate_hz, INTERNAL_RATE_HZ)

    def push(self, data: bytes) -> Samples:
        return self._resampler.push(self._reader.push(data))


def decode(data: bytes, encoding: AudioEncoding) -> Samples:
    """A whole recording at 24 kHz mono: nothing late, nothing missing at the end. Bytes of an incomplete frame drop."""
    resampler = Resampler(encoding.rate_hz, INTERNAL_RATE_HZ, aligned=True)
    return np.concatenate((resampler.push(_Reader(encoding).push(data)), resampler.flush()))


class Encoder:
    """24 kHz mono samples to wire bytes, for one piece of speech after another.

    After `finish` a piece of n samples has given exactly ceil(n * rate / 24,000) samples on the wire, in their place.
    """

    def __init__(self, encoding: AudioEncoding) -> None:
        self._encoding = encoding
        self._resampler = Resampler(INTERNAL_RATE_HZ, encoding.rate_hz, aligned=True)

    def push(self, samples: Samples) -> bytes:
        return _write(self._resampler.push(samples), self._encoding)

    def finish(self) -> bytes:
        """The last bytes of this piece; the next push begins a new one."""
        return _write(self._resampler.flush(), self._encoding)


class Transcoder:
    """Wire bytes of one encoding to wire bytes of another, for one live stream. Equal encodings pass untouched."""

    def __init__(self, source: AudioEncoding, target: AudioEncoding) -> None:
        self._same = source == target
        self._target = target
        self._reader = _Reader(source)
        self._resampler = Resampler(source.rate_hz, target.rate_hz)

    def push(self, data: bytes) -> bytes:
        return data if self._same else _write(self._resampler.push(self._reader.push(data)), self._target)

    def finish(self) -> bytes:
        """The sound that is still inside the resampler's delay."""
        return b"" if self._same else _write(self._resampler.flush(), self._target)
