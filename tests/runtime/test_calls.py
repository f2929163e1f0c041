from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from runtime.doubles import Memory, MemoryPort, new_call
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


# --- calls that are handed over -----------------------------------------------------------------------------------


async def hand_over(
    calls: Calls, port: MemoryPort, call_id: str, engine: ScriptedEngine | None = None
) -> asyncio.Event:
    """Start a call as a request would that is answered before the call ends. Set once its place is given back."""
    done = asyncio.Event()
    async with AsyncExitStack() as stack:
        stack.callback(done.set)
        stack.enter_context(calls.place())
        calls.start(new_call(port, engine or ScriptedEngine())[0], call_id, stack.pop_all().aclose)
    return done


async def test_a_call_that_is_handed_over_is_found_until_it_ends() -> None:
    before = asyncio.all_tasks()
    calls, port = Calls(1), MemoryPort()
    async with calls.running():
        done = await hand_over(calls, port, "rtc_1")
        await port.until("session.created")
        call = calls.find("rtc_1")
        assert call is not None
        assert calls.find("rtc_2") is None
        assert len(calls) == 1
        call.end(DRAINED)
        assert calls.find("rtc_1") is None, "one that is ending cannot be joined"
        await done.wait()
        assert len(calls) == 0
        assert not calls.draining
    assert asyncio.all_tasks() == before


async def test_leaving_ends_the_calls_that_were_handed_over(caplog: pytest.LogCaptureFixture) -> None:
    before = asyncio.all_tasks()
    calls, ports = Calls(2), [MemoryPort(), MemoryPort()]
    async with calls.running():
        dones = [await hand_over(calls, port, f"rtc_{index}") for index, port in enumerate(ports)]
    assert [port.closed for port in ports] == [DRAINED, DRAINED]
    assert all(done.is_set() for done in dones)
    assert asyncio.all_tasks() == before


async def test_a_drain_waits_for_the_answer_of_a_call_that_was_handed_over() -> None:
    calls, port, held = Calls(1), MemoryPort(), Held()
    async with calls.running(), asyncio.TaskGroup() as tasks:
        await hand_over(calls, port, "rtc_1", HoldingEngine(held))
        port.say({"type": "response.create"})
        await held.reached.wait()
        drain = tasks.create_task(calls.drain(60))
        await asyncio.sleep(0)
        assert port.closed is None
        held.go.set()
        await drain
    assert port.closed == DRAINED
    assert port.events[-1]["response"]["status"] == "completed"


async def test_a_call_that_breaks_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Memory):
        def ended(self, end: EndCall, now: float) -> None:
            raise ValueError("a bug")

    calls, port, other = Calls(2), MemoryPort(), MemoryPort()
    async with calls.running():
        call, _ = new_call(port, ScriptedEngine())
        call._observer = Broken()
        gone = asyncio.Event()

        async def done() -> None:
            gone.set()

        calls.start(call, "rtc_1", done)
        await hand_over(calls, other, "rtc_2")
        await other.until("session.created")
        port.hang_up()
        await gone.wait()
        assert other.closed is None
        assert calls.find("rtc_2") is not None
    assert len(caplog.records) >= 1
