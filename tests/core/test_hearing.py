from __future__ import annotations

import numpy as np
import pytest

from voicebridge.audio.samples import EMPTY, Samples, ms_to_samples
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.hearing import (
    JUDGED_SPEECH,
    QUIET_KEPT,
    SHORTEST_COMMIT,
    Hearing,
    HearingEdge,
    TurnBegan,
    TurnEnded,
    TurnInDoubt,
)
from voicebridge.errors import InvalidState
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.session_config import SemanticVad, ServerVad, TurnDetection

VAD = ServerVad(threshold=0.5, prefix_padding_ms=320, silence_duration_ms=480)
ROOM = ms_to_samples(60_000)


class Ear:
    """A hearing that is fed windows; every sample is the number of its window."""

    def __init__(self, detection: TurnDetection | None = VAD, max_buffered: int = ROOM) -> None:
        self.hearing = Hearing(detection, IdFactory(1), max_buffered)
        self.detecting = detection is not None
        self.windows = 0

    def hear(self, probability: float, windows: int) -> list[HearingEdge]:
        edges: list[HearingEdge] = []
        for _ in range(windows):
            samples: Samples = np.full(VAD_WINDOW, self.windows, np.int16)
            self.windows += 1
            edges += self.hearing.hear(samples, (probability,) if self.detecting else ())
        return edges

    def turn(self) -> tuple[TurnBegan, TurnEnded]:
        began, ended = [*self.hear(0.9, 10), *self.hear(0.0, 20)]
        assert isinstance(began, TurnBegan)
        assert isinstance(ended, TurnEnded)
        return began, ended


def test_a_turn_is_the_audio_between_its_positions() -> None:
    ear = Ear()
    ear.hear(0.0, 30)
    began, ended = ear.turn()
    assert began.item_id == ended.item_id
    assert len(ended.samples) == ended.end - began.start
    assert ended.samples[0] == began.start // VAD_WINDOW
    assert ended.samples[-1] == (ended.end - 1) // VAD_WINDOW
    assert 30 * VAD_WINDOW - ms_to_samples(320) - VAD_WINDOW <= began.start < 30 * VAD_WINDOW


def test_the_padding_ends_where_the_audio_before_was_taken() -> None:
    ear = Ear(VAD.model_copy(update={"prefix_padding_ms": 5_000}))
    first, ended = ear.turn()
    assert first.start == 0
    second, _ = ear.turn()
    assert second.start == ended.end


def test_quiet_is_kept_for_a_commit_by_hand_but_not_for_ever() -> None:
    ear = Ear()
    ear.hear(0.0, QUIET_KEPT // VAD_WINDOW + 100)
    committed = ear.hearing.commit()
    assert not committed.interrupted
    assert len(committed.samples) == QUIET_KEPT == committed.end - committed.start


def test_without_detection_everything_is_kept() -> None:
    ear = Ear(None)
    assert ear.hear(0.9, 600) == []
    assert len(ear.hearing.commit().samples) == 600 * VAD_WINDOW


def test_a_commit_by_hand_takes_the_turn_and_its_item() -> None:
    ear = Ear()
    ear.hear(0.0, 50)
    (began,) = ear.hear(0.9, 10)
    assert isinstance(began, TurnBegan)
    committed = ear.hearing.commit()
    assert (committed.item_id, committed.start, committed.interrupted) == (began.item_id, began.start, True)
    assert not ear.hearing.speaking
    assert len(ear.hearing.commit_whatever().samples) == 0


def test_too_little_is_refused_and_stays() -> None:
    hearing = Hearing(None, IdFactory(1), ROOM)
    samples = np.ones(SHORTEST_COMMIT - 1, np.int16)
    assert list(hearing.hear(samples, ())) == []
    with pytest.raises(InvalidState) as error:
        hearing.commit()
    assert error.value.code == "input_audio_buffer_commit_empty"
    assert "99.96ms" in error.value.message
    list(hearing.hear(samples[:1], ()))
    assert len(hearing.commit().samples) == SHORTEST_COMMIT


def test_the_first_loss_of_a_full_buffer_is_told_until_it_is_emptied() -> None:
    ear = Ear(None, max_buffered=10 * VAD_WINDOW)
    ear.hear(0.0, 10)
    ear.hearing.check_room()
    for emptied in range(2):
        ear.hear(0.0, 11)
        with pytest.raises(InvalidState):
            ear.hearing.check_room()
        ear.hear(0.0, 1)
        ear.hearing.check_room()
        assert len(ear.hearing.commit().samples) == 10 * VAD_WINDOW, emptied


def test_detection_that_begins_in_the_middle_begins_with_a_whole_window() -> None:
    ear = Ear(None)
    list(ear.hearing.hear(np.zeros(1_000, np.int16), ()))
    ear.hearing.configure(VAD)
    list(ear.hearing.hear(np.zeros(2 * VAD_WINDOW - 1_000, np.int16), ()))
    edges = [edge for _ in range(5) for edge in ear.hearing.hear(np.zeros(VAD_WINDOW, np.int16), (0.9,))]
    (began,) = edges
    assert isinstance(began, TurnBegan)
    assert began.start == 0  # two windows of padding before, as far as they are there


def test_the_same_settings_change_nothing() -> None:
    ear = Ear()
    ear.hear(0.9, 10)
    ear.hearing.configure(VAD.model_copy())
    assert ear.hearing.speaking
    ear.hearing.configure(None)
    assert not ear.hearing.speaking


def test_a_doubt_shows_the_latest_speech_of_the_turn() -> None:
    ear = Ear(SemanticVad(eagerness="low"))
    ear.hear(0.0, 20)
    (began,) = ear.hear(0.9, 10)
    doubt = ear.hear(0.0, 8)[0]
    assert isinstance(began, TurnBegan)
    assert isinstance(doubt, TurnInDoubt)
    assert doubt.samples[0] == began.start // VAD_WINDOW
    ear.hear(0.9, 400)
    later = ear.hear(0.0, 8)[0]
    assert isinstance(later, TurnInDoubt)
    assert len(later.samples) == JUDGED_SPEECH
    (ended,) = ear.hearing.judged(later.ticket, 1.0)
    assert isinstance(ended, TurnEnded)
    assert list(ear.hearing.judged(later.ticket, 1.0)) == []


def test_nothing_is_judged_without_detection() -> None:
    assert list(Hearing(None, IdFactory(1), ROOM).judged(1, 1.0)) == []


def test_clear_forgets_audio_and_turn_and_keeps_the_position() -> None:
    ear = Ear()
    ear.hear(0.9, 10)
    ear.hearing.clear()
    assert not ear.hearing.speaking
    assert ear.hearing.commit_whatever().samples.tolist() == EMPTY.tolist()
    began, _ = ear.turn()
    assert began.start >= 10 * VAD_WINDOW
