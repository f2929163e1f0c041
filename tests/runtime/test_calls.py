from __future__ import annotations

import asyncio

import pytest

from runtime.doubles import MemoryPort, new_call
from runtime.test_call import Held, HoldingEngine
from voicebridge.core.io import EndCall
from voicebridge.engines.scripted import ScriptedEngine
from voicebridge.errors import CapacityReached
from voicebridge.runtime.call import CLIENT_GONE, DRAINED, Call
from voicebridge.runtime.calls import Calls


async def run(calls: Calls, call: Call) -> EndCall:
    with calls.place():
        return await calls.run(call)


async def test_admits_so_many_and_again_when_one_has_ended() -> None:
    calls, port = Calls(1), MemoryPort()
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(run(calls, new_call(port, ScriptedEngine())[0]))
        await port.until("session.created")
        assert len(calls) == 1
        with pytest.raises(CapacityReached) as refusal, calls.place():
            pass
        assert refusal.value.code == "session_limit_reached"
        port.hang_up()
    assert call.result() == CLIENT_GONE
    assert len(calls) == 0
    with calls.place():
        pass


def test_who_is_still_shaking_hands_holds_a_place() -> None:
    calls = Calls(1)
    with calls.place(), pytest.raises(CapacityReached), calls.place():
        pass


async def test_a_drain_with_no_calls_is_over_at_once_and_admits_none_after() -> None:
    calls = Calls(1)
    await calls.drain(0)
    assert calls.draining
    with pytest.raises(CapacityReached) as refusal, calls.place():
        pass
    assert refusal.value.code == "server_shutting_down"


async def test_a_drain_waits_for_answers_under_way() -> None:
    calls, idle, busy, held = Calls(2), MemoryPort(), MemoryPort(), Held()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(calls, new_call(idle, ScriptedEngine())[0]))
        tasks.create_task(run(calls, new_call(busy, HoldingEngine(held))[0]))
        busy.say({"type": "response.create"})
        await held.reached.wait()
        drain = tasks.create_task(calls.drain(60))
        await idle.closing.wait()
        assert busy.closed is None
        held.go.set()
        await drain
    assert idle.closed == busy.closed == DRAINED
    assert busy.events[-1]["response"]["status"] == "completed"
    assert len(calls) == 0


async def test_a_drain_cuts_off_whoever_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    calls, port, held = Calls(1), MemoryPort(), Held()
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(run(calls, new_call(port, HoldingEngine(held))[0]))
        port.say({"type": "response.create"})
        await held.reached.wait()
        await calls.drain(0)
        assert len(calls) == 0
    assert call.result() == DRAINED == port.closed
    assert held.cleaned_up.is_set()
    assert len(caplog.records) == 1


async def test_a_call_that_was_admitted_before_the_drain_and_begins_after_it_ends_as_well() -> None:
    calls, port = Calls(1), MemoryPort()
    async with asyncio.TaskGroup() as tasks:
        with calls.place():
            drain = tasks.create_task(calls.drain(0))
            await asyncio.sleep(0)
            assert calls.draining
            assert await calls.run(new_call(port, ScriptedEngine())[0]) == DRAINED
        await drain
