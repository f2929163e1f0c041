"""What the embedded engines cost, and how many words they get wrong.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m benchmarks.engines
        [--stt tiny|base|whisper] [--prompts DIRECTORY --transcripts FILE.gz]

DIRECTORY holds 8 kHz WAV files named as in FILE, whose lines are "name: words" (Debian: asterisk-core-sounds-en-wav
and core-sounds-en.txt.gz of asterisk-core-sounds-en). Without them the recordings of the tests are used.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples, samples_to_seconds
from voicebridge.engines.embedded import end_of_turn, stt, tts
from voicebridge.engines.embedded.frames import WorkerSettings
from voicebridge.engines.embedded.pool import SpeechWorkers

SPEECH = Path(__file__).parents[1] / "tests" / "data" / "speech"
ANSWERS = (
    "It is twenty past three in the afternoon.",
    "The weather in London is cloudy with light rain.",
    "Your order has been placed and will arrive on Monday.",
    "The meeting starts at nine o'clock tomorrow morning, in the small room.",
)


def read(path: Path) -> Samples:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=INTERNAL_RATE_HZ)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in [*frames, *resampler.resample(None)]])


def prompts(directory: Path | None, transcripts: Path | None) -> Iterator[tuple[str, Samples]]:
    """Sentences of at least four words, without digits and notes in brackets, beside their recordings."""
    if directory is None or transcripts is None:
        known: dict[str, str] = json.loads((SPEECH / "transcripts.json").read_text())
        yield from ((words, read(SPEECH / name)) for name, words in known.items())
        return
    with gzip.open(transcripts, "rt") as lines:
        for line in lines:
            name, _, words = line.strip().partition(": ")
            path = directory / f"{name}.wav"
            if len(words.split()) >= 4 and not re.search(r"[\[(<*#0-9]|\.\.\.", words) and path.is_file():
                yield words, read(path)


def timed(work: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """Median milliseconds of (processor, clock)."""
    runs = []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        runs.append((time.process_time() - cpu, time.perf_counter() - wall))
    return statistics.median(cpu for cpu, _ in runs) * 1000, statistics.median(wall for _, wall in runs) * 1000


def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def recognition(recogniser: stt.Recogniser, spoken: list[tuple[str, Samples]]) -> None:
    from jiwer import wer
    from whisper_normalizer.english import EnglishTextNormalizer

    normal = EnglishTextNormalizer()
    cpu = time.process_time()
    heard = [recogniser.recognise(samples, "en", None).text for _, samples in spoken]
    cpu = time.process_time() - cpu
    seconds = sum(samples_to_seconds(len(samples)) for _, samples in spoken)
    errors = wer([normal(words) for words, _ in spoken], [normal(text) for text in heard])
    print(f"stt: {len(spoken)} utterances, {seconds:.0f} s: word errors {errors:.1%}, "
          f"{1000 * cpu / len(spoken):.0f} ms of processor each, {cpu / seconds:.3f} x real time")  # fmt: skip
    short = min(spoken, key=lambda s: abs(len(s[1]) - 3 * INTERNAL_RATE_HZ))[1]
    used, waited = timed(lambda: recogniser.recognise(short, "en", None))
    print(f"stt: {samples_to_seconds(len(short)):.1f} s utterance: {used:.0f} ms processor, {waited:.0f} ms clock")


def synthesis(name: tts.TtsChoice) -> None:
    synthesiser = tts.load(name)
    for voice in ("alloy", "echo"):
        synthesiser.speak(ANSWERS[0], voice, 1.0)
        costs = [timed(lambda s=sentence, v=voice: synthesiser.speak(s, v, 1.0)) for sentence in ANSWERS]  # type: ignore[misc]
        seconds = sum(samples_to_seconds(len(synthesiser.speak(sentence, voice, 1.0))) for sentence in ANSWERS)
        used, waited = (statistics.mean(column) for column in zip(*costs, strict=True))
        print(f"tts {synthesiser.name} {voice}: sentence of {seconds / len(ANSWERS):.1f} s: {used:.0f} ms processor, "
              f"{waited:.0f} ms clock, {used / 1000 * len(ANSWERS) / seconds:.4f} x real time")  # fmt: skip


async def workers(settings: WorkerSettings, question: Samples) -> None:
    begun = time.perf_counter()
    async with SpeechWorkers(settings) as pool:
        await pool.wait_ready()
        print(f"worker: ready after {time.perf_counter() - begun:.2f} s")
        heard, first = [], []
        for _ in range(10):
            begun = time.perf_counter()
            await pool.recognise(question, language="en")
            heard.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            spoken = pool.synthesise(" ".join(ANSWERS), "alloy")
            await anext(spoken)
            first.append(time.perf_counter() - begun)
            await spoken.aclose()
        print(f"worker: recognised in {1000 * statistics.median(heard):.0f} ms, "
              f"first sentence in {1000 * statistics.median(first):.0f} ms")  # fmt: skip
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"worker: {children:.0f} MB at most")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stt", choices=("tiny", "base", "whisper"), default="tiny")
    options.add_argument("--prompts", type=Path)
    options.add_argument("--transcripts", type=Path)
    chosen = options.parse_args()
    settings = WorkerSettings(stt=chosen.stt)
    spoken = list(prompts(chosen.prompts, chosen.transcripts))
    asyncio.run(workers(settings, spoken[0][1]))
    before, begun = rss_mb(), time.perf_counter()
    recogniser = stt.load(settings.stt, settings.cache)
    recogniser.recognise(spoken[0][1], "en", None)
    print(f"stt {chosen.stt}: loaded in {time.perf_counter() - begun:.2f} s, {rss_mb() - before:.0f} MB")
    recognition(recogniser, spoken)
    synthesis("hibari")
    synthesis("pico")
    judge = end_of_turn.EndOfTurn.load()
    used, waited = timed(lambda: judge.probability(spoken[0][1]))
    print(f"end of turn: {used:.0f} ms processor, {waited:.0f} ms clock")


if __name__ == "__main__":
    main()
