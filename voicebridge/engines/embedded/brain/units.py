"""Unit conversions: "how many feet in a mile", "convert 20 celsius to fahrenheit"."""

from __future__ import annotations

import re
from fractions import Fraction

from voicebridge.engines.embedded.brain.numbers import is_exact, number_words, read_number, say_number
from voicebridge.engines.embedded.brain.words import core

# name -> (kind, size in the kind's base unit, plural)
_UNITS: dict[str, tuple[str, Fraction, str]] = {}


def _define(kind: str, size: str, *names: str) -> None:
    for name in names:
        _UNITS[name] = (kind, Fraction(size), names[1] if len(names) > 1 else names[0])


for _row in (
    ("length", "1", "meter", "meters", "m"), ("length", "1000", "kilometer", "kilometers", "km", "kms"),
    ("length", "0.01", "centimeter", "centimeters", "cm"), ("length", "0.001", "millimeter", "millimeters", "mm"),
    ("length", "0.0254", "inch", "inches"), ("length", "0.3048", "foot", "feet", "ft"),
    ("length", "0.9144", "yard", "yards"), ("length", "1609.344", "mile", "miles"),
    ("mass", "1", "gram", "grams", "g"), ("mass", "1000", "kilogram", "kilograms", "kg", "kilo", "kilos"),
    ("mass", "453.59237", "pound", "pounds", "lb", "lbs"), ("mass", "28.349523125", "ounce", "ounces", "oz"),
    ("mass", "6350.29318", "stone", "stones"), ("mass", "1000000", "ton", "tons", "tonne", "tonnes"),
    ("volume", "1", "liter", "liters", "l"), ("volume", "0.001", "milliliter", "milliliters", "ml"),
    ("volume", "3.785411784", "gallon", "gallons"), ("volume", "0.473176473", "pint", "pints"),
    ("volume", "0.2365882365", "cup", "cups"),
    ("time", "1", "second", "seconds"), ("time", "60", "minute", "minutes"), ("time", "3600", "hour", "hours"),
    ("time", "86400", "day", "days"), ("time", "604800", "week", "weeks"), ("time", "31536000", "year", "years"),
    ("data", "1", "byte", "bytes"), ("data", "1000", "kilobyte", "kilobytes"),
    ("data", "1000000", "megabyte", "megabytes"), ("data", "1000000000", "gigabyte", "gigabytes"),
    ("heat", "1", "celsius", "degrees Celsius"), ("heat", "1", "fahrenheit", "degrees Fahrenheit"),
    ("heat", "1", "kelvin", "kelvin"),
):  # fmt: skip
    _define(*_row)

_NAMES = "|".join(sorted((re.escape(name) for name in _UNITS if name[0].islower()), key=len, reverse=True))
_AMOUNT = r"(?P<amount>[a-z0-9.,' -]+?)\s*(?:degrees? )?"
_FORMS = tuple(
    re.compile(form.replace("AMOUNT", _AMOUNT).replace("FROM", f"(?P<a>{_NAMES})").replace("TO", f"(?P<b>{_NAMES})"))
    for form in (
        (
            r"(?:convert|change|turn|what is|how much is|and|what about|how about)? ?AMOUNT(?:FROM) "
            r"(?:to|in|into|as) (?:degrees? )?(?:TO)"
        ),
        (
            r"(?:and )?how many (?:TO) (?:are|is|are there|is there|make|fit|do)? ?(?:there )?(?:in"
            r"|are in|equal)? ?AMOUNT(?:FROM)"
        ),
    )
)


def _scale(value: Fraction, unit: str, *, back: bool = False) -> Fraction:
    """Celsius is the base of temperatures, whose zeros differ."""
    if unit == "fahrenheit":
        return value * 9 / 5 + 32 if back else (value - 32) * 5 / 9
    if unit == "kelvin":
        return value + Fraction("273.15") if back else value - Fraction("273.15")
    size = _UNITS[unit][1]
    return value / size if back else value * size


def _amount(words: str) -> Fraction | None:
    if words.strip() in ("a", "an", "the", "one", ""):
        return Fraction(1)
    negative = re.match(r"(?:minus|negative) ", words)
    parts = number_words(words[negative.end() :] if negative else words)
    hit = read_number(parts, 0)
    if hit is None or hit[1] != len(parts):
        return None
    return -hit[0] if negative else hit[0]


def convert(text: str) -> str | None:
    """The spoken answer to a conversion; None when the text asks for none."""
    line = re.sub(r"\u00b0 ?c\b", " celsius", core(text)[:200].replace("-", " "))
    for form in _FORMS:
        match = form.fullmatch(line)
        if match is None:
            continue
        amount = _amount(match["amount"])
        if amount is None:
            continue
        source, target = match["a"], match["b"]
        if _UNITS[source][0] != _UNITS[target][0]:
            return f"{_plural(source).capitalize()} can not be turned into {_plural(target)}."
        value = _scale(_scale(amount, source), target, back=True)
        verb = "is" if amount == 1 else "are"
        about = "" if is_exact(value, 2) else "about "
        return f"{_say(amount, source).capitalize()} {verb} {about}{_say(value, target)}."
    return None


def _plural(unit: str) -> str:
    return _UNITS[unit][2]


def _say(value: Fraction, unit: str) -> str:
    if value == 1 and _UNITS[unit][0] != "heat":
        single = next(name for name, entry in _UNITS.items() if entry[2] == _UNITS[unit][2])
        return f"one {single}"
    small = value != 0 and abs(value) < 1
    return f"{say_number(value, 5 if small else 2)} {_plural(unit)}"
