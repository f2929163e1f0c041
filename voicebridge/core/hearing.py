"""The input side of a session: the buffer, and the turns in it. It knows positions and item ids, not conversations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from voicebridge.audio.samples import Samples, ms_to_samples, samples_to_seconds
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.input_buffer import InputBuffer
from voicebridge.core.turns import Began, Ended, TurnDetector, Wondering, prefix_padding
from voicebridge.errors import InvalidState
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.session_config import TurnDetection

SHORTEST_COMMIT = ms_to_samples(100)
QUIET_KEPT = ms_to_samples(15_000)
"""With turn detection on, silence older than this is not kept for a commit by hand."""

JUDGED_SPEECH = ms_to_samples(8_000)
"""How much of the latest audio an end-of-turn model is shown at the most."""


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """Somebody speaks; `start` includes the prefix padding, `item_id` is the message's to be."""

    item_id: str
    start: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """They have finished; `samples` is the whole turn, up to `end`."""

    item_id: str
    end: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class TurnInDoubt:
    """A pause: `samples` is what an end-of-turn model should judge."""

    ticket: int
    samples: Samples


HearingEdge: TypeAlias = TurnBegan | TurnEnded | TurnInDoubt


@dataclass(frozen=True, slots=True)
class CommittedByHand:
    """What the buffer held. `interrupted` tells whether a detected turn was cut short by the commit."""

    item_id: str
    start: int
    end: int
    samples: Samples
    interrupted: bool


class Hearing:
    """Audio in, turns out. `max_buffered` bounds the buffer, in samples."""

    def __init__(self, detection: TurnDetection | None, ids: IdFactory, max_buffered: int) -> None:
        self._ids = ids
        self._buffer = InputBuffer()
        self._max_buffered = max_buffered
        self._overflowed = False
        self._detection = detection
        self._tickets = count(1)
        self._turns = TurnDetector(detection, self._tickets) if detection else None
        self._turn: TurnBegan | None = None

    @property
    def speaking(self) -> bool:
        return self._turn is not None

    def configure(self, detection: TurnDetection | None) -> None:
        """New turn detection: an open turn is forgotten, the audio is kept (protocol 2.3)."""
        if detection == self._detection:
            return
        # a listener that begins to detect begins with a whole window; one that detects goes on
        next_window = self._turns.next_window if self._turns else -(-self._buffer.end // VAD_WINDOW) * VAD_WINDOW
        self._detection = detection
        self._turns = TurnDetector(detection, self._tickets, next_window) if detection else None
        self._turn = None

    def hear(self, samples: Samples, speech: tuple[float, ...]) -> Iterator[HearingEdge]:
        """The edges in it, one at a time: what follows from one is done before the next is looked for."""
        self._buffer.append(samples)
        for probability in speech:
            edge = self._turns.hear(probability) if self._turns is not None else None
            if edge is not None:
                yield self._edge(edge)
        if self._turns is not None and self._turn is None:
            self._buffer.drop_before(self._buffer.end - min(QUIET_KEPT, self._max_buffered))

    def check_room(self) -> None:
        """Drop what is too old. Raises InvalidState at the first loss since the buffer was last emptied."""
        if len(self._buffer) <= self._max_buffered:
            return
        self._buffer.drop_before(self._buffer.end - self._max_buffered)
        if not self._overflowed:
            self._overflowed = True
            raise InvalidState(
                f"The input audio buffer holds {samples_to_seconds(self._max_buffered):.0f} s at the most: the oldest "
                "audio is being dropped. Commit or clear it in time.",
                code="input_audio_buffer_full",
                param="audio",
            )

    def judged(self, ticket: int, probability: float) -> Iterator[HearingEdge]:
        edge = self._turns.judged(ticket, probability) if self._turns is not None else None
        if edge is not None:
            yield self._edge(edge)

    def commit(self) -> CommittedByHand:
        """Take everything. Raises InvalidState below 100 ms; the buffer is as it was then."""
        held = len(self._buffer)
        if held < SHORTEST_COMMIT:
            raise InvalidState(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer "
                f"only has {samples_to_seconds(held) * 1000:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        return self.commit_whatever()

    def commit_whatever(self) -> CommittedByHand:
        """Take everything, be it nothing."""
        start, end, turn = self._buffer.start, self._buffer.end, self._turn
        samples = self._buffer.take(start, end)
        self._reset()
        return CommittedByHand(turn.item_id if turn else self._ids.new("item"), start, end, samples, turn is not None)

    def clear(self) -> None:
        self._buffer.clear()
        self._reset()

    def _reset(self) -> None:
        self._turn = None
        self._overflowed = False
        if self._turns is not None:
            self._turns.reset()

    def _edge(self, edge: Began | Ended | Wondering) -> HearingEdge:
        assert self._detection is not None  # noqa: S101 - edges come from its detector
        match edge:
            case Began(at):
                start = max(self._buffer.start, at - prefix_padding(self._detection))
                self._buffer.drop_before(start)
                self._turn = TurnBegan(self._ids.new("item"), start)
                return self._turn
            case Ended(at):
                turn = self._open_turn()
                self._turn = None
                self._overflowed = False
                return TurnEnded(turn.item_id, at, self._buffer.take(turn.start, at))
            case Wondering(ticket, at):
                return TurnInDoubt(ticket, self._buffer.peek(max(self._open_turn().start, at - JUDGED_SPEECH), at))

    def _open_turn(self) -> TurnBegan:
        assert self._turn is not None  # noqa: S101 - a turn ends after it began
        return self._turn
