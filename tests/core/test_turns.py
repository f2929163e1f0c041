from __future__ import annotations

from itertools import count

import pytest

from voicebridge.audio.samples import ms_to_samples
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.turns import (
    END_LAG,
    FIRST_JUDGEMENT,
    NEXT_JUDGEMENT,
    RELEASE_MARGIN,
    Began,
    Edge,
    Ended,
    TurnDetector,
    Wondering,
    prefix_padding,
)
from voicebridge.protocol.session_config import SemanticVad, ServerVad, TurnDetection

ENOUGH = 4
"""Voiced windows that surely are speech."""

VAD = ServerVad(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)


def detector(settings: TurnDetection = VAD, first_window: int = 0) -> TurnDetector:
    return TurnDetector(settings, count(1), first_window)


def edges(turns: TurnDetector, *probabilities: float) -> list[Edge]:
    return [edge for probability in probabilities if (edge := turns.hear(probability)) is not None]


def speaking(settings: TurnDetection = VAD) -> TurnDetector:
    turns = detector(settings)
    (began,) = edges(turns, *[0.9] * ENOUGH)
    assert isinstance(began, Began)
    return turns


def silence(turns: TurnDetector, limit: int = 1_000) -> Ended:
    """Quiet until the turn ends."""
    for _ in range(limit):
        edge = turns.hear(0.0)
        if isinstance(edge, Ended):
            return edge
    raise AssertionError


def test_a_click_is_no_speech() -> None:
    turns = detector()
    for _ in range(20):
        assert edges(turns, 0.9, *[0.1] * ENOUGH) == []
    assert not turns.speaking


def test_speech_begins_once_it_is_confirmed_and_not_after_the_window_that_confirms() -> None:
    turns = detector()
    edges(turns, *[0.1] * 30)
    (began,) = edges(turns, *[0.9] * ENOUGH)
    assert isinstance(began, Began)
    assert 0 <= began.at <= (30 + ENOUGH) * VAD_WINDOW
    assert turns.speaking


def test_speech_at_the_very_beginning_begins_at_no_negative_position() -> None:
    (began,) = edges(detector(), *[0.9] * ENOUGH)
    assert isinstance(began, Began)
    assert began.at >= 0


def test_speech_goes_on_through_weak_windows_that_would_not_begin_it() -> None:
    turns = speaking()
    weak = VAD.threshold - RELEASE_MARGIN
    assert edges(turns, *[weak] * 100) == []
    assert edges(detector(), *[weak] * 100) == []


def test_the_end_is_the_end_of_speech_plus_the_silence_asked_for() -> None:
    turns = speaking()
    spoken_until = turns.next_window
    ended = silence(turns)
    assert ended.at == spoken_until - END_LAG + ms_to_samples(500)
    assert 0 <= turns.next_window - ended.at < VAD_WINDOW + END_LAG
    assert not turns.speaking


def test_a_pause_that_is_too_short_starts_again() -> None:
    turns = speaking()
    assert edges(turns, *[0.0] * 10, 0.9, *[0.0] * 10) == []
    assert turns.speaking


@pytest.mark.parametrize("duration", [0, 1, 10_000])
def test_the_silence_may_have_any_length(duration: int) -> None:
    turns = speaking(VAD.model_copy(update={"silence_duration_ms": duration}))
    spoken_until = turns.next_window
    assert silence(turns).at == spoken_until - END_LAG + ms_to_samples(duration)


def test_at_threshold_zero_everything_is_speech() -> None:
    turns = detector(VAD.model_copy(update={"threshold": 0.0}))
    assert [type(edge) for edge in edges(turns, *[0.0] * 100)] == [Began]


def test_positions_begin_where_the_first_window_does() -> None:
    turns = detector(first_window=100 * VAD_WINDOW)
    (began,) = edges(turns, *[0.1] * 10, *[0.9] * ENOUGH)
    assert isinstance(began, Began)
    assert began.at > 99 * VAD_WINDOW


def test_reset_forgets_the_turn_and_what_was_about_to_begin() -> None:
    turns = speaking()
    turns.reset()
    assert not turns.speaking
    edges(turns, 0.9)
    turns.reset()
    assert edges(turns, 0.9) == []


SEMANTIC = SemanticVad(eagerness="medium")


def doubts(turns: TurnDetector, windows: int) -> list[Wondering]:
    return [edge for edge in edges(turns, *[0.0] * windows) if isinstance(edge, Wondering)]


def test_a_pause_is_judged_again_and_again() -> None:
    turns = speaking(SEMANTIC)
    spoken_until = turns.next_window - END_LAG
    first, second = doubts(turns, 25)
    assert 0 <= first.at - spoken_until - FIRST_JUDGEMENT < VAD_WINDOW
    assert NEXT_JUDGEMENT <= second.at - first.at < NEXT_JUDGEMENT + VAD_WINDOW
    assert first.ticket != second.ticket


@pytest.mark.parametrize(("eagerness", "at_least"), [("low", 0.7), ("medium", 0.5), ("auto", 0.5), ("high", 0.35)])
def test_the_eager_believe_in_an_end_sooner(eagerness: str, at_least: float) -> None:
    settings = SemanticVad.model_validate({"eagerness": eagerness})
    for probability, over in ((at_least - 0.01, False), (at_least, True)):
        turns = speaking(settings)
        (doubt,) = doubts(turns, 8)
        assert (turns.judged(doubt.ticket, probability) == Ended(turns.next_window)) is over


@pytest.mark.parametrize(("eagerness", "seconds"), [("low", 8), ("medium", 4), ("auto", 4), ("high", 2)])
def test_silence_ends_a_turn_that_nobody_judges(eagerness: str, seconds: int) -> None:
    turns = speaking(SemanticVad.model_validate({"eagerness": eagerness}))
    spoken_until = turns.next_window - END_LAG
    assert silence(turns).at == spoken_until + ms_to_samples(seconds * 1_000)


def test_a_judgement_counts_only_for_the_latest_doubt_of_its_own_pause() -> None:
    turns = speaking(SEMANTIC)
    first, second = doubts(turns, 25)
    assert turns.judged(first.ticket, 1.0) is None
    turns.hear(0.9)
    turns.hear(0.0)
    assert turns.judged(second.ticket, 1.0) is None
    assert turns.speaking


def test_a_judgement_from_before_a_reset_never_counts() -> None:
    turns = speaking(SEMANTIC)
    (doubt,) = doubts(turns, 8)
    turns.reset()
    edges(turns, *[0.9] * ENOUGH, 0.0)
    assert turns.judged(doubt.ticket, 1.0) is None


def test_a_judgement_asked_for_by_another_detector_never_counts() -> None:
    tickets = count(1)
    old, new = TurnDetector(SEMANTIC, tickets), TurnDetector(SEMANTIC, tickets)
    edges(old, *[0.9] * ENOUGH)
    (doubt,) = doubts(old, 8)
    edges(new, *[0.9] * ENOUGH, 0.0)
    assert new.judged(doubt.ticket, 1.0) is None


def test_silence_alone_decides_under_server_vad() -> None:
    turns = speaking()
    assert doubts(turns, 10) == []
    assert turns.judged(1, 1.0) is None


def test_the_padding_is_the_setting_s_or_the_default() -> None:
    assert prefix_padding(VAD.model_copy(update={"prefix_padding_ms": 120})) == ms_to_samples(120)
    assert prefix_padding(SEMANTIC) == ms_to_samples(300)
