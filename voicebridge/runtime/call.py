"""The driver of one call: one inbox, one TaskGroup, one timer. The only place that starts tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeAlias, TypeVar

from voicebridge.audio.listener import Listener
from voicebridge.core.encodings import audio_encoding
from voicebridge.core.engine_io import Ask, EngineFailed, TranscriptFailed, Utterance
from voicebridge.core.io import (
    AudioAppended,
    AudioReceived,
    CancelResponse,
    EndCall,
    ForgetSpeech,
    FromClient,
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
from voicebridge.errors import CapacityReached, EngineError, UpstreamError
from voicebridge.runtime.ports import Engine, Observer, Port, SessionCore

_log = logging.getLogger(__name__)

HEARD_AT_ONCE = 9_600
"""Bytes of an append that are heard in one go (200 ms at 24 kHz): a long file must not hold up the other calls."""

READ_AHEAD = 262_144
"""Bytes of audio that may wait in the inbox before the client's port is read on (one event more, however long)."""

CLOSING_S = 5.0
"""How long a client may take to receive what is still queued for it when its call ends."""

MAX_JOINED = 16
"""Sidebands of one call at a time."""

CLIENT_GONE = EndCall(1000, "client gone")
DRAINED = EndCall(1001, "server_error.shutting_down")
BROKEN = EndCall(1011, "server_error.internal_error")

Made = TypeVar("Made")


class _LookUp:
    """No input: somebody has changed `_over` or `_draining`."""


class _Party:
    """One of those who hear the call and are heard in it: the client, or somebody who has joined it."""

    reader: asyncio.Task[None]
    writer: asyncio.Task[None]

    def __init__(self, port: Port) -> None:
        self.port = port


_Mail: TypeAlias = Input | _Party | asyncio.Event | _LookUp
"""A `_Party` has said its last; an `Event` is set when everything before it has been dealt with."""


class _Alarm:
    """Rings at a time that seldom changes: one timer that stays is cheaper than one for each piece of sound."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float | None) -> None:
        """Once, in the loop's seconds; None: never. It replaces what was set before."""
        if at == self._at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = None if at is None else asyncio.get_running_loop().call_at(at, self._go_off)

    def _go_off(self) -> None:
        self._at = self._timer = None
        self._ring()


class Call:
    """Runs a session between a client's port and an engine until either side ends it.

    Others may `join`. The client's leaving ends the call, unless somebody has joined: then it goes on for `grace_s`.
    """

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
        grace_s: float = 0.0,
    ) -> None:
        self._session = session
        self._client = _Party(client)
        self._engine = engine
        self._listener = listener
        self._observer = observer
        self._pcm_channels = pcm_channels
        self._grace_s = grace_s
        self._parties: tuple[_Party, ...] = ()  # replaced, never changed in place
        self._writers: set[asyncio.Task[None]] = set()
        self._inbox: asyncio.Queue[_Mail] = asyncio.Queue(inbox_size)
        self._responses: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._over: EndCall | None = None
        self._draining = False
        self._alarm = _Alarm(self._look_up)
        self._now = asyncio.get_running_loop().time

    async def run(self) -> EndCall:
        """Until the end; returns why. All tasks are done by then. A bug ends the call, politely, and only this one."""
        async with asyncio.TaskGroup() as self._tasks:
            self._admit(self._client)
            try:
                self._over = end = await self._serve()
                parties, self._parties = self._parties, ()
                for party in parties:
                    party.port.close(end)
                self._cancel_all(but=self._writers)
                if self._writers:
                    await asyncio.wait(self._writers, timeout=CLOSING_S)
            finally:
                self._alarm.set(None)
                self._cancel_all()
        self._observer.ended(end, self._now())
        return end

    @property
    def over(self) -> bool:
        """Has it ended, or is it about to? Nobody can join it any more then."""
        return self._over is not None

    async def join(self, port: Port) -> None:
        """Let one more party into a running call, until it leaves or the call has ended.

        It is told of the session as it is now, then hears everything as the client does, and may say anything. If it
        is slow or breaks, that ends its own part only. Raises CapacityReached when `MAX_JOINED` are in.
        """
        if sum(party is not self._client for party in self._parties) >= MAX_JOINED:
            raise CapacityReached(f"This call has its limit of {MAX_JOINED} sidebands.", code="session_limit_reached")
        if self._over is not None:
            await _turn_away(port, self._over)
            return
        for output in self._session.joined():
            port.send(output)
        party = self._admit(_Party(port))
        try:
            await asyncio.wait((party.reader, party.writer))
        finally:
            self._leave(party, CLIENT_GONE)
            party.writer.cancel()

    def drain(self) -> None:
        """End the call when the answer under way, if any, is made."""
        self._draining = True
        self._look_up()

    def end(self, why: EndCall) -> None:
        """End the call now, whatever is waiting or being made. The first reason counts."""
        self._over = self._over or why
        self._look_up()

    def _look_up(self) -> None:
        if not self._inbox.full():  # else the loop is on its way
            self._inbox.put_nowait(_LookUp())

    def _cancel_all(self, but: Collection[asyncio.Task[None]] = ()) -> None:
        for task in self._running:
            if task not in but:
                task.cancel()

    # --- those who take part ---

    def _admit(self, party: _Party) -> _Party:
        self._parties = (*self._parties, party)
        party.writer = self._start(self._write(party))
        party.reader = self._start(self._read(party))
        self._writers.add(party.writer)
        party.writer.add_done_callback(self._writers.discard)
        return party

    def _leave(self, party: _Party, why: EndCall) -> None:
        """It hears nothing more; its writer has `CLOSING_S` for what is queued. Without parties there is no call."""
        if party not in self._parties:
            return
        self._parties = tuple(other for other in self._parties if other is not party)
        party.port.close(why)
        party.reader.cancel()
        see_off = asyncio.get_running_loop().call_later(CLOSING_S, party.writer.cancel)
        party.writer.add_done_callback(lambda _: see_off.cancel())
        if not self._parties:
            self.end(why)
        elif party is self._client:
            self._start(self._go_on_without_client(why))

    async def _go_on_without_client(self, why: EndCall) -> None:
        await asyncio.sleep(self._grace_s)
        self.end(why)

    def _tell(self, output: Output) -> None:
        for party in self._parties:
            try:
                party.port.send(output)
            except Exception:
                if party is self._client:
                    raise
                _log.exception("sending to a sideband ended by a bug")
                self._leave(party, BROKEN)

    # --- the loop ---

    async def _serve(self) -> EndCall:
        try:
            end = self._perform(None, self._session.start())
            while end is None:
                end = self._ended() or await self._take(await self._next())
        except Exception:  # noqa: BLE001 - any bug, so that it stays this call's and the client is told
            _log.exception("a call ended by a bug")
            return BROKEN
        return end

    def _ended(self) -> EndCall | None:
        return self._over or (DRAINED if self._draining and not self._session.busy else None)

    async def _next(self) -> _Mail:
        """What comes first: the deadline, or mail."""
        deadline = self._session.deadline
        at = deadline.at if deadline else None
        if at is not None and self._now() >= at:
            return Tick()
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        self._alarm.set(at)
        return await self._inbox.get()

    async def _take(self, mail: _Mail) -> EndCall | None:
        match mail:
            case _Party():
                self._leave(mail, CLIENT_GONE)
                return None
            case _LookUp():
                return None
            case asyncio.Event():
                mail.set()
                return None
            case AudioAppended(data):
                return await self._hear(data)
            case AudioReceived(samples):
                return self._feed(await self._listener.hear_live(samples))
            case _:
                return self._feed(mail)

    async def _hear(self, data: bytes) -> EndCall | None:
        for at in range(0, len(data), HEARD_AT_ONCE):
            end = self._over or self._feed(await self._listener.append_live(data[at : at + HEARD_AT_ONCE]))
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
                    self._tell(output)
        return end

    # --- tasks ---

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _read(self, party: _Party) -> None:
        ahead = 0
        try:
            async for given in party.port.inputs():
                await self._inbox.put(given)
                ahead += _audio_bytes(given)
                if ahead > READ_AHEAD:
                    caught_up = asyncio.Event()
                    await self._inbox.put(caught_up)
                    await caught_up.wait()
                    ahead = 0
        except Exception:  # noqa: BLE001 - as in _serve
            _log.exception("reading from a client ended by a bug")
            self._leave(party, BROKEN)
        else:
            await self._inbox.put(party)

    async def _write(self, party: _Party) -> None:
        try:
            why = await party.port.write()
        except Exception:  # noqa: BLE001 - as in _serve
            _log.exception("writing to a client ended by a bug")
            why = BROKEN
        self._leave(party, why or CLIENT_GONE)

    async def _respond(self, ask: Ask) -> None:
        code, message = await self._pass_on(partial(self._engine.respond, ask), partial(FromEngine, ask.response_id))
        self._responses.pop(ask.response_id, None)
        await self._inbox.put(FromEngine(ask.response_id, EngineFailed(code, message)))

    async def _transcribe(self, utterance: Utterance) -> None:
        item_id = utterance.item_id
        code, message = await self._pass_on(
            partial(self._engine.transcribe, utterance), partial(FromTranscriber, item_id)
        )
        await self._inbox.put(FromTranscriber(item_id, TranscriptFailed(code, message)))

    async def _pass_on(
        self, make: Callable[[], AsyncGenerator[Made, None]], mail: Callable[[Made], Input]
    ) -> tuple[str, str]:
        """Put all that the engine makes into the inbox. Returns the failure to put behind it, as code and message.

        A session that has seen a proper end ignores that failure; one that has not must not wait for ever.
        """
        try:
            async with aclosing(make()) as outputs:
                async for output in outputs:
                    await self._inbox.put(mail(output))
        except (EngineError, UpstreamError) as error:
            failure = error.code or "engine_error", error.message
        except Exception:  # noqa: BLE001 - a bug in an engine costs this answer, not the call
            _log.exception("the engine failed in an unforeseen way")
            failure = "internal_error", "The engine failed; the server's log says more."
        except asyncio.CancelledError:
            _stop_if_cancelled()
            failure = "internal_error", "The engine was stopped in the middle of its work."
        else:
            failure = "engine_protocol_error", "The engine stopped before it was done."
        _stop_if_cancelled()
        return failure

    async def _judge(self, question: JudgeTurn) -> None:
        try:
            probability = await self._engine.end_of_turn(question.samples)
        except (EngineError, UpstreamError) as error:
            _log.warning("no end-of-turn judgement: %s", error.message)
            return  # silence decides then
        except Exception:  # noqa: BLE001 - a bug in an engine costs this judgement, not the call
            _log.exception("the end-of-turn model failed in an unforeseen way")
            return
        await self._inbox.put(TurnJudged(question.ticket, probability))


async def _turn_away(port: Port, end: EndCall) -> None:
    port.close(end)
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_S):
            await port.write()


def _stop_if_cancelled() -> None:
    """Go no further in a task that was cancelled, though an engine's clean-up has swallowed or replaced that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _audio_bytes(given: Input) -> int:
    match given:
        case AudioAppended(data):
            return len(data)
        case FromClient(_, audio):
            return sum(map(len, audio.values()))
        case _:
            return 0
