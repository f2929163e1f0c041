from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.samples import EMPTY
from voicebridge.core.conversation import ROOT, Conversation, Entry, HeardPart
from voicebridge.core.engine_io import Audio, Image, Message, Text, ToolCall, ToolResult
from voicebridge.core.spoken import SpokenPart
from voicebridge.errors import InvalidEvent, InvalidState
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


def message(item_id: str, *content: ContentPart, role: str = "user", status: str = "completed") -> Entry:
    return Entry(MessageItem.model_validate({"id": item_id, "status": status, "role": role, "content": tuple(content)}))


def heard(item_id: str, samples: int) -> Entry:
    entry = message(item_id, InputAudioPart(transcript=None))
    entry.heard[0] = HeardPart(np.ones(samples, np.int16))
    return entry


def conversation(
    *item_ids: str, max_items: int = 100, max_kept: int = 10_000, max_characters: int = 10_000
) -> Conversation:
    made = Conversation("conv_1", max_items=max_items, max_kept=max_kept, max_characters=max_characters)
    for item_id in item_ids:
        made.add(message(item_id, InputTextPart(text=item_id)))
    return made


def order(made: Conversation) -> list[str]:
    return [item.item_id for item in made.context()]


@pytest.mark.parametrize(
    ("behind", "predecessor", "expected"),
    [
        (None, "b", ["a", "b", "new"]),
        (ROOT, None, ["new", "a", "b"]),
        ("a", "a", ["a", "new", "b"]),
        ("b", "b", ["a", "b", "new"]),
    ],
)
def test_items_go_behind_their_predecessor(behind: str | None, predecessor: str | None, expected: list[str]) -> None:
    made = conversation("a", "b")
    assert made.add(message("new", InputTextPart(text="")), behind) == predecessor
    assert order(made) == expected
    assert made.predecessor("new") == predecessor
    assert made.last_id == expected[-1]


@pytest.mark.parametrize(
    ("item_id", "behind", "code", "param"),
    [
        ("a", None, "item_create_duplicate_item_id", "item.id"),
        ("new", "unknown", "invalid_value", "previous_item_id"),
    ],
)
def test_what_cannot_be_added_changes_nothing(item_id: str, behind: str | None, code: str, param: str) -> None:
    made = conversation("a")
    with pytest.raises(InvalidEvent) as error:
        made.add(message(item_id), behind)
    assert (error.value.code, error.value.param) == (code, param)
    assert order(made) == ["a"]


@pytest.mark.parametrize(
    "entry",
    [
        message("big", InputTextPart(text="x" * 60)),
        message("big", OutputTextPart(text="x" * 60), role="assistant"),
        message("big", InputImagePart(image_url="data:" + "x" * 60, detail="auto")),
        Entry(FunctionCallItem(id="big", status="completed", name="f", call_id="c", arguments="x" * 60)),
        Entry(FunctionCallOutputItem(id="big", status="completed", call_id="c", output="x" * 60)),
    ],
    ids=["text", "answer", "image", "arguments", "output"],
)
def test_a_conversation_of_too_many_characters_has_no_room_either(entry: Entry) -> None:
    made = conversation("a" * 50, max_characters=100)
    made.check_room()
    made.add(entry)
    with pytest.raises(InvalidState, match="100 characters") as refused:
        made.check_room()
    assert refused.value.code == "conversation_full"
    made.delete("big")
    made.check_room()


def test_a_full_conversation_has_no_room_until_something_is_deleted() -> None:
    made = conversation("a", max_items=2)
    made.check_room()
    made.add(message("b"))
    with pytest.raises(InvalidState) as error:
        made.check_room()
    assert error.value.code == "conversation_full"
    made.delete("a")
    made.check_room()
    assert made.last_id == "b"
    assert "a" not in made


def test_an_unknown_item_is_an_error_that_names_where_it_was_named() -> None:
    with pytest.raises(InvalidEvent) as error:
        conversation().find("x", param="response.input[2].id")
    assert (error.value.code, error.value.param) == ("item_not_found", "response.input[2].id")


def test_context_is_everything_finished_as_an_engine_sees_it() -> None:
    made = conversation()
    made.add(message("i1", InputTextPart(text="Be kind."), role="system"))
    made.add(message("i2", InputTextPart(text="Look"), InputImagePart(image_url="data:x", detail="low")))
    made.add(message("i3", InputAudioPart(transcript="kept words")))
    made.add(message("i4", OutputTextPart(text="Yes."), OutputAudioPart(transcript="Spoken."), role="assistant"))
    made.add(Entry(FunctionCallItem(id="i5", status="completed", name="f", call_id="c", arguments="{}")))
    made.add(Entry(FunctionCallItem(id="i6", status="incomplete", name="f", call_id="d", arguments="{")))
    made.add(Entry(FunctionCallOutputItem(id="i7", status="completed", call_id="c", output="1")))
    made.add(message("i8", OutputTextPart(text="now"), role="assistant", status="in_progress"))
    made.add(message("i9", role="assistant"))
    made.add(message("i10", OutputAudioPart(), role="assistant"))
    assert made.context() == (
        Message("i1", "system", (Text("Be kind."),)),
        Message("i2", "user", (Text("Look"), Image("data:x", "low"))),
        Message("i3", "user", (Audio(EMPTY, "kept words"),)),
        Message("i4", "assistant", (Text("Yes."), Text("Spoken."))),
        ToolCall("i5", "c", "f", "{}"),
        ToolResult("i7", "c", "1"),
    )


def test_a_transcript_is_known_at_once_and_shown_only_when_asked() -> None:
    made = conversation()
    made.add(heard("a", 10))
    made.transcribed("a", "words")
    made.transcribed("gone", "words")
    (item,) = made.context()
    assert isinstance(item, Message)
    assert isinstance(item.parts[0], Audio)
    assert item.parts[0].transcript == "words"
    entry = made.find("a")
    assert isinstance(entry.item, MessageItem)
    assert entry.item.content == (InputAudioPart(transcript=None),)
    made.show_transcript("a", 0, "words")
    made.show_transcript("gone", 0, "words")
    assert entry.item.content == (InputAudioPart(transcript="words"),)


def test_over_the_limit_the_oldest_sound_goes_and_its_words_stay() -> None:
    made = conversation(max_kept=100)
    made.add(heard("a", 60))
    made.transcribed("a", "first")
    made.add(heard("b", 60))
    parts = [item.parts[0] for item in made.context() if isinstance(item, Message)]
    assert [(len(part.samples), part.transcript) for part in parts if isinstance(part, Audio)] == [
        (0, "first"),
        (60, None),
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["hear", "speak", "more", "truncate", "delete"]), st.integers(0, 60), st.integers(0, 5)
        ),
        max_size=40,
    )
)
def test_no_more_sound_is_kept_than_allowed_but_for_the_newest_item(steps: list[tuple[str, int, int]]) -> None:
    """And what is kept is counted right, whatever is cut and deleted: else the limit would drift."""
    made, entries, newest = conversation(max_kept=100), dict[str, Entry](), ""

    def sound(entry: Entry) -> int:
        return sum(len(part.samples) for part in entry.heard.values()) + sum(
            len(part.samples()) for part in entry.spoken.values()
        )

    for number, (step, samples, which) in enumerate(steps):
        spoken = [item_id for item_id, entry in entries.items() if entry.spoken]
        chosen = spoken[which % len(spoken)] if spoken else None
        if step in ("hear", "speak"):
            item_id = f"item_{number}"
            entries[item_id] = entry = heard(item_id, samples) if step == "hear" else message(item_id, role="assistant")
            made.add(entry)
            if step == "speak":
                entry.spoken[0] = SpokenPart()
            newest = item_id if step == "hear" and samples else newest
        elif chosen is None:
            continue
        elif step == "more" and not entries[chosen].spoken[0].truncated:
            entries[chosen].spoken[0].add("", np.ones(samples, np.int16))
            made.keep_spoken(chosen, samples)
            newest = chosen if samples else newest
        elif step == "truncate":
            made.truncate_spoken(entries[chosen].spoken[0], samples)
        elif step == "delete":
            made.delete(chosen)
            del entries[chosen]
        kept = sum(map(sound, entries.values()))
        assert made._kept == kept
        assert kept <= 100 or kept == sound(entries[newest]) or len(made._audible) == 1
