"""Whole conversations by WebRTC: in each dialect, in each encoding, with the order of every event judged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import numpy as np
import pytest

from clients.strict import Dialect, Event
from clients.talking import Int16
from clients.webrtc.hearing import joined, level_db, runs, splash_db
from clients.webrtc.microphone import Encoding
from clients.webrtc.peer import Peer, calling
from serving import RunningServer
from voicebridge.engines.scripted import MS_PER_CHARACTER

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(120)]

CALLS: list[tuple[Dialect, Encoding]] = [
    ("ga", "opus mono"),
    ("ga", "opus stereo"),
    ("ga", "pcmu"),
    ("ga", "pcma"),
    ("beta", "opus mono"),
    ("beta", "pcmu"),
]
SPOKEN_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_audio.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
    "output_audio_buffer.stopped",
]
"""What happens in this order, whatever else lies between (S2, S14)."""


async def together(*calls: Awaitable[None]) -> None:
    """Real time is spent once for all of them."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    if failed:
        raise BaseExceptionGroup(f"{len(failed)} of {len(results)}", failed)


def ordered(peer: Peer, kinds: list[str]) -> None:
    """The first of each kind came in this order."""
    types = peer.seen.types()
    at = [types.index(peer.name(kind)) for kind in kinds]
    assert at == sorted(at), [types[index] for index in sorted(at)]


def words(event: Event) -> str:
    return str(event["response"]["output"][0]["content"][0]["transcript"])


def turn_s(spoken: Int16) -> float:
    """How long the turn is: what is heard of it, the padding before (0.3 s), and the silence that ends it (0.5 s)."""
    voiced = np.flatnonzero(np.abs(spoken.astype(np.int32)) > 500)
    return float(voiced[-1] - voiced[0]) / 24_000 + 0.8


@pytest.fixture
def asked(question: Int16) -> Int16:
    """The question, and the pause that ends a turn."""
    return np.concatenate([question, np.zeros(12_000, np.int16)])


async def test_a_spoken_turn_in_each_dialect_and_encoding(scripted_server: RunningServer, asked: Int16) -> None:
    await together(*(spoken_turn(scripted_server, dialect, encoding, asked) for dialect, encoding in CALLS))


async def spoken_turn(server: RunningServer, dialect: Dialect, encoding: Encoding, asked: Int16) -> None:
    async with calling(server, dialect, encoding) as peer:
        assert peer.location == f"/v1/realtime/calls/{peer.call_id}"
        assert peer.call_id.startswith("rtc_")
        peer.microphone.say(asked)
        done = await peer.until("response.done")
        stopped = await peer.until("output_audio_buffer.stopped")
        ordered(peer, SPOKEN_TURN)
        ordered(peer, ["response.content_part.added", "output_audio_buffer.started", "output_audio_buffer.stopped"])
        assert stopped["response_id"] == done["response"]["id"]
        assert done["response"]["status"] == "completed"
        await asyncio.sleep(0.1)
        heard = peer.heard()
        (answer,) = runs(heard, joining=2)
        said = words(done)
        assert said.startswith("You said: utterance of ")
        assert answer.seconds == pytest.approx(len(said) * MS_PER_CHARACTER / 1000, abs=0.04), (dialect, encoding)
        sound = joined(heard[answer.start + 2 : answer.end - 2])
        assert level_db(sound) == pytest.approx(-20, abs=1.5)
        assert float(said.split()[-2]) == pytest.approx(turn_s(asked), abs=0.25)


async def test_sound_flows_from_the_beginning_at_a_steady_pace(scripted_server: RunningServer) -> None:
    async with calling(scripted_server) as peer:
        await asyncio.sleep(1.0)
        heard = peer.heard()
        assert all(frame.packet is not None for frame in heard)
        assert not runs(heard)
        first, last = peer.packets[0], peer.packets[-1]
        clock = ((last.timestamp - first.timestamp) & 0xFFFFFFFF) / 48_000
        assert last.arrived - first.arrived == pytest.approx(clock, abs=0.1)
        assert peer.packets[0].arrived - peer.posted < 2.0


async def test_several_turns_of_one_call_are_each_heard_once(narrating_server: RunningServer) -> None:
    async with calling(narrating_server) as peer:
        for count in (3, 6, 4):
            await peer.says(f"Tell me {count} words")
            peer.send("response.create")
            await peer.until("output_audio_buffer.stopped")
            await asyncio.sleep(0.1)
        heard = peer.heard()
        assert [round(run.seconds, 1) for run in runs(heard)] == pytest.approx([0.3, 0.6, 0.4], abs=0.03)
        assert splash_db(joined(heard)) < -38


async def test_a_text_answer_makes_no_sound_and_no_playback_events(scripted_server: RunningServer) -> None:
    async with calling(scripted_server) as peer:
        await peer.says("Hello there")
        peer.send("response.create", response={"output_modalities": ["text"]})
        await peer.until("rate_limits.updated")
        assert not [kind for kind in peer.seen.types() if kind.startswith("output_audio_buffer.")]
        assert not runs(peer.heard())


async def test_an_engine_that_is_slower_than_speech_makes_pauses_and_no_clicks(narrating_server: RunningServer) -> None:
    async with calling(narrating_server) as peer:
        await peer.says("Tell me 16 words haltingly")
        peer.send("response.create")
        done = await peer.until("response.done")
        await peer.until("output_audio_buffer.stopped")
        heard = peer.heard()
        parts = runs(heard)
        assert len(parts) > 2
        assert sum(run.seconds for run in parts) == pytest.approx(1.6, abs=0.02 * (len(parts) + 1))
        assert splash_db(joined(heard)) < -38
        assert len(peer.of("output_audio_buffer.started")) == len(peer.of("output_audio_buffer.stopped")) == 1
        assert done["response"]["status"] == "completed"


async def test_cancelling_lets_the_sound_drain_and_clearing_ends_it(narrating_server: RunningServer) -> None:
    async def drains() -> None:
        async with calling(narrating_server) as peer:
            await peer.says("Tell me 100 words slowly")
            peer.send("response.create")
            await peer.until("output_audio_buffer.started")
            peer.send("response.cancel")
            done = await peer.until("response.done")
            assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
            await peer.until("output_audio_buffer.stopped")
            await asyncio.sleep(0.1)
            assert runs(peer.heard())[-1].end < len(peer.heard())

    async def is_cleared() -> None:
        async with calling(narrating_server) as peer:
            await peer.says("Tell me 100 words")
            peer.send("response.create")
            await peer.until("response.done")
            await asyncio.sleep(0.5)
            peer.send("output_audio_buffer.clear")
            await peer.until("output_audio_buffer.cleared")
            truncated = await peer.until("conversation.item.truncated")
            await asyncio.sleep(0.2)
            (run,) = runs(peer.heard())
            assert truncated["audio_end_ms"] == pytest.approx(run.seconds * 1000, abs=40)
            peer.send("output_audio_buffer.clear")  # nothing plays: no answer, and above all no error
            await peer.says("Are you there?")
            assert len(peer.of("output_audio_buffer.cleared")) == 1

    await together(drains(), is_cleared())


async def test_appending_audio_is_refused_on_a_call_with_a_track(scripted_server: RunningServer) -> None:
    async with calling(scripted_server) as peer:
        peer.send("input_audio_buffer.append", audio="AAAA", event_id="mine")
        error = (await peer.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "mine")
        await peer.says("Are you there?")


async def test_packets_keep_to_the_clock_of_their_timestamps(scripted_server: RunningServer) -> None:
    """For four seconds here; `benchmarks.webrtc_calls` does it for as long as one likes."""

    async def drift(encoding: Encoding) -> None:
        async with calling(scripted_server, "ga", encoding) as peer:
            await asyncio.sleep(4.0)
            rate, first = 48_000 if encoding == "opus mono" else 8_000, peer.packets[0].timestamp
            offsets = [one.arrived - ((one.timestamp - first) & 0xFFFFFFFF) / rate for one in peer.packets]
            assert float(np.median(offsets[-50:]) - np.median(offsets[:50])) == pytest.approx(0, abs=0.01)

    await together(drift("opus mono"), drift("pcmu"))
