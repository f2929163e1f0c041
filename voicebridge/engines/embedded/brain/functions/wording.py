"""An utterance while arguments are taken from it: every taken span is blanked, so that no word serves twice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from voicebridge.engines.embedded.brain.dates import Found, find_day, find_time
from voicebridge.engines.embedded.brain.words import tidy

_BLANK = "\x00"
_LONGEST = 1200  # characters; a minute and a half of speech
_LEAD = re.compile(
    r"^(?:(?:hello|hi|hey|okay|ok|alright|well|so|um|uh|now|please|yes|yeah|no|and|also|then"
    r"|actually|sorry|i meant|i mean|instead"
    r"|what about|how about|make (?:it|that)|can you|could you|would you|will you|i want(?: "
    r"you)? to|i'd like(?: you)? to"
    r"|i would like(?: you)? to|i need(?: you)? to|i want|i'd like|i would like|i need|just"
    r"|let's|go ahead and)[,.!]?\s+)+",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"[\s,]*(?:\b(?:please|thanks|thank you|for me|instead|right now)\b[\s,.!?]*)+$|[\s.!?]+$", re.IGNORECASE
)


@dataclass(slots=True)
class Wording:
    """`text` keeps its length while spans are taken; `lowered` is the same in lower case."""

    original: str
    now: datetime | None
    text: str = field(init=False)
    day: str | None = field(init=False, default=None)
    time: str | None = field(init=False, default=None)
    _day: Found | None = field(init=False, default=None)
    _time: Found | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        short = _LEAD.sub("", tidy(self.original)[:_LONGEST])
        self.text = _TAIL.sub("", short) or tidy(self.original)[:_LONGEST]
        # Both are found at the start: "tonight" is a day and also makes "eight" an hour of the evening.
        self._time = find_time(self.lowered)
        if self.now is not None and (hit := find_day(self.lowered, self.now.date())):
            self._day = Found(hit[0].isoformat(), hit[1], hit[2])

    @property
    def lowered(self) -> str:
        # Some capitals become two letters in lower case; positions must not shift.
        return "".join(char.lower() if len(char.lower()) == 1 else char for char in self.text)

    def take(self, start: int, end: int) -> str:
        """The words of a span, which no later slot can have."""
        words = self.text[start:end]
        self.text = self.text[:start] + _BLANK * (end - start) + self.text[end:]
        return words.replace(_BLANK, " ").strip(" ,.?!;:\"'")

    def find(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.text, re.IGNORECASE)

    def take_day(self) -> str | None:
        """The first day named, as YYYY-MM-DD."""
        if self.day is None and self._day is not None and self._free(self._day):
            self.day = self._day.value
            self._take_with_preposition(self._day)
        return self.day

    def take_time(self) -> str | None:
        """The first time of day, as HH:MM."""
        if self.time is None and self._time is not None and self._free(self._time):
            self.time = self._time.value
            self._take_with_preposition(self._time)
        return self.time

    def _free(self, found: Found) -> bool:
        return bool(self.text[found.start : found.end].strip(_BLANK + " "))

    def _take_with_preposition(self, found: Found) -> None:
        before = re.search(r"\b(?:on|for|at|by|the|from|until|this)\s+$", self.lowered[: found.start])
        self.take(before.start() if before else found.start, found.end)

    def left(self) -> list[str]:
        """What has not been taken, in pieces."""
        return [piece.strip(" ,.?!;:") for piece in self.text.split(_BLANK) if piece.strip(" ,.?!;:")]
