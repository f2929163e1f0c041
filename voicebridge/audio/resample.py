"""Streaming resampling between any two rates: one polyphase filter, one matrix product per chunk.

The filter is a Kaiser-windowed sinc whose stop band begins exactly at half the lower of the two rates, so nothing
above it survives as an alias or an image stronger than -80 dB, with no transition band beyond it. Its linear phase
delays everything by the same time: 3 ms at 8 kHz, 2 ms at 16 kHz, 1.3 ms from 24 kHz up.

Coefficients are whole multiples of a power of two and samples are whole numbers, so every sum is exact in float64, in
whatever order a matrix library adds. That is what makes the samples the same for any chunking, on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from voicebridge.audio.samples import EMPTY, Samples

_ATTENUATION_DB = 82.0  # designed; rounding to int16 and the window's ripple leave 80
_MAX_HALF_WIDTH = 32  # of the filter, in periods of the lower rate
_MAX_DELAY_MS = 3
_MAX_RATIO = 1_000  # of the reduced fraction's members: the matrix has one row and column for each
_UNITY = 1 << 28  # 16-bit samples x 28-bit gains x summation stay far inside float64's 53 bits
_AT_ONCE = 32_768  # inputs: the product works on some thirty times their memory
_BLOCK_INPUTS = 32  # inputs per row of the product: more wastes multiplications, fewer wastes copies


@dataclass(frozen=True, slots=True)
class _Polyphase:
    """A filter laid out so that `window @ matrix` turns one window of inputs into one block of outputs."""

    matrix: NDArray[np.float64]
    """(reach + block_inputs, block_outputs): row 0 meets the oldest input."""
    delay: int
    """Of the filter, in input samples."""
    block_inputs: int
    block_outputs: int
    up: int
    down: int

    @property
    def reach(self) -> int:
        """How many inputs before the newest one an output depends on."""
        return 2 * self.delay


def _kernel(up: int, down: int, source_hz: int) -> tuple[NDArray[np.float64], int]:
    """The prototype low-pass at the common rate, unit sum per phase not yet exact, and its delay in input samples."""
    ticks_per_period = max(up, down)  # of the lower rate, at the common rate
    delay = min(math.ceil(_MAX_HALF_WIDTH * ticks_per_period / up), source_hz * _MAX_DELAY_MS // 1000)
    half_width = min(_MAX_HALF_WIDTH, delay * up / ticks_per_period)
    position = np.arange(-delay * up, delay * up + 1) / ticks_per_period
    transition = (_ATTENUATION_DB - 7.95) / (14.36 * 2 * half_width)
    cutoff = 0.5 - transition / 2
    inside = np.clip(1 - (position / half_width) ** 2, 0, None)
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    window = np.where(np.abs(position) <= half_width, np.i0(beta * np.sqrt(inside)), 0.0)
    kernel = np.sinc(2 * cutoff * position) * window
    return kernel * (up / kernel.sum()), delay


def _whole_steps(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The taps of one phase as whole multiples of 1 / `_UNITY` with sum 1: a constant input stays that constant."""
    whole: NDArray[np.float64] = np.rint(taps * (_UNITY / taps.sum()))
    whole[np.argmax(np.abs(whole))] += _UNITY - whole.sum()
    whole /= _UNITY
    return whole


@lru_cache(maxsize=32)
def _polyphase(source_hz: int, target_hz: int, chunk: int) -> _Polyphase:
    divisor = math.gcd(source_hz, target_hz)
    up, down = target_hz // divisor, source_hz // divisor
    if max(up, down) > _MAX_RATIO:
        raise ValueError(f"{source_hz} Hz and {target_hz} Hz have no common divisor worth the name")
    kernel, delay = _kernel(up, down, source_hz)
    repeats = max((n for n in range(1, _BLOCK_INPUTS // down + 1) if chunk % (n * down) == 0), default=1)
    block_inputs, block_outputs = repeats * down, repeats * up
    matrix = np.zeros((2 * delay + block_inputs, block_outputs))
    for output in range(block_outputs):
        newest, phase = divmod(output * down, up)
        taps = _whole_steps(kernel[phase::up])
        oldest = newest + 2 * delay - (len(taps) - 1)
        matrix[oldest : newest + 2 * delay + 1, output] = taps[::-1]
    return _Polyphase(matrix, delay, block_inputs, block_outputs, up, down)


class Resampler:
    """Changes the rate of one stream of mono int16 samples. One per stream and direction.

    Normally n inputs give exactly ceil(n * target / source) outputs at once, and the sound comes `delay_ms` late:
    right for live audio, where frames must keep their size. With `aligned` the delay is cut off at the beginning
    instead: the first pushes give less, and after `flush` the outputs number exactly that and lie where the inputs
    lay: right for a piece that is to keep its length. Equal rates pass through. `chunk` inputs usually come at
    once (20 ms unless given; others only cost more). Raises ValueError for rates without a reasonable common divisor.
    """

    def __init__(self, source_hz: int, target_hz: int, *, aligned: bool = False, chunk: int | None = None) -> None:
        if source_hz <= 0 or target_hz <= 0:
            raise ValueError(f"sample rates must be positive, not {source_hz} and {target_hz}")
        self._source_hz = source_hz
        self._aligned = aligned
        self._filter = None if source_hz == target_hz else _polyphase(source_hz, target_hz, chunk or source_hz // 50)
        self.reset()

    @property
    def delay_ms(self) -> float:
        """How late the sound comes out: at most 3 ms for rates from 8 kHz up; 0 where rates are equal."""
        return 0.0 if self._filter is None else self._filter.delay * 1000 / self._source_hz

    def reset(self) -> None:
        """Begin a new stream."""
        if self._filter is None:
            return
        skipped = self._filter.delay if self._aligned else 0
        # Inputs from `reach` before the current block on; silence stands before the beginning.
        self._history = np.zeros(self._filter.reach - skipped)
        self._available = -skipped  # inputs since the start of the current block
        self._given = 0  # outputs of the current block already handed out

    def push(self, samples: Samples) -> Samples:
        """The next inputs, any number of them; returns what they complete."""
        polyphase = self._filter
        if polyphase is None or not len(samples):
            return samples
        if len(samples) > _AT_ONCE:
            return np.concatenate([self.push(samples[at : at + _AT_ONCE]) for at in range(0, len(samples), _AT_ONCE)])
        self._available += len(samples)
        due = -(-self._available * polyphase.up // polyphase.down)
        if due <= self._given:
            self._history = np.concatenate((self._history, samples), dtype=np.float64)
            return EMPTY
        blocks = -(-due // polyphase.block_outputs)
        inputs: NDArray[np.float64] = np.concatenate((self._history, samples), dtype=np.float64)
        outputs = self._product(inputs, blocks).reshape(-1)[self._given : due]
        self._advance(inputs, due)
        return _rounded(outputs)

    def flush(self) -> Samples:
        """The sound that is still inside the delay, after which the stream has ended."""
        if self._filter is None:
            return EMPTY
        tail = self.push(np.zeros(self._filter.delay, np.int16))
        self.reset()
        return tail

    def _product(self, inputs: NDArray[np.float64], blocks: int) -> NDArray[np.float64]:
        """(blocks, block_outputs); the last block may lack inputs, which only outputs not yet due would need."""
        assert self._filter is not None  # noqa: S101 -- told to mypy
        step, width = self._filter.block_inputs, len(self._filter.matrix)
        missing = width + (blocks - 1) * step - len(inputs)
        if missing > 0:
            inputs = np.concatenate((inputs, np.zeros(missing)), dtype=np.float64)
        overlapping = np.ndarray((blocks, width), np.float64, inputs, strides=(step * 8, 8))
        return overlapping.copy() @ self._filter.matrix

    def _advance(self, inputs: NDArray[np.float64], due: int) -> None:
        assert self._filter is not None  # noqa: S101 -- told to mypy
        finished, self._given = divmod(due, self._filter.block_outputs)
        consumed = finished * self._filter.block_inputs
        self._available -= consumed
        self._history = inputs[consumed:].copy()


def push_together(resamplers: Sequence[Resampler], chunks: NDArray[np.int16]) -> NDArray[np.int16]:
    """What `push` would give for a row of `chunks` each, in one product: (streams, inputs) to (streams, outputs).

    For different streams between the same, unequal rates, whose pushes so far and now are whole multiples of a block,
    as they are when each has the length of `chunk`.
    """
    polyphase = resamplers[0]._filter  # noqa: SLF001 -- a function on a set of its own kind
    assert polyphase is not None  # noqa: S101 -- told to mypy
    histories = [one._history for one in resamplers]  # noqa: SLF001 -- as above
    inputs: NDArray[np.float64] = np.concatenate((histories, chunks), axis=1, dtype=np.float64)
    streams, step, width = len(resamplers), polyphase.block_inputs, len(polyphase.matrix)
    shape, strides = (streams, chunks.shape[1] // step, width), (inputs.strides[0], step * 8, 8)
    windows = np.ndarray(shape, np.float64, inputs, strides=strides).copy()
    for one, remembered in zip(resamplers, inputs[:, chunks.shape[1] :], strict=True):
        one._history = remembered.copy()  # noqa: SLF001 -- as above
    # A product for each stream: a single large one is what BLAS would start threads for.
    return _rounded((windows @ polyphase.matrix).reshape(streams, -1))


def _rounded(outputs: NDArray[np.float64]) -> NDArray[np.int16]:
    np.rint(outputs, out=outputs)
    np.minimum(outputs, 32_767, out=outputs)
    np.maximum(outputs, -32_768, out=outputs)
    return outputs.astype(np.int16)
