"""G.711 against an independent reference: the Recommendation's own tables of decision and quantised values."""

from __future__ import annotations

import bisect
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.g711 import alaw_to_pcm16, pcm16_to_alaw, pcm16_to_ulaw, ulaw_to_pcm16

ALL_CODES = bytes(range(256))
ALL_VALUES = np.arange(-32_768, 32_768).astype(np.int16)

# Table 2a: µ-law decision values x1.. of the 14-bit magnitude, as (last value of the segment, width of its intervals).
ULAW_SEGMENTS = [(31, 2), (95, 4), (223, 8), (479, 16), (991, 32), (2015, 64), (4063, 128), (8159, 256)]
# Table 1a: A-law, 13-bit magnitude.
ALAW_SEGMENTS = [(32, 2), (64, 2), (128, 4), (256, 8), (512, 16), (1024, 32), (2048, 64), (4096, 128)]


def decision_values(first: list[int], segments: list[tuple[int, int]]) -> list[int]:
    values = list(first)
    for end, width in segments:
        while values[-1] < end:
            values.append(values[-1] + width)
    return values


ULAW_DECISIONS = decision_values([0, 1], ULAW_SEGMENTS)
ALAW_DECISIONS = decision_values([0], ALAW_SEGMENTS)


def reference_ulaw(value: int) -> int:
    magnitude = min(abs(value // 4), 8158)
    interval = bisect.bisect_right(ULAW_DECISIONS, magnitude) - 1
    return (127 if value < 0 else 255) - interval  # all bits inverted, sign bit 1 for positive


def reference_alaw(value: int) -> int:
    magnitude = value // 8 if value >= 0 else -(value // 8) - 1
    interval = bisect.bisect_right(ALAW_DECISIONS, magnitude) - 1
    return (interval if value < 0 else interval + 128) ^ 0x55


def reference_ulaw_value(code: int) -> int:
    interval = 127 - (code & 127)
    low = ULAW_DECISIONS[interval]
    value = 0 if interval == 0 else 4 * (low + ULAW_DECISIONS[interval + 1]) // 2
    return value if code & 128 else -value


def reference_alaw_value(code: int) -> int:
    interval = (code ^ 0x55) & 127
    value = 8 * (ALAW_DECISIONS[interval] + ALAW_DECISIONS[interval + 1]) // 2
    return value if code & 128 else -value


def test_the_decision_values_are_the_recommendations() -> None:
    assert len(ULAW_DECISIONS) == 129
    assert ULAW_DECISIONS[-1] == 8159
    assert len(ALAW_DECISIONS) == 129
    assert ALAW_DECISIONS[-1] == 4096


def test_all_65536_values_encode_as_the_tables_say() -> None:
    assert pcm16_to_ulaw(ALL_VALUES) == bytes(reference_ulaw(v) for v in ALL_VALUES.tolist())
    assert pcm16_to_alaw(ALL_VALUES) == bytes(reference_alaw(v) for v in ALL_VALUES.tolist())


def test_all_256_codes_decode_as_the_tables_say() -> None:
    assert ulaw_to_pcm16(ALL_CODES).tolist() == [reference_ulaw_value(c) for c in ALL_CODES]
    assert alaw_to_pcm16(ALL_CODES).tolist() == [reference_alaw_value(c) for c in ALL_CODES]


def test_both_laws_agree_with_the_standard_library_where_it_still_has_them() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    pcm16 = ALL_VALUES.tobytes()
    assert pcm16_to_ulaw(ALL_VALUES) == audioop.lin2ulaw(pcm16, 2)
    assert pcm16_to_alaw(ALL_VALUES) == audioop.lin2alaw(pcm16, 2)
    assert ulaw_to_pcm16(ALL_CODES).tobytes() == audioop.ulaw2lin(ALL_CODES, 2)
    assert alaw_to_pcm16(ALL_CODES).tobytes() == audioop.alaw2lin(ALL_CODES, 2)


def test_decoding_and_encoding_again_gives_the_same_bytes() -> None:
    assert pcm16_to_alaw(alaw_to_pcm16(ALL_CODES)) == ALL_CODES
    # µ-law has two zeros; both decode to 0, which encodes as the positive one.
    assert pcm16_to_ulaw(ulaw_to_pcm16(ALL_CODES)) == ALL_CODES.replace(b"\x7f", b"\xff")


@given(st.binary(max_size=400), st.integers(0, 400))
def test_cutting_a_stream_anywhere_changes_nothing(data: bytes, cut: int) -> None:
    for decode in (ulaw_to_pcm16, alaw_to_pcm16):
        parts = np.concatenate((decode(data[:cut]), decode(data[cut:])))
        assert parts.tolist() == decode(data).tolist()
