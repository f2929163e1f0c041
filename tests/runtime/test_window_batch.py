from __future__ import annotations

import asyncio

import numpy as np
import pytest

from voicebridge.audio.samples import Samples
from voicebridge.audio.silero import SileroDetector
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.errors import EngineError
from voicebridge.runtime.window_batch import FEW, MOST, WindowBatch

pytestmark = pytest.mark.models

CALLS = FEW + 3


def sounds(windows: int, calls: int = CALLS) -> list[list[Samples]]:
    """For each call its own loud noise, in windows."""
    noise = np.random.default_rng(3).normal(0, 4_000, (calls, windows, VAD_WINDOW)).astype(np.int16)
    return [list(sound) for sound in noise]


def alone(sound: list[Samples]) -> list[float]:
    detector = SileroDetector()
    return [detector.probability(window) for window in sound]


async def heard(batch: WindowBatch, sound: list[Samples]) -> list[float]:
    soon = batch.admit(SileroDetector())
    await asyncio.sleep(0)  # until the others are there
    return [await soon(window) for window in sound]


async def test_each_call_hears_what_it_would_hear_alone() -> None:
    batch, said = WindowBatch(), sounds(4)
    together = await asyncio.gather(*(heard(batch, sound) for sound in said))
    assert together == [pytest.approx(alone(sound), abs=1e-4) for sound in said]


async def test_more_windows_than_fit_into_one_run_are_all_judged() -> None:
    batch, said = WindowBatch(), sounds(2, MOST + FEW)
    together = await asyncio.gather(*(heard(batch, sound) for sound in said))
    assert together == [pytest.approx(alone(sound), abs=1e-4) for sound in said]


async def test_a_few_calls_do_not_wait_for_each_other() -> None:
    batch, (sound,) = WindowBatch(), sounds(1, 1)
    waiting = batch.admit(SileroDetector())(sound[0])
    with pytest.raises(StopIteration) as done:
        waiting.__await__().send(None)
    assert done.value.value == alone(sound)[0]


async def test_a_call_that_ends_while_it_waits_takes_nothing_from_the_others() -> None:
    batch, said = WindowBatch(), sounds(2)
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(heard(batch, sound)) for sound in said]
        for _ in range(3):
            await asyncio.sleep(0)
        calls[0].cancel()
    assert [call.result() for call in calls[1:]] == [pytest.approx(alone(sound), abs=1e-4) for sound in said[1:]]


async def test_when_the_model_fails_everybody_who_waits_is_told() -> None:
    batch, said = WindowBatch(), [[np.zeros(0, np.int16)]] * CALLS
    failures = await asyncio.gather(*(heard(batch, sound) for sound in said), return_exceptions=True)
    assert all(isinstance(failure, EngineError) for failure in failures)
    assert len(failures) == CALLS
