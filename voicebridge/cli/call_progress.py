"""What a call shows: follows the server's events, in either dialect, and measures each stage. No I/O, no clock."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from voicebridge.audio.samples import EMPTY, Samples

# Beta names of the events followed here; everything else has the same name in both dialects.
_BETA_NAMES = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.text.delta": "response.output_text.delta",
}

STAGES = (
    ("stopped", "end of speech noticed"),
    ("committed", "turn committed"),
    ("response", "answer begun"),
    ("transcript", "words recognised"),
    ("first_text", "first words of the answer"),
    ("first_audio", "first sound of the answer"),
    ("done", "answer complete"),
)


class Screen(Protocol):
    """Where it is shown."""

    def at(self, seconds: float, what: str, text: str = "") -> None:
        """A line: something happened `seconds` into the call."""
        ...

    def words(self, text: str) -> None:
        """More words on the current line."""
        ...


@dataclass
class Turn:
    """Instants (seconds into the call) of one turn, by the names in `STAGES`; `spoken_until` where it can be known."""

    spoken_until: float | None = None
    instants: dict[str, float] = field(default_factory=dict)
    status: str = ""
    written: bool = False

    def mark(self, stage: str, at: float) -> None:
        self.instants.setdefault(stage, at)


class Progress:
    """Feed it every event; it shows them, keeps the answer's sound and knows when the call is over.

    `stream_began` is when the first sample was sent, or None where sound is not sent at its own speed: only in real
    time does a position in the stream tell an instant.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._pieces: list[Samples] = []
        self._silence_s: float | None = None
        self._words_shown = False
        self._awaiting_transcripts: set[str] = set()
        self.stream_began: float | None = None
        self.turns: list[Turn] = []
        self.speaking = False
        self.active_responses = 0
        self.answer_due = False
        self.answered = 0
        self.errors: list[str] = []
        self.settled_at = 0.0

    @property
    def answer(self) -> Samples:
        return np.concatenate(self._pieces) if self._pieces else EMPTY

    @property
    def idle(self) -> bool:
        """Nobody speaks, and every turn so far has its answer."""
        return not self.speaking and not self.active_responses and not self.answer_due

    @property
    def transcripts_due(self) -> bool:
        return bool(self._awaiting_transcripts)

    def on(self, event: Mapping[str, Any], at: float) -> Samples | None:
        """Take in one server event; returns the sound in it, if any."""
        name = str(event.get("type", ""))
        name = _BETA_NAMES.get(name, name)
        self.settled_at = at
        match name:
            case "session.created" | "session.updated":
                self._on_session(event["session"])
            case "input_audio_buffer.speech_started":
                self._on_speech_started(at)
            case "input_audio_buffer.speech_stopped":
                self._on_speech_stopped(event, at)
            case "input_audio_buffer.committed":
                self._turn().mark("committed", at)
                self._awaiting_transcripts.add(event["item_id"])
            case "conversation.item.input_audio_transcription.completed":
                self._on_transcript(event, at)
            case "conversation.item.input_audio_transcription.failed":
                self._awaiting_transcripts.discard(event["item_id"])
                self._show(at, "not understood", str(event["error"].get("message", "")))
            case "response.created":
                self.active_responses += 1
                self.answer_due = False
                self._turn().mark("response", at)
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                self._on_words(event["delta"], at)
            case "response.output_audio.delta":
                return self._on_audio(event["delta"], at)
            case "response.function_call_arguments.done":
                self._show(at, "wants to call", f"{event.get('name', 'a function')}({event['arguments']})")
            case "response.done":
                self._on_done(event["response"], at)
            case "error":
                self._on_error(event["error"], at)
            case _:
                pass
        return None

    def asked(self, at: float) -> None:
        """A written question was sent: the turn begins here."""
        self.turns.append(Turn(instants={"stopped": at}, written=True))
        self.answer_due = True

    def _on_session(self, session: Mapping[str, Any]) -> None:
        detection = session.get("turn_detection") or session.get("audio", {}).get("input", {}).get("turn_detection")
        silence_ms = (detection or {}).get("silence_duration_ms")
        self._silence_s = silence_ms / 1000 if silence_ms is not None else None

    def _on_speech_started(self, at: float) -> None:
        self.speaking = True
        self.turns.append(Turn())
        self._show(at, "speech started")

    def _on_speech_stopped(self, event: Mapping[str, Any], at: float) -> None:
        self.speaking = False
        self.answer_due = True
        turn = self._turn()
        turn.mark("stopped", at)
        if self.stream_began is not None and self._silence_s is not None:
            turn.spoken_until = self.stream_began + event["audio_end_ms"] / 1000 - self._silence_s
        self._show(at, "speech stopped")

    def _on_transcript(self, event: Mapping[str, Any], at: float) -> None:
        self._awaiting_transcripts.discard(event["item_id"])
        self._turn().mark("transcript", at)
        self._show(at, "heard", event["transcript"].strip() or "(nothing intelligible)")

    def _on_words(self, delta: str, at: float) -> None:
        self._turn().mark("first_text", at)
        if not self._words_shown:
            self._show(at, "answer")
            self._words_shown = True
        self._screen.words(delta)

    def _on_audio(self, delta: str, at: float) -> Samples:
        self._turn().mark("first_audio", at)
        samples: Samples = np.frombuffer(base64.b64decode(delta), "<i2").astype(np.int16)
        self._pieces.append(samples)
        return samples

    def _on_done(self, response: Mapping[str, Any], at: float) -> None:
        self.active_responses = max(0, self.active_responses - 1)
        self.answered += 1
        self._words_shown = False
        turn = self._turn()
        turn.mark("done", at)
        turn.status = str(response.get("status", ""))
        if turn.status not in {"completed", ""}:
            details = response.get("status_details") or {}
            reason = (details.get("error") or {}).get("message") or details.get("reason") or ""
            self._show(at, f"answer {turn.status}", str(reason))

    def _on_error(self, error: Mapping[str, Any], at: float) -> None:
        self.errors.append(str(error.get("message", error)))
        self._show(at, "error", self.errors[-1])

    def _show(self, at: float, what: str, text: str = "") -> None:
        # A line of its own interrupts the words of an answer; they go on under a new heading.
        self._words_shown = False
        self._screen.at(at, what, text)

    def _turn(self) -> Turn:
        if not self.turns:
            self.turns.append(Turn())
        return self.turns[-1]


def latencies(turn: Turn) -> list[tuple[str, float, float]]:
    """(stage in words, seconds since the last sound of speech or, where unknown, since its end was noticed, seconds
    since the stage before), in order of time.
    """
    origin = turn.spoken_until if turn.spoken_until is not None else turn.instants.get("stopped")
    if origin is None:
        return []
    reached = sorted((turn.instants[stage], words) for stage, words in STAGES if stage in turn.instants)
    if turn.spoken_until is None:
        reached = [(instant, words) for instant, words in reached if words != STAGES[0][1]]
    rows = []
    before = origin
    for instant, words in reached:
        rows.append((words, instant - origin, instant - before))
        before = instant
    return rows
