"""Finding the sentence that answers a question, among what the user told and what the instructions state."""

from __future__ import annotations

from collections.abc import Sequence

from voicebridge.engines.embedded.brain.embeddings import Embedder
from voicebridge.engines.embedded.brain.words import stems

_MOST_SEARCHED = 40
_CLOSE = 0.45
_CLOSER = 0.30  # with a shared content word


def find_sentence(question: str, known: Sequence[str], embedder: Embedder | None) -> str | None:
    """The nearest of `known`; None when none is near. Without an embedder at least two content words must be shared."""
    asked = set(stems(question))
    best: tuple[float, str] | None = None
    for sentence in list(known)[-_MOST_SEARCHED:]:
        shared = len(asked & set(stems(sentence)))
        if embedder is None:
            score = shared / max(2, len(asked)) if shared >= 2 else 0.0
        else:
            cosine = float(embedder.embed(question[:300]) @ embedder.embed(sentence[:300]))
            score = cosine if cosine >= _CLOSE or (shared and cosine >= _CLOSER) else 0.0
        if score and (best is None or score > best[0]):
            best = score, sentence
    return best[1] if best else None
