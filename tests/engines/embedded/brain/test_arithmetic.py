from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.engines.embedded.brain.arithmetic import CannotCompute, compare, last_result, work_out


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("What's two plus two?", "Two plus two is four."),
        ("what is 2+2?", "Two plus two is four."),
        ("whats two plus two", "Two plus two is four."),
        ("What is two plus three times four?", "Two plus three times four is fourteen."),
        ("(2+3)*4", "Two plus three times four is twenty."),
        ("Ten divided by four", "Ten divided by four is two point five."),
        ("What is 15% of 80?", "Fifteen percent of eighty is twelve."),
        ("eighty plus ten percent", "Eighty plus ten percent is eighty-eight."),
        ("What's the square root of 144?", "The square root of one hundred and forty-four is twelve."),
        ("square root of two", "The square root of two is about one point four one four."),
        ("2 to the power of 10", "Two to the power of ten is one thousand and twenty-four."),
        ("minus five plus three", "Minus five plus three is minus two."),
        ("Add five to three", "Three plus five is eight."),
        ("subtract 3 from 10", "Ten minus three is seven."),
        ("1/3", "One divided by three is about zero point three three three."),
        ("Could you please tell me what seven times eight is?", "Seven times eight is fifty-six."),
    ],
)
def test_sums_are_worked_out_and_spoken(asked: str, spoken: str) -> None:
    done = work_out(asked)
    assert done is not None
    assert done.spoken == spoken


@pytest.mark.parametrize(
    "text", ["my number is five", "two", "What time is it?", "add milk to the list", "", "the minus sign"]
)
def test_other_sentences_are_no_sums(text: str) -> None:
    assert work_out(text) is None


@pytest.mark.parametrize(
    "text", ["ten divided by zero", "square root of minus four", "9 to the power of 999999", "400 factorial"]
)
def test_sums_without_an_answer_say_why(text: str) -> None:
    with pytest.raises(CannotCompute):
        work_out(text)


def test_follow_ups_go_on_from_the_last_result() -> None:
    turns = ["What's two plus two?", "and plus three?", "nice", "times two"]
    assert last_result(turns) == Fraction(14)


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("Which is bigger, 3 or 5?", "Five is greater than three."),
        ("Is seven less than three?", "No, seven is greater than three."),
        ("Is 10 even?", "Yes, ten is even."),
        ("Is 17 prime?", "Yes, seventeen is a prime number."),
    ],
)
def test_numbers_are_compared(asked: str, spoken: str) -> None:
    assert compare(asked) == spoken


@given(st.integers(-999, 999), st.integers(-999, 999), st.sampled_from("+-*"))
def test_digits_and_signs_agree_with_python(left: int, right: int, sign: str) -> None:
    done = work_out(f"what is {left} {sign} {abs(right)}")
    expected = {"+": left + abs(right), "-": left - abs(right), "*": left * abs(right)}[sign]
    assert done is not None
    assert done.value == expected
