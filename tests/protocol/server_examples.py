"""Server events that between them have every member we ever send."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from protocol import client_examples
from voicebridge.core.io import Emit, Output, Retrieved, Speech
from voicebridge.protocol import server_events as events
from voicebridge.protocol.client_events import parse_session
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.formats import PCM_24K, AudioFormat, Pcma, Pcmu
from voicebridge.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudioPart,
    InputImagePart,
    InputTextPart,
    Item,
    MessageItem,
    OutputAudioPart,
    OutputTextPart,
)
from voicebridge.protocol.responses import (
    AudioPart,
    InputTokens,
    OutputTokens,
    Response,
    ResponseAudio,
    ResponseAudioOutput,
    ResponseError,
    StatusDetails,
    TextPart,
    Usage,
)
from voicebridge.protocol.session_config import Session, SessionDefaults, new_session, updated
from voicebridge.protocol.validation import Strictness
from voicebridge.wire.realtime import RealtimeCodec

SAMPLES = np.arange(480, dtype=np.int16)
_PART: dict[str, Any] = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}

ITEMS: list[Item] = [
    MessageItem(id="item_s", status="completed", role="system", content=(InputTextPart(text="be brief"),)),
    MessageItem(
        id="item_u",
        status="completed",
        role="user",
        content=(
            InputTextPart(text="hi"),
            InputAudioPart(transcript=None),
            InputAudioPart(transcript="hello"),
            InputImagePart(image_url="data:image/png;base64,AAAA", detail="high"),
        ),
    ),
    MessageItem(
        id="item_a",
        status="incomplete",
        role="assistant",
        content=(OutputTextPart(text="yes"), OutputAudioPart(transcript="well"), OutputAudioPart()),
    ),
    FunctionCallItem(id="item_f", status="in_progress", name="look", call_id="call_1", arguments="{}"),
    FunctionCallOutputItem(id="item_o", status="completed", call_id="call_1", output="seen"),
]


def sessions() -> list[Session]:
    result: list[Session] = []
    for kind in ("realtime", "transcription"):
        fresh = new_session(kind, SessionDefaults(), session_id="sess_1", expires_at=1_800_000_000)
        result.append(fresh)
        result += [
            updated(fresh, parse_session(event["session"], Strictness("error")), SessionDefaults())
            for event in client_examples.GA["session.update"]
            if event["session"]["type"] == kind
        ]
    source = {"turn_detection": None, "transcription": {"model": "whisper-1"}}
    off: dict[str, Any] = {"type": "realtime", "audio": {"input": source}, "tracing": "auto"}
    result.append(updated(result[0], parse_session(off, Strictness("error")), SessionDefaults()))
    return result


def _response(**members: Any) -> Response:
    audio_format: AudioFormat = members.pop("audio_format", PCM_24K)
    return Response(
        **{
            "id": "resp_1",
            "status": "completed",
            "conversation_id": "conv_1",
            "output_modalities": ("audio",),
            "max_output_tokens": "inf",
            "audio": ResponseAudio(output=ResponseAudioOutput(format=audio_format, voice="echo")),
            "usage": Usage(
                total_tokens=10,
                input_tokens=6,
                output_tokens=4,
                input_token_details=InputTokens(audio_tokens=4, text_tokens=2),
                output_token_details=OutputTokens(audio_tokens=3, text_tokens=1),
            ),
            **members,
        }
    )


def _responses() -> list[Response]:
    failed = StatusDetails(type="failed", error=ResponseError(type="server_error", code="c", message="m"))
    return [
        _response(output=tuple(item for item in ITEMS if item.id in ("item_a", "item_f")), metadata={"a": "b"}),
        _response(status="in_progress", usage=None, conversation_id=None, output_modalities=("text",)),
        _response(status="failed", status_details=failed, audio_format=Pcmu(), max_output_tokens=100),
        _response(
            status="cancelled",
            status_details=StatusDetails(type="cancelled", reason="turn_detected"),
            audio_format=Pcma(),
        ),
        _response(status="incomplete", status_details=StatusDetails(type="incomplete", reason="max_output_tokens")),
    ]


def _transcription_events() -> list[events.ServerEvent]:
    place: dict[str, Any] = {"event_id": "event_1", "item_id": "item_u", "content_index": 1}
    logprobs = (events.LogProb(token="hi", logprob=-0.5, bytes=(104, 105)),)
    usage = events.TranscriptionUsage(
        total_tokens=3,
        input_tokens=2,
        output_tokens=1,
        input_token_details=events.TranscriptionInputTokens(text_tokens=0, audio_tokens=2),
    )
    error = events.TranscriptionError(type="transcription_error", code="audio_unintelligible", message="m", param="p")
    return [
        events.TranscriptionDelta(**place, delta="hi"),
        events.TranscriptionDelta(**place, delta="hi", logprobs=logprobs),
        events.TranscriptionCompleted(**place, transcript="hi", usage=usage),
        events.TranscriptionCompleted(**place, transcript="hi", usage=usage, logprobs=logprobs),
        events.TranscriptionFailed(**place, error=events.TranscriptionError(type="transcription_error")),
        events.TranscriptionFailed(**place, error=error),
    ]


def _response_events() -> list[events.ServerEvent]:
    at: dict[str, Any] = {"event_id": "event_1", "response_id": "resp_1", "output_index": 0}
    part: dict[str, Any] = {"event_id": "event_1", **_PART}
    call: dict[str, Any] = {**at, "item_id": "item_f", "call_id": "call_1"}
    return [
        *(events.ResponseCreated(event_id="event_1", response=response) for response in _responses()),
        *(events.ResponseDone(event_id="event_1", response=response) for response in _responses()),
        *(events.OutputItemAdded(**at, item=item) for item in ITEMS),
        *(events.OutputItemDone(**at, item=item) for item in ITEMS),
        events.ContentPartAdded(**part, part=TextPart(text="")),
        events.ContentPartAdded(**part, part=AudioPart(transcript="")),
        events.ContentPartDone(**part, part=TextPart(text="yes")),
        events.ContentPartDone(**part, part=AudioPart(transcript="yes")),
        events.OutputTextDelta(**part, delta="y"),
        events.OutputTextDone(**part, text="yes"),
        events.OutputAudioTranscriptDelta(**part, delta="y"),
        events.OutputAudioTranscriptDone(**part, transcript="yes"),
        events.OutputAudioDone(**part),
        events.FunctionCallArgumentsDelta(**call, delta="{"),
        events.FunctionCallArgumentsDone(**call, name="look", arguments="{}"),
    ]


def _conversation_events() -> list[events.ServerEvent]:
    return [
        events.ConversationCreated(event_id="event_1", conversation=events.Conversation(id="conv_1")),
        *(
            kind(event_id="event_1", previous_item_id=previous, item=item)
            for kind in (events.ItemAdded, events.ItemDone)
            for item in ITEMS
            for previous in (None, "item_0")
        ),
        *(events.ItemRetrieved(event_id="event_1", item=item) for item in ITEMS),
        events.ItemTruncated(event_id="event_1", item_id="item_a", content_index=1, audio_end_ms=20),
        events.ItemDeleted(event_id="event_1", item_id="item_a"),
    ]


def emitted() -> list[events.ServerEvent]:
    """At least one of every class of event, with optional members and without."""
    details: dict[str, Any] = {"type": "invalid_request_error", "message": "m"}
    limit = events.RateLimit(name="tokens", limit=10, remaining=9, reset_seconds=0.5)
    return [
        *(events.SessionCreated(event_id="event_1", session=session) for session in sessions()),
        *(events.SessionUpdated(event_id="event_1", session=session) for session in sessions()),
        events.ErrorEvent(
            event_id="event_1", error=events.ErrorDetails(**details, code="c", param="session.type", event_id="e1")
        ),
        events.ErrorEvent(
            event_id="event_1", error=events.ErrorDetails(**details, code=None, param=None, event_id=None)
        ),
        events.SpeechStarted(event_id="event_1", audio_start_ms=10, item_id="item_u"),
        events.SpeechStopped(event_id="event_1", audio_end_ms=20, item_id="item_u"),
        events.InputAudioBufferCommitted(event_id="event_1", item_id="item_u", previous_item_id="item_0"),
        events.InputAudioBufferCommitted(event_id="event_1", item_id="item_u", previous_item_id=None),
        events.InputAudioBufferCleared(event_id="event_1"),
        events.TimeoutTriggered(event_id="event_1", audio_start_ms=1, audio_end_ms=2, item_id="item_u"),
        events.RateLimitsUpdated(event_id="event_1", rate_limits=(limit,)),
        events.OutputAudioBufferStarted(event_id="event_1", response_id="resp_1"),
        events.OutputAudioBufferStopped(event_id="event_1", response_id="resp_1"),
        events.OutputAudioBufferCleared(event_id="event_1", response_id="resp_1"),
        *_conversation_events(),
        *_transcription_events(),
        *_response_events(),
    ]


def outputs() -> list[Output]:
    """Everything that goes to a client: the events, speech, and items with their sound."""
    return [
        *(Emit(event) for event in emitted()),
        Speech("event_1", **_PART, samples=SAMPLES, audio_format=PCM_24K),
        *(
            Retrieved("event_1", item, {1: SAMPLES}, PCM_24K)
            for item in ITEMS
            if isinstance(item, MessageItem) and item.role != "system"
        ),
    ]


def frames(dialect: Dialect) -> list[dict[str, Any]]:
    """What a client of the dialect receives of all that."""
    codec = RealtimeCodec(dialect)
    encoded = (codec.encode(output) for output in outputs())
    return [json.loads(frame) for frame in encoded if frame is not None]
