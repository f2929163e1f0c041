from __future__ import annotations

import asyncio

import numpy as np

from voicebridge.core.io import AudioReceived, PlayoutStarted
from voicebridge.transports.webrtc.intake import MAX_AUDIO, MAX_EVENTS, Intake


def samples(value: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.full(480, value, np.int16)


async def test_what_is_put_comes_out_in_order_and_then_the_end() -> None:
    intake = Intake()
    intake.put_audio(samples(1))
    intake.put(PlayoutStarted("resp_1"))
    intake.close()
    intake.put(PlayoutStarted("too late"))
    first = await intake.get()
    assert isinstance(first, AudioReceived)
    assert await intake.get() == PlayoutStarted("resp_1")
    assert await intake.get() is None


async def test_the_oldest_sound_goes_when_nobody_takes_it_and_events_stay() -> None:
    intake = Intake()
    intake.put(PlayoutStarted("resp_1"))
    for value in range(MAX_AUDIO + 3):
        intake.put_audio(samples(value))
    assert intake.dropped_audio == 3
    assert await intake.get() == PlayoutStarted("resp_1")
    oldest = await intake.get()
    assert isinstance(oldest, AudioReceived)
    assert oldest.samples[0] == 3


async def test_events_over_the_limit_are_refused_and_it_shows() -> None:
    intake = Intake()
    for _ in range(MAX_EVENTS):
        intake.put(PlayoutStarted("resp_1"))
    assert not intake.flooded
    intake.put(PlayoutStarted("one too many"))
    assert intake.flooded


async def test_a_waiting_consumer_wakes_up() -> None:
    intake = Intake()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(intake.get())
        await asyncio.sleep(0)
        intake.put(PlayoutStarted("resp_1"))
    assert waiting.result() == PlayoutStarted("resp_1")
