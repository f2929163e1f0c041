"""Which engine answers calls, as configured: started with the server, one object for each call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from voicebridge.config import EngineSettings
from voicebridge.engines.embedded.engine import EmbeddedEngine
from voicebridge.engines.embedded.frames import WorkerSettings
from voicebridge.engines.embedded.pool import SpeechWorkers, WorkerHealth, WorkerState
from voicebridge.engines.scripted import ScriptedEngine
from voicebridge.runtime.ports import Engine
from voicebridge.server.ops import Readiness
from voicebridge.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Engines:
    """`new` makes the engine of one call; `readiness` tells whether it could answer now."""

    new: Callable[[], Engine]
    readiness: Callable[[], Readiness]


@asynccontextmanager
async def running_engines(
    settings: EngineSettings, metrics: Metrics, local_time: Callable[[], str]
) -> AsyncIterator[Engines]:
    """Models load in the background; leaving stops the workers."""
    if settings.kind == "scripted":
        yield Engines(ScriptedEngine, lambda: Readiness("ready"))
        return
    workers = SpeechWorkers(
        WorkerSettings(stt=settings.stt, tts=settings.tts, cache=Path(settings.cache_dir)),
        workers=settings.workers,
        on_change=lambda healths: _count(metrics, healths),
    )
    async with workers:
        yield Engines(lambda: EmbeddedEngine(workers, now=local_time), lambda: _readiness(workers.workers))


def _count(metrics: Metrics, healths: Sequence[WorkerHealth]) -> None:
    for index, health in enumerate(healths):
        metrics.worker(f"speech-{index}", health.state.value)


def _readiness(healths: Sequence[WorkerHealth]) -> Readiness:
    parts = {f"speech-{index}": health.state.value for index, health in enumerate(healths)}
    best = max(healths, key=lambda health: (health.state is WorkerState.READY, health.percent))
    parts |= best.engines
    if best.state is WorkerState.READY:
        return Readiness("ready", parts=parts)
    if all(health.state is WorkerState.FAILED for health in healths):
        return Readiness("failed", healths[0].problem, parts=parts)
    return Readiness("loading", best.stage, best.percent / 100, parts=parts)
