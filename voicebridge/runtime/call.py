"""The driver of one call: one inbox, one TaskGroup, one timer. The only place that starts tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from voicebridge.audio.listener import Listener
from voicebridge.core.encodings import audio_encoding
from voicebridge.core.engine_io import Ask, EngineFailed, TranscriptFailed, Utterance
from voicebridge.core.io import (
    AudioAppended,
    CancelResponse,
    EndCall,
    ForgetSpeech,
    FromEngine,
    FromTranscriber,
    Input,
    JudgeTurn,
    Listen,
    Output,
    StartResponse,
    Tick,
    Transcribe,
    TurnJudged,
)
from voicebridge.errors import EngineError, UpstreamError, VoicebridgeError
from voicebridge.runtime.ports import Engine, Observer, Port, SessionCore

_log = logging.getLogger(__name__)

HEARD_AT_ONCE = 9_600
"""Bytes of an append that are heard in one go (200 ms at 24 kHz): a long file must not hold up the other calls."""

CLOSING_S = 5.0
"""How long a client may take to receive what is still queued for it when its call ends."""

CLIENT_GONE = EndCall(1000, "client gone")
DRAINED = EndCall(1001, "server_error.shutting_down")


@dataclass(frozen=True, slots=True)
class _Gone:
    """A port has ended."""

    end: EndCall


@dataclass(frozen=True, slots=True)
class _Drain:
    """The server is going down: end as soon as no answer is being made."""


_Mail: TypeAlias = Input | _Gone | _Drain


class Call:
    """Runs a session between a client's port and an engine until either side ends it."""

    def __init__(
        self,
        session: SessionCore,
        client: Port,
        engine: Engine,
        listener: Listener,
        observer: Observer,
        *,
        inbox_size: int = 1024,
        pcm_channels: int = 1,
    ) -> None:
        self._session = session
        self._client = client
        self._engine = engine
        self._listener = listener
        self._observer = observer
        self._pcm_channels = pcm_channels
        self._inbox: asyncio.Queue[_Mail] = asyncio.Queue(inbox_size)
        self._responses: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._draining = False
        self._now = asyncio.get_running_loop().time

    async def run(self) -> EndCall:
        """Until the end; returns why. All tasks are done by then."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            writer = tasks.create_task(self._write())
            others = [tasks.create_task(self._read())]
            try:
                end = await self._serve()
                self._client.close(end)
                await asyncio.wait([writer], timeout=CLOSING_S)
            finally:
                for task in (writer, *others, *self._running):
                    task.cancel()
        self._observer.ended(end, self._now())
        return end

    def drain(self) -> None:
        """End the call when the answer under way, if any, is made."""
        self._draining = True
        if not self._inbox.full():
            self._inbox.put_nowait(_Drain())

    # --- the loop ---

    async def _serve(self) -> EndCall:
        end = self._perform(None, self._session.start())
        while end is None:
            if self._draining and not self._session.busy:
                return DRAINED
            mail = await self._next()
            match mail:
                case _Gone(why):
                    return why
                case _Drain():
                    continue
                case AudioAppended(data):
                    end = await self._hear(data)
                case _:
                    end = self._feed(mail)
        return end

    async def _next(self) -> _Mail:
        """What comes first: mail, or the deadline."""
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        deadline = self._session.deadline
        try:
            async with asyncio.timeout_at(deadline.at if deadline else None):
                return await self._inbox.get()
        except TimeoutError:
            return Tick()

    async def _hear(self, data: bytes) -> EndCall | None:
        for at in range(0, len(data), HEARD_AT_ONCE):
            end = self._feed(self._listener.append(data[at : at + HEARD_AT_ONCE]))
            if end is not None:
                return end
            if len(data) > HEARD_AT_ONCE:
                await asyncio.sleep(0)
        return None

    def _feed(self, given: Input) -> EndCall | None:
        return self._perform(given, self._session.feed(given, self._now()))

    def _perform(self, given: Input | None, outputs: list[Output]) -> EndCall | None:
        self._observer.fed(given, outputs, self._now())
        end: EndCall | None = None
        for output in outputs:
            match output:
                case StartResponse(ask):
                    self._responses[ask.response_id] = self._start(self._respond(ask))
                case CancelResponse(response_id):
                    task = self._responses.pop(response_id, None)
                    if task is not None:
                        task.cancel()
                case Transcribe(utterance):
                    self._start(self._transcribe(utterance))
                case JudgeTurn():
                    self._start(self._judge(output))
                case Listen(audio_format, detect):
                    self._listener.configure(audio_encoding(audio_format, self._pcm_channels), detect=detect)
                case ForgetSpeech():
                    self._listener.reset()
                case EndCall():
                    end = output
                case _:
                    self._client.send(output)
        return end

    # --- tasks ---

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _read(self) -> None:
        async for given in self._client.inputs():
            await self._inbox.put(given)
        await self._inbox.put(_Gone(CLIENT_GONE))

    async def _write(self) -> None:
        why = await self._client.write()
        await self._inbox.put(_Gone(why or CLIENT_GONE))

    async def _respond(self, ask: Ask) -> None:
        try:
            async with aclosing(self._engine.respond(ask)) as outputs:
                async for output in outputs:
                    await self._inbox.put(FromEngine(ask.response_id, output))
        except (EngineError, UpstreamError) as error:
            failed = EngineFailed(_code(error), error.message)
        except Exception:  # noqa: BLE001 - a bug in an engine costs this answer, not the call
            _log.exception("the engine failed in an unforeseen way", extra={"response_id": ask.response_id})
            failed = EngineFailed("internal_error", "The engine failed; the server's log says more.")
        else:
            # a session that has seen the end ignores this; one that has not must not wait for ever
            failed = EngineFailed("engine_protocol_error", "The engine stopped in the middle of its answer.")
        self._responses.pop(ask.response_id, None)
        await self._inbox.put(FromEngine(ask.response_id, failed))

    async def _transcribe(self, utterance: Utterance) -> None:
        try:
            async with aclosing(self._engine.transcribe(utterance)) as outputs:
                async for output in outputs:
                    await self._inbox.put(FromTranscriber(utterance.item_id, output))
        except (EngineError, UpstreamError) as error:
            failed = TranscriptFailed(_code(error), error.message)
        except Exception:  # noqa: BLE001 - a bug in an engine costs this transcript, not the call
            _log.exception("the recogniser failed in an unforeseen way", extra={"item_id": utterance.item_id})
            failed = TranscriptFailed("internal_error", "The recogniser failed; the server's log says more.")
        else:
            failed = TranscriptFailed("engine_protocol_error", "The recogniser stopped before it was done.")
        await self._inbox.put(FromTranscriber(utterance.item_id, failed))

    async def _judge(self, question: JudgeTurn) -> None:
        try:
            probability = await self._engine.end_of_turn(question.samples)
        except (EngineError, UpstreamError) as error:
            _log.warning("no end-of-turn judgement: %s", error.message)
            return  # silence decides then
        await self._inbox.put(TurnJudged(question.ticket, probability))


def _code(error: VoicebridgeError) -> str:
    return error.code or "engine_error"
