"""The recorded human speech of the tests, at 24 kHz."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np

from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples

SPEECH = Path(__file__).parents[2] / "data" / "speech"
TRANSCRIPTS: dict[str, str] = json.loads((SPEECH / "transcripts.json").read_text())
HELLO = Path(__file__).parents[3] / "voicebridge" / "samples" / "hello.wav"


def recording(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    if rate_hz == INTERNAL_RATE_HZ:
        return samples
    resampler = Resampler(rate_hz, INTERNAL_RATE_HZ)
    return np.concatenate([resampler.push(samples), resampler.flush()])
