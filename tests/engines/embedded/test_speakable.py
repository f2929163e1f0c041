from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.engines.embedded.speakable import LONGEST_SENTENCE, captions, sentences, spoken_form

TEXT = st.text(alphabet="abc XYZ 019 .,;:!?-'\"\n*_()é🙂日。", max_size=600)


@given(TEXT)
def test_sentences_join_to_the_text_and_none_is_too_long_to_speak(text: str) -> None:
    pieces = sentences(text)
    assert "".join(pieces) == text
    assert all(sum(map(str.isalnum, piece)) <= LONGEST_SENTENCE for piece in pieces)


@given(TEXT)
def test_every_sentence_has_something_to_say_where_the_text_has(text: str) -> None:
    pieces = sentences(text)
    assert len(pieces) <= 1 or all(any(map(str.isalnum, piece)) for piece in pieces)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello. How are you?", ["Hello.", " How are you?"]),
        ("Dr. Smith paid $3.50, e.g. for tea. Really?", ["Dr. Smith paid $3.50, e.g. for tea.", " Really?"]),
        ('She said "Stop!" Then left.', ['She said "Stop!"', " Then left."]),
        ("1. One\n2. Two", ["1. One\n", "2. Two"]),
        ("Well done! 🙂 Goodbye.", ["Well done!", " 🙂 Goodbye."]),
        ("...", ["..."]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_pause(text: str, pieces: list[str]) -> None:
    assert sentences(text) == pieces


def test_a_long_sentence_is_cut_at_its_commas() -> None:
    pieces = sentences("first of all some words, " * 20)
    assert len(pieces) > 1
    assert all(piece.rstrip().endswith(",") for piece in pieces)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Bold** and _slanted_ `code`", "Bold and slanted code"),
        ("# Title", "Title"),
        ("- item", "item"),
        ("[our page](https://example.com)", "our page"),
        ("[word](/phonemes/)", "word"),
        ("Nice 🙂 day", "Nice day"),
        ("https://example.com/a_b", "example dot com slash a underscore b"),
        ("me@example.co.uk", "me at example dot co dot uk"),
        ("It is spelled c a t.", "It is spelled C, A, T."),
        ("C-A-T", "C, A, T"),
        ("I a man", "I a man"),
        ("7 * 8 and 9 - 4 and 8 / 2", "7 times 8 and 9 minus 4 and 8 divided by 2"),
        ("It is -5 degrees", "It is minus 5 degrees"),
        ("fruit, e.g. apples", "fruit, for example apples"),
        ("🙂", ""),
    ],
)
def test_markup_is_not_pronounced_and_signs_are(written: str, spoken: str) -> None:
    assert spoken_form(written) == spoken


@given(st.text(alphabet="abc 12.,!", min_size=1, max_size=80), st.integers(0, 100_000), st.integers(0, 5000))
def test_captions_concatenate_to_the_sentence_and_its_samples(text: str, length: int, pause: int) -> None:
    samples = np.arange(length, dtype=np.int32).astype(np.int16)
    pieces = captions(text, samples, min(pause, length))
    assert "".join(piece.text for piece in pieces) == text
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), samples)


def test_captions_are_a_word_or_a_few_each_in_proportion_to_their_length() -> None:
    pieces = captions(" An incomprehensible word", np.zeros(48_000, np.int16), 0)
    assert [piece.text for piece in pieces][-1] == " word"
    assert len(pieces[-1].samples) < 12_000
