"""Two sessions talk to each other in memory; what OpenSSL and libsrtp do in between is theirs."""

from __future__ import annotations

from collections import deque
from typing import Literal

import pytest

from voicebridge.transports.webrtc.dtls import MAX_SOURCES, Certificate, DtlsSession
from voicebridge.transports.webrtc.offer import Fingerprint

RTP = bytes.fromhex("8060000100000002000000ff") + b"payload of some length"
RTCP = bytes.fromhex("80c90001000000ff")


@pytest.fixture(scope="module")
def certificates() -> tuple[Certificate, Certificate]:
    return Certificate(), Certificate()


class Pair:
    """A client and a server session with a wire between them that may lose datagrams."""

    def __init__(self, certificates: tuple[Certificate, Certificate], *, trusted: bool = True) -> None:
        self.wire: deque[tuple[Literal["client", "server"], bytes]] = deque()
        ours, theirs = certificates
        known = theirs.fingerprint if trusted else Fingerprint("sha-256", ":".join(["00"] * 32))
        self.server = DtlsSession(ours, "passive", (known,), lambda data: self.wire.append(("client", data)))
        self.client = DtlsSession(
            theirs, "active", (ours.fingerprint,), lambda data: self.wire.append(("server", data))
        )
        self.received: dict[str, list[bytes]] = {"client": [], "server": []}
        self.now = 0.0

    def run(self) -> None:
        while self.wire:
            to, data = self.wire.popleft()
            session = self.server if to == "server" else self.client
            self.received[to] += session.receive(data, self.now)

    def connect(self) -> None:
        self.client.start(self.now)
        self.run()


def test_both_sides_connect_and_exchange_data(certificates: tuple[Certificate, Certificate]) -> None:
    pair = Pair(certificates)
    pair.connect()
    assert (pair.client.state, pair.server.state) == ("connected", "connected")
    pair.client.send(b"to the server")
    pair.server.send(b"to the client")
    pair.run()
    assert pair.received == {"server": [b"to the server"], "client": [b"to the client"]}


def test_media_is_readable_for_the_peer_only_and_only_once(certificates: tuple[Certificate, Certificate]) -> None:
    pair = Pair(certificates)
    assert pair.server.protect(RTP) is None
    assert pair.server.unprotect(RTP) is None
    pair.connect()
    protected = pair.server.protect(RTP)
    assert protected is not None
    assert RTP[12:] not in protected
    assert pair.server.unprotect(protected) is None
    assert pair.client.unprotect(protected) == RTP
    assert pair.client.unprotect(protected) is None, "a replay"
    report = pair.client.protect_rtcp(RTCP)
    assert report is not None
    assert pair.server.unprotect_rtcp(report) == RTCP
    assert pair.server.unprotect_rtcp(b"\x80\xc9garbage of some length") is None


def test_a_packet_longer_than_any_path_carries_is_dropped(certificates: tuple[Certificate, Certificate]) -> None:
    pair = Pair(certificates)
    pair.connect()
    assert pair.server.unprotect(RTP + bytes(2_000)) is None
    assert pair.server.unprotect_rtcp(RTCP + bytes(2_000)) is None


def test_of_many_sources_only_the_first_are_heard(certificates: tuple[Certificate, Certificate]) -> None:
    pair = Pair(certificates)
    pair.connect()

    def heard(source: int) -> bool:
        packet = pair.client.protect(RTP[:8] + source.to_bytes(4, "big") + RTP[12:])
        assert packet is not None
        return pair.server.unprotect(packet) is not None

    assert [heard(source) for source in range(MAX_SOURCES)] == [True] * MAX_SOURCES
    assert not heard(MAX_SOURCES)
    report = pair.client.protect_rtcp(RTCP[:4] + bytes.fromhex("00ff00ff"))
    assert report is not None
    assert pair.server.unprotect_rtcp(report) is None
    again = pair.client.protect(RTP[:2] + b"\x00\x02" + RTP[4:8] + bytes(4) + RTP[12:])
    assert again is not None
    assert pair.server.unprotect(again) is not None, "one of the first"


def test_sources_that_do_not_authenticate_do_not_count(certificates: tuple[Certificate, Certificate]) -> None:
    pair = Pair(certificates)
    pair.connect()
    for source in range(MAX_SOURCES + 1):
        assert pair.server.unprotect(RTP[:8] + source.to_bytes(4, "big") + bytes(40)) is None
    packet = pair.client.protect(RTP)
    assert packet is not None
    assert pair.server.unprotect(packet) == RTP


def test_a_certificate_that_was_not_announced_is_refused(certificates: tuple[Certificate, Certificate]) -> None:
    pair = Pair(certificates, trusted=False)
    pair.connect()
    assert pair.server.state == "failed"
    assert pair.server.protect(RTP) is None


def test_goodbye_closes_the_other_side(certificates: tuple[Certificate, Certificate]) -> None:
    pair = Pair(certificates)
    pair.connect()
    pair.client.close()
    pair.run()
    assert pair.server.state == "closed"
    pair.server.send(b"nobody listens")
    pair.server.close()


def test_garbage_is_dropped_before_and_after_the_handshake(certificates: tuple[Certificate, Certificate]) -> None:
    pair = Pair(certificates)
    for garbage in (b"\x16", b"\x16\xfe\xfd" + bytes(40), bytes([20]) * 1400):
        assert pair.server.receive(garbage, 0.0) == []
    pair.connect()
    assert pair.server.state == "connected"
    assert pair.server.receive(b"\x17\xfe\xfd" + bytes(60), 0.0) == []
    pair.client.send(b"still there")
    pair.run()
    assert pair.received["server"] == [b"still there"]
