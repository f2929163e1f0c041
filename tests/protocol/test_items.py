"""Items as clients write them and as they are shown (protocol 2.9, 3.3)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import server_examples
from voicebridge.errors import InvalidEvent
from voicebridge.protocol.client_events import ConversationItemCreate, ResponseCreate, parse_client_event
from voicebridge.protocol.item_input import ItemInput
from voicebridge.protocol.items import InputAudioPart, MessageItem, OutputAudioPart
from voicebridge.protocol.validation import Strictness


def taken(item: Any) -> ItemInput:
    event = parse_client_event({"type": "conversation.item.create", "item": item}, Strictness("error"))
    assert isinstance(event, ConversationItemCreate)
    return event.item


def fault(item: Any) -> tuple[str | None, str | None]:
    with pytest.raises(InvalidEvent) as caught:
        taken(item)
    return caught.value.code, caught.value.param


def message(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


PARTS: dict[str, dict[str, Any]] = {
    "input_text": {"text": "a"},
    "text": {"text": "a"},
    "output_text": {"text": "a"},
    "input_audio": {"audio": "AAAA"},
    "audio": {"transcript": "a"},
    "output_audio": {"transcript": "a"},
    "input_image": {"image_url": "data:image/png;base64,AAAA"},
}
ALLOWED = {
    "system": {"input_text", "text"},
    "user": {"input_text", "text", "input_audio", "input_image"},
    "assistant": {"output_text", "text", "output_audio", "audio"},
}


@pytest.mark.parametrize("role", ALLOWED)
@pytest.mark.parametrize("kind", PARTS)
def test_each_role_has_its_kinds_of_content(role: str, kind: str) -> None:
    item = message(role, {"type": kind, **PARTS[kind]})
    if kind in ALLOWED[role]:
        assert taken(item).type == "message"
    else:
        assert fault(item) == ("invalid_value", "item.content[0].type")


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ({}, "missing_required_parameter", "item.type"),
        ({"type": "message"}, "missing_required_parameter", "item.role"),
        ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
        ({"type": "message", "role": "user", "content": None}, "invalid_type", "item.content"),
        ({"type": "message", "role": "user", "content": "hi"}, "invalid_type", "item.content"),
        ({"type": "message", "role": "tool", "content": []}, "invalid_value", "item.role"),
        ({"type": "message", "role": 5, "content": []}, "invalid_type", "item.role"),
        (message("user", {"type": "input_audio"}), "missing_required_parameter", "item.content[0].audio"),
        (message("user", {"type": "input_text"}), "missing_required_parameter", "item.content[0].text"),
        (message("user", {"type": "input_text", "text": None}), "invalid_type", "item.content[0].text"),
        (message("user", {"text": "a"}), "missing_required_parameter", "item.content[0].type"),
        (message("user", {"type": "input_image"}), "missing_required_parameter", "item.content[0].image_url"),
        (message("user", {"type": "input_image", "image_url": "x", "detail": "huge"}), "invalid_value",
         "item.content[0].detail"),
        ({"type": "function_call", "arguments": "{}"}, "missing_required_parameter", "item.name"),
        ({"type": "function_call", "name": "f"}, "missing_required_parameter", "item.arguments"),
        ({"type": "function_call", "name": "f", "arguments": {}}, "invalid_type", "item.arguments"),
        ({"type": "function_call_output", "output": "x"}, "missing_required_parameter", "item.call_id"),
        ({"type": "function_call_output", "call_id": "c"}, "missing_required_parameter", "item.output"),
        ({"type": "function_call_output", "call_id": "c", "output": {"a": 1}}, "invalid_type", "item.output"),
        ({"type": "item_reference", "id": "x"}, "invalid_value", "item.type"),
        ({**message("user"), "id": ""}, "string_below_min_length", "item.id"),
        ({**message("user"), "id": "x" * 513}, "string_above_max_length", "item.id"),
        ({**message("user"), "status": "done"}, "invalid_value", "item.status"),
        ({**message("user"), "object": "item"}, "invalid_value", "item.object"),
    ],
)  # fmt: skip
def test_a_bad_item_is_told_by_its_member(item: Any, code: str, param: str) -> None:
    assert fault(item) == (code, param)


def test_sound_may_come_as_its_words_alone() -> None:
    item: Any = taken(message("user", {"type": "input_audio", "transcript": "hello"}))
    assert (item.content[0].audio, item.content[0].transcript) == (None, "hello")


def test_a_message_may_be_empty_and_may_mix_its_parts() -> None:
    assert taken(message("user")).content == []  # type: ignore[union-attr]
    mixed: Any = taken(message("user", {"type": "input_text", "text": "a"}, {"type": "input_audio", "audio": "AAAA"}))
    assert [part.type for part in mixed.content] == ["input_text", "input_audio"]


@pytest.mark.parametrize("previous", [None, "root", "item_1"])
def test_the_place_of_an_item_is_kept(previous: str | None) -> None:
    event = {"type": "conversation.item.create", "item": message("user"), "previous_item_id": previous}
    parsed = parse_client_event(event, Strictness("error"))
    assert isinstance(parsed, ConversationItemCreate)
    assert parsed.previous_item_id == previous


def test_references_stand_only_among_the_input_of_a_response() -> None:
    event = {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "x"}, message("user")]}}
    parsed = parse_client_event(event, Strictness("error"))
    assert isinstance(parsed, ResponseCreate)
    assert parsed.response is not None
    assert [item.type for item in parsed.response.input or []] == ["item_reference", "message"]


# --- shown --------------------------------------------------------------------------------------------------------


def test_every_item_says_what_it_is_and_how_far() -> None:
    for item in server_examples.ITEMS:
        shown = item.model_dump(mode="json")
        assert {"id", "object", "type", "status"} <= shown.keys()
        assert shown["object"] == "realtime.item"


def test_words_of_users_are_null_until_known_and_never_missing() -> None:
    assert InputAudioPart(transcript=None).model_dump() == {"type": "input_audio", "transcript": None}


def test_what_the_assistant_has_not_is_left_out() -> None:
    assert OutputAudioPart().model_dump() == {"type": "output_audio"}
    assert OutputAudioPart(transcript="").model_dump() == {"type": "output_audio", "transcript": ""}


def test_shown_items_can_be_sent_back() -> None:
    for item in server_examples.ITEMS:
        if isinstance(item, MessageItem):
            content = [part for part in item.content if getattr(part, "transcript", "") is not None]
            item = item.model_copy(update={"content": tuple(content)})  # noqa: PLW2901 - sound without words has no form
        assert taken(item.model_dump(mode="json")).id == item.id
