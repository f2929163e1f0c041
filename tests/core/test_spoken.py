from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.samples import EMPTY
from voicebridge.core.spoken import SpokenPart, leading_words


def said(*pieces: tuple[str, int]) -> SpokenPart:
    part = SpokenPart()
    for text, samples in pieces:
        part.add(text, np.ones(samples, np.int16))
    return part


def test_words_and_sound_grow_together() -> None:
    part = said(("One", 100), (" two", 50), ("", 10))
    assert (part.text, part.length, len(part.samples())) == ("One two", 160, 160)
    part.add(" three", EMPTY)
    assert part.text == "One two three"


def test_a_truncation_keeps_the_words_that_were_heard_whole() -> None:
    part = said(("One two", 100), (" three four", 100), (" five", 100))
    assert part.truncate(160) == 140
    assert part.text == "One two three"
    assert (part.length, len(part.samples())) == (160, 160)
    part.add(" more", np.ones(10, np.int16))
    assert part.text == "One two three"


def test_a_truncation_before_the_first_word_s_end_keeps_none() -> None:
    part = said(("Wonderful", 100), (" day", 50))
    part.truncate(99)
    assert part.text == ""


def test_a_truncation_beyond_the_end_keeps_everything() -> None:
    part = said(("One", 100), (" two", 0))
    assert part.truncate(100) == 0
    assert (part.text, part.length) == ("One two", 100)


def test_forgotten_audio_leaves_words_and_length_and_can_still_be_truncated() -> None:
    part = said(("One two", 100), (" three", 100))
    assert part.forget_audio() == 200
    assert (part.text, part.length, len(part.samples())) == ("One two three", 200, 0)
    assert part.truncate(100) == 0
    assert (part.text, part.length) == ("One two", 100)


@given(
    st.lists(st.tuples(st.text("ab ", max_size=8), st.integers(0, 40)), max_size=6),
    st.lists(st.integers(0, 200), min_size=1, max_size=4),
)
def test_what_was_heard_is_a_beginning_of_what_was_said_and_grows_with_time(
    pieces: list[tuple[str, int]], cuts: list[int]
) -> None:
    whole = said(*pieces).text
    heard = []
    for cut in sorted(cuts):
        part = said(*pieces)
        freed = part.truncate(cut)
        assert freed + len(part.samples()) == sum(samples for _, samples in pieces)
        assert whole.startswith(part.text)
        heard.append(part.text)
    assert heard == sorted(heard, key=len)


def test_leading_words_are_whole_where_there_are_blanks() -> None:
    assert leading_words(" one two three", 0.7) == " one two"
    assert leading_words(" one two three", 1.0) == " one two three"
    assert leading_words("one two", 0.1) == ""
    assert leading_words("一二三四", 0.5) == "一二"
    assert leading_words("", 0.5) == ""
    assert leading_words(" day", 0.9) == ""
    assert leading_words(" don\u2019t", 0.9) == ""
    assert leading_words("one two", 0.5) == "one"
