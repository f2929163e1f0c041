from __future__ import annotations

import numpy as np
import pytest

from core.scenario import Scenario, speech, texts, tone
from voicebridge.core.engine_io import EngineDone, TextDelta
from voicebridge.core.io import Retrieved


def spoken(ms: int = 1_000) -> tuple[Scenario, str]:
    """A session in which the assistant has said something of this length."""
    s = Scenario()
    s.ask()
    s.make(speech("One two three four", ms), EngineDone())
    return s, s.response["output"][0]["id"]


def truncate(s: Scenario, item_id: str, ms: int, index: int = 0) -> str:
    return s.send(
        {
            "type": "conversation.item.truncate",
            "item_id": item_id,
            "content_index": index,
            "audio_end_ms": ms,
            "event_id": "t",
        }
    )


def test_items_are_added_where_they_are_wanted_and_said_to_be() -> None:
    s = Scenario()
    s.write("b")
    s.write("a", previous_item_id="root")
    first = s.last("item.added")
    assert first["previous_item_id"] is None
    s.write("c", previous_item_id=None)
    s.write("between", previous_item_id=first["item"]["id"])
    assert s.last("item.done")["previous_item_id"] == first["item"]["id"]
    s.ask()
    assert texts(s.asks[0]) == ["user: a", "user: between", "user: b", "user: c"]


@pytest.mark.parametrize(
    ("members", "code", "param"),
    [
        ({"previous_item_id": "nowhere"}, "invalid_value", "previous_item_id"),
        ({"item": {"id": "twice"}}, "item_create_duplicate_item_id", "item.id"),
    ],
)
def test_what_cannot_be_created_is_an_error(members: dict[str, object], code: str, param: str) -> None:
    s = Scenario()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}
    s.send({"type": "conversation.item.create", "item": {**item, "id": "twice"}})
    wrong = members.pop("item", {})
    assert isinstance(wrong, dict)
    assert s.send({"type": "conversation.item.create", "item": {**item, **wrong}, **members}) == "error"
    assert (s.error["code"], s.error["param"]) == (code, param)


@pytest.mark.parametrize("name", ["retrieve", "delete"])
def test_an_unknown_item_is_an_error(name: str) -> None:
    s = Scenario()
    assert s.send({"type": f"conversation.item.{name}", "item_id": "x", "event_id": "e"}) == "error"
    assert (s.error["code"], s.error["param"], s.error["event_id"]) == (f"item_{name}_invalid_item_id", "item_id", "e")


def test_a_deleted_item_is_gone_from_the_context() -> None:
    s, item_id = spoken()
    assert s.send({"type": "conversation.item.delete", "item_id": item_id}) == "item.deleted"
    s.ask()
    assert s.asks[-1].context == ()


def test_a_truncation_deletes_the_words_that_are_shown_and_keeps_those_that_were_heard() -> None:
    s, item_id = spoken()
    assert truncate(s, item_id, 500) == "item.truncated"
    assert s.last("item.truncated")["audio_end_ms"] == 500
    s.send({"type": "conversation.item.retrieve", "item_id": item_id})
    assert "transcript" not in s.last("item.retrieved")["item"]["content"][0]
    retrieved = s.outputs[-1]
    assert isinstance(retrieved, Retrieved)
    assert np.array_equal(retrieved.audio[0], tone(500))
    s.ask()
    assert texts(s.asks[-1]) == ["assistant: One two"]


@pytest.mark.parametrize(("ms", "answer"), [(0, "item.truncated"), (2_000, "item.truncated"), (2_001, "error")])
def test_a_little_overshoot_is_forgiven(ms: int, answer: str) -> None:
    s, item_id = spoken(1_000)
    assert truncate(s, item_id, ms) == answer
    if answer == "error":
        assert (s.error["code"], s.error["param"]) == ("invalid_value", "audio_end_ms")
        assert "1000ms" in s.error["message"]
        s.ask()
        assert texts(s.asks[-1]) == ["assistant: One two three four"]


def test_only_speech_of_the_assistant_can_be_truncated() -> None:
    s, item_id = spoken()
    assert truncate(s, "unknown", 100) == "error"
    assert (s.error["code"], s.error["event_id"]) == ("item_truncate_invalid_item_id", "t")
    assert truncate(s, item_id, 100, index=1) == "error"
    s.write("text")
    assert truncate(s, s.last("item.added")["item"]["id"], 100) == "error"
    assert s.error["code"] == "unsupported_content_type"
    s.ask(output_modalities=["text"])
    s.make(TextDelta("written"), EngineDone())
    assert truncate(s, s.response["output"][0]["id"], 100) == "error"


def test_what_the_user_said_is_retrieved_as_it_was_heard() -> None:
    s = Scenario(audio={"input": {"turn_detection": None}})
    s.hear(300)
    s.send({"type": "input_audio_buffer.commit"})
    s.send({"type": "conversation.item.retrieve", "item_id": s.last("committed")["item_id"]})
    retrieved = s.outputs[-1]
    assert isinstance(retrieved, Retrieved)
    assert np.array_equal(retrieved.audio[0], tone(300))
