"""Opus through PyAV's codec contexts, for where libopus itself cannot be reached (`libopus` says why it is preferred).

Costs about three times as much, conceals by repetition, has no use for error correction, and begins anew to change
what the encoder protects itself against.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av import AudioFrame, CodecContext, Packet

from voicebridge.audio import opus_packet
from voicebridge.audio.concealment import PitchRepetition
from voicebridge.audio.libopus import VOIP
from voicebridge.audio.opus_packet import UndecodablePacket
from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import EMPTY, INTERNAL_RATE_HZ, Samples
from voicebridge.errors import EngineError

_DECODED_HZ = 48_000  # FFmpeg's Opus decoders know no other


class PyavEncoder:
    """Like `LibopusEncoder`, 20 ms packets only."""

    def __init__(self, application: int, *, bitrate: int, complexity: int, loss: float = 0.0) -> None:
        self._application = "voip" if application == VOIP else "lowdelay"
        self._bitrate, self._complexity, self._loss = bitrate, complexity, loss
        self.reset()

    def reset(self) -> None:
        try:
            context = CodecContext.create("libopus", "w")
            context.bit_rate, context.sample_rate = self._bitrate, INTERNAL_RATE_HZ
            context.format, context.layout = "s16", "mono"
            context.time_base = Fraction(1, INTERNAL_RATE_HZ)
            context.options = {
                "application": self._application,
                "vbr": "constrained",  # as libopus has it by itself
                "frame_duration": "20",
                "compression_level": str(self._complexity),
                "fec": str(int(self._loss > 0)),
                "packet_loss": str(min(round(self._loss * 100), 100)),
            }
            context.open()
        except (av.FFmpegError, ValueError) as error:
            raise EngineError(f"PyAV has no Opus encoder: {error}") from error
        self._context = context
        self._given = 0

    def encode(self, samples: Samples) -> bytes:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = INTERNAL_RATE_HZ, self._given
        self._given += len(samples)
        try:
            return b"".join(bytes(packet) for packet in self._context.encode(frame))
        except av.FFmpegError as error:
            raise EngineError(f"PyAV did not encode {len(samples)} samples: {error}") from error

    def expect_loss(self, loss: float) -> None:
        """From the next reset on."""
        self._loss = loss


class PyavDecoder:
    """Like `LibopusDecoder`."""

    def __init__(self) -> None:
        try:
            self._context = CodecContext.create("libopus", "r")
        except ValueError as error:
            raise EngineError(f"PyAV has no Opus decoder: {error}") from error
        self._context.format, self._context.layout, self._context.sample_rate = "s16", "mono", _DECODED_HZ
        self._resampler = Resampler(_DECODED_HZ, INTERNAL_RATE_HZ)
        self._repetition = PitchRepetition(INTERNAL_RATE_HZ)

    def decode(self, payload: bytes) -> Samples:
        due = opus_packet.duration(payload)
        try:
            frames = self._context.decode(Packet(payload))
        except (av.FFmpegError, EOFError) as error:
            raise UndecodablePacket(f"PyAV cannot decode an Opus packet: {error}") from error
        pieces = [self._resampler.push(frame.to_ndarray().reshape(-1).astype(np.int16)) for frame in frames]
        decoded = np.concatenate(pieces) if pieces else EMPTY
        return self._repetition.heard(decoded) if len(decoded) else self._repetition.conceal(due)

    def conceal(self, samples: int) -> Samples:
        return self._repetition.conceal(samples)

    def recover(self, next_payload: bytes, samples: int) -> Samples:  # noqa: ARG002 -- FFmpeg asks for no correction
        return self._repetition.conceal(samples)

    def corrects(self, payload: bytes) -> bool:  # noqa: ARG002
        return False
