"""RTP packets to samples: in order, without gaps, in real time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicebridge.audio.concealment import G711Decoder
from voicebridge.audio.jitter_buffer import JitterBuffer, Reception, Released
from voicebridge.audio.opus import FRAME, OpusDecoder
from voicebridge.audio.opus_packet import UndecodablePacket
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.audio.timeline import Timeline
from voicebridge.transports.webrtc.rtp import MediaCodec, RtpPacket, read_packet

_MOST_CONCEALED = INTERNAL_RATE_HZ // 10  # 100 ms in a row; beyond that it is silence
_MOST_FILLED = 2 * INTERNAL_RATE_HZ  # at once; where nobody called `tick` for longer, the time in between never was
_FADE = INTERNAL_RATE_HZ // 200  # 5 ms, between sound and silence
_RISING: NDArray[np.float32] = (np.arange(1, _FADE + 1) / (_FADE + 1)).astype(np.float32)
_QUIET = 300  # of 32,768: such a frame can be left out, or silence put before it, unheard
_TOLERATED_DRIFT = FRAME
_INTOLERABLE_DRIFT = 5 * FRAME


@dataclass(frozen=True, slots=True)
class ReceiverStats:
    """Since the beginning. Packets, unless it says otherwise."""

    received: int = 0
    lost: int = 0
    """never came, or came too late"""
    late: int = 0
    """of the lost ones: came after they had been given up"""
    duplicated: int = 0
    malformed: int = 0
    """not RTP, or not what the codec can decode"""
    ignored: int = 0
    """of other payload types: telephone events, comfort noise"""
    recovered: int = 0
    """samples made from error correction"""
    concealed: int = 0
    """samples made up"""
    silent: int = 0
    """samples of silence put in where nothing was sent or nothing came"""
    discarded: int = 0
    """samples that came when silence had already been put in their place, or faster than real time"""
    jitter_s: float = 0.0
    delay_s: float = 0.0
    """how far what was handed out was behind what could have been, at the last tick"""


@dataclass(slots=True)
class _Counts:
    malformed: int = 0
    ignored: int = 0
    recovered: int = 0
    concealed: int = 0
    silent: int = 0
    discarded: int = 0


class _Decoder(Protocol):
    def duration(self, payload: bytes) -> int: ...

    def decode(self, payload: bytes) -> Samples: ...

    def conceal(self, samples: int) -> Samples: ...

    def recover(self, next_payload: bytes, samples: int) -> Samples: ...

    def corrects(self, payload: bytes) -> bool: ...


class MediaReceiver:
    """One stream in. What it hands out is one unbroken sound at the pace of real time, beginning with the first packet.

    Nothing that a peer sends raises; what cannot be used is counted. Raises EngineError where there is no decoder.
    """

    def __init__(self, codec: MediaCodec) -> None:
        self.codec = codec
        self._counts = _Counts()
        self._delay = 0
        self._buffer: JitterBuffer[RtpPacket] = JitterBuffer(codec.clock_rate)
        self._timeline: Timeline | None = None
        self._decoder = self._new_decoder()
        self._position = 0  # samples handed out
        self._missing = False  # were packets lost since the last one that was decoded?
        self._made_up = 0  # samples concealed in a row
        self._silenced = False  # did what was handed out last end in silence put in by us?

    @property
    def reception(self) -> Reception | None:
        """What a receiver report tells; None before the first packet."""
        return self._buffer.reception

    @property
    def stats(self) -> ReceiverStats:
        reception = self.reception
        return ReceiverStats(
            **asdict(self._buffer.counts),
            **asdict(self._counts),
            jitter_s=reception.jitter / self.codec.clock_rate if reception else 0.0,
            delay_s=self._delay / INTERNAL_RATE_HZ,
        )

    def packet(self, data: bytes, now: float) -> list[Samples]:
        """A decrypted packet has come. `now`: the loop's seconds, as for `tick`."""
        packet = read_packet(data)
        if packet is None:
            self._counts.malformed += 1
            return []
        if packet.payload_type != self.codec.payload_type:
            self._counts.ignored += 1
            if self.reception is None or packet.ssrc != self.reception.ssrc:
                return []
        return self._play_all(self._buffer.push(packet, now))

    def tick(self, now: float) -> list[Samples]:
        """Every 20 ms: gives up what is late, and keeps time going where nothing comes."""
        pieces = self._play_all(self._buffer.expire(now))
        timeline = self._timeline
        if timeline is None:
            return pieces
        edge = timeline.edge(now)
        due = edge - timeline.outage - self._position
        if due > _MOST_FILLED:
            timeline.skip(due - FRAME)
            due = FRAME
        if due >= FRAME:
            pieces += self._fill(due - due % FRAME)
        self._delay = max(edge - self._position, 0)
        return pieces

    def _new_decoder(self) -> _Decoder:
        return OpusDecoder() if self.codec.name == "opus" else G711Decoder(self.codec.name)

    def _play_all(self, released: list[Released[RtpPacket]]) -> list[Samples]:
        pieces: list[Samples] = []
        for one in released:
            self._missing = self._missing or one.lost > 0
            # Other payload types share the sequence numbers but not the sound: silence, as far as time goes on.
            if one.packet.payload_type == self.codec.payload_type and one.packet.payload:
                pieces += self._play(one)
        return pieces

    def _play(self, released: Released[RtpPacket]) -> list[Samples]:
        """A packet's sound, and before it what belongs between it and the one before."""
        payload, arrived = released.packet.payload, released.arrived
        try:
            duration = self._decoder.duration(payload)
        except UndecodablePacket:
            return self._undecodable()
        if self._timeline is None:
            self._timeline = Timeline(self.codec.clock_rate, released.timestamp, duration, arrived)
        elif released.fresh:
            self._decoder = self._new_decoder()
        timeline = self._timeline
        start = timeline.place(released.timestamp, duration, self._position, arrived, fresh=released.fresh)
        gap = start - self._position
        if gap > _MOST_FILLED:
            timeline.skip(gap)
            gap = 0
        pieces = self._bridge(gap, payload, duration) if gap > 0 else []
        try:
            samples = self._decoder.decode(payload)
        except UndecodablePacket:
            return pieces + self._undecodable()
        self._missing = False
        if gap < 0:
            self._counts.discarded += min(-gap, len(samples))
            samples = samples[-gap:]
            self._silenced = True
        return pieces + self._in_real_time(samples)

    def _undecodable(self) -> list[Samples]:
        """As good as lost."""
        self._counts.malformed += 1
        self._missing = True
        return []

    def _bridge(self, gap: int, next_payload: bytes, duration: int) -> list[Samples]:
        """What stands for `gap` samples between two packets. The last of the lost may be found in the next payload."""
        tail = min(gap, duration) if self._missing and self._decoder.corrects(next_payload) else 0
        pieces = self._fill(gap - tail) if gap > tail else []
        if tail:
            try:
                recovered = self._decoder.recover(next_payload, tail)
            except UndecodablePacket:  # decoding it will say so again, and count it
                return pieces + self._fill(tail)
            self._counts.recovered += tail
            pieces.append(self._handed_out(self._faded_in(recovered)))
        return pieces

    def _fill(self, count: int) -> list[Samples]:
        """Sound made up for as long as that deceives anybody, then silence."""
        pieces: list[Samples] = []
        made_up = min(count, _MOST_CONCEALED - self._made_up)
        if made_up > 0:
            samples = self._decoder.conceal(made_up)
            self._made_up += made_up
            self._counts.concealed += made_up
            if self._made_up == _MOST_CONCEALED:
                samples = _faded(samples[::-1])[::-1]
                self._silenced = True
            pieces.append(self._handed_out(samples))
        if count > made_up:
            self._counts.silent += count - made_up
            pieces.append(self._handed_out(np.zeros(count - made_up, np.int16)))
        return pieces

    def _in_real_time(self, samples: Samples) -> list[Samples]:
        """What was decoded; where the sender's clock is fast or slow, a quiet moment is left out or lengthened."""
        if not len(samples) or self._timeline is None:
            return []
        self._made_up = 0
        samples = self._faded_in(samples)
        drift = self._timeline.drift
        unheard = abs(drift) >= _TOLERATED_DRIFT and max(int(samples.max()), -int(samples.min())) <= _QUIET
        if not unheard and abs(drift) < _INTOLERABLE_DRIFT:
            return [self._handed_out(samples)]
        if drift > 0:
            self._timeline.shift(len(samples))
            self._counts.discarded += len(samples)
            return []
        self._timeline.shift(-FRAME)
        self._counts.silent += FRAME
        return [self._handed_out(np.zeros(FRAME, np.int16)), self._handed_out(samples)]

    def _faded_in(self, samples: Samples) -> Samples:
        if not self._silenced:
            return samples
        self._silenced = False
        return _faded(samples)

    def _handed_out(self, samples: Samples) -> Samples:
        self._position += len(samples)
        return samples


def _faded(samples: Samples) -> Samples:
    """Rising from nothing."""
    length = min(_FADE, len(samples))
    return np.concatenate(((samples[:length] * _RISING[:length]).astype(np.int16), samples[length:]))
