"""From an item that a client wrote to an entry of the conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from voicebridge.audio.samples import Samples
from voicebridge.core.conversation import Entry, HeardPart
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.item_input import (
    AssistantMessageInput,
    FunctionCallInput,
    FunctionCallOutputInput,
    InputAudio,
    InputImage,
    InputText,
    ItemInput,
    OutputAudio,
    OutputText,
    SystemMessageInput,
    UnknownRoleMessageInput,
    UserMessageInput,
)
from voicebridge.protocol.items import (
    ContentPart,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudioPart,
    InputImagePart,
    InputTextPart,
    MessageItem,
    OutputAudioPart,
    OutputTextPart,
)

Sounds: TypeAlias = Callable[[str], Samples]
"""The samples that came with an event, by the path of the member that held them (EMPTY where there were none)."""


def entry_from_input(item: ItemInput, ids: IdFactory, path: str, sounds: Sounds) -> Entry:
    """The entry of a client's item, with an id if it brought none. `path` is where the item stands in its event."""
    item_id = item.id or ids.new("item")
    status = item.status if item.status in ("completed", "incomplete") else "completed"
    match item:
        case FunctionCallInput():
            call_id = item.call_id or ids.new("call")
            return Entry(
                FunctionCallItem(id=item_id, status=status, name=item.name, call_id=call_id, arguments=item.arguments)
            )
        case FunctionCallOutputInput():
            return Entry(FunctionCallOutputItem(id=item_id, status=status, call_id=item.call_id, output=item.output))
        case SystemMessageInput() | UserMessageInput() | AssistantMessageInput():
            content = tuple(_part(part) for part in item.content)
            entry = Entry(MessageItem(id=item_id, status=status, role=item.role, content=content))
            for index, part in enumerate(item.content):
                if isinstance(part, InputAudio):
                    entry.heard[index] = HeardPart(sounds(f"{path}.content[{index}].audio"), part.transcript)
            return entry
        case UnknownRoleMessageInput():
            raise AssertionError(path)  # its validation always fails


def _part(part: InputText | InputAudio | InputImage | OutputText | OutputAudio) -> ContentPart:
    match part:
        case InputText():
            return InputTextPart(text=part.text)
        case InputAudio():
            return InputAudioPart(transcript=part.transcript)
        case InputImage():
            return InputImagePart(image_url=part.image_url, detail=part.detail or "auto")
        case OutputText():
            return OutputTextPart(text=part.text)
        case OutputAudio():
            return OutputAudioPart(transcript=part.transcript or "")
