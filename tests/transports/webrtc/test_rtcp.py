from __future__ import annotations

import numpy as np
import pytest
from aiortc.rtp import (
    AnyRtcpPacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
)
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.transports.webrtc.receiving import MediaReceiver
from voicebridge.transports.webrtc.rtcp import INTERVAL_S, RtcpReports
from voicebridge.transports.webrtc.rtp import FRAME_S, MediaCodec, read_packet, write_packet
from voicebridge.transports.webrtc.sending import MediaSender

PCMU = MediaCodec("pcmu", 0, 8_000)
OURS, THEIRS = 0x1111, 0x2222
BEGAN, WALL = 500.0, 1_780_000_000.25


class Side:
    """One end of a call."""

    def __init__(self, ours: int = OURS) -> None:
        self.sender = MediaSender(PCMU, ours, sequence=65_530, timestamp=0xFFFF_FF00)
        self.receiver = MediaReceiver(PCMU)
        self.reports = RtcpReports(self.receiver, self.sender)
        self.frames = 0

    def send(self, frames: int) -> list[bytes]:
        packets = []
        for _ in range(frames):
            packets.append(self.sender.packet(None, BEGAN + self.frames * FRAME_S))
            self.frames += 1
        return packets

    def report(self, now: float) -> list[AnyRtcpPacket]:
        self.reports.due(now - 10, WALL)  # the first call only begins the interval
        data = self.reports.due(now, WALL + (now - BEGAN))
        assert data is not None
        return RtcpPacket.parse(data)


def sound(sequence: int, ssrc: int = THEIRS) -> bytes:
    return write_packet(0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc, bytes(160))


def block_of(packets: list[AnyRtcpPacket]) -> RtcpReceiverInfo:
    first = packets[0]
    assert isinstance(first, RtcpSrPacket | RtcpRrPacket)
    return first.reports[0]


def test_a_sender_report_relates_our_clock_to_real_time() -> None:
    side = Side()
    timestamps = [packet.timestamp for data in side.send(101) if (packet := read_packet(data))]
    # 100 frames after the first packet its 101st goes out; 7 ms later RTP's clock is 56 steps further.
    report, description = side.report(BEGAN + 100 * FRAME_S + 0.007)
    assert isinstance(report, RtcpSrPacket)
    assert report.sender_info.rtp_timestamp == (timestamps[100] + 56) & 0xFFFFFFFF
    assert report.sender_info.ntp_timestamp / 2**32 == pytest.approx(WALL + 2.007 + 2_208_988_800, abs=1e-6)
    assert (report.ssrc, report.sender_info.packet_count, report.sender_info.octet_count) == (OURS, 101, 101 * 160)
    assert isinstance(description, RtcpSdesPacket)
    assert description.chunks[0].ssrc == OURS
    assert description.chunks[0].items[0][0] == 1


def test_the_relation_holds_over_missed_ticks() -> None:
    side = Side()
    side.send(1)
    side.frames += 49  # a stall of a second
    last = read_packet(side.send(1)[0])
    report = side.report(BEGAN + 50 * FRAME_S)[0]
    assert isinstance(report, RtcpSrPacket)
    assert last is not None
    assert report.sender_info.rtp_timestamp == last.timestamp


def test_without_sending_it_is_a_receiver_report() -> None:
    side = Side()
    report = side.report(BEGAN)[0]
    assert isinstance(report, RtcpRrPacket)
    assert report.reports == []


def test_who_has_stopped_sending_only_reports_on_what_is_received() -> None:
    side = Side()
    side.send(1)
    assert isinstance(side.report(BEGAN)[0], RtcpSrPacket)
    assert isinstance(side.report(BEGAN + INTERVAL_S)[0], RtcpRrPacket)
    side.send(1)
    assert isinstance(side.report(BEGAN + 2 * INTERVAL_S)[0], RtcpSrPacket)


def test_a_receiver_report_counts_loss_in_all_and_since_the_last_one() -> None:
    side = Side()
    for sequence in range(65_500, 65_600):
        if sequence % 10:
            side.receiver.packet(sound(sequence), BEGAN + sequence * FRAME_S)
    block = block_of(side.report(BEGAN))
    # The first packet that came is the first expected: 65,500 is not missed. The last, 65,599, came.
    assert (block.ssrc, block.packets_lost, block.fraction_lost) == (THEIRS, 9, 9 * 256 // 99)
    assert block.highest_sequence == 65_599  # one cycle and 63
    for sequence in range(65_600, 65_650):
        side.receiver.packet(sound(sequence), BEGAN + sequence * FRAME_S)
    block = block_of(side.report(BEGAN + INTERVAL_S))
    assert (block.packets_lost, block.fraction_lost) == (9, 0)


def test_duplicates_never_make_a_fraction_negative() -> None:
    side = Side()
    for sequence in (1, 2, 2, 2, 3):
        side.receiver.packet(sound(sequence), BEGAN + sequence * FRAME_S)
    block = block_of(side.report(BEGAN))
    assert (block.packets_lost, block.fraction_lost) == (-2, 0)


def test_another_source_is_counted_from_its_beginning() -> None:
    side = Side()
    for sequence in (1, 2, 5):
        side.receiver.packet(sound(sequence), BEGAN + sequence * FRAME_S)
    side.report(BEGAN)
    for sequence in (1000, 1001, 1002):
        side.receiver.packet(sound(sequence, ssrc=0x3333), BEGAN + 1 + sequence * FRAME_S)
    block = block_of(side.report(BEGAN + INTERVAL_S))
    assert (block.ssrc, block.packets_lost, block.fraction_lost, block.highest_sequence) == (0x3333, 0, 0, 1002)


def test_jitter_is_the_mean_deviation_of_arrivals() -> None:
    side = Side()
    late = np.random.default_rng(1).choice((0.0, 0.01), 400)
    for sequence in range(400):
        side.receiver.packet(sound(sequence), BEGAN + sequence * FRAME_S + late[sequence])
    # Two arrivals differ by 10 ms or not at all, half of the time each: 5 ms in the mean, 40 steps of the clock.
    assert block_of(side.report(BEGAN)).jitter == pytest.approx(40, abs=15)


def test_their_last_report_and_how_long_ago_it_was_go_back_to_them() -> None:
    side = Side()
    side.receiver.packet(sound(1), BEGAN)
    info = RtcpSenderInfo(ntp_timestamp=0x1234_5678_9ABC_DEF0, rtp_timestamp=0, packet_count=1, octet_count=160)
    side.reports.received(bytes(RtcpSrPacket(THEIRS, info)), BEGAN + 1)
    block = block_of(side.report(BEGAN + 1.5))
    assert (block.lsr, block.dlsr) == (0x5678_9ABC, 32_768)


def test_reports_of_another_source_are_not_answered_for() -> None:
    side = Side()
    side.receiver.packet(sound(1), BEGAN)
    info = RtcpSenderInfo(ntp_timestamp=0x1234_5678_9ABC_DEF0, rtp_timestamp=0, packet_count=1, octet_count=160)
    side.reports.received(bytes(RtcpSrPacket(THEIRS + 1, info)), BEGAN + 1)
    block = block_of(side.report(BEGAN + 1.5))
    assert (block.lsr, block.dlsr) == (0, 0)


def test_round_trip_and_loss_of_ours_are_learnt_from_their_reports() -> None:
    ours, theirs = Side(), Side(THEIRS)
    packets = ours.send(100)
    for index, data in enumerate(packets):
        if index % 5:
            theirs.receiver.packet(data, BEGAN + index * FRAME_S + 0.03)
    ours.reports.due(BEGAN, WALL)
    report = ours.reports.due(BEGAN + 2, WALL + 2)
    assert report is not None
    assert not theirs.reports.received(report, 77.03), "they have sent nothing yet"
    theirs.reports.due(77.0, WALL)
    answer = theirs.reports.due(77.53, WALL)
    assert answer is not None
    assert ours.reports.round_trip_s is None
    assert ours.reports.received(answer, BEGAN + 2 + 0.03 + 0.5 + 0.04)
    assert ours.reports.round_trip_s == pytest.approx(0.07, abs=1e-4)
    assert ours.reports.reported_loss == pytest.approx(0.2, abs=0.01)


def test_reports_about_others_teach_nothing() -> None:
    side = Side()
    block = RtcpReceiverInfo(
        ssrc=OURS + 1, fraction_lost=128, packets_lost=9, highest_sequence=9, jitter=0, lsr=1, dlsr=1
    )
    assert not side.reports.received(bytes(RtcpRrPacket(THEIRS, [block])), BEGAN)
    assert (side.reports.reported_loss, side.reports.round_trip_s) == (0.0, None)


def test_reports_are_two_seconds_apart() -> None:
    side = Side()
    times = [tick * FRAME_S for tick in range(500) if side.reports.due(BEGAN + tick * FRAME_S, WALL) is not None]
    assert times == pytest.approx([0.5, 2.5, 4.5, 6.5, 8.5], abs=FRAME_S)


@given(data=st.binary(max_size=100) | st.binary(max_size=60).map(lambda tail: b"\x81\xc8\x00\x06" + tail))
def test_hostile_reports_never_raise(data: bytes) -> None:
    Side().reports.received(data, BEGAN)
