from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.concealment import G711Decoder, PitchRepetition
from voicebridge.audio.g711 import pcm16_to_alaw, pcm16_to_ulaw
from voicebridge.audio.samples import Samples

RATES = pytest.mark.parametrize("rate", [8_000, 24_000])


def voice(rate: int, seconds: float, *, pitch: float = 140, level: float = 8_000) -> Samples:
    t = np.arange(round(rate * seconds)) / rate
    wave = sum(np.sin(2 * np.pi * pitch * harmonic * t + harmonic) / harmonic for harmonic in range(1, 12))
    samples: Samples = (np.asarray(wave) / 3 * level).astype(np.int16)
    return samples


def snr_db(signal: Samples, heard: Samples) -> float:
    error = ((signal.astype(float) - heard) ** 2).mean()
    return float(10 * np.log10((signal.astype(float) ** 2).mean() / max(error, 1e-9)))


def sharpest(samples: Samples) -> int:
    return int(np.abs(np.diff(samples.astype(int), 3)).max())


@RATES
@pytest.mark.parametrize("pitch", [70, 110, 140, 190, 240, 390])
def test_a_voice_goes_on_as_it_was(rate: int, pitch: float) -> None:
    repetition, speech = PitchRepetition(rate), voice(rate, 0.2, pitch=pitch)
    known = rate // 10
    repetition.heard(speech[:known])
    made_up = repetition.conceal(rate // 100)
    assert snr_db(speech[known : known + rate // 100], made_up) > 8


@RATES
def test_it_fades_to_silence_within_60_ms(rate: int) -> None:
    repetition, speech = PitchRepetition(rate), voice(rate, 0.1)
    repetition.heard(speech)
    made_up = repetition.conceal(rate // 10)
    loud = [np.abs(piece.astype(int)).max() for piece in np.split(made_up, 10)]
    assert loud[0] > 0.7 * np.abs(speech.astype(int)).max()
    assert loud[3] < 0.8 * loud[0]
    assert np.abs(made_up[rate * 6 // 100 :]).max() == 0


@RATES
def test_a_gap_makes_no_click_on_either_side(rate: int) -> None:
    speech = voice(rate, 1.0)
    frame = rate // 50
    for at in range(5 * frame, 25 * frame, frame // 3 + 1):
        for gap in (frame, 3 * frame, 6 * frame):
            repetition = PitchRepetition(rate)
            pieces = [repetition.heard(speech[:at]), repetition.conceal(gap), repetition.heard(speech[at + gap :])]
            assert sharpest(np.concatenate(pieces)) < 2 * sharpest(speech)


@RATES
def test_without_gaps_nothing_is_changed(rate: int) -> None:
    repetition, speech = PitchRepetition(rate), voice(rate, 0.1)
    assert all(np.array_equal(repetition.heard(piece), piece) for piece in np.split(speech, 5))


@RATES
def test_only_the_join_after_a_gap_is_changed(rate: int) -> None:
    repetition, speech = PitchRepetition(rate), voice(rate, 0.2)
    first, _, second = np.split(speech[: len(speech) // 3 * 3], 3)
    repetition.heard(first)
    repetition.conceal(len(first))
    after = repetition.heard(second)
    assert np.array_equal(after[rate // 250 :], second[rate // 250 :])
    assert np.array_equal(repetition.heard(first), first)


@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_a_gap_sounds_the_same_in_pieces_of_any_size(sizes: list[int]) -> None:
    whole, pieces = PitchRepetition(8_000), PitchRepetition(8_000)
    whole.heard(voice(8_000, 0.1))
    pieces.heard(voice(8_000, 0.1))
    expected = whole.conceal(sum(sizes))
    assert np.array_equal(np.concatenate([pieces.conceal(size) for size in sizes]), expected)


def test_silence_stays_silence() -> None:
    repetition = PitchRepetition(8_000)
    assert not repetition.conceal(160).any()
    repetition.heard(np.zeros(400, np.int16))
    assert not repetition.conceal(160).any()


@given(data=st.binary(min_size=320, max_size=800).filter(lambda data: len(data) % 2 == 0))
def test_the_loudest_sound_does_not_overflow(data: bytes) -> None:
    wild: Samples = np.where(np.frombuffer(data, np.int16) > 0, 32_767, -32_768).astype(np.int16)
    repetition = PitchRepetition(8_000)
    repetition.heard(wild)
    before = np.abs(wild.astype(int)).max()
    assert np.abs(repetition.conceal(480).astype(int)).max() <= before
    assert len(repetition.heard(wild)) == len(wild)


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_g711_of_any_length_becomes_24_khz_and_gaps_are_filled(law: str) -> None:
    speech = voice(8_000, 1.0)
    write = pcm16_to_ulaw if law == "pcmu" else pcm16_to_alaw
    decoder, pieces = G711Decoder(law), []
    for number, at in enumerate(range(0, 8_000, 80)):
        payload = write(speech[at : at + 80])
        assert decoder.duration(payload) == 240
        pieces.append(decoder.recover(payload, 240) if number % 10 == 9 else decoder.decode(payload))
        assert len(pieces[-1]) == 240
    heard = np.concatenate(pieces)
    spoken = voice(24_000, 1.0)
    assert snr_db(spoken[1_000:20_000], heard[1_072:20_072]) > 10  # the resampler is 3 ms late
    assert not decoder.corrects(b"x")
    assert len(decoder.decode(b"")) == 0
