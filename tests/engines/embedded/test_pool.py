from __future__ import annotations

import asyncio
import gc
import os
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voicebridge.engines.embedded.brain.types import BrainAsk, Call, Say
from voicebridge.engines.embedded.frames import WorkerSettings
from voicebridge.engines.embedded.pool import SpeechWorkers, WorkerHealth, WorkerState
from voicebridge.errors import EngineError, EngineUnavailable

OBEDIENT = (sys.executable, str(Path(__file__).with_name("obedient_worker.py")))
SAMPLES = np.zeros(500, np.int16)


@asynccontextmanager
async def pool(*arguments: str, ready: bool = True, **options: Any) -> AsyncIterator[SpeechWorkers]:
    options = {"back_off_s": (0.01,), **options}
    async with SpeechWorkers(WorkerSettings(), command=(*OBEDIENT, *arguments), **options) as workers:
        if ready:
            await workers.wait_ready()
        yield workers


async def speak(workers: SpeechWorkers, text: str) -> list[tuple[str, int]]:
    return [(spoken.text, len(spoken.samples)) async for spoken in workers.synthesise(text, "alloy")]


async def log(workers: SpeechWorkers) -> list[str]:
    """What the worker has done so far."""
    ask = BrainAsk(context=(), instructions="", tools=(), tool_choice="auto", now="", model="")
    said, _ = await workers.reply(ask)
    assert isinstance(said, Say)
    return said.text.strip().split(",")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (the condition belongs to another process)
            await asyncio.sleep(0.005)


async def test_each_kind_of_request_comes_back_answered() -> None:
    async with pool() as workers:
        assert (await workers.recognise(SAMPLES, language="en")).text == "500 samples of en"
        assert await workers.end_of_turn(SAMPLES) == 0.5
        assert await speak(workers, "One. Two three.") == [("One.", 4), (" Two three.", 10)]
        ask = BrainAsk(context=(), instructions="", tools=(), tool_choice="auto", now="noon", model="")
        said, called = await workers.reply(ask)
        assert isinstance(said, Say)
        assert said.text.startswith("noon ")
        assert called == Call("f", "{}")


async def test_loading_is_reported_stage_by_stage() -> None:
    seen: list[tuple[WorkerState, str, int]] = []

    def note(workers: Sequence[WorkerHealth]) -> None:
        seen.append((workers[0].state, workers[0].stage, workers[0].percent))

    async with pool(on_change=note) as workers:
        assert workers.workers[0].engines == {"stt": "tiny"}
    assert seen == [
        (WorkerState.LOADING, "starting", 0),
        (WorkerState.LOADING, "pretending", 50),
        (WorkerState.READY, "", 100),
        (WorkerState.STOPPED, "", 0),
    ]


async def test_a_request_made_while_models_load_waits_for_them() -> None:
    async with pool(ready=False) as workers:
        assert not workers.ready
        assert (await workers.recognise(SAMPLES)).text == "500 samples of None"


async def test_patience_with_loading_ends() -> None:
    async with pool(ready=False, patience_s=0.0) as workers:
        with pytest.raises(EngineUnavailable, match=r"loading|restarted"):
            await workers.end_of_turn(SAMPLES)


async def test_a_failed_request_names_its_reason_and_the_worker_goes_on() -> None:
    async with pool() as workers:
        with pytest.raises(EngineError, match="as asked") as refused:
            await speak(workers, "fail")
        assert refused.value.code == "refused"
        with pytest.raises(EngineError, match="ZeroDivisionError") as bug:
            await speak(workers, "bug")
        assert bug.value.code == "engine_failed"
        assert await speak(workers, "on") == [("on", 2)]
        assert workers.workers[0].restarts == 0


async def test_a_crash_fails_the_request_in_it_and_nothing_else() -> None:
    async with pool() as workers, asyncio.TaskGroup() as tasks:
        crashing = tasks.create_task(failure(workers, "die"))
        behind = tasks.create_task(workers.recognise(SAMPLES))
        assert (await crashing).code == "engine_crashed"
        assert (await behind).text == "500 samples of None"
        assert workers.workers[0].restarts == 1
        assert workers.workers[0].state is WorkerState.READY


async def failure(workers: SpeechWorkers, text: str) -> EngineError:
    with pytest.raises(EngineError) as raised:
        await speak(workers, text)
    return raised.value


async def test_a_worker_that_dies_in_idleness_is_started_again(tmp_path: Path) -> None:
    async with pool() as workers:
        await speak(workers, "before")
        assert await log(workers) == ["before"]
        os.kill(child_of_this_process(), 9)
        await until(lambda: workers.workers[0].restarts == 1 and workers.ready)
        assert await log(workers) == [""]


def child_of_this_process() -> int:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return int(children[-1])


async def test_a_request_that_takes_too_long_costs_the_worker_its_life() -> None:
    async with pool(request_timeout_s=0.2) as workers:
        assert (await failure(workers, "hang")).code == "engine_crashed"
        assert await speak(workers, "on") == [("on", 2)]


async def test_missing_models_fail_every_request_with_what_to_do() -> None:
    async with pool("--missing", ready=False) as workers:
        with pytest.raises(EngineError, match="install the models again"):
            await workers.wait_ready()
        with pytest.raises(EngineError, match="install the models again"):
            await workers.recognise(SAMPLES)
        assert workers.workers[0].state is WorkerState.FAILED
        assert workers.workers[0].restarts == 0


async def test_a_worker_that_keeps_dying_leaves_requests_unavailable() -> None:
    async with pool("--dying", ready=False, patience_s=0.5) as workers:
        with pytest.raises(EngineUnavailable):
            await workers.recognise(SAMPLES)
        await until(lambda: workers.workers[0].restarts > 1)


async def test_what_a_listener_waits_for_goes_before_what_he_hears_later(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with pool() as workers, asyncio.TaskGroup() as tasks:
        tasks.create_task(speak(workers, f"wait for {gate}"))
        await until(gate.with_suffix(".waiting").exists)
        tasks.create_task(workers.recognise(SAMPLES))
        await until(lambda: workers.queued == 1)
        tasks.create_task(workers.end_of_turn(SAMPLES))
        await until(lambda: workers.queued == 2)
        gate.touch()
        await until(lambda: workers.queued == 0)
        assert (await log(workers))[1:] == ["end of turn", "recognise"]


async def test_only_one_sentence_is_made_ahead_of_the_listener() -> None:
    async with pool() as workers:
        spoken = workers.synthesise("One. Two. Three. Four.", "alloy")
        assert (await anext(spoken)).text == "One."
        await workers.end_of_turn(SAMPLES)
        await workers.recognise(SAMPLES)
        assert "Three." not in await log(workers)
        await spoken.aclose()


async def test_whoever_stops_waiting_leaves_the_queue(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with pool() as workers, asyncio.TaskGroup() as tasks:
        blocking = tasks.create_task(speak(workers, f"wait for {gate}"))
        await until(gate.with_suffix(".waiting").exists)
        impatient = tasks.create_task(speak(workers, "never"))
        await until(lambda: workers.queued == 1)
        impatient.cancel()
        await until(lambda: workers.queued == 0)
        gate.touch()
        await blocking
        assert await log(workers) == [f"wait for {gate}"]


async def test_the_audio_of_those_who_stopped_waiting_is_not_kept(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    kept: list[weakref.ref[np.ndarray[Any, Any]]] = []
    async with pool(queue_limit=2) as workers, asyncio.TaskGroup() as tasks:
        blocking = tasks.create_task(speak(workers, f"wait for {gate}"))
        await until(gate.with_suffix(".waiting").exists)
        for _ in range(10):
            samples = np.zeros(100, np.int16)
            kept.append(weakref.ref(samples))
            impatient = tasks.create_task(workers.recognise(samples))
            await until(lambda: workers.queued == 1)
            impatient.cancel()
            await until(lambda: workers.queued == 0)
        del samples, impatient
        gc.collect()
        assert sum(samples() is not None for samples in kept) <= 2
        gate.touch()
        await blocking


async def test_a_full_queue_refuses(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with pool(queue_limit=1) as workers, asyncio.TaskGroup() as tasks:
        tasks.create_task(speak(workers, f"wait for {gate}"))
        await until(gate.with_suffix(".waiting").exists)
        tasks.create_task(workers.recognise(SAMPLES))
        await until(lambda: workers.queued == 1)
        with pytest.raises(EngineUnavailable, match="busy"):
            await workers.recognise(SAMPLES)
        gate.touch()


async def test_leaving_ends_the_processes_and_what_waits() -> None:
    before = asyncio.all_tasks()
    async with asyncio.TaskGroup() as tasks:
        async with pool() as workers:
            pid = child_of_this_process()
            waiting = tasks.create_task(failure(workers, "hang"))
            queued = tasks.create_task(failure(workers, "never"))
            await until(lambda: workers.queued == 1)
        assert (await queued).code == "engine_unavailable"
        assert isinstance(await waiting, EngineError)
        assert not is_alive(pid)
        with pytest.raises(EngineUnavailable):
            await workers.recognise(SAMPLES)
    assert asyncio.all_tasks() == before


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_two_workers_work_at_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with pool(workers=2) as workers, asyncio.TaskGroup() as tasks:
        await until(lambda: all(health.state is WorkerState.READY for health in workers.workers))
        blocked = tasks.create_task(speak(workers, f"wait for {gate}"))
        assert (await workers.recognise(SAMPLES)).text == "500 samples of None"
        assert not blocked.done()
        gate.touch()


async def test_a_worker_ends_with_its_parent() -> None:
    process = await asyncio.create_subprocess_exec(
        *OBEDIENT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 20) == 0
