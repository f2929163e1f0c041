"""Conversation items as clients see them in the GA dialect (protocol 3.3)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from voicebridge.protocol.model import Maybe, ServerModel

ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class InputTextPart(ServerModel):
    type: Literal["input_text"] = "input_text"
    text: str


class InputAudioPart(ServerModel):
    """Speech of the user. `transcript` is null until it is known; its key must always be there (agents-js)."""

    type: Literal["input_audio"] = "input_audio"
    audio: Maybe[str] = None
    transcript: str | None


class InputImagePart(ServerModel):
    type: Literal["input_image"] = "input_image"
    image_url: str
    detail: str


class OutputTextPart(ServerModel):
    type: Literal["output_text"] = "output_text"
    text: str


class OutputAudioPart(ServerModel):
    """Speech of the assistant. The transcript is left out once a truncation has deleted it."""

    type: Literal["output_audio"] = "output_audio"
    audio: Maybe[str] = None
    transcript: Maybe[str] = None


ContentPart: TypeAlias = InputTextPart | InputAudioPart | InputImagePart | OutputTextPart | OutputAudioPart


class MessageItem(ServerModel):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["message"] = "message"
    status: ItemStatus
    role: Literal["system", "user", "assistant"]
    content: tuple[ContentPart, ...]


class FunctionCallItem(ServerModel):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["function_call"] = "function_call"
    status: ItemStatus
    name: str
    call_id: str
    arguments: str


class FunctionCallOutputItem(ServerModel):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["function_call_output"] = "function_call_output"
    status: ItemStatus
    call_id: str
    output: str


Item: TypeAlias = MessageItem | FunctionCallItem | FunctionCallOutputItem
