from __future__ import annotations

import pytest

from voicebridge.engines.embedded.brain.units import convert


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("How many feet are in a mile?", "One mile is five thousand two hundred and eighty feet."),
        ("Convert 10 miles to kilometers", "Ten miles are about sixteen point zero nine kilometers."),
        ("What is 20 degrees Celsius in Fahrenheit?", "Twenty degrees celsius are sixty-eight degrees Fahrenheit."),
        ("How many ounces are there in two pounds?", "Two pounds are thirty-two ounces."),
        ("Convert 10 miles to kilograms", "Miles can not be turned into kilograms."),
    ],
)
def test_units_are_converted(asked: str, spoken: str) -> None:
    assert convert(asked) == spoken


def test_a_sum_is_no_conversion() -> None:
    assert convert("what is 20 times 3") is None
