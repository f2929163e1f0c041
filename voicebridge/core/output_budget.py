"""How many tokens a response has cost, and what of its limit is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voicebridge.audio.samples import Samples
from voicebridge.core.engine_io import TokenCounts
from voicebridge.core.spoken import leading_words
from voicebridge.core.tokens import CHARACTERS_PER_TOKEN, SPOKEN_SAMPLES_PER_TOKEN, spoken_tokens, text_tokens
from voicebridge.protocol.responses import InputTokens, OutputTokens, Usage


@dataclass(frozen=True, slots=True)
class InputUse:
    """Estimated tokens of what the response was asked with."""

    text: int
    audio: int


class OutputBudget:
    """Counts estimates while a response is made; `report` replaces them by what the model says."""

    def __init__(self, limit: int | Literal["inf"], asked_with: InputUse) -> None:
        self._limit = limit
        self._asked_with = asked_with
        self._text = 0
        self._audio = 0
        self._reported: TokenCounts | None = None

    def write(self, text: str) -> str:
        """As much of the text as may still be made: less than all of it means that the limit is reached."""
        if (left := self._left()) is not None and text_tokens(text) > left:
            text = text[: left * CHARACTERS_PER_TOKEN]
        self._text += text_tokens(text)
        return text

    def speak(self, text: str, samples: Samples) -> tuple[str, Samples]:
        """As much of a piece of speech as may still be made, words and samples in proportion."""
        said, sound = text_tokens(text), spoken_tokens(len(samples))
        if (left := self._left()) is not None and said + sound > left:
            characters = CHARACTERS_PER_TOKEN * (left * said // (said + sound))
            text = leading_words(text, characters / len(text)) if text else text
            samples = samples[: SPOKEN_SAMPLES_PER_TOKEN * (left * sound // (said + sound))]
        self._text += text_tokens(text)
        self._audio += spoken_tokens(len(samples))
        return text, samples

    def _left(self) -> int | None:
        return None if self._limit == "inf" else self._limit - self._text - self._audio

    def report(self, counts: TokenCounts | None) -> None:
        self._reported = counts

    def usage(self) -> Usage:
        counts = self._reported or TokenCounts(
            input_text=self._asked_with.text,
            input_audio=self._asked_with.audio,
            input_cached=0,
            output_text=self._text,
            output_audio=self._audio,
        )
        heard, made = counts.input_text + counts.input_audio, counts.output_text + counts.output_audio
        return Usage(
            total_tokens=heard + made,
            input_tokens=heard,
            output_tokens=made,
            input_token_details=InputTokens(
                audio_tokens=counts.input_audio, text_tokens=counts.input_text, cached_tokens=counts.input_cached
            ),
            output_token_details=OutputTokens(audio_tokens=counts.output_audio, text_tokens=counts.output_text),
        )
