"""The last hand on an answer: fit for speech, and shaped as the instructions want it."""

from __future__ import annotations

import re

from voicebridge.engines.embedded.brain.instructions import Directives
from voicebridge.engines.embedded.brain.words import as_sentence, sentences

_LONGEST = 6000


def shape(text: str, directives: Directives, *, exact: bool = False) -> str:
    """Brief, without forbidden words, with the demanded first and last words. `exact` texts only lose their excess."""
    text = text.strip()[:_LONGEST]
    if exact:
        return text or "Yes."
    if directives.brief:
        text = _briefly(text)
    if directives.never:
        text = _without(text, directives.never)
    if directives.prefix and not text.lower().startswith(directives.prefix.lower()):
        text = f"{_joined(directives.prefix)} {text}"
    if directives.suffix and not text.lower().rstrip(".!").endswith(directives.suffix.lower().rstrip(".!")):
        text = f"{text} {as_sentence(directives.suffix)}"
    return text.strip() or "I have nothing to say to that."


def _joined(prefix: str) -> str:
    return prefix if prefix[-1] in ".,!?:;" else f"{prefix}."


def _briefly(text: str) -> str:
    """The first sentence; two when the first is very short; questions that wait for an answer stay."""
    parts = sentences(text)
    if len(parts) < 2:
        return text
    kept = parts[:1] if len(parts[0].split()) > 3 else parts[:2]
    if parts[-1].endswith("?") and parts[-1] not in kept:
        kept.append(parts[-1])
    return " ".join(kept)


def _without(text: str, banned: tuple[str, ...]) -> str:
    kept = [sentence for sentence in sentences(text) if not mentions(sentence, banned)]
    if len(kept) == len(sentences(text)):
        return text
    fallback = "I may not speak about that."
    return " ".join(kept) or (fallback if not mentions(fallback, banned) else "Sorry.")


def mentions(text: str, banned: tuple[str, ...]) -> bool:
    """Whether a text holds one of the forbidden words."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in banned)
