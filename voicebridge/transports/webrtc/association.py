"""aiortc's SCTP association, with bounds on what a peer can make it do (RFC 9260).

Whoever holds an ephemeral key can send it any packet. aiortc walks parameters without looking at their lengths, lists
every number that an acknowledgement covers, and keeps fragments for as long as their message does not end; each of
these, left alone, lets one client stop the loop of all.
"""

from __future__ import annotations

import logging
import struct

from aiortc import RTCSctpTransport

_log = logging.getLogger(__name__)

MAX_STREAMS = 64
"""Streams on which a client may have sent something; one is usual."""

MAX_UNFINISHED = 1_024
"""Chunks that may wait for others: fragments of messages, and what came after something that was lost.

The window that aiortc offers (1 MiB) holds less than that of full chunks. For each one more aiortc looks at all.
"""

MAX_ACKNOWLEDGED = 8_192
"""Chunks behind a gap that one packet may acknowledge. What is under way to a client is far less."""

_COMMON_HEADER = 12
_CHUNK = struct.Struct("!BBH")
_PARAMETER = struct.Struct("!HH")
_SACK_COUNTS = struct.Struct("!8xH2x")
_GAP = struct.Struct("!HH")
_SACK = 3
_PARAMETERS_AT = {1: 16, 2: 16, 4: 0, 5: 0, 6: 0, 9: 0, 130: 0}
"""INIT, INIT ACK, HEARTBEAT, its ACK, ABORT, ERROR, RE-CONFIG: where in the body their parameters begin."""


class Association(RTCSctpTransport):
    """Raises ValueError for a packet that it does not touch; ends itself where a peer leaves too much unfinished."""

    async def _handle_data(self, data: bytes) -> None:
        check_packet(data)
        await super()._handle_data(data)
        streams = self._inbound_streams
        unfinished = len(self._sack_misordered) + sum(len(stream.reassembly) for stream in streams.values())
        if len(streams) > MAX_STREAMS or unfinished > MAX_UNFINISHED:
            _log.warning("an association was ended: %d streams, %d chunks unfinished", len(streams), unfinished)
            await self.stop()

    async def _transmit(self) -> None:
        # aiortc calls this from a task of its own when a timer has struck. After the end it would start that timer
        # again, and so on for ever.
        if self._association_state != self.State.CLOSED:
            await super()._transmit()


def check_packet(packet: bytes) -> None:
    """Raises ValueError for lengths that lead nowhere, and acknowledgements of more than can have been sent."""
    at, acknowledged = _COMMON_HEADER, 0
    while at + _CHUNK.size <= len(packet):
        kind, _, length = _CHUNK.unpack_from(packet, at)
        if length < _CHUNK.size or at + length > len(packet):
            raise ValueError(f"a chunk of {length} bytes")
        body = packet[at + _CHUNK.size : at + length]
        if kind in _PARAMETERS_AT:
            _check_parameters(body, _PARAMETERS_AT[kind])
        elif kind == _SACK:
            acknowledged += _acknowledged(body)
        at += length + -length % 4
    if acknowledged > MAX_ACKNOWLEDGED:
        raise ValueError(f"{acknowledged} chunks acknowledged at once")


def _check_parameters(body: bytes, at: int) -> None:
    while at + _PARAMETER.size <= len(body):
        _, length = _PARAMETER.unpack_from(body, at)
        if length < _PARAMETER.size:
            raise ValueError(f"a parameter of {length} bytes")
        at += length + -length % 4


def _acknowledged(body: bytes) -> int:
    if len(body) < _COMMON_HEADER:
        raise ValueError("an acknowledgement that is cut off")
    (count,) = _SACK_COUNTS.unpack_from(body)
    gaps = body[_COMMON_HEADER : _COMMON_HEADER + _GAP.size * count]
    if len(gaps) < _GAP.size * count:
        raise ValueError("an acknowledgement that is cut off")
    return sum(max(end - begin + 1, 0) for begin, end in _GAP.iter_unpack(gaps))
