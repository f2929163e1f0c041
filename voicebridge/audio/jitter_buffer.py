"""Packets of one live stream in their order, without the delay of a buffer that somebody plays from.

Nobody listens to what comes in while it comes: it is only judged and written down. So a packet that is next in order is
handed on at once, however irregularly packets come. Only at a hole is there anything to wait for, and only as long as
the lateness seen so far makes hope reasonable; then it is declared lost, and everything behind it follows at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

MIN_WAIT_S = 0.02
MAX_WAIT_S = 0.12
MAX_WAITING = 64
"""Packets behind a hole; more are not kept: the hole is given up."""

_MAX_DROPOUT = 3_000  # RFC 3550 appendix A.1: packets further ahead, or further behind, belong to another stream
_MAX_MISORDER = 512
_REMEMBERED_HOLES = 16
_LATENESS_HALF_LIFE_S = 5.0
_HOPE = 1.25  # times the lateness seen
_JITTERS = 2.0  # of the mean deviation: where packets come so irregularly, they may come in another order too


class Sequenced(Protocol):
    @property
    def ssrc(self) -> int: ...

    @property
    def sequence(self) -> int: ...

    @property
    def timestamp(self) -> int: ...


PacketT = TypeVar("PacketT", bound=Sequenced)


class Released(NamedTuple, Generic[PacketT]):
    packet: PacketT
    timestamp: int
    """The packet's, without wrapping round."""
    arrived: float
    """When it came, in the seconds of `now`."""
    lost: int
    """How many packets are missing directly before it."""
    fresh: bool
    """A stream begins with it: sequence numbers and timestamps have nothing to do with those before."""


class _Hole(NamedTuple):
    first: int
    end: int
    found_at: float


@dataclass(slots=True)
class Reception:
    """What a receiver report tells of one source (RFC 3550 section 6.4.1)."""

    ssrc: int
    first: int
    """extended sequence number"""
    highest: int
    """extended sequence number"""
    received: int = 0
    """duplicates and late ones included"""
    jitter: float = 0.0
    """mean deviation in the stream's clock"""

    @property
    def expected(self) -> int:
        return self.highest - self.first + 1


@dataclass(slots=True)
class JitterCounts:
    """Packets, since the beginning."""

    received: int = 0
    lost: int = 0
    """given up"""
    late: int = 0
    """came after they had been given up"""
    duplicated: int = 0


class JitterBuffer(Generic[PacketT]):
    """One per stream; a change of source or a wild jump begins anew, after two packets in sequence have confirmed it.

    Whatever comes: what goes out is in order, nothing goes out twice, and at most `MAX_WAITING` packets are held.
    """

    def __init__(self, clock_rate: int) -> None:
        self.counts = JitterCounts()
        self.reception: Reception | None = None
        """None before the first packet."""
        self._clock_rate = clock_rate
        self._ssrc = 0
        self._next = 0  # extended sequence number
        self._timestamp = 0  # unwrapped, of the packet handed on last
        self._fresh = True
        self._seen = 0  # bit k: the packet k + 1 before the next one has come
        self._waiting: dict[int, tuple[PacketT, float]] = {}
        self._stranger: tuple[PacketT, float] | None = None
        self._holes: deque[_Hole] = deque(maxlen=_REMEMBERED_HOLES)  # given up
        self._lateness = 0.0  # seconds behind a later packet; the worst, fading
        self._lateness_at = 0.0
        self._arrival = (0, 0.0)  # timestamp and time of the packet that came last

    @property
    def held(self) -> int:
        """Packets that wait behind a hole."""
        return len(self._waiting)

    def wait_s(self, now: float) -> float:
        """How long a hole found at `now` would be waited for."""
        jitter = self.reception.jitter / self._clock_rate if self.reception else 0.0
        hope = max(_HOPE * self._faded_lateness(now), _JITTERS * jitter)
        return min(max(hope, MIN_WAIT_S), MAX_WAIT_S)

    def push(self, packet: PacketT, now: float) -> list[Released[PacketT]]:
        """A packet has come; returns those that are in order now."""
        self.counts.received += 1
        if self.reception is None:
            return self._begin(packet, now)
        offset = (packet.sequence - self._next + 0x8000 & 0xFFFF) - 0x8000
        if packet.ssrc != self._ssrc or not -_MAX_MISORDER <= offset < _MAX_DROPOUT:
            return self._meet_stranger(packet, now)
        self._stranger = None
        return self._accept(packet, self._next + offset, now)

    def expire(self, now: float) -> list[Released[PacketT]]:
        """Time has passed: gives up holes that have been waited for long enough."""
        released: list[Released[PacketT]] = []
        while self._waiting:
            found_at = min(at for _, at in self._waiting.values())
            if now < found_at + self.wait_s(now) and len(self._waiting) <= MAX_WAITING:
                break
            released += self._give_up(found_at)
        return released

    def _accept(self, packet: PacketT, number: int, now: float) -> list[Released[PacketT]]:
        self._note_arrival(packet, number, now)
        if number == self._next and not self._waiting:
            return [self._hand_on(packet, now, 0)]
        if number < self._next:
            self._note_late(number, now)
            return []
        return self._insert(packet, number, now)

    def _insert(self, packet: PacketT, number: int, now: float) -> list[Released[PacketT]]:
        if number in self._waiting:
            self.counts.duplicated += 1
            return []
        later = [at for other, (_, at) in self._waiting.items() if other > number]
        if later:
            self._note_lateness(now - min(later), now)
        self._waiting[number] = (packet, now)
        return self._take_in_order(0) + self.expire(now)

    def _begin(self, packet: PacketT, now: float) -> list[Released[PacketT]]:
        self._ssrc, self._next = packet.ssrc, packet.sequence
        self._timestamp = packet.timestamp
        self._fresh, self._seen, self._stranger = True, 0, None
        self._holes.clear()
        self._arrival = (packet.timestamp, now)
        self.reception = Reception(packet.ssrc, packet.sequence, packet.sequence, received=1)
        return [self._hand_on(packet, now, 0)]

    def _meet_stranger(self, packet: PacketT, now: float) -> list[Released[PacketT]]:
        """One packet of another stream proves nothing; the next one in its sequence does."""
        before, self._stranger = self._stranger, (packet, now)
        if before is None:
            return []
        first, arrived = before
        if first.ssrc != packet.ssrc or packet.sequence - first.sequence & 0xFFFF != 1:
            return []
        released: list[Released[PacketT]] = []
        while self._waiting:
            released += self._give_up(now)
        return released + self._begin(first, arrived) + self._accept(packet, self._next, now)

    def _give_up(self, found_at: float) -> list[Released[PacketT]]:
        first = min(self._waiting)
        lost = first - self._next
        self._holes.append(_Hole(self._next, first, found_at))
        self.counts.lost += lost
        self._seen = self._seen << lost & _REMEMBERED
        self._next = first
        return self._take_in_order(lost)

    def _take_in_order(self, lost: int) -> list[Released[PacketT]]:
        released: list[Released[PacketT]] = []
        while self._next in self._waiting:
            packet, arrived = self._waiting.pop(self._next)
            released.append(self._hand_on(packet, arrived, lost))
            lost = 0
        return released

    def _hand_on(self, packet: PacketT, arrived: float, lost: int) -> Released[PacketT]:
        self._next += 1
        self._seen = (self._seen << 1 | 1) & _REMEMBERED
        self._timestamp += _signed32(packet.timestamp - self._timestamp)
        fresh, self._fresh = self._fresh, False
        return Released(packet, self._timestamp, arrived, lost, fresh)

    def _note_arrival(self, packet: PacketT, number: int, now: float) -> None:
        """Interarrival jitter and the highest number, as RFC 3550 appendices A.1 and A.8 have them."""
        reception = self.reception
        assert reception is not None  # noqa: S101 -- told to mypy
        reception.received += 1
        reception.highest = max(reception.highest, number)
        timestamp, at = self._arrival
        step = _signed32(packet.timestamp - timestamp)
        if step:  # packets of one event or frame share theirs
            deviation = abs((now - at) * self._clock_rate - step)
            reception.jitter += (deviation - reception.jitter) / 16
            self._arrival = (packet.timestamp, now)

    def _note_late(self, number: int, now: float) -> None:
        bit = 1 << self._next - 1 - number
        if self._seen & bit:
            self.counts.duplicated += 1
            return
        self._seen |= bit
        self.counts.late += 1
        for hole in self._holes:
            if hole.first <= number < hole.end:
                self._note_lateness(now - hole.found_at, now)

    def _note_lateness(self, seconds: float, now: float) -> None:
        self._lateness = max(self._faded_lateness(now), min(seconds, MAX_WAIT_S))
        self._lateness_at = now

    def _faded_lateness(self, now: float) -> float:
        if not self._lateness:
            return 0.0
        fading: float = 0.5 ** (max(now - self._lateness_at, 0.0) / _LATENESS_HALF_LIFE_S)
        return self._lateness * fading


_REMEMBERED = (1 << _MAX_MISORDER) - 1


def _signed32(difference: int) -> int:
    return (difference + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
