from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from voicebridge.cli.call_progress import Progress, latencies


class Lines:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def at(self, seconds: float, what: str, text: str = "") -> None:
        self.shown.append(f"{seconds:.1f} {what} {text}".strip())

    def words(self, text: str) -> None:
        self.shown[-1] += "|" + text


def event(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": "e", **members}


DETECTION = {"type": "server_vad", "silence_duration_ms": 500}
SPOKEN = (
    (0.1, event("session.updated", session={"audio": {"input": {"turn_detection": DETECTION}}})),
    (1.0, event("input_audio_buffer.speech_started", item_id="i", audio_start_ms=700)),
    (3.02, event("input_audio_buffer.speech_stopped", item_id="i", audio_end_ms=2500)),
    (3.03, event("input_audio_buffer.committed", item_id="i")),
    (3.1, event("conversation.item.input_audio_transcription.completed", item_id="i", transcript=" What time? ")),
    (3.11, event("response.created", response={"id": "r"})),
)


def sound(*values: int) -> str:
    return base64.b64encode(np.array(values, "<i2").tobytes()).decode()


def played(*events: tuple[float, dict[str, Any]], began: float | None = 0.5) -> tuple[Progress, Lines]:
    lines = Lines()
    progress = Progress(lines)
    progress.stream_began = began
    for at, one in events:
        progress.on(one, at)
    return progress, lines


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        ("response.output_audio.delta", "response.output_audio_transcript.delta"),
        ("response.audio.delta", "response.audio_transcript.delta"),
    ],
)
def test_a_spoken_turn_is_shown_in_either_dialect(audio: str, words: str) -> None:
    progress, lines = played(
        *SPOKEN,
        (3.2, event(words, delta="It is")),
        (3.3, event(audio, delta=sound(1, 2))),
        (3.4, event(words, delta=" noon.")),
        (3.5, event(audio, delta=sound(-3))),
        (4.0, event("response.done", response={"status": "completed"})),
    )
    assert lines.shown == [
        "1.0 speech started",
        "3.0 speech stopped",
        "3.1 heard What time?",
        "3.2 answer|It is| noon.",
    ]
    assert progress.answer.tolist() == [1, 2, -3]
    assert progress.idle
    assert not progress.transcripts_due


def test_latencies_count_from_the_last_sound_of_speech_in_real_time() -> None:
    progress, _ = played(
        *SPOKEN,
        (3.3, event("response.output_audio.delta", delta=sound(1))),
        (4.0, event("response.done", response={"status": "completed"})),
    )
    # The stream began at 0.5 s and speech ended 2.0 s into it.
    rows = {words: (round(total, 3), round(step, 3)) for words, total, step in latencies(progress.turns[0])}
    assert rows == {
        "end of speech noticed": (0.52, 0.52),
        "turn committed": (0.53, 0.01),
        "words recognised": (0.6, 0.07),
        "answer begun": (0.61, 0.01),
        "first sound of the answer": (0.8, 0.19),
        "answer complete": (1.5, 0.7),
    }


def test_latencies_count_from_the_end_noticed_where_sound_was_not_sent_at_its_speed() -> None:
    progress, _ = played(*SPOKEN, began=None)
    assert progress.turns[0].spoken_until is None
    assert latencies(progress.turns[0])[0][0] == "turn committed"
    assert latencies(progress.turns[0])[0][1] == pytest.approx(0.01)


def test_a_turn_is_open_until_its_answer_is_done() -> None:
    progress, _ = played()
    open_after = []
    for at, one in (*SPOKEN, (4.0, event("response.done", response={"status": "completed"}))):
        progress.on(one, at)
        open_after.append(not progress.idle)
    assert open_after == [False, True, True, True, True, True, False]


def test_an_interrupted_answer_says_so() -> None:
    progress, lines = played(
        *SPOKEN,
        (3.2, event("response.output_audio_transcript.delta", delta="It")),
        (3.3, event("input_audio_buffer.speech_started", item_id="j", audio_start_ms=3000)),
        (3.4, event("response.done", response={"status": "cancelled", "status_details": {"reason": "turn_detected"}})),
    )
    assert lines.shown[-2:] == ["3.3 speech started", "3.4 answer cancelled turn_detected"]
    assert progress.speaking


def test_failures_are_shown_with_their_reason() -> None:
    failed = {"status": "failed", "status_details": {"type": "failed", "error": {"message": "engine restarted"}}}
    progress, lines = played(
        *SPOKEN,
        (3.2, event("response.done", response=failed)),
        (3.3, event("error", error={"message": "no such item"})),
        (3.4, event("conversation.item.input_audio_transcription.failed", item_id="i", error={"message": "noise"})),
    )
    assert lines.shown[-3:] == [
        "3.2 answer failed engine restarted",
        "3.3 error no such item",
        "3.4 not understood noise",
    ]
    assert progress.errors == ["no such item"]


def test_a_written_question_is_a_turn_of_its_own() -> None:
    progress, lines = played()
    progress.asked(1.0)
    assert not progress.idle
    progress.on(event("response.created", response={}), 1.1)
    progress.on(event("response.output_text.delta", delta="Yes."), 1.2)
    progress.on(event("response.done", response={"status": "completed"}), 1.3)
    assert lines.shown == ["1.2 answer|Yes."]
    assert [words for words, _, _ in latencies(progress.turns[0])] == [
        "answer begun",
        "first words of the answer",
        "answer complete",
    ]


def test_silence_that_the_recogniser_heard_is_named() -> None:
    _, lines = played((1.0, event("conversation.item.input_audio_transcription.completed", item_id="i", transcript="")))
    assert lines.shown == ["1.0 heard (nothing intelligible)"]


def test_unknown_events_are_of_no_interest() -> None:
    progress, lines = played((1.0, event("rate_limits.updated", rate_limits=[])), (1.1, {"other": 1}))
    assert lines.shown == []
    assert progress.idle
