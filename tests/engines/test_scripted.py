from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from voicebridge.core.engine_io import (
    Ask,
    Audio,
    CallArguments,
    CallDone,
    CallStarted,
    EngineDone,
    FunctionTool,
    Message,
    Recognised,
    SpeechDelta,
    Text,
    TextDelta,
    TranscriptDelta,
    TranscriptDone,
    Utterance,
)
from voicebridge.engines.scripted import Pause, ScriptedEngine
from voicebridge.errors import EngineError

T = TypeVar("T")
SECOND = np.zeros(24_000, np.int16)


async def collect(outputs: AsyncIterator[T]) -> list[T]:
    return [output async for output in outputs]


def ask(*parts: Text | Audio, speak: bool = True) -> Ask:
    return Ask(
        response_id="resp_1",
        context=(Message("item_1", "user", parts),),
        instructions="",
        tools=(),
        tool_choice="auto",
        speak=speak,
        voice="alloy",
        speed=1.0,
        temperature=0.8,
        max_output_tokens=None,
        language=None,
        model="voicebridge",
    )


async def test_plays_a_script_with_its_pauses_and_then_the_default() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    engine = ScriptedEngine([[TextDelta("one"), Pause(0.5), EngineDone()]], sleep=sleep)
    question = ask(Text("hi"), speak=False)
    assert await collect(engine.respond(question)) == [TextDelta("one"), EngineDone()]
    assert slept == [0.5]
    said = await collect(engine.respond(question))
    assert "".join(o.text for o in said if isinstance(o, TextDelta)) == "You said: hi"
    assert list(engine.asks) == [question, question]


async def test_raises_the_exceptions_of_a_script() -> None:
    engine = ScriptedEngine([[TextDelta("a"), EngineError("broken")]])
    outputs = engine.respond(ask(Text("hi")))
    assert await anext(outputs) == TextDelta("a")
    with pytest.raises(EngineError, match="broken"):
        await anext(outputs)


async def test_by_default_recognises_and_repeats_what_was_heard_aloud() -> None:
    outputs = await collect(ScriptedEngine().respond(ask(Audio(SECOND, None))))
    assert outputs[0] == Recognised("item_1", "utterance of 1.0 seconds")
    speech = [o for o in outputs if isinstance(o, SpeechDelta)]
    assert "".join(o.text for o in speech) == "You said: utterance of 1.0 seconds"
    assert [len(o.samples) for o in speech] == [24 * 60 * len(o.text) for o in speech]
    assert all(np.abs(o.samples).max() > 4000 for o in speech)
    assert outputs[-1] == EngineDone()


async def test_keeps_the_transcript_that_is_already_known() -> None:
    outputs = await collect(ScriptedEngine().respond(ask(Audio(SECOND, "good day"), speak=False)))
    assert "".join(o.text for o in outputs if isinstance(o, TextDelta)) == "You said: good day"
    assert not any(isinstance(o, Recognised) for o in outputs)


async def test_calls_the_function_that_is_demanded() -> None:
    weather = FunctionTool("weather", "", {})
    calls = [CallStarted("weather"), CallArguments("{}"), CallDone(), EngineDone()]
    named = replace(ask(Text("x")), tools=(weather,), tool_choice=("function", "weather"))
    required = replace(ask(Text("x")), tools=(weather,), tool_choice="required")
    assert await collect(ScriptedEngine().respond(named)) == calls
    assert await collect(ScriptedEngine().respond(required)) == calls


async def test_transcript_deltas_concatenate_to_the_transcript() -> None:
    engine = ScriptedEngine(transcripts=[[TranscriptDone("scripted")]])
    utterance = Utterance("item_1", SECOND, "whisper-1", None, None)
    assert await collect(engine.transcribe(utterance)) == [TranscriptDone("scripted")]
    outputs = await collect(engine.transcribe(utterance))
    assert "".join(o.text for o in outputs if isinstance(o, TranscriptDelta)) == "utterance of 1.0 seconds"
    assert isinstance(outputs[-1], TranscriptDone)
    assert outputs[-1].text == "utterance of 1.0 seconds"


async def test_end_of_turn_is_what_it_was_given() -> None:
    assert await ScriptedEngine(end_of_turn=0.25).end_of_turn(SECOND) == 0.25
