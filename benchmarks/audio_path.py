"""CPU time of each stage of the audio path, in µs per 20 ms of sound, on one thread.

python benchmarks/audio_path.py
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from voicebridge.audio.codec import Decoder, Encoder, Transcoder
from voicebridge.audio.encoding import PCM16_24K, PCM16_RATES_HZ, PCMA, PCMU, AudioEncoding
from voicebridge.audio.g711 import alaw_to_pcm16, pcm16_to_alaw, pcm16_to_ulaw, ulaw_to_pcm16
from voicebridge.audio.listener import Listener
from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import Samples
from voicebridge.audio.silero import SileroDetector
from voicebridge.audio.vad import VAD_WINDOW, EnergyDetector

FRAMES = 500
ROUNDS = 7


def noise(samples: int) -> Samples:
    wave: Samples = np.random.default_rng(0).integers(-8_000, 8_000, samples).astype(np.int16)
    return wave


def cost_us(step: Callable[[], object], frames: int = FRAMES) -> float:
    """The best of several rounds: what the machine can do when nobody else uses it."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(frames):
            step()
        best = min(best, (time.process_time() - begun) / frames)
    return best * 1e6


def row(name: str, us: float) -> None:
    print(f"{name:<44}{us:8.1f}")


def main() -> None:
    narrow, wide = noise(160), noise(480)
    ulaw = pcm16_to_ulaw(narrow)
    row("µ-law decode", cost_us(lambda: ulaw_to_pcm16(ulaw)))
    row("µ-law encode", cost_us(lambda: pcm16_to_ulaw(narrow)))
    row("A-law decode", cost_us(lambda: alaw_to_pcm16(ulaw)))
    row("A-law encode", cost_us(lambda: pcm16_to_alaw(narrow)))
    for source, target in itertools.permutations(PCM16_RATES_HZ, 2):
        resampler, frame = Resampler(source, target), noise(source // 50)
        us = cost_us(partial(resampler.push, frame))
        row(f"resample {source:>6} -> {target:>6}  ({resampler.delay_ms:.2f} ms late)", us)
    for encoding in (PCMU, PCM16_24K, AudioEncoding("pcm16", 48_000, 2)):
        name = f"{encoding.codec} {encoding.rate_hz} Hz x{encoding.channels}"
        data = noise(encoding.bytes_per_second // 100).tobytes()[: encoding.bytes_per_second // 50]
        decoder, listener = Decoder(encoding), Listener(encoding, SileroDetector())
        row(f"decode {name}", cost_us(partial(decoder.push, data)))
        row(f"listener, {name}: decoding and Silero", cost_us(partial(listener.append, data)))
    encoder, transcoder = Encoder(PCMU), Transcoder(PCMU, PCMA)
    row("encode to µ-law", cost_us(lambda: encoder.push(wide)))
    row("transcode µ-law to A-law", cost_us(lambda: transcoder.push(ulaw)))
    window = noise(VAD_WINDOW)
    row("Silero, per window of 32 ms", cost_us(partial(SileroDetector().probability, window)))
    row("energy detector, per window of 32 ms", cost_us(partial(EnergyDetector().probability, window)))


if __name__ == "__main__":
    main()
