"""One clock for all calls of the process: 50 ticks a second on an absolute schedule."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from voicebridge.transports.webrtc.rtp import FRAME_S

Tick: TypeAlias = Callable[[float], None]
"""Gets the time of the tick on the schedule, in the loop's seconds: never jittered, whole `FRAME_S` apart."""

MAX_CATCH_UP = 5
"""Ticks called in a row after a stall; what was missed beyond that is only counted."""

LATE_S = 0.04

_TIMER_STEP_S = 0.001

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """What `Ticker.add` gives and `Ticker.remove` takes."""

    tick: Tick
    failed: Callable[[Exception], None]


class Ticker:
    """Calls everything that was added, each `FRAME_S`. One task for all calls costs one wake-up instead of one each.

    The schedule is the first tick plus whole frames: it never drifts, and does not stand still while nobody is there,
    though nothing wakes up then.
    """

    def __init__(self) -> None:
        self._subscriptions: dict[Subscription, None] = {}  # in the order they came; replaced, never changed in place
        self._wanted = asyncio.Event()
        self.missed = 0
        """Ticks that were never called, however many would have heard them."""
        self.late = 0
        """Calls of a tick more than `LATE_S` after its time."""

    def add(self, tick: Tick, failed: Callable[[Exception], None]) -> Subscription:
        """From the next tick on. A `tick` that raises is logged and removed; `failed` is told, and must not raise."""
        subscription = Subscription(tick, failed)
        # A new one each time: a tick may add and remove while the old one is being walked through.
        self._subscriptions = {**self._subscriptions, subscription: None}
        self._wanted.set()
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Not called any more, not even in the tick that is running. One that is not there is no error."""
        self._subscriptions = {other: None for other in self._subscriptions if other is not subscription}
        if not self._subscriptions:
            self._wanted.clear()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        begun, number = loop.time(), 0
        while True:
            if not self._subscriptions:
                await self._wanted.wait()
                number = max(number, _ticks_since(begun, loop.time()) + 1)
            await asyncio.sleep(begun + number * FRAME_S - loop.time())
            due = _ticks_since(begun, loop.time()) + 1 - number
            if due > MAX_CATCH_UP:
                self.missed += due - MAX_CATCH_UP
                number += due - MAX_CATCH_UP
            for _ in range(min(due, MAX_CATCH_UP)):
                self._call_all(begun + number * FRAME_S, loop)
                number += 1

    def _call_all(self, scheduled: float, loop: asyncio.AbstractEventLoop) -> None:
        subscriptions = self._subscriptions
        for subscription in subscriptions:
            if self._subscriptions is not subscriptions and subscription not in self._subscriptions:
                continue  # removed by one that was called before it
            if loop.time() > scheduled + LATE_S:
                self.late += 1
            try:
                subscription.tick(scheduled)
            except Exception as error:  # noqa: BLE001 -- one call's fault must not silence the others
                _log.exception("a tick failed; it will not be called again")
                self.remove(subscription)
                subscription.failed(error)


def _ticks_since(begun: float, now: float) -> int:
    """The number of the latest tick that is due. Timers have steps of 1 ms and may wake that much early."""
    return int((now - begun + _TIMER_STEP_S) / FRAME_S)
