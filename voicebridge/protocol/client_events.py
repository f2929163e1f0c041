"""The client events of the GA dialect (protocol section 2), checked. Beta arrives here already upgraded.

`input_audio_buffer.append` is not here: audio has its own short path in `wire.realtime`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from voicebridge.errors import InvalidEvent
from voicebridge.protocol.formats import AudioFormat
from voicebridge.protocol.item_input import ContextInput, ItemInput
from voicebridge.protocol.model import ClientModel
from voicebridge.protocol.session_input import (
    BetaTemperature,
    FunctionToolInput,
    MaxTokensInput,
    PromptReference,
    Reasoning,
    SessionPatch,
    ToolChoiceInput,
    VoiceInput,
)
from voicebridge.protocol.validation import Strictness, validated

EventId: TypeAlias = Annotated[str, Field(max_length=512)]


class _ClientEvent(ClientModel):
    event_id: EventId | None = None


class SessionUpdate(_ClientEvent):
    type: Literal["session.update"]
    session: SessionPatch


class InputAudioBufferCommit(_ClientEvent):
    type: Literal["input_audio_buffer.commit"]


class InputAudioBufferClear(_ClientEvent):
    type: Literal["input_audio_buffer.clear"]


class OutputAudioBufferClear(_ClientEvent):
    type: Literal["output_audio_buffer.clear"]


class ConversationItemCreate(_ClientEvent):
    type: Literal["conversation.item.create"]
    item: ItemInput
    previous_item_id: str | None = None


class ConversationItemRetrieve(_ClientEvent):
    type: Literal["conversation.item.retrieve"]
    item_id: str


class ConversationItemTruncate(_ClientEvent):
    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = Field(ge=0)
    audio_end_ms: int = Field(ge=0)


class ConversationItemDelete(_ClientEvent):
    type: Literal["conversation.item.delete"]
    item_id: str


class ResponseAudioOutput(ClientModel):
    format: AudioFormat | None = None
    voice: VoiceInput | None = None


class ResponseAudio(ClientModel):
    output: ResponseAudioOutput | None = None


MetadataKey: TypeAlias = Annotated[str, Field(max_length=64)]
MetadataValue: TypeAlias = Annotated[str, Field(max_length=512)]


class ResponseParams(ClientModel):
    """For this one response; what is missing comes from the session (protocol 2.13)."""

    output_modalities: list[Literal["text", "audio"]] | None = Field(default=None, min_length=1)
    instructions: str | None = None
    audio: ResponseAudio | None = None
    tools: list[FunctionToolInput] | None = None
    tool_choice: ToolChoiceInput | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: MaxTokensInput | None = None
    conversation: Literal["auto", "none"] | None = None
    input: list[ContextInput] | None = None
    metadata: dict[MetadataKey, MetadataValue] | None = Field(default=None, max_length=16)
    prompt: PromptReference | None = None
    temperature: BetaTemperature = None


class ResponseCreate(_ClientEvent):
    type: Literal["response.create"]
    response: ResponseParams | None = None


class ResponseCancel(_ClientEvent):
    type: Literal["response.cancel"]
    response_id: str | None = None


ClientEvent: TypeAlias = (
    SessionUpdate
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
)

_EVENTS: dict[str, type[ClientModel]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.commit": InputAudioBufferCommit,
    "input_audio_buffer.clear": InputAudioBufferClear,
    "output_audio_buffer.clear": OutputAudioBufferClear,
    "conversation.item.create": ConversationItemCreate,
    "conversation.item.retrieve": ConversationItemRetrieve,
    "conversation.item.truncate": ConversationItemTruncate,
    "conversation.item.delete": ConversationItemDelete,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
}

APPEND = "input_audio_buffer.append"
"""Known, though it is read elsewhere."""

CLIENT_EVENT_TYPES = (*_EVENTS, APPEND)

_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(model) for name, model in _EVENTS.items()}
_SESSION: TypeAdapter[Any] = TypeAdapter(SessionPatch)


def parse_client_event(event: dict[str, Any], strictness: Strictness, *, beta: bool = False) -> ClientEvent:
    """Check one GA client event. Raises InvalidEvent with the protocol's code and dotted path (protocol 2.1).

    `beta`: it was a beta event, and may have what only beta has.
    """
    adapter = _ADAPTERS[event_type(event, CLIENT_EVENT_TYPES)]
    return validated(adapter, event, "", strictness, beta=beta)  # type: ignore[no-any-return]


def event_type(event: dict[str, Any], known: tuple[str, ...]) -> str:
    """The event's `type`, if it is one of the known ones; else the protocol's error."""
    if "type" not in event:
        raise InvalidEvent("Missing required parameter: 'type'.", code="missing_required_parameter", param="type")
    name = event["type"]
    if not isinstance(name, str):
        raise InvalidEvent("Invalid type for 'type': expected a string.", code="invalid_type", param="type")
    if name not in known:
        supported = ", ".join(f"'{one}'" for one in known)
        raise InvalidEvent(
            f"Invalid value: '{name[:100]}'. Supported values are: {supported}.", code="invalid_value", param="type"
        )
    return name


def parse_session(session: Any, strictness: Strictness, path: str = "session", *, beta: bool = False) -> SessionPatch:
    """Check a GA session object from a REST body or an SDP part; `path` begins the error's param."""
    if not isinstance(session, dict):
        raise InvalidEvent(f"Invalid type for '{path}': expected an object.", code="invalid_type", param=path)
    return validated(_SESSION, session, path, strictness, beta=beta)  # type: ignore[no-any-return]
