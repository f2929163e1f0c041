"""The one audio form inside voicebridge: 24 kHz, mono, int16, counted in samples."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.int16]
"""Mono int16 at `INTERNAL_RATE_HZ`, shape (n,); never written to after creation."""

INTERNAL_RATE_HZ = 24_000

EMPTY: Samples = np.zeros(0, np.int16)


def samples_to_ms(samples: int) -> int:
    """Whole milliseconds (rounded down) of a count of samples at 24 kHz. For the edge only."""
    return samples * 1000 // INTERNAL_RATE_HZ


def ms_to_samples(ms: int) -> int:
    """Samples at 24 kHz in a number of milliseconds: exact, 24 samples each."""
    return ms * INTERNAL_RATE_HZ // 1000


def samples_to_seconds(samples: int) -> float:
    return samples / INTERNAL_RATE_HZ
