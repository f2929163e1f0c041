"""One spoken part of an answer: its samples, and which words they say. It knows what was heard of it."""

from __future__ import annotations

import numpy as np

from voicebridge.audio.samples import EMPTY, Samples

_THAI = "\u0e00"
"""From here on there are scripts that do not part their words by blanks."""


class SpokenPart:
    """Grows while a response speaks; cut once, where a truncation says the listener stopped hearing."""

    def __init__(self) -> None:
        self._chunks: list[Samples] = []
        self._script: list[tuple[int, str]] = []
        self._length = 0
        self._text: str | None = ""
        self.truncated = False

    @property
    def length(self) -> int:
        """Samples."""
        return self._length

    @property
    def text(self) -> str:
        """The words of all that is left; words partly cut off are gone."""
        if self._text is None:
            self._text = "".join(text for _, text in self._script)
        return self._text

    def add(self, text: str, samples: Samples) -> None:
        """Text and the samples that say it. After a truncation nothing is added: it would not be heard."""
        if self.truncated:
            return
        if len(samples):
            self._chunks.append(samples)
            self._length += len(samples)
        self._script.append((self._length, text))
        self._text = None

    def truncate(self, at: int) -> int:
        """Keep the first `at` samples and the words that end within them, by share of their piece's length.

        Returns how many samples were freed.
        """
        self.truncated = True
        self._script = _heard_script(self._script, at)
        self._text = None
        self._length = min(self._length, at)
        before = self.samples()
        self._chunks = [before[:at].copy()]  # a view would hold on to the rest
        return max(0, len(before) - at)

    def samples(self) -> Samples:
        return np.concatenate(self._chunks) if self._chunks else EMPTY

    def forget_audio(self) -> int:
        """Free the samples, keep the words; how many were freed."""
        freed = sum(len(chunk) for chunk in self._chunks)
        self._chunks = []
        return freed


def _heard_script(script: list[tuple[int, str]], at: int) -> list[tuple[int, str]]:
    heard: list[tuple[int, str]] = []
    start = 0
    for end, text in script:
        if end <= at:
            heard.append((end, text))
        else:
            if end > start and at > start:
                heard.append((at, leading_words(text, (at - start) / (end - start))))
            break
        start = end
    return heard


def leading_words(text: str, share: float) -> str:
    """The whole words within the first `share` (0 to 1) of the text; scripts without blanks are cut by character."""
    cut = int(len(text) * share)
    if cut >= len(text) or any(character.isalpha() and character >= _THAI for character in text):
        return text[:cut]
    return text[: max(0, text.rfind(" ", 0, cut + 1))]
