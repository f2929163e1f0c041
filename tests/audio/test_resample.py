from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voicebridge.audio.resample import Resampler, push_together
from voicebridge.audio.samples import Samples

RATES = (8_000, 16_000, 24_000, 44_100, 48_000)
PAIRS = [pair for pair in itertools.product(RATES, RATES) if pair[0] != pair[1]]
REJECTION_DB = 80


def tone(hz: float, rate_hz: int, seconds: float = 0.25, amplitude: float = 30_000) -> Samples:
    wave = amplitude * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)
    samples: Samples = np.rint(wave).astype(np.int16)
    return samples


def resample(samples: Samples, source_hz: int, target_hz: int, *, aligned: bool = False) -> Samples:
    resampler = Resampler(source_hz, target_hz, aligned=aligned)
    return np.concatenate((resampler.push(samples), resampler.flush()))


def spectrum_db(samples: Samples) -> NDArray[np.float64]:
    """Amplitude of each frequency bin relative to the test tones' 30,000, of the middle half of the samples."""
    wave = middle(samples)
    window = np.kaiser(len(wave), 18)
    levels: NDArray[np.float64] = np.abs(np.fft.rfft(wave * window)) / (30_000 / 2 * window.sum())
    return 20 * np.log10(levels + 1e-12)


def middle(samples: Samples) -> NDArray[np.float64]:
    return samples[len(samples) // 4 : -(len(samples) // 4)].astype(np.float64)


def level_db(wave: NDArray[np.float64]) -> float:
    """Relative to the test tones."""
    return float(20 * np.log10(np.sqrt(2 * np.mean(wave**2)) / 30_000 + 1e-12))


@pytest.mark.parametrize(("source_hz", "target_hz"), [p for p in PAIRS if p[1] < p[0]])
def test_tones_from_half_the_target_rate_up_leave_no_alias(source_hz: int, target_hz: int) -> None:
    for hz in np.geomspace(target_hz / 2 + 1, source_hz / 2 - 1, 25):
        assert level_db(middle(resample(tone(hz, source_hz), source_hz, target_hz))) < -REJECTION_DB, hz


@pytest.mark.parametrize(("source_hz", "target_hz"), [p for p in PAIRS if p[1] > p[0]])
def test_tones_have_no_images_above_half_the_source_rate(source_hz: int, target_hz: int) -> None:
    for hz in np.linspace(100, source_hz / 2 - 100, 25):
        levels = spectrum_db(resample(tone(hz, source_hz), source_hz, target_hz))
        frequencies = np.linspace(0, target_hz / 2, len(levels))
        assert levels[frequencies > source_hz / 2].max() < -REJECTION_DB, hz


@pytest.mark.parametrize(("source_hz", "target_hz"), PAIRS)
def test_a_sweep_through_the_pass_band_keeps_its_level(source_hz: int, target_hz: int) -> None:
    for hz in np.linspace(200, 0.4 * min(source_hz, target_hz), 12):
        wave = middle(resample(tone(hz, source_hz), source_hz, target_hz))
        assert level_db(wave) == pytest.approx(0, abs=0.1), hz


@pytest.mark.parametrize(("source_hz", "target_hz"), PAIRS)
@pytest.mark.parametrize("value", [-32_768, -12_345, 1, 777, 32_767])
def test_a_constant_stays_exactly_that_constant(source_hz: int, target_hz: int, value: int) -> None:
    outputs = Resampler(source_hz, target_hz).push(np.full(source_hz // 10, value, np.int16))
    settled = outputs[target_hz // 100 :]
    assert set(settled.tolist()) == {value}


@pytest.mark.parametrize(("source_hz", "target_hz"), PAIRS)
def test_full_scale_square_waves_are_clipped_not_wrapped(source_hz: int, target_hz: int) -> None:
    period = source_hz // 100
    square = np.tile(np.repeat(np.array([32_767, -32_768], np.int16), period), 5)
    outputs = resample(square, source_hz, target_hz, aligned=True).astype(np.int32)
    half_period = target_hz // 200
    assert outputs[half_period] > 30_000
    assert outputs[half_period + target_hz // 100] < -30_000
    assert outputs.max() == 32_767
    assert outputs.min() == -32_768


@pytest.mark.parametrize(("source_hz", "target_hz"), PAIRS)
def test_the_delay_is_constant_and_at_most_3_ms(source_hz: int, target_hz: int) -> None:
    resampler = Resampler(source_hz, target_hz)
    assert 0 < resampler.delay_ms <= 3
    hz = 0.1 * min(source_hz, target_hz)
    outputs = resampler.push(tone(hz, source_hz))
    times = np.arange(len(outputs)) / target_hz - resampler.delay_ms / 1000
    expected = 30_000 * np.sin(2 * np.pi * hz * times)
    settled = slice(target_hz // 100, None)
    assert np.abs(outputs[settled] - expected[settled]).max() < 5


@pytest.mark.parametrize(("source_hz", "target_hz"), PAIRS)
def test_aligned_output_lies_where_the_input_lay(source_hz: int, target_hz: int) -> None:
    hz = 0.1 * min(source_hz, target_hz)
    outputs = resample(tone(hz, source_hz), source_hz, target_hz, aligned=True)
    expected = 30_000 * np.sin(2 * np.pi * hz * np.arange(len(outputs)) / target_hz)
    settled = slice(target_hz // 100, -target_hz // 100)
    assert np.abs(outputs[settled] - expected[settled]).max() < 5


@pytest.mark.parametrize(("source_hz", "target_hz"), PAIRS)
def test_a_soft_beginning_has_no_click(source_hz: int, target_hz: int) -> None:
    hz = 0.05 * min(source_hz, target_hz)
    outputs = resample(tone(hz, source_hz), source_hz, target_hz).astype(np.int32)
    steepest = 30_000 * 2 * np.pi * hz / target_hz
    assert np.abs(np.diff(outputs, prepend=0)[: target_hz // 50]).max() < 1.2 * steepest


@pytest.mark.parametrize(("source_hz", "target_hz"), [*PAIRS, (11_025, 24_000), (24_000, 22_050)])
def test_20_ms_frames_keep_their_length(source_hz: int, target_hz: int) -> None:
    resampler = Resampler(source_hz, target_hz)
    frame = np.zeros(source_hz // 50, np.int16)
    pushed = np.cumsum([len(frame)] * 40)
    counts = np.cumsum([len(resampler.push(frame)) for _ in pushed])
    assert counts.tolist() == [-(-int(n) * target_hz // source_hz) for n in pushed]


def cuts(total: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, total), max_size=30).map(sorted)


@given(
    pair=st.sampled_from([*PAIRS, (24_000, 24_000), (11_025, 24_000)]),
    aligned=st.booleans(),
    total=st.integers(0, 3_000),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_the_samples_are_the_same_whatever_the_chunking(
    pair: tuple[int, int], aligned: bool, total: int, seed: int, data: st.DataObject
) -> None:
    samples = np.random.default_rng(seed).integers(-32_768, 32_768, total).astype(np.int16)
    whole = resample(samples, *pair, aligned=aligned)
    resampler = Resampler(*pair, aligned=aligned)
    pieces = [resampler.push(chunk) for chunk in np.split(samples, data.draw(cuts(total)))]
    pieces.append(resampler.flush())
    assert np.concatenate(pieces).tolist() == whole.tolist()


@pytest.mark.parametrize("aligned", [False, True])
def test_a_long_recording_at_once_is_the_same_as_in_pieces(aligned: bool) -> None:
    samples = np.random.default_rng(7).integers(-32_768, 32_768, 100_001).astype(np.int16)
    resampler = Resampler(8_000, 24_000, aligned=aligned)
    pieces = [resampler.push(chunk) for chunk in np.array_split(samples, 13)]
    assert np.array_equal(
        np.concatenate((*pieces, resampler.flush())), resample(samples, 8_000, 24_000, aligned=aligned)
    )


@pytest.mark.parametrize("pair", [(8_000, 24_000), (24_000, 8_000), (44_100, 24_000), (24_000, 44_100)])
@pytest.mark.parametrize("aligned", [False, True])
def test_one_sample_at_a_time_gives_the_same_samples(pair: tuple[int, int], aligned: bool) -> None:
    samples = np.random.default_rng(7).integers(-32_768, 32_768, 1_000).astype(np.int16)
    resampler = Resampler(*pair, aligned=aligned)
    singly = [resampler.push(samples[i : i + 1]) for i in range(len(samples))]
    assert np.concatenate([*singly, resampler.flush()]).tolist() == resample(samples, *pair, aligned=aligned).tolist()


@given(st.sampled_from(PAIRS), st.integers(0, 3_000))
def test_aligned_output_keeps_the_length_in_time(pair: tuple[int, int], total: int) -> None:
    source_hz, target_hz = pair
    outputs = resample(np.zeros(total, np.int16), *pair, aligned=True)
    assert len(outputs) == -(-total * target_hz // source_hz)


def test_flushing_begins_a_new_stream() -> None:
    resampler = Resampler(24_000, 8_000)
    first = np.concatenate((resampler.push(tone(400, 24_000)), resampler.flush()))
    second = np.concatenate((resampler.push(tone(400, 24_000)), resampler.flush()))
    assert first.tolist() == second.tolist()


def test_equal_rates_pass_through() -> None:
    samples = tone(440, 24_000)
    resampler = Resampler(24_000, 24_000)
    assert resampler.push(samples) is samples
    assert len(resampler.flush()) == 0
    assert resampler.delay_ms == 0


@pytest.mark.parametrize("rates", [(0, 24_000), (24_000, -1), (24_001, 8_000)])
def test_impossible_rates_are_refused(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"Hz|positive"):
        Resampler(*rates)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_streams_together_give_what_each_gives_alone(streams: int, pushes: int, seed: int) -> None:
    sound = np.random.default_rng(seed).integers(-32_768, 32_767, (pushes, streams, 768), np.int16, endpoint=True)
    together = [Resampler(24_000, 16_000, chunk=768) for _ in range(streams)]
    alone = [Resampler(24_000, 16_000) for _ in range(streams)]
    for chunks in sound:
        expected = [one.push(chunk) for one, chunk in zip(alone, chunks, strict=True)]
        assert np.array_equal(push_together(together, chunks), expected)
