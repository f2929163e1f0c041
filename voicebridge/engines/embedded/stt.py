"""Speech recognition: 24 kHz speech in, words and their log-probabilities out; nothing where nobody spoke."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np

from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.core.engine_io import TokenLogprob
from voicebridge.engines.embedded import models
from voicebridge.engines.embedded.moonshine import MODEL_RATE_HZ, Moonshine, Speech16k
from voicebridge.engines.embedded.segments import segments
from voicebridge.errors import EngineError

SttChoice: TypeAlias = Literal["tiny", "base", "whisper"]

_SHORTEST_S = 0.1
_QUIETEST_DBFS = -60.0
_TRAILING_SILENCE_S = 0.5
"""Moonshine hears short utterances much better when they do not end abruptly (word errors 42 % to 33 %)."""
LEAST_MEAN_LOGPROB = -0.45
"""Below it sentences are invented: 99 % of human ones are above -0.42."""
LEAST_MEAN_LOGPROB_SHORT = -0.7
"""The same for up to `_SHORT_WORDS` words, where a model hesitates over "7 plus 5" and "7+5" and is right with both."""
_SHORT_WORDS = 7
_NOISE_WORDS = frozenset({"you", "thank you for watching", "thanks for watching"})
"""What the models make of noise and of music, and sure of it; nobody says just this to an assistant."""
_INVENTED = ("\N{EIGHTH NOTE}", "\N{BEAMED EIGHTH NOTES}", "\N{COPYRIGHT SIGN}")
_LOOP_WORDS = 4
_LOOP_TIMES = 3


@dataclass(frozen=True, slots=True)
class Recognition:
    """What was said. The tokens joined are the text; both are empty where nothing intelligible was said."""

    text: str
    tokens: tuple[TokenLogprob, ...] = ()


NOTHING = Recognition("")


class Recogniser(Protocol):
    """`language` is an ISO 639-1 code (a region may follow) or None; `prompt` hints at names and terms."""

    def recognise(self, samples: Samples, language: str | None, prompt: str | None) -> Recognition: ...


class EnglishRecogniser:
    """A Moonshine model. Any other language is refused, because it would come out as invented English."""

    def __init__(self, model: Moonshine) -> None:
        self._model = model

    def recognise(self, samples: Samples, language: str | None, prompt: str | None = None) -> Recognition:  # noqa: ARG002
        """Raises `EngineError` for a language other than English."""
        if language and language.lower().replace("_", "-").split("-")[0] not in {"en", "eng", "english"}:
            raise EngineError(
                f"The installed speech recognition understands English only, not {language!r}. "
                "For 99 languages install voicebridge[stt-whisper].",
                code="unsupported_language",
            )
        speech = to_16k(samples)
        silence = np.zeros(int(_TRAILING_SILENCE_S * MODEL_RATE_HZ), np.float32)
        return join(
            plausible(self._model.transcribe(np.concatenate([part, silence])))
            for part in segments(speech, MODEL_RATE_HZ)
            if is_audible(part)
        )


def to_16k(samples: Samples) -> Speech16k:
    resampler = Resampler(INTERNAL_RATE_HZ, MODEL_RATE_HZ)
    speech = np.concatenate([resampler.push(samples), resampler.flush()])
    return speech.astype(np.float32) / np.float32(32768)


def is_audible(speech: Speech16k) -> bool:
    if len(speech) < _SHORTEST_S * MODEL_RATE_HZ:
        return False
    return bool(np.abs(speech).max() > 10 ** (_QUIETEST_DBFS / 20))


def plausible(tokens: tuple[TokenLogprob, ...]) -> tuple[TokenLogprob, ...]:
    """The tokens, or none where they are what models say of noise and music."""
    text = "".join(token.token for token in tokens)
    words = re.findall(r"[^\W_]+", text.lower())
    if not words or " ".join(words) in _NOISE_WORDS or is_loop(words) or any(mark in text for mark in _INVENTED):
        return ()
    mean = sum(token.logprob for token in tokens) / len(tokens)
    return tokens if mean >= (LEAST_MEAN_LOGPROB_SHORT if len(words) <= _SHORT_WORDS else LEAST_MEAN_LOGPROB) else ()


def is_loop(words: list[str]) -> bool:
    """Whether the same few words come again and again."""
    runs = [tuple(words[i : i + _LOOP_WORDS]) for i in range(len(words) - _LOOP_WORDS + 1)]
    return any(runs.count(run) >= _LOOP_TIMES for run in set(runs))


def join(parts: Iterator[tuple[TokenLogprob, ...]]) -> Recognition:
    tokens: list[TokenLogprob] = []
    for part in parts:
        for token in part:
            if not tokens:
                token = TokenLogprob(token.token.lstrip(), token.logprob)  # noqa: PLW2901
            if token.token:
                tokens.append(token)
    if not tokens:
        return NOTHING
    return Recognition("".join(token.token for token in tokens), tuple(tokens))


def load_tiny() -> Recogniser:
    return EnglishRecogniser(
        Moonshine.load(
            models.MOONSHINE_TINY_ENCODER.verified(),
            models.MOONSHINE_TINY_DECODER.verified(),
            models.MOONSHINE_TINY_TOKENIZER.verified(),
        )
    )


def load_base(cache: Path) -> Recogniser:
    from voicebridge.engines.embedded.moonshine_base import converted  # noqa: PLC0415 (an extra)

    encoder, decoder = converted(cache)
    return EnglishRecogniser(Moonshine.load(encoder, decoder, models.MOONSHINE_BASE_TOKENIZER.verified()))


def load_whisper(cache: Path) -> Recogniser:
    from voicebridge.engines.embedded.whisper import WhisperRecogniser  # noqa: PLC0415 (an extra)

    return WhisperRecogniser(cache)


def load(choice: SttChoice, cache: Path) -> Recogniser:
    """The recogniser asked for, its converted files kept under `cache`.

    Raises `EngineError` where its files are missing or damaged; the message says what to install.
    """
    if choice == "base":
        return load_base(cache.expanduser())
    if choice == "whisper":
        return load_whisper(cache.expanduser())
    return load_tiny()
