"""`conversation.item.create`, `retrieve`, `truncate` and `delete` (protocol 2.9 to 2.12, S9)."""

from __future__ import annotations

from voicebridge.audio.samples import Samples, ms_to_samples, samples_to_ms
from voicebridge.core.conversation import Conversation, Entry
from voicebridge.core.io import Emit, Output, PlayedPart, Retrieved
from voicebridge.core.items import Sounds, entry_from_input
from voicebridge.errors import InvalidEvent
from voicebridge.protocol.client_events import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
)
from voicebridge.protocol.formats import AudioFormat
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.items import MessageItem, OutputAudioPart
from voicebridge.protocol.server_events import ItemAdded, ItemDeleted, ItemDone, ItemTruncated

OVERSHOOT = ms_to_samples(1_000)
"""Clients' playback clocks run ahead; this much beyond the end is taken for the end (choice 31)."""


class ItemRequests:
    """Answers item requests on one conversation."""

    def __init__(self, conversation: Conversation, ids: IdFactory) -> None:
        self._conversation = conversation
        self._ids = ids

    def create(self, event: ConversationItemCreate, sounds: Sounds) -> list[Output]:
        return self.append(entry_from_input(event.item, self._ids, "item", sounds), event.previous_item_id)

    def append(self, entry: Entry, previous_item_id: str | None = None) -> list[Output]:
        """Add a finished entry and say so."""
        self._conversation.check_room()
        predecessor = self._conversation.add(entry, previous_item_id)
        return [
            Emit(ItemAdded(event_id=self._event_id(), previous_item_id=predecessor, item=entry.item)),
            Emit(ItemDone(event_id=self._event_id(), previous_item_id=predecessor, item=entry.item)),
        ]

    def retrieve(self, event: ConversationItemRetrieve, heard: AudioFormat, spoken: AudioFormat) -> list[Output]:
        """The item, with the audio that is still kept, in the session's formats."""
        entry = self._conversation.find(event.item_id, code="item_retrieve_invalid_item_id")
        audio: dict[int, Samples] = {index: part.samples for index, part in entry.heard.items()}
        audio |= {index: part.samples() for index, part in entry.spoken.items()}
        audio = {index: samples for index, samples in audio.items() if len(samples)}
        return [Retrieved(self._event_id(), entry.item, audio, spoken if entry.spoken else heard)]

    def truncate(self, event: ConversationItemTruncate, *, cut_before: bool = False) -> list[Output]:
        """The client heard only so much. The words it sees go, those it heard stay for the model (choice 30).

        `cut_before`: the part may have been cut in its playback already, which the client need not know yet.
        """
        entry = self._conversation.find(event.item_id, code="item_truncate_invalid_item_id")
        spoken = entry.spoken.get(event.content_index)
        if spoken is None or not isinstance(entry.item, MessageItem):
            raise InvalidEvent(
                "Only the audio of an assistant message can be truncated.",
                code="unsupported_content_type",
                param="content_index",
            )
        end = ms_to_samples(event.audio_end_ms)
        if end > spoken.length + OVERSHOOT and not (cut_before and spoken.truncated):
            raise InvalidEvent(
                f"Audio content of {samples_to_ms(spoken.length)}ms is already shorter than {event.audio_end_ms}ms.",
                code="invalid_value",
                param="audio_end_ms",
            )
        return self._cut(entry, entry.item, event.content_index, min(end, spoken.length), event.audio_end_ms)

    def cut(self, played: PlayedPart) -> list[Output]:
        """As `truncate`, where we played the part ourselves. One that is not in the conversation is left alone."""
        entry = self._conversation.entry(played.item_id)
        spoken = entry.spoken.get(played.content_index) if entry else None
        if entry is None or spoken is None or not isinstance(entry.item, MessageItem):
            return []
        end = min(played.samples, spoken.length)
        return self._cut(entry, entry.item, played.content_index, end, samples_to_ms(end))

    def _cut(self, entry: Entry, item: MessageItem, index: int, end: int, end_ms: int) -> list[Output]:
        self._conversation.truncate_spoken(entry.spoken[index], end)
        content = list(item.content)
        content[index] = OutputAudioPart()
        entry.item = item.model_copy(update={"content": tuple(content)})
        truncated = ItemTruncated(event_id=self._event_id(), item_id=item.id, content_index=index, audio_end_ms=end_ms)
        return [Emit(truncated)]

    def delete(self, event: ConversationItemDelete) -> list[Output]:
        entry = self._conversation.find(event.item_id, code="item_delete_invalid_item_id")
        if entry.item.status == "in_progress":
            raise InvalidEvent(
                "An item that is still being made cannot be deleted; cancel its response first.",
                code="invalid_value",
                param="item_id",
            )
        self._conversation.delete(event.item_id)
        return [Emit(ItemDeleted(event_id=self._event_id(), item_id=event.item_id))]

    def _event_id(self) -> str:
        return self._ids.new("event")
