"""Is this the beginning of speech, or a click, or a bar of music? The rule and its constants: docs/audio.md."""

from __future__ import annotations

CONFIRM_WINDOWS = 2
"""Speech has begun with so many voiced windows: a key's click is shorter."""

ALLOWED_GAP = 1
"""So many unvoiced windows among them are forgiven; one more and it was nothing."""


def certainty_needed(threshold: float) -> float:
    """One window of the beginning must be this probable: 0.85 at the usual 0.5. Music seldom convinces so far."""
    return min(1.7 * threshold, 1 - 0.3 * (1 - threshold))


class Onset:
    """Waits for speech to begin; windows come in order. `threshold` and `release` are probabilities."""

    def __init__(self, threshold: float, release: float) -> None:
        self._threshold = threshold
        self._release = release
        self._needed = certainty_needed(threshold)
        self.reset()

    def reset(self) -> None:
        """Whatever was pending was nothing."""
        self._start: int | None = None
        self._voiced = 0
        self._missed = 0
        self._highest = 0.0

    def hear(self, probability: float, start: int) -> int | None:
        """Where speech began, once the window that begins at `start` has made it certain."""
        if probability >= self._threshold:
            if self._start is None:
                self._start = start
            self._voiced += 1
            self._missed = 0
            self._highest = max(self._highest, probability)
        elif probability < self._release and self._start is not None:
            self._missed += 1
            if self._missed > ALLOWED_GAP:
                self.reset()
        if self._start is None or self._voiced < CONFIRM_WINDOWS or self._highest < self._needed:
            return None
        onset = self._start
        self.reset()
        return onset
