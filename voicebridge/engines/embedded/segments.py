"""Long speech in parts that a recogniser can take, cut where nobody speaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)

LONGEST_SEGMENT_S = 28
_EARLIEST_CUT_S = 16


def segments(sound: NDArray[Sample], rate_hz: int) -> Iterator[NDArray[Sample]]:
    """Parts of at most `LONGEST_SEGMENT_S`, cut where it is quietest, a good while after the last cut."""
    longest, earliest = LONGEST_SEGMENT_S * rate_hz, _EARLIEST_CUT_S * rate_hz
    while len(sound) > longest:
        cut = earliest + _quietest(sound[earliest:longest], rate_hz)
        yield sound[:cut]
        sound = sound[cut:]
    yield sound


def _quietest(sound: NDArray[Sample], rate_hz: int) -> int:
    """The middle of the 200 ms with the least energy."""
    hop, width = rate_hz // 100, 20
    frames = sound[: len(sound) // hop * hop].reshape(-1, hop).astype(np.float32)
    energy = np.convolve((frames**2).sum(1), np.ones(width), "valid")
    return int(energy.argmin() + width // 2) * hop
