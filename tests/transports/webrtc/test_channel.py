from __future__ import annotations

import asyncio
import struct
from collections import deque

import pytest
from aiortc import RTCDataChannel
from aiortc.rtcdatachannel import RTCDataChannelParameters

from voicebridge.transports.webrtc.channel import EventChannel
from voicebridge.transports.webrtc.dtls import Certificate, DtlsSession


class Side:
    """One end: a DTLS session, a channel over it, and what it has seen."""

    def __init__(self) -> None:
        self.seen: list[str | bytes] = []
        self.fails = False
        self.dtls: DtlsSession
        self.channel: EventChannel

    def attach(self, dtls: DtlsSession) -> None:
        self.dtls = dtls
        self.channel = EventChannel(
            dtls,
            opened=lambda: self.seen.append("<open>"),
            message=self._heard,
            closed=lambda: self.seen.append("<closed>"),
        )

    def _heard(self, message: str | bytes) -> None:
        if self.fails:
            raise ZeroDivisionError
        self.seen.append(message)


class Pair:
    def __init__(self, limit: int = 65_536, port: int = 5_000) -> None:
        self.wire: deque[tuple[Side, bytes]] = deque()
        self.ours, self.theirs = Side(), Side()
        one, other = Certificate(), Certificate()
        self.ours.attach(
            DtlsSession(one, "passive", (other.fingerprint,), lambda data: self.wire.append((self.theirs, data)))
        )
        self.theirs.attach(
            DtlsSession(other, "active", (one.fingerprint,), lambda data: self.wire.append((self.ours, data)))
        )
        self.theirs.dtls.start(0.0)
        self.deliver()
        self.ours.channel.start(port, limit)
        self.theirs.channel.start(port, 0)
        self.deliver()

    def deliver(self) -> None:
        while self.wire:
            to, datagram = self.wire.popleft()
            for data in to.dtls.receive(datagram, 0.0):
                to.channel.receive(data)

    async def settle(self) -> None:
        """aiortc flushes its queue in a callback of the loop."""
        for _ in range(20):
            await asyncio.sleep(0)
            self.deliver()

    async def open(self, label: str = "oai-events") -> RTCDataChannel:
        channel = RTCDataChannel(self.theirs.channel._sctp, RTCDataChannelParameters(label=label))
        await self.settle()
        return channel

    def close(self) -> None:
        self.ours.channel.close()
        self.theirs.channel.close()


async def test_the_clients_first_channel_carries_events_both_ways_in_order_whatever_its_label() -> None:
    pair = Pair()
    channel = await pair.open(label="my-own-label")
    received: list[str] = []
    channel.on("message", received.append)
    for number in range(50):
        pair.ours.channel.send(f"event {number} " + "x" * 4_000)
        channel.send(f"from the client {number}")
    await pair.settle()
    assert [text.split(" x")[0] for text in received] == [f"event {number}" for number in range(50)]
    assert pair.ours.seen == ["<open>", *(f"from the client {number}" for number in range(50))]
    pair.close()


async def test_what_the_client_has_not_taken_is_known() -> None:
    pair = Pair()
    await pair.open()
    pair.wire.clear()
    for _ in range(100):
        pair.ours.channel.send("x" * 10_000)
    assert pair.ours.channel.unsent > 500_000
    assert pair.ours.channel.unacknowledged
    await pair.settle()
    assert not pair.ours.channel.unacknowledged
    pair.close()


async def test_a_message_over_the_peers_limit_is_counted_and_the_others_go_on() -> None:
    pair = Pair(limit=1_000)
    channel = await pair.open()
    received: list[str] = []
    channel.on("message", received.append)
    pair.ours.channel.send("x" * 1_001)
    pair.ours.channel.send("fits")
    await pair.settle()
    assert received == ["fits"]
    assert pair.ours.channel.oversized == 1
    pair.close()


async def test_closing_the_channel_is_noticed_and_another_one_may_follow() -> None:
    pair = Pair()
    first = await pair.open()
    first.close()
    await pair.settle()
    assert pair.ours.seen == ["<open>", "<closed>"]
    assert not pair.ours.channel.is_open
    second = await pair.open(label="again")
    second.send("hello")
    await pair.settle()
    assert pair.ours.seen[2:] == ["<open>", "hello"]
    pair.close()


async def test_what_is_said_while_the_client_closes_its_channel_is_no_error() -> None:
    pair = Pair()
    channel = await pair.open()
    channel.close()
    await asyncio.sleep(0)
    to, datagram = pair.wire.popleft()
    assert to is pair.ours
    for data in pair.ours.dtls.receive(datagram, 0.0):
        pair.ours.channel.receive(data)  # the client's wish to close; that we obey is not confirmed yet
    assert pair.ours.seen == ["<open>"]
    assert not pair.ours.channel.is_open
    pair.ours.channel.send("too late")
    await pair.settle()
    assert pair.ours.seen == ["<open>", "<closed>"]
    pair.close()


async def test_a_channel_opened_before_the_old_one_has_quite_closed_carries_the_events() -> None:
    pair = Pair()
    first = await pair.open()
    first.close()
    second = await pair.open(label="again")
    received: list[str] = []
    second.on("message", received.append)
    assert pair.ours.channel.is_open
    pair.ours.channel.send("hello")
    await pair.settle()
    assert received == ["hello"]
    assert pair.ours.seen[-1] == "<open>"
    pair.close()


async def test_both_sides_use_the_port_that_was_offered() -> None:
    pair = Pair(port=6_000)
    await pair.open()
    pair.ours.channel.send("hello")
    await asyncio.sleep(0)  # aiortc sends from a callback of the loop
    ports = [
        struct.unpack_from("!HH", data) for _, datagram in pair.wire for data in pair.theirs.dtls.receive(datagram, 0.0)
    ]
    assert ports == [(6_000, 6_000)]
    pair.close()


async def test_binary_messages_arrive_as_bytes() -> None:
    pair = Pair()
    channel = await pair.open()
    channel.send(b"\x00\x01")
    await pair.settle()
    assert pair.ours.seen == ["<open>", b"\x00\x01"]
    pair.close()


async def test_a_mistake_in_what_hears_the_messages_is_told_and_not_taken_for_a_malformed_packet() -> None:
    pair = Pair()
    channel = await pair.open()
    pair.ours.fails = True
    channel.send("hello")
    await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        pair.deliver()
    assert pair.ours.channel.malformed == 0
    pair.ours.fails = False
    channel.send("again")
    await pair.settle()
    assert pair.ours.seen[-1] == "again"
    pair.close()


async def test_malformed_packets_are_counted_and_the_association_goes_on() -> None:
    pair = Pair()
    channel = await pair.open()
    for garbage in (b"", b"\x00", bytes(12), bytes(64), b"\xff" * 200):
        pair.ours.channel.receive(garbage)
    channel.send("still there")
    await pair.settle()
    assert pair.ours.seen == ["<open>", "still there"]
    pair.close()


async def test_nothing_is_left_in_the_loop_after_closing() -> None:
    pair = Pair()
    await pair.open()
    pair.ours.channel.send("last words")
    pair.close()
    await pair.settle()
    assert len(asyncio.all_tasks()) == 1
