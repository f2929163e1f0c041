"""The conversation: ordered items, what was said in them, and what of it was heard."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicebridge.audio.samples import EMPTY, Samples
from voicebridge.core.engine_io import Audio, ContextItem, Image, Message, Text, ToolCall, ToolResult
from voicebridge.core.spoken import SpokenPart
from voicebridge.errors import InvalidEvent, InvalidState
from voicebridge.protocol.items import (
    ContentPart,
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

ROOT = "root"
"""As a predecessor: before the first item (protocol 2.9)."""


@dataclass(slots=True)
class HeardPart:
    """Speech of the user. `transcript` is what the assistant knows; the item shows it only if the client asked."""

    samples: Samples
    transcript: str | None = None


@dataclass(slots=True)
class Entry:
    """An item with what its JSON does not hold, by content index."""

    item: Item
    heard: dict[int, HeardPart] = field(default_factory=dict)
    spoken: dict[int, SpokenPart] = field(default_factory=dict)
    characters: int = 0
    """What it counts for in its conversation: its size when it was added."""

    def context(self) -> ContextItem | None:
        """The item as an engine sees it: the assistant's speech only as far as it was heard."""
        item = self.item
        if isinstance(item, FunctionCallItem):
            if item.status == "incomplete":
                return None  # cut off in the middle of its arguments: nobody can have answered it
            return ToolCall(item.id, item.call_id, item.name, item.arguments)
        if isinstance(item, FunctionCallOutputItem):
            return ToolResult(item.id, item.call_id, item.output)
        parts = tuple(part for index in range(len(item.content)) if (part := self._part(item, index)) is not None)
        return Message(item.id, item.role, parts) if parts else None

    def _part(self, item: MessageItem, index: int) -> Text | Audio | Image | None:
        part = item.content[index]
        match part:
            case InputTextPart() | OutputTextPart():
                return Text(part.text)
            case InputImagePart():
                return Image(part.image_url, part.detail)
            case InputAudioPart():
                heard = self.heard.get(index)
                return Audio(heard.samples, heard.transcript) if heard else Audio(EMPTY, part.transcript or "")
            case OutputAudioPart():
                spoken = self.spoken.get(index)
                words = spoken.text if spoken else part.transcript or ""
                return Text(words) if words else None


class Conversation:
    """Items in order. Positions are by predecessor, as the protocol has them."""

    def __init__(self, conversation_id: str, *, max_items: int, max_kept: int, max_characters: int) -> None:
        self.id = conversation_id
        self._entries: dict[str, Entry] = {}
        self._order: list[str] = []
        self._max_items = max_items
        self._max_characters = max_characters
        self._characters = 0
        self._max_kept = max_kept
        self._kept = 0
        self._audible: dict[str, None] = {}  # items with sound, in the order it came: what to forget first

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._entries

    def __len__(self) -> int:
        return len(self._order)

    @property
    def last_id(self) -> str | None:
        return self._order[-1] if self._order else None

    def entry(self, item_id: str) -> Entry | None:
        return self._entries.get(item_id)

    def find(self, item_id: str, *, param: str = "item_id", code: str = "item_not_found") -> Entry:
        """The entry, or InvalidEvent."""
        entry = self._entries.get(item_id)
        if entry is None:
            raise InvalidEvent(
                f"Item with item_id '{item_id[:100]}' not found in the conversation.",
                code=code,
                param=param,
            )
        return entry

    def predecessor(self, item_id: str) -> str | None:
        position = self._order.index(item_id)
        return self._order[position - 1] if position else None

    def add(self, entry: Entry, previous_item_id: str | None = None) -> str | None:
        """Put it behind `previous_item_id` (None: at the end; "root": at the front). Returns its predecessor.

        Raises InvalidEvent for a duplicate id or an unknown predecessor. `check_room` first: an answer under way may
        always finish, so this takes an item too many.
        """
        item_id = entry.item.id
        if item_id in self._entries:
            raise InvalidEvent(
                f"An item with id '{item_id[:100]}' already exists in the conversation.",
                code="item_create_duplicate_item_id",
                param="item.id",
            )
        position = self._position_after(previous_item_id)
        self._order.insert(position, item_id)
        self._entries[item_id] = entry
        entry.characters = _characters(entry.item)
        self._characters += entry.characters
        self._keep(item_id, sum(len(part.samples) for part in entry.heard.values()))
        return self._order[position - 1] if position else None

    def check_room(self) -> None:
        """Raises InvalidState when the conversation is full: no more items from the client, no more answers."""
        if len(self._order) >= self._max_items:
            raise InvalidState(
                f"The conversation is full: {self._max_items} items. Delete some with 'conversation.item.delete'.",
                code="conversation_full",
            )
        if self._characters >= self._max_characters:
            raise InvalidState(
                f"The conversation is full: its texts and images have {self._max_characters} characters. Delete some "
                "items with 'conversation.item.delete'.",
                code="conversation_full",
            )

    def _position_after(self, previous_item_id: str | None) -> int:
        if previous_item_id is None:
            return len(self._order)
        if previous_item_id == ROOT:
            return 0
        if previous_item_id not in self._entries:
            raise InvalidEvent(
                f"Previous item with id '{previous_item_id[:100]}' not found in the conversation.",
                code="invalid_value",
                param="previous_item_id",
            )
        return self._order.index(previous_item_id) + 1

    def delete(self, item_id: str) -> None:
        entry = self._entries.pop(item_id)
        self._order.remove(item_id)
        self._characters -= entry.characters
        self._audible.pop(item_id, None)
        self._kept -= _forget_audio(entry)

    def keep_spoken(self, item_id: str, samples: int) -> None:
        """So much speech was added to a part of the item."""
        self._keep(item_id, samples)

    def truncate_spoken(self, spoken: SpokenPart, at: int) -> None:
        """Of a part of an entry only the first `at` samples were heard."""
        self._kept -= spoken.truncate(at)

    def _keep(self, item_id: str, samples: int) -> None:
        """Count kept audio; over the limit the oldest goes, its words stay. The newest always stays."""
        if samples:
            self._kept += samples
            self._audible[item_id] = None
        while self._kept > self._max_kept and len(self._audible) > 1:
            oldest = next(iter(self._audible))
            del self._audible[oldest]
            self._kept -= _forget_audio(self._entries[oldest])

    def transcribed(self, item_id: str, transcript: str) -> None:
        """The words of a user's speech became known. An item that is gone or has no speech is left alone."""
        entry = self._entries.get(item_id)
        if entry is not None:
            for part in entry.heard.values():
                part.transcript = transcript

    def show_transcript(self, item_id: str, content_index: int, transcript: str) -> None:
        """Write the words into the item that clients see."""
        entry = self._entries.get(item_id)
        if entry is None or not isinstance(entry.item, MessageItem):
            return
        content = list(entry.item.content)
        part = content[content_index]
        if isinstance(part, InputAudioPart):
            content[content_index] = part.model_copy(update={"transcript": transcript})
            entry.item = entry.item.model_copy(update={"content": tuple(content)})

    def context(self) -> tuple[ContextItem, ...]:
        """Everything that is finished, in order."""
        entries = (self._entries[item_id] for item_id in self._order)
        items = (entry.context() for entry in entries if entry.item.status != "in_progress")
        return tuple(item for item in items if item is not None)


def _characters(item: Item) -> int:
    """How long its texts and images are. What an answer grows to afterwards is bounded by the model that makes it."""
    match item:
        case FunctionCallItem():
            return len(item.arguments)
        case FunctionCallOutputItem():
            return len(item.output)
        case MessageItem():
            return sum(_length(part) for part in item.content)


def _length(part: ContentPart) -> int:
    match part:
        case InputTextPart() | OutputTextPart():
            return len(part.text)
        case InputImagePart():
            return len(part.image_url)
        case InputAudioPart() | OutputAudioPart():
            return len(part.transcript or "")


def _forget_audio(entry: Entry) -> int:
    freed = sum(part.forget_audio() for part in entry.spoken.values())
    for part in entry.heard.values():
        freed += len(part.samples)
        part.samples = EMPTY
    return freed
