"""A port with a real peer (aiortc) on the other end of real sockets; the call's driver is played by the test."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiortc
import numpy as np
import pytest
from aiortc import MediaStreamTrack
from av import AudioFrame

from transports.webrtc.offers import CHROMIUM
from voicebridge.audio.samples import Samples
from voicebridge.core.io import (
    AudioReceived,
    ClearPlayout,
    ClientFault,
    Emit,
    EndCall,
    Input,
    Output,
    PlayoutCleared,
    PlayoutDrained,
    PlayoutStarted,
    Speech,
    SpeechEnded,
)
from voicebridge.errors import InvalidEvent
from voicebridge.protocol.formats import PCM_24K
from voicebridge.protocol.server_events import InputAudioBufferCleared
from voicebridge.transports.webrtc.addresses import NetworkSettings
from voicebridge.transports.webrtc.endpoint import WebRtc
from voicebridge.transports.webrtc.offer import InvalidOffer
from voicebridge.transports.webrtc.port import NEVER_CONNECTED, PATH_LOST, TOO_SLOW, PortLimits, WebRtcPort

LIMITS = PortLimits(connect_timeout_s=10, disconnect_timeout_s=10, queued_bytes=1_000_000, max_queued=24_000 * 60)
SPOKEN_HZ = 440


class PlainCodec:
    """Every message is a fault that repeats it, every emitted event its JSON: the real codec has tests of its own."""

    def decode(self, frame: str | bytes) -> Input:
        return ClientFault(InvalidEvent(str(frame)), None)

    def encode_frames(self, output: Output) -> list[str]:
        return [output.event.model_dump_json()] if isinstance(output, Emit) else []


class Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._position = 0
        self._start = time.monotonic()  # noqa: TID251  a sender's clock

    async def recv(self) -> AudioFrame:
        wave = 8_000 * np.sin(2 * np.pi * SPOKEN_HZ * (self._position + np.arange(960)) / 48_000)
        frame = AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], layout="mono")
        frame.sample_rate = 48_000
        frame.pts = self._position
        self._position += 960
        await asyncio.sleep(max(0, self._start + self._position / 48_000 - time.monotonic()))  # noqa: TID251
        return frame


class Client:
    def __init__(self) -> None:
        self.peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self.peer.addTrack(Tone())
        self.channel = self.peer.createDataChannel("oai-events")
        self.messages: asyncio.Queue[str] = asyncio.Queue()
        self.channel.on("message", self.messages.put_nowait)

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return self.peer.localDescription.sdp

    async def accept(self, answer: str) -> None:
        await self.peer.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))

    async def message(self) -> dict[str, object]:
        text = await asyncio.wait_for(self.messages.get(), 10)
        event: dict[str, object] = json.loads(text)
        return event


@asynccontextmanager
async def endpoint(limits: PortLimits = LIMITS) -> AsyncIterator[WebRtc]:
    async with WebRtc(NetworkSettings(), limits, time.time) as webrtc:  # noqa: TID251  the composition root of tests
        yield webrtc


class Driver:
    """Runs a port as a call would, and keeps what came in."""

    def __init__(self, port: WebRtcPort) -> None:
        self.port = port
        self.came: list[Input] = []
        self._changed = asyncio.Event()
        self.ended: EndCall | str | None = "not yet"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            reader = tasks.create_task(self._read())
            yield
            self.port.close(EndCall(1000, ""))
            await asyncio.wait([writer, reader], timeout=5)
            assert writer.done()
            assert reader.done()

    async def _read(self) -> None:
        async for given in self.port.inputs():
            self.came.append(given)
            self._changed.set()

    async def _write(self) -> None:
        self.ended = await self.port.write()
        self._changed.set()

    def heard(self) -> Samples:
        pieces = [given.samples for given in self.came if isinstance(given, AudioReceived)]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    async def until(self, *kinds: type[Input]) -> Input:
        """The first input of one of the kinds."""
        async with asyncio.timeout(15):
            while True:
                for given in self.came:
                    if isinstance(given, kinds):
                        return given
                await self._wait()

    async def until_heard(self, samples: int) -> Samples:
        async with asyncio.timeout(15):
            while len(heard := self.heard()) < samples:
                await self._wait()
        return heard

    async def until_ended(self) -> None:
        async with asyncio.timeout(15):
            while self.ended == "not yet":
                await self._wait()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@asynccontextmanager
async def call(limits: PortLimits = LIMITS) -> AsyncIterator[tuple[Client, Driver]]:
    """A client and a port that talk to each other."""
    client = Client()
    async with endpoint(limits) as webrtc:
        port = webrtc.answer(await client.offer(), lambda _limit: PlainCodec())
        driver = Driver(port)
        try:
            async with driver.running():
                await client.accept(port.answer)
                yield client, driver
        finally:
            await client.peer.close()


def event(number: int) -> Emit:
    return Emit(InputAudioBufferCleared(event_id=f"event_{number}"))


def speech(seconds: float, response_id: str = "resp_1", *, last: bool = False) -> Speech:
    samples = (6_000 * np.sin(2 * np.pi * 300 * np.arange(int(24_000 * seconds)) / 24_000)).astype(np.int16)
    return Speech("event_1", response_id, "item_1", 0, 0, samples, PCM_24K, last=last)


def loudest_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(float) * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 24_000 / len(samples))


async def test_the_clients_sound_arrives_as_it_was_sent() -> None:
    async with call() as (_client, driver):
        heard = await driver.until_heard(24_000)
    assert loudest_hz(heard[4_800:24_000]) == pytest.approx(SPOKEN_HZ, abs=5)


async def test_events_wait_for_the_channel_and_keep_their_order() -> None:
    async with call() as (client, driver):
        for number in range(20):
            driver.port.send(event(number))
        assert [(await client.message())["event_id"] for _ in range(20)] == [f"event_{n}" for n in range(20)]
        driver.port.send(event(20))
        assert (await client.message())["event_id"] == "event_20"
        client.channel.send("hello")
        fault = await driver.until(ClientFault)
        assert isinstance(fault, ClientFault)
        assert fault.error.message == "hello"


async def test_speech_is_played_in_real_time_and_its_beginning_and_end_are_told() -> None:
    async with call() as (client, driver):
        driver.port.send(speech(0.5))
        driver.port.send(SpeechEnded("resp_1"))
        assert await driver.until(PlayoutStarted) == PlayoutStarted("resp_1")
        assert await driver.until(PlayoutDrained) == PlayoutDrained("resp_1")
        track = client.peer.getReceivers()[0].track
        frame = await asyncio.wait_for(track.recv(), 5)
        assert isinstance(frame, AudioFrame)


async def test_what_was_played_is_told_when_the_rest_is_thrown_away() -> None:
    async with call() as (_client, driver):
        driver.port.send(speech(5.0))
        await driver.until(PlayoutStarted)
        await driver.until_heard(12_000)
        driver.port.send(ClearPlayout())
        cleared = await driver.until(PlayoutCleared)
        assert isinstance(cleared, PlayoutCleared)
        assert 0 < cleared.played[0].samples < 4 * 24_000


async def test_a_client_that_hangs_up_ends_the_call() -> None:
    async with call() as (client, driver):
        await driver.until_heard(480)
        await client.peer.close()
        await driver.until_ended()
        assert driver.ended is None


async def test_a_client_that_never_comes_is_given_up() -> None:
    limits = PortLimits(0.1, 10, 1_000_000, 24_000)
    async with endpoint(limits) as webrtc:
        driver = Driver(webrtc.answer(CHROMIUM, lambda _limit: PlainCodec()))
        async with driver.running():
            await driver.until_ended()
    assert driver.ended == NEVER_CONNECTED


async def test_a_client_that_falls_silent_is_given_up_after_a_while() -> None:
    async with call(PortLimits(10, 0.5, 1_000_000, 24_000)) as (client, driver):
        await driver.until_heard(480)
        for protocol in client.peer.getTransceivers()[0].sender.transport.transport._connection._protocols:
            protocol.transport.abort()
        await driver.until_ended()
        assert driver.ended == PATH_LOST


async def test_a_client_that_does_not_take_its_events_is_cut_off() -> None:
    async with call(PortLimits(10, 10, 20_000, 24_000)) as (_client, driver):
        for number in range(1_000):
            driver.port.send(event(number))
        await driver.until_ended()
        assert driver.ended == TOO_SLOW


async def test_closing_says_everything_that_was_queued_first() -> None:
    async with call() as (client, driver):
        driver.port.send(event(0))
        await client.message()
        for number in range(1, 200):
            driver.port.send(event(number))
        driver.port.close(EndCall(1001, "session_expired"))
        assert [(await client.message())["event_id"] for _ in range(199)] == [f"event_{n}" for n in range(1, 200)]
        await driver.until_ended()


async def test_ice_restarts_by_a_fragment_and_by_a_new_offer() -> None:
    async with call() as (_client, driver):
        await driver.until_heard(480)
        port = driver.port
        before = port.answer
        candidates = "a=candidate:1 1 udp 2122 192.0.2.1 1 typ host\r\n"
        assert port.patch(candidates) is None
        fragment = port.patch("a=ice-ufrag:NewU\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n")
        assert fragment is not None
        assert f"a=ice-ufrag:{port.peer.agent.ufrag}" in fragment
        assert f"a=ice-ufrag:{port.peer.agent.ufrag}" not in before
        heard = len(driver.heard())
        await driver.until_heard(heard + 4_800)  # the sound went on meanwhile


async def test_an_offer_of_somebody_else_cannot_take_over_the_call() -> None:
    async with call() as (_client, driver):
        with pytest.raises(InvalidOffer, match="another certificate"):
            driver.port.renegotiate(CHROMIUM)


async def test_a_later_offer_changes_nothing_about_who_said_hello() -> None:
    first = CHROMIUM.replace("a=setup:actpass", "a=setup:passive")
    async with endpoint() as webrtc:
        port = webrtc.answer(first, lambda _limit: PlainCodec())
        assert "a=setup:active" in port.answer
        assert "a=setup:active" in port.renegotiate(CHROMIUM)
        port.abandon()


async def test_time_goes_on_for_a_client_that_puts_the_call_on_hold() -> None:
    async with call() as (client, driver):
        await driver.until_heard(4_800)
        driver.port.renegotiate((await client.offer()).replace("a=sendrecv", "a=inactive"))
        before = len(driver.heard())
        heard = await driver.until_heard(before + 24_000)
        assert not heard[before + 12_000 :].any(), "silence: what it sends meanwhile is not heard"


async def test_a_client_that_offered_no_channel_is_not_cut_off_for_not_taking_events() -> None:
    alone = CHROMIUM[: CHROMIUM.index("m=application")]
    async with endpoint(PortLimits(10, 10, 1_000, 24_000)) as webrtc:
        driver = Driver(webrtc.answer(alone, lambda _limit: PlainCodec()))
        async with driver.running():
            for number in range(100):
                driver.port.send(event(number))
            assert driver.port.stats().dropped_events > 50
            driver.port.send(speech(0.1))
            assert not driver.port._over.done()


async def test_a_certificate_that_ends_soon_is_replaced_for_new_calls_and_kept_for_those_that_run() -> None:
    now = time.time()  # noqa: TID251  the composition root of tests

    def fingerprint(answer: str) -> str:
        return next(line for line in answer.splitlines() if line.startswith("a=fingerprint:"))

    async with WebRtc(NetworkSettings(), LIMITS, lambda: now) as webrtc:
        first, second = (webrtc.answer(CHROMIUM, lambda _limit: PlainCodec()) for _ in range(2))
        assert fingerprint(second.answer) == fingerprint(first.answer)
        now += 29 * 24 * 3600
        third = webrtc.answer(CHROMIUM, lambda _limit: PlainCodec())
        assert fingerprint(third.answer) != fingerprint(first.answer)
        assert fingerprint(first.renegotiate(CHROMIUM)) == fingerprint(first.answer)
        for port in (first, second, third):
            port.abandon()


async def test_nothing_is_left_when_a_call_is_answered_and_never_run() -> None:
    async with endpoint() as webrtc:
        tasks = len(asyncio.all_tasks())
        for _ in range(20):
            webrtc.answer(CHROMIUM, lambda _limit: PlainCodec()).abandon()
        assert len(asyncio.all_tasks()) == tasks
        assert not webrtc._ports
