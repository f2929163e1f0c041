"""Written text as speech takes it: in sentences, without markup, and word by word beside its samples.

Numbers, times, dates, money and units are read by the synthesiser's own rules; here is what those lack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from voicebridge.audio.samples import Samples, ms_to_samples

LONGEST_SENTENCE = 240
"""Characters spoken in one go; some 16 s."""
_SHORTEST_CAPTION = ms_to_samples(250)

_SENTENCE_END = re.compile(r"[.!?\u2026\u3002\uff01\uff1f]+[\"'\u2019\u201d)\]*_]*(?=\s)|\n+")
_CLAUSE_END = re.compile(r"[,;:\u2014\u3001\uff0c](?=\s)|\s-(?=\s)")
_NO_SENTENCE_END = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|approx|No|Fig|e\.g|i\.e)|\b[A-Z]|(?:^|\n)\s*\d{1,3})\.$"
)


def sentences(text: str) -> list[str]:
    """Pieces to speak one after the other, each with its leading blanks: joined they are the text again.

    None is longer than `LONGEST_SENTENCE`, and each has something to say unless the whole text has not.
    """
    ends = [m.end() for m in _SENTENCE_END.finditer(text) if not _NO_SENTENCE_END.search(text[: m.end()])]
    pieces = [piece for sentence in _cut(text, ends) for piece in _shortened(sentence)]
    return _with_something_to_say(pieces)


def _cut(text: str, ends: list[int]) -> list[str]:
    return [text[a:b] for a, b in pairwise([0, *ends, len(text)]) if a < b]


def _shortened(sentence: str) -> Iterator[str]:
    while len(sentence) > LONGEST_SENTENCE:
        head = sentence[:LONGEST_SENTENCE]
        clauses = [m.end() for m in _CLAUSE_END.finditer(head) if m.end() > LONGEST_SENTENCE // 4]
        end = clauses[-1] if clauses else max(head.rfind(" "), 0) or LONGEST_SENTENCE
        yield sentence[:end]
        sentence = sentence[end:]
    yield sentence


def _with_something_to_say(pieces: list[str]) -> list[str]:
    kept: list[str] = []
    for piece in pieces:
        if kept and not (any(map(str.isalnum, piece)) and any(map(str.isalnum, kept[-1]))):
            kept[-1] += piece
        else:
            kept.append(piece)
    return kept


_READINGS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), reading)
    for pattern, reading in (
        (r"```\w*\n?|`", ""),
        (r"!?\[([^\]]*)\]\([^)]*\)", r"\1"),  # Markdown links; also the synthesiser's notation for phonemes
        (r"(?m)^\s{0,3}(?:#{1,6}|[-*+>]|\d{1,3}[.)])\s+", ""),
        (r"(\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1", r"\2"),
        (r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])", r"\1"),
        (r"(?<!\w)_(?=\S)([^_\n]+?)(?<=\S)_(?!\w)", r"\1"),
        (r"\be\.g\.,?", "for example"),
        (r"\bi\.e\.,?", "that is"),
        (r"(?<=\d)\s+[-\u2212]\s+(?=\d)", " minus "),
        (r"(?<=\d)\s*[*\u00d7]\s*(?=\d)", " times "),
        (r"(?<=\d)\s+[/\u00f7]\s+(?=\d)", " divided by "),
        (r"\u2212(?=\d)|(?<![\w)])-(?=\d)", "minus "),
        (r"[<>{}|\\^\[\]]", " "),
    )
)
_ADDRESS = re.compile(r"(?:https?://)?(?:[\w.+-]+@)?\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b(?:/[\w./?=&%#-]*)?")
_LETTERS = re.compile(r"(?<![\w'\u2019])[A-Za-z](?:(?:\s*[-,]\s*|\s+)[A-Za-z](?![\w'\u2019]))+")
_ADDRESS_WORDS = {
    "@": " at ",
    ".": " dot ",
    "/": " slash ",
    "-": " dash ",
    "_": " underscore ",
    "?": " ",
    "=": " equals ",
}


def spoken_form(text: str) -> str:
    """The words to pronounce: markup and pictures gone, addresses and spelled letters read out; may be empty."""
    for pattern, reading in _READINGS:
        text = pattern.sub(reading, text)
    text = _ADDRESS.sub(_address, text)
    text = _LETTERS.sub(_letters, text)
    text = "".join(c for c in text if not _is_picture(c))
    return re.sub(r"\s+", " ", text).strip()


def _address(match: re.Match[str]) -> str:
    address = match[0].partition("://")[2] or match[0]
    return re.sub(r"[@./_?=-]", lambda m: _ADDRESS_WORDS[m[0]], address.rstrip("/"))


def _letters(match: re.Match[str]) -> str:
    letters: list[str] = re.findall("[A-Za-z]", match[0])
    if len(letters) == 2 and letters[0].lower() in {"a", "i"} and "," not in match[0]:  # "a B", "I a"
        return match[0]
    return ", ".join(letters).upper()


def _is_picture(c: str) -> bool:
    code = ord(c)
    return (
        0x1F000 <= code <= 0x1FAFF or 0x2600 <= code <= 0x27BF or 0x2B00 <= code <= 0x2BFF or code in {0x200D, 0xFE0F}
    )


@dataclass(frozen=True, slots=True)
class Spoken:
    """Samples and the text that they speak."""

    text: str
    samples: Samples


def captions(text: str, samples: Samples, pause: int) -> list[Spoken]:
    """A spoken sentence in pieces of a word or a few, at least `_SHORTEST_CAPTION` long.

    `pause` samples at the end are silent and go with the last piece. Where words begin is estimated from their length.
    """
    words = re.findall(r"\s*\S+(?:\s+$)?", text)
    if len(words) < 2:
        return [Spoken(text, samples)]
    weights = [_weight(word) for word in words]
    voiced, total = len(samples) - pause, sum(weights)
    pieces: list[Spoken] = []
    said, begin, weight = "", 0, 0.0
    for word, share in zip(words, weights, strict=True):
        said, weight = said + word, weight + share
        end = int(voiced * weight / total)
        if end - begin >= _SHORTEST_CAPTION and voiced - end >= _SHORTEST_CAPTION:
            pieces.append(Spoken(said, samples[begin:end]))
            said, begin = "", end
    return [*pieces, Spoken(said, samples[begin:])]


def _weight(word: str) -> float:
    """About the duration of a word, in letters: digits are words, and marks are pauses."""
    word = word.strip()
    marks = 3.0 if word.endswith((",", ";", ":", ".", "!", "?")) else 0.0
    return 1.0 + marks + sum(4.0 if c.isdigit() or c in "$\u20ac\u00a3%+=" else 1.0 for c in word if c not in ",;:.!?")
