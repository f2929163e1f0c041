"""DTLS-SRTP for one call, driven by datagrams and by time (RFC 5764, RFC 8842). OpenSSL and libsrtp encrypt.

aiortc's own transport awaits each datagram in a task and parses it there; a call's audio would pass through two tasks
and a queue. This one is called straight from the socket's reader. What it borrows from inside aiortc (certificate,
SRTP profiles) is in this file only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import pylibsrtp
from aiortc.rtcdtlstransport import (
    SRTP_PROFILES,
    X509_DIGEST_ALGORITHMS,
    RTCCertificate,
    SRTPProtectionProfile,
    certificate_digest,
)
from OpenSSL import SSL

from voicebridge.transports.webrtc.offer import Fingerprint

MTU = 1200
"""Bytes of one datagram that every path carries."""

RENEWED_BEFORE = timedelta(days=2)
REPLAY_WINDOW = 1024

MAX_SOURCES = 64
"""Sources (SSRC) of one client; libsrtp keeps a record of each for as long as the call lasts."""


class Certificate:
    """Ours: self-signed, made once (its fingerprint in the answer is what vouches for it, RFC 8827 section 6.5)."""

    def __init__(self) -> None:
        self._made = RTCCertificate.generateCertificate()
        self.context = self._made._create_ssl_context(srtp_profiles=SRTP_PROFILES)  # noqa: SLF001 - see above
        digest = next(one for one in self._made.getFingerprints() if one.algorithm == "sha-256")
        self.fingerprint = Fingerprint(digest.algorithm, digest.value)

    def expires_soon(self, wall: float) -> bool:
        """`wall` is Unix time in seconds."""
        return self._made.expires - datetime.fromtimestamp(wall, UTC) < RENEWED_BEFORE


class DtlsSession:
    """One association. `send` gets the datagrams to put on the path; `state` only moves forward.

    Methods never raise for what a peer sends: what does not fit is dropped, or ends in "failed".
    """

    def __init__(
        self,
        certificate: Certificate,
        setup: Literal["active", "passive"],
        fingerprints: tuple[Fingerprint, ...],
        send: Callable[[bytes], None],
    ) -> None:
        self.state: Literal["new", "connecting", "connected", "closed", "failed"] = "new"
        self.role: Literal["client", "server"] = "client" if setup == "active" else "server"
        self._fingerprints = fingerprints
        self._send = send
        self._ssl = SSL.Connection(certificate.context)
        self._ssl.set_ciphertext_mtu(MTU)
        if self.role == "client":
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()
        self._flights_over = False
        self._next_flight_at: float | None = None
        self._inbound: pylibsrtp.Session | None = None
        self._outbound: pylibsrtp.Session | None = None
        self._sources: set[bytes] = set()

    # --- the handshake ---

    def start(self, now: float) -> None:
        """The path is up: a client says hello. A server waits; calling it again changes nothing."""
        if self.state == "new":
            self.state = "connecting"
            self._handshake(now)

    def receive(self, datagram: bytes, now: float) -> list[bytes]:
        """A DTLS datagram (first byte 20 to 63). Returns the application data in it."""
        if self.state in ("closed", "failed"):
            return []
        self.start(now)
        self._ssl.bio_write(datagram)
        if self.state == "connecting":
            self._handshake(now)
        data = self._read() if self.state == "connected" else []
        self._flush()
        return data

    def tick(self, now: float) -> None:
        """Send a lost flight again when its time has come; call it every few milliseconds until connected."""
        if self._flights_over or self._next_flight_at is None or now < self._next_flight_at:
            return
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error:
            self.state = "failed"
            return
        self._flush()
        self._schedule(now)

    def _handshake(self, now: float) -> None:
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error:
            self.state = "failed"
        else:
            self.state = "connected" if self._is_who_it_says() and self._derive_keys() else "failed"
        self._flush()
        self._schedule(now)

    def _schedule(self, now: float) -> None:
        timeout = self._ssl.DTLSv1_get_timeout()
        # in DTLS 1.3 the last flight may be sent again after the handshake
        self._flights_over = timeout is None and self.state == "connected"
        self._next_flight_at = None if timeout is None else now + timeout

    def _is_who_it_says(self) -> bool:
        """The certificate is the one whose fingerprints came with the offer: all that we can check must match."""
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        known = [one for one in self._fingerprints if one.algorithm in X509_DIGEST_ALGORITHMS]
        return (
            certificate is not None
            and bool(known)
            and all(certificate_digest(certificate, one.algorithm) == one.value.upper() for one in known)
        )

    def _derive_keys(self) -> bool:
        chosen = self._ssl.get_selected_srtp_profile()
        profile = next((one for one in SRTP_PROFILES if one.openssl_profile == chosen), None)
        if profile is None:
            return False
        length = 2 * (profile.key_length + profile.salt_length)
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", length)
        server = self.role == "server"
        self._inbound = _srtp(profile, material, 0 if server else 1, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self._outbound = _srtp(profile, material, 1 if server else 0, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        return True

    # --- application data ---

    def send(self, data: bytes) -> None:
        """Encrypt application data; dropped unless connected, as a datagram may be."""
        if self.state != "connected":
            return
        try:
            self._ssl.send(data)
        except SSL.Error:
            self.state = "failed"
        self._flush()

    def close(self) -> None:
        """Say goodbye (close_notify) and be closed."""
        if self.state in ("connecting", "connected"):
            with contextlib.suppress(SSL.Error):  # not far enough to say it
                self._ssl.shutdown()
            self._flush()
        if self.state != "failed":
            self.state = "closed"

    def _read(self) -> list[bytes]:
        records: list[bytes] = []
        while True:
            try:
                records.append(self._ssl.recv(MTU * 2))
            except SSL.WantReadError:
                return records
            except (SSL.ZeroReturnError, SSL.SysCallError):
                self.state = "closed"
                return records
            except SSL.Error:
                return records  # a record that does not authenticate is dropped (RFC 9147 section 4.5.2)

    def _flush(self) -> None:
        while True:
            try:
                datagram = self._ssl.bio_read(1500)
            except SSL.Error:
                return
            self._send(datagram)

    # --- media ---

    def protect(self, packet: bytes) -> bytes | None:
        """RTP to SRTP; None before the keys are known."""
        return self._outbound.protect(packet) if self._outbound is not None else None

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        return self._outbound.protect_rtcp(packet) if self._outbound is not None else None

    def unprotect(self, packet: bytes) -> bytes | None:
        """SRTP to RTP; None where it does not authenticate, is a replay, or comes before the keys."""
        return self._unprotected(packet[8:12], packet, self._inbound.unprotect) if self._inbound is not None else None

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        return (
            self._unprotected(packet[4:8], packet, self._inbound.unprotect_rtcp) if self._inbound is not None else None
        )

    def _unprotected(self, source: bytes, packet: bytes, unprotect: Callable[[bytes], bytes]) -> bytes | None:
        if source not in self._sources and len(self._sources) >= MAX_SOURCES:
            return None
        try:
            plain = unprotect(packet)
        except (pylibsrtp.Error, ValueError):  # the latter where it is longer than 1500 bytes
            return None
        self._sources.add(source)
        return plain


def _srtp(profile: SRTPProtectionProfile, material: bytes, index: int, direction: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(
        key=profile.get_key_and_salt(material, index),
        ssrc_type=direction,
        srtp_profile=profile.libsrtp_profile,
    )
    policy.allow_repeat_tx = True
    policy.window_size = REPLAY_WINDOW
    return pylibsrtp.Session(policy)
