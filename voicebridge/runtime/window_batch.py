"""Voice activity of all calls of the loop, judged together.

The model is the largest cost of a listening call, and most of that is what one run costs however many windows are in
it. Each call completes a window every 32 ms, at an instant of its own; where there are many calls, a few milliseconds
of patience bring several windows into one run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple
from weakref import WeakSet

from voicebridge.audio.samples import Samples
from voicebridge.audio.silero import SileroDetector, judge_together

PATIENCE_S = 0.005
"""How long a window waits for others; an interruption is noticed that much later, of about 100 ms."""

FEW = 8
"""Up to so many calls nobody waits: two windows would seldom meet."""

MOST = 32
"""Windows in one run: then nothing else of the loop waits for it longer than two milliseconds."""


class _Waiting(NamedTuple):
    detector: SileroDetector
    window: Samples
    judged: asyncio.Future[float]


class WindowBatch:
    """One for all calls of a loop."""

    def __init__(self) -> None:
        self._detectors: WeakSet[SileroDetector] = WeakSet()
        self._waiting: list[_Waiting] = []

    def admit(self, detector: SileroDetector) -> Callable[[Samples], Awaitable[float]]:
        """What judges a window for this detector, together with others. One at a time; raises EngineError."""
        self._detectors.add(detector)
        return partial(self._judge, detector)

    async def _judge(self, detector: SileroDetector, window: Samples) -> float:
        if len(self._detectors) <= FEW:
            return detector.probability(window)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            # The list tells which batch is meant, should it have been full before its time.
            loop.call_later(PATIENCE_S, self._run, self._waiting)
        waiting = self._waiting
        judged: asyncio.Future[float] = loop.create_future()
        waiting.append(_Waiting(detector, window, judged))
        if len(waiting) >= MOST:
            self._run(waiting)
        return await judged

    def _run(self, batch: list[_Waiting]) -> None:
        if batch is not self._waiting:
            return
        self._waiting = []
        wanted = [one for one in batch if not one.judged.done()]  # others belong to calls that have ended
        if not wanted:
            return
        try:
            speech = judge_together([one.detector for one in wanted], [one.window for one in wanted])
        except Exception as error:  # noqa: BLE001 - whoever waits must be told, whatever it is
            for one in wanted:
                one.judged.set_exception(error)
            return
        for one, probability in zip(wanted, speech, strict=True):
            one.judged.set_result(probability)
