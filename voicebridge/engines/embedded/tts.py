"""Speech synthesis, one sentence at a time: hibari (24 kHz), or Pico (16 kHz) where hibari cannot be loaded.

The same text, voice and speed give the same samples.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import EMPTY, INTERNAL_RATE_HZ, Samples, ms_to_samples
from voicebridge.engines.embedded import models
from voicebridge.engines.embedded.speakable import spoken_form
from voicebridge.engines.embedded.voices import Voice, voice_named
from voicebridge.errors import EngineError

TtsChoice: TypeAlias = Literal["auto", "hibari", "pico"]
Wave: TypeAlias = NDArray[np.float32]

LEVEL_DBFS = -20.0
"""RMS of what is voiced."""
_CEILING = 0.89
_FRAME = ms_to_samples(5)
_LEAD, _TAIL, _FADE = ms_to_samples(20), ms_to_samples(40), ms_to_samples(5)
_SILENT_BELOW_PEAK_DB = -45.0
_VOICED_BELOW_PEAK_DB = -30.0
_SENTENCE_PAUSE_MS, _CLAUSE_PAUSE_MS, _OTHER_PAUSE_MS = 240, 120, 40
_BINS = 601
_INAUDIBLE = -12.0
_UNVOICED_HZ, _LOWEST_HZ = 40.0, 45.0
SLOWEST, FASTEST = 0.25, 1.5


class Synthesiser(Protocol):
    """Speaks one sentence. `speed` is 0.25 to 1.5; without anything to pronounce the result is empty."""

    name: str

    def speak(self, text: str, voice: str, speed: float) -> Samples: ...


class HibariSynthesiser:
    """hibari's one voice, bent into the others between its network and its vocoder."""

    name = "hibari"

    def __init__(self) -> None:
        for part in models.HIBARI_PARTS:
            part.verified()
        from hibari import Hibari, dsp  # noqa: PLC0415 (only after its files were verified)

        self._hibari: Any = Hibari(model=str(models.HIBARI.verified()))
        self._dsp: Any = dsp

    def speak(self, text: str, voice: str, speed: float) -> Samples:
        bent = voice_named(voice)
        waves = [
            self._wave(self._hibari.ids(phonemes), bent, speed)
            for phonemes in self._hibari.phonemize(spoken_form(text))
        ]
        return finished(waves, text, speed)

    def _wave(self, ids: list[int], voice: Voice, speed: float) -> Wave:
        if len(ids) < 3:
            return np.zeros(0, np.float32)
        inputs = {"ids": np.array([ids], np.int64), "speed": np.array([clamped(speed) * voice.pace], np.float32)}
        lh, th, ln, lr, phi, f0 = (output[0] for output in self._hibari.sess.run(None, inputs))
        if voice.formant != 1.0:
            lh, th, ln, lr = stretch(lh, voice), stretch(th, voice, 0.0), stretch(ln, voice), stretch(lr, voice)
        wave: Wave = self._dsp.synth(lh, th, ln, lr, phi, melody(f0, voice), np.random.default_rng(0))
        return wave


def stretch(spectrum: Wave, voice: Voice, beyond: float = _INAUDIBLE) -> Wave:
    """The frequency axis (first of 601 bins) scaled by the formant factor; `beyond` fills what is then missing."""
    source = np.arange(_BINS) / voice.formant
    low = np.minimum(source.astype(int), _BINS - 2)
    share = np.minimum(source - low, 1.0).astype(np.float32)[:, None]
    stretched: Wave = spectrum[low] * (1 - share) + spectrum[low + 1] * share
    stretched[source > _BINS - 1] = beyond
    return stretched


def melody(f0: Wave, voice: Voice) -> Wave:
    """The pitch of each frame in Hz, moved and widened where there is one."""
    voiced = f0 >= _UNVOICED_HZ
    if not voiced.any():
        return f0
    mean = np.exp(np.log(f0[voiced]).mean())
    moved = mean * voice.pitch * (f0 / mean).clip(1e-3) ** voice.melody
    return np.where(voiced, np.maximum(moved, _LOWEST_HZ), f0).astype(np.float32)


class PicoSynthesiser:
    """SVOX Pico: duller, but another code base altogether. Voices differ in pitch only."""

    name = "pico"
    _RATE_HZ = 16_000
    _VOLUME = 0.5  # of its own: at full volume it clips

    def __init__(self) -> None:
        for part in models.PICO_PARTS:
            part.verified()
        from py_nanotts import NanoTTS  # noqa: PLC0415 (only after its files were verified)

        self._pico: Any = NanoTTS()

    def speak(self, text: str, voice: str, speed: float) -> Samples:
        words = spoken_form(text)
        if not any(map(str.isalnum, words)):
            return EMPTY
        pitch = voice_named(voice).pitch
        pcm16 = self._pico.speak(words, voice="en-US", speed=clamped(speed), pitch=pitch, volume=self._VOLUME)
        resampler = Resampler(self._RATE_HZ, INTERNAL_RATE_HZ)
        samples = np.concatenate([resampler.push(np.frombuffer(pcm16, np.int16)), resampler.flush()])
        return finished([samples.astype(np.float32) / np.float32(32768)], text, speed)


def clamped(speed: float) -> float:
    return min(max(speed, SLOWEST), FASTEST)


def pause_after(text: str, speed: float) -> int:
    """Samples of silence that follow a sentence, by the mark it ends with."""
    end = text.rstrip().rstrip("\"'\u2019\u201d)]*_")[-1:]
    if end in {".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f"} or text.endswith("\n"):
        ms = _SENTENCE_PAUSE_MS
    else:
        ms = _CLAUSE_PAUSE_MS if end in {",", ";", ":", "\u2014"} else _OTHER_PAUSE_MS
    return ms_to_samples(int(ms / clamped(speed)))


def finished(waves: list[Wave], text: str, speed: float) -> Samples:
    """Trimmed, faded at the edges, brought to `LEVEL_DBFS`, and followed by the pause that the text asks for."""
    trimmed = [wave for wave in map(trim, waves) if len(wave)]
    if not trimmed:
        return EMPTY
    wave = levelled(np.concatenate(trimmed))
    samples = np.concatenate([wave, np.zeros(pause_after(text, speed), np.float32)])
    return (samples * 32767).round().astype(np.int16)


def trim(wave: Wave) -> Wave:
    """Without the silence around it but for a breath, faded in and out so that it never clicks."""
    loud = np.flatnonzero(_frame_db(wave) > _SILENT_BELOW_PEAK_DB)
    if not len(loud):
        return wave[:0]
    begin = max(0, int(loud[0]) * _FRAME - _LEAD)
    wave = wave[begin : (int(loud[-1]) + 1) * _FRAME + _TAIL].copy()
    fade = np.linspace(0.0, 1.0, min(_FADE, len(wave)), dtype=np.float32)
    wave[: len(fade)] *= fade
    wave[-len(fade) :] *= fade[::-1]
    return wave


def levelled(wave: Wave) -> Wave:
    voiced = wave[: len(wave) // _FRAME * _FRAME].reshape(-1, _FRAME)[_frame_db(wave) > _VOICED_BELOW_PEAK_DB]
    gain = 10 ** (LEVEL_DBFS / 20) / np.sqrt((voiced**2).mean())
    return wave * np.float32(min(gain, _CEILING / np.abs(wave).max()))


def _frame_db(wave: Wave) -> NDArray[np.float32]:
    """The energy of each 5 ms, relative to the loudest; nothing is louder than -200 dB in silence."""
    energy = (wave[: len(wave) // _FRAME * _FRAME].reshape(-1, _FRAME) ** 2).mean(1)
    if not len(energy) or energy.max() < 1e-10:
        return np.full(len(energy), -200.0, np.float32)
    decibels: NDArray[np.float32] = 10 * np.log10(energy / energy.max() + 1e-20)
    return decibels


def load(choice: TtsChoice = "auto") -> Synthesiser:
    """The synthesiser asked for; "auto" is hibari, or Pico where hibari cannot be loaded.

    Raises `EngineError` where what is asked for is missing or damaged.
    """
    if choice == "pico":
        return PicoSynthesiser()
    try:
        return HibariSynthesiser()
    except (EngineError, ImportError) as error:
        if choice == "hibari":
            raise EngineError(f"hibari cannot be loaded: {error}", code="model_missing") from error
        return PicoSynthesiser()
