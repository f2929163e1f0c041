"""Samples to RTP packets, 20 ms each."""

from __future__ import annotations

import secrets
from typing import Protocol

import numpy as np

from voicebridge.audio.g711 import pcm16_to_alaw, pcm16_to_ulaw
from voicebridge.audio.opus import FRAME, OpusEncoder
from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.transports.webrtc.rtp import FRAME_S, MediaCodec, one_byte_extension, write_packet

_G711_RATE_HZ = 8_000
_ZEROS: Samples = np.zeros(FRAME, np.int16)


class _Encoder(Protocol):
    def encode(self, samples: Samples) -> bytes: ...

    def silence(self) -> bytes: ...

    def protect(self, loss: float) -> None: ...


class _G711Encoder:
    def __init__(self, codec: MediaCodec) -> None:
        self._write = pcm16_to_alaw if codec.name == "pcma" else pcm16_to_ulaw
        self._silence = self._write(np.zeros(round(_G711_RATE_HZ * FRAME_S), np.int16))
        self._resampler = Resampler(INTERNAL_RATE_HZ, _G711_RATE_HZ)
        self._settled = True  # nothing is left inside the resampler

    def encode(self, samples: Samples) -> bytes:
        self._settled = False
        return self._write(self._resampler.push(samples))

    def silence(self) -> bytes:
        if self._settled:
            return self._silence
        self._settled = True
        return self._write(self._resampler.push(_ZEROS))

    def protect(self, loss: float) -> None:
        """G.711 has nothing to protect itself with."""


class MediaSender:
    """One stream out: every tick a packet, in speech and in silence."""

    def __init__(
        self,
        codec: MediaCodec,
        ssrc: int,
        *,
        mid: str = "",
        mid_extension: int | None = None,
        sequence: int | None = None,
        timestamp: int | None = None,
    ) -> None:
        """`mid` goes along in every packet where the extension's id (1 to 14) was negotiated.

        The first sequence number and timestamp are random unless given. Raises EngineError without an encoder,
        ValueError for a `mid` that fits no one-byte extension.
        """
        self.codec = codec
        self.ssrc = ssrc
        self.packets = 0
        """sent so far"""
        self.octets = 0
        """of payload sent so far"""
        self._encoder: _Encoder = OpusEncoder() if codec.name == "opus" else _G711Encoder(codec)
        self._extension = one_byte_extension(mid_extension, mid.encode()) if mid_extension is not None and mid else b""
        # Half of the range, so that SRTP's rollover counter cannot be guessed wrong when the first packets are lost.
        self._sequence = secrets.randbelow(1 << 15) if sequence is None else sequence
        self._first_timestamp = secrets.randbits(32) if timestamp is None else timestamp
        self._frame_ticks = round(codec.clock_rate * FRAME_S)
        self._began: float | None = None
        self._frame = 0  # number of the latest one, counted on the schedule: missed ones count too
        self._speaking = False

    def packet(self, samples: Samples | None, now: float) -> bytes:
        """The packet of the tick at `now` on the ticker's schedule: exactly `FRAME` samples, or None for silence.

        Timestamps follow the schedule: where ticks were missed the timestamp jumps over them, and the listener's
        clock stays right. Raises EngineError when the encoder fails.
        """
        payload = self._encoder.silence() if samples is None else self._encoder.encode(samples)
        if self._began is None:
            self._began = now
        else:
            self._frame = max(self._frame + 1, round((now - self._began) / FRAME_S))
        marker = samples is not None and not self._speaking  # RFC 3551 section 4.1: the beginning of a talkspurt
        self._speaking = samples is not None
        data = write_packet(
            self.codec.payload_type,
            self._sequence,
            self._timestamp(self._frame * self._frame_ticks),
            self.ssrc,
            payload,
            marker=marker,
            extension=self._extension,
        )
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return data

    def protect(self, loss: float) -> None:
        """The listener reports that this share (0 to 1) of the last packets was lost."""
        self._encoder.protect(loss)

    def timestamp_at(self, now: float) -> int:
        """What RTP's clock shows at `now`, in the ticker's seconds: the relation that sender reports tell."""
        began = now if self._began is None else self._began
        return self._timestamp(round((now - began) * self.codec.clock_rate))

    def _timestamp(self, ticks: int) -> int:
        return (self._first_timestamp + ticks) & 0xFFFFFFFF
