"""What the server says was heard, against what was received: at random moments, by voice and by request."""

from __future__ import annotations

import asyncio
import itertools
import random

import numpy as np
import pytest

from clients.strict import Event
from clients.talking import Int16
from clients.webrtc.conftest import PITCHES_HZ
from clients.webrtc.hearing import SOUND, Frame, joined, runs, sounds, splash_db
from clients.webrtc.peer import Peer, calling
from serving import RunningServer

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(120)]

CALLS = 5
BY_REQUEST, BY_VOICE = 18, 2
"""Interruptions of each call: a hundred in all."""
INTERJECTION = 24_000
"""Samples of the question that are spoken over an answer."""
TOLERANCE_MS = 40


async def test_what_was_heard_is_what_was_received_in_a_hundred_interruptions(
    narrating_server: RunningServer, question: Int16
) -> None:
    calls = [interrupted_call(narrating_server, question, seed) for seed in range(CALLS)]
    truths = [truth for call in await asyncio.gather(*calls) for truth in call]
    assert len(truths) == CALLS * (BY_REQUEST + BY_VOICE)
    wrong = [(said, received) for said, received in truths if abs(said - received) > TOLERANCE_MS]
    assert not wrong


async def interrupted_call(server: RunningServer, question: Int16, seed: int) -> list[tuple[float, float]]:
    """For each interruption: the milliseconds that the server says were heard, and those received."""
    chance = random.Random(seed)
    turns = ["request"] * BY_REQUEST + ["voice"] * BY_VOICE
    chance.shuffle(turns)
    async with calling(server) as peer:
        peer.forgiven = frozenset({"response_cancel_not_active"})  # it may end while it is being cancelled
        await asyncio.sleep(chance.random())
        said = []
        for turn in turns:
            if not peer.seen.playing:
                await peer.says("Tell me a story" + chance.choice([" slowly", ""]))
                peer.send("response.create")
                await peer.until("output_audio_buffer.started")
            await asyncio.sleep(chance.uniform(0.05, 0.5))
            said.append(await (by_request(peer) if turn == "request" else by_voice(peer, question)))
        if peer.seen.playing:  # the answer to the last question
            await asyncio.sleep(0.3)
            await by_request(peer)
        await asyncio.sleep(0.2)
        received = answers(peer)
        assert splash_db(joined(peer.heard())) < -35
        return [(event["audio_end_ms"], received[event["item_id"]]) for event in said]


async def by_request(peer: Peer) -> Event:
    if len(peer.of("response.created")) > len(peer.of("response.done")):
        peer.send("response.cancel")
    peer.send("output_audio_buffer.clear")
    cleared = await peer.until("output_audio_buffer.cleared")
    truncated = await peer.until("conversation.item.truncated")
    assert peer.seen.events.index(cleared) < peer.seen.events.index(truncated)
    await asyncio.sleep(0.15)  # silence, so that answers can be told apart
    return truncated


async def by_voice(peer: Peer, question: Int16) -> Event:
    """Say something over it; the answer to that is playing afterwards."""
    peer.microphone.say(np.concatenate([question[:INTERJECTION], np.zeros(14_400, np.int16)]))
    speech = await peer.until("input_audio_buffer.speech_started")
    cleared = await peer.until("output_audio_buffer.cleared")
    truncated = await peer.until("conversation.item.truncated")
    events = peer.seen.events
    assert events.index(speech) < events.index(cleared) < events.index(truncated)
    await peer.until("output_audio_buffer.started")
    return truncated


def answers(peer: Peer) -> dict[str, float]:
    """Milliseconds of sound received of each answer's item. Answers follow one another, each in another pitch."""
    items = {
        event["response_id"]: event["item_id"]
        for event in peer.of("response.content_part.added")
        if event["part"]["type"] == "audio"
    }
    begun = [items[event["response_id"]] for event in peer.of("output_audio_buffer.started")]
    heard = peer.heard()
    pieces = [heard[run.start : run.end] for run in runs(heard, joining=2)]
    lengths = [sum(map(sounding_ms, group)) for _pitch, group in itertools.groupby(pieces, pitch)]
    return dict(zip(begun, lengths, strict=True))


def sounding_ms(heard: list[Frame]) -> float:
    """From the first to the last sample that is no silence, without frames in between that are: nothing was ready."""
    loud = np.flatnonzero(np.abs(joined(heard).astype(np.int32)) > SOUND)
    return float(loud[-1] - loud[0] + 1) / 24 - 20 * sum(not sounds(frame) for frame in heard)


def pitch(heard: list[Frame]) -> int:
    """Which of the engine's it is."""
    sound = joined(heard).astype(np.float64)
    turns = 2j * np.pi * np.arange(len(sound)) / 24_000
    return max(PITCHES_HZ, key=lambda hz: abs(np.sum(sound * np.exp(-turns * hz))))
