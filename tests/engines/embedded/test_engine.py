from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from engines.embedded.recordings import HELLO, SPEECH, TRANSCRIPTS, recording
from engines.embedded.test_pool import pool
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples, samples_to_seconds
from voicebridge.core.engine_io import (
    Ask,
    Audio,
    CallArguments,
    CallDone,
    CallStarted,
    ContextItem,
    EngineDone,
    EngineOutput,
    FunctionTool,
    Message,
    Recognised,
    SpeechDelta,
    Text,
    TextDelta,
    TokenLogprob,
    ToolCall,
    ToolResult,
    TranscriptDelta,
    TranscriptDone,
    Utterance,
)
from voicebridge.engines.embedded.brain.types import Turn
from voicebridge.engines.embedded.engine import EmbeddedEngine, turn, words
from voicebridge.engines.embedded.frames import WorkerSettings
from voicebridge.engines.embedded.pool import SpeechWorkers
from voicebridge.engines.embedded.segments import LONGEST_SEGMENT_S
from voicebridge.engines.embedded.stt import load_tiny

NOON = "2026-11-21T12:00:00+01:00"
SILENCE = np.zeros(24_000, np.int16)


def ask(*context: ContextItem, speak: bool = True) -> Ask:
    return Ask(
        response_id="resp_1",
        context=context,
        instructions="",
        tools=(),
        tool_choice="auto",
        speak=speak,
        voice="alloy",
        speed=1.0,
        temperature=0.8,
        max_output_tokens=None,
        language="en",
        model="voicebridge",
    )


def test_the_brain_reads_every_kind_of_item() -> None:
    assert turn(Message("i", "user", (Text("a"), Audio(SILENCE, "b"), Audio(SILENCE, "")))) == Turn("user", "a b")
    assert turn(ToolCall("i", "c1", "f", "{}")) == Turn("call", "{}", name="f", call_id="c1")
    assert turn(ToolResult("i", "c1", "ok")) == Turn("result", "ok", call_id="c1")


def test_tokens_come_by_the_word() -> None:
    parts = [TokenLogprob(text, -0.1) for text in ("He", "llo", ",", " you", " 2", "4")]
    assert ["".join(t.token for t in word) for word in words(tuple(parts))] == ["Hello,", " you", " 24"]


async def test_a_response_and_a_transcription_of_one_item_share_one_recognition() -> None:
    async with pool() as workers:
        engine = EmbeddedEngine(workers, now=lambda: NOON)
        utterance = Utterance("item_1", SILENCE, "whisper-1", "en", None)
        spoken = Message("item_1", "user", (Audio(SILENCE, None),))

        async def respond() -> list[EngineOutput]:
            return [output async for output in engine.respond(ask(spoken, speak=False))]

        async def transcribe() -> list[str]:
            return [o.text async for o in engine.transcribe(utterance) if isinstance(o, TranscriptDone)]

        async with asyncio.TaskGroup() as tasks:
            transcribing, responding = tasks.create_task(transcribe()), tasks.create_task(respond())
        said = responding.result()
        assert transcribing.result() == ["24000 samples of en"]
        assert Recognised("item_1", "24000 samples of en") in said
        assert "".join(o.text for o in said if isinstance(o, TextDelta)) == f"{NOON} recognise"
        assert said[-4:] == [CallStarted("f"), CallArguments("{}"), CallDone(), EngineDone()]


async def test_abandoning_a_response_leaves_the_transcription_to_do_the_work() -> None:
    async with pool() as workers:
        engine = EmbeddedEngine(workers, now=lambda: NOON)
        response = engine.respond(ask(Message("item_1", "user", (Audio(SILENCE, None),))))
        await anext(response)
        await response.aclose()
        utterance = Utterance("item_1", SILENCE, "whisper-1", "en", None)
        assert [o async for o in engine.transcribe(utterance)][-1] == TranscriptDone("24000 samples of en")


@asynccontextmanager
async def with_models() -> AsyncIterator[EmbeddedEngine]:
    async with SpeechWorkers(WorkerSettings()) as workers:
        await workers.wait_ready()
        yield EmbeddedEngine(workers, now=lambda: NOON)


@pytest.mark.models
async def test_a_spoken_question_gets_a_spoken_answer_and_silence_a_question() -> None:
    async with with_models() as engine:
        question = ask(Message("item_1", "user", (Audio(recording(HELLO), None),)))
        outputs = [output async for output in engine.respond(question)]
        silent = [o async for o in engine.respond(ask(Message("item_2", "user", (Audio(SILENCE, None),))))]
    assert outputs[0] == Recognised("item_1", "Hello, 24 plus 10.")
    assert outputs[-1] == EngineDone()
    speech = [output for output in outputs if isinstance(output, SpeechDelta)]
    assert "thirty-four" in "".join(delta.text for delta in speech)
    heard = load_tiny().recognise(np.concatenate([delta.samples for delta in speech]), "en", None).text
    assert "34" in heard or "thirty-four" in heard.lower()
    assert all(samples_to_seconds(len(delta.samples)) < 2 for delta in speech)
    assert silent[0] == Recognised("item_2", "")
    assert any(isinstance(output, SpeechDelta) for output in silent)


@pytest.mark.models
async def test_a_transcription_has_deltas_and_logprobs_and_the_end_of_the_sentence_is_heard() -> None:
    name = "privacy-prompt.wav"
    async with with_models() as engine:
        utterance = Utterance("item_1", recording(SPEECH / name), "whisper-1", "en", None)
        *outputs, done = [output async for output in engine.transcribe(utterance)]
        assert await engine.end_of_turn(utterance.samples) > 0.5
    deltas = [output for output in outputs if isinstance(output, TranscriptDelta)]
    assert isinstance(done, TranscriptDone)
    assert done.text == TRANSCRIPTS[name]
    assert "".join(delta.text for delta in deltas) == done.text
    assert tuple(logprob for delta in deltas for logprob in delta.logprobs) == done.logprobs


@pytest.mark.models
async def test_a_function_that_is_promised_is_called() -> None:
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    weather = FunctionTool("get_weather", "Get the current weather in a city", city)
    question = ask(Message("item_1", "user", (Text("What is the weather in Paris?"),)))
    async with with_models() as engine:
        outputs = [output async for output in engine.respond(replace(question, tools=(weather,)))]
    assert CallStarted("get_weather") in outputs
    assert "Paris" in "".join(output.delta for output in outputs if isinstance(output, CallArguments))


async def test_a_long_utterance_is_recognised_in_parts_that_others_come_between() -> None:
    long = np.ones(70 * INTERNAL_RATE_HZ, np.int16)
    async with pool() as workers, asyncio.TaskGroup() as tasks:
        engine, other = (EmbeddedEngine(workers, now=lambda: NOON) for _ in range(2))
        heard = [tasks.create_task(transcript(one, samples)) for one, samples in ((engine, long), (other, long[:1000]))]
    assert (await heard[1]) == "1000 samples of None"
    parts = [int(length) for length in re.findall(r"(\d+) samples", await heard[0])]
    assert len(parts) >= 3
    assert sum(parts) == len(long)
    assert max(parts) <= LONGEST_SEGMENT_S * INTERNAL_RATE_HZ


async def transcript(engine: EmbeddedEngine, samples: Samples) -> str:
    *_, done = [
        output async for output in engine.transcribe(Utterance("item", samples, model="", language=None, prompt=None))
    ]
    assert isinstance(done, TranscriptDone)
    return done.text


@pytest.mark.models
async def test_a_minute_of_speech_comes_out_as_one_text() -> None:
    pause = np.zeros(INTERNAL_RATE_HZ, np.int16)
    prompts = [recording(SPEECH / name) for name in (*TRANSCRIPTS, *TRANSCRIPTS)]
    long = np.concatenate([part for prompt in prompts for part in (prompt, pause)])
    assert len(long) > LONGEST_SEGMENT_S * INTERNAL_RATE_HZ
    async with SpeechWorkers(WorkerSettings()) as workers:
        engine = EmbeddedEngine(workers, now=lambda: NOON)
        whole = [output async for output in engine.transcribe(Utterance("item", long, "", None, None))]
    done = whole[-1]
    assert isinstance(done, TranscriptDone)
    assert "".join(output.text for output in whole[:-1] if isinstance(output, TranscriptDelta)) == done.text
    assert "  " not in done.text
    assert len(done.text.split()) > 60
