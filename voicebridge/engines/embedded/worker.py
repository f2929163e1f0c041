"""The process in which the models live: `python -m voicebridge.engines.embedded.worker`, spoken to in frames.

It ends by itself when its stdin does, that is with its parent. stdout carries frames only: whatever libraries print
goes to stderr.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np

from voicebridge.engines.embedded import frames
from voicebridge.errors import EngineError

_log = logging.getLogger("voicebridge.worker")


class Answers(Protocol):
    """What serves the requests; `engines` names what was chosen, by role."""

    @property
    def engines(self) -> dict[str, str]: ...

    def answer(self, request: frames.Request) -> object: ...


Load: TypeAlias = Callable[[frames.WorkerSettings, Callable[[str, int], None]], Answers]


class Models:
    """Everything that answers requests, loaded and warm."""

    def __init__(self, settings: frames.WorkerSettings, progress: Callable[[str, int], None]) -> None:
        from voicebridge.engines.embedded import end_of_turn, stt, tts  # noqa: PLC0415 (reported as progress)
        from voicebridge.engines.embedded.brain.agent import Brain  # noqa: PLC0415

        silence = np.zeros(12_000, np.int16)
        progress("speech recognition", 5)
        self._stt = stt.load(settings.stt, settings.cache)
        self._stt.recognise(np.resize(np.array([300, -300], np.int16), 12_000), None, None)
        progress("speech synthesis", 40)
        self._tts = tts.load(settings.tts)
        self._tts.speak("Ready.", "alloy", 1.0)
        progress("end of turn", 70)
        self._end_of_turn = end_of_turn.EndOfTurn.load()
        self._end_of_turn.probability(silence)
        progress("dialogue", 85)
        self._brain = Brain()
        self.engines = {"stt": settings.stt, "tts": self._tts.name}

    def answer(self, request: frames.Request) -> object:
        match request:
            case frames.Recognise(samples, language, prompt):
                return self._stt.recognise(samples, language, prompt)
            case frames.Speak(text, voice, speed):
                return self._tts.speak(text, voice, speed)
            case frames.JudgeEndOfTurn(samples):
                return self._end_of_turn.probability(samples)
            case frames.Reply(ask):
                return tuple(self._brain.reply(ask))


class Channel:
    """Frames in and out of this process."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink

    @classmethod
    def of_this_process(cls) -> Channel:
        """Takes stdout for frames and points file descriptor 1 at stderr."""
        sink = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        return cls(sys.stdin.buffer, sink)

    def send(self, answer: frames.Answer) -> None:
        self._sink.write(frames.encode(answer))
        self._sink.flush()

    def receive(self) -> Any:
        """The next frame's value; None when the parent has gone."""
        header = self._source.read(frames.HEADER.size)
        if len(header) < frames.HEADER.size:
            return None
        (length,) = frames.HEADER.unpack(header)
        body = self._source.read(length)
        return frames.decode(body) if len(body) == length else None


def serve(channel: Channel, load: Load) -> None:
    """Answer one request after the other until the parent goes."""
    settings = channel.receive()
    if not isinstance(settings, frames.WorkerSettings):
        return
    try:
        models = load(settings, lambda stage, percent: channel.send(frames.Loading(stage, percent)))
    except (EngineError, ImportError) as error:
        channel.send(frames.LoadFailed(getattr(error, "code", None), str(error)))
        channel.receive()  # stay until the parent has read it and closes the pipe
        return
    channel.send(frames.Ready(models.engines))
    while (request := channel.receive()) is not None:
        channel.send(_answer(models, request))


def _answer(models: Answers, request: frames.Request) -> frames.Answer:
    try:
        return frames.Done(models.answer(request))
    except EngineError as error:
        return frames.Failed(error.code, error.message)
    except Exception as error:  # noqa: BLE001 (a bug fails this request, not the next one)
        _log.exception("%s failed", type(request).__name__)
        return frames.Failed("engine_failed", f"{type(request).__name__} failed: {type(error).__name__}: {error}")


def main() -> None:
    for signal_number in (signal.SIGINT, signal.SIGTERM):  # the parent drains, and then closes stdin
        signal.signal(signal_number, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    with contextlib.suppress(BrokenPipeError):  # the parent went while an answer was made
        serve(Channel.of_this_process(), Models)


if __name__ == "__main__":
    main()
