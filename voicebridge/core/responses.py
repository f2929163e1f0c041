"""One response while it is made: its items, parts and deltas, its end and its usage (protocol 3.8, S2, S4 to S8, S18).

It makes; whether anybody hears is not its business. What it has added to the conversation goes through a `Shelf`, which
for out-of-band responses keeps nothing and says nothing (S12).
"""

from __future__ import annotations

from typing import Protocol, TypedDict

from voicebridge.audio.samples import EMPTY, Samples
from voicebridge.core.conversation import Entry
from voicebridge.core.engine_io import (
    CallArguments,
    CallDone,
    CallStarted,
    EngineDone,
    EngineFailed,
    EngineOutput,
    Recognised,
    SpeechDelta,
    TextDelta,
)
from voicebridge.core.io import Emit, Output, Speech
from voicebridge.core.lifecycle import MAKING_MOVES, IllegalMove, Making, MakingInput, moved
from voicebridge.core.output_budget import InputUse, OutputBudget
from voicebridge.core.spoken import SpokenPart
from voicebridge.protocol.formats import AudioFormat
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.items import (
    ContentPart,
    FunctionCallItem,
    Item,
    ItemStatus,
    MessageItem,
    OutputAudioPart,
    OutputTextPart,
)
from voicebridge.protocol.responses import (
    AudioPart,
    CancelReason,
    IncompleteReason,
    Response,
    ResponseError,
    StatusDetails,
    TextPart,
)
from voicebridge.protocol.server_events import (
    ContentPartAdded,
    ContentPartDone,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    OutputAudioDone,
    OutputAudioTranscriptDelta,
    OutputAudioTranscriptDone,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    ResponseCreated,
    ResponseDone,
)

SLICE = 4_800
"""Samples of one audio delta at the most: 200 ms, 13 kB as base64 (choice 44)."""


class _PartPlace(TypedDict):
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class Shelf(Protocol):
    """Where a response puts its items."""

    def added(self, entry: Entry) -> list[Output]: ...

    def done(self, item: Item) -> list[Output]: ...

    def spoke(self, item_id: str, samples: int) -> None: ...


class ResponseInProgress:
    """Feed it what the engine makes; it answers with events until it is `closed`."""

    def __init__(self, response: Response, ids: IdFactory, shelf: Shelf, asked_with: InputUse) -> None:
        self._response = response
        self._ids = ids
        self._shelf = shelf
        self._budget = OutputBudget(response.max_output_tokens, asked_with)
        self._making = Making.NOTHING
        self._items: list[Item] = []
        self._entry: Entry | None = None
        self._written = ""
        self._hushed = False

    @property
    def id(self) -> str:
        return self._response.id

    @property
    def closed(self) -> bool:
        return self._making is Making.CLOSED

    def begin(self) -> list[Output]:
        return [Emit(ResponseCreated(event_id=self._event_id(), response=self._response))]

    def make(self, output: EngineOutput) -> list[Output]:
        """Take what the engine made. Whatever comes after the end is late and ignored."""
        if self.closed:
            return []
        try:
            return self._make(output)
        except IllegalMove as error:
            return self.fail("engine_protocol_error", f"The engine answered out of order: {error}.")

    def _make(self, output: EngineOutput) -> list[Output]:
        match output:
            case SpeechDelta(text, samples):
                return self._speak(text, samples)
            case TextDelta(text):
                return self._write(text)
            case CallStarted(name):
                return self._start_call(name)
            case CallArguments(delta):
                return self._add_arguments(delta)
            case CallDone():
                return self._finish_call()
            case EngineDone(reason, usage):
                self._budget.report(usage)
                return self.complete() if reason == "completed" else self.cut_short(reason)
            case EngineFailed(code, message):
                return self.fail(code, message)
            case Recognised():
                return []  # the session's business

    def hush(self) -> None:
        """Nobody listens any more: what is still spoken is not sent."""
        self._hushed = True

    # --- endings ---

    def complete(self) -> list[Output]:
        """All was made. A response without a word still has one, empty, message (choice 33)."""
        outputs: list[Output] = []
        if not self._items and self._entry is None:
            outputs += self._open_message()
        return outputs + self._close("completed", StatusDetails(type="completed"))

    def cancel(self, reason: CancelReason) -> list[Output]:
        return self._close("cancelled", StatusDetails(type="cancelled", reason=reason))

    def cut_short(self, reason: IncompleteReason) -> list[Output]:
        return self._close("incomplete", StatusDetails(type="incomplete", reason=reason))

    def fail(self, code: str, message: str) -> list[Output]:
        error = ResponseError(type="server_error", code=code, message=message)
        return self._close("failed", StatusDetails(type="failed", error=error))

    def _close(self, status: str, details: StatusDetails) -> list[Output]:
        outputs = self._close_item("completed" if status == "completed" else "incomplete", cut=status == "cancelled")
        self._making = moved(MAKING_MOVES, self._making, MakingInput.CLOSE)
        self._response = self._response.model_copy(
            update={
                "status": status,
                # completed responses carry null, as in the service's captures (protocol 3.4)
                "status_details": None if status == "completed" else details,
                "output": tuple(self._items),
                "usage": self._budget.usage(),
            }
        )
        return [*outputs, Emit(ResponseDone(event_id=self._event_id(), response=self._response))]

    # --- speech and text ---

    def _speak(self, text: str, samples: Samples) -> list[Output]:
        outputs = self._begin_part(MakingInput.SPEECH)
        entry, index = self._open_part()
        spoken = entry.spoken[index]
        if spoken.truncated or self._hushed:
            return outputs  # the listener has stopped hearing; what comes after is not sent
        wanted = len(text), len(samples)
        text, samples = self._budget.speak(text, samples)
        spoken.add(text, samples)
        self._shelf.spoke(entry.item.id, len(samples))
        if text:
            delta = OutputAudioTranscriptDelta(event_id=self._event_id(), **self._part_place(), delta=text)
            outputs.append(Emit(delta))
        outputs += [self._speech(samples[at : at + SLICE]) for at in range(0, len(samples), SLICE)]
        return outputs if wanted == (len(text), len(samples)) else outputs + self.cut_short("max_output_tokens")

    def _write(self, text: str) -> list[Output]:
        outputs = self._begin_part(MakingInput.TEXT)
        wanted = len(text)
        text = self._budget.write(text)
        self._written += text
        if text:
            delta = OutputTextDelta(event_id=self._event_id(), **self._part_place(), delta=text)
            outputs.append(Emit(delta))
        return outputs if wanted == len(text) else outputs + self.cut_short("max_output_tokens")

    def _begin_part(self, kind: MakingInput) -> list[Output]:
        """Make sure that a message is open, with a part of the kind as its last."""
        before = self._making
        after = moved(MAKING_MOVES, before, kind)
        if before is after:
            return []
        outputs = self._open_message() if before is Making.NOTHING else self._close_part()
        self._making = after
        return outputs + self._add_part(spoken=after is Making.SPEAKING)

    def _open_message(self) -> list[Output]:
        return self._open_item(
            MessageItem(id=self._ids.new("item"), status="in_progress", role="assistant", content=())
        )

    def _add_part(self, *, spoken: bool) -> list[Output]:
        entry = self._open_entry()
        item = entry.item
        assert isinstance(item, MessageItem)  # noqa: S101 - parts belong to messages
        part: ContentPart = OutputAudioPart(transcript="") if spoken else OutputTextPart(text="")
        entry.item = item.model_copy(update={"content": (*item.content, part)})
        if spoken:
            entry.spoken[len(item.content)] = SpokenPart()
        self._written = ""
        streamed = AudioPart(transcript="") if spoken else TextPart(text="")
        return [Emit(ContentPartAdded(event_id=self._event_id(), **self._part_place(), part=streamed))]

    def _close_part(self, *, cut: bool = False) -> list[Output]:
        if self._making is Making.SPEAKING:
            return self._close_spoken(cut=cut)
        if self._making is Making.WRITING:
            return self._close_written()
        return []

    def _close_spoken(self, *, cut: bool) -> list[Output]:
        entry, index = self._open_part()
        spoken = entry.spoken[index]
        said = spoken.text
        part = OutputAudioPart() if spoken.truncated else OutputAudioPart(transcript=said)
        self._finish_part(part)
        return [
            self._speech(EMPTY, last=True, cut=cut or spoken.truncated),
            Emit(OutputAudioDone(event_id=self._event_id(), **self._part_place())),
            Emit(OutputAudioTranscriptDone(event_id=self._event_id(), **self._part_place(), transcript=said)),
            Emit(ContentPartDone(event_id=self._event_id(), **self._part_place(), part=AudioPart(transcript=said))),
        ]

    def _close_written(self) -> list[Output]:
        text = self._written
        self._finish_part(OutputTextPart(text=text))
        return [
            Emit(OutputTextDone(event_id=self._event_id(), **self._part_place(), text=text)),
            Emit(ContentPartDone(event_id=self._event_id(), **self._part_place(), part=TextPart(text=text))),
        ]

    def _finish_part(self, part: ContentPart) -> None:
        entry = self._open_entry()
        assert isinstance(entry.item, MessageItem)  # noqa: S101 - parts belong to messages
        entry.item = entry.item.model_copy(update={"content": (*entry.item.content[:-1], part)})

    def _speech(self, samples: Samples, *, last: bool = False, cut: bool = False) -> Speech:
        return Speech(
            event_id=self._event_id(),
            **self._part_place(),
            samples=samples,
            audio_format=self._format,
            last=last,
            cut=cut,
        )

    # --- function calls ---

    def _start_call(self, name: str) -> list[Output]:
        after = moved(MAKING_MOVES, self._making, MakingInput.CALL_STARTED)
        outputs = self._close_item("completed")
        self._making = after
        call = FunctionCallItem(
            id=self._ids.new("item"),
            status="in_progress",
            name=name,
            call_id=self._ids.new("call"),
            arguments="",
        )
        return outputs + self._open_item(call)

    def _add_arguments(self, delta: str) -> list[Output]:
        self._making = moved(MAKING_MOVES, self._making, MakingInput.CALL_ARGUMENTS)
        wanted = len(delta)
        delta = self._budget.write(delta)
        entry, call = self._open_call()
        entry.item = call.model_copy(update={"arguments": call.arguments + delta})
        event = FunctionCallArgumentsDelta(
            event_id=self._event_id(),
            response_id=self.id,
            item_id=call.id,
            output_index=len(self._items),
            call_id=call.call_id,
            delta=delta,
        )
        outputs: list[Output] = [Emit(event)] if delta else []
        return outputs if wanted == len(delta) else outputs + self.cut_short("max_output_tokens")

    def _finish_call(self) -> list[Output]:
        after = moved(MAKING_MOVES, self._making, MakingInput.CALL_DONE)
        outputs = self._close_item("completed")
        self._making = after
        return outputs

    def _close_call(self) -> list[Output]:
        _, call = self._open_call()
        event = FunctionCallArgumentsDone(
            event_id=self._event_id(),
            response_id=self.id,
            item_id=call.id,
            output_index=len(self._items),
            call_id=call.call_id,
            name=call.name,
            arguments=call.arguments,
        )
        return [Emit(event)]

    # --- items ---

    def _open_item(self, item: Item) -> list[Output]:
        self._entry = Entry(item)
        event = OutputItemAdded(
            event_id=self._event_id(), response_id=self.id, output_index=len(self._items), item=item
        )
        return [Emit(event), *self._shelf.added(self._entry)]

    def _close_item(self, status: ItemStatus, *, cut: bool = False) -> list[Output]:
        if self._entry is None:
            return []
        outputs = self._close_call() if self._making is Making.CALLING else self._close_part(cut=cut)
        item = self._entry.item.model_copy(update={"status": status})
        self._entry.item = item
        outputs += self._shelf.done(item)
        event = OutputItemDone(event_id=self._event_id(), response_id=self.id, output_index=len(self._items), item=item)
        self._items.append(item)
        self._entry = None
        return [*outputs, Emit(event)]

    def _open_entry(self) -> Entry:
        assert self._entry is not None  # noqa: S101 - the table opens before it fills
        return self._entry

    def _open_part(self) -> tuple[Entry, int]:
        entry = self._open_entry()
        assert isinstance(entry.item, MessageItem)  # noqa: S101 - parts belong to messages
        return entry, len(entry.item.content) - 1

    def _open_call(self) -> tuple[Entry, FunctionCallItem]:
        entry = self._open_entry()
        assert isinstance(entry.item, FunctionCallItem)  # noqa: S101 - CALLING opened one
        return entry, entry.item

    # --- details ---

    @property
    def _format(self) -> AudioFormat:
        return self._response.audio.output.format

    def _event_id(self) -> str:
        return self._ids.new("event")

    def _part_place(self) -> _PartPlace:
        entry, index = self._open_part()
        return {
            "response_id": self.id,
            "item_id": entry.item.id,
            "output_index": len(self._items),
            "content_index": index,
        }
