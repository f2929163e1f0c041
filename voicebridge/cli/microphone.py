"""A microphone and a loudspeaker, if the extra `voicebridge[microphone]` is installed and the machine has them."""

from __future__ import annotations

import contextlib
import importlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voicebridge.audio.samples import EMPTY, INTERNAL_RATE_HZ, Samples
from voicebridge.cli.terminal import CommandError

FRAME = INTERNAL_RATE_HZ // 50
_WAITING_FRAMES = 100


def sounddevice() -> Any:
    """The library. Raises `CommandError` saying what to install."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise CommandError("the microphone needs one more package: pip install 'voicebridge[microphone]'") from error
    except OSError as error:
        raise CommandError(f"the microphone needs PortAudio: apt install libportaudio2 ({error})") from error


def describe_devices() -> str:
    """The default microphone and loudspeaker, in words. Raises `CommandError` where one is missing."""
    library = sounddevice()
    try:
        microphone, loudspeaker = library.query_devices(kind="input"), library.query_devices(kind="output")
    except (library.PortAudioError, ValueError) as error:
        raise CommandError(f"no microphone or loudspeaker was found ({error}); give a WAV file instead") from error
    return f"{microphone['name']} → {loudspeaker['name']}"


@dataclass
class Loudspeaker:
    """What is still to be played. Filled by the call, emptied by the sound card's thread."""

    _waiting: Samples = field(default_factory=lambda: EMPTY)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def play(self, samples: Samples) -> None:
        with self._lock:
            self._waiting = np.concatenate((self._waiting, samples))

    def stop(self) -> None:
        """Forget what was not played yet: somebody speaks."""
        with self._lock:
            self._waiting = EMPTY

    def take(self, count: int) -> Samples:
        """The next `count` samples, silence where there are none."""
        with self._lock:
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return np.concatenate((taken, np.zeros(count - taken.size, np.int16)))


@dataclass
class Sound:
    """Open devices: frames of 20 ms from the microphone, and a loudspeaker. Frames nobody fetches are dropped."""

    frames: queue.Queue[Samples]
    loudspeaker: Loudspeaker
    dropped: int = 0


@contextlib.contextmanager
def open_sound() -> Iterator[Sound]:
    """Use the default devices while the block runs. Raises `CommandError`."""
    library = sounddevice()
    describe_devices()
    sound = Sound(queue.Queue(_WAITING_FRAMES), Loudspeaker())

    def on_input(data: Any, _frames: int, _time: Any, _status: Any) -> None:
        try:
            sound.frames.put_nowait(np.array(data[:, 0], np.int16))
        except queue.Full:
            sound.dropped += 1

    def on_output(data: Any, frames: int, _time: Any, _status: Any) -> None:
        data[:, 0] = sound.loudspeaker.take(frames)

    form = {"samplerate": INTERNAL_RATE_HZ, "blocksize": FRAME, "channels": 1, "dtype": "int16"}
    try:
        with library.InputStream(callback=on_input, **form), library.OutputStream(callback=on_output, **form):
            yield sound
    except library.PortAudioError as error:
        raise CommandError(f"the sound devices cannot be used: {error}") from error
