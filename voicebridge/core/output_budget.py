"""How many tokens a response has cost, and what of its limit is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voicebridge.core.engine_io import TokenCounts
from voicebridge.core.tokens import spoken_tokens, text_tokens
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

    def affordable(self, text: str, samples: int = 0) -> float:
        """Which share (0 to 1) of so much text and speech may still be made."""
        cost = text_tokens(text) + spoken_tokens(samples)
        if self._limit == "inf" or cost == 0:
            return 1.0
        left = self._limit - self._text - self._audio
        return 1.0 if cost <= left else max(0, left) / cost

    def spend(self, text: str, samples: int = 0) -> None:
        self._text += text_tokens(text)
        self._audio += spoken_tokens(samples)

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
