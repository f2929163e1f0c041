"""From a session's settings and a `response.create` to what the engine is asked and what the client is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from voicebridge.core.conversation import Conversation
from voicebridge.core.engine_io import Ask, Audio, ContextItem, FunctionTool, Message, Text, ToolCall
from voicebridge.core.items import Sounds, entry_from_input
from voicebridge.core.output_budget import InputUse
from voicebridge.core.tokens import heard_tokens, text_tokens
from voicebridge.errors import InvalidEvent
from voicebridge.protocol.client_events import ResponseParams
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.item_input import ItemReferenceInput
from voicebridge.protocol.responses import Response, ResponseAudio, ResponseAudioOutput
from voicebridge.protocol.session_config import (
    RealtimeSession,
    SessionDefaults,
    checked_format,
    spoken_or_written,
    voice_name,
)
from voicebridge.protocol.session_input import NamedFunction

NO_PARAMS = ResponseParams()

ToolChoice: TypeAlias = Literal["auto", "none", "required"] | tuple[Literal["function"], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A response about to begin."""

    ask: Ask
    response: Response
    out_of_band: bool
    asked_with: InputUse


def asked(
    session: RealtimeSession,
    params: ResponseParams,
    conversation: Conversation,
    ids: IdFactory,
    defaults: SessionDefaults,
    sounds: Sounds,
    *,
    voice_locked: bool,
) -> Asked:
    """What `response.create` asks for (protocol 2.13). Raises InvalidEvent; nothing has happened then."""
    out_of_band = params.conversation == "none"
    output = params.audio.output if params.audio and params.audio.output else None
    voice = voice_name(output.voice) if output and output.voice is not None else session.audio.output.voice
    if voice_locked and voice != session.audio.output.voice:
        raise InvalidEvent(
            "Cannot update a conversation's voice if assistant audio is present.",
            code="cannot_update_voice",
            param="response.audio.output.voice",
        )
    audio_format = session.audio.output.format
    if output and output.format is not None:
        audio_format = checked_format(output.format, defaults, "response.audio.output.format")
    modalities = session.output_modalities
    if params.output_modalities is not None:
        modalities = spoken_or_written(params.output_modalities)
    limit = session.max_output_tokens if params.max_output_tokens is None else params.max_output_tokens
    temperature = session.temperature if params.temperature is None else params.temperature
    context = _context(params, conversation, ids, sounds)
    instructions = session.instructions if params.instructions is None else params.instructions
    response = Response(
        id=ids.new("resp"),
        status="in_progress",
        conversation_id=None if out_of_band else conversation.id,
        output_modalities=modalities,
        max_output_tokens=limit,
        audio=ResponseAudio(output=ResponseAudioOutput(format=audio_format, voice=voice)),
        metadata=params.metadata,
        temperature=temperature,
    )
    tools = session.tools
    if params.tools is not None:
        tools = tuple(tool.model_dump(exclude_unset=True) for tool in params.tools)
    ask = Ask(
        response_id=response.id,
        context=context,
        instructions=instructions,
        tools=tuple(_function_tool(tool) for tool in tools),
        tool_choice=_tool_choice(session, params, tools),
        speak="audio" in modalities,
        voice=voice,
        speed=session.audio.output.speed,
        temperature=temperature,
        max_output_tokens=None if limit == "inf" else limit,
        language=_language(session),
        model=defaults.model_aliases.get(session.model, session.model),
    )
    return Asked(ask, response, out_of_band, _input_use(instructions, context))


def _context(
    params: ResponseParams, conversation: Conversation, ids: IdFactory, sounds: Sounds
) -> tuple[ContextItem, ...]:
    if params.input is None:
        return conversation.context()
    entries = []
    for position, item in enumerate(params.input):
        if isinstance(item, ItemReferenceInput):
            entries.append(conversation.find(item.id, param=f"response.input[{position}].id"))
        else:
            entries.append(entry_from_input(item, ids, f"response.input[{position}]", sounds))
    contexts = (entry.context() for entry in entries)
    return tuple(context for context in contexts if context is not None)


def _function_tool(tool: dict[str, Any]) -> FunctionTool:
    return FunctionTool(tool["name"], tool.get("description") or "", tool.get("parameters") or {})


def _tool_choice(session: RealtimeSession, params: ResponseParams, tools: tuple[dict[str, Any], ...]) -> ToolChoice:
    choice = params.tool_choice
    name: str | None = None
    if isinstance(choice, NamedFunction):
        name = choice.name
    elif choice is None and isinstance(session.tool_choice, dict):
        name = session.tool_choice["name"]
    if name is not None:
        if all(tool["name"] != name for tool in tools):
            raise InvalidEvent(
                f"Tool choice '{name}' not found among the tools.",
                code="invalid_value",
                param="response.tool_choice",
            )
        return ("function", name)
    mode = session.tool_choice if choice is None else choice
    return "none" if mode == "none" else "required" if mode == "required" else "auto"


def _language(session: RealtimeSession) -> str | None:
    transcription = session.audio.input.transcription
    return transcription.language if transcription else None


def _input_use(instructions: str, context: tuple[ContextItem, ...]) -> InputUse:
    text, audio = text_tokens(instructions), 0
    for item in context:
        if isinstance(item, Message):
            for part in item.parts:
                if isinstance(part, Text):
                    text += text_tokens(part.text)
                elif isinstance(part, Audio):
                    audio += heard_tokens(len(part.samples))
        else:
            text += text_tokens(item.arguments if isinstance(item, ToolCall) else item.output)
    return InputUse(text, audio)
