"""A WebRTC caller that costs little: pre-encoded packets, arrivals stamped by the kernel, no decoding.

A hundred of these fit into one process beside the server they measure. Signalling, ICE and RTP are done here as far as
a caller needs them; DTLS and SCTP are aiortc's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import secrets
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from aioice import stun
from aiortc import RTCCertificate, RTCDataChannel, RTCDataChannelParameters, RTCSctpTransport
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceTransport
from aiortc.rtcsctptransport import RTCSctpCapabilities
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; missing in the socket module
FRAME_S = 0.02
OPUS = 111
RECEIVE_BUFFER = 1 << 20


@dataclass(slots=True)
class Arrivals:
    """Of RTP packets: sequence, RTP timestamp, size of the datagram, and the kernel's clock (Unix time)."""

    sequences: list[int] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    def clear(self) -> None:
        for column in (self.sequences, self.timestamps, self.sizes, self.at):
            column.clear()


class LightPeer:
    """`offer`, POST it, `begin(answer)`, then `connect`, and `send_audio` every 20 ms.

    `close` says goodbye, `vanish` does not.
    """

    def __init__(self, certificate: RTCCertificate, *, codec: str = "opus/48000/2", payload_type: int = OPUS) -> None:
        self._certificate = certificate
        self._codec, self._payload_type = codec, payload_type
        self._ufrag, self._password = secrets.token_hex(4), secrets.token_hex(12)
        self._ssrc = random.getrandbits(32)
        self._sequence, self._timestamp = random.getrandbits(15), random.getrandbits(31)
        self._path = _Path()
        self._dtls: RTCDtlsTransport | None = None
        self._sctp: RTCSctpTransport | None = None
        self._reachable = asyncio.Event()
        self.check_every_s = 2.5
        """How often it proves that it is there, as browsers do."""
        self.heard = asyncio.Event()
        """Set by the first RTP packet."""
        self._checking: asyncio.TimerHandle | None = None
        self.arrivals = Arrivals()
        self.on_media: Callable[[bytes], None] | None = None
        """Gets every RTP packet, decrypted, where somebody wants to look inside."""
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.opened = asyncio.Event()
        self.location = ""
        self._source = self._first = self._highest = self._received = 0
        self._reported = (0, 0)

    # --- signalling ---

    def offer(self) -> str:
        """A complete description without candidates."""
        fingerprint = next(one for one in self._certificate.getFingerprints() if one.algorithm == "sha-256")
        transport = [
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{self._ufrag}",
            f"a=ice-pwd:{self._password}",
            f"a=fingerprint:sha-256 {fingerprint.value}",
            "a=setup:actpass",
        ]
        lines = [
            *("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"),
            *(f"m=audio 9 UDP/TLS/RTP/SAVPF {self._payload_type}", *transport, "a=mid:0", "a=sendrecv", "a=rtcp-mux"),
            f"a=rtpmap:{self._payload_type} {self._codec}",
            f"a=ssrc:{self._ssrc} cname:caller",
            *("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", *transport, "a=mid:1", "a=sctp-port:5000"),
            "a=max-message-size:262144",
        ]
        return "\r\n".join(lines) + "\r\n"

    def begin(self, answer: str, host: str = "127.0.0.1") -> None:
        """Start looking for the server, on that host if it offers it; returns at once."""
        self._answer = answer
        self._remote = (_attribute(answer, "ice-ufrag"), _attribute(answer, "ice-pwd"))
        self._address = candidate(answer, host)
        self._path.open(self._address, self._datagram)
        self._check()

    async def reachable(self) -> None:
        """The server has answered on the path."""
        await self._reachable.wait()

    async def connect(self) -> None:
        """Path, DTLS and the beginning of SCTP; media may flow when it returns."""
        await self.reachable()
        transport = cast("RTCIceTransport", self._path)
        self._dtls = RTCDtlsTransport(transport, [self._certificate])
        self._dtls._set_role("server" if _attribute(self._answer, "setup") == "active" else "client")
        algorithm, value = _attribute(self._answer, "fingerprint").split()
        await self._dtls.start(RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value)]))
        if self._dtls.state != "connected":
            raise ConnectionError("DTLS failed")
        self._sctp = RTCSctpTransport(self._dtls)
        channel = RTCDataChannel(self._sctp, RTCDataChannelParameters(label="oai-events"))
        self._channel = channel
        channel.on("open", self.opened.set)
        channel.on("message", lambda text: self.events.put_nowait(json.loads(text)))
        await self._sctp.start(RTCSctpCapabilities(65_536), 5000)

    def send(self, kind: str, **members: Any) -> None:
        self._channel.send(json.dumps({"type": kind, **members}))

    async def until(self, kind: str) -> dict[str, Any]:
        while (event := await self.events.get())["type"] != kind:
            pass
        return event

    # --- media ---

    def send_audio(self, payload: bytes) -> None:
        assert self._dtls is not None
        self._sequence, self._timestamp = (self._sequence + 1) & 0xFFFF, (self._timestamp + 960) & 0xFFFFFFFF
        header = struct.pack("!BBHII", 0x80, self._payload_type, self._sequence, self._timestamp, self._ssrc)
        self._path.send(self._dtls._tx_srtp.protect(header + payload))

    def send_report(self) -> None:
        """What of the server's packets came since the last report (RFC 3550 appendix A.3), as browsers tell it."""
        if self._dtls is None or not self._received:
            return
        expected = self._highest - self._first + 1
        newly_expected, newly_received = expected - self._reported[0], self._received - self._reported[1]
        self._reported = (expected, self._received)
        share = max(0, newly_expected - newly_received) * 256 // max(1, newly_expected)
        lost = max(0, expected - self._received)
        report = RtcpReceiverInfo(self._source, min(255, share), lost, self._highest, 0, 0, 0)
        self._path.send(self._dtls._tx_srtp.protect_rtcp(bytes(RtcpRrPacket(self._ssrc, [report]))))

    def _note(self, sequence: int, source: int) -> None:
        """For reports: sequence numbers go on beyond 16 bits."""
        if source != self._source:
            self._source, self._first, self._highest = source, sequence, sequence
            self._received, self._reported = 0, (0, 0)
        extended = self._highest + ((sequence - self._highest + 0x8000) & 0xFFFF) - 0x8000
        self._highest = max(self._highest, extended)
        self._received += 1

    def _datagram(self, data: bytes, at: float) -> None:
        first = data[0]
        if first >= 128:
            if not 192 <= data[1] <= 223:
                arrivals = self.arrivals
                sequence, timestamp = struct.unpack_from("!HI", data, 2)
                arrivals.sequences.append(sequence)
                arrivals.timestamps.append(timestamp)
                arrivals.sizes.append(len(data))
                arrivals.at.append(at)
                self.heard.set()
                if self.on_media is not None and self._dtls is not None:
                    self._note(sequence, int.from_bytes(data[8:12], "big"))
                    self.on_media(self._dtls._rx_srtp.unprotect(data))
        elif first >= 20:
            self._path.received.put_nowait(data)
        else:
            self._stun(stun.parse_message(data))

    def _stun(self, message: stun.Message) -> None:
        if message.message_class == stun.Class.RESPONSE:
            self._reachable.set()
        elif message.message_class == stun.Class.REQUEST:
            answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
            answer.attributes["XOR-MAPPED-ADDRESS"] = self._address
            answer.add_message_integrity(self._password.encode())
            self._path.send(bytes(answer))

    def _check(self) -> None:
        """Find the server, then keep its consent (RFC 7675)."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes.update(
            {
                "USERNAME": f"{self._remote[0]}:{self._ufrag}",
                "PRIORITY": 2_130_706_431,
                "ICE-CONTROLLING": 1,
                "USE-CANDIDATE": None,
            }
        )
        request.add_message_integrity(self._remote[1].encode())
        self._path.send(bytes(request))
        wait = self.check_every_s if self._reachable.is_set() else 0.05
        self._checking = asyncio.get_running_loop().call_later(wait, self._check)

    # --- the end ---

    async def close(self) -> None:
        if self._sctp is not None:
            await self._sctp.stop()
        if self._dtls is not None:
            await self._dtls.stop()
        self.vanish()
        await asyncio.sleep(0)

    def vanish(self) -> None:
        """As when the cable is pulled."""
        if self._checking is not None:
            self._checking.cancel()
        if self._sctp is not None:
            self._sctp.remove_all_listeners()
            for cancel in (self._sctp._t1_cancel, self._sctp._t2_cancel, self._sctp._t3_cancel):
                cancel()
        if self._dtls is not None and self._dtls._task is not None:
            self._dtls._task.cancel()
        self._path.close()


class _Path:
    """What aiortc's DTLS uses of an ICE transport, on a connected socket."""

    role = "controlling"
    state = "completed"

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self._socket: socket.socket | None = None

    def open(self, address: tuple[str, int], deliver: Callable[[bytes, float], None]) -> None:
        self._socket = opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        opened.connect(address)
        asyncio.get_running_loop().add_reader(opened, self._read, opened, deliver)

    def _read(self, opened: socket.socket, deliver: Callable[[bytes, float], None]) -> None:
        for _ in range(32):
            try:
                data, ancillary, _flags, _address = opened.recvmsg(2048, 64)
            except OSError:
                return
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            deliver(data, seconds + nanoseconds / 1e9)

    def send(self, data: bytes) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(data)

    async def _send(self, data: bytes) -> None:
        self.send(data)

    async def _recv(self) -> bytes:
        return await self.received.get()

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None


def _attribute(sdp: str, name: str) -> str:
    found = re.search(rf"^a={name}:(.*?)\r?$", sdp, re.MULTILINE)
    if found is None:
        raise ValueError(f"no a={name} in the answer")
    return found[1]


def candidate(sdp: str, host: str) -> tuple[str, int]:
    """Of IPv4 and UDP; on that host where there is one."""
    found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host", sdp, re.IGNORECASE)
    return min(((address, int(port)) for address, port in found), key=lambda address: address[0] != host)


@dataclass(frozen=True, slots=True)
class Called:
    """How long it took, in seconds from before the POST."""

    answered: float
    connected: float


async def call(peer: LightPeer, client: httpx.AsyncClient, path: str = "realtime/calls?model=benchmark") -> Called:
    """Raises httpx.HTTPStatusError when refused."""
    now = asyncio.get_running_loop().time
    begun = now()
    response = await client.post(path, headers={"Content-Type": "application/sdp"}, content=peer.offer())
    response.raise_for_status()
    answered = now()
    peer.location = response.headers.get("location", "")
    peer.begin(response.text, client.base_url.host)
    await peer.connect()
    return Called(answered - begun, now() - begun)


async def stream(peers: Sequence[LightPeer], sounds: Sequence[Sequence[bytes]]) -> None:
    """Every peer sends its sound over and over, each in its own phase of the 20 ms, until cancelled."""
    now = asyncio.get_running_loop().time
    begun, frame = now() + 0.02, 0
    while True:
        for index, (peer, sound) in enumerate(zip(peers, sounds, strict=True)):
            wait = begun + frame * FRAME_S + index * FRAME_S / len(peers) - now()
            if wait > 0.0005:
                await asyncio.sleep(wait)
            peer.send_audio(sound[frame % len(sound)])
        frame += 1
