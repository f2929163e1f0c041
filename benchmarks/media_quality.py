"""How our Opus sounds: wideband PESQ (ITU-T P.862.2), distance of spectra and cost, by mode, bit rate and complexity.

python benchmarks/media_quality.py [FILE.wav ...]       needs `pip install pesq`; files of 16 kHz or more, mono

Without files: what the server's own voices say. PESQ is that of each piece of about 8 s, the mean of all.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
import wave
from pathlib import Path

import numpy as np
from pesq import pesq

from voicebridge.audio.codec import decode
from voicebridge.audio.concealment import G711Decoder
from voicebridge.audio.encoding import AudioEncoding
from voicebridge.audio.g711 import pcm16_to_ulaw
from voicebridge.audio.libopus import LOW_DELAY, VOIP, LibopusDecoder, LibopusEncoder
from voicebridge.audio.opus import FRAME
from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.engines.embedded.tts import HibariSynthesiser

PESQ_HZ = 16_000
PIECE = 8 * INTERNAL_RATE_HZ
LOOKAHEAD = {LOW_DELAY: 60, VOIP: 156}
NAMES = {LOW_DELAY: "low delay", VOIP: "voip"}
SENTENCES = (
    "Thank you for calling. Your appointment is on Thursday the fourteenth at half past nine, and it takes an hour.",
    "I have found three trains to Zurich this evening. The fastest one leaves in eleven minutes from platform six.",
    "She sells sea shells by the sea shore, and the judge gave fresh fish to the thirsty sheep on the ship.",
)


def resampled(samples: Samples, rate_hz: int) -> Samples:
    resampler = Resampler(INTERNAL_RATE_HZ, rate_hz, aligned=True)
    return np.concatenate((resampler.push(samples), resampler.flush()))


def read(path: str) -> Samples:
    with wave.open(path) as recording:
        assert (recording.getnchannels(), recording.getsampwidth()) == (1, 2)
        data = recording.readframes(recording.getnframes())
        return decode(data, AudioEncoding("pcm16", recording.getframerate()))


def corpus(paths: list[str]) -> list[Samples]:
    if paths:
        recordings = [read(path) for path in paths]
    else:
        voices, engine = ("alloy", "ash", "coral", "sage"), HibariSynthesiser()
        recordings = [np.concatenate([engine.speak(text, voice, 1.0) for text in SENTENCES]) for voice in voices]
    pieces = [one[at : at + PIECE] for one in recordings for at in range(0, len(one) - PIECE // 2, PIECE)]
    return [piece[: len(piece) // FRAME * FRAME] for piece in pieces]


def score(spoken: Samples, heard: Samples) -> float:
    return float(pesq(PESQ_HZ, resampled(spoken, PESQ_HZ), resampled(heard, PESQ_HZ), "wb"))


def spectral_distance_db(spoken: Samples, heard: Samples) -> float:
    """The root mean square of the difference of levels in third octaves from 100 Hz to 11 kHz, of loud frames."""
    edges = 100 * 2 ** (np.arange(21) / 3)
    frames = [
        np.abs(np.fft.rfft(wave[: len(wave) // 960 * 960].reshape(-1, 960) * np.hanning(960))) ** 2
        for wave in (spoken.astype(float), heard.astype(float))
    ]
    frequencies = np.fft.rfftfreq(960, 1 / INTERNAL_RATE_HZ)
    bands = [(frequencies >= low) & (frequencies < high) for low, high in itertools.pairwise(edges)]
    levels = [
        10 * np.log10(np.stack([frame[:, band].sum(1) for band in bands if band.any()]) + 1e4) for frame in frames
    ]
    loud = frames[0].sum(1) > frames[0].sum(1).max() / 1e4
    return float(np.sqrt(((levels[0] - levels[1])[:, loud] ** 2).mean()))


def through_opus(
    spoken: Samples, application: int, bitrate: int, complexity: int, loss: float, seed: int = 0
) -> tuple[Samples, int, float]:
    """What is heard, bytes, CPU seconds of encoding. Loss is random, and as expected by the encoder."""
    expected = loss if application == VOIP else 0.0
    encoder = LibopusEncoder(application, bitrate=bitrate, complexity=complexity, loss=expected)
    frames = spoken.reshape(-1, FRAME)
    begun = time.process_time()
    packets = [encoder.encode(frame) for frame in frames]
    cost = time.process_time() - begun
    packets.append(encoder.encode(np.zeros(FRAME, np.int16)))
    draw, decoder, heard = random.Random(seed), LibopusDecoder(), []
    lost = [draw.random() < loss for _ in packets]
    for index, packet in enumerate(packets):
        if not lost[index]:
            heard.append(decoder.decode(packet))
        elif index + 1 < len(packets) and not lost[index + 1] and decoder.corrects(packets[index + 1]):
            heard.append(decoder.recover(packets[index + 1], FRAME))
        else:
            heard.append(decoder.conceal(FRAME))
    delay = LOOKAHEAD[application]
    return np.concatenate(heard)[delay : delay + len(spoken)], sum(map(len, packets)), cost


def through_g711(spoken: Samples, loss: float, *, concealed: bool, seed: int = 0) -> Samples:
    narrow = resampled(spoken, 8_000)
    decoder, draw, heard = G711Decoder("pcmu"), random.Random(seed), []
    for at in range(0, len(narrow), 160):
        payload = pcm16_to_ulaw(narrow[at : at + 160])
        if draw.random() >= loss:
            heard.append(decoder.decode(payload))
        else:
            heard.append(decoder.conceal(480) if concealed else decoder.decode(b"\xff" * 160))
    return np.concatenate(heard)[72:]  # the resampler's delay


def opus_rows(pieces: list[Samples]) -> None:
    print("mode       kb/s complexity loss %   PESQ  worst    dB   true kb/s     us")
    plan = [(LOW_DELAY, rate, complexity, 0.0) for rate in (32, 48, 64, 80) for complexity in (0, 2, 5)]
    plan += [(VOIP, rate, complexity, 0.0) for rate in (32, 64) for complexity in (0, 2, 5)]
    for loss in (0.01, 0.02, 0.05, 0.1):
        plan += [(mode, rate, cx, loss) for mode, rate, cx in ((LOW_DELAY, 64, 2), (VOIP, 40, 2), (VOIP, 64, 0))]
    frames = sum(map(len, pieces)) / FRAME
    for mode, rate, complexity, loss in plan:
        results = [through_opus(one, mode, rate * 1000, complexity, loss, seed) for seed, one in enumerate(pieces)]
        heard = list(zip(pieces, (result[0] for result in results), strict=True))
        scores = [score(one, other) for one, other in heard]
        distance = np.mean([spectral_distance_db(one, other) for one, other in heard])
        bits = sum(result[1] for result in results) * 8 / (frames / 50) / 1000
        cost = sum(result[2] for result in results) / frames * 1e6
        print(
            f"{NAMES[mode]:<11}{rate:>4}{complexity:>11}{loss * 100:>7.0f}{np.mean(scores):>7.2f}{min(scores):>7.2f}"
            f"{distance:>6.1f}{bits:>12.1f}{cost:>7.0f}",
            flush=True,
        )


def g711_rows(pieces: list[Samples]) -> None:
    for loss in (0.0, 0.02, 0.05, 0.1):
        for concealed in (False, True):
            scores = []
            for seed, one in enumerate(pieces):
                heard = resampled(through_g711(one, loss, concealed=concealed, seed=seed), 8_000)
                narrow = resampled(one, 8_000)[: len(heard)]
                scores.append(float(pesq(8_000, narrow, heard[: len(narrow)], "nb")))
            name = "repetition" if concealed else "silence"
            print(f"pcmu, gaps filled with {name:<11}{loss * 100:>5.0f} % loss: narrowband PESQ {np.mean(scores):.2f}")


def main() -> None:
    pieces = corpus(sys.argv[1:])
    names = ", ".join(Path(path).name for path in sys.argv[1:]) or "the server's voices"
    print(f"{len(pieces)} pieces, {sum(map(len, pieces)) / INTERNAL_RATE_HZ:.0f} s: {names}")
    opus_rows(pieces)
    g711_rows(pieces)


if __name__ == "__main__":
    main()
