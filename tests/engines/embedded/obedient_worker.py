"""A worker process without models that does what the text to speak says. Run by the tests of the pool."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from voicebridge.engines.embedded import frames
from voicebridge.engines.embedded.brain.types import Call, Say
from voicebridge.engines.embedded.stt import Recognition
from voicebridge.engines.embedded.worker import Channel, serve
from voicebridge.errors import EngineError


class Obedient:
    def __init__(self, settings: frames.WorkerSettings, progress: Callable[[str, int], None]) -> None:
        if "--missing" in sys.argv:
            raise EngineError("install the models again", code="model_missing")
        if "--dying" in sys.argv:
            os._exit(3)
        progress("pretending", 50)
        print("a library prints this")  # must not get among the frames
        self.engines: dict[str, str] = {"stt": settings.stt}
        self.log: list[str] = []

    def answer(self, request: frames.Request) -> object:
        match request:
            case frames.Speak(text):
                self.log.append(text.strip())
                return self._obey(text.strip())
            case frames.Recognise(samples, language):
                self.log.append("recognise")
                return Recognition(f"{len(samples)} samples of {language}")
            case frames.JudgeEndOfTurn(samples):
                self.log.append("end of turn")
                return len(samples) / 1000
            case frames.Reply(ask):
                return [Say(f"{ask.now} {','.join(self.log)}"), Call("f", "{}")]

    def _obey(self, text: str) -> object:
        if text == "die":
            os._exit(9)
        if text == "fail":
            raise EngineError("as asked", code="refused")
        if text == "bug":
            raise ZeroDivisionError
        if text == "hang":
            time.sleep(60)
        if text.startswith("wait for "):
            gate = Path(text.removeprefix("wait for "))
            gate.with_suffix(".waiting").touch()
            while not gate.exists():
                time.sleep(0.005)
        return np.full(len(text), 7, np.int16)


if __name__ == "__main__":
    serve(Channel.of_this_process(), Obedient)
