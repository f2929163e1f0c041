"""All calls of this process: admission, the register, the drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from voicebridge.core.io import EndCall
from voicebridge.errors import CapacityReached
from voicebridge.runtime.call import CLOSING_S, DRAINED, Call

_log = logging.getLogger(__name__)


class Calls:
    """At most `max_calls` at once; none any more once draining.

    Whoever brings a call either runs it himself (`run`) or hands it over (`start`), between `running`'s two ends.
    """

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self._places = 0
        self._calls: set[Call] = set()
        self._known: dict[str, Call] = {}
        self._handed_over: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self.draining = False

    def __len__(self) -> int:
        """How many places are taken."""
        return self._places

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place, from before the handshake to the end of the call. Raises CapacityReached when there is none."""
        if self.draining:
            raise CapacityReached("The server is shutting down. Try again in a moment.", code="server_shutting_down")
        if self._places >= self._max_calls:
            raise CapacityReached(
                f"The server has reached its limit of {self._max_calls} simultaneous sessions. Try again later.",
                code="session_limit_reached",
            )
        self._places += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._places -= 1
            if not self._places:
                self._empty.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own the calls that are handed over. Leaving ends all calls."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                yield
            finally:
                await self.drain(0)
                for task in self._handed_over:
                    task.cancel()

    async def run(self, call: Call, call_id: str | None = None) -> EndCall:
        """Run a call that has a place to its end; it can be found by its id meanwhile."""
        self._calls.add(call)
        if call_id is not None:
            self._known[call_id] = call
        if self.draining:
            call.drain()  # it was admitted before, and was shaking hands meanwhile
        try:
            return await call.run()
        finally:
            self._calls.discard(call)
            if call_id is not None:
                del self._known[call_id]

    def start(self, call: Call, call_id: str, done: Callable[[], Awaitable[None]]) -> None:
        """Run a call that has a place in a task of ours, and then `done`, which gives the place back."""
        task = self._tasks.create_task(self._run_handed_over(call, call_id, done))
        self._handed_over.add(task)
        task.add_done_callback(self._handed_over.discard)

    def find(self, call_id: str) -> Call | None:
        """The call that runs under this id, unless it is ending already."""
        call = self._known.get(call_id)
        return None if call is None or call.over else call

    async def _run_handed_over(self, call: Call, call_id: str, done: Callable[[], Awaitable[None]]) -> None:
        try:
            try:
                await self.run(call, call_id)
            finally:
                await done()
        except Exception:  # noqa: BLE001 - any bug, so that it stays this call's
            _log.exception("a call ended by a bug")

    async def drain(self, grace_s: float) -> None:
        """Admit no more, and end each call once its answer is made; whoever is not done by then is cut off.

        Returns when all have said goodbye, which takes `CLOSING_S` after the grace at the most.
        """
        self.draining = True
        for call in self._calls:
            call.drain()
        if not await self._all_gone(grace_s):
            _log.warning("%d calls did not end within %.0f s: cutting them off", len(self._calls), grace_s)
            for call in self._calls:
                call.end(DRAINED)
            await self._all_gone(CLOSING_S + 1)

    async def _all_gone(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
