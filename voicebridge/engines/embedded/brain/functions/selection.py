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
LEXICAL_THRESHOLD = 0.40
_WEAK = frozenset(stem(word) for word in "current user given name value string get set use specific return function call type "
                  "date time day number new information info provide list".split())  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """A function and how well the utterance fits it; `over` is the distance to the threshold."""

    function: Function
    score: float
    over: float
    shared: float


class Selector:
    """Scores utterances against functions; without an embedder only shared words count."""

    def __init__(self, embedder: Embedder | None) -> None:
        self._embedder = embedder

    def rank(self, text: str, functions: Sequence[Function]) -> list[Match]:
        """All functions, the best first."""
        utterance = core(text)[:300]
        said = stems(utterance)
        matches = [self._match(utterance, said, function) for function in functions]
        return sorted(matches, key=lambda match: -match.score)

    def _match(self, utterance: str, said: list[str], function: Function) -> Match:
        shared = shared_words(said, function)
        if self._embedder is None:
            return Match(function, shared, shared - LEXICAL_THRESHOLD, shared)
        mine = self._embedder.embed(utterance)
        cosine = max(float(mine @ self._embedder.embed(text)) for text in profile(function))
        score = cosine + LEXICAL_WEIGHT * shared
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
    total = sum(weights.get(word, 0.0) * (0.3 if word in _WEAK else 1.0) for word in dict.fromkeys(said))
    return min(1.0, total)


_JOINTS = re.compile(
    r"(?:[.;?!,]\s+(?:and\s+)?(?:then\s+|also\s+)?|\s+(?:and then|and also|and|then|also|plus|as well as)\s+)", re.IGNORECASE
)
_MOST_CLAUSES = 6


def clauses(text: str) -> list[str]:
    """The pieces of an utterance between "and", "then" and sentence ends; each may ask for a function of its own."""
    parts = [part.strip() for part in _JOINTS.split(text[:1000])]
    return [part for part in parts if part][:_MOST_CLAUSES]
