"""What an Opus packet says of itself (RFC 6716 section 3), without decoding it."""

from __future__ import annotations

from typing import Final

from voicebridge.audio.samples import INTERNAL_RATE_HZ
from voicebridge.errors import ClientError

LONGEST: Final = INTERNAL_RATE_HZ * 120 // 1000
"""Samples at 24 kHz in the longest packet there is: 120 ms."""

_STEP = INTERNAL_RATE_HZ // 400  # 2.5 ms
_SILK = (4, 8, 16, 24)  # steps in a frame, by the two low bits of the configuration
_HYBRID = (4, 8, 4, 8)
_CELT = (1, 2, 4, 8)
_FRAME = tuple(_STEP * steps for steps in _SILK * 3 + _HYBRID + _CELT * 4)


class UndecodablePacket(ClientError):
    """A payload is not what its codec can decode."""


def duration(payload: bytes) -> int:
    """Samples at 24 kHz in a packet, a multiple of 60 up to `LONGEST`. Raises UndecodablePacket."""
    if not payload:
        raise UndecodablePacket("an empty Opus packet")
    layout = payload[0] & 3
    if layout < 3:
        frames = 1 if layout == 0 else 2
    elif len(payload) > 1:
        frames = payload[1] & 63
    else:
        raise UndecodablePacket("an Opus packet that ends before its number of frames")
    samples = frames * _FRAME[payload[0] >> 3]
    if not 0 < samples <= LONGEST:
        raise UndecodablePacket(f"an Opus packet of {frames} frames, {samples} samples")
    return samples
