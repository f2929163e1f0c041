"""A caller by WebRTC: the aiortc library's peer connection, with nothing between the network and what it records.

The library's own receive buffer drops and delays; packets are therefore taken as they come out of SRTP, and made
audible by `clients.webrtc.hearing`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

import httpx
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import CODECS
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from clients.strict import Dialect, Event
from clients.talking import BETA_NAMES, MODEL, PATIENCE_S, Int16
from clients.webrtc.hearing import Frame, Packet, frames
from clients.webrtc.judge import MediaRecorder
from clients.webrtc.microphone import Encoding, Microphone
from impairment import LOOPBACK, Address, UdpRelay
from serving import RunningServer

CHANNEL = "oai-events"
MIME = {"opus mono": "audio/opus", "opus stereo": "audio/opus", "pcmu": "audio/PCMU", "pcma": "audio/PCMA"}
NO_EXTENSIONS = HeaderExtensionsMap()


class Refused(Exception):
    """The server did not answer the offer."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.status_code} {response.text}")
        self.status = response.status_code
        self.error: Event = response.json()["error"]


@dataclass
class Peer:
    """One call. Events are named as in GA, whichever dialect is spoken; times are the loop's."""

    dialect: Dialect
    connection: RTCPeerConnection
    channel: RTCDataChannel
    microphone: Microphone
    packets: list[Packet] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When each event of `seen.events` came."""
    location: str = ""
    answer: str = ""
    posted: float = 0.0
    answered: float = 0.0
    forgiven: frozenset[str] = frozenset()
    """Codes of errors that may happen on the way to what a test waits for."""
    edit: Callable[[str], str] = str
    """Makes what is posted of the offer that the library wrote."""

    def __post_init__(self) -> None:
        self.seen = MediaRecorder(self.dialect)
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self._arrival = asyncio.Event()
        self.channel.on("open", self.opened.set)
        self.channel.on("close", self._ended)
        self.channel.on("message", self._message)
        self.connection.on("connectionstatechange", self._state_changed)

    @property
    def call_id(self) -> str:
        return self.location.rsplit("/", 1)[-1]

    # --- events ---

    def _message(self, raw: str) -> None:
        try:
            assert isinstance(raw, str), "events are text"
            self._inbox.put_nowait(self.seen.take(raw))
        except Exception as error:  # noqa: BLE001  the library would swallow it
            self._inbox.put_nowait(error)
        self.times.append(self._loop.time())

    def _ended(self) -> None:
        self.closed.set()
        self._inbox.put_nowait(ConnectionError("the data channel is closed"))

    def _state_changed(self) -> None:
        if self.connection.connectionState in {"closed", "failed"}:
            self._ended()

    def send(self, kind: str, **members: Any) -> None:
        self.channel.send(json.dumps({"type": kind, **members}))

    async def next(self) -> Event:
        """The next event; raises what the judge found wrong with it, or ConnectionError after the last."""
        taken = await asyncio.wait_for(self._inbox.get(), PATIENCE_S)
        if isinstance(taken, Exception):
            raise taken
        return taken

    async def until(self, kind: str, when: Callable[[Event], bool] = lambda _event: True) -> Event:
        """The next event of that type; all on the way to it are judged and kept."""
        kind = self.name(kind)
        while True:
            event = await self.next()
            if event["type"] == kind and when(event):
                return event
            assert event["type"] != "error" or event["error"]["code"] in self.forgiven, event

    def name(self, kind: str) -> str:
        return BETA_NAMES.get(kind, kind) if self.dialect == "beta" else kind

    def of(self, kind: str) -> list[Event]:
        return self.seen.of(self.name(kind))

    def time_of(self, event: Event) -> float:
        """When it came."""
        return self.times[next(index for index, seen in enumerate(self.seen.events) if seen is event)]

    async def update(self, **session: Any) -> Event:
        """`session.update` in GA's form."""
        self.send("session.update", session={"type": "realtime", **session})
        return (await self.until("session.updated"))["session"]  # type: ignore[no-any-return]

    async def says(self, text: str) -> Event:
        """In writing."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        self.send("conversation.item.create", item=item)
        return (await self.until("conversation.item.added"))["item"]  # type: ignore[no-any-return]

    # --- sound ---

    async def _packet(self, data: bytes, arrival_time_ms: int) -> None:
        packet = RtpPacket.parse(data, NO_EXTENSIONS)
        self.packets.append(
            Packet(packet.sequence_number, packet.timestamp, packet.payload_type, packet.payload, self._loop.time())
        )
        self._arrival.set()

    async def hears_something(self) -> Packet:
        """The first packet of the call."""
        await asyncio.wait_for(self._arrival.wait(), PATIENCE_S)
        return self.packets[0]

    def heard(self) -> list[Frame]:
        return frames(self.packets)

    async def speaks(self, samples: Int16) -> float:
        """Say it into the microphone; the loop's time when the last of it went out."""
        self.microphone.say(samples)
        return await self.microphone.said()

    # --- signalling ---

    async def call(self, server: RunningServer, how: Signalling) -> None:
        """Offer, be answered, and begin to connect."""
        with patch("aioice.ice.get_host_addresses", lambda **_families: [LOOPBACK]):
            await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = without_message_limit(self.connection.localDescription.sdp)
        response = await self._post(server, self.edit(offer if how.candidates else without_candidates(offer)), how)
        if response.status_code != 201:
            raise Refused(response)
        assert response.headers["content-type"].split(";")[0] == "application/sdp"
        self.location, self.answer = response.headers["location"], response.text
        answer = self.answer
        if how.relay is not None:
            how.relay.server, answer = through(answer, how.relay.address)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        transport = self.connection.getTransceivers()[0].receiver.transport
        transport._handle_rtp_data = self._packet  # type: ignore[method-assign]

    async def _post(self, server: RunningServer, offer: str, how: Signalling) -> httpx.Response:
        headers = {"Authorization": f"Bearer {how.api_key or server.api_key}"}
        path = "/realtime" if self.dialect == "beta" else "/realtime/calls"
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=PATIENCE_S) as client:
            self.posted = self._loop.time()
            if how.session is not None:
                session = json.dumps(how.session)
                fields = [("sdp", (None, offer, "application/sdp")), ("session", (None, session, "application/json"))]
                response = await client.post(path, files=fields)
            else:
                sdp = {"Content-Type": "application/sdp"}
                response = await client.post(path, params={"model": MODEL}, headers=sdp, content=offer)
            self.answered = self._loop.time()
            return response

    async def offer_again(self, server: RunningServer, direction: str) -> httpx.Response:
        """Renegotiate: from now on sound flows in that direction only, seen from here."""
        self.connection.getTransceivers()[0].direction = direction
        await self.connection.setLocalDescription(await self.connection.createOffer())
        headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/sdp"}
        url = server.url.removesuffix("/v1") + self.location
        async with httpx.AsyncClient(headers=headers, timeout=PATIENCE_S) as client:
            response = await client.patch(url, content=self.connection.localDescription.sdp)
        if response.status_code == 200:
            await self.connection.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        return response

    async def connected(self) -> Event:
        """Wait for the data channel and the greeting on it; `session.created`."""
        await asyncio.wait_for(self.opened.wait(), PATIENCE_S)
        event = await self.next()
        assert event["type"] == "session.created", event
        if self.dialect == "beta":
            await self.until("conversation.created")
        return event

    async def hang_up(self) -> None:
        """As a page does that calls `pc.close()`: goodbyes on every layer."""
        await self.connection.close()


async def eventually(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not come about"
        await asyncio.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Signalling:
    """How to call. `session` makes it a multipart request; `relay` leads the media through a bad line."""

    session: dict[str, Any] | None = None
    candidates: bool = False
    relay: UdpRelay | None = None
    api_key: str | None = None


def without_candidates(sdp: str) -> str:
    """As clients offer that do not wait for gathering."""
    return "".join(
        line for line in sdp.splitlines(keepends=True) if not line.startswith(("a=candidate", "a=end-of-candidates"))
    )


def without_message_limit(sdp: str) -> str:
    """As clients offer that leave it at the standard's 64 KiB."""
    return re.sub(r"a=max-message-size:.*\r\n", "", sdp)


def candidates(sdp: str) -> list[Address]:
    """Of IPv4 and UDP, in the order of the description."""
    found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host", sdp, re.IGNORECASE)
    return list(dict.fromkeys((host, int(port)) for host, port in found))


def through(answer: str, relay: Address) -> tuple[Address, str]:
    """The server's address in the answer, and the answer with the relay's in the place of all of them."""
    server = min(candidates(answer), key=lambda address: address[0] != LOOPBACK)
    lines = []
    for line in without_candidates(answer).splitlines():
        lines.append(line)
        if line.startswith("a=ice-pwd"):
            lines += [f"a=candidate:1 1 udp 2130706431 {relay[0]} {relay[1]} typ host", "a=end-of-candidates"]
    return server, "\r\n".join(lines) + "\r\n"


def new_peer(dialect: Dialect = "ga", encoding: Encoding = "opus mono", channel: str = CHANNEL) -> Peer:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    microphone = Microphone(encoding)
    connection.addTrack(microphone)
    offered = [codec for codec in _capabilities() if codec.mimeType == MIME[encoding]]
    connection.getTransceivers()[0].setCodecPreferences(offered)
    return Peer(dialect, connection, connection.createDataChannel(channel), microphone)


def _capabilities() -> list[RTCRtpCodecCapability]:
    return [
        RTCRtpCodecCapability(codec.mimeType, codec.clockRate, codec.channels, codec.parameters)
        for codec in CODECS["audio"]
    ]


@asynccontextmanager
async def calling(
    server: RunningServer,
    dialect: Dialect = "ga",
    encoding: Encoding = "opus mono",
    *,
    channel: str = CHANNEL,
    greeted: bool = True,
    **signalling: Any,
) -> AsyncIterator[Peer]:
    """A call, greeted by `session.created` unless told otherwise; hung up at the end."""
    async with AsyncExitStack() as stack:
        peer = new_peer(dialect, encoding, channel)
        stack.push_async_callback(partial(Peer.hang_up, peer))
        await peer.call(server, Signalling(**signalling))
        if greeted:
            await peer.connected()
        yield peer
