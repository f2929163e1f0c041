"""Sound for `voicebridge call`: recordings in, answers out, and a microphone where there is one."""

from __future__ import annotations

import contextlib
import importlib.resources
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np

from voicebridge.audio.samples import EMPTY, INTERNAL_RATE_HZ, Samples
from voicebridge.cli.terminal import CommandError

_LONGEST_S = 3600
# Steeper than the default filter: what is sent should not depend on the recording's rate.
_RESAMPLE = f"{INTERNAL_RATE_HZ}:filter_size=64:cutoff=0.95"


def find_recording(name: str) -> Path:
    """`name` itself or, where there is no such file, the sample of that name which ships with the package."""
    path = Path(name)
    if path.is_file():
        return path
    sample = Path(str(importlib.resources.files("voicebridge"))) / "samples" / name
    if path.name == name and sample.is_file():
        return sample
    raise CommandError(f"there is no file {name}. `hello.wav` comes with voicebridge; any WAV file of yours will do")


def load_recording(path: Path) -> Samples:
    """A sound file of any rate and number of channels. Raises `CommandError` where it is none."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise CommandError(f"{path} holds no sound")
            pieces = list(_decoded(container, container.streams.audio[0]))
    except (av.FFmpegError, OSError, EOFError) as error:
        raise CommandError(f"{path} cannot be read as sound: {error}") from error
    samples = np.concatenate(pieces) if pieces else EMPTY
    if not samples.size:
        raise CommandError(f"{path} holds no sound")
    if samples.size > _LONGEST_S * INTERNAL_RATE_HZ:
        raise CommandError(f"{path} is longer than an hour, the longest a session lasts")
    return samples


def _decoded(container: Any, stream: Any) -> Iterator[Samples]:
    graph = av.filter.Graph()
    source = graph.add_abuffer(template=stream)
    resample = graph.add("aresample", _RESAMPLE)
    layout = graph.add("aformat", f"sample_fmts=s16:channel_layouts=mono:sample_rates={INTERNAL_RATE_HZ}")
    sink = graph.add("abuffersink")
    source.link_to(resample)
    resample.link_to(layout)
    layout.link_to(sink)
    graph.configure()
    for frame in (*container.decode(stream), None):
        source.push(frame)
        with contextlib.suppress(av.BlockingIOError, EOFError):
            while True:
                pulled = sink.pull()
                if isinstance(pulled, av.AudioFrame):
                    yield pulled.to_ndarray().reshape(-1).astype(np.int16)


def save_recording(path: Path, samples: Samples) -> None:
    """Write a WAV file: 24 kHz, mono, 16 bit."""
    try:
        with path.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(INTERNAL_RATE_HZ)
            file.writeframes(samples.astype("<i2").tobytes())
    except OSError as error:
        raise CommandError(f"cannot save the answer: {error}") from error
