"""The Protocol that every state implements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class State(Protocol):
    """Facts shared by all processes of one deployment.

    Every method is one atomic step, and everything that can be left behind by a crashed process expires by itself.
    Raises `CapacityReached` where a bounded store is full.
    """

    async def claim_once(self, token_id: str, until_wall: float) -> bool:
        """True for exactly one caller per `token_id`; forgotten after `until_wall` (Unix seconds). SET NX EXAT."""
        ...

    async def hold_call(self, call_id: str, holder: str, ttl_s: float) -> bool:
        """Register `holder` (a process's name) as the one that runs `call_id`, for `ttl_s` seconds.

        False if another holds it. Holding again renews. SET NX EX, or EXPIRE for the same holder.
        """
        ...

    async def holder_of(self, call_id: str) -> str | None: ...

    async def release_call(self, call_id: str, holder: str) -> None:
        """Forget the call, if `holder` holds it; otherwise nothing happens."""
        ...

    async def enter(self, group: str, member: str, *, limit: int, ttl_s: float) -> bool:
        """Count `member` in `group` for `ttl_s` seconds; False, and not counted, if `limit` others are in.

        Entering again renews. A limit of 0 is no limit. A sorted set with expiry times as scores.
        """
        ...

    async def leave(self, group: str, member: str) -> None:
        """Stop counting `member`; nothing happens if it is not counted."""
        ...

    async def count(self, group: str) -> int:
        """How many members are in `group` now."""
        ...

    async def add_usage(self, account: str, amounts: Mapping[str, int]) -> None:
        """Add to the totals of `account` (a key's fingerprint). HINCRBY."""
        ...

    async def usage(self, account: str) -> Mapping[str, int]:
        """The totals of `account` so far."""
        ...
