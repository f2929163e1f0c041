from __future__ import annotations

import pytest

from engines.embedded.brain.conversation import NOW
from voicebridge.engines.embedded.brain.clock import NO_CLOCK, answer_clock


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("What time is it?", "It is 3:05 PM."),
        ("whats the time", "It is 3:05 PM."),
        ("Could you tell me the time please?", "It is 3:05 PM."),
        ("What day is it today?", "Today is Saturday, November 21st, 2026."),
        ("What's the date tomorrow?", "Tomorrow is Sunday, November 22nd, 2026."),
        ("What year is it?", "It is 2026."),
        ("How many days until Christmas?", "It is thirty-four days until Christmas, Friday, December 25th, 2026."),
        (
            "How many days since January 1st?",
            "It is three hundred and twenty-four days since Thursday, January 1st, 2026.",
        ),
        ("How long until midnight?", "Eight hours and fifty-five minutes until 12:00 AM."),
        ("What day of the week was July 20 1969?", "That was Sunday, July 20th, 1969."),
        ("What time will it be in 20 minutes?", "It will be 3:25 PM."),
        ("Is 2028 a leap year?", "Yes, 2028 is a leap year."),
        ("What time is it in Tokyo?", "I only know the time here. It is 3:05 PM."),
        ("Is it morning?", "No, it is 3:05 PM on Saturday, November 21st."),
    ],
)
def test_the_calendar_is_known(asked: str, spoken: str) -> None:
    assert answer_clock(asked, NOW) == spoken


def test_without_a_clock_it_says_so() -> None:
    assert answer_clock("What time is it?", "noon") == NO_CLOCK


@pytest.mark.parametrize("text", ["What is two plus two?", "I have no time", "When is dinner?", "The day was long"])
def test_other_sentences_are_not_answered(text: str) -> None:
    assert answer_clock(text, NOW) is None
