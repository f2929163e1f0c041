"""What a response is asked with: settings, tools, context (protocol 2.13)."""

from __future__ import annotations

import pytest

from core.scenario import (
    WEATHER,
    Scenario,
    texts,
)
from voicebridge.core.engine_io import (
    Audio,
    EngineDone,
    Message,
    Text,
)
from voicebridge.protocol.session_config import SessionDefaults


def test_the_words_and_tools_of_a_response_may_be_its_own() -> None:
    s = Scenario(instructions="of the session", tools=[WEATHER])
    s.ask(
        instructions="of the response",
        tools=[{"type": "function", "name": "other"}],
        tool_choice={"type": "function", "name": "other"},
        output_modalities=["text"],
        max_output_tokens=7,
        audio={"output": {"voice": "marin"}},
    )
    ask = s.asks[0]
    assert (ask.instructions, [tool.name for tool in ask.tools]) == ("of the response", ["other"])
    assert ask.tool_choice == ("function", "other")
    assert (ask.speak, ask.max_output_tokens, ask.voice) == (False, 7, "marin")
    s.make(EngineDone())
    s.ask()
    assert s.asks[1].instructions == "of the session"
    assert [tool.name for tool in s.asks[1].tools] == ["weather"]


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_tool_choice_is_passed_on(choice: str) -> None:
    s = Scenario(tools=[WEATHER], tool_choice=choice)
    s.ask()
    assert s.asks[0].tool_choice == choice


def test_a_tool_choice_that_names_no_tool_is_refused() -> None:
    s = Scenario()
    assert s.ask(tool_choice={"type": "function", "name": "weather"}) == "error"
    assert (s.error["code"], s.error["param"]) == ("invalid_value", "response.tool_choice")


def test_a_response_may_bring_its_own_context() -> None:
    s = Scenario()
    s.write("kept")
    reference = s.last("item.added")["item"]["id"]
    s.write("not wanted")
    fresh = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief."}]}
    s.ask(input=[fresh, {"type": "item_reference", "id": reference}], conversation="none")
    assert texts(s.asks[0]) == ["system: Be brief.", "user: kept"]
    s.ask(input=[])
    assert s.asks[1].context == ()


def test_a_reference_to_nothing_is_refused() -> None:
    s = Scenario()
    assert s.ask(input=[{"type": "item_reference", "id": "item_x"}]) == "error"
    assert (s.error["code"], s.error["param"]) == ("item_not_found", "response.input[0].id")
    assert s.asks == []


def test_the_engine_is_told_the_language_and_the_model_s_own_name() -> None:
    s = Scenario(
        defaults=SessionDefaults(model_aliases={"gpt-realtime": "local"}),
        audio={"input": {"transcription": {"model": "whisper-1", "language": "fr"}}, "output": {"speed": 1.25}},
    )
    s.ask()
    assert (s.asks[0].language, s.asks[0].model, s.asks[0].speed) == ("fr", "local", 1.25)


def test_a_message_may_have_several_parts() -> None:
    s = Scenario()
    content = [
        {"type": "input_text", "text": "Look:"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_audio", "audio": "AAABAAIA", "transcript": "said"},
    ]
    item = {"type": "message", "role": "user", "content": content}
    assert s.send({"type": "conversation.item.create", "item": item}) == "item.added item.done"
    s.ask()
    (message,) = s.asks[0].context
    assert isinstance(message, Message)
    assert message.parts[0] == Text("Look:")
    audio = message.parts[2]
    assert isinstance(audio, Audio)
    assert (audio.samples.tolist(), audio.transcript) == ([0, 1, 2], "said")
