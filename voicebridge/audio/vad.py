"""Is somebody speaking? One probability per window of 32 ms."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from voicebridge.audio.samples import Samples

VAD_WINDOW = 768
"""Samples at 24 kHz in one window: 32 ms."""


class VoiceActivityDetector(Protocol):
    """Judges the consecutive windows of one call; remembers what it has heard."""

    def probability(self, window: Samples) -> float:
        """How likely (0 to 1) the next `VAD_WINDOW` samples hold speech. Raises EngineError when the model fails."""
        ...

    def reset(self) -> None:
        """Forget what was heard; the next window begins a new stream."""
        ...


_FLOOR_RISE = 1.02  # per window: a louder background is learnt in a second or two
_FLOOR_FALL = 0.7  # weight of the old floor when the sound drops below it
_QUIETEST_FLOOR = 12.0  # RMS in int16 steps; below that lies the noise of quantisers
_SPEECH_SNR_DB = 9.0  # this far above the floor is as likely speech as not
_SLOPE_PER_DB = 0.5


class EnergyDetector:
    """Loudness above an adaptive noise floor. Needs no model; takes music and noises for speech."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._floor = 0.0

    def probability(self, window: Samples) -> float:
        wave = window.astype(np.float32)
        loudness = max(math.sqrt(float(wave @ wave) / len(wave)), 1e-3)
        if self._floor == 0.0:
            self._floor = max(loudness, _QUIETEST_FLOOR)
        elif loudness < self._floor:
            self._floor = max(_FLOOR_FALL * self._floor + (1 - _FLOOR_FALL) * loudness, _QUIETEST_FLOOR)
        else:
            self._floor = min(self._floor * _FLOOR_RISE, loudness)
        snr_db = 20 * math.log10(loudness / max(self._floor, _QUIETEST_FLOOR))
        return 1 / (1 + math.exp(-_SLOPE_PER_DB * (snr_db - _SPEECH_SNR_DB)))
