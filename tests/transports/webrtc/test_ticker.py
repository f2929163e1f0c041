from __future__ import annotations

import asyncio
import itertools
import logging
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from voicebridge.transports.webrtc.rtp import FRAME_S
from voicebridge.transports.webrtc.ticker import MAX_CATCH_UP, Ticker


class InstantSelector(selectors.SelectSelector):
    """Waits no time; says how long it should have."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is not None:
            self.waited += timeout
        return events


class InstantLoop(asyncio.SelectorEventLoop):
    """A loop whose clock moves only by being waited for, or by hand."""

    def __init__(self) -> None:
        self._instant = InstantSelector()
        self.stalled = 0.0
        super().__init__(self._instant)

    def time(self) -> float:
        return 1000.0 + self._instant.waited + self.stalled


def no_failure(error: Exception) -> None:
    raise error


def running(ticker: Ticker, scenario: Callable[[InstantLoop], Coroutine[Any, Any, None]]) -> None:
    """The ticker runs until the scenario, which shares its loop, has ended."""

    async def both() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, InstantLoop)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(ticker.run())
            await scenario(loop)
            task.cancel()

    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        runner.run(both())


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


def test_ticks_are_whole_frames_apart_and_do_not_drift(ticker: Ticker) -> None:
    times: list[float] = []

    async def scenario(loop: InstantLoop) -> None:
        ticker.add(times.append, no_failure)
        await asyncio.sleep(60)

    running(ticker, scenario)
    assert len(times) in (3000, 3001)
    assert times == pytest.approx([times[0] + n * FRAME_S for n in range(len(times))], abs=1e-9)
    assert (ticker.missed, ticker.late) == (0, 0)


def test_the_time_of_a_tick_is_the_schedule_and_not_when_it_was_called(ticker: Ticker) -> None:
    times: list[float] = []

    async def scenario(loop: InstantLoop) -> None:
        def slow(now: float) -> None:
            times.append(now)
            loop.stalled += 0.007

        ticker.add(slow, no_failure)
        await asyncio.sleep(1)

    running(ticker, scenario)
    assert times == pytest.approx([times[0] + n * FRAME_S for n in range(len(times))], abs=1e-9)


def test_a_short_stall_is_caught_up_in_full(ticker: Ticker) -> None:
    times: list[float] = []

    async def scenario(loop: InstantLoop) -> None:
        ticker.add(times.append, no_failure)
        await asyncio.sleep(0.1)
        loop.stalled += 4 * FRAME_S
        await asyncio.sleep(0.1)

    running(ticker, scenario)
    assert times == pytest.approx([times[0] + n * FRAME_S for n in range(len(times))], abs=1e-9)
    assert ticker.missed == 0
    assert 1 <= ticker.late <= 3


def test_after_a_long_stall_a_few_ticks_are_caught_up_and_the_rest_is_counted(ticker: Ticker) -> None:
    times: list[float] = []

    async def scenario(loop: InstantLoop) -> None:
        ticker.add(times.append, no_failure)
        await asyncio.sleep(0.1)
        loop.stalled += 1.0
        await asyncio.sleep(0.1)

    running(ticker, scenario)
    gaps = [round((later - earlier) / FRAME_S) for earlier, later in itertools.pairwise(times)]
    jump = max(gaps)
    assert jump > 50 - MAX_CATCH_UP
    assert ticker.missed == jump - 1
    assert sorted(gaps)[:-1] == [1] * (len(gaps) - 1)
    assert ticker.late >= 2


def test_nothing_wakes_up_while_nobody_is_there_and_nothing_counts_as_missed(ticker: Ticker) -> None:
    times: list[float] = []

    async def scenario(loop: InstantLoop) -> None:
        first = ticker.add(times.append, no_failure)
        await asyncio.sleep(0.1)
        ticker.remove(first)
        await asyncio.sleep(0.05)
        heard = len(times)
        loop.stalled += 3600
        await asyncio.sleep(0.05)
        assert len(times) == heard
        ticker.add(times.append, no_failure)
        await asyncio.sleep(0.1)

    running(ticker, scenario)
    assert ticker.missed == 0
    steps = [(time - times[0]) / FRAME_S for time in times]
    assert steps == pytest.approx([round(step) for step in steps], abs=1e-6)


def test_one_that_raises_is_logged_once_and_removed_and_its_owner_told(
    ticker: Ticker, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Exception] = []
    heard: list[float] = []

    def broken(_now: float) -> None:
        raise RuntimeError("boom")

    async def scenario(loop: InstantLoop) -> None:
        ticker.add(broken, told.append)
        ticker.add(heard.append, no_failure)
        await asyncio.sleep(0.2)

    with caplog.at_level(logging.ERROR):
        running(ticker, scenario)
    assert [str(error) for error in told] == ["boom"]
    assert len(caplog.records) == 1
    assert len(heard) > 5


def test_one_removed_by_another_in_the_same_tick_is_not_called(ticker: Ticker) -> None:
    heard: list[float] = []

    async def scenario(loop: InstantLoop) -> None:
        ticker.add(lambda _now: ticker.remove(second), no_failure)
        second = ticker.add(heard.append, no_failure)
        await asyncio.sleep(0.1)
        ticker.remove(second)

    running(ticker, scenario)
    assert heard == []
