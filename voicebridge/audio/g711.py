"""G.711 µ-law and A-law by table, bit-exact to the ITU-T tables.

16-bit samples use the most significant 14 (µ-law) or 13 (A-law) bits, truncated towards minus infinity, as G.711's
uniform PCM does. Both laws: one byte per sample, 8 kHz, mono.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicebridge.audio.samples import Samples

Samples8k: TypeAlias = Samples
"""Mono int16 at 8 kHz, shape (n,)."""

_MU_BIAS = 33  # in 14-bit steps; makes segment boundaries powers of two
_MU_CLIP = 8158  # the largest 14-bit magnitude that still fits the eighth segment once biased
_A_INVERT_EVEN_BITS = 0x55


def _decode_ulaw_table() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = ((2 * step + _MU_BIAS) << segment) - _MU_BIAS
    return (4 * np.where(code & 0x80, -magnitude, magnitude)).astype(np.int16)


def _decode_alaw_table() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ _A_INVERT_EVEN_BITS
    segment, step = (code >> 4) & 7, code & 15
    # The first two segments have the same slope; from the third on each is twice as wide.
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return (8 * np.where(code & 0x80, magnitude, -magnitude)).astype(np.int16)


def _all_pcm16() -> NDArray[np.int32]:
    """Every 16-bit value, at the place its bit pattern has as an unsigned number."""
    return np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _leading_bit(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Index of the highest set bit; values are 1 or more."""
    _, exponent = np.frexp(values.astype(np.float64))
    return (exponent - 1).astype(np.int32)


def _encode_ulaw_table() -> NDArray[np.uint8]:
    value = _all_pcm16() >> 2
    magnitude = np.minimum(np.abs(value), _MU_CLIP) + _MU_BIAS
    segment = _leading_bit(magnitude) - 5
    step = (magnitude >> (segment + 1)) & 15
    code = np.where(value < 0, 0x80, 0) | (segment << 4) | step
    table: NDArray[np.uint8] = (~code & 0xFF).astype(np.uint8)
    return table


def _encode_alaw_table() -> NDArray[np.uint8]:
    value = _all_pcm16() >> 3
    magnitude = np.where(value < 0, -value - 1, value)
    segment = np.maximum(_leading_bit(np.maximum(magnitude, 1)) - 4, 0)
    step = (magnitude >> np.maximum(segment, 1)) & 15
    code = np.where(value < 0, 0, 0x80) | (segment << 4) | step
    table: NDArray[np.uint8] = (code ^ _A_INVERT_EVEN_BITS).astype(np.uint8)
    return table


_ULAW_TO_PCM16 = _decode_ulaw_table()
_ALAW_TO_PCM16 = _decode_alaw_table()
_PCM16_TO_ULAW = _encode_ulaw_table()
_PCM16_TO_ALAW = _encode_alaw_table()


def ulaw_to_pcm16(ulaw: bytes) -> Samples8k:
    """One sample per byte."""
    return _ULAW_TO_PCM16.take(np.frombuffer(ulaw, np.uint8))


def alaw_to_pcm16(alaw: bytes) -> Samples8k:
    """One sample per byte."""
    return _ALAW_TO_PCM16.take(np.frombuffer(alaw, np.uint8))


def pcm16_to_ulaw(samples: Samples8k) -> bytes:
    """One byte per sample."""
    return _PCM16_TO_ULAW.take(samples.view(np.uint16)).tobytes()


def pcm16_to_alaw(samples: Samples8k) -> bytes:
    """One byte per sample."""
    return _PCM16_TO_ALAW.take(samples.view(np.uint16)).tobytes()
