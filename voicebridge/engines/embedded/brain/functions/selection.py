"""Which of the client's functions an utterance asks for: cosine of sentence embeddings, helped by shared words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from voicebridge.engines.embedded.brain.embeddings import Embedder
from voicebridge.engines.embedded.brain.functions.schema import Function
from voicebridge.engines.embedded.brain.words import core, split_name, stem, stems

# Chosen on the training half of the evaluation set; docs/brain.md has the figures.
THRESHOLD = 0.30
LEXICAL_WEIGHT = 0.30
LEXICAL_THRESHOLD = 0.35
_WEAK = frozenset(
    stem(word)
    for word in [
        "current", "user", "given", "name", "value", "string", "get", "set", "use", "specific", "return", "function",
        "call", "type", "date", "time", "day", "number", "new", "information", "info", "provide", "list",
    ]
)  # fmt: skip


# What people say instead of the words that descriptions use.
_FAMILIES = (
    "weather forecast rain raining snow snowing sunny cloudy windy umbrella",
    "light lamp bright dark dim illumination", "timer countdown", "alarm wake", "message text sms tell whatsapp",
    "mail email", "call phone dial ring telephone", "book reserve reservation table dinner restaurant",
    "music song play listen hear album artist playlist track", "shopping grocery buy list",
    "translate translation language word meaning", "remind reminder forget remember",
    "currency money exchange dollar euro pound yen franc rate", "flight fly plane airline air",
    "order package parcel delivery shipment ship", "thermostat heating heat temperature cold warm degree",
    "stock share ticker market", "human person agent operator representative supervisor someone support",
    "hang end disconnect terminate", "appointment meeting calendar event schedule",
    "route direction navigate navigation way drive map", "news headline", "recipe cook cooking meal",
    "lock unlock door", "volume loud louder quiet quieter sound mute", "search find look lookup",
    "open raise blind curtain shutter", "vacuum clean robot", "pay payment transfer send bank", "balance account",
    "room hotel night stay", "taxi cab ride", "movie film cinema", "cancel delete remove", "pizza food order eat",
    "joke funny", "note memo write jot", "photo picture camera",
)  # fmt: skip
_KIN: dict[str, frozenset[str]] = {}
for _family in _FAMILIES:
    _members = frozenset(stem(word) for word in _family.split())
    for _member in _members:
        _KIN[_member] = _KIN.get(_member, frozenset()) | _members

# Turns of phrase whose single words say little.
_PHRASES = (
    (r"\btell (?!me\b|us\b|you\b)\w+|\blet (?!me\b|us\b)[\w ]{1,20} know\b", stem("message")),
    (
        r"\bdo not let me forget\b|\bdo not forget to\b|\bmust (?:not forget|remember)\b|\bhave to remember\b",
        stem("remind"),
    ),
    (
        r"\bhow (?:do|would|can) (?:you|i|we) say\b|\bwhat is \w+ in (?:french|spanish|german|italian)\b",
        stem("translate"),
    ),
    (r"\bput me through\b|\bconnect me\b|\b(?:talk|speak) (?:to|with) (?:a|an|the|some|your)\b", stem("human")),
    (r"\blet me know (?:when|in)\b", stem("timer")),
)

# Openings with which people tell or ask about the world, and rarely ask for something to be done.
_TELLING = re.compile(
    r"(?:why|who|whose|how (?:do|does|did|are|old|come)\b(?! (?:i|you|we) say| i get)|i (?:like"
    r"|love|hate|had|went|was|bought|live|work|saw|think"
    r"|do not (?:know|like|understand|think))\b|i am (?!out|looking|trying)|my \w+ (?:is|was"
    r"|were|are)\b|(?:it|that|he|she|this|they) was\b"
    r"|it is (?:my|an?|so|very)\b|do you (?:like|think|love|know|have)"
    r"|are you|you are|that is|what (?:are|is) (?:you|your"
    r"|my)\b|what can you|have you|did you|what do you)"
)


@dataclass(frozen=True, slots=True)
class Match:
    """A function and how well the utterance fits it; `over` is the distance to the threshold."""

    function: Function
    score: float
    over: float
    shared: float

    def better(self, by: float) -> Match:
        return Match(self.function, self.score + by, self.over + by, self.shared)


class Selector:
    """Scores utterances against functions; without an embedder only shared words count."""

    def __init__(self, embedder: Embedder | None) -> None:
        self._embedder = embedder

    def rank(self, text: str, functions: Sequence[Function]) -> list[Match]:
        """All functions, the best first."""
        utterance = core(text)[:300]
        said = stems(utterance) + [word for pattern, word in _PHRASES if re.search(pattern, utterance)]
        unlike = 0.2 if _TELLING.match(utterance) else 0.0
        matches = [self._match(utterance, said, unlike, function) for function in functions]
        return sorted(matches, key=lambda match: -match.score)

    def _match(self, utterance: str, said: list[str], unlike: float, function: Function) -> Match:
        shared = shared_words(said, function)
        if self._embedder is None:
            return Match(function, shared - unlike, shared - unlike - LEXICAL_THRESHOLD, shared)
        mine = self._embedder.embed(utterance)
        cosine = max(float(mine @ self._embedder.embed(text)) for text in profile(function))
        score = cosine + LEXICAL_WEIGHT * shared - unlike
        return Match(function, score, score - THRESHOLD, shared)


def profile(function: Function) -> list[str]:
    """The texts an utterance is compared with: the description alone, and everything the schema says."""
    slots = ", ".join(slot.words for slot in function.slots[:8])
    about = function.about or function.words
    return [about, f"{function.words}. {about[:160]} {slots}".strip()]


def shared_words(said: list[str], function: Function) -> float:
    """0 to 1: how much of what was said the function's name, description, parameters and choices name too."""
    weights: dict[str, float] = {}
    for word in stems(function.about):
        weights[word] = 0.3
    for slot in function.slots:
        for word in stems(f"{slot.words} {slot.about}"):
            weights.setdefault(word, 0.15)
        for choice in slot.choices:
            for word in stems(split_name(str(choice))):
                weights[word] = max(weights.get(word, 0), 0.3)
    for word in stems(function.words):
        weights[word] = 0.5
    return min(1.0, sum(_weight(word, weights) for word in dict.fromkeys(said)))


def _weight(word: str, weights: dict[str, float]) -> float:
    if word in weights:
        return weights[word] * (0.3 if word in _WEAK else 1.0)
    kin = _KIN.get(word, frozenset())
    # "remind" and "reminder", "reserve" and "reservation" are one word here.
    near = (weights[known] for known in weights if known in kin or _same_root(known, word))
    return 0.8 * max(near, default=0.0)


def _same_root(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= 5 and (one.startswith(other) or other.startswith(one))


_JOINTS = re.compile(
    r"(?:[.;?!,]\s+(?:and\s+)?(?:then\s+|also\s+)?|\s+(?:and then|and also|and|then|also|plus|as well as)\s+)",
    re.IGNORECASE,
)
_MOST_CLAUSES = 6


def clause_spans(text: str) -> list[tuple[int, int]]:
    """Where the pieces between "and", "then" and sentence ends stand; each may ask for a function of its own."""
    spans: list[tuple[int, int]] = []
    start = 0
    for joint in _JOINTS.finditer(text[:1000]):
        if joint.start() > start:
            spans.append((start, joint.start()))
        start = joint.end()
    if start < len(text):
        spans.append((start, len(text)))
    if len(spans) > _MOST_CLAUSES:
        spans[_MOST_CLAUSES - 1 :] = [(spans[_MOST_CLAUSES - 1][0], spans[-1][1])]
    return spans
