"""The Protocols that the driver needs: a session, the ports of a call, an engine, an observer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from voicebridge.audio.samples import Samples
from voicebridge.core.engine_io import Ask, EngineOutput, TranscriptOutput, Utterance
from voicebridge.core.io import Deadline, EndCall, Input, Output


class SessionCore(Protocol):
    """The machine that decides: `core.session.LocalSession`."""

    def start(self) -> list[Output]: ...

    def joined(self) -> list[Output]:
        """What somebody who joins now is told, and nobody else."""
        ...

    def feed(self, given: Input, now: float) -> list[Output]: ...

    @property
    def deadline(self) -> Deadline | None: ...

    @property
    def busy(self) -> bool:
        """Is an answer being made?"""
        ...


class Engine(Protocol):
    """Makes responses and transcripts for one call. Generators clean up in `finally`: cancelling is always allowed.

    Raises only `voicebridge.errors.EngineError` or `UpstreamError`.
    """

    def respond(self, ask: Ask) -> AsyncGenerator[EngineOutput, None]: ...

    def transcribe(self, utterance: Utterance) -> AsyncGenerator[TranscriptOutput, None]: ...

    async def end_of_turn(self, samples: Samples) -> float:
        """The probability (0 to 1) that the speaker, heard in up to the last 8 s of `samples`, has finished."""
        ...


class Port(Protocol):
    """Any end of a call."""

    def inputs(self) -> AsyncIterator[Input]:
        """What that side sends; ends when it is gone."""
        ...

    def send(self, output: Output) -> None:
        """Queue an output for that side; never blocks."""
        ...

    async def write(self) -> EndCall | None:
        """Move what is queued to that side, until it is gone (None), too slow (why), or `close` was called (None)."""
        ...

    def close(self, end: EndCall) -> None:
        """Close once everything queued is out; `write` returns then."""
        ...


class Observer(Protocol):
    """Told of everything that happens, for metrics and logs."""

    def fed(self, given: Input | None, outputs: list[Output], now: float) -> None:
        """One input (None: the start) and what came of it; `now` in the loop's seconds."""
        ...

    def ended(self, end: EndCall, now: float) -> None: ...
