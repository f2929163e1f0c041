"""The response object, its usage and its parts (protocol 3.4)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from voicebridge.protocol.formats import AudioFormat
from voicebridge.protocol.items import Item
from voicebridge.protocol.model import Maybe, ServerModel

ResponseStatus: TypeAlias = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
CancelReason: TypeAlias = Literal["turn_detected", "client_cancelled"]
IncompleteReason: TypeAlias = Literal["max_output_tokens", "content_filter"]


class ResponseError(ServerModel):
    type: str
    code: Maybe[str] = None
    message: Maybe[str] = None


class StatusDetails(ServerModel):
    type: Literal["completed", "cancelled", "incomplete", "failed"]
    reason: Maybe[Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"]] = None
    error: Maybe[ResponseError] = None


class CachedTokens(ServerModel):
    audio_tokens: int = 0
    text_tokens: int = 0
    image_tokens: int = 0


class InputTokens(ServerModel):
    audio_tokens: int
    text_tokens: int
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: CachedTokens = CachedTokens()


class OutputTokens(ServerModel):
    audio_tokens: int
    text_tokens: int


class Usage(ServerModel):
    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: InputTokens
    output_token_details: OutputTokens


class ResponseAudioOutput(ServerModel):
    format: AudioFormat
    voice: str


class ResponseAudio(ServerModel):
    output: ResponseAudioOutput


class Response(ServerModel):
    """Nulls are meant: clients read every one of these members. `temperature` shows in the beta dialect only."""

    object: Literal["realtime.response"] = "realtime.response"
    id: str
    status: ResponseStatus
    status_details: StatusDetails | None = None
    output: tuple[Item, ...] = ()
    conversation_id: str | None
    output_modalities: tuple[Literal["text", "audio"], ...]
    max_output_tokens: int | Literal["inf"]
    audio: ResponseAudio
    usage: Usage | None = None
    metadata: dict[str, str] | None = None
    temperature: float = Field(default=0.8, exclude=True)


class TextPart(ServerModel):
    """A part as it streams: `text` and `audio` in both dialects, unlike the content of items (protocol 3.8)."""

    type: Literal["text"] = "text"
    text: str


class AudioPart(ServerModel):
    type: Literal["audio"] = "audio"
    transcript: str


StreamedPart: TypeAlias = TextPart | AudioPart
