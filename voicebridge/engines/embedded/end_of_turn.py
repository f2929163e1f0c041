"""Whether a speaker has finished or is only pausing, judged from the sound of the last 8 seconds.

Model: Smart Turn v3.2 (Daily, BSD-2-Clause). Features: those of Whisper with a window of 8 s,
https://github.com/huggingface/transformers/blob/main/src/transformers/models/whisper/feature_extraction_whisper.py
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.engines.embedded import models
from voicebridge.engines.embedded.moonshine import MODEL_RATE_HZ, Speech16k
from voicebridge.engines.embedded.onnx_session import open_model
from voicebridge.engines.embedded.stt import to_16k

if TYPE_CHECKING:
    import onnxruntime

WINDOW_S = 8
_WINDOW = WINDOW_S * MODEL_RATE_HZ
_N_FFT, _HOP, _BANDS = 400, 160, 80


class EndOfTurn:
    """The loaded model."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    @classmethod
    def load(cls) -> EndOfTurn:
        return cls(open_model(models.SMART_TURN.verified()))

    def probability(self, samples: Samples) -> float:
        """From 0 (is going to go on) to 1 (has finished). Only the last `WINDOW_S` seconds count."""
        features = log_mel(last_window(to_16k(samples[-WINDOW_S * INTERNAL_RATE_HZ :])))
        return float(self._session.run(None, {"input_features": features[None]})[0][0, 0])


def last_window(speech: Speech16k) -> Speech16k:
    """The last 8 s, silence put before what is shorter."""
    return np.pad(speech[-_WINDOW:], (max(0, _WINDOW - len(speech)), 0))


def log_mel(window: Speech16k) -> NDArray[np.float32]:
    """Shape (80, 800): the log10 power in mel bands every 10 ms, of the window at zero mean and unit variance."""
    window = (window - window.mean()) / np.sqrt(window.var() + np.float32(1e-7))
    padded = np.pad(window.astype(np.float64), _N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::_HOP][:-1]
    hann = np.hanning(_N_FFT + 1)[:-1]
    power = np.abs(np.fft.rfft(frames * hann, axis=-1)) ** 2
    log = np.log10(np.maximum(power @ _mel_filters(), 1e-10)).T
    features: NDArray[np.float32] = ((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return features


@functools.cache
def _mel_filters() -> NDArray[np.float64]:
    """Shape (201, 80): triangles between 0 and 8 kHz, equidistant in Slaney's mel, of equal area."""
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(MODEL_RATE_HZ / 2), _BANDS + 2))
    bins = np.linspace(0, MODEL_RATE_HZ / 2, _N_FFT // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    filters: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])
    return filters


def _hz_to_mel(hz: float) -> float:
    """Slaney's scale above its knee at 1 kHz, which is mel 15."""
    return float(15.0 + np.log(hz / 1000.0) * 27.0 / np.log(6.4))


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))
