"""Several parties in one call: the client, and whoever joins it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from runtime.doubles import MemoryPort, new_call
from runtime.test_call import HELLO, Held, HoldingEngine, running
from voicebridge.core.io import Emit, EndCall, Input, Output
from voicebridge.engines.scripted import ScriptedEngine
from voicebridge.errors import CapacityReached
from voicebridge.protocol.server_events import InputAudioBufferCleared
from voicebridge.runtime.call import BROKEN, CLIENT_GONE, MAX_JOINED, Call

LONG_S = 60.0


async def join(call: Call, tasks: asyncio.TaskGroup) -> tuple[MemoryPort, asyncio.Task[None]]:
    port = MemoryPort()
    task = tasks.create_task(call.join(port))
    await port.until("session.created")
    return port, task


async def test_who_joins_is_told_of_the_session_and_then_hears_what_the_client_hears() -> None:
    port = MemoryPort()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine([HELLO, HELLO])) as (call, _, _):
        port.say({"type": "response.create"})
        await port.until("response.done")
        before = len(port.events)
        sideband, _ = await join(call, tasks)
        assert sideband.names == ["session.created"]
        assert len(port.events) == before, "only who joins is told"
        port.say({"type": "response.create"})
        await port.until("response.done", 2)
        assert sideband.events[1:] == port.events[before:]
        port.hang_up()
    assert sideband.closed == CLIENT_GONE


async def test_what_a_sideband_says_both_hear_the_effects_of() -> None:
    port = MemoryPort()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine([HELLO])) as (call, _, _):
        sideband, _ = await join(call, tasks)
        sideband.say({"type": "session.update", "session": {"type": "realtime", "instructions": "Be kind."}})
        sideband.say({"type": "response.create"})
        sideband.say({"type": "no.such", "event_id": "mine"})
        for one in (port, sideband):
            assert (await one.until("session.updated"))["session"]["instructions"] == "Be kind."
            assert (await one.until("error"))["error"]["event_id"] == "mine"
            await one.until("response.done")
        later, _ = await join(call, tasks)
        assert later.events[0]["session"]["instructions"] == "Be kind."
        port.hang_up()


async def test_many_may_join_and_go_and_the_call_goes_on() -> None:
    port = MemoryPort()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine()) as (call, _, _):
        parties = [await join(call, tasks) for _ in range(MAX_JOINED)]
        with pytest.raises(CapacityReached):
            await call.join(MemoryPort())
        for sideband, _ in parties[1:]:
            sideband.hang_up()
        await asyncio.gather(*(task for _, task in parties[1:]))
        parties[0][0].say({"type": "input_audio_buffer.clear"})
        await port.until("input_audio_buffer.cleared")
        await join(call, tasks)
        port.hang_up()
    assert all(sideband.closed == CLIENT_GONE for sideband, _ in parties)


@pytest.mark.parametrize("why", [None, EndCall(1013, "slow")])
async def test_a_sideband_that_is_gone_or_slow_ends_only_itself(why: EndCall | None) -> None:
    port = MemoryPort()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine()) as (call, task, _):
        sideband, joined = await join(call, tasks)
        sideband.break_off(why)
        await joined
        port.say({"type": "input_audio_buffer.clear"})
        await port.until("input_audio_buffer.cleared")
        assert "input_audio_buffer.cleared" not in sideband.names
        assert not task.done()
        port.hang_up()


async def test_a_sideband_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebridge.runtime.call.CLOSING_S", 0.01)
    port = MemoryPort()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine()) as (call, task, _):
        sideband, joined = await join(call, tasks)
        sideband.stalled.clear()
        sideband.hang_up()
        await joined
        assert not task.done()
        port.hang_up()


class BrokenReader(MemoryPort):
    async def inputs(self) -> AsyncIterator[Input]:
        raise ValueError("a bug")
        yield


class BrokenWriter(MemoryPort):
    async def write(self) -> EndCall | None:
        raise ValueError("a bug")


class BrokenSender(MemoryPort):
    def send(self, output: Output) -> None:
        match output:
            case Emit(InputAudioBufferCleared()):
                raise ValueError("a bug")
        super().send(output)


@pytest.mark.parametrize("broken", [BrokenReader, BrokenWriter, BrokenSender])
async def test_a_sideband_that_breaks_ends_only_itself(
    broken: type[MemoryPort], caplog: pytest.LogCaptureFixture
) -> None:
    port, sideband = MemoryPort(), broken()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine()) as (call, task, _):
        joined = tasks.create_task(call.join(sideband))
        await sideband.until("session.created")
        port.say({"type": "input_audio_buffer.clear"})
        await port.until("input_audio_buffer.cleared")
        await joined
        assert sideband.closed == BROKEN
        assert not task.done()
        port.hang_up()
    assert len(caplog.records) == 1


async def test_a_joiner_that_is_cancelled_leaves_at_once() -> None:
    port = MemoryPort()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine()) as (call, task, _):
        sideband, joined = await join(call, tasks)
        sideband.stalled.clear()
        joined.cancel()
        await asyncio.wait([joined])
        assert sideband.closed == CLIENT_GONE
        assert not task.done()
        port.hang_up()


# --- the client leaves --------------------------------------------------------------------------------------------


async def test_without_a_sideband_the_call_ends_with_its_client() -> None:
    port = MemoryPort()
    async with running(port, ScriptedEngine(), grace_s=LONG_S) as (_, task, _):
        port.hang_up()
    assert task.result() == CLIENT_GONE


@pytest.mark.parametrize("why", [None, EndCall(1001, "lost")])
async def test_a_sideband_keeps_the_call_for_the_grace(why: EndCall | None) -> None:
    port = MemoryPort()
    async with (
        asyncio.TaskGroup() as tasks,
        running(port, ScriptedEngine([HELLO]), grace_s=0.05) as (call, task, _),
    ):
        sideband, _ = await join(call, tasks)
        port.break_off(why)
        await port.closing.wait()
        sideband.say({"type": "response.create"})
        await sideband.until("response.done")
        assert "response.done" not in port.names
    assert task.result() == (why or CLIENT_GONE) == sideband.closed


async def test_the_call_ends_when_the_last_one_leaves_in_the_grace() -> None:
    port = MemoryPort()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine(), grace_s=LONG_S) as (call, task, _):
        first, _ = await join(call, tasks)
        port.hang_up()
        await port.closing.wait()
        second, _ = await join(call, tasks)
        first.hang_up()
        await first.closing.wait()
        second.say({"type": "input_audio_buffer.clear"})
        await second.until("input_audio_buffer.cleared")
        second.hang_up()
    assert task.result() == CLIENT_GONE


async def test_what_the_client_said_before_it_left_is_done() -> None:
    port = MemoryPort()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine([HELLO]), grace_s=LONG_S) as (call, _, _):
        sideband, _ = await join(call, tasks)
        port.say({"type": "response.create"})
        port.hang_up()
        await sideband.until("response.done")
        sideband.hang_up()


# --- the call ends ------------------------------------------------------------------------------------------------


async def test_ending_the_call_ends_it_for_all_and_nobody_joins_after() -> None:
    port, held, why = MemoryPort(), Held(), EndCall(1000, "hung up")
    async with asyncio.TaskGroup() as tasks, running(port, HoldingEngine(held)) as (call, _, _):
        sideband, _ = await join(call, tasks)
        port.say({"type": "response.create"})
        await held.reached.wait()
        assert not call.over
        call.end(why)
        assert call.over
        late = MemoryPort()
        await call.join(late)
        assert (late.closed, late.events) == (why, [])
    assert port.closed == sideband.closed == why
    too_late = MemoryPort()
    await call.join(too_late)
    assert too_late.closed == why


async def test_a_sideband_is_given_what_is_queued_when_the_call_ends() -> None:
    class Slow(MemoryPort):
        written = False

        async def write(self) -> EndCall | None:
            await super().write()
            for _ in range(10):
                await asyncio.sleep(0)
            self.written = True
            return None

    port, sideband = MemoryPort(), Slow()
    async with asyncio.TaskGroup() as tasks, running(port, ScriptedEngine()) as (call, _, _):
        tasks.create_task(call.join(sideband))
        await sideband.until("session.created")
        port.hang_up()
    assert sideband.written


async def test_cancelling_a_call_with_sidebands_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    port = MemoryPort()
    call, _ = new_call(port, ScriptedEngine())
    async with asyncio.TaskGroup() as tasks:
        task: asyncio.Task[Any] = tasks.create_task(call.run())
        await port.until("session.created")
        _, joined = await join(call, tasks)
        task.cancel()
        await asyncio.wait([joined])
    assert asyncio.all_tasks() == before
