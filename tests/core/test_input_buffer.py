from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.samples import EMPTY, Samples
from voicebridge.core.input_buffer import InputBuffer


def counted(start: int, end: int) -> Samples:
    return np.arange(start, end, dtype=np.int16)


def filled(*lengths: int) -> InputBuffer:
    """Samples that are their own positions, in chunks of these lengths."""
    buffer, position = InputBuffer(), 0
    for length in lengths:
        buffer.append(counted(position, position + length))
        position += length
    return buffer


LENGTHS = st.lists(st.integers(0, 9), max_size=12)
POSITIONS = st.integers(-3, 60)


@given(LENGTHS, POSITIONS, POSITIONS)
def test_take_gives_what_lies_between_and_forgets_everything_before_its_end(
    lengths: list[int], start: int, end: int
) -> None:
    buffer, total = filled(*lengths), sum(lengths)
    taken = buffer.take(start, end)
    assert taken.tolist() == [position for position in range(total) if start <= position < end]
    assert buffer.end == total
    assert buffer.take(0, total).tolist() == [position for position in range(total) if position >= max(start, end)]
    assert buffer.start == total


@given(LENGTHS, POSITIONS, POSITIONS)
def test_peek_sees_the_same_and_changes_nothing(lengths: list[int], start: int, end: int) -> None:
    buffer = filled(*lengths)
    seen = buffer.peek(start, end)
    assert (buffer.start, buffer.end, len(buffer)) == (0, sum(lengths), sum(lengths))
    assert buffer.take(start, end).tolist() == seen.tolist()


@given(LENGTHS, st.lists(POSITIONS, max_size=4))
def test_dropping_never_goes_back_nor_beyond_the_end(lengths: list[int], positions: list[int]) -> None:
    buffer, total = filled(*lengths), sum(lengths)
    for position in positions:
        buffer.drop_before(position)
    start = min(total, max([0, *positions]))
    assert (buffer.start, buffer.end) == (start, total)
    assert buffer.take(0, total).tolist() == list(range(start, total))


def test_positions_go_on_after_a_clear() -> None:
    buffer = filled(5)
    buffer.clear()
    assert (buffer.start, buffer.end, len(buffer)) == (5, 5, 0)
    buffer.append(counted(5, 8))
    assert buffer.take(0, 100).tolist() == [5, 6, 7]


def test_nothing_at_all_is_no_chunk() -> None:
    buffer = InputBuffer()
    buffer.append(EMPTY)
    assert len(buffer.take(0, 10)) == 0
    assert len(buffer.peek(0, 10)) == 0
