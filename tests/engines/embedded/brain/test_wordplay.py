from __future__ import annotations

import pytest

from voicebridge.engines.embedded.brain.wordplay import answer_wordplay, echo


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("Spell necessary", "Necessary: N, E, C, E, S, S, A, R, Y."),
        ("How do you spell rhythm?", "Rhythm: R, H, Y, T, H, M."),
        ("spell my name", "Anna: A, N, N, A."),
        ("Count to five", "One, two, three, four, five."),
        ("count backwards from three", "Three, two, one."),
        ("Count from 2 to 8 by twos", "Two, four, six, eight."),
        ("Say banana backwards", "Ananab."),
        ("How many letters are in banana?", "Banana has six letters."),
        ("How many s are in mississippi?", "There are four S in mississippi."),
    ],
)
def test_letters_and_counting(asked: str, spoken: str) -> None:
    answer = answer_wordplay(asked, 0, "Anna")
    assert answer is not None
    assert answer.rstrip(".") == spoken.rstrip(".") or answer.replace("Ss", "S") == spoken


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("Say exactly: hello world", "hello world"),
        ("Please say 'good morning everyone'", "good morning everyone"),
        ("Repeat after me: the quick brown fox.", "the quick brown fox."),
        ("Can you say hello to my mom, please?", "hello to my mom"),
        ("What did you say?", None),
        ("Repeat that", None),
        ("Say it again", None),
    ],
)
def test_it_says_what_it_is_told_to(asked: str, spoken: str | None) -> None:
    assert echo(asked) == spoken


def test_chance_is_admitted_to_be_none() -> None:
    answer = answer_wordplay("Roll a die", 3, "")
    assert answer is not None
    assert "no real chance" in answer
