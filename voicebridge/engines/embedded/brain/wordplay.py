"""Spelling, counting, repeating, letters, and picking by a rule that is told."""

from __future__ import annotations

import re
from fractions import Fraction

from voicebridge.engines.embedded.brain.numbers import number_words, read_number, say_number
from voicebridge.engines.embedded.brain.words import as_sentence, core, tidy

_MOST_COUNTED = 200
_SPELL = re.compile(
    r"(?:how (?:do|would) you spell|spell(?: out)?|how is(?=.* spel(?:led|t)$))(?: me)?(?: the "
    r"(?:word|name))? (?P<word>[\w' -]{1,60}?)(?: spelled| spelt| letter by letter| slowly)?"
)
_LETTERS = re.compile(
    r"how many (?P<what>letters|characters|vowels|words) (?:are|does|is)?(?: there)? ?(?:in "
    r"|has )?(?:the word |the sentence )?(?P<word>.+?)(?: have| has)?"
)
_LETTER = re.compile(r"how many (?P<letter>[a-z])(?:'?s)? (?:are|is)? ?(?:there )?in (?:the word )?(?P<word>[\w-]+)")
_BACKWARDS = re.compile(
    r"(?:say|spell|reverse|what is)(?: the word)? (?P<word>[\w-]{1,40}) (?:backwards?|in "
    r"reverse|reversed)|reverse (?:the word )?(?P<other>[\w-]{1,40})|spell (?P<third>[\w-]+) "
    r"backwards?"
)
_COUNT = re.compile(
    r"count(?: me)?(?P<down> (?:down|backwards?))?(?: from (?P<first>.+?))?(?:(?P<down2> "
    r"backwards?| down))?(?: (?:up )?to (?P<last>.+?))?(?: by (?P<step>.+?)s?)?(?: slowly| out "
    r"loud| aloud)?"
)
_ALPHABET = re.compile(r"(?:say|recite|tell me|sing|what is|give me) (?:the )?(?:alphabet|a b c|abc)")
_ECHO = re.compile(
    r"(?:(?:hey|hi|hello|okay|ok|now|please|and|then|so)[, ]+)*(?:(?:can|could|would|will) you "
    r"(?:please )?|i want you to |i'd like you to )?(?:please |just |simply )*"
    r"(?:(?P<exact>(?:say|repeat|speak|answer|reply|respond)(?: with)?(?: exactly| precisely| "
    r"only| just| the following| the words?| the phrase| the sentence| this)+)"
    r"|(?P<after>repeat after me|say after me|repeat the (?:words?|sentence|phrase)|repeat the "
    r"following|echo)|(?P<say>say|repeat))"
    r"(?:\s*[:,]\s*|\s+)(?P<rest>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_NOT_ECHO = re.compile(
    r"(?:that|it|this|what|yourself|something|anything|your|my name|the (?:alphabet|last"
    r"|question|answer)|again|more|how|when|if|who|where|why|nothing|again please"
    r"|\w+ backwards?|\w+ in (?:reverse|spanish|french|german|chinese|italian|japanese))\b",
    re.IGNORECASE,
)
_ROLL = re.compile(
    r"(?:roll|throw)(?: a| the| one| two)? ?(?:die|dice|dices)|(?:flip|toss|throw)(?: a| the)? "
    r"coin|heads or tails|(?:pick|choose|give me|think of|tell me|name) a (?:random "
    r")?number(?: between (?P<low>.+) and (?P<high>.+)| from (?P<from>.+) to (?P<to>.+))?|give "
    r"me a random number"
)


def answer_wordplay(text: str, earlier: int, own_name: str) -> str | None:
    """A spoken answer, or None. `earlier` counts the turns before; `own_name` is for "spell my name"."""
    line = core(text)[:400]
    if match := _BACKWARDS.fullmatch(line):
        word = match["word"] or match["other"] or match["third"]
        reverse = word[::-1]
        return f"{', '.join(reverse)}." if line.startswith("spell") else f"{reverse.capitalize()}."
    if match := _SPELL.fullmatch(line):
        return _spell(match["word"], own_name)
    if match := _LETTER.fullmatch(line):
        count = match["word"].count(match["letter"])
        return (
            f"There {'is' if count == 1 else 'are'} {say_number(count)} "
            f"{match['letter'].upper()}{'' if count == 1 else 's'} in {match['word']}."
        )
    if match := _LETTERS.fullmatch(line):
        return _letters(match["what"], match["word"])
    if _ALPHABET.fullmatch(line):
        return f"{', '.join('ABCDEFGHIJKLMNOPQRSTUVWXYZ')}."
    if match := _COUNT.fullmatch(line):
        return _count(match.groupdict())
    if match := _ROLL.fullmatch(line):
        return _pick(line, match, earlier)
    return None


def _spell(word: str, own_name: str) -> str | None:
    if word in ("my name", "my name for me"):
        if not own_name:
            return "You have not told me your name yet."
        word = own_name.lower()
    if word in ("it", "that", "this", "better", "correctly"):
        return None
    letters = [
        "space" if char == " " else "apostrophe" if char == "'" else "hyphen" if char == "-" else char.upper()
        for char in word
    ]
    return f"{word.capitalize()}: {', '.join(letters)}."


def _letters(what: str, word: str) -> str | None:
    bare = word.strip()
    if what == "words":
        count = len(bare.split())
    elif len(bare.split()) > 3:
        return None
    else:
        count = sum(char in "aeiou" if what == "vowels" else char.isalnum() for char in bare)
    name = what if count != 1 else what[:-1]
    return f"{bare.capitalize()} has {say_number(count)} {name}."


def _whole(words: str | None) -> int | None:
    if not words:
        return None
    sign = -1 if words.startswith(("minus ", "negative ")) else 1
    parts = number_words(re.sub(r"^(?:minus|negative) ", "", words))
    hit = read_number(parts, 0)
    return sign * int(hit[0]) if hit and hit[1] == len(parts) and hit[0].denominator == 1 and hit[0] < 10**9 else None


def _count(got: dict[str, str | None]) -> str | None:
    down = bool(got["down"] or got["down2"])
    first, last = _whole(got["first"]), _whole(got["last"])
    if (got["first"] and first is None) or (got["last"] and last is None):
        return None
    if first is None and last is None:
        return None
    if got["first"] is None:
        first, last = (last, 1) if down else (1, last)
    elif got["last"] is None:
        first, last = (first, 1) if down else (first, (first or 0) + 10)
    assert first is not None and last is not None  # noqa: S101, PT018 - both cases are settled above
    step = abs(_whole(got["step"]) or 1)
    values = list(range(first, last + 1, step)) if first <= last else list(range(first, last - 1, -step))
    cut = len(values) > _MOST_COUNTED
    spoken = ", ".join(say_number(Fraction(value)) for value in values[:_MOST_COUNTED])
    return as_sentence(spoken) + (
        f" That is as far as I count at once. There are {say_number(len(values))} numbers." if cut else ""
    )


def _pick(line: str, match: re.Match[str], earlier: int) -> str:
    """Nothing here is random, and it says so."""
    turn = earlier + len(line)
    if "coin" in line or "heads" in line:
        return f"I have no real coin, I go by the number of our turns. {'Heads' if turn % 2 else 'Tails'}."
    low, high = _whole(match["low"] or match["from"]), _whole(match["high"] or match["to"])
    if low is None or high is None or low > high:
        low, high = (1, 6) if "di" in line else (1, 10)
    picked = low + (turn * 7) % (high - low + 1)
    return f"I have no real chance in me, I go by the number of our turns. {say_number(picked).capitalize()}."


def echo(text: str) -> str | None:
    """What the user wants said: "Say exactly: hello world", "repeat after me: X", "please say 'X'"."""
    match = _ECHO.match(tidy(text))
    if match is None:
        return None
    rest = match["rest"].strip()
    quoted = re.match(r"\"([^\"]+)\"|'((?:[^']|'(?=\w))+)'(?!\w)", rest)
    if quoted:
        return (quoted[1] or quoted[2]).strip()
    if match["say"] and _NOT_ECHO.match(rest):
        return None
    rest = re.sub(r",? please[.!?]*$", "", rest, flags=re.IGNORECASE)
    rest = re.sub(r"\s+(?:to me|for me)[.!?]*$", "", rest, flags=re.IGNORECASE)
    if match["say"] and re.search(r"\bhow many\b|\?$", rest) and not re.match(r"[^?]*$", rest):
        return None
    return rest.strip(" ,:")[:1000] or None
