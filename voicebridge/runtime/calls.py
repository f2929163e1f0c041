"""All calls of this process: admission, the register, the drain."""

from __future__ import annotations

import asyncio
import logging

from voicebridge.core.io import EndCall
from voicebridge.errors import CapacityReached
from voicebridge.runtime.call import Call

_log = logging.getLogger(__name__)

BROKEN = EndCall(1011, "server_error.internal_error")


class Calls:
    """At most `max_calls` at once; none any more once draining."""

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self._calls: set[Call] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self.draining = False

    def __len__(self) -> int:
        return len(self._calls)

    def admit(self) -> None:
        """Raises CapacityReached when there is no place."""
        if self.draining:
            raise CapacityReached("The server is shutting down. Try again in a moment.", code="server_shutting_down")
        if len(self._calls) >= self._max_calls:
            raise CapacityReached(
                f"The server has reached its limit of {self._max_calls} simultaneous sessions. Try again later.",
                code="session_limit_reached",
            )

    async def run(self, call: Call) -> EndCall:
        """Run an admitted call to its end. A bug in it ends it and is logged; the other calls never notice."""
        self._calls.add(call)
        self._empty.clear()
        try:
            return await call.run()
        except Exception:  # noqa: BLE001 - any bug, so that it stays this call's
            _log.exception("a call ended by a bug")
            return BROKEN
        finally:
            self._calls.discard(call)
            if not self._calls:
                self._empty.set()

    async def drain(self, grace_s: float) -> None:
        """Admit no more, and end each call once its answer is made; whoever is not done by then is cut off."""
        self.draining = True
        for call in self._calls:
            call.drain()
        try:
            async with asyncio.timeout(grace_s):
                await self._empty.wait()
        except TimeoutError:
            _log.warning("%d calls did not end within %.0f s", len(self._calls), grace_s)
