"""What a peer sends: speech, silence or nothing, encoded as asked, one packet every 20 ms of an absolute clock."""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import Callable
from typing import Any, Literal

import av
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from clients.talking import Int16
from voicebridge.audio.g711 import pcm16_to_alaw, pcm16_to_ulaw
from voicebridge.audio.resample import Resampler

Encoding = Literal["opus mono", "opus stereo", "pcmu", "pcma"]
RATE = 24_000
FRAME = 480
FRAME_S = 0.02
OPUS_CLOCK = 48_000
DTX_REFRESH = 20
"""Of silence under DTX one packet in so many is sent (RFC 7587: every 400 ms)."""


class Microphone(MediaStreamTrack):
    """A track whose packets are made here, so that a test decides every one of them.

    `say` queues speech (24 kHz mono); between speeches it is silent. `muted`: silence, whatever is said.
    `dtx`: silence is hardly sent. `stopped`: nothing is sent at all while time goes on.
    """

    kind = "audio"

    def __init__(self, encoding: Encoding = "opus mono") -> None:
        super().__init__()
        self._encode = _encoder(encoding)
        self._silence = [self._encode(np.zeros(FRAME, np.int16)) for _ in range(3)][-1]
        self._queued: Int16 = np.zeros(0, np.int16)
        self._index = 0
        self._begun: float | None = None
        self._spoken = asyncio.Event()
        self.muted = self.stopped = self.dtx = False

    def say(self, samples: Int16) -> None:
        self._queued = np.concatenate([self._queued, samples])
        self._spoken.clear()

    async def said(self) -> float:
        """Wait until everything queued went out; the loop's time then."""
        await self._spoken.wait()
        return asyncio.get_running_loop().time()

    async def recv(self) -> av.Packet[Any]:
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        if self._begun is None:
            self._begun = loop.time()
        while True:
            await asyncio.sleep(max(0.0, self._begun + self._index * FRAME_S - loop.time()))
            speech = self._next()
            self._index += 1
            if not self.stopped and (speech is not None or not self.dtx or self._index % DTX_REFRESH == 0):
                return self._packet(self._silence if speech is None else self._encode(speech))

    def _next(self) -> Int16 | None:
        """20 ms of what is to be said; None: silence."""
        taken, self._queued = self._queued[:FRAME], self._queued[FRAME:]
        if not len(self._queued):
            self._spoken.set()
        return None if self.muted or not len(taken) else np.pad(taken, (0, FRAME - len(taken)))

    def _packet(self, payload: bytes) -> av.Packet[Any]:
        packet = av.Packet(payload)
        packet.pts = (self._index - 1) * 960
        packet.time_base = fractions.Fraction(1, OPUS_CLOCK)
        return packet


def _encoder(encoding: Encoding) -> Callable[[Int16], bytes]:
    if encoding in {"opus mono", "opus stereo"}:
        return OpusEncoder("mono" if encoding == "opus mono" else "stereo").encode
    compress = pcm16_to_ulaw if encoding == "pcmu" else pcm16_to_alaw
    narrow = Resampler(RATE, 8000)
    return lambda samples: compress(narrow.push(samples))


class OpusEncoder:
    """As a browser's: 20 ms, variable rate around 32 kb/s a channel. In stereo the voice is on the left alone."""

    def __init__(self, layout: Literal["mono", "stereo"]) -> None:
        self._layout = layout
        self._codec = av.CodecContext.create("libopus", "w")
        self._codec.sample_rate = RATE
        self._codec.layout = layout
        self._codec.format = "s16"
        self._codec.bit_rate = 32_000 if layout == "mono" else 64_000
        self._codec.options = {"application": "voip"}
        self._at = 0

    def encode(self, samples: Int16) -> bytes:
        planes = samples if self._layout == "mono" else np.column_stack([samples, np.zeros_like(samples)]).reshape(-1)
        frame = av.AudioFrame.from_ndarray(planes.reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate, frame.pts = RATE, self._at
        self._at += len(samples)
        (packet,) = self._codec.encode(frame)
        return bytes(packet)
