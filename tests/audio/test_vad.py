from __future__ import annotations

import numpy as np

from voicebridge.audio.samples import Samples
from voicebridge.audio.vad import VAD_WINDOW, EnergyDetector


def noise(windows: int, amplitude: float) -> list[Samples]:
    rng = np.random.default_rng(3)
    return list(np.rint(rng.normal(0, amplitude, (windows, VAD_WINDOW))).astype(np.int16))


def test_a_steady_background_is_not_speech_however_loud() -> None:
    for amplitude in (0, 1, 30, 3_000):
        detector = EnergyDetector()
        assert max(detector.probability(window) for window in noise(100, amplitude)) < 0.3


def test_what_rises_above_the_background_is() -> None:
    detector = EnergyDetector()
    for window in noise(50, 100):
        detector.probability(window)
    assert min(detector.probability(window) for window in noise(10, 2_000)) > 0.9
    assert max(detector.probability(window) for window in noise(10, 100)) < 0.3


def test_a_louder_background_is_learnt() -> None:
    detector = EnergyDetector()
    for window in noise(20, 50):
        detector.probability(window)
    learning = [detector.probability(window) for window in noise(150, 500)]
    assert learning[0] > 0.9
    assert learning[-1] < 0.3


def test_after_a_reset_the_same_sound_gets_the_same_answer() -> None:
    detector = EnergyDetector()
    first = [detector.probability(window) for window in noise(5, 800)]
    detector.reset()
    assert [detector.probability(window) for window in noise(5, 800)] == first
