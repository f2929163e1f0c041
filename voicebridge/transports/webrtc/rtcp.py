"""RTCP of one call (RFC 3550 section 6): what we tell of our stream and theirs, and what the peer tells of ours."""

from __future__ import annotations

import secrets
import struct
from collections import deque

from aiortc.rtp import (
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    clamp_packets_lost,
)

from voicebridge.audio.jitter_buffer import Reception
from voicebridge.transports.webrtc.receiving import MediaReceiver
from voicebridge.transports.webrtc.sending import MediaSender

INTERVAL_S = 2.0
_FIRST_AFTER_S = 0.5
_NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970
_CNAME = 1
_REMEMBERED_REPORTS = 8


class RtcpReports:
    """Browsers take their statistics, and we the error correction, from what is told here."""

    def __init__(self, receiver: MediaReceiver, sender: MediaSender) -> None:
        self.round_trip_s: float | None = None
        """None until the peer has answered a report."""
        self.reported_loss = 0.0
        """Share (0 to 1) of our packets that the peer missed between its last two reports."""
        self.malformed = 0
        self._receiver = receiver
        self._sender = sender
        self.cname = secrets.token_urlsafe(12)
        """One for the call, telling nothing (RFC 7022)."""
        self._due_at: float | None = None
        self._told = _Told()
        self._packets_told = 0
        self._sent: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED_REPORTS)  # middle of NTP time, `now`
        self._heard: tuple[int, int, float] | None = None  # source, middle of NTP time, `now` of its last report

    def due(self, now: float, wall: float) -> bytes | None:
        """The next report, when it is time. `now`: the ticker's seconds; `wall`: seconds since 1970 at the same moment.

        What is sent is a sender report while we send, else a receiver report, and a description of the source.
        """
        if self._due_at is None:
            self._due_at = now + _FIRST_AFTER_S
        if now < self._due_at:
            return None
        self._due_at = now + INTERVAL_S
        description = RtcpSdesPacket([RtcpSourceInfo(self._sender.ssrc, [(_CNAME, self.cname.encode())])])
        return bytes(self._report(now, wall)) + bytes(description)

    def received(self, data: bytes, now: float) -> bool:
        """A decrypted RTCP packet has come; malformed ones are counted. Does it say anything about our stream?"""
        try:
            packets = RtcpPacket.parse(data)
        except (ValueError, IndexError, struct.error):
            self.malformed += 1
            return False
        learned = False
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                self._heard = (packet.ssrc, _middle(packet.sender_info.ntp_timestamp), now)
            if isinstance(packet, RtcpSrPacket | RtcpRrPacket):
                for block in packet.reports:
                    if block.ssrc == self._sender.ssrc:
                        self._learn(block, now)
                        learned = True
        return learned

    def _report(self, now: float, wall: float) -> RtcpSrPacket | RtcpRrPacket:
        sender = self._sender
        reception = self._receiver.reception
        blocks = [self._block(reception, now)] if reception else []
        if sender.packets == self._packets_told:
            return RtcpRrPacket(sender.ssrc, blocks)
        self._packets_told = sender.packets
        ntp = round((wall + _NTP_EPOCH_S) * (1 << 32))
        self._sent.append((_middle(ntp), now))
        info = RtcpSenderInfo(
            ntp & 0xFFFF_FFFF_FFFF_FFFF,
            sender.timestamp_at(now),
            sender.packets & 0xFFFF_FFFF,
            sender.octets & 0xFFFF_FFFF,
        )
        return RtcpSrPacket(sender.ssrc, info, blocks)

    def _block(self, reception: Reception, now: float) -> RtcpReceiverInfo:
        last_report, delay = 0, 0
        if self._heard is not None and self._heard[0] == reception.ssrc:
            last_report = self._heard[1]
            delay = min(round((now - self._heard[2]) * 65_536), 0xFFFF_FFFF)
        return RtcpReceiverInfo(
            ssrc=reception.ssrc,
            fraction_lost=self._told.fraction_lost(reception),
            packets_lost=clamp_packets_lost(reception.expected - reception.received),
            highest_sequence=reception.highest & 0xFFFF_FFFF,
            jitter=min(round(reception.jitter), 0xFFFF_FFFF),
            lsr=last_report,
            dlsr=max(delay, 0),
        )

    def _learn(self, block: RtcpReceiverInfo, now: float) -> None:
        self.reported_loss = block.fraction_lost / 256
        sent_at = next((at for middle, at in self._sent if middle == block.lsr), None)
        if sent_at is not None:
            self.round_trip_s = max(now - sent_at - block.dlsr / 65_536, 0.0)


class _Told:
    """What the last receiver report was about (RFC 3550 appendix A.3)."""

    def __init__(self) -> None:
        self._reception: Reception | None = None
        self._expected = 0
        self._received = 0

    def fraction_lost(self, reception: Reception) -> int:
        """In 256ths, since the report before; 0 where duplicates make it negative."""
        if reception is not self._reception:
            self._reception, self._expected, self._received = reception, 0, 0
        expected, received = reception.expected - self._expected, reception.received - self._received
        self._expected, self._received = reception.expected, reception.received
        return min((max(expected - received, 0) << 8) // expected, 255) if expected > 0 else 0


def _middle(ntp: int) -> int:
    return ntp >> 16 & 0xFFFF_FFFF
