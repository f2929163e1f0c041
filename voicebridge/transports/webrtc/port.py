"""A WebRTC caller as a port of a call: its sound, what it is played, and its events (protocol 1.12)."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from voicebridge.core.io import ClearPlayout, EndCall, Input, Output, Speech, SpeechEnded
from voicebridge.core.playout import Playout
from voicebridge.transports.webrtc.answer import OurSide, write_answer, write_fragment
from voicebridge.transports.webrtc.dtls import Certificate
from voicebridge.transports.webrtc.intake import Intake
from voicebridge.transports.webrtc.mux import IceSockets
from voicebridge.transports.webrtc.offer import InvalidOffer, Offer, read_fragment, read_offer
from voicebridge.transports.webrtc.peer import Peer
from voicebridge.transports.webrtc.receiving import MediaReceiver, ReceiverStats
from voicebridge.transports.webrtc.rtcp import RtcpReports
from voicebridge.transports.webrtc.sending import MediaSender

TOO_SLOW = EndCall(1013, "server_error.slow_consumer")
FLOODED = EndCall(1008, "invalid_request_error.rate_limit_exceeded")
NEVER_CONNECTED = EndCall(1001, "webrtc.connect_timeout")
PATH_LOST = EndCall(1001, "webrtc.path_lost")
BROKEN = EndCall(1011, "server_error.internal_error")
DTLS_FAILED = EndCall(1002, "webrtc.dtls_failed")

FAREWELL_S = 2.0
"""How long the last events may take to be confirmed before the call is closed under them."""

CHANNEL_RETURNS_S = 1.0
"""A client that closes its events channel and opens no other within this has hung up."""


class Codec(Protocol):
    """Messages of the events channel to inputs and back: `wire.realtime.RealtimeCodec`."""

    def decode(self, frame: str | bytes) -> Input: ...

    def encode_frames(self, output: Output) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class PortLimits:
    """Seconds, bytes of events that wait for a slow client, samples of speech that wait to be played."""

    connect_timeout_s: float
    disconnect_timeout_s: float
    queued_bytes: int
    max_queued: int


@dataclass(frozen=True, slots=True)
class MediaStats:
    """Of one call so far. `received` is about the client's sound, the rest about ours."""

    received: ReceiverStats
    sent_packets: int
    round_trip_s: float | None
    reported_loss: float
    dropped_audio: int
    dropped_packets: int
    dropped_speech: int
    dropped_events: int
    """that nobody took because no channel was ever offered"""


class WebRtcPort:
    """Satisfies `runtime.ports.Port`. Between `write` and its end the ticker calls `tick` every 20 ms."""

    def __init__(
        self,
        offer: Offer,
        certificate: Certificate,
        sockets: IceSockets,
        codec: Codec,
        limits: PortLimits,
        *,
        wall: Callable[[], float],
        gone: Callable[[WebRtcPort], None],
    ) -> None:
        self._offer = offer
        self._certificate = certificate
        self._sockets = sockets
        self._codec = codec
        self._limits = limits
        self._gone = gone
        self._wall = wall
        self._intake = Intake()
        self._playout = Playout(limits.max_queued)
        self._receiver = MediaReceiver(offer.codec)
        self._ssrc = secrets.randbits(32)
        self._sender = MediaSender(offer.codec, self._ssrc)
        self._reports = RtcpReports(self._receiver, self._sender)
        self._hears, self._speaks = _directions(offer)
        self._queued: deque[str] = deque()
        self._queued_bytes = 0
        self._dropped_events = 0
        self._opened = False
        self._channel_lost_at: float | None = None
        self._closing_at: float | None = None
        self._over: asyncio.Future[EndCall | None] = asyncio.get_running_loop().create_future()
        self._now = asyncio.get_running_loop().time
        self._connect_by = self._now() + limits.connect_timeout_s
        self.peer = Peer(offer, certificate, sockets, self, self._now)
        self._session_id = secrets.randbits(62)
        self._version = 1
        self.answer = self._write_answer()

    # --- the port of the call ---

    async def inputs(self) -> AsyncIterator[Input]:
        while (given := await self._intake.get()) is not None:
            yield given

    def send(self, output: Output) -> None:
        match output:
            case Speech():
                self._playout.add(output)
            case SpeechEnded(response_id):
                self._playout.end(response_id)
            case ClearPlayout():
                for cleared in self._playout.clear():
                    self._intake.put(cleared)
            case _:
                for frame in self._codec.encode_frames(output):
                    self._send_event(frame)

    async def write(self) -> EndCall | None:
        try:
            return await self._over
        finally:
            self.abandon()

    def close(self, end: EndCall) -> None:  # noqa: ARG002 - a data channel has no close code
        if self._closing_at is None:
            self._closing_at = self._now()

    def abandon(self) -> None:
        """Give everything back, whether or not the call has begun."""
        self._end(None)
        self._intake.close()
        self.peer.close()
        self._gone(self)

    # --- every 20 ms ---

    def tick(self, now: float) -> None:
        self.peer.tick(now)
        if self.peer.connected:
            # Also where the client has stopped to send, by intention too: silence follows, and a turn comes to its end.
            for samples in self._receiver.tick(now):
                self._intake.put_audio(samples)
            self._play(now)
        self._look_after(now)

    def _play(self, now: float) -> None:
        """Playback goes on while the client holds our sound, as time does for who listens to a muted loudspeaker."""
        frame, happened = self._playout.next_frame()
        if self._speaks:
            self.peer.send_rtp(self._sender.packet(frame, now))
        for one in happened:
            self._intake.put(one)
        report = self._reports.due(now, self._wall() - (self._now() - now))
        if report is not None:
            self.peer.send_rtcp(report)

    def _look_after(self, now: float) -> None:
        """Is it over?"""
        if self._intake.flooded:
            self._end(FLOODED)
        elif self.peer.dtls.state == "closed":
            self._end(None)
        elif self.peer.dtls.state == "failed":
            self._end(DTLS_FAILED)
        elif self._closing_at is not None:
            if now >= self._closing_at + FAREWELL_S or not self._unsaid:
                self._end(None)
        elif not self.peer.connected:
            if now >= self._connect_by:
                self._end(NEVER_CONNECTED)
        elif now - max(self.peer.agent.last_check_at, self.peer.heard_at) > self._limits.disconnect_timeout_s:
            self._end(PATH_LOST)
        elif self._channel_lost_at is not None and now - self._channel_lost_at > CHANNEL_RETURNS_S:
            self._end(None)

    def failed(self, _error: Exception) -> None:
        """A bug in a tick, logged already, costs this call and no other."""
        self._end(BROKEN)

    def _end(self, why: EndCall | None) -> None:
        if not self._over.done():
            self._over.set_result(why)

    # --- events out ---

    @property
    def _unsaid(self) -> bool:
        return bool(self._opened and self.peer.connected and self.peer.channel.unacknowledged)

    def _send_event(self, frame: str) -> None:
        channel = self.peer.channel
        if channel.is_open:
            channel.send(frame)
            waiting = channel.unsent
        elif self._offer.data is None and self._queued_bytes + len(frame) > self._limits.queued_bytes:
            self._dropped_events += 1  # it cannot take them; should it ask for a channel later, it has the beginning
            return
        else:
            self._queued.append(frame)
            self._queued_bytes += len(frame)
            waiting = self._queued_bytes
        if waiting > self._limits.queued_bytes:
            self._end(TOO_SLOW)

    # --- what the peer tells ---

    def on_channel(self, *, is_open: bool) -> None:
        if not is_open:
            self._channel_lost_at = self._now()
            return
        self._opened = True
        self._channel_lost_at = None
        while self._queued:
            self.peer.channel.send(self._queued.popleft())
        self._queued_bytes = 0

    def on_message(self, message: str | bytes) -> None:
        self._intake.put(self._codec.decode(message))

    def on_rtp(self, packet: bytes, now: float) -> None:
        if self._hears:
            for samples in self._receiver.packet(packet, now):
                self._intake.put_audio(samples)

    def on_rtcp(self, packet: bytes, now: float) -> None:
        if self._reports.received(packet, now):  # else it would be the last report once more
            self._sender.protect(self._reports.reported_loss)

    # --- renegotiation ---

    def renegotiate(self, offer: str) -> str:
        """The answer to a later offer of the same client, which may hold or resume sound, add data, restart ICE.

        Raises InvalidOffer for anything that would need another call; nothing has changed then.
        """
        later = read_offer(offer)
        if later.fingerprints != self._offer.fingerprints:
            raise InvalidOffer("The offer has another certificate than this call began with. Open a new call.")
        if later.codec != self._offer.codec:
            raise InvalidOffer("The offer has another audio codec than this call began with. Open a new call.")
        if (later.ufrag, later.password) != (self._offer.ufrag, self._offer.password):
            self.peer.agent.restart()
        self._offer = later = replace(later, setup=self._offer.setup)  # RFC 8842 section 5.5: roles stay
        self._hears, self._speaks = _directions(later)
        self.peer.renegotiated(later)
        self._version += 1
        return self._write_answer()

    def patch(self, fragment: str) -> str | None:
        """A fragment with candidates (None: noted) or with new ICE credentials, answered by ours (RFC 9725 4.3).

        Raises InvalidOffer where it has neither.
        """
        credentials = read_fragment(fragment)
        if credentials is None or credentials == (self._offer.ufrag, self._offer.password):
            return None
        self.peer.agent.restart()
        self._offer = replace(self._offer, ufrag=credentials[0], password=credentials[1])
        return write_fragment(self._offer, self._our_side())

    def _write_answer(self) -> str:
        return write_answer(self._offer, self._our_side())

    def _our_side(self) -> OurSide:
        agent = self.peer.agent
        return OurSide(
            session_id=self._session_id,
            version=self._version,
            ufrag=agent.ufrag,
            password=agent.password,
            candidates=tuple(candidate.as_sdp() for candidate in self._sockets.candidates),
            fingerprint=self._certificate.fingerprint,
            ssrc=self._ssrc,
            cname=self._reports.cname,
        )

    def stats(self) -> MediaStats:
        return MediaStats(
            received=self._receiver.stats,
            sent_packets=self._sender.packets,
            round_trip_s=self._reports.round_trip_s,
            reported_loss=self._reports.reported_loss,
            dropped_audio=self._intake.dropped_audio,
            dropped_packets=self.peer.flooded,
            dropped_speech=self._playout.dropped,
            dropped_events=self._dropped_events,
        )


def _directions(offer: Offer) -> tuple[bool, bool]:
    """Do we hear, do we speak?"""
    return offer.direction in ("sendrecv", "recvonly"), offer.direction in ("sendrecv", "sendonly")
