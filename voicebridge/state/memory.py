"""State for one process: dictionaries that forget on their own, without a task to sweep them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping

from voicebridge.errors import CapacityReached


class _Expiring:
    """Names with a value and an end; at most `bound` of them. Ends are kept in a heap and applied on each access."""

    __slots__ = ("_bound", "_ends", "_live")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._live: dict[str, tuple[float, str]] = {}
        self._ends: list[tuple[float, str]] = []

    def get(self, name: str, now: float) -> str | None:
        self._expire(now)
        found = self._live.get(name)
        return found[1] if found else None

    def put(self, name: str, value: str, until: float, now: float) -> None:
        self._expire(now)
        if name not in self._live and len(self._live) >= self._bound:
            raise CapacityReached("The server is at capacity. Please try again later.", code="capacity_reached")
        self._live[name] = (until, value)
        heapq.heappush(self._ends, (until, name))
        if len(self._ends) > 2 * self._bound + 64:
            # Renewals leave their old ends behind.
            self._ends = [(end, key) for key, (end, _) in self._live.items()]
            heapq.heapify(self._ends)

    def pop(self, name: str) -> None:
        self._live.pop(name, None)

    def size(self, now: float) -> int:
        self._expire(now)
        return len(self._live)

    def _expire(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            end, name = heapq.heappop(self._ends)
            # A renewed name has a later end further down the heap.
            if name in self._live and self._live[name][0] <= end:
                del self._live[name]


class InMemoryState:
    """`State` for one process. `wall` gives Unix seconds; each kind of entry is bounded by `bound`."""

    def __init__(self, wall: Callable[[], float], *, bound: int = 100_000) -> None:
        self._wall = wall
        self._bound = bound
        self._claims = _Expiring(bound)
        self._calls = _Expiring(bound)
        self._groups: dict[str, _Expiring] = {}
        self._usage: dict[str, dict[str, int]] = {}

    # Nothing below awaits, so each method is one step of the event loop: atomic.

    async def claim_once(self, token_id: str, until_wall: float) -> bool:
        now = self._wall()
        if until_wall <= now or self._claims.get(token_id, now) is not None:
            return False
        self._claims.put(token_id, "", until_wall, now)
        return True

    async def hold_call(self, call_id: str, holder: str, ttl_s: float) -> bool:
        now = self._wall()
        if self._calls.get(call_id, now) not in {None, holder}:
            return False
        self._calls.put(call_id, holder, now + ttl_s, now)
        return True

    async def holder_of(self, call_id: str) -> str | None:
        return self._calls.get(call_id, self._wall())

    async def release_call(self, call_id: str, holder: str) -> None:
        if self._calls.get(call_id, self._wall()) == holder:
            self._calls.pop(call_id)

    async def enter(self, group: str, member: str, *, limit: int, ttl_s: float) -> bool:
        now = self._wall()
        if group not in self._groups:
            self._forget_empty_groups(now)
        members = self._groups.setdefault(group, _Expiring(self._bound))
        if members.get(member, now) is None and limit and members.size(now) >= limit:
            return False
        members.put(member, "in", now + ttl_s, now)
        return True

    async def leave(self, group: str, member: str) -> None:
        if members := self._groups.get(group):
            members.pop(member)
            if not members.size(self._wall()):
                del self._groups[group]

    async def count(self, group: str) -> int:
        members = self._groups.get(group)
        return members.size(self._wall()) if members else 0

    async def add_usage(self, account: str, amounts: Mapping[str, int]) -> None:
        if account not in self._usage and len(self._usage) >= self._bound:
            raise CapacityReached("Too many accounts to keep usage of.", code="capacity_reached")
        totals = self._usage.setdefault(account, {})
        for name, amount in amounts.items():
            totals[name] = totals.get(name, 0) + amount

    async def usage(self, account: str) -> Mapping[str, int]:
        return dict(self._usage.get(account, {}))

    def _forget_empty_groups(self, now: float) -> None:
        if len(self._groups) < self._bound:
            return
        self._groups = {name: members for name, members in self._groups.items() if members.size(now)}
        if len(self._groups) >= self._bound:
            raise CapacityReached("The server is at capacity. Please try again later.", code="capacity_reached")
