"""From speech probabilities to turns: where somebody began to speak, and where they ended (protocol 5.3).

Time here is audio: positions are samples since the session's beginning, and silence is silent audio that arrived. The
window grid is the listener's, `VAD_WINDOW` samples, aligned to position 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from voicebridge.audio.samples import ms_to_samples
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.lifecycle import TURN_MOVES, Turn, TurnInput, moved
from voicebridge.core.onset import Onset
from voicebridge.protocol.session_config import SemanticVad, ServerVad, TurnDetection

RELEASE_MARGIN = 0.15
"""Speech goes on while the probability is above the threshold less this (but never below 0.05)."""

ONSET_LEAD = ms_to_samples(24)
END_LAG = ms_to_samples(48)
"""How much earlier than its windows say speech begins and ends: the detector's own inertia (docs/audio.md)."""

FIRST_JUDGEMENT = ms_to_samples(200)
NEXT_JUDGEMENT = ms_to_samples(400)
_SEMANTIC_THRESHOLD = 0.5
_LONGEST_PAUSE_MS = {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}
_FINISHED_AT = {"low": 0.7, "medium": 0.5, "auto": 0.5, "high": 0.35}


@dataclass(frozen=True, slots=True)
class Began:
    """Speech began at this position (prefix padding not taken off)."""

    at: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over; its audio, closing silence included, ends at this position."""

    at: int


@dataclass(frozen=True, slots=True)
class Wondering:
    """A pause that may be the end: ask whether the speaker, heard up to this position, has finished."""

    ticket: int
    at: int


Edge: TypeAlias = Began | Ended | Wondering


class TurnDetector:
    """One speaker's turns; `first_window` is where the first window that it will hear of begins.

    `tickets` outlive it: a judgement that was asked for by another detector of the session must not count here.
    """

    def __init__(self, settings: TurnDetection, tickets: Iterator[int], first_window: int = 0) -> None:
        self._settings = settings
        semantic = isinstance(settings, SemanticVad)
        self._threshold = _SEMANTIC_THRESHOLD if isinstance(settings, SemanticVad) else settings.threshold
        self._release = max(self._threshold - RELEASE_MARGIN, min(self._threshold, 0.05))
        self._longest_pause = ms_to_samples(
            _LONGEST_PAUSE_MS[settings.eagerness] if isinstance(settings, SemanticVad) else settings.silence_duration_ms
        )
        self._semantic = semantic
        self._window_start = first_window
        self._state = Turn.QUIET
        self._onset = Onset(self._threshold, self._release)
        self._speech_end = 0
        self._judge_at = 0
        self._tickets = tickets
        self._ticket = next(tickets)

    @property
    def next_window(self) -> int:
        """Where the next window begins."""
        return self._window_start

    @property
    def speaking(self) -> bool:
        """Is a turn open? A pause within it counts."""
        return self._state is not Turn.QUIET

    def hear(self, probability: float) -> Edge | None:
        """The edge that the next window brings."""
        start = self._window_start
        self._window_start = start + VAD_WINDOW
        if self._state is Turn.QUIET:
            return self._listen_for_beginning(probability, start)
        return self._listen_for_end(probability, start + VAD_WINDOW)

    def judged(self, ticket: int, probability: float) -> Edge | None:
        """A judgement came; it counts only for the pause it was asked about."""
        settings = self._settings
        if ticket != self._ticket or self._state is not Turn.PAUSING or not isinstance(settings, SemanticVad):
            return None
        return self._end(self._window_start) if probability >= _FINISHED_AT[settings.eagerness] else None

    def reset(self) -> None:
        """Forget an open turn; no edge follows."""
        self._move(TurnInput.RESET)
        self._ticket = next(self._tickets)
        self._onset.reset()

    def _listen_for_beginning(self, probability: float, start: int) -> Edge | None:
        onset = self._onset.hear(probability, start)
        if onset is None:
            return None
        self._move(TurnInput.BEGUN)
        self._speech_end = start + VAD_WINDOW
        return Began(max(0, onset - ONSET_LEAD))

    def _listen_for_end(self, probability: float, end: int) -> Edge | None:
        if probability >= self._release:
            if self._state is Turn.PAUSING:
                self._ticket = next(self._tickets)  # whatever was asked about that pause is void
            self._move(TurnInput.VOICED)
            self._speech_end = end
            return None
        if self._state is Turn.SPEAKING:
            self._judge_at = self._speech_end - END_LAG + FIRST_JUDGEMENT
        self._move(TurnInput.UNVOICED)
        over = self._speech_end - END_LAG + self._longest_pause
        if end >= over:
            return self._end(over)
        if not self._semantic or end < self._judge_at:
            return None
        self._judge_at = end + NEXT_JUDGEMENT
        self._ticket = next(self._tickets)
        return Wondering(self._ticket, end)

    def _end(self, at: int) -> Ended:
        self._move(TurnInput.ENDED)
        self._ticket = next(self._tickets)
        return Ended(at)

    def _move(self, move: TurnInput) -> None:
        self._state = moved(TURN_MOVES, self._state, move)


def prefix_padding(settings: TurnDetection) -> int:
    """Samples before the onset that belong to the turn; semantic VAD has no setting for it and takes the default."""
    return ms_to_samples(settings.prefix_padding_ms if isinstance(settings, ServerVad) else 300)
