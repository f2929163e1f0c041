"""How audio is written on a wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from voicebridge.audio.samples import INTERNAL_RATE_HZ
from voicebridge.errors import ConfigError

Codec: TypeAlias = Literal["pcm16", "ulaw", "alaw"]

PCM16_RATES_HZ = (8_000, 16_000, 24_000, 44_100, 48_000)
G711_RATE_HZ = 8_000


@dataclass(frozen=True, slots=True)
class AudioEncoding:
    """A codec at a rate.

    pcm16 is signed little-endian at one of `PCM16_RATES_HZ`, one channel or two interleaved; ulaw and alaw are G.711,
    one byte per sample, 8 kHz, one channel. Raises ConfigError for anything else.
    """

    codec: Codec
    rate_hz: int
    channels: int = 1

    def __post_init__(self) -> None:
        if self.codec not in get_args(Codec):
            raise ConfigError(f"codec must be one of {', '.join(get_args(Codec))}, not {self.codec!r}", param="codec")
        rates = PCM16_RATES_HZ if self.codec == "pcm16" else (G711_RATE_HZ,)
        if self.rate_hz not in rates:
            allowed = ", ".join(map(str, rates))
            raise ConfigError(f"rate of {self.codec} must be one of {allowed} Hz, not {self.rate_hz}", param="rate_hz")
        channels = (1, 2) if self.codec == "pcm16" else (1,)
        if self.channels not in channels:
            allowed = " or ".join(map(str, channels))
            raise ConfigError(f"{self.codec} has {allowed} channels, not {self.channels}", param="channels")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return 2 * self.channels if self.codec == "pcm16" else 1

    @property
    def bytes_per_second(self) -> int:
        return self.frame_bytes * self.rate_hz


PCM16_24K = AudioEncoding("pcm16", INTERNAL_RATE_HZ)
PCMU = AudioEncoding("ulaw", G711_RATE_HZ)
PCMA = AudioEncoding("alaw", G711_RATE_HZ)
