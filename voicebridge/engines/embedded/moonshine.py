"""Moonshine on plain onnxruntime: the encoder once, then the decoder token by token, always the likeliest one.

Models: https://github.com/moonshine-ai/moonshine (English: MIT).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicebridge.core.engine_io import TokenLogprob
from voicebridge.engines.embedded.onnx_session import open_model

if TYPE_CHECKING:
    import onnxruntime

Speech16k: TypeAlias = NDArray[np.float32]
"""Mono speech at 16 kHz, shape (n,), in [-1, 1]."""

MODEL_RATE_HZ = 16_000
_START, _END = 1, 2
_TOKENS_PER_SECOND = 6.5  # of speech; more is a loop
_EXTRA_TOKENS = 8
_BLANK = "\N{LOWER ONE EIGHTH BLOCK}"


@dataclass(frozen=True, slots=True)
class Moonshine:
    """One loaded model, tiny or base."""

    encoder: onnxruntime.InferenceSession
    decoder: onnxruntime.InferenceSession
    vocabulary: tuple[bytes, ...]

    @classmethod
    def load(cls, encoder: Path, decoder: Path, tokenizer: Path) -> Moonshine:
        return cls(open_model(encoder), open_model(decoder), read_vocabulary(tokenizer.read_bytes()))

    def transcribe(self, speech: Speech16k) -> tuple[TokenLogprob, ...]:
        """The tokens of at most some 30 s of speech; joined they are the text, usually with a leading blank."""
        ids, logprobs = self._decode(speech, self._encode(speech))
        return tuple(_readable([self.vocabulary[i] for i in ids], logprobs))

    def _encode(self, speech: Speech16k) -> NDArray[np.float32]:
        inputs: dict[str, Any] = {"input_values": speech[None]}
        if len(self.encoder.get_inputs()) > 1:  # tiny has a mask, base has none
            inputs["attention_mask"] = np.ones((1, len(speech)), np.int64)
        states: NDArray[np.float32] = self.encoder.run(None, inputs)[0]
        return states

    def _decode(self, speech: Speech16k, states: NDArray[np.float32]) -> tuple[list[int], list[float]]:
        names = [i for i in self.decoder.get_inputs() if i.name.startswith("past_key_values")]
        past = {
            i.name: np.zeros((1, i.shape[1], 0 if ".decoder." in i.name else states.shape[1], i.shape[3]), np.float32)
            for i in names
        }
        fixed: dict[str, Any] = {"encoder_hidden_states": states}
        if any(i.name == "encoder_attention_mask" for i in self.decoder.get_inputs()):
            fixed["encoder_attention_mask"] = np.ones((1, len(speech)), np.int64)
        token, ids, logprobs = _START, list[int](), list[float]()
        for step in range(int(len(speech) / MODEL_RATE_HZ * _TOKENS_PER_SECOND) + _EXTRA_TOKENS):
            inputs = {"input_ids": np.array([[token]]), "use_cache_branch": np.array([step > 0]), **fixed, **past}
            logits, *present = self.decoder.run(None, inputs)
            for i, value in zip(names, present, strict=True):
                if step == 0 or ".decoder." in i.name:  # what is attended of the speech comes from the first step only
                    past[i.name] = value
            scores = logits[0, -1]
            token = int(scores.argmax())
            if token == _END and not ids:  # base leaves out whole utterances; whether somebody spoke is judged later
                token = int(np.where(np.arange(len(scores)) == _END, -np.inf, scores).argmax())
            if token == _END:
                break
            ids.append(token)
            logprobs.append(-float(np.log(np.exp(scores - scores[token]).sum())))
        return ids, logprobs


def read_vocabulary(data: bytes) -> tuple[bytes, ...]:
    """tokenizer.bin: byte strings, each behind its length in one byte, or in two from 128 on."""
    tokens, at = [], 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            length += data[at] * 128 - 128
            at += 1
        tokens.append(data[at : at + length])
        at += length
    return tuple(tokens)


def _readable(pieces: list[bytes], logprobs: list[float]) -> list[TokenLogprob]:
    """Tokens as text: control tokens dropped, those that share one UTF-8 character joined (their sum is kept)."""
    tokens: list[TokenLogprob] = []
    pending, total = b"", 0.0
    for piece, logprob in zip(pieces, logprobs, strict=True):
        raw = _raw_bytes(piece)
        pending, total = pending + raw, total + logprob
        try:
            text = pending.decode()
        except UnicodeDecodeError:
            continue
        if text:
            tokens.append(TokenLogprob(text, total))
        pending, total = b"", 0.0
    return tokens


def _raw_bytes(piece: bytes) -> bytes:
    if piece.startswith(b"<0x") and piece.endswith(b">"):
        return bytes([int(piece[3:-1], 16)])
    if piece.startswith(b"<") and piece.endswith(b">") and len(piece) > 2:
        return b""
    return piece.replace(_BLANK.encode(), b" ")
