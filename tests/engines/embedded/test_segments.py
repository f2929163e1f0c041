from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.engines.embedded.segments import LONGEST_SEGMENT_S, segments

RATE_HZ = 16_000


@given(st.integers(0, 100 * RATE_HZ))
def test_segments_lose_nothing_and_are_never_too_long(length: int) -> None:
    speech = np.ones(length, np.float32)
    parts = list(segments(speech, RATE_HZ))
    assert sum(map(len, parts)) == length
    assert all(len(part) <= LONGEST_SEGMENT_S * RATE_HZ for part in parts)


def test_long_speech_is_cut_in_its_pause() -> None:
    speech = np.ones(40 * RATE_HZ, np.float32)
    speech[21 * RATE_HZ : 22 * RATE_HZ] = 0
    first, *_ = segments(speech, RATE_HZ)
    assert 21.0 <= len(first) / RATE_HZ <= 22.0


def test_loud_int16_does_not_overflow_into_silence() -> None:
    speech = np.full(40 * RATE_HZ, 30_000, np.int16)
    speech[25 * RATE_HZ : 26 * RATE_HZ] = 0
    first, *_ = segments(speech, RATE_HZ)
    assert 25.0 <= len(first) / RATE_HZ <= 26.0
