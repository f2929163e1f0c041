"""Spoken numbers: reading "twenty-five and a half", saying 25.5."""

from __future__ import annotations

import re
from fractions import Fraction

_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_UNITS = {word: value for value, word in enumerate(_SMALL)} | {"oh": 0, "nought": 0}
_TEN_VALUES = {word: 10 * value for value, word in enumerate(_TENS) if value >= 2} | {"fourty": 40}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_ORDINALS = [
    "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
    "nineteenth",
]  # fmt: skip
_ORDINAL_VALUES = {word: value for value, word in enumerate(_ORDINALS)} | {
    "twentieth": 20, "thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100,
}  # fmt: skip
_PARTS = {"half": Fraction(1, 2), "quarter": Fraction(1, 4), "third": Fraction(1, 3), "tenth": Fraction(1, 10)}
_LARGEST_SPELT = 10**15


def _digits(word: str) -> Fraction | None:
    if not re.fullmatch(r"(?:\d{1,3}(?:,\d{3})+|\d{1,30})(?:\.\d{1,12})?|\.\d{1,12}", word, re.ASCII):
        return None
    return Fraction(word.replace(",", ""))


def _below_hundred(words: list[str], at: int) -> tuple[int, int] | None:
    word = words[at]
    if word in _TEN_VALUES:
        value = _TEN_VALUES[word]
        if at + 1 < len(words) and 1 <= _UNITS.get(words[at + 1], 0) <= 9:
            return value + _UNITS[words[at + 1]], at + 2
        return value, at + 1
    if word in _UNITS and word != "oh":
        return _UNITS[word], at + 1
    return None


def _whole(words: list[str], at: int) -> tuple[Fraction, int] | None:
    """Words such as "two thousand three hundred and five", or digits followed by a scale word."""
    total = Fraction(0)
    group: Fraction | None = None
    start = at
    while at < len(words):
        word = words[at]
        digits = _digits(word)
        if word in _SCALES and (group is not None or at == start or (at == start + 1 and words[start] in ("a", "an"))):
            scale = _SCALES[word]
            group = (group if group is not None else Fraction(1)) * scale
            if scale >= 1000:
                total, group = total + group, Fraction(0)
            at += 1
        elif digits is not None and group in (None, 0):
            group, at = digits, at + 1
        elif word in ("a", "an") and at == start and at + 1 < len(words) and words[at + 1] in _SCALES:
            at += 1
        elif (small := _below_hundred(words, at)) and (group is None or (group % 100 == 0 and words[at - 1] in _JOINS)):
            group, at = (group or Fraction(0)) + small[0], small[1]
        elif word == "and" and _joins(words, at):
            at += 1
        else:
            break
    if group is None:
        return None
    return total + group, at


_JOINS = frozenset((*_SCALES, "and"))


def _joins(words: list[str], at: int) -> bool:
    """Whether "and" is inside a number: "hundred and five" is one number, "three and five" are two."""
    return at > 0 and words[at - 1] in _SCALES and at + 1 < len(words) and _below_hundred(words, at + 1) is not None


def _after_point(words: list[str], at: int) -> tuple[Fraction, int]:
    digits = ""
    while at < len(words) and len(digits) < 12:
        if words[at].isascii() and words[at].isdigit() and len(words[at]) <= 12:
            digits += words[at]
        elif _UNITS.get(words[at], 99) <= 9:
            digits += str(_UNITS[words[at]])
        elif (small := _below_hundred(words, at)) and not digits:
            return Fraction(small[0], 100), small[1]
        else:
            break
        at += 1
    return (Fraction(int(digits), 10 ** len(digits)) if digits else Fraction(0)), at


def read_number(words: list[str], at: int) -> tuple[Fraction, int] | None:
    """The number that begins at `words[at]` (lower-case words) and the place after it, or None."""
    if at >= len(words):
        return None
    if words[at] in ("half", "quarter") or (
        words[at] in ("a", "one") and words[at + 1 : at + 2] in (["half"], ["quarter"])
    ):
        place = at if words[at] in _PARTS else at + 1
        return _PARTS[words[place]], place + 1
    found = _whole(words, at)
    if found is None:
        return None
    value, at = found
    if at + 1 < len(words) and words[at] == "point":
        fraction, after = _after_point(words, at + 1)
        if after > at + 1:
            value, at = value + fraction, after
    if words[at : at + 1] in (["thousand"], ["million"], ["billion"]):
        value, at = value * _SCALES[words[at]], at + 1
    if words[at : at + 2] == ["and", "a"] and words[at + 2 : at + 3] in (["half"], ["quarter"], ["third"]):
        value, at = value + _PARTS[words[at + 2]], at + 3
    return value, at


def number_words(text: str) -> list[str]:
    """The words that `read_number` walks over: hyphens apart, numbers whole."""
    return re.findall(r"\d[\d,]*\.?\d*(?=\D|$)|[^\W\d_]+(?:'[^\W\d_]+)*", text.lower().replace("-", " "))


def find_numbers(text: str) -> list[Fraction]:
    """All numbers named in a text, in order."""
    words = [word.rstrip(".,") for word in number_words(text)]
    found: list[Fraction] = []
    at = 0
    while at < len(words):
        hit = read_number(words, at)
        if hit is None:
            at += 1
        else:
            found.append(hit[0])
            at = hit[1]
    return found


def read_ordinal(word: str) -> int | None:
    """The rank that a word names: "5th", "fifth", "twenty-first" -> 5, 5, 21."""
    word = word.lower().replace(" ", "-")
    match = re.fullmatch(r"(\d{1,3})(?:st|nd|rd|th)", word, re.ASCII)
    if match:
        return int(match[1])
    if word in _ORDINAL_VALUES:
        return _ORDINAL_VALUES[word]
    tens, _, unit = word.partition("-")
    if tens in _TEN_VALUES and 1 <= _ORDINAL_VALUES.get(unit, 0) <= 9:
        return _TEN_VALUES[tens] + _ORDINAL_VALUES[unit]
    return None


def say_ordinal(value: int) -> str:
    """In words up to "nineteenth", then "21st"."""
    if 0 <= value < len(_ORDINALS):
        return _ORDINALS[value]
    ending = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def _say_below_thousand(value: int) -> str:
    parts: list[str] = []
    if value >= 100:
        parts.append(f"{_SMALL[value // 100]} hundred")
        value %= 100
        if value:
            parts.append("and")
    if value >= 20:
        parts.append(_TENS[value // 10] + (f"-{_SMALL[value % 10]}" if value % 10 else ""))
    elif value or not parts:
        parts.append(_SMALL[value])
    return " ".join(parts)


def _say_whole(value: int) -> str:
    if value == 0:
        return "zero"
    parts: list[str] = []
    for scale, name in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand")):
        if value >= scale:
            parts.append(f"{_say_below_thousand(value // scale)} {name}")
            value %= scale
    if value:
        parts.append(("and " if parts and value < 100 else "") + _say_below_thousand(value))
    return " ".join(parts)


def say_number(value: Fraction | int, places: int = 3) -> str:
    """In words, rounded to `places` decimals; numbers of 10^15 and more as their size."""
    value = Fraction(value)
    if value < 0:
        return f"minus {say_number(-value, places)}"
    rounded = round(value * 10**places)
    whole, rest = divmod(rounded, 10**places)
    if whole >= _LARGEST_SPELT:
        return _say_huge(whole)
    words = _say_whole(whole)
    if not rest:
        return words if whole or value == 0 else "almost zero"
    digits = f"{rest:0{places}d}".rstrip("0")
    return f"{words} point {' '.join(_SMALL[int(digit)] for digit in digits)}"


def _say_huge(whole: int) -> str:
    power = int(whole.bit_length() * 0.30102999566398120)
    power = power if 10**power <= whole else power - 1
    lead = round(Fraction(whole, 10**power) * 100)
    return f"about {say_number(Fraction(lead, 100), 2)} times ten to the power of {_say_whole(power)}"


def is_exact(value: Fraction, places: int = 3) -> bool:
    """Whether `say_number` says it without rounding."""
    return value.denominator != 0 and (value * 10**places).denominator == 1
