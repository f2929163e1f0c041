"""How exactly turns are found: onset and end errors against labelled human speech, false alarms without any.

Material (nothing is downloaded):
  --labelled  a folder of WAV files with .lab files of the same name, "seconds seconds speech|silence" a line
              (test/data/librivox of the pocketsphinx 5.1.1 source distribution)
  --prompts   a folder of clean telephone prompts, 8 kHz WAV; their edges are taken from their loudness
              (/usr/share/asterisk/sounds/en_US_f_Allison of Debian's asterisk-core-sounds-en-wav)
  --music     a folder of WAV files without speech (/usr/share/asterisk/moh of asterisk-moh-opsound-wav)

Every clip is heard at several offsets against the window grid, amid 2 s of its own background, and through each
condition. Errors are in ms, positive when late; padding and silence are subtracted.
Aim: median onset error at most 60 ms, median end error at most 100 ms, no false alarms.
"""

from __future__ import annotations

import argparse
import itertools
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicebridge.audio.codec import Encoder, decode
from voicebridge.audio.encoding import PCM16_24K, PCMU, AudioEncoding
from voicebridge.audio.listener import Listener
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples, ms_to_samples
from voicebridge.audio.silero import SileroDetector
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.turns import Began, Ended, TurnDetector
from voicebridge.protocol.session_config import ServerVad

Wave: TypeAlias = NDArray[np.float64]
Probabilities: TypeAlias = tuple[float, ...]

SILENCE_MS = 500
AROUND = 2 * INTERNAL_RATE_HZ
OFFSETS_PER_LABELLED_CLIP = 8
PROMPTS = 60
NEGATIVE_S = 60
MUSIC_S = 240
AUDIBLE_BELOW_PEAK_DB = 35


@dataclass(frozen=True, slots=True)
class Segment:
    """Positions at 24 kHz: where speech was found to begin and end, and how much audio it took to be sure."""

    onset: int
    end: int
    decided: int


Policy: TypeAlias = Callable[[Probabilities], list[Segment]]


def core_policy(threshold: float = 0.5) -> Policy:
    """The turn detection that the server runs."""

    def segments(probabilities: Probabilities) -> list[Segment]:
        settings = ServerVad(threshold=threshold, prefix_padding_ms=0, silence_duration_ms=SILENCE_MS)
        turns = TurnDetector(settings, itertools.count())
        found: list[Segment] = []
        began: tuple[int, int] | None = None
        silence = (0.0,) * (ms_to_samples(SILENCE_MS) // VAD_WINDOW + 4)
        for window, probability in enumerate((*probabilities, *silence)):
            edge = turns.hear(probability)
            if isinstance(edge, Began):
                began = edge.at, (window + 1) * VAD_WINDOW
            elif isinstance(edge, Ended) and began is not None:
                found.append(Segment(began[0], edge.at - ms_to_samples(SILENCE_MS), began[1]))
                began = None
        return found

    return segments


@dataclass(frozen=True, slots=True)
class Rule:
    """Hysteresis with everything adjustable, to find the constants of the server's own.

    Speech begins with the first window at `threshold` or above, once `confirm` windows are and one of them has reached
    `peak`; more than `gap` windows below threshold - `margin` in between and it was nothing. It goes on while the
    probability is at least threshold - `margin`. `lead` and `lag`, in
    samples, are taken off the onset and the end.
    """

    threshold: float = 0.5
    margin: float = 0.15
    confirm: int = 2
    peak: float = 0.0
    gap: int = 1
    lead: int = 0
    lag: int = 0

    def __call__(self, probabilities: Probabilities) -> list[Segment]:
        found: list[Segment] = []
        onset = loud = missed = decided = end = 0
        highest, state = 0.0, "quiet"
        silence = (0.0,) * (ms_to_samples(SILENCE_MS) // VAD_WINDOW + 4)
        for window, p in enumerate((*probabilities, *silence)):
            after = (window + 1) * VAD_WINDOW
            if state == "speech":
                if p >= self.threshold - self.margin:
                    end = after
                elif after >= end - self.lag + ms_to_samples(SILENCE_MS):
                    found.append(Segment(max(0, onset - self.lead), end - self.lag, decided))
                    state = "quiet"
                continue
            if p >= self.threshold:
                if state == "quiet":
                    onset, loud, highest, state = after - VAD_WINDOW, 0, 0.0, "perhaps"
                loud, highest, missed = loud + 1, max(highest, p), 0
            elif state == "perhaps" and p < self.threshold - self.margin:
                missed += 1
                if missed > self.gap:
                    state = "quiet"
            if state == "perhaps" and loud >= self.confirm and highest >= self.peak:
                decided, end, state = after, after, "speech"
        return found


# --- material -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clip:
    """Speech at 24 kHz from `begins` to `ends`, in samples."""

    sound: Wave
    begins: float
    ends: float


def read(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        encoding = AudioEncoding("pcm16", file.getframerate(), file.getnchannels())
        return decode(file.readframes(file.getnframes()), encoding)


def labelled(folder: Path) -> list[Clip]:
    clips = []
    for path in sorted(folder.glob("*.lab")):
        begins, ends = (float(line.split()[0]) * INTERNAL_RATE_HZ for line in path.read_text().splitlines()[:2])
        clips.append(Clip(read(path.with_suffix(".wav")).astype(np.float64), begins, ends))
    return clips


def loudness(sound: Wave, step: int = INTERNAL_RATE_HZ // 100) -> Wave:
    frames = sound[: len(sound) // step * step].reshape(-1, step)
    rms: Wave = np.sqrt((frames**2).mean(axis=1))
    return rms


def prompts(folder: Path) -> list[Clip]:
    paths = [p for p in sorted(folder.glob("*.wav")) if 24_000 < p.stat().st_size < 128_000 and "tone" not in p.name]
    clips = []
    for path in paths[:: max(1, len(paths) // PROMPTS)][:PROMPTS]:
        sound = read(path).astype(np.float64)
        level = loudness(sound)
        audible = level > level.max() * 10 ** (-AUDIBLE_BELOW_PEAK_DB / 20)
        # A frame counts when it and two more of the five from it on (or up to it) are audible.
        dense = np.flatnonzero(audible & (np.convolve(audible, np.ones(5), "full")[4:] >= 3))
        closing = np.flatnonzero(audible & (np.convolve(audible, np.ones(5), "full")[: len(audible)] >= 3))
        clips.append(Clip(sound, dense[0] * 240, (closing[-1] + 1) * 240))
    return clips


def background(sound: Wave, length: int, rng: np.random.Generator) -> Wave:
    """Noise with the spectrum of the quietest 120 ms of the clip."""
    span = 2_880
    starts = range(0, len(sound) - span, 480)
    quietest = min(starts, key=lambda start: float((sound[start : start + span] ** 2).sum()))
    hann = np.hanning(span)
    shape = np.abs(np.fft.rfft(sound[quietest : quietest + span] * hann)) / np.sqrt((hann**2).sum())
    bins = np.fft.rfft(rng.normal(size=length))
    noise: Wave = np.fft.irfft(
        bins * np.interp(np.linspace(0, 1, len(bins)), np.linspace(0, 1, len(shape)), shape), length
    )
    return noise


def pink(length: int, rng: np.random.Generator) -> Wave:
    bins = np.fft.rfft(rng.normal(size=length))
    noise: Wave = np.fft.irfft(bins / np.sqrt(np.maximum(np.arange(len(bins)), 1)), length)
    noise /= noise.std()
    return noise


def clicks(length: int, rng: np.random.Generator) -> Wave:
    """Typing: short bursts with a resonance, each followed by the fainter one of the key's release."""
    sound, tick = np.zeros(length), np.arange(1_200)
    at = 0
    while (at := at + int(rng.uniform(0.08, 0.4) * INTERNAL_RATE_HZ)) + 2_700 < length:
        resonance = np.sin(2 * np.pi * rng.uniform(1_500, 5_000) * tick / INTERNAL_RATE_HZ)
        burst = 0.6 * (rng.normal(size=1_200) + resonance) * np.exp(-tick / rng.uniform(40, 200))
        sound[at : at + 1_200] += burst * rng.uniform(0.7, 2.5)
        sound[at + 1_440 : at + 2_640] += 0.4 * burst
    return sound


def samples(sound: Wave) -> Samples:
    rounded: Samples = np.clip(np.rint(sound), -32_768, 32_767).astype(np.int16)
    return rounded


def heard(sound: Wave, encoding: AudioEncoding = PCM16_24K) -> Probabilities:
    """What the server's own ear makes of it."""
    encoder, listener = Encoder(encoding), Listener(encoding, SileroDetector())
    return listener.append(encoder.push(samples(sound)) + encoder.finish()).speech


# --- measurement --------------------------------------------------------------------------------------------------

CONDITIONS = ("clean", "µ-law", "pink 10 dB", "pink 5 dB", "typing", "music 10 dB", "20 dB quieter")


@dataclass(frozen=True, slots=True)
class Take:
    """One clip as heard in one condition; the edges are those of the speech in the stream."""

    begins: float
    ends: float
    probabilities: Probabilities


def take(clip: Clip, condition: str, music: Wave, rng: np.random.Generator) -> Take:
    lead = AROUND + int(rng.integers(VAD_WINDOW))
    around = background(clip.sound, lead + AROUND, rng)
    stream = np.concatenate((around[:lead], clip.sound, around[lead:]))
    level = loudness(clip.sound)
    voice = float(np.sqrt((level[level > level.max() * 10 ** (-AUDIBLE_BELOW_PEAK_DB / 20)] ** 2).mean()))
    if condition.startswith("pink"):
        stream = stream + pink(len(stream), rng) * voice * 10 ** (-float(condition.split()[1]) / 20)
    elif condition == "typing":
        stream = stream + clicks(len(stream), rng) * voice
    elif condition == "music 10 dB":
        start = int(rng.integers(len(music) - len(stream)))
        piece = music[start : start + len(stream)]
        stream = stream + piece / piece.std() * voice * 10 ** (-10 / 20)
    elif condition == "20 dB quieter":
        stream = stream / 10
    probabilities = heard(stream, PCMU if condition == "µ-law" else PCM16_24K)
    return Take(lead + clip.begins, lead + clip.ends, probabilities)


def negatives(music: Path, rng: np.random.Generator) -> Iterator[tuple[str, Probabilities]]:
    length = NEGATIVE_S * INTERNAL_RATE_HZ
    seconds = np.arange(length) / INTERNAL_RATE_HZ
    for path in sorted(music.glob("*.wav")):
        track = read(path).astype(np.float64)[: MUSIC_S * INTERNAL_RATE_HZ]
        yield f"music {path.stem}", heard(track)
        yield f"music {path.stem}, µ-law, 20 dB quieter", heard(track / 10, PCMU)
    for level in (30, 300, 3_000):
        yield f"pink noise {level}", heard(pink(length, rng) * level)
        yield f"white noise {level}", heard(rng.normal(0, level, length))
        yield f"typing {level}", heard(clicks(length, rng) * level + rng.normal(0, 20, length))
    yield "mains hum", heard(3_000 * np.sign(np.sin(2 * np.pi * 50 * seconds)))
    ringing = np.sin(2 * np.pi * 440 * seconds) + np.sin(2 * np.pi * 480 * seconds)
    yield "ringing", heard(6_000 * ringing * (seconds % 6 < 2))
    keys = rng.choice([697, 770, 852, 941], NEGATIVE_S * 4), rng.choice([1_209, 1_336, 1_477], NEGATIVE_S * 4)
    low, high = (np.sin(2 * np.pi * np.repeat(hz, 6_000) * seconds) for hz in keys)
    yield "dialling", heard(5_000 * (low + high) * (seconds % 0.25 < 0.125))
    yield "digital silence", heard(np.zeros(length))


def spread(errors: list[float]) -> str:
    ms = np.array(errors) / INTERNAL_RATE_HZ * 1000
    return (
        f"{np.median(np.abs(ms)):4.0f} ({np.median(ms):+4.0f}, {np.percentile(ms, 10):+5.0f} … "
        f"{np.percentile(ms, 90):+5.0f})"
    )


def report(name: str, takes: list[Take], policy: Policy) -> None:
    onsets: list[float] = []
    ends: list[float] = []
    decisions: list[float] = []
    missed = split = alarms = 0
    for one in takes:
        found = policy(one.probabilities)
        near = [s for s in found if s.end > one.begins - 2_400 and s.onset < one.ends + 7_200]
        alarms += len(found) - len(near)
        if not near:
            missed += 1
            continue
        split += len(near) - 1
        onsets.append(near[0].onset - one.begins)
        ends.append(near[-1].end - one.ends)
        decisions.append(near[0].decided - one.begins)
    decided = np.percentile(np.array(decisions) / 24, [50, 90])
    print(
        f"{name:<26}{len(takes):4} onset {spread(onsets)}  end {spread(ends)}  decided after {decided[0]:.0f}/"
        f"{decided[1]:.0f}  missed {missed} split {split} false {alarms}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelled", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rules", action="store_true", help="also try other confirmation and release rules")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    policies: dict[str, Policy] = {"server_vad": core_policy()}
    if arguments.rules:
        for confirm, peak in ((2, 0.0), (2, 0.85), (2, 0.95), (3, 0.0)):
            policies[f"{confirm} windows, peak {peak}"] = Rule(confirm=confirm, peak=peak)
        policies["margin 0.25"] = Rule(margin=0.25)
        for lead, lag in ((384, 768), (576, 1_152), (768, 1_536)):
            policies[f"lead {lead}, lag {lag}"] = Rule(lead=lead, lag=lag)
    tracks = sorted(arguments.music.glob("*.wav"))
    under = read(tracks[-1]).astype(np.float64)
    speakers = {
        "labelled": [c for c in labelled(arguments.labelled) for _ in range(OFFSETS_PER_LABELLED_CLIP)],
        "prompts": prompts(arguments.prompts),
    }
    takes = {
        f"{speaker}, {condition}": [take(clip, condition, under, rng) for clip in clips]
        for condition in CONDITIONS
        for speaker, clips in speakers.items()
    }
    silent = dict(negatives(arguments.music, rng))
    print("median absolute error in ms (median, 10th … 90th percentile)")
    for name, policy in policies.items():
        print(f"\n{name}")
        for condition, heard_takes in takes.items():
            report(condition, heard_takes, policy)
        alarms = {what: len(policy(probabilities)) for what, probabilities in silent.items()}
        print(f"false alarms without speech: {({w: n for w, n in alarms.items() if n}) or 'none'}")
    minutes = sum(map(len, silent.values())) * VAD_WINDOW / INTERNAL_RATE_HZ / 60
    print(f"\n{minutes:.0f} minutes without speech in {len(silent)} recordings")


if __name__ == "__main__":
    main()
