"""Opus for live calls, 24 kHz mono samples in and out; 20 ms a packet out, whatever comes in.

While the path is clean the encoder runs in its low-delay (CELT) mode: half the cost of the voice mode or less, 4 ms
less delay, and at this rate close to it in score. Where the listener reports loss it changes to the voice mode with
in-band error correction. docs/audio.md has the figures.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicebridge.audio import libopus, opus_packet
from voicebridge.audio.libopus import CONCEALMENT_STEP, LOW_DELAY, VOIP, LibopusDecoder, LibopusEncoder
from voicebridge.audio.opus_packet import LONGEST
from voicebridge.audio.opus_pyav import PyavDecoder, PyavEncoder
from voicebridge.audio.samples import EMPTY, INTERNAL_RATE_HZ, Samples

FRAME = INTERNAL_RATE_HZ // 50
"""Samples in one packet that we send: 20 ms."""

# Chosen by score and cost: benchmarks/media_quality.py. The low-delay mode wants more bits than the voice mode for the
# same sound, and bits are cheaper than the time of a processor.
_BITRATE = 64_000
_COMPLEXITY = 2
_VOICE_COMPLEXITY = 0

_SILENCE = bytes.fromhex("d8fffe")  # CELT, super-wide band, 20 ms, mono, and its "silence" bit: the same every time
_VOICE_TAIL = 2  # frames of zeros until the voice mode has nothing audible left inside

_PROTECT_ABOVE = 0.01  # reported loss; it costs the low-delay mode half a point of PESQ, the voice mode nothing
_RELAX_BELOW = 0.005
_RELAX_AFTER = 5  # reports in a row

_FADE = (
    FRAME // 8
)  # 2.5 ms: decoders join two modes with what they make up from the first; better that leads to nothing
_ZEROS: Samples = np.zeros(FRAME, np.int16)
_RISING: NDArray[np.float32] = np.concatenate((np.linspace(0, 1, _FADE), np.ones(FRAME - _FADE))).astype(np.float32)
_FALLING = _RISING[::-1]


class _Encoder(Protocol):
    def encode(self, samples: Samples) -> bytes: ...

    def reset(self) -> None: ...

    def expect_loss(self, loss: float) -> None: ...


class _Decoder(Protocol):
    def decode(self, payload: bytes) -> Samples: ...

    def conceal(self, samples: int) -> Samples: ...

    def recover(self, next_payload: bytes, samples: int) -> Samples: ...

    def corrects(self, payload: bytes) -> bool: ...


def _encoder(application: int, *, complexity: int) -> _Encoder:
    make = LibopusEncoder if libopus.library_version() else PyavEncoder
    return make(application, bitrate=_BITRATE, complexity=complexity)


class OpusEncoder:
    """One stream of 20 ms packets. Raises EngineError."""

    def __init__(self) -> None:
        self._clean = _encoder(LOW_DELAY, complexity=_COMPLEXITY)
        self._voice: _Encoder | None = None
        self._active = self._clean
        self._wanted = self._clean
        self._changed = False  # has the next frame to rise from nothing?
        self._tail = 0  # frames of zeros encoded in a row
        self._settled = False  # nothing is left inside the encoder: the decoder is where silence packets have put it
        self._loss = 0.0
        self._good_reports = 0

    @property
    def protected(self) -> bool:
        """Does it send error correction?"""
        return self._active is self._voice

    def encode(self, samples: Samples) -> bytes:
        """The packet of exactly `FRAME` samples."""
        if len(samples) != FRAME:
            raise ValueError(f"a frame has {FRAME} samples, not {len(samples)}")
        if self._settled:
            self._resume()
        elif self._wanted is not self._active:
            payload = self._active.encode((samples * _FALLING).astype(np.int16))
            self._change()
            return payload
        elif self._changed:
            samples = (samples * _RISING).astype(np.int16)
        self._tail, self._settled, self._changed = 0, False, False
        return self._active.encode(samples)

    def silence(self) -> bytes:
        """The packet of 20 ms of silence: costs nothing once the end of what was said is out, a frame or a few later.

        The encoder is fed with zeros until it says by itself that there is nothing. Then it and the decoder agree about
        what went before, and however many silence packets follow, speech resumes without a jump in level.
        """
        if self._settled:
            return _SILENCE
        self._tail += 1
        payload = self._active.encode(_ZEROS)
        self._settled = payload == _SILENCE or (self._active is self._voice and self._tail >= _VOICE_TAIL)
        return payload

    def reset(self) -> None:
        """Begin a new stream, for a decoder that is new too."""
        self._active.reset()
        self._tail, self._settled, self._changed = 0, False, False

    def protect(self, loss: float) -> None:
        """The listener reports that this share (0 to 1) of the last packets was lost."""
        self._good_reports = 0 if loss >= _RELAX_BELOW else self._good_reports + 1
        if loss >= _PROTECT_ABOVE:
            if self._voice is None:
                self._voice = _encoder(VOIP, complexity=_VOICE_COMPLEXITY)
            self._voice.expect_loss(loss)
            self._wanted = self._voice
        elif self._good_reports >= _RELAX_AFTER:
            self._wanted = self._clean

    def _change(self) -> None:
        # A decoder begins anew at a change of mode, and so must the encoder.
        self._active = self._wanted
        self._active.reset()
        self._tail, self._changed = 0, True

    def _resume(self) -> None:
        """Speech after silence packets: the encoder has to be where those have brought the decoder."""
        changed = self._wanted is not self._active
        self._active = self._wanted
        if changed or self._active is self._voice:
            self._active.reset()
        if changed and self._active is self._clean:
            self._active.encode(_ZEROS)


class OpusDecoder:
    """One stream of packets, mono or stereo, 2.5 to 120 ms each. Raises EngineError where no decoder is to be had."""

    def __init__(self) -> None:
        self._decoder: _Decoder = LibopusDecoder() if libopus.library_version() else PyavDecoder()

    def duration(self, payload: bytes) -> int:
        """Samples at 24 kHz in a packet. Raises UndecodablePacket."""
        return opus_packet.duration(payload)

    def decode(self, payload: bytes) -> Samples:
        """Raises UndecodablePacket; the stream goes on."""
        return self._decoder.decode(payload)

    def conceal(self, samples: int) -> Samples:
        """What might have been in packets that were lost; fades to nothing when they are many."""
        return self._stretch(samples, None)

    def recover(self, next_payload: bytes, samples: int) -> Samples:
        """The same, where the packet after the gap is there: the last of the lost ones may be in it.

        Raises UndecodablePacket.
        """
        return self._stretch(samples, next_payload)

    def corrects(self, payload: bytes) -> bool:
        """Does this packet carry the sound of the one before it?"""
        return self._decoder.corrects(payload)

    def _stretch(self, samples: int, next_payload: bytes | None) -> Samples:
        pieces: list[Samples] = []
        left = -(-samples // CONCEALMENT_STEP) * CONCEALMENT_STEP
        while left > 0:
            count = min(left, LONGEST)
            left -= count
            if left or next_payload is None:
                pieces.append(self._decoder.conceal(count))
            else:
                pieces.append(self._decoder.recover(next_payload, count))
        return np.concatenate(pieces)[:samples] if pieces else EMPTY
