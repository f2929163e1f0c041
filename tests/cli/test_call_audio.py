from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from voicebridge.cli.call_audio import find_recording, load_recording, save_recording
from voicebridge.cli.terminal import CommandError


def write(path: Path, rate: int, channels: int, *, seconds: float = 1.0, hz: float = 440.0) -> None:
    times = np.arange(int(rate * seconds)) / rate
    tone = (10_000 * np.sin(2 * np.pi * hz * times)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(tone, channels).tobytes())


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 24000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_number_of_channels_becomes_the_same_tone(tmp_path: Path, rate: int, channels: int) -> None:
    write(tmp_path / "a.wav", rate, channels)
    samples = load_recording(tmp_path / "a.wav")
    assert samples.dtype == np.int16
    assert abs(samples.size - 24_000) <= 48
    spectrum = np.abs(np.fft.rfft(samples[:24_000].astype(float), 24_000))
    assert int(spectrum.argmax()) == 440
    middle = samples[4000:20_000].astype(float)
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(10_000, rel=0.02)


def test_sound_survives_saving(tmp_path: Path) -> None:
    samples = np.arange(-1000, 1000, dtype=np.int16)
    save_recording(tmp_path / "a.wav", samples)
    assert np.array_equal(load_recording(tmp_path / "a.wav"), samples)


def test_what_is_no_sound_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello")
    save_recording(tmp_path / "empty.wav", np.zeros(0, np.int16))
    for name in ("text.wav", "empty.wav"):
        with pytest.raises(CommandError, match=name):
            load_recording(tmp_path / name)


def test_a_missing_file_is_named_and_the_sample_offered(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"hello\.wav"):
        find_recording(str(tmp_path / "none.wav"))


def test_a_file_of_ones_own_comes_before_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "hello.wav", 8000, 1)
    assert find_recording("hello.wav").resolve() == tmp_path / "hello.wav"


def test_an_answer_that_cannot_be_saved_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot save"):
        save_recording(tmp_path / "none" / "a.wav", np.zeros(1, np.int16))
