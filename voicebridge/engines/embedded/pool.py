"""The worker processes of the embedded engines, and the queue before them.

The queue is bounded and ordered by urgency; whoever stops waiting leaves it. A worker does one thing at a time, so a
crash fails one request, and the worker is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from types import TracebackType
from typing import Any, Final, Self

from voicebridge.audio.samples import Samples
from voicebridge.engines.embedded import frames
from voicebridge.engines.embedded.brain.types import BrainAsk, BrainStep
from voicebridge.engines.embedded.speakable import Spoken, sentences
from voicebridge.engines.embedded.stt import Recognition
from voicebridge.errors import EngineError, EngineUnavailable

_log = logging.getLogger("voicebridge.worker")

WORKER_COMMAND: Final = (sys.executable, "-m", "voicebridge.engines.embedded.worker")
_BACK_OFF_S = (0.2, 1.0, 3.0, 10.0, 30.0)
_STEADY_S = 60.0
_FAREWELL_S = 1.0


class Urgency(IntEnum):
    """Lower goes first: what a listener is waiting for in silence before what he will hear later."""

    NOW = 0
    SOON = 1
    LATER = 2


class WorkerState(Enum):
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(slots=True)
class WorkerHealth:
    """One worker: `stage` and `percent` of loading, `problem` why it has failed, `engines` what it has loaded."""

    state: WorkerState = WorkerState.STARTING
    stage: str = ""
    percent: int = 0
    restarts: int = 0
    problem: str = ""
    engines: dict[str, str] = field(default_factory=dict)


class _WorkerDiedError(Exception):
    pass


class _LoadFailedError(Exception):
    pass


class _JobQueue:
    """Requests waiting for a worker, the most urgent first, in order of arrival among equals."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[Urgency, int, frames.Request, asyncio.Future[Any]]] = []
        self._arrivals = itertools.count()
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return sum(not future.done() for *_, future in self._heap)

    async def submit(self, request: frames.Request, urgency: Urgency) -> asyncio.Future[Any]:
        if len(self._heap) >= self._limit:  # of those, some may have stopped waiting; their audio goes now
            self._heap = [job for job in self._heap if not job[-1].done()]
            heapq.heapify(self._heap)
        if len(self._heap) >= self._limit:
            raise EngineUnavailable("The speech engines are busy; try again later.", code="engine_busy")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        async with self._changed:
            heapq.heappush(self._heap, (urgency, next(self._arrivals), request, future))
            self._changed.notify()
        return future

    async def take(self) -> tuple[frames.Request, asyncio.Future[Any]]:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._heap)
                *_, request, future = heapq.heappop(self._heap)
            if not future.done():
                return request, future

    def fail_all(self, error: EngineError) -> None:
        for *_, future in self._heap:
            if not future.done():
                future.set_exception(error)
        self._heap.clear()


class SpeechWorkers:
    """Worker processes behind async methods; an async context manager, entered and left in one task.

    Entering returns at once: models load in the background, each change calls `on_change` with the workers' health.
    Requests made while no worker is ready wait up to `patience_s`. Every method raises `EngineUnavailable` when the
    queue is full or nothing is ready in time, and `EngineError` when the request fails: with code "engine_crashed"
    where its worker died or took longer than `request_timeout_s`.
    """

    def __init__(
        self,
        settings: frames.WorkerSettings,
        *,
        workers: int = 1,
        queue_limit: int = 64,
        patience_s: float = 10.0,
        request_timeout_s: float = 120.0,
        on_change: Callable[[Sequence[WorkerHealth]], None] = lambda _: None,
        command: Sequence[str] = WORKER_COMMAND,
        back_off_s: Sequence[float] = _BACK_OFF_S,
    ) -> None:
        self._settings = settings
        self._patience_s = patience_s
        self._request_timeout_s = request_timeout_s
        self._on_change = on_change
        self._command = tuple(command)
        self._back_off_s = tuple(back_off_s)
        self._jobs = _JobQueue(queue_limit)
        self._tasks = asyncio.TaskGroup()
        self._supervisors: list[asyncio.Task[None]] = []
        self._settled = asyncio.Event()  # some worker is ready, or all have failed for good
        self.workers: tuple[WorkerHealth, ...] = tuple(WorkerHealth() for _ in range(workers))

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._supervisors = [self._tasks.create_task(self._supervise(health)) for health in self.workers]
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for supervisor in self._supervisors:
            supervisor.cancel()
        self._jobs.fail_all(_stopping())
        await self._tasks.__aexit__(None, None, None)  # what the body raised goes on as it is

    # --- what is known of it ---------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether some worker can take a request now or after the ones before it."""
        return any(health.state is WorkerState.READY for health in self.workers)

    @property
    def queued(self) -> int:
        """Requests that wait for a worker."""
        return len(self._jobs)

    async def wait_ready(self) -> None:
        """Until some worker is ready. Raises `EngineError` when all have failed for good; waits without limit."""
        while not self.ready:
            self._raise_if_failed()
            self._settled.clear()
            await self._settled.wait()

    # --- requests --------------------------------------------------------------------------------------------------

    async def recognise(
        self, samples: Samples, *, language: str | None = None, prompt: str | None = None
    ) -> Recognition:
        """What is said in 24 kHz `samples`; empty where nothing intelligible is."""
        recognition: Recognition = await self._request(frames.Recognise(samples, language, prompt), Urgency.SOON)
        return recognition

    async def synthesise(self, text: str, voice: str, speed: float = 1.0) -> AsyncGenerator[Spoken, None]:
        """Sentence after sentence, the texts joined being `text`. One more sentence is made ahead, no further."""
        pieces = sentences(text)
        ahead: asyncio.Future[Any] | None = None
        try:
            for index, piece in enumerate(pieces):
                current = ahead or await self._submit(frames.Speak(piece, voice, speed), Urgency.NOW)
                ahead = None
                samples = await current
                if index + 1 < len(pieces):
                    ahead = await self._submit(frames.Speak(pieces[index + 1], voice, speed), Urgency.LATER)
                yield Spoken(piece, samples)
        finally:
            if ahead is not None and not ahead.cancel():
                ahead.exception()  # seen, if not wanted any more

    async def end_of_turn(self, samples: Samples) -> float:
        """The probability that the speaker has finished, by the last 8 s of 24 kHz `samples`."""
        probability: float = await self._request(frames.JudgeEndOfTurn(samples), Urgency.NOW)
        return probability

    async def reply(self, ask: BrainAsk) -> tuple[BrainStep, ...]:
        """What the dialogue brain answers."""
        steps: tuple[BrainStep, ...] = await self._request(frames.Reply(ask), Urgency.NOW)
        return steps

    async def _request(self, request: frames.Request, urgency: Urgency) -> Any:
        return await (await self._submit(request, urgency))

    async def _submit(self, request: frames.Request, urgency: Urgency) -> asyncio.Future[Any]:
        if not self.ready:
            try:
                async with asyncio.timeout(self._patience_s):
                    await self.wait_ready()
            except TimeoutError:
                raise EngineUnavailable(self._explanation(), code="engine_unavailable") from None
        return await self._jobs.submit(request, urgency)

    def _explanation(self) -> str:
        health = max(self.workers, key=lambda health: health.percent)
        if health.problem:
            return health.problem
        if health.state is WorkerState.LOADING:
            return f"The speech engines are still loading ({health.stage}, {health.percent} %); try again in a moment."
        return "The speech engines are being restarted; try again in a moment."

    def _raise_if_failed(self) -> None:
        states = {health.state for health in self.workers}
        if states == {WorkerState.FAILED}:
            raise EngineError(self.workers[0].problem, code="engine_unavailable")
        if states <= {WorkerState.FAILED, WorkerState.STOPPED}:
            raise _stopping()

    # --- workers ---------------------------------------------------------------------------------------------------

    def _change(self, health: WorkerHealth, state: WorkerState, stage: str = "", percent: int = 0) -> None:
        health.state, health.stage, health.percent = state, stage, percent
        if state in {WorkerState.READY, WorkerState.FAILED, WorkerState.STOPPED}:
            self._settled.set()
        self._on_change(self.workers)

    async def _supervise(self, health: WorkerHealth) -> None:
        """Keep one worker running. It stays down only if its models cannot be loaded."""
        loop = asyncio.get_running_loop()
        failures = 0
        try:
            while True:
                started = loop.time()
                try:
                    await self._run(health)
                except* _LoadFailedError as group:
                    health.problem = str(group.exceptions[0])
                except* (_WorkerDiedError, OSError) as group:
                    _log.error("a speech worker died: %s", group.exceptions[0])
                if health.problem:
                    self._change(health, WorkerState.FAILED)
                    self._give_up_on_queue()
                    return
                failures = 1 if loop.time() - started > _STEADY_S else failures + 1
                health.restarts += 1
                self._change(health, WorkerState.RESTARTING)
                if failures > 1:
                    self._give_up_on_queue()
                await asyncio.sleep(self._back_off_s[min(failures, len(self._back_off_s)) - 1])
        finally:
            if health.state is not WorkerState.FAILED:
                self._change(health, WorkerState.STOPPED)

    def _give_up_on_queue(self) -> None:
        """Fail what waits, unless another worker can still take it."""
        if not self.ready:
            self._jobs.fail_all(EngineUnavailable(self._explanation(), code="engine_unavailable"))

    async def _run(self, health: WorkerHealth) -> None:
        """One life of a worker process, from its start until it dies or we are cancelled."""
        async with _process(self._command) as process, asyncio.TaskGroup() as tasks:
            tasks.create_task(_forward_log(process))
            tasks.create_task(_watch(process))
            await _send(process, self._settings)
            await self._load(health, process)
            while True:
                request, future = await self._jobs.take()
                await self._perform(process, request, future)

    async def _load(self, health: WorkerHealth, process: asyncio.subprocess.Process) -> None:
        self._change(health, WorkerState.LOADING, "starting")
        while True:
            match await _receive(process):
                case frames.Loading(stage, percent):
                    self._change(health, WorkerState.LOADING, stage, percent)
                case frames.LoadFailed(_, message):
                    raise _LoadFailedError(message)
                case frames.Ready(engines):
                    health.engines = engines
                    self._change(health, WorkerState.READY, percent=100)
                    return

    async def _perform(
        self, process: asyncio.subprocess.Process, request: frames.Request, future: asyncio.Future[Any]
    ) -> None:
        try:
            async with asyncio.timeout(self._request_timeout_s):
                await _send(process, request)
                answer = await _receive(process)
        except TimeoutError:
            _settle(future, EngineError("The speech engine took too long.", code="engine_crashed"))
            raise _WorkerDiedError(f"no answer to {type(request).__name__} in {self._request_timeout_s:g} s") from None
        except BaseException:
            _settle(future, EngineError("The speech engine crashed; it is being restarted.", code="engine_crashed"))
            raise
        match answer:
            case frames.Failed(code, message):
                _settle(future, EngineError(message, code=code))
            case frames.Done(value):
                if not future.done():
                    future.set_result(value)
            case unexpected:
                _settle(future, EngineError("The speech engine gave no answer.", code="engine_crashed"))
                raise _WorkerDiedError(f"it sent {unexpected!r}")


def _stopping() -> EngineUnavailable:
    return EngineUnavailable("The speech engines are stopped.", code="engine_unavailable")


def _settle(future: asyncio.Future[Any], error: EngineError) -> None:
    if not future.done():
        future.set_exception(error)


@contextlib.asynccontextmanager
async def _process(command: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker, reaped at the end: first asked by closing its stdin, then killed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        assert process.stdin is not None  # noqa: S101 (it was asked for above)
        process.stdin.close()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_S):
                    await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _watch(process: asyncio.subprocess.Process) -> None:
    code = await process.wait()
    raise _WorkerDiedError(f"exit status {code}")


async def _forward_log(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None  # noqa: S101
    async for line in process.stderr:
        _log.warning("%s", line.decode(errors="replace").rstrip())


async def _send(process: asyncio.subprocess.Process, value: object) -> None:
    assert process.stdin is not None  # noqa: S101
    try:
        process.stdin.write(frames.encode(value))
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        raise _WorkerDiedError("its stdin is closed") from None


async def _receive(process: asyncio.subprocess.Process) -> frames.Answer:
    assert process.stdout is not None  # noqa: S101
    try:
        (length,) = frames.HEADER.unpack(await process.stdout.readexactly(frames.HEADER.size))
        answer: frames.Answer = frames.decode(await process.stdout.readexactly(length))
    except asyncio.IncompleteReadError:
        raise _WorkerDiedError("its stdout is closed") from None
    return answer
