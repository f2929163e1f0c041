from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from voicebridge.audio.samples import Samples
from voicebridge.core.conversation import Entry
from voicebridge.core.items import entry_from_input
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.item_input import ItemInput

ADAPTER: TypeAdapter[Any] = TypeAdapter(ItemInput)


def sounds(path: str) -> Samples:
    """As many samples as the path has characters."""
    return np.ones(len(path), np.int16)


def entry(**item: Any) -> Entry:
    return entry_from_input(ADAPTER.validate_python(item), IdFactory(1), "item", sounds)


def shown(**item: Any) -> dict[str, Any]:
    """The item as clients see it, without what all have."""
    body = entry(**item).item.model_dump(mode="json")
    assert body.pop("object") == "realtime.item"
    return body


@pytest.mark.parametrize(("status", "kept"), [(None, "completed"), ("in_progress", "completed"), ("incomplete",) * 2])
def test_a_client_s_item_is_never_in_progress(status: str | None, kept: str) -> None:
    assert shown(type="message", role="user", content=[], status=status)["status"] == kept


def test_ids_are_kept_or_made() -> None:
    assert shown(id="mine", type="message", role="user", content=[])["id"] == "mine"
    assert shown(type="message", role="user", content=[])["id"].startswith("item_")
    assert shown(type="function_call", name="f", arguments="{}")["call_id"].startswith("call_")
    assert shown(type="function_call", name="f", arguments="{}", call_id="c")["call_id"] == "c"


def test_parts_become_those_of_the_role_in_whatever_spelling() -> None:
    user = [{"type": "text", "text": "a"}, {"type": "input_image", "image_url": "data:x", "detail": None}]
    assert shown(type="message", role="user", content=user)["content"] == [
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "image_url": "data:x", "detail": "auto"},
    ]
    assistant = [{"type": "text", "text": "b"}, {"type": "audio", "transcript": "c"}, {"type": "output_audio"}]
    assert shown(type="message", role="assistant", content=assistant)["content"] == [
        {"type": "output_text", "text": "b"},
        {"type": "output_audio", "transcript": "c"},
        {"type": "output_audio", "transcript": ""},
    ]


def test_a_user_s_audio_is_found_by_its_path() -> None:
    content = [{"type": "input_text", "text": "a"}, {"type": "input_audio", "audio": "AAAA", "transcript": "b"}]
    made = entry(type="message", role="user", content=content)
    assert list(made.heard) == [1]
    assert len(made.heard[1].samples) == len("item.content[1].audio")
    assert made.heard[1].transcript == "b"


def test_a_result_of_a_call() -> None:
    assert shown(id="i", type="function_call_output", call_id="c", output="1") == {
        "id": "i",
        "type": "function_call_output",
        "status": "completed",
        "call_id": "c",
        "output": "1",
    }
