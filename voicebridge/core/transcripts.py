"""Input transcription: what the recogniser says of committed speech, as events (protocol 3.7, S10).

One ending for each item, never two; items may end out of turn.
"""

from __future__ import annotations

from voicebridge.audio.samples import Samples
from voicebridge.core.conversation import Conversation
from voicebridge.core.engine_io import (
    TokenLogprob,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
    TranscriptOutput,
    Utterance,
)
from voicebridge.core.io import Emit, Output, Transcribe
from voicebridge.core.tokens import heard_tokens, text_tokens
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.server_events import (
    LogProb,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionError,
    TranscriptionFailed,
    TranscriptionInputTokens,
    TranscriptionUsage,
)
from voicebridge.protocol.session_config import Transcription


class Transcripts:
    """The transcriptions that are under way, by item."""

    def __init__(self, conversation: Conversation, ids: IdFactory) -> None:
        self._conversation = conversation
        self._ids = ids
        self._open: dict[str, tuple[int, bool]] = {}

    @property
    def busy(self) -> bool:
        """Is something being written down?"""
        return bool(self._open)

    def begin(self, utterance: Utterance, *, logprobs: bool) -> list[Output]:
        self._open[utterance.item_id] = (len(utterance.samples), logprobs)
        return [Transcribe(utterance)]

    def take(self, item_id: str, output: TranscriptOutput) -> list[Output]:
        """Events for what came. An item that was deleted meanwhile still gets its ending: clients wait for it."""
        if item_id not in self._open:
            return []
        samples, logprobs = self._open[item_id]
        match output:
            case TranscriptDelta(text, tokens):
                event = TranscriptionDelta(
                    event_id=self._ids.new("event"),
                    item_id=item_id,
                    content_index=0,
                    delta=text,
                    logprobs=_logprobs(tokens) if logprobs else None,
                )
                return [Emit(event)]
            case TranscriptDone(text, tokens):
                return [Emit(self._completed(item_id, text, samples, _logprobs(tokens) if logprobs else None))]
            case TranscriptFailed(code, message):
                del self._open[item_id]
                error = TranscriptionError(type="transcription_error", code=code, message=message)
                failed = TranscriptionFailed(
                    event_id=self._ids.new("event"), item_id=item_id, content_index=0, error=error
                )
                return [Emit(failed)]

    def _completed(
        self, item_id: str, text: str, samples: int, logprobs: tuple[LogProb, ...] | None
    ) -> TranscriptionCompleted:
        del self._open[item_id]
        self._conversation.transcribed(item_id, text)
        self._conversation.show_transcript(item_id, 0, text)
        heard, written = heard_tokens(samples), text_tokens(text)
        return TranscriptionCompleted(
            event_id=self._ids.new("event"),
            item_id=item_id,
            content_index=0,
            transcript=text,
            usage=TranscriptionUsage(
                total_tokens=heard + written,
                input_tokens=heard,
                output_tokens=written,
                input_token_details=TranscriptionInputTokens(text_tokens=0, audio_tokens=heard),
            ),
            logprobs=logprobs,
        )


def _logprobs(tokens: tuple[TokenLogprob, ...]) -> tuple[LogProb, ...]:
    return tuple(
        LogProb(token=token.token, logprob=token.logprob, bytes=tuple(token.token.encode())) for token in tokens
    )


def utterance(item_id: str, samples: Samples, settings: Transcription) -> Utterance:
    """What the recogniser is asked, with the session's hints."""
    language = settings.language or (settings.languages[0] if settings.languages else None)
    return Utterance(item_id, samples, settings.model, language, settings.prompt)
