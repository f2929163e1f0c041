"""Packets that nobody sends by mistake. Each of these once cost the whole server its loop, or its memory."""

from __future__ import annotations

import asyncio
import contextlib
import struct

import pytest
from aiortc.rtcsctptransport import (
    AbortChunk,
    Chunk,
    DataChunk,
    ErrorChunk,
    HeartbeatChunk,
    InitChunk,
    ReconfigChunk,
    SackChunk,
    parse_packet,
    serialize_packet,
)
from hypothesis import given
from hypothesis import strategies as st

from transports.webrtc.test_channel import Pair
from voicebridge.transports.webrtc.association import MAX_STREAMS, MAX_UNFINISHED, check_packet

FIRST, LAST = 2, 1
EMPTY_PARAMETER = struct.pack("!HH", 1, 0)


class Raw(Chunk):
    """A chunk of any type with any body."""

    def __init__(self, kind: int, body: bytes) -> None:
        super().__init__(0, body)
        self.type = kind


def packet(chunk: Chunk, tag: int = 0) -> bytes:
    return serialize_packet(5_000, 5_000, tag, chunk)


def sack(*gaps: tuple[int, int]) -> Chunk:
    chunk = SackChunk()
    chunk.gaps = list(gaps)
    return chunk


def fragment(tsn: int, *, flags: int = 0, stream: int = 0) -> DataChunk:
    chunk = DataChunk(flags)
    chunk.tsn, chunk.stream_id, chunk.user_data = tsn & 0xFFFFFFFF, stream, b"x"
    return chunk


@pytest.mark.parametrize("kind", [HeartbeatChunk.type, AbortChunk.type, ErrorChunk.type, ReconfigChunk.type])
def test_a_parameter_without_a_length_is_refused(kind: int) -> None:
    with pytest.raises(ValueError, match="a parameter of 0 bytes"):
        check_packet(packet(Raw(kind, EMPTY_PARAMETER)))


def test_a_parameter_without_a_length_is_refused_behind_the_numbers_of_an_init() -> None:
    with pytest.raises(ValueError, match="a parameter of 0 bytes"):
        check_packet(packet(Raw(InitChunk.type, bytes(16) + EMPTY_PARAMETER)))


@pytest.mark.parametrize("gaps", [[(1, 65_535)], [(1, 5_000), (1, 5_000)]])
def test_an_acknowledgement_of_more_than_was_ever_sent_is_refused(gaps: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="acknowledged at once"):
        check_packet(packet(sack(*gaps)))


def test_what_peers_do_send_is_let_through() -> None:
    check_packet(packet(sack((2, 900), (1_000, 1_001))))
    check_packet(packet(HeartbeatChunk(body=struct.pack("!HH8s", 1, 12, b"how late"))))
    check_packet(packet(AbortChunk()))
    check_packet(packet(fragment(1)))


@given(st.sampled_from([1, 2, 3, 4, 6, 130]), st.binary(max_size=60))
def test_whatever_is_let_through_comes_to_an_end(kind: int, body: bytes) -> None:
    data = packet(Raw(kind, body))
    with contextlib.suppress(ValueError, struct.error):
        check_packet(data)
        parse_packet(data)


async def test_a_refused_packet_costs_nothing_but_itself() -> None:
    pair = Pair()
    channel = await pair.open()
    tag = pair.ours.channel._sctp._local_verification_tag
    pair.ours.channel.receive(packet(Raw(HeartbeatChunk.type, EMPTY_PARAMETER), tag))
    pair.ours.channel.receive(packet(sack((1, 65_535)), tag))
    assert pair.ours.channel.malformed == 2
    channel.send("still there")
    await pair.settle()
    assert pair.ours.seen == ["<open>", "still there"]
    pair.close()


async def test_a_message_that_never_ends_ends_the_association() -> None:
    pair = Pair()
    await pair.open()
    sctp = pair.ours.channel._sctp
    first = (sctp._last_received_tsn or 0) + 1
    for number in range(MAX_UNFINISHED + 1):
        await sctp._receive_data_chunk(fragment(first + number, flags=0 if number else FIRST, stream=9))
    assert pair.ours.seen == ["<open>"]
    pair.ours.channel.receive(packet(fragment(first + number + 1, stream=9), sctp._local_verification_tag))
    assert pair.ours.seen == ["<open>", "<closed>"]
    pair.close()
    await pair.settle()
    assert len(asyncio.all_tasks()) == 1


async def test_words_on_every_stream_there_is_end_the_association() -> None:
    pair = Pair()
    await pair.open()
    sctp = pair.ours.channel._sctp
    first = (sctp._last_received_tsn or 0) + 1
    for number in range(MAX_STREAMS + 1):
        said = fragment(first + number, flags=FIRST | LAST, stream=number)
        pair.ours.channel.receive(packet(said, sctp._local_verification_tag))
    assert pair.ours.seen[-1] == "<closed>"
    pair.close()


async def test_closing_in_the_moment_of_a_repetition_leaves_no_timer_behind() -> None:
    pair = Pair()
    await pair.open()
    pair.ours.channel.send("never confirmed")
    await asyncio.sleep(0)
    sctp = pair.ours.channel._sctp
    assert sctp._t3_handle is not None
    sctp._t3_handle.cancel()
    sctp._t3_expired()  # as that timer would have: aiortc sends again from a callback of the loop
    pair.ours.channel.close()
    await asyncio.sleep(0)
    assert sctp._t3_handle is None
    pair.theirs.channel.close()
