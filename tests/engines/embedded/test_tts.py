from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebridge.audio.samples import Samples
from voicebridge.engines.embedded import models, tts
from voicebridge.engines.embedded.models import ModelFile
from voicebridge.engines.embedded.stt import load_tiny
from voicebridge.engines.embedded.tts import HibariSynthesiser, PicoSynthesiser, finished, pause_after
from voicebridge.engines.embedded.voices import VOICES, voice_named
from voicebridge.errors import EngineError

SENTENCE = "The weather in London is cloudy with light rain."


def test_unknown_voices_speak_as_the_default() -> None:
    assert voice_named("nobody") == VOICES["alloy"]
    assert voice_named("Echo") == VOICES["echo"]


def test_the_voices_of_the_api_are_there_and_all_differ() -> None:
    names = {"alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"}
    assert names <= set(VOICES)
    assert len(set(VOICES.values())) == len(VOICES)


@pytest.mark.parametrize(("text", "ms"), [("Yes.", 240), ("well,", 120), ("and", 40), ('"Go!"', 240), ("A\n", 240)])
def test_the_pause_depends_on_the_mark_at_the_end(text: str, ms: int) -> None:
    assert pause_after(text, 1.0) == 24 * ms
    assert pause_after(text, 0.5) == 48 * ms


def test_speech_is_trimmed_levelled_and_free_of_clicks() -> None:
    tone = 0.02 * np.sin(np.arange(24_000) * 0.1).astype(np.float32)
    samples = finished([np.concatenate([np.zeros(9000, np.float32), tone, np.zeros(9000, np.float32)])], "x.", 1.0)
    assert len(samples) == pytest.approx(24_000 + 24 * (20 + 40 + 240), abs=240)
    assert level_dbfs(samples[2400:20_000]) == pytest.approx(-20, abs=0.5)
    assert abs(int(samples[0])) <= 1
    assert not samples[-24 * 240 :].any()


def test_silence_stays_empty() -> None:
    assert len(finished([np.zeros(24_000, np.float32)], "x", 1.0)) == 0


def level_dbfs(samples: Samples) -> float:
    return float(10 * np.log10(np.mean((samples / 32768.0) ** 2)))


@pytest.fixture(scope="module")
def hibari() -> HibariSynthesiser:
    return HibariSynthesiser()


@pytest.mark.models
def test_the_same_words_sound_the_same_every_time(hibari: HibariSynthesiser) -> None:
    first = hibari.speak(SENTENCE, "echo", 1.1)
    hibari.speak("Something else.", "alloy", 1.0)
    assert np.array_equal(first, hibari.speak(SENTENCE, "echo", 1.1))


@pytest.mark.models
def test_what_is_spoken_in_any_voice_is_understood(hibari: HibariSynthesiser) -> None:
    recogniser = load_tiny()
    for voice in ("alloy", "cedar", "shimmer", "ballad", "verse"):
        heard = recogniser.recognise(hibari.speak(SENTENCE, voice, 1.0), "en", None)
        assert heard.text == SENTENCE, voice


@pytest.mark.models
def test_voices_differ_in_pitch(hibari: HibariSynthesiser) -> None:
    low, middle, high = (pitch_hz(hibari.speak(SENTENCE, voice, 1.0)) for voice in ("cedar", "alloy", "shimmer"))
    assert low < 0.7 * middle
    assert high > 1.15 * middle


def pitch_hz(samples: Samples) -> float:
    """The median over frames of the strongest period between 60 and 400 Hz."""
    pitches = []
    for begin in range(0, len(samples) - 1200, 600):
        frame: NDArray[np.float64] = samples[begin : begin + 1200].astype(np.float64)
        if np.abs(frame).max() < 2000:
            continue
        correlation = np.correlate(frame, frame, "full")[1199:]
        lags = correlation[60:400] / correlation[0]
        if lags.max() > 0.6:
            pitches.append(24_000 / (60 + int(lags.argmax())))
    return float(np.median(pitches))


@pytest.mark.models
def test_speed_changes_the_duration_over_the_whole_range(hibari: HibariSynthesiser) -> None:
    slowest, normal, fastest = (len(hibari.speak(SENTENCE, "alloy", speed)) for speed in (0.25, 1.0, 1.5))
    assert slowest > 3 * normal
    assert fastest < 0.8 * normal
    assert len(hibari.speak(SENTENCE, "alloy", 0.01)) == slowest


@pytest.mark.models
def test_nothing_to_pronounce_is_no_sound(hibari: HibariSynthesiser) -> None:
    assert len(hibari.speak("🙂 *", "alloy", 1.0)) == 0


@pytest.mark.models
def test_every_voice_keeps_the_level_and_never_clips(hibari: HibariSynthesiser) -> None:
    for voice in VOICES:
        samples = hibari.speak(SENTENCE, voice, 1.0)
        assert -23 < level_dbfs(samples[np.abs(samples) > 100]) < -17, voice
        assert np.abs(samples.astype(int)).max() < 32_000, voice


@pytest.mark.models
def test_pico_steps_in_where_hibari_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = ModelFile("hibari heart", "", models.HIBARI.package, models.HIBARI.path, "0" * 64)
    monkeypatch.setattr(models, "HIBARI_PARTS", (damaged,))
    assert isinstance(tts.load("auto"), PicoSynthesiser)
    assert isinstance(tts.load("pico"), PicoSynthesiser)
    with pytest.raises(EngineError, match="hibari"):
        tts.load("hibari")


@pytest.mark.models
def test_pico_is_understood_too() -> None:
    pico = PicoSynthesiser()
    assert len(pico.speak("...", "alloy", 1.0)) == 0
    assert load_tiny().recognise(pico.speak("How can I help you today?", "alloy", 1.0), None, None).text == (
        "How can I help you today?"
    )
