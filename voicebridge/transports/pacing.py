"""How fast a client may send: token buckets. Who can be made to wait loses nothing; datagrams can only be dropped."""

from __future__ import annotations


class EventRate:
    """`per_s` events a second in the long run, `burst` at once."""

    def __init__(self, per_s: float, burst: int, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def delay(self, now: float) -> float:
        """Count one event; how many seconds to wait before the next is read (0 within the rate)."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s) - 1
        self._at = now
        return 0.0 if self._tokens >= 0 else -self._tokens / self._per_s


class PacketRate:
    """`per_s` packets a second in the long run, `burst` at once."""

    def __init__(self, per_s: float, burst: int, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def admits(self, now: float) -> bool:
        """Is one more packet within the rate? One that is not counts for nothing, so a flood leaves no debt."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
