"""Words, stems and sentences: the spelling-independent view of an utterance that every pattern works on."""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 4000  # characters of one turn that are looked at; the rest cannot change a short spoken answer

_SIGNS = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": " - "})
_SPELLINGS = {
    "whats": "what is", "whos": "who is", "wheres": "where is", "whens": "when is", "hows": "how is",
    "thats": "that is", "im": "i am", "ive": "i have", "dont": "do not", "cant": "can not", "cannot": "can not",
    "youre": "you are", "didnt": "did not", "doesnt": "does not", "isnt": "is not", "lets": "let us",
    "favourite": "favorite", "colour": "color", "colours": "colors", "centre": "center", "metre": "meter",
    "metres": "meters", "kilometre": "kilometer", "kilometres": "kilometers", "litre": "liter", "litres": "liters",
    "ok": "okay", "gonna": "going to", "wanna": "want to", "gimme": "give me", "pls": "please", "thanx": "thanks",
}  # fmt: skip
_ENDINGS = (("n't", " not"), ("'re", " are"), ("'m", " am"), ("'ve", " have"), ("'ll", " will"), ("'d", " would"))
_IS_AFTER = frozenset(
    ["what", "who", "where", "when", "how", "that", "it", "there", "he", "she", "here", "name", "why", "which"]
)
STOPWORDS = frozenset(
    [
        "a", "an", "the", "i", "me", "my", "we", "our", "you", "your", "he", "she", "it", "its", "they", "them",
        "this", "that", "these", "those", "is", "am", "are", "was", "were", "be", "been", "being", "do", "does",
        "did", "have", "has", "had", "will", "would", "can", "could", "shall", "should", "may", "might", "must",
        "of", "to", "in", "on", "at", "by", "for", "with", "from", "as", "and", "or", "but", "if", "so", "than",
        "then", "there", "here", "what", "which", "who", "whom", "when", "where", "why", "how", "not", "no", "yes",
        "please", "just", "about", "into", "over", "some", "any", "all", "also", "too", "very", "let", "us", "tell",
        "give", "want", "need", "like", "know", "say", "get", "got", "go", "okay", "hey", "hi", "hello", "well",
        "um", "uh", "now", "right", "up", "out", "off",
    ]
)  # fmt: skip


def tidy(text: str) -> str:
    """Straight quotes, single blanks, at most LONGEST characters; case and punctuation stay."""
    return " ".join(text[:LONGEST].translate(_SIGNS).split())


def _spell_out(word: str) -> str:
    if word in _SPELLINGS:
        return _SPELLINGS[word]
    if word == "let's":
        return "let us"
    if word == "can't":
        return "can not"
    if word == "won't":
        return "will not"
    if word.endswith("'s") and word[:-2] in _IS_AFTER:
        return word[:-2] + " is"
    for ending, long in _ENDINGS:
        if word.endswith(ending):
            return word[: -len(ending)] + long
    return word


@lru_cache(maxsize=512)
def plain(text: str) -> str:
    """Lower case, contractions spelt out, American spelling, no punctuation but that inside numbers."""
    found = re.findall(r"[^\W_]+(?:['.,:/][^\W_]+)*", tidy(text).lower())
    return " ".join(_spell_out(word) for word in found)


_LEAD = re.compile(
    r"^(?:(?:(?:hello|hi|hey)(?: there| again| everyone| everybody)?|good (?:morning|afternoon|evening|day)"
    r"|okay|alright|all right|well|um+|uh+|er+|ah|oh|so|now|please|sorry"
    r"|excuse me|great|good|cool|nice"
    r"|thanks|thank you|yes|yeah|sure|listen|actually|then|but"
    r"|(?:can|could|would|will) you(?: please)?|i (?:want|need|would like) you to|i (?:want|would like) to know"
    r"|(?:please )?tell me(?! (?:a|an|another|about|something)\b)|do you (?:know|happen to know"
    r"|remember)|let us|go ahead and"
    r"|i wonder|i was wondering|may i ask|can i ask you|just|quickly)\s+)+(?=\S)"
)
_TAIL = re.compile(r"(?:\s+(?:please|thanks|thank you|for me|right now|again please|if you can|will you|would you))+$")


@lru_cache(maxsize=512)
def core(text: str) -> str:
    """`plain` without the polite words around it: "could you please spell it for me" -> "spell it"."""
    whole = plain(text)
    short = _TAIL.sub("", _LEAD.sub("", whole))
    return short or whole


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A rough English stem: enough to join "lights" to "light" and "booking" to "book"."""
    for ending, put in (("ies", "y"), ("sses", "ss"), ("ations", "at"), ("ation", "at"), ("ings", ""), ("ing", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return _undouble(word[: -len(ending)] + put)
    if word.endswith("ed") and len(word) >= 5:
        return _undouble(word[:-2])
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def _undouble(word: str) -> str:
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        return word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def stems(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return list(_stems(text[:LONGEST]))


@lru_cache(maxsize=2048)
def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in re.findall(r"[^\W_]+", plain(text)) if word not in STOPWORDS)


def split_name(name: str) -> str:
    """An identifier as words: "getWeather_byCity" -> "get weather by city"."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name[:200])
    return " ".join(re.findall(r"[^\W_]+", spaced)).lower()


def sentences(text: str) -> list[str]:
    """Sentences of a prose text, without blank ends."""
    parts = re.split(r"(?<=[.!?\u3002\uff01\uff1f])[\"')]*\s+|\n+", text)
    return [part.strip(" \t-*\u2022#") for part in parts if part.strip(" \t-*\u2022#")]


def as_sentence(text: str) -> str:
    """First letter large, a full stop where there is no end sign."""
    text = text.strip()
    if not text:
        return text
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?\u3002\uff01\uff1f" else text + "."


def join(parts: list[str], word: str = "and") -> str:
    """One text of several: "a", "a and b", "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


_YOU_AND_ME = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "am": "are", "you": "I",
    "your": "my", "yours": "mine", "yourself": "myself", "i'm": "you are", "i've": "you have", "i'll": "you will",
    "i'd": "you would", "we": "you", "our": "your", "us": "you",
}  # fmt: skip


def turn_around(text: str) -> str:
    """What the user said about themselves, said back to them: "I parked my car" -> "you parked your car"."""

    def swap(match: re.Match[str]) -> str:
        return _YOU_AND_ME.get(match.group().lower(), match.group())

    turned = re.sub(r"[^\W\d_]+(?:'[^\W\d_]+)?", swap, text)
    turned = re.sub(r"\bI are\b", "I am", turned)
    return re.sub(r"\byou was\b", "you were", turned)
