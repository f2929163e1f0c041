from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.engines.embedded.brain.numbers import find_numbers, read_ordinal, say_number


@given(st.integers(0, 10**15 - 1))
def test_a_spoken_whole_number_reads_back_as_itself(value: int) -> None:
    assert find_numbers(say_number(value)) == [value]


@given(st.integers(0, 999_999))
def test_a_spoken_decimal_reads_back_as_itself(thousandths: int) -> None:
    value = Fraction(thousandths, 1000)
    assert find_numbers(say_number(value)) == [value]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("three and five", [3, 5]),
        ("one hundred and five", [105]),
        ("two point five million", [2_500_000]),
        ("three and a half", [Fraction(7, 2)]),
        ("1,234.5 and 7", [Fraction(2469, 2), 7]),
        ("a dozen", [12]),
    ],
)
def test_numbers_are_found_in_words(words: str, values: list[Fraction]) -> None:
    assert find_numbers(words) == values


@pytest.mark.parametrize(
    ("word", "value"), [("5th", 5), ("fifth", 5), ("twenty-first", 21), ("twentieth", 20), ("five", None)]
)
def test_ordinals_are_read(word: str, value: int | None) -> None:
    assert read_ordinal(word) == value
