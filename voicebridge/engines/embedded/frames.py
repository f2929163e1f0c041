"""What a worker process is asked and what it answers, over its stdin and stdout.

A frame is a length (4 bytes, big-endian) and a pickle of that length. Both ends are this package, started by itself.
The first frame to a worker is its `WorkerSettings`; it answers `Loading`s and then `Ready` or `LoadFailed`. After that
every request is answered by one `Done` or `Failed`, one at a time.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from voicebridge.audio.samples import Samples
from voicebridge.engines.embedded.brain.types import BrainAsk
from voicebridge.engines.embedded.stt import SttChoice
from voicebridge.engines.embedded.tts import TtsChoice

HEADER = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Which engines to load. `cache` holds converted models (those of stt "base" and "whisper")."""

    stt: SttChoice = "tiny"
    tts: TtsChoice = "auto"
    cache: Path = Path("~/.cache/voicebridge")


@dataclass(frozen=True, slots=True)
class Recognise:
    """Answered by a `stt.Recognition`."""

    samples: Samples
    language: str | None
    prompt: str | None


@dataclass(frozen=True, slots=True)
class Speak:
    """One sentence; answered by `Samples`."""

    text: str
    voice: str
    speed: float


@dataclass(frozen=True, slots=True)
class JudgeEndOfTurn:
    """Answered by a float, 0 to 1."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Reply:
    """Answered by a tuple of `BrainStep`."""

    ask: BrainAsk


Request: TypeAlias = Recognise | Speak | JudgeEndOfTurn | Reply


@dataclass(frozen=True, slots=True)
class Loading:
    """What is being loaded, and how much of everything is done, in percent."""

    stage: str
    percent: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Loaded; `engines` names what was chosen, by role."""

    engines: dict[str, str]


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """A model is missing or damaged: trying again is of no use."""

    code: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The request failed; the worker goes on."""

    code: str | None
    message: str


Answer: TypeAlias = Loading | Ready | LoadFailed | Done | Failed


def encode(value: object) -> bytes:
    body = pickle.dumps(value, protocol=5)
    return HEADER.pack(len(body)) + body


def decode(body: bytes) -> Any:
    return pickle.loads(body)  # noqa: S301 (from the other end of our own pipe)
