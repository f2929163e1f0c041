"""One client's transport: the path (ICE), its encryption (DTLS), and what travels on it: RTP, RTCP, event messages.

Everything here runs where it is called: in the socket's reader or in the ticker. There is no task and no queue between
a datagram and its samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voicebridge.transports.pacing import PacketRate
from voicebridge.transports.webrtc.channel import EventChannel
from voicebridge.transports.webrtc.dtls import Certificate, DtlsSession
from voicebridge.transports.webrtc.ice import IceAgent
from voicebridge.transports.webrtc.mux import IceSockets
from voicebridge.transports.webrtc.offer import Offer

MEDIA_PER_S = 250.0
"""Packets of media that a call is worth decoding: the shortest usual ones, 5 ms, make 200 and some reports."""

MEDIA_BURST = 500
"""At once: what a radio link holds back for seconds and then hands over."""


class PeerHandler(Protocol):
    """Whom a peer tells what has come. `now` is the loop's time in seconds."""

    def on_rtp(self, packet: bytes, now: float) -> None: ...

    def on_rtcp(self, packet: bytes, now: float) -> None: ...

    def on_message(self, message: str | bytes) -> None: ...

    def on_channel(self, *, is_open: bool) -> None: ...


class Peer:
    """Connects, encrypts and demultiplexes (RFC 7983). `clock` gives the loop's time in seconds."""

    def __init__(
        self,
        offer: Offer,
        certificate: Certificate,
        sockets: IceSockets,
        handler: PeerHandler,
        clock: Callable[[], float],
    ) -> None:
        self._offer = offer
        self._handler = handler
        self._now = clock
        self.agent: IceAgent = sockets.agent(self._receive)
        self.agent.on_connected = self._on_path
        self.dtls = DtlsSession(certificate, offer.setup, offer.fingerprints, self.agent.send)
        self.channel = EventChannel(
            self.dtls,
            opened=lambda: handler.on_channel(is_open=True),
            message=handler.on_message,
            closed=lambda: handler.on_channel(is_open=False),
        )
        self._associating = False
        self.heard_at = self._now()
        self._media_rate = PacketRate(MEDIA_PER_S, MEDIA_BURST, self.heard_at)
        self.unreadable = 0
        self.flooded = 0
        """Packets of media that came too fast, and were dropped."""

    @property
    def connected(self) -> bool:
        """May media flow?"""
        return self.dtls.state == "connected"

    def send_rtp(self, packet: bytes) -> None:
        data = self.dtls.protect(packet)
        if data is not None:
            self.agent.send(data)

    def send_rtcp(self, packet: bytes) -> None:
        data = self.dtls.protect_rtcp(packet)
        if data is not None:
            self.agent.send(data)

    def tick(self, now: float) -> None:
        self.dtls.tick(now)

    def renegotiated(self, offer: Offer) -> None:
        """A data section may come with a later offer."""
        self._offer = offer
        self._associate()

    def close(self) -> None:
        """Say goodbye to the peer and give everything back. It may be called again."""
        self.channel.close()
        self.dtls.close()
        self.agent.close()

    def _receive(self, datagram: bytes) -> None:
        now = self._now()
        first = datagram[0] if datagram else 0
        if 128 <= first <= 191:
            if self._media_rate.admits(now):
                self._receive_media(datagram, now)
            else:
                self.flooded += 1
        elif 20 <= first <= 63:
            for data in self.dtls.receive(datagram, now):
                self.channel.receive(data)
            self._associate()
        else:
            self.unreadable += 1

    def _receive_media(self, datagram: bytes, now: float) -> None:
        if len(datagram) > 1 and 192 <= datagram[1] <= 223:  # RFC 5761 section 4
            report = self.dtls.unprotect_rtcp(datagram)
            if report is not None:
                self.heard_at = now
                self._handler.on_rtcp(report, now)
                return
        else:
            packet = self.dtls.unprotect(datagram)
            if packet is not None:
                self.heard_at = now
                self._handler.on_rtp(packet, now)
                return
        self.unreadable += 1

    def _on_path(self) -> None:
        """The client's first check came through. Who waits for its hello needs to do nothing."""
        if self.dtls.role == "client":
            self.dtls.start(self._now())

    def _associate(self) -> None:
        """Begin SCTP once DTLS is connected, if data was offered."""
        if self.connected and not self._associating and self._offer.data is not None:
            self._associating = True
            self.channel.start(self._offer.sctp_port, self._offer.max_message)
