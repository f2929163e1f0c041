"""Watches a session's events and asserts what must hold of them, whatever its inputs were."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.scenario import Event, short


@dataclass
class OpenResponse:
    """What of a response is open; `parts` counts the parts of the open item."""

    main: bool
    item: Event | None = None
    items: int = 0
    parts: int = 0
    part: str | None = None
    deltas: str = ""
    part_finished: int = 0


@dataclass
class Conformance:
    """Feed it every event in order; it raises AssertionError at the first one that does not fit."""

    detection: Event | None = None
    interrupted: set[str] = field(default_factory=set)
    open: dict[str, OpenResponse] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    items: list[str] = field(default_factory=list)
    truncated: set[str] = field(default_factory=set)
    position_ms: int = 0
    speaking: str | None = None
    transcribed: set[str] = field(default_factory=set)
    event_ids: set[str] = field(default_factory=set)
    rate_limits_due: int = 0
    spoken: set[str] = field(default_factory=set)
    sounding: set[str] = field(default_factory=set)
    silenced: set[str] = field(default_factory=set)

    def see(self, event: Event) -> None:
        assert event["event_id"] not in self.event_ids
        self.event_ids.add(event["event_id"])
        name = short(event["type"])
        assert self.rate_limits_due == (name == "rate_limits.updated")
        if name in ("session.created", "session.updated"):
            self.detection = event["session"]["audio"]["input"]["turn_detection"]
        handler = getattr(self, "_" + name.replace(".", "_"), None)
        if handler is not None:
            handler(event)

    # --- what is heard ---

    def _speech_started(self, event: Event) -> None:
        self._moves_on(event["audio_start_ms"])
        self.speaking = event["item_id"]
        assert self.detection is not None
        if self.detection["interrupt_response"]:
            self.interrupted |= {response_id for response_id, response in self.open.items() if response.main}

    def _speech_stopped(self, event: Event) -> None:
        self._moves_on(event["audio_end_ms"])
        assert event["item_id"] == self.speaking
        self.speaking = None

    def _timeout_triggered(self, event: Event) -> None:
        self._moves_on(event["audio_start_ms"])
        self._moves_on(event["audio_end_ms"])

    def _moves_on(self, position_ms: int) -> None:
        assert position_ms >= self.position_ms
        self.position_ms = position_ms

    def _transcription_delta(self, event: Event) -> None:
        assert event["item_id"] not in self.transcribed

    def _transcription_completed(self, event: Event) -> None:
        assert event["item_id"] not in self.transcribed
        self.transcribed.add(event["item_id"])

    _transcription_failed = _transcription_completed

    # --- the conversation ---

    def _item_added(self, event: Event) -> None:
        item_id, previous = event["item"]["id"], event["previous_item_id"]
        assert item_id not in self.items
        self.items.insert(self.items.index(previous) + 1 if previous is not None else 0, item_id)

    def _item_done(self, event: Event) -> None:
        position = self.items.index(event["item"]["id"])
        assert event["previous_item_id"] == (self.items[position - 1] if position else None)
        assert event["item"]["status"] != "in_progress"

    def _item_deleted(self, event: Event) -> None:
        self.items.remove(event["item_id"])

    def _item_truncated(self, event: Event) -> None:
        assert event["item_id"] in self.items
        self.truncated.add(event["item_id"])

    # --- responses ---

    def _response_created(self, event: Event) -> None:
        response = event["response"]
        assert response["id"] not in self.open
        assert response["id"] not in self.closed
        main = response["conversation_id"] is not None
        assert not main or not any(other.main for other in self.open.values())
        self.open[response["id"]] = OpenResponse(main)

    def _response_done(self, event: Event) -> None:
        response = event["response"]
        closing = self.open.pop(response["id"])
        self.closed.add(response["id"])
        assert closing.item is None
        assert len(response["output"]) == closing.items
        assert response["status"] != "in_progress"
        assert (response["status"] == "completed") == (response["status_details"] is None)
        assert response["status"] != "completed" or response["output"]
        usage = response["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        limit = response["max_output_tokens"]
        assert limit == "inf" or usage["output_tokens"] <= limit
        self.rate_limits_due = 1

    def _rate_limits_updated(self, event: Event) -> None:
        self.rate_limits_due = 0

    def _output_item_added(self, event: Event) -> None:
        response = self.open[event["response_id"]]
        assert response.item is None
        assert event["output_index"] == response.items
        assert event["item"]["status"] == "in_progress"
        response.item = event["item"]
        response.parts = response.part_finished = 0
        response.deltas = ""

    def _output_item_done(self, event: Event) -> None:
        response = self.open[event["response_id"]]
        assert response.item is not None
        assert response.item["id"] == event["item"]["id"]
        assert event["output_index"] == response.items
        assert response.part is None
        assert len(event["item"].get("content", ())) == response.parts
        response.item = None
        response.items += 1

    def _part_added(self, event: Event) -> None:
        response = self._place(event)
        assert response.part is None
        assert event["content_index"] == response.parts
        response.part = event["part"]["type"]
        if response.part == "audio":
            self.spoken.add(event["response_id"])
        response.parts += 1
        response.deltas = ""

    def _part_done(self, event: Event) -> None:
        response = self._place(event)
        assert response.part == event["part"]["type"]
        assert event["content_index"] == response.parts - 1
        response.part = None

    def _text_delta(self, event: Event) -> None:
        assert self._place(event).part == "text"
        self._place(event).deltas += event["delta"]

    def _transcript_delta(self, event: Event) -> None:
        assert self._place(event).part == "audio"
        self._place(event).deltas += event["delta"]

    def _audio_delta(self, event: Event) -> None:
        response = self._place(event)
        assert response.part == "audio"
        assert event["response_id"] not in self.interrupted | self.silenced
        assert event["item_id"] not in self.truncated or response.parts > 1

    # --- playback ---

    def _playback_started(self, event: Event) -> None:
        response_id = event["response_id"]
        assert response_id in self.spoken
        assert response_id not in self.sounding | self.silenced
        self.sounding.add(response_id)

    def _playback_cleared(self, event: Event) -> None:
        self.sounding.remove(event["response_id"])
        self.silenced.add(event["response_id"])

    def _playback_stopped(self, event: Event) -> None:
        assert event["response_id"] in self.closed
        self._playback_cleared(event)

    # --- parts and deltas ---

    def _text_done(self, event: Event) -> None:
        assert event["text"] == self._place(event).deltas

    def _transcript_done(self, event: Event) -> None:
        said = self._place(event).deltas
        assert event["transcript"] == said or (
            event["item_id"] in self.truncated and said.startswith(event["transcript"])
        )

    def _arguments_delta(self, event: Event) -> None:
        self._place(event).deltas += event["delta"]

    def _arguments_done(self, event: Event) -> None:
        assert event["arguments"] == self._place(event).deltas

    def _place(self, event: Event) -> OpenResponse:
        response = self.open[event["response_id"]]
        assert response.item is not None
        assert response.item["id"] == event["item_id"]
        assert event["output_index"] == response.items
        return response
