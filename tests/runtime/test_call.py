from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from runtime.doubles import LOUD, Memory, MemoryPort, new_call
from voicebridge.audio.samples import Samples
from voicebridge.core.engine_io import (
    Ask,
    EngineDone,
    EngineOutput,
    SpeechDelta,
    TextDelta,
    TranscriptDone,
    TranscriptOutput,
    Utterance,
)
from voicebridge.core.io import EndCall
from voicebridge.core.session import SessionLimits
from voicebridge.engines.scripted import Pause, ScriptedEngine
from voicebridge.errors import EngineError, UpstreamError
from voicebridge.runtime.call import BROKEN, CLIENT_GONE, DRAINED, READ_AHEAD, Call
from voicebridge.runtime.ports import Engine

HELLO: list[EngineOutput] = [SpeechDelta("Hello", np.ones(2_400, np.int16)), EngineDone()]


class Held:
    """A point that an engine waits at until it is let go; tells whether its generator was cleaned up."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.cleaned_up = asyncio.Event()

    async def wait(self, _seconds: float = 0) -> None:
        self.reached.set()
        await self.go.wait()


class HoldingEngine(ScriptedEngine):
    """Says one word, then holds; says another when let go."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self.held = held

    async def respond(self, ask: Ask) -> AsyncGenerator[EngineOutput, None]:
        self.asks.append(ask)
        try:
            yield SpeechDelta("One", np.ones(2_400, np.int16))
            await self.held.wait()
            yield SpeechDelta(" two", np.ones(2_400, np.int16))
            yield EngineDone()
        finally:
            self.held.cleaned_up.set()


@asynccontextmanager
async def running(
    port: MemoryPort, engine: Engine, **settings: Any
) -> AsyncIterator[tuple[Call, asyncio.Task[EndCall], Memory]]:
    """A call under way; at the end of the block it must be over, and no task be left."""
    before = asyncio.all_tasks()
    call, memory = new_call(port, engine, **settings)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(call.run())
        await port.until("session.created")
        yield call, task, memory
        async with asyncio.timeout(10):
            await task
    assert asyncio.all_tasks() <= before
    assert memory.end == task.result()


async def test_a_spoken_turn_from_sound_to_answer() -> None:
    port, engine = MemoryPort(), ScriptedEngine([HELLO])
    async with running(port, engine) as (_, task, _):
        port.speak()
        port.pause()
        await port.until("response.done")
        port.hang_up()
    assert task.result() == CLIENT_GONE
    assert port.closed == CLIENT_GONE
    spoken = [name for name in port.names if name.startswith("input_audio_buffer.")]
    assert spoken == [f"input_audio_buffer.{name}" for name in ("speech_started", "speech_stopped", "committed")]
    assert port.events[-1]["response"]["status"] == "completed"
    assert [len(part.samples) for item in engine.asks[0].context for part in item.parts] == [  # type: ignore[union-attr]
        (port.events[2]["audio_end_ms"] - port.events[1]["audio_start_ms"]) * 24
    ]


async def test_barge_in_stops_the_engine_and_lets_it_clean_up() -> None:
    port, held = MemoryPort(), Held()
    async with running(port, HoldingEngine(held)) as _:
        port.say({"type": "response.create"})
        await held.reached.wait()
        port.speak()
        await held.cleaned_up.wait()
        done = await port.until("response.done")
        assert done["response"]["status_details"]["reason"] == "turn_detected"
        held.go.set()
        port.hang_up()
    assert "".join(event["delta"] for event in port.events if event["type"].endswith("transcript.delta")) == "One"


async def test_a_cancelled_response_makes_way_for_the_next() -> None:
    port, held = MemoryPort(), Held()
    async with running(port, HoldingEngine(held)) as _:
        port.say({"type": "response.create"})
        port.say({"type": "response.cancel"})  # before its task has run at all
        port.say({"type": "response.create"})
        await held.reached.wait()
        held.go.set()
        second = await port.until("response.done", 2)
        assert second["response"]["status"] == "completed"
        port.hang_up()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineError("It broke.", code="worker_crashed"), "worker_crashed"),
        (UpstreamError("Unreachable."), "engine_error"),
        (ValueError("a bug"), "internal_error"),
        (asyncio.CancelledError(), "internal_error"),
    ],
)
async def test_an_engine_that_fails_costs_its_response_only(
    error: Exception, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    port = MemoryPort()
    async with running(port, FailingEngine(error)) as _:
        port.say({"type": "response.create"})
        failed = await port.until("response.done")
        assert failed["response"]["status"] == "failed"
        assert failed["response"]["status_details"]["error"]["code"] == code
        port.hang_up()
    assert bool(caplog.records) == isinstance(error, ValueError)


class FailingEngine(ScriptedEngine):
    """Fails at everything, after a word."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    async def respond(self, ask: Ask) -> AsyncGenerator[EngineOutput, None]:
        yield TextDelta("a")
        raise self.error

    async def transcribe(self, utterance: Utterance) -> AsyncGenerator[TranscriptOutput, None]:
        raise self.error
        yield TranscriptDone("")

    async def end_of_turn(self, samples: Samples) -> float:
        raise self.error


@pytest.mark.parametrize("error", [EngineError("broken"), ValueError("a bug")])
async def test_a_recogniser_and_a_judge_that_fail_cost_neither_turn_nor_call(error: Exception) -> None:
    port = MemoryPort()
    detection = {"type": "semantic_vad", "eagerness": "high", "create_response": False}
    audio = {"input": {"turn_detection": detection, "transcription": {"model": "whisper-1"}}}
    async with running(port, FailingEngine(error)) as _:
        port.say({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
        port.speak()
        port.pause(2_500)
        await port.until("conversation.item.input_audio_transcription.failed")
        port.hang_up()
    assert "input_audio_buffer.speech_stopped" in port.names


async def test_an_engine_that_stops_in_the_middle_fails_its_response() -> None:
    port = MemoryPort()
    async with running(port, ScriptedEngine([[TextDelta("a")]])) as _:
        port.say({"type": "response.create"})
        done = await port.until("response.done")
        assert done["response"]["status_details"]["error"]["code"] == "engine_protocol_error"
        port.hang_up()


async def test_an_engine_that_fails_while_it_is_cancelled_does_not_hold_up_the_end() -> None:
    class Stubborn(HoldingEngine):
        async def respond(self, ask: Ask) -> AsyncGenerator[EngineOutput, None]:
            try:
                yield TextDelta("a")
                await self.held.wait()
            finally:
                raise ValueError("in its clean-up")

    port, held = MemoryPort(), Held()
    async with running(port, Stubborn(held), inbox_size=1) as (_, task, _):
        port.say({"type": "response.create"})
        await held.reached.wait()
        port.hang_up()
    assert task.result() == CLIENT_GONE


async def test_the_engine_judges_the_end_of_a_turn() -> None:
    port = MemoryPort()
    async with running(port, ScriptedEngine([HELLO], end_of_turn=0.9)) as _:
        audio = {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}
        port.say({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
        port.speak()
        port.pause(400)  # silence alone would take 8 s
        await port.until("response.done")
        port.hang_up()


async def test_a_client_that_goes_in_the_middle_of_an_answer_stops_the_engine() -> None:
    port, held = MemoryPort(), Held()
    async with running(port, HoldingEngine(held)) as (_, task, _):
        port.say({"type": "response.create"})
        await held.reached.wait()
        port.hang_up()
    assert held.cleaned_up.is_set()
    assert task.result() == CLIENT_GONE


async def test_a_slow_client_ends_the_call_at_once_though_the_inbox_is_full() -> None:
    port, slow = MemoryPort(), EndCall(1013, "slow")
    async with running(port, FloodingEngine(), inbox_size=2) as (_, task, _):
        port.say({"type": "response.create"})
        await port.until("response.output_text.delta", 50)
        port.break_off(slow)
    assert task.result() == slow


class FloodingEngine(ScriptedEngine):
    """Never stops talking, nor ever waits."""

    async def respond(self, ask: Ask) -> AsyncGenerator[EngineOutput, None]:
        while True:
            yield TextDelta("word ")


async def test_expiry_comes_though_the_inbox_is_never_empty() -> None:
    port = MemoryPort()
    limits = replace(SessionLimits(), max_session_s=0.05)
    async with running(port, FloodingEngine(), inbox_size=2, limits=limits) as (_, task, _):
        port.say({"type": "response.create"})
    assert task.result().code == 1001
    assert port.closed == task.result()
    assert port.events[-1]["error"]["code"] == "session_expired"


async def test_drain_ends_an_idle_call() -> None:
    port = MemoryPort()
    async with running(port, ScriptedEngine()) as (call, task, _):
        call.drain()
    assert task.result() == DRAINED


async def test_drain_lets_an_answer_finish() -> None:
    port, held = MemoryPort(), Held()
    async with running(port, HoldingEngine(held)) as (call, task, _):
        port.say({"type": "response.create"})
        await held.reached.wait()
        call.drain()
        port.say({"type": "input_audio_buffer.clear"})
        await port.until("input_audio_buffer.cleared")
        assert not task.done()
        held.go.set()
    assert task.result() == DRAINED
    assert port.events[-1]["response"]["status"] == "completed"


async def test_drain_is_heeded_by_a_full_inbox() -> None:
    port = MemoryPort()
    async with running(port, FloodingEngine(), inbox_size=1) as (call, task, _):
        port.say({"type": "response.create"})
        await port.until("response.output_text.delta", 20)
        call.drain()
        port.say({"type": "response.cancel"})
    assert task.result() == DRAINED


async def test_a_call_can_be_ended_whatever_it_is_doing() -> None:
    port, held, why = MemoryPort(), Held(), EndCall(1001, "because")
    async with running(port, HoldingEngine(held)) as (call, task, _):
        port.say({"type": "response.create"})
        await held.reached.wait()
        call.end(why)
        call.end(EndCall(1011, "later"))
    assert task.result() == why == port.closed
    assert held.cleaned_up.is_set()


async def test_a_detector_that_breaks_ends_the_call_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    port = MemoryPort()
    async with running(port, ScriptedEngine()) as (_, task, _):
        port.append(np.full(2_400, -1, np.int16))
    assert task.result() == BROKEN == port.closed
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_port_that_breaks_ends_the_call(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryPort):
        async def inputs(self) -> AsyncIterator[Any]:
            raise ValueError("a bug")
            yield

    async with running(Broken(), ScriptedEngine()) as (_, task, _):
        pass
    assert task.result() == BROKEN
    assert len(caplog.records) == 1


async def test_a_writer_that_breaks_ends_the_call(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryPort):
        async def write(self) -> EndCall | None:
            raise ValueError("a bug")

    async with running(Broken(), ScriptedEngine()) as (_, task, _):
        pass
    assert task.result() == BROKEN
    assert len(caplog.records) == 1


async def test_cancelling_a_call_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    port, held = MemoryPort(), Held()
    call, _ = new_call(port, HoldingEngine(held))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(call.run())
        port.say({"type": "response.create"})
        await held.reached.wait()
        task.cancel()
    assert held.cleaned_up.is_set()
    assert asyncio.all_tasks() == before


async def test_no_more_is_read_than_the_inbox_and_the_limit_of_audio_hold() -> None:
    port = MemoryPort()
    call, _ = new_call(port, ScriptedEngine(), inbox_size=8)
    piece = np.zeros(24_000, np.int16)
    for _ in range(100):
        port.append(piece)
    for _ in range(100):
        port.say({"type": "input_audio_buffer.clear"})
    async with asyncio.TaskGroup() as tasks:
        call._tasks = tasks  # the reader alone: nobody empties the inbox
        party = call._admit(call._client)
        for _ in range(500):
            await asyncio.sleep(0)
        assert port.read == READ_AHEAD // piece.nbytes + 1
        party.reader.cancel()
        party.writer.cancel()


async def test_a_long_append_does_not_hold_up_others() -> None:
    port, other = MemoryPort(), MemoryPort()
    async with running(port, ScriptedEngine()) as _, running(other, ScriptedEngine()) as _:
        port.append(np.zeros(24_000 * 60, np.int16))
        port.say({"type": "input_audio_buffer.clear"})
        await port.first_read.wait()
        other.say({"type": "input_audio_buffer.clear"})
        await other.until("input_audio_buffer.cleared")
        assert "input_audio_buffer.cleared" not in port.names
        await port.until("input_audio_buffer.cleared")
        port.hang_up()
        other.hang_up()


async def test_a_client_that_goes_stops_a_long_append() -> None:
    port = MemoryPort()
    async with running(port, ScriptedEngine()) as (_, task, memory):
        port.append(np.full(24_000 * 60, 1, np.int16))
        await port.first_read.wait()
        port.break_off()
    assert task.result() == CLIENT_GONE
    assert len(memory.inputs) < 30


async def test_a_writer_that_does_not_finish_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebridge.runtime.call.CLOSING_S", 0.01)
    port = MemoryPort()
    port.stalled.clear()
    async with running(port, ScriptedEngine()) as (_, task, _):
        port.hang_up()
    assert task.result() == CLIENT_GONE


async def test_a_new_input_format_holds_from_the_next_append_on() -> None:
    port = MemoryPort()
    async with running(port, ScriptedEngine()) as _:
        audio = {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": None}}
        port.say({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
        port.append(np.full(400, LOUD, np.int16))  # 800 bytes: 100 ms of G.711
        port.say({"type": "input_audio_buffer.commit"})
        await port.until("input_audio_buffer.committed")
        port.hang_up()


async def test_pauses_of_a_script_take_their_time_and_nothing_else() -> None:
    port, held = MemoryPort(), Held()
    async with running(port, ScriptedEngine([[Pause(1.0), *HELLO]], sleep=held.wait)) as _:
        port.say({"type": "response.create"})
        await held.reached.wait()
        port.say({"type": "input_audio_buffer.clear"})
        await port.until("input_audio_buffer.cleared")
        held.go.set()
        await port.until("response.done")
        port.hang_up()
