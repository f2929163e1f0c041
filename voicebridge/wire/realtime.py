"""Realtime JSON: text frames to inputs, outputs to text frames, in the connection's dialect. Base64 lives here.

Total on garbage: any frame becomes an input, if only a `ClientFault`.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from voicebridge.audio.codec import Encoder
from voicebridge.audio.samples import samples_to_seconds
from voicebridge.core.encodings import audio_encoding
from voicebridge.core.io import AudioAppended, ClientFault, Emit, FromClient, Input, Output, Retrieved, Speech
from voicebridge.errors import ClientError, InvalidEvent, MalformedEvent
from voicebridge.protocol.client_events import APPEND, parse_client_event
from voicebridge.protocol.dialect import BETA_AUDIO_DELTA, Dialect, downgraded, in_beta_words, upgraded
from voicebridge.protocol.json_text import check_depth, compact, json_object
from voicebridge.protocol.server_events import (
    ConversationCreated,
    ItemRetrieved,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
)
from voicebridge.protocol.session_config import RealtimeSession
from voicebridge.protocol.validation import Strictness
from voicebridge.wire.fitting import fitting

MAX_EVENT_ID = 512
MAX_RETRIEVED = 1024 * 1024
"""Bytes of `conversation.item.retrieved` that audio may fill: some clients take no larger message."""

_AROUND_AUDIO = 1024
"""Bytes of it that are left for the names of its members, and for another dialect's words."""

_APPEND_MEMBERS = frozenset({"type", "event_id", "audio"})
_GA_SESSION_MEMBERS = frozenset({"audio", "output_modalities", "truncation", "reasoning", "parallel_tool_calls"})


@dataclass(frozen=True, slots=True)
class WireLimits:
    """`max_append_bytes`: decoded audio in one append, 15 MiB by the protocol."""

    max_append_bytes: int = 15 * 1024 * 1024


class RealtimeCodec:
    """One connection's codec: it remembers the encoders of the spoken parts under way.

    `media`: sound comes and goes by another way, so that no event has any. `max_message_bytes`: the largest message
    that the other side takes, for `encode_frames`.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        strictness: Strictness | None = None,
        limits: WireLimits | None = None,
        lenient: bool = False,
        media: bool = False,
        max_message_bytes: int | None = None,
    ) -> None:
        self._dialect = dialect
        self._media = media
        self._max_message_bytes = max_message_bytes
        self._max_retrieved = min(MAX_RETRIEVED, max_message_bytes or MAX_RETRIEVED) - _AROUND_AUDIO
        self._lenient = lenient
        self._strictness = strictness or Strictness()
        self._limits = limits or WireLimits()
        self._encoders: dict[tuple[str, int], Encoder] = {}
        self._audio_delta = BETA_AUDIO_DELTA if dialect.is_beta else "response.output_audio.delta"

    # --- in ---

    def decode(self, frame: str | bytes) -> Input:
        """One frame of the client. Binary frames and anything that is no JSON object become faults (protocol 2.1)."""
        event_id: str | None = None
        try:
            event = _object(frame)
            event_id = _event_id(event)
            return self._append(event) if event.get("type") == APPEND else self._event(event)
        except ClientError as error:
            if self._dialect.is_beta:
                error.message, error.param = in_beta_words(error.message, error.param)
            return ClientFault(error, event_id)

    def _event(self, event: dict[str, Any]) -> FromClient:
        check_depth(event)
        beta = self._dialect.is_beta or self._ported(event)
        given = upgraded(event) if beta else event
        parsed = parse_client_event(given, self._strictness, beta=beta)
        return FromClient(parsed, self._attached_audio(given))

    def _ported(self, event: dict[str, Any]) -> bool:
        """A beta session on a GA connection, by a client half ported, where configuration forgives that (choice 51)."""
        session = event.get("session")
        return (
            self._lenient
            and event.get("type") == "session.update"
            and isinstance(session, dict)
            and "type" not in session
            and not _GA_SESSION_MEMBERS & session.keys()
        )

    def _append(self, event: dict[str, Any]) -> AudioAppended:
        if self._media:
            raise InvalidEvent(
                "'input_audio_buffer.append' is not for calls whose sound comes by a media track (WebRTC, SIP).",
                code="invalid_value",
                param="type",
            )
        if "audio" not in event:
            raise InvalidEvent("Missing required parameter: 'audio'.", code="missing_required_parameter", param="audio")
        strict = self._strictness.unknown_members == "error" and not self._dialect.is_beta
        if strict and not event.keys() <= _APPEND_MEMBERS:
            unknown = min(event.keys() - _APPEND_MEMBERS)[:100]
            raise InvalidEvent(f"Unknown parameter: '{unknown}'.", code="unknown_parameter", param=unknown)
        data = _unbase64(event["audio"], "audio")
        if len(data) > self._limits.max_append_bytes:
            raise InvalidEvent(
                f"Invalid 'audio': {len(data)} bytes; at most {self._limits.max_append_bytes} may come at once.",
                code="invalid_value",
                param="audio",
            )
        return AudioAppended(data)

    def _attached_audio(self, event: dict[str, Any]) -> dict[str, bytes]:
        """The audio of user messages in the event, by the path that errors would name. The event has been checked."""
        items: list[tuple[str, dict[str, Any]]] = []
        if event["type"] == "conversation.item.create":
            items = [("item", event["item"])]
        elif event["type"] == "response.create":
            listed = (event.get("response") or {}).get("input") or []
            items = [(f"response.input[{position}]", item) for position, item in enumerate(listed)]
        return {
            path: _unbase64(part["audio"], path)
            for where, item in items
            for index, part in enumerate(item.get("content") or [])
            if part.get("type") == "input_audio" and part.get("audio") is not None
            for path in [f"{where}.content[{index}].audio"]
        }

    # --- out ---

    def encode_frames(self, output: Output) -> list[str]:
        """The frames for an output, none over `max_message_bytes`: `fitting` says how large events are made to fit."""
        frame = self.encode(output)
        if frame is None:
            return []
        limit = self._max_message_bytes
        if limit is None or 4 * len(frame) <= limit or len(frame.encode()) <= limit:
            return [frame]
        return [compact(event) for event in fitting(json.loads(frame), limit)]

    def encode(self, output: Output) -> str | None:
        """The frame for an output, however long; None where this client hears nothing of it."""
        match output:
            case Emit(event):
                return self._encode_event(event)
            case Speech():
                return None if self._media else self._encode_speech(output)
            case Retrieved():
                return self._encode_retrieved(output)
            case _:
                return None

    def _encode_event(self, event: ServerEvent) -> str | None:
        if self._dialect is Dialect.GA:
            return None if isinstance(event, ConversationCreated) else event.model_dump_json()
        return self._encode_beta(event)

    def _encode_beta(self, event: ServerEvent) -> str | None:
        body = event.model_dump(mode="json")
        if isinstance(event, SessionCreated | SessionUpdated) and isinstance(event.session, RealtimeSession):
            body["session"]["temperature"] = event.session.temperature
        elif isinstance(event, ResponseCreated | ResponseDone):
            body["response"]["temperature"] = event.response.temperature
        down = downgraded(body, self._dialect)
        return None if down is None else compact(down)

    def _encode_speech(self, speech: Speech) -> str | None:
        part = (speech.item_id, speech.content_index)
        encoder = self._encoders.get(part)
        if encoder is None:
            encoder = self._encoders[part] = Encoder(audio_encoding(speech.audio_format))
        if speech.last:
            data = b"" if speech.cut else encoder.finish()
            del self._encoders[part]
        else:
            data = encoder.push(speech.samples)
        if not data:
            return None
        # ids and base64 need no escaping: by hand this is several times cheaper than a model
        return (
            f'{{"event_id":"{speech.event_id}","type":"{self._audio_delta}","response_id":"{speech.response_id}",'
            f'"item_id":"{speech.item_id}","output_index":{speech.output_index},'
            f'"content_index":{speech.content_index},"delta":"{base64.b64encode(data).decode("ascii")}"}}'
        )

    def _encode_retrieved(self, retrieved: Retrieved) -> str | None:
        body = ItemRetrieved(event_id=retrieved.event_id, item=retrieved.item).model_dump(mode="json")
        left = self._max_retrieved - len(compact(body).encode())
        encoding = audio_encoding(retrieved.audio_format)
        for index, samples in retrieved.audio.items():
            if samples_to_seconds(len(samples)) * encoding.bytes_per_second * 4 / 3 > left:
                continue
            encoder = Encoder(encoding)
            data = encoder.push(samples) + encoder.finish()
            text = base64.b64encode(data).decode("ascii")
            left -= len(text)
            body["item"]["content"][index]["audio"] = text
        down = downgraded(body, self._dialect)
        return None if down is None else compact(down)


def _object(frame: str | bytes) -> dict[str, Any]:
    if isinstance(frame, bytes):
        raise MalformedEvent(
            "Binary frames are not part of the protocol: send JSON in text frames.", code="invalid_event"
        )
    return json_object(frame)


def _event_id(event: dict[str, Any]) -> str | None:
    """The client's own id, where it is one; otherwise the error for it."""
    event_id = event.get("event_id")
    if event_id is None or (isinstance(event_id, str) and len(event_id) <= MAX_EVENT_ID):
        return event_id
    if isinstance(event_id, str):
        raise InvalidEvent(
            f"Invalid 'event_id': at most {MAX_EVENT_ID} characters.", code="string_above_max_length", param="event_id"
        )
    raise InvalidEvent("Invalid type for 'event_id': expected a string.", code="invalid_type", param="event_id")


def _unbase64(text: Any, param: str) -> bytes:
    """Standard base64; missing padding is forgiven, anything else is not (protocol 2.5)."""
    if not isinstance(text, str):
        raise InvalidEvent(f"Invalid type for '{param}': expected a string.", code="invalid_type", param=param)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidEvent(
            f"Invalid '{param}': expected base64-encoded audio bytes.", code="invalid_value", param=param
        ) from None
