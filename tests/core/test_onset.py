from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.onset import Onset, certainty_needed


def onsets(probabilities: list[float], threshold: float = 0.5) -> list[tuple[int, int]]:
    """(window that decided, window it began in) for each onset."""
    onset = Onset(threshold, threshold - 0.15)
    found = [(window, onset.hear(p, window * VAD_WINDOW)) for window, p in enumerate(probabilities)]
    return [(window, begun // VAD_WINDOW) for window, begun in found if begun is not None]


def test_two_voiced_windows_are_a_beginning_and_it_lies_at_the_first() -> None:
    assert onsets([0.0, 0.9, 0.9]) == [(2, 1)]


def test_one_window_is_a_click() -> None:
    assert onsets([0.0, 0.99, 0.0, 0.0, 0.99, 0.0, 0.0]) == []


def test_one_unvoiced_window_between_is_forgiven() -> None:
    assert onsets([0.9, 0.1, 0.9]) == [(2, 0)]


def test_two_unvoiced_windows_between_are_not() -> None:
    assert onsets([0.9, 0.1, 0.1, 0.9]) == []


def test_windows_between_the_thresholds_neither_confirm_nor_deny() -> None:
    assert onsets([0.9, 0.4, 0.4, 0.4, 0.9]) == [(4, 0)]


def test_a_soft_beginning_waits_for_certainty_and_keeps_its_place() -> None:
    assert onsets([0.6, 0.6, 0.6, 0.9]) == [(3, 0)]


def test_what_never_becomes_certain_is_not_speech() -> None:
    assert onsets([0.6] * 50) == []


@pytest.mark.parametrize(("threshold", "needed"), [(0.0, 0.0), (0.3, 0.51), (0.5, 0.85), (0.8, 0.94), (1.0, 1.0)])
def test_the_certainty_needed_follows_the_threshold(threshold: float, needed: float) -> None:
    assert certainty_needed(threshold) == pytest.approx(needed)


@given(st.lists(st.floats(0, 1), max_size=60), st.floats(0, 1))
def test_an_onset_never_lies_behind_the_window_that_decided(probabilities: list[float], threshold: float) -> None:
    assert all(begun <= window for window, begun in onsets(probabilities, threshold))


@given(st.floats(0, 1))
def test_certain_speech_begins_at_any_threshold(threshold: float) -> None:
    assert onsets([1.0, 1.0], threshold) == [(1, 0)]
