"""What a peer received, made audible, and measured: sound and silence, clicks, words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
import jiwer
import numpy as np
from numpy.typing import NDArray
from whisper_normalizer.english import EnglishTextNormalizer

from clients.talking import Int16
from voicebridge.audio.g711 import alaw_to_pcm16, ulaw_to_pcm16
from voicebridge.audio.resample import Resampler

RATE = 24_000
FRAME = 480
SOUND = 100
"""The loudest sample of a frame that is not silence (-50 dBFS)."""
PCMU, PCMA = 0, 8


@dataclass(frozen=True, slots=True)
class Packet:
    """An RTP packet as it came, and the loop's time then."""

    sequence: int
    timestamp: int
    payload_type: int
    payload: bytes
    arrived: float


def in_order(packets: Sequence[Packet]) -> list[Packet]:
    """By sequence number, each once, whatever the network did to them."""
    if not packets:
        return []
    first = packets[0].sequence
    by_distance = {(packet.sequence - first + 0x8000) & 0xFFFF: packet for packet in reversed(packets)}
    return [by_distance[distance] for distance in sorted(by_distance)]


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of sound, and the packet it came in; or none: it was lost, and this is what was made of it."""

    samples: Int16
    packet: Packet | None


def frames(packets: Sequence[Packet]) -> list[Frame]:
    """Each 20 ms that was sent from the first packet on, at 24 kHz mono. Lost ones are silent.

    By the sequence, not by the timestamps: those jump where the sender was kept from sending by a busy machine.
    """
    heard: list[Frame] = []
    decoded: Callable[[bytes], Int16] | None = None
    last: Packet | None = None
    for packet in in_order(packets):
        decoded = decoded or decoder(packet.payload_type)
        if last is not None:
            missing = ((packet.sequence - last.sequence) & 0xFFFF) - 1
            heard += [Frame(np.zeros(FRAME, np.int16), None)] * missing
        heard.append(Frame(decoded(packet.payload), packet))
        last = packet
    return heard


def decoder(payload_type: int) -> Callable[[bytes], Int16]:
    if payload_type in {PCMU, PCMA}:
        expand = ulaw_to_pcm16 if payload_type == PCMU else alaw_to_pcm16
        widen = Resampler(8000, RATE)
        return lambda payload: widen.push(expand(payload))
    return OpusDecoder().decode


class OpusDecoder:
    """libopus by way of FFmpeg, as browsers have it: 48 kHz stereo, of which the mean is kept at half the rate."""

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.sample_rate = 48_000
        self._codec.layout = "stereo"
        self._codec.format = "s16"
        self._halve = Resampler(48_000, RATE)

    def decode(self, payload: bytes) -> Int16:
        (frame,) = self._codec.decode(av.Packet(payload))
        sound = frame.to_ndarray()
        mono = sound.reshape(-1, 2).mean(axis=1) if frame.format.name == "s16" else sound.mean(axis=0) * 32767
        return self._halve.push(np.clip(mono, -32768, 32767).astype(np.int16))


def joined(heard: Sequence[Frame]) -> Int16:
    return np.concatenate([np.zeros(0, np.int16), *(frame.samples for frame in heard)])


def sounds(frame: Frame) -> bool:
    return int(np.abs(frame.samples.astype(np.int32)).max(initial=0)) > SOUND


@dataclass(frozen=True, slots=True)
class Run:
    """Frames `start` up to (not including) `end` that all sound."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) * 0.02


def runs(heard: Sequence[Frame], *, joining: int = 0) -> list[Run]:
    """Where it sounds; pauses of up to `joining` frames belong to it."""
    found: list[Run] = []
    for sounding, group in itertools.groupby(enumerate(heard), lambda entry: sounds(entry[1])):
        if not sounding:
            continue
        indices = [index for index, _frame in group]
        run = Run(indices[0], indices[-1] + 1)
        if found and run.start - found[-1].end <= joining:
            run = Run(found.pop().start, run.end)
        found.append(run)
    return found


def level_db(samples: Int16) -> float:
    """Root mean square, against full scale."""
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return 10 * float(np.log10(max(power, 1e-2) / 32768**2))


def splash_db(samples: Int16, *, above_hz: float = 2500.0) -> float:
    """The loudest 5 ms of what lies above a frequency, against the loudest sound around it (100 ms).

    For sounds without anything up there, such as a hum: a click is broadband, and stands out (from about -30 dB).
    """
    sound = samples.astype(np.float64)
    high = _above(sound, above_hz)
    width = RATE // 200
    count = len(sound) // width
    if not count:
        return -120.0
    splashes = _power(high, width, count)
    levels = np.lib.stride_tricks.sliding_window_view(np.pad(_power(sound, width, count), 10), 21).max(axis=1)
    audible = levels > 50**2
    ratio = splashes[audible] / levels[audible]
    return 10 * float(np.log10(max(ratio.max(initial=0.0), 1e-12)))


def _power(sound: NDArray[np.float64], width: int, count: int) -> NDArray[np.float64]:
    power: NDArray[np.float64] = np.mean(sound[: count * width].reshape(count, width) ** 2, axis=1)
    return power


def _above(sound: NDArray[np.float64], hz: float) -> NDArray[np.float64]:
    """A windowed-sinc high-pass of 12 ms: short enough to say when, steep enough to say what."""
    n = np.arange(-144, 145)
    low = np.sinc(2 * hz / RATE * n) * np.blackman(len(n))
    high = -low / low.sum()
    high[len(n) // 2] += 1
    filtered: NDArray[np.float64] = np.convolve(sound, high, mode="same")
    filtered[:144] = filtered[-144:] = 0  # where the recording begins and ends is nobody's click
    return filtered


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    normal = EnglishTextNormalizer()
    return float(jiwer.wer([normal(text) for text in said], [normal(text) for text in heard]))
