"""Where the packets of a live stream lie in time: between the sender's clock and ours."""

from __future__ import annotations

from voicebridge.audio.samples import INTERNAL_RATE_HZ

_WINDOW_S = 4.0
_MIN_OUTAGE = INTERNAL_RATE_HZ // 5  # 200 ms
_MAX_OUTAGE = INTERNAL_RATE_HZ * 2 // 5
_MARGIN = INTERNAL_RATE_HZ // 50
_DOUBT = 1.5  # times the lateness seen
_AHEAD = INTERNAL_RATE_HZ  # 1 s: no honest timestamp lies so far beyond what can have been said by now


class RecentMax:
    """The largest value of the last four to eight seconds."""

    def __init__(self, value: float, now: float) -> None:
        self.value = value
        self.turned = False
        """Has a first window passed?"""
        self._before = self._current = value
        self._until = now + _WINDOW_S

    def note(self, value: float, now: float) -> None:
        if now >= self._until:
            self._before, self._current = self._current, value
            self._until = now + _WINDOW_S
            self.turned = True
        elif value > self._current:
            self._current = value
        else:
            return
        self.value = max(self._before, self._current)

    def shift(self, by: float) -> None:
        self._before += by
        self._current += by
        self.value += by


class Timeline:
    """Positions are samples at 24 kHz since the first packet began.

    The *live edge* is how far a stream can have come by now: where its least delayed packet of the last seconds would
    end. It follows the sender's clock, which may be a little fast or slow, and the path, which may grow longer.
    """

    def __init__(self, clock_rate: int, timestamp: int, duration: int, now: float) -> None:
        self._clock_rate = clock_rate
        self._timestamp = timestamp  # unwrapped, of the packet at `_position`
        self._position = 0
        self._latest = timestamp
        self._true_lead = duration - now * INTERNAL_RATE_HZ
        self._lead = RecentMax(self._true_lead, now)  # of positions over our clock
        self._lateness = RecentMax(0.0, now)

    def place(self, timestamp: int, duration: int, given: int, now: float, *, fresh: bool = False) -> int:
        """The position of a packet that came at `now`, when everything before `given` has been handed out.

        A packet that begins a `fresh` stream, goes back in time or lies where nobody can have spoken yet, ends at the
        live edge, and those after it follow.
        """
        position = self._position + (timestamp - self._timestamp) * INTERNAL_RATE_HZ // self._clock_rate
        clock = now * INTERNAL_RATE_HZ
        edge = self._lead.value + clock
        if fresh or timestamp < self._latest or position > edge + _AHEAD:
            position = max(round(edge) - duration, given)
            self._timestamp, self._position = timestamp, position
        self._latest = timestamp
        end = position + duration
        self._lateness.note(edge - end, now)
        turned = self._lead.turned
        self._lead.note(end - clock, now)
        if self._lead.turned and not turned:
            self._true_lead = self._lead.value
        return position

    def edge(self, now: float) -> int:
        return round(self._lead.value + now * INTERNAL_RATE_HZ)

    @property
    def outage(self) -> int:
        """When nothing has come for so many samples, it is not just late: more than the latest packet of the last
        seconds, within 200 to 400 ms.
        """
        return min(max(round(_DOUBT * self._lateness.value) + _MARGIN, _MIN_OUTAGE), _MAX_OUTAGE)

    @property
    def drift(self) -> float:
        """How far positions have run ahead of real time (negative: fallen behind) since the first seconds.

        In those, the first packets may turn out to have been late by up to a second, which is no drift.
        """
        drift = self._lead.value - self._true_lead
        return drift if self._lead.turned else max(drift - _AHEAD, 0.0)

    def shift(self, samples: int) -> None:
        """So many samples of the stream were left out (negative: put in): what follows lies earlier (later)."""
        self._position -= samples
        self._lead.shift(-samples)

    def skip(self, samples: int) -> None:
        """So much time has passed that is not to count, neither in the stream nor on our clock."""
        self.shift(samples)
        self._true_lead -= samples
