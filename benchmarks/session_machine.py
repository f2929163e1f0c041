"""What the session machine costs per 20 ms audio frame, without detector, engine and wire.

python benchmarks/session_machine.py [--seconds 600]

Prints a table: microseconds per frame (mean, 99th percentile, worst) for each kind of load.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from voicebridge.audio.listener import Heard
from voicebridge.audio.samples import ms_to_samples
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.engine_io import EngineDone, EngineOutput, SpeechDelta
from voicebridge.core.io import FromEngine, Input, StartResponse
from voicebridge.core.session import LocalSession, SessionLimits
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.session_config import SessionDefaults, new_session

FRAME_MS = 20
FRAME = ms_to_samples(FRAME_MS)


@dataclass(frozen=True)
class Load:
    """`speaks` and `pauses` in seconds; `answers` are made of so many pieces of 200 ms."""

    name: str
    speaks: float
    pauses: float
    pieces: int = 0


LOADS = (
    Load("silence", 0.0, 10.0),
    Load("one long turn", 3_600.0, 0.0),
    Load("turns of 3 s, 2 s apart", 3.0, 2.0),
    Load("turns of 3 s, each answered by 4 s of speech", 3.0, 2.0, pieces=20),
)


def frames(load: Load, seconds: float) -> Iterator[Heard]:
    """What a listener makes of 20 ms frames: a probability whenever a window of 32 ms is full."""
    samples = (np.arange(FRAME) % 1_000).astype(np.int16)
    cycle = load.speaks + load.pauses
    heard = 0
    for number in range(int(seconds * 1000 / FRAME_MS)):
        windows = (heard + FRAME) // VAD_WINDOW - heard // VAD_WINDOW
        heard += FRAME
        speaking = (number * FRAME_MS / 1000) % cycle < load.speaks
        yield Heard(samples, (0.95 if speaking else 0.02,) * windows)


def measure(load: Load, seconds: float) -> list[float]:
    """Microseconds of every feed of a frame; what the engine makes is fed in between and counted to the frame."""
    defaults = SessionDefaults()
    session = LocalSession(
        new_session("realtime", defaults, session_id="sess_1", expires_at=0),
        IdFactory(1),
        defaults,
        SessionLimits(max_items=10_000),
        0.0,
    )
    session.start()
    piece = SpeechDelta(" some words", np.ones(ms_to_samples(200), np.int16))
    answer: list[EngineOutput] = [piece] * load.pieces
    answer.append(EngineDone())
    costs = []
    for number, frame in enumerate(frames(load, seconds)):
        now = number * FRAME_MS / 1000
        given: list[Input] = [frame]
        began = time.perf_counter()
        while given:
            for output in session.feed(given.pop(0), now):
                if isinstance(output, StartResponse):
                    given += [FromEngine(output.ask.response_id, one) for one in answer]
        costs.append((time.perf_counter() - began) * 1e6)
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="audio per load")
    seconds = parser.parse_args().seconds
    print(f"{'µs per 20 ms frame':46} {'mean':>8} {'p50':>8} {'p99':>8} {'worst':>8}")
    gc.disable()
    for load in LOADS:
        costs = measure(load, seconds)
        p50, p99 = np.percentile(costs, (50, 99))
        print(f"{load.name:46} {np.mean(costs):8.1f} {p50:8.1f} {p99:8.1f} {max(costs):8.0f}")


if __name__ == "__main__":
    main()
