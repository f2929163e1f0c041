from __future__ import annotations

import numpy as np
import pytest

from engines.embedded.recordings import SPEECH, recording
from voicebridge.engines.embedded.end_of_turn import EndOfTurn, last_window, log_mel

WINDOW = 128_000


def test_short_speech_is_put_at_the_end_of_the_window_and_long_speech_cut_at_its_beginning() -> None:
    assert last_window(np.ones(10, np.float32))[-10:].tolist() == [1.0] * 10
    assert len(last_window(np.ones(10, np.float32))) == WINDOW
    long = np.arange(WINDOW + 5, dtype=np.float32)
    assert last_window(long)[0] == 5.0


def test_a_tone_is_loudest_in_its_mel_band() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(WINDOW) / 16_000).astype(np.float32)
    features = log_mel(tone)
    assert features.shape == (80, 800)
    assert features.dtype == np.float32
    assert set(features[:, 10:-10].argmax(0)) == {26}
    assert features.max() - features.min() == pytest.approx(2.0, abs=1e-3)


def test_loudness_does_not_matter() -> None:
    noise = np.random.default_rng(1).standard_normal(WINDOW).astype(np.float32)
    assert log_mel(noise * np.float32(0.01)) == pytest.approx(log_mel(noise), abs=1e-2)


@pytest.mark.models
def test_a_sentence_is_finished_at_its_end_and_not_in_its_middle() -> None:
    model = EndOfTurn.load()
    samples = recording(SPEECH / "privacy-prompt.wav")
    whole, half = model.probability(samples), model.probability(samples[: len(samples) // 3])
    assert whole > 0.8
    assert half < 0.5
