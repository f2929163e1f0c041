"""Arithmetic as people say it: "what's two plus three times four", "15% of 80", "the square root of that"."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from voicebridge.engines.embedded.brain.numbers import is_exact, number_words, read_number, say_number
from voicebridge.engines.embedded.brain.words import as_sentence, core, plain

_MOST_BITS = 4000  # a result of over a thousand digits cannot be spoken
_MOST_TOKENS = 60


class CannotCompute(ValueError):
    """The sum is understood but has no answer; the message says why, ready to be spoken."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A worked sum: its value and how to say it."""

    value: Fraction
    spoken: str


_OPERATORS = (
    ("to the power of", "^"), ("raised to the power of", "^"), ("raised to", "^"), ("to the power", "^"),
    ("multiplied by", "*"), ("divided by", "/"), ("added to", "+"), ("square root of", "sqrt"), ("square root", "sqrt"),
    ("cube root of", "cbrt"), ("percent of", "%of"), ("per cent of", "%of"), ("% of", "%of"), ("squared", "^2"),
    ("cubed", "^3"), ("square of", "square"), ("cube of", "cube"), ("half of", "half"),
    ("third of", "third"), ("quarter of", "quarter"), ("double", "double"),
    ("twice", "double"), ("triple", "triple"), ("modulo", "mod"), ("mod", "mod"), ("plus", "+"), ("minus", "-"),
    ("less", "-"), ("times", "*"), ("over", "/"), ("negative", "neg"), ("factorial", "!"),
    ("percent", "%"), ("per cent", "%"),
)  # fmt: skip
_REORDERED: tuple[tuple[str, str], ...] = (
    (r"\b(?:the )?(?:sum|total) of (.+?) and (.+)", r"( \1 ) plus ( \2 )"),
    (r"\b(?:the )?difference (?:between|of) (.+?) and (.+)", r"( \1 ) minus ( \2 )"),
    (r"\b(?:the )?product of (.+?) and (.+)", r"( \1 ) times ( \2 )"),
    (r"^add (.+?) (?:to|and) (.+)", r"( \2 ) plus ( \1 )"),
    (r"^subtract (.+?) from (.+)", r"( \2 ) minus ( \1 )"),
    (r"^take (.+?) (?:away )?from (.+)", r"( \2 ) minus ( \1 )"),
    (r"^(?:multiply|multiplied) (.+?) (?:by|with|and|times) (.+)", r"( \1 ) times ( \2 )"),
    (r"^divide (.+?) (?:by|into) (.+)", r"( \1 ) divided by ( \2 )"),
    (r"^add (.+)", r"that plus ( \1 )"),
    (r"^subtract (.+)", r"that minus ( \1 )"),
    (r"^multiply by (.+)", r"that times ( \1 )"),
    (r"^divide by (.+)", r"that divided by ( \1 )"),
    (r"^double (?:it|that)$", "double that"),
)
_ASKING = re.compile(
    r"^(?:and|what is|what|what about|how about|how much is|how much are|how much does|what does"
    r"|what are|calculate|compute|solve"
    r"|work out|figure out|evaluate|then|the result of|the answer to|is|the|so|now|plus what is"
    r"|actually|i meant|i mean|no"
    r"|make|equal to|if you)\s+"
)
_ENDING = re.compile(
    r"\s*(?:equals?(?: to)?|makes?|make|is(?: what)?|together|again|now|then|what|come to|give(?: you)?)$"
)
_NAMES = {
    "+": "plus", "-": "minus", "*": "times", "/": "divided by", "^": "to the power of", "mod": "modulo",
    "sqrt": "the square root of", "cbrt": "the cube root of", "%of": "percent of", "square": "the square of",
    "cube": "the cube of", "half": "half of", "double": "twice", "triple": "three times",
    "third": "a third of", "quarter": "a quarter of", "neg": "minus",
    "%": "percent",     "!": "factorial", "^2": "squared", "^3": "cubed",
}  # fmt: skip


def work_out(text: str, before: Fraction | None = None) -> Sum | None:
    """The sum that `text` asks for; `before` is the result that "that" or a leading operator refers to.

    None when the text is not a sum; CannotCompute when it is one without an answer.
    """
    tokens = _tokens(_prepared(text))
    if tokens is None or len(tokens) > _MOST_TOKENS:
        return None
    if before is None and "that" in tokens:
        return None
    spoken_minus = tokens[0] == "-" and len(tokens) == 2 and "minus" in text.lower()
    if before is not None and (spoken_minus or tokens[0] in ("+", "*", "/", "^", "mod", "^2", "^3")):
        tokens = ["that", *tokens]
    if not any(isinstance(part, str) and part not in "()" and part != "that" for part in tokens):
        return None
    parser = _Parser(tokens, before)
    try:
        value = parser.whole()
    except _NotASum:
        return None
    return Sum(value, as_sentence(f"{_say_tokens(tokens, before)} is {_say_result(value)}"))


def _prepared(text: str) -> str:
    polite = core(text)
    # `core` drops the signs; they are taken from the raw text when there are any between digits.
    raw = text.lower() if re.search(r"[0-9)]\s*[-+*/^\u00d7\u00f7%]|\u221a", text[:500]) else ""
    line = raw or polite
    line = line.replace("\u00d7", " times ").replace("\u00f7", " divided by ").replace("\u221a", " square root of ")
    line = line.replace("what's", "what is").replace("whats", "what is").replace("**", "^")
    line = " ".join(line.replace("%", " percent ").split()).rstrip(" ?!.=")
    line = re.sub(r"(?<=\d)\s*x\s*(?=\d)", " times ", line)
    line = re.sub(r"\b(?:please|can you|could you|tell me|hello|hey|hi|um|uh|okay)\b[ ,]*", "", line).strip(" ,")
    while (shorter := _ASKING.sub("", line)) != line:
        line = shorter
    line = _ENDING.sub("", line).strip()
    for pattern, form in _REORDERED:
        line, changed = re.subn(pattern, form, line, count=1)
        if changed:
            break
    return line


def _tokens(line: str) -> list[str | Fraction] | None:
    """Numbers, operators and brackets; None as soon as a word is neither."""
    for words, sign in _OPERATORS:
        line = re.sub(rf"\b{words}\b" if words[0].isalpha() else re.escape(words), f" <{sign}> ", line)
    pieces = re.findall(r"<[^>]+>|[()+*/^!]|-|\d[\d,]*\.?\d*|[^\W\d_]+(?:['-][^\W\d_]+)*|\S", line[:600])
    tokens: list[str | Fraction] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if piece.startswith("<"):
            tokens.append(piece[1:-1])
        elif piece in "()+-*/^!":
            tokens.append(piece)
        elif piece in ("that", "it", "this", "result", "answer"):
            tokens.append("that")
        elif piece in ("a", "an", "one") and pieces[at + 1 : at + 2] in (["<third>"], ["<quarter>"]):
            pass
        elif piece in ("and", "then") and at + 1 < len(pieces) and pieces[at + 1].startswith(("<", "then")):
            pass  # "and then plus six"
        elif piece not in ("the", ",", "by", "of"):
            hit = _number_at(pieces, at)
            if hit is None:
                return None
            tokens.append(hit[0])
            at = hit[1]
            continue
        at += 1
    return tokens or None


def _number_at(pieces: list[str], at: int) -> tuple[Fraction, int] | None:
    words: list[str] = []
    owner: list[int] = []
    for place in range(at, min(at + 24, len(pieces))):
        if pieces[place].startswith("<") or pieces[place] in "()+*/^!":
            break
        for word in number_words(pieces[place]):
            words.append(word.rstrip("."))
            owner.append(place)
    hit = read_number(words, 0)
    if hit is None:
        return None
    value, used = hit
    return value, owner[used - 1] + 1


class _NotASum(Exception):
    pass


class _Parser:
    """Precedence climbing; every operation bounded."""

    def __init__(self, tokens: list[str | Fraction], before: Fraction | None) -> None:
        self._tokens = tokens
        self._before = before
        self._at = 0
        self._depth = 0

    def whole(self) -> Fraction:
        value = self._sum()
        if self._at != len(self._tokens):
            raise _NotASum
        return value

    def _peek(self) -> str | Fraction | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *signs: str) -> str | None:
        part = self._peek()
        if isinstance(part, str) and part in signs:
            self._at += 1
            return part
        return None

    def _sum(self) -> Fraction:
        value = self._product()
        while sign := self._take("+", "-"):
            right = self._product()
            if self._take("%"):
                right = value * right / 100
            value = value + right if sign == "+" else value - right
        return _bounded(value)

    def _product(self) -> Fraction:
        value = self._power()
        while sign := self._take("*", "/", "mod"):
            value = _multiply(sign, value, self._power())
        return value

    def _power(self) -> Fraction:
        value = self._postfix()
        if self._take("^"):
            value = _raise(value, self._power())
        return value

    def _postfix(self) -> Fraction:
        value = self._atom()
        while sign := self._take("^2", "^3", "!", "%of", "%"):
            if sign == "!":
                value = _factorial(value)
            elif sign == "%of":
                return value * self._power() / 100
            elif sign == "%":
                if self._peek() is None and self._at >= 3:  # "80 plus 10 percent" is settled in the sum
                    self._at -= 1
                    return value
                value /= 100
            else:
                value = _bounded(value ** int(sign[1]))
        return value

    def _atom(self) -> Fraction:
        self._depth += 1
        if self._depth > _MOST_TOKENS:
            raise _NotASum
        part = self._peek()
        self._at += 1
        if isinstance(part, Fraction):
            return part
        if part == "(":
            value = self._sum()
            if not self._take(")"):
                raise _NotASum
            return value
        if part == "that" and self._before is not None:
            return self._before
        if isinstance(part, str) and part in _PREFIX:
            return _PREFIX[part](self._power() if part in ("-", "neg") else self._postfix())
        raise _NotASum


def _bounded(value: Fraction) -> Fraction:
    if max(abs(value.numerator), value.denominator).bit_length() > _MOST_BITS:
        raise CannotCompute("That number is too large for me to say.")
    return value


def _multiply(sign: str, left: Fraction, right: Fraction) -> Fraction:
    if sign == "*":
        return _bounded(left * right)
    if right == 0:
        raise CannotCompute("I can not divide by zero. Nobody can.")
    return _bounded(left / right) if sign == "/" else left % right


def _raise(base: Fraction, power: Fraction) -> Fraction:
    if base == 0 and power < 0:
        raise CannotCompute("I can not divide by zero. Nobody can.")
    if power.denominator == 1:
        size = max(abs(base.numerator), base.denominator).bit_length()
        if size * abs(power.numerator) > _MOST_BITS and abs(base) not in (0, 1):
            raise CannotCompute("That number is too large for me to say.")
        return _bounded(base**power.numerator)
    if base < 0:
        raise CannotCompute("That has no real answer.")
    return _inexact(lambda: float(base) ** float(power))


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise CannotCompute("A negative number has no real square root.")
    up, down = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if up * up == value.numerator and down * down == value.denominator:
        return Fraction(up, down)
    return _inexact(lambda: math.sqrt(value))


def _cube_root(value: Fraction) -> Fraction:
    found = _inexact(lambda: math.copysign(abs(float(value)) ** (1 / 3), value))
    near = Fraction(round(found))
    return near if near**3 == value else found


def _factorial(value: Fraction) -> Fraction:
    if value.denominator != 1 or value < 0:
        raise CannotCompute("Only whole numbers from zero up have a factorial.")
    if value > 300:
        raise CannotCompute("That number is too large for me to say.")
    return Fraction(math.factorial(int(value)))


def _inexact(compute: Callable[[], float]) -> Fraction:
    try:
        return Fraction(compute())
    except (OverflowError, ValueError):
        raise CannotCompute("That number is too large for me to say.") from None


_PREFIX: dict[str, Callable[[Fraction], Fraction]] = {
    "sqrt": _root, "cbrt": _cube_root, "square": lambda v: _bounded(v**2), "cube": lambda v: _bounded(v**3),
    "half": lambda v: v / 2, "double": lambda v: v * 2, "triple": lambda v: v * 3,
    "third": lambda v: v / 3, "quarter": lambda v: v / 4,
    "-": lambda v: -v, "neg": lambda v: -v,
}  # fmt: skip


def _say_result(value: Fraction) -> str:
    said = say_number(value)
    return said if is_exact(value) or said.startswith("about") else f"about {said}"


def _say_tokens(tokens: list[str | Fraction], before: Fraction | None) -> str:
    if len(tokens) > 9:
        return "that"
    words: list[str] = []
    for part in tokens:
        if isinstance(part, Fraction):
            words.append(_say_result(part))
        elif part == "that" and before is not None:
            words.append(_say_result(before))
        elif part not in "()":
            words.append(_NAMES[part])
    return " ".join(words)


def last_result(texts: list[str]) -> Fraction | None:
    """What "that" means after these user turns: the value of the last sum among them, follow-ups included."""
    value: Fraction | None = None
    for text in texts[-20:]:
        try:
            done = work_out(text, value)
        except CannotCompute:
            continue
        if done is not None:
            value = done.value
    return value


def _two_numbers(line: str) -> tuple[Fraction, Fraction] | None:
    words = number_words(line)
    found: list[Fraction] = []
    at = 0
    while at < len(words):
        hit = read_number(words, at)
        if hit:
            found.append(hit[0])
            at = hit[1]
        else:
            at += 1
    return (found[0], found[1]) if len(found) == 2 else None


def compare(text: str) -> str | None:
    """Answers "which is bigger, 3 or 5", "is 7 greater than 5", "is 10 even", "is 17 prime"."""
    line = plain(text)
    more = re.search(r"\b(bigger|greater|larger|higher|more|biggest|largest|greatest)\b", line)
    less = re.search(r"\b(smaller|less|lower|smallest|lowest|fewer)\b", line)
    pair = _two_numbers(line) if more or less else None
    if pair and (less or more):
        first, second = pair
        if first == second:
            return "They are equal."
        if re.search(r"\b(?:is|are) .+ than\b", line) and not line.startswith(("which", "what")):
            holds = first > second if more else first < second
            sign = "greater" if first > second else "less"
            return f"{'Yes' if holds else 'No'}, {say_number(first)} is {sign} than {say_number(second)}."
        if re.match(r"(?:which|what)\b|.*\bor\b", line):
            chosen, other = (max(pair), min(pair)) if more else (min(pair), max(pair))
            word = "greater" if more else "less"
            return f"{say_number(chosen).capitalize()} is {word} than {say_number(other)}."
    return _property(line)


def _property(line: str) -> str | None:
    match = re.fullmatch(r"(?:.* )?is (.+?) (?:an? )?(even|odd|prime)(?: number)?(?: or (even|odd))?", line)
    if not match:
        return None
    words = number_words(match[1])
    hit = read_number(words, 0)
    if hit is None or hit[1] != len(words) or hit[0].denominator != 1:
        return None
    value = int(hit[0])
    if match[2] == "prime":
        if value > 10**10:
            return "That is too large for me to test."
        prime = value > 1 and all(value % by for by in range(2, math.isqrt(value) + 1))
        return f"{'Yes' if prime else 'No'}, {say_number(value)} is {'' if prime else 'not '}a prime number."
    kind = "odd" if value % 2 else "even"
    start = "" if match[3] else ("Yes, " if kind == match[2] else "No, ")
    answer = f"{start}{say_number(value)} is {kind}."
    return answer[0].upper() + answer[1:]
