"""Judges every server event by the official SDK's types and by what real clients are known to break on.

The SDK itself is lenient (it builds its objects without validation); this is not:
- the event's type is in the SDK's union, its members validate in strict mode (no conversions);
- members that the SDK does not declare are in a short list with a reason;
- null stands only where a client accepts it; optional members without a value are left out;
- ids, order and nesting hold together over the whole connection.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator
from typing import Any, Literal

import pydantic
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.beta.realtime import TranscriptionSession as BetaTranscriptionSession
from openai.types.beta.realtime.transcription_session import ClientSecret
from openai.types.realtime import RealtimeServerEvent as GaServerEvent

Dialect = Literal["ga", "beta"]
Event = dict[str, Any]


class Breach(AssertionError):
    """An event that a real client would trip over."""


def _models(union: Any) -> dict[str, type[pydantic.BaseModel]]:
    members = typing.get_args(typing.get_args(union)[0])
    return {typing.get_args(model.model_fields["type"].annotation)[0]: model for model in members}


class _TranscriptionSession(BetaTranscriptionSession):
    client_secret: ClientSecret | None = None  # type: ignore[assignment]
    """Required in the SDK, which describes it as there on REST only; null in the documentation's event."""


class _TranscriptionSessionEvent(pydantic.BaseModel):
    """The SDK has the type of the update only; the service sends the same on connecting."""

    event_id: str
    type: Literal["transcription_session.created", "transcription_session.updated"]
    session: _TranscriptionSession


MODELS: dict[Dialect, dict[str, type[pydantic.BaseModel]]] = {
    "ga": _models(GaServerEvent),
    "beta": {
        **_models(BetaServerEvent),
        "transcription_session.created": _TranscriptionSessionEvent,
        "transcription_session.updated": _TranscriptionSessionEvent,
    },
}

UNDECLARED: dict[Dialect, dict[str, str]] = {
    "ga": {
        r"session\.(id|object|expires_at)": "sent by the service in every session object",
        r"session\.tools\[\]\..+": "the client's own, echoed",
    },
    "beta": {
        r"session\.(object|expires_at|id|max_output_tokens)": "sent by the service in every session object",
        r"session\.(include|input_audio_noise_reduction)": "sent for transcription sessions",
        r"session\.client_secret": "null in the documentation's examples",
        r"session\.turn_detection\.idle_timeout_ms": "in the documentation's examples",
        r"response\.max_output_tokens": "the name in both dialects",
        r"response\.usage\.input_token_details\.cached_tokens_details": "sent by the service",
        r"name": "function_call_arguments.done names its function, as in GA",
    },
}
"""Members (paths with indices as `[]`) that the SDK does not declare and that may be there, and why."""

NULLABLE = (
    r"previous_item_id",  # the first item of a conversation; judged separately
    r"(item|part|response\.output\[\]|(item|response\.output\[\])\.content\[\])\.transcript",
    r"item\.content\[\]\.(audio|text)",
    r"response\.(status_details|conversation_id|metadata|usage|max_output_tokens)",
    r"response\.status_details\.error\.code",
    r"error\.(code|param|event_id)",
    r"session\.(tracing|prompt|reasoning|include|client_secret|expires_at)",
    r"session\.audio\.input\.(transcription|noise_reduction|turn_detection)",
    r"session(\.audio\.input)?\.turn_detection\.idle_timeout_ms",
    r"session\.(audio\.input\.|input_audio_)transcription\.(language|prompt)",
    r"session\.(input_audio_transcription|input_audio_noise_reduction|turn_detection)",
    r"logprobs",
)

ITEM_EVENTS = {
    "conversation.item.created",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.retrieved",
    "response.output_item.added",
    "response.output_item.done",
}
CONTENT_TYPES: dict[Dialect, dict[str, set[str]]] = {
    "ga": {
        "user": {"input_text", "input_audio", "input_image"},
        "system": {"input_text"},
        "assistant": {"output_text", "output_audio"},
    },
    "beta": {"user": {"input_text", "input_audio"}, "system": {"input_text"}, "assistant": {"text", "audio"}},
}
STREAMS = {
    "response.output_text": "text",
    "response.text": "text",
    "response.output_audio_transcript": "transcript",
    "response.audio_transcript": "transcript",
    "response.function_call_arguments": "arguments",
}
"""Deltas of these, put together, are the member of that name in `.done`."""


class Recorder:
    """Takes the raw frames of one connection; raises `Breach` at the first that is wrong. `events` keeps all."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.events: list[Event] = []
        self.may_insert_at_root = False
        """Whether this client puts items at the front of a conversation that has others."""
        self._ids: set[str] = set()
        self._conversation: list[str] = []
        self._responses: dict[str, _Response] = {}
        self._transcribed: set[tuple[str, int]] = set()

    def take(self, raw: str | bytes) -> Event:
        event: Event = json.loads(raw)
        self.events.append(event)
        try:
            self._judge(event, raw)
        except Breach as breach:
            raise Breach(f"{breach}\nin {_shortened(event)}") from None
        return event

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def conversation(self) -> tuple[str, ...]:
        """Item ids in order, as the events tell it."""
        return tuple(self._conversation)

    # --- one event ---

    def _judge(self, event: Event, raw: str | bytes) -> None:
        model = MODELS[self.dialect].get(event["type"])
        if model is None:
            raise Breach(f"the SDK's {self.dialect} union has no event {event['type']!r}")
        try:
            parsed = model.model_validate_json(raw, strict=True)
        except pydantic.ValidationError as error:
            raise Breach(f"the SDK's {model.__name__} refuses it: {error}") from None
        undeclared = [
            path
            for path in _undeclared(parsed)
            if not any(re.fullmatch(known, path) for known in UNDECLARED[self.dialect])
        ]
        if undeclared:
            raise Breach(f"members that the SDK does not declare: {undeclared}")
        nulls = [path for path in _nulls(event) if not any(re.fullmatch(known, path) for known in NULLABLE)]
        if nulls:
            raise Breach(f"null where clients do not take it: {nulls}")
        if len(raw) > 1024 * 1024:
            raise Breach("a message over 1 MiB")
        if not event["event_id"] or event["event_id"] in self._ids:
            raise Breach("its event_id is empty or not unique")
        self._ids.add(event["event_id"])
        self._items(event)
        self._order(event)
        self._streams(event)

    def _items(self, event: Event) -> None:
        for item in [event["item"]] if event["type"] in ITEM_EVENTS else event.get("response", {}).get("output", []):
            missing = {"id", "object", "type", "status"} - item.keys()
            if missing:
                raise Breach(f"an item without {missing}")
            if item["status"] not in {"in_progress", "completed", "incomplete"} or item["object"] != "realtime.item":
                raise Breach("an item whose status or object is none of those defined")
            if item["type"] == "message":
                self._message(item)
            elif item["type"] == "function_call" and not {"call_id", "name", "arguments"} <= item.keys():
                raise Breach("a function call without call_id, name or arguments")
        if "part" in event and event["part"]["type"] not in {"audio", "text"}:
            raise Breach("streamed parts are of type audio or text in both dialects")

    def _message(self, item: Event) -> None:
        for part in item["content"]:
            if part["type"] not in CONTENT_TYPES[self.dialect][item["role"]]:
                raise Breach(f"content of type {part['type']} in a message of role {item['role']}")
            if part["type"] == "input_audio" and "transcript" not in part:
                raise Breach("heard audio without the member transcript")
            if part["type"] in {"output_audio", "audio"} and part.get("transcript", "") is None:
                raise Breach("spoken words are never null; without any, the member is left out")

    # --- order in the conversation ---

    def _order(self, event: Event) -> None:
        kind = event["type"]
        if (
            not self._conversation
            and len(self.events) == 1
            and not kind.endswith("session.created")
            and kind != "error"
        ):
            raise Breach("the first event is session.created")
        if kind in {"conversation.item.added", "conversation.item.created"}:
            self._insert(event["item"]["id"], event["previous_item_id"])
        elif kind == "conversation.item.done":
            at = self._conversation.index(event["item"]["id"])
            if event["previous_item_id"] != (self._conversation[at - 1] if at else None):
                raise Breach(f"previous_item_id is not the real predecessor in {self._conversation}")
            if event["item"]["status"] == "in_progress":
                raise Breach("done, and yet in progress")
        elif kind == "conversation.item.deleted":
            self._conversation.remove(event["item_id"])
        elif kind == "input_audio_buffer.committed":
            self._predecessor(event["previous_item_id"])
        elif kind.startswith("conversation.item.input_audio_transcription."):
            self._transcription(event)

    def _transcription(self, event: Event) -> None:
        part = (event["item_id"], event["content_index"])
        if part in self._transcribed:
            raise Breach("a transcription event after its end")
        if event["type"].endswith((".completed", ".failed")):
            self._transcribed.add(part)

    def _insert(self, item_id: str, previous: str | None) -> None:
        if item_id in self._conversation:
            raise Breach(f"item {item_id} is added twice")
        self._predecessor(previous)
        self._conversation.insert(self._conversation.index(previous) + 1 if previous else 0, item_id)

    def _predecessor(self, previous: str | None) -> None:
        if previous is None:
            if self._conversation and not self.may_insert_at_root:
                raise Breach(f"previous_item_id is null after {self._conversation}")
        elif previous not in self._conversation:
            raise Breach(f"previous_item_id {previous} was never added")

    # --- order in a response ---

    def _streams(self, event: Event) -> None:
        kind = event["type"]
        if kind == "response.created":
            if event["response"]["output"] or event["response"]["status"] != "in_progress":
                raise Breach("a response begins empty and in progress")
            self._responses[event["response"]["id"]] = _Response()
        elif kind.startswith("response."):
            response_id = event["response"]["id"] if kind == "response.done" else event["response_id"]
            if response_id not in self._responses:
                raise Breach(f"response {response_id} was not created or is done")
            self._responses[response_id].take(event)
            if kind == "response.done":
                self._finish(event)

    def _finish(self, event: Event) -> None:
        response = event["response"]
        del self._responses[response["id"]]
        details = response["status_details"]
        if response["status"] != "completed" and (details is None or details["type"] != response["status"]):
            raise Breach("a response that was not completed says why")
        usage = response["usage"]
        if usage is None or "input_token_details" not in usage or "output_token_details" not in usage:
            raise Breach("usage is whole in every response.done")
        if any(item["status"] == "in_progress" for item in response["output"]):
            raise Breach("an item in progress in a response that is done")


class _Response:
    """What is open in a response. Every item and part is opened once, closed once, and silent afterwards."""

    def __init__(self) -> None:
        self._items: dict[str, bool] = {}
        self._parts: dict[tuple[str, int], bool] = {}
        self._deltas: dict[tuple[str, str, int], str] = {}

    def take(self, event: Event) -> None:
        kind = event["type"]
        if kind == "response.done":
            if any(self._items.values()) or any(self._parts.values()):
                raise Breach("the response is done while an item or a part of it is open")
            done = [item["id"] for item in event["response"]["output"]]
            if done != list(self._items):
                raise Breach(f"output {done} is not the items that were announced: {list(self._items)}")
        elif kind.startswith("response.output_item."):
            if event["output_index"] != list(self._items | {event["item"]["id"]: True}).index(event["item"]["id"]):
                raise Breach("output_index is not the item's position")
            self._turn(self._items, event["item"]["id"], opening=kind.endswith(".added"))
        elif kind.startswith("response.content_part."):
            self._within(self._items, event["item_id"])
            self._turn(self._parts, (event["item_id"], event["content_index"]), opening=kind.endswith(".added"))
        else:
            self._stream(event)

    def _stream(self, event: Event) -> None:
        stream, _, phase = event["type"].rpartition(".")
        self._within(self._items, event["item_id"])
        content_index = event.get("content_index", -1)
        if content_index >= 0:
            self._within(self._parts, (event["item_id"], content_index))
        member = STREAMS.get(stream)
        if member is None:
            return
        key = (stream, event["item_id"], content_index)
        if phase == "delta":
            self._deltas[key] = self._deltas.get(key, "") + event["delta"]
        elif event[member] != self._deltas.get(key, ""):
            raise Breach(f"the deltas say {self._deltas.get(key, '')!r}, done says {event[member]!r}")

    @staticmethod
    def _turn(states: dict[Any, bool], key: Any, *, opening: bool) -> None:
        if opening == (key in states) or not (opening or states[key]):
            raise Breach(f"{key} is opened twice, closed twice or closed before it was opened")
        states[key] = opening

    @staticmethod
    def _within(states: dict[Any, bool], key: Any) -> None:
        if not states.get(key):
            raise Breach(f"{key} is not open")


def _undeclared(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, pydantic.BaseModel):
        for name in value.model_extra or {}:
            yield f"{path}{name}"
        for name in type(value).model_fields:
            yield from _undeclared(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for member in value:
            yield from _undeclared(member, f"{path[:-1]}[].")


def _nulls(value: Any, path: str = "") -> Iterator[str]:
    if value is None:
        yield path
    elif isinstance(value, dict):
        for name, member in value.items():
            if name not in {"metadata", "tools"}:  # the client's own
                yield from _nulls(member, f"{path}.{name}" if path else name)
            elif member is None:
                yield f"{path}.{name}"
    elif isinstance(value, list):
        for member in value:
            yield from _nulls(member, f"{path}[]")


def _shortened(event: Event) -> str:
    return re.sub(r"[A-Za-z0-9+/=]{200,}", lambda match: f"…{len(match[0])}…", json.dumps(event))[:3000]
