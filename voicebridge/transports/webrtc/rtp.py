"""RTP packets (RFC 3550 section 5.1): the header read and written, nothing else."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

CodecName: TypeAlias = Literal["opus", "pcmu", "pcma"]

FRAME_S = 0.02
"""Seconds of sound in one packet that we send."""

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_VERSION = 0x80
_HAS_PADDING = 0x20
_HAS_EXTENSION = 0x10
_ONE_BYTE_EXTENSIONS = 0xBEDE  # RFC 8285 section 4.2


@dataclass(frozen=True, slots=True)
class MediaCodec:
    """What was negotiated for the one audio section. `clock_rate` is RTP's: 48,000 for Opus, 8,000 for G.711."""

    name: CodecName
    payload_type: int
    clock_rate: int


class RtpPacket(NamedTuple):
    ssrc: int
    sequence: int
    """16 bits"""
    timestamp: int
    """32 bits, in the codec's clock"""
    payload_type: int
    marker: bool
    payload: bytes
    """without padding"""


def read_packet(data: bytes) -> RtpPacket | None:
    """A decrypted RTP packet; None where it is malformed. Contributing sources and extensions are skipped."""
    if len(data) < _HEADER.size:
        return None
    flags, kind, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if flags & 0xC0 != _VERSION:
        return None
    begin, end = _HEADER.size + 4 * (flags & 0x0F), len(data)
    if flags & _HAS_EXTENSION:
        if end < begin + _EXTENSION.size:
            return None
        begin += _EXTENSION.size + 4 * _EXTENSION.unpack_from(data, begin)[1]
    if flags & _HAS_PADDING:
        if end <= begin or not data[-1]:
            return None
        end -= data[-1]
    if end < begin:
        return None
    return RtpPacket(ssrc, sequence, timestamp, kind & 0x7F, kind >= 0x80, data[begin:end])


def one_byte_extension(identifier: int, value: bytes) -> bytes:
    """A header extension block with one element (RFC 8285): `identifier` 1 to 14, `value` of 1 to 16 bytes.

    Raises ValueError for others.
    """
    if not 1 <= identifier <= 14 or not 1 <= len(value) <= 16:
        raise ValueError(f"no one-byte header extension has id {identifier} and {len(value)} bytes")
    element = bytes((identifier << 4 | len(value) - 1,)) + value
    element += bytes(-len(element) % 4)
    return _EXTENSION.pack(_ONE_BYTE_EXTENSIONS, len(element) // 4) + element


def write_packet(
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    *,
    marker: bool = False,
    extension: bytes = b"",
) -> bytes:
    """`sequence` and `timestamp` have 16 and 32 bits; `extension` is a block of `one_byte_extension`."""
    flags = _VERSION | _HAS_EXTENSION if extension else _VERSION
    header = _HEADER.pack(flags, payload_type | 0x80 if marker else payload_type, sequence, timestamp, ssrc)
    return header + extension + payload
