"""Watches one call from outside and turns what it sees into metrics and log lines."""

from __future__ import annotations

import logging
from typing import Literal

from voicebridge.audio.listener import Heard
from voicebridge.audio.samples import samples_to_seconds
from voicebridge.core.io import Emit, EndCall, FromClient, Input, Output, Speech
from voicebridge.protocol.client_events import InputAudioBufferCommit
from voicebridge.protocol.server_events import (
    ErrorEvent,
    InputAudioBufferCommitted,
    OutputAudioTranscriptDelta,
    OutputTextDelta,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionFailed,
)
from voicebridge.telemetry.logs import Pii
from voicebridge.telemetry.metrics import Metrics, Stage

_log = logging.getLogger(__name__)

_REASONS = {
    "client gone": "client",
    "server_error.shutting_down": "drained",
    "server_error.internal_error": "error",
    "invalid_request_error.session_expired": "expired",
}
"""What the metrics call an end; of others the last word of the reason, such as `slow_consumer` or `path_lost`."""


class CallMeter:
    """One call's observer. Latencies start where the end of speech was decided, or where the client committed."""

    def __init__(self, metrics: Metrics, dialect: str, transport: str, session_id: str) -> None:
        self._metrics = metrics
        self._labels = (dialect, transport)
        self._session_id = session_id
        self._since = 0.0
        self._marks: dict[str, float] = {}
        self._detector: Literal["server_vad", "semantic_vad"] = "server_vad"

    def opened(self, now: float) -> None:
        self._since = now
        self._metrics.session_opened(*self._labels)
        _log.info("session opened", extra={"session_id": self._session_id, "dialect": self._labels[0]})

    def ended(self, end: EndCall, now: float) -> None:
        seconds = now - self._since
        reason = _REASONS.get(end.reason) or end.reason.rpartition(".")[2].replace(" ", "_") or "other"
        self._metrics.session_ended(*self._labels, reason, seconds)
        _log.info(
            "session ended", extra={"session_id": self._session_id, "reason": reason, "seconds": round(seconds, 1)}
        )

    def fed(self, given: Input | None, outputs: list[Output], now: float) -> None:
        if isinstance(given, Heard):
            self._metrics.audio("in", samples_to_seconds(len(given.samples)))
        elif isinstance(given, FromClient):
            self._metrics.event("in", given.event.type)
        by_hand = isinstance(given, FromClient) and isinstance(given.event, InputAudioBufferCommit)
        for output in outputs:
            if isinstance(output, Emit):
                self._metrics.event("out", output.event.type)
                self._emitted(output.event, now, by_hand=by_hand)
            elif isinstance(output, Speech) and len(output.samples):
                self._metrics.audio("out", samples_to_seconds(len(output.samples)))
                self._span("response_to_first_audio", "response", now, "audio")
                self._span("speech_to_first_audio", "speech", now, "speech_audio")

    def _emitted(self, event: ServerEvent, now: float, *, by_hand: bool) -> None:
        match event:
            case SessionCreated(session=session) | SessionUpdated(session=session):
                if (detection := session.audio.input.turn_detection) is not None:
                    self._detector = detection.type
            case SpeechStopped() if not by_hand:
                self._end_speech(self._detector, now)
            case InputAudioBufferCommitted():
                self._marks["committed"] = now
                self._marks.pop("transcript", None)
                if by_hand:
                    self._end_speech("manual", now)
            case TranscriptionCompleted():
                self._span("committed_to_transcript", "committed", now, "transcript")
                self._metrics.transcription("completed")
                _log.info("heard", extra={"session_id": self._session_id, "transcript": Pii(event.transcript)})
            case TranscriptionFailed():
                self._metrics.transcription("failed")
            case ResponseCreated():
                self._marks["response"] = now
                for name in ("audio", "text"):
                    self._marks.pop(name, None)
            case OutputTextDelta() | OutputAudioTranscriptDelta():
                self._span("response_to_first_text", "response", now, "text")
            case ResponseDone(response=response):
                details = response.status_details
                self._metrics.response_done(response.status, details.reason if details else None)
                self._metrics.latency("response_total", now - self._marks.get("response", now))
                self._marks.pop("speech", None)
            case ErrorEvent(error=error):
                self._metrics.error(error.type, error.code)

    def _end_speech(self, kind: Literal["server_vad", "semantic_vad", "manual"], now: float) -> None:
        self._marks["speech"] = now
        self._marks.pop("speech_audio", None)
        self._metrics.turn(kind)

    def _span(self, stage: Stage, start: str, now: float, once: str) -> None:
        """Observe a stage the first time it is passed since its mark was set."""
        if once not in self._marks and start in self._marks:
            self._marks[once] = now
            self._metrics.latency(stage, now - self._marks[start])
