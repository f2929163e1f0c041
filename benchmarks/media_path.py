"""CPU time of each piece between a packet and its samples, in µs per 20 ms on one thread, beside aiortc's own.

python benchmarks/media_path.py

The sound is speech of the server's own voice. aiortc's side is what its receiver and sender call for a track whose
other end wants 24 kHz mono: without its threads, queues and tasks, which cost as much again.
"""

from __future__ import annotations

import fractions
import time
import wave
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files

import av
import numpy as np
from aiortc.codecs.base import Decoder, Encoder
from aiortc.codecs.g711 import PcmuDecoder, PcmuEncoder
from aiortc.codecs.opus import OpusDecoder as AiortcOpusDecoder
from aiortc.codecs.opus import OpusEncoder as AiortcOpusEncoder
from aiortc.jitterbuffer import JitterBuffer as AiortcJitterBuffer
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket as AiortcPacket
from aiortc.rtp import compute_audio_level_dbov

from voicebridge.audio.concealment import G711Decoder
from voicebridge.audio.jitter_buffer import JitterBuffer
from voicebridge.audio.libopus import library_version
from voicebridge.audio.opus import FRAME, OpusDecoder, OpusEncoder
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.transports.webrtc.receiving import MediaReceiver
from voicebridge.transports.webrtc.rtcp import RtcpReports
from voicebridge.transports.webrtc.rtp import FRAME_S, MediaCodec, RtpPacket, read_packet, write_packet
from voicebridge.transports.webrtc.sending import MediaSender

ROUNDS = 7
OPUS = MediaCodec("opus", 111, 48_000)
PCMU = MediaCodec("pcmu", 0, 8_000)


def speech() -> list[Samples]:
    with wave.open(str(files("voicebridge.samples") / "hello.wav")) as recording:
        samples = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    return list(samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME))


FRAMES = speech()


def cost_us(prepare: Callable[[], Callable[[int], object]], count: int = len(FRAMES)) -> float:
    """The best of several rounds over the whole recording; what `prepare` makes is called with the frame's number."""
    best = float("inf")
    for _ in range(ROUNDS):
        step = prepare()
        begun = time.process_time()
        for number in range(count):
            step(number)
        best = min(best, (time.process_time() - begun) / count)
    return best * 1e6


def row(name: str, ours: float, theirs: float | None = None) -> None:
    beside = f"{theirs:12.1f}{ours / theirs:9.2f}" if theirs is not None else ""
    print(f"{name:<52}{ours:8.1f}{beside}", flush=True)


# --- ours -----------------------------------------------------------------------------------------------------------


def opus_packets(loss: float = 0.0) -> list[bytes]:
    encoder = OpusEncoder()
    encoder.protect(loss)
    return [encoder.encode(frame) for frame in [FRAMES[0], *FRAMES]][1:]


def rtp_packets(codec: MediaCodec, *, silent: bool = False) -> list[bytes]:
    sender = MediaSender(codec, 1)
    return [sender.packet(None if silent else frame, number * FRAME_S) for number, frame in enumerate(FRAMES)]


def encoding(loss: float = 0.0, *, silent: bool = False) -> Callable[[int], object]:
    encoder = OpusEncoder()
    encoder.protect(loss)
    encoder.encode(FRAMES[0])
    return (lambda _: encoder.silence()) if silent else (lambda number: encoder.encode(FRAMES[number]))


def decoding(packets: list[bytes]) -> Callable[[int], object]:
    decoder = OpusDecoder()
    return lambda number: decoder.decode(packets[number])


def mending(packets: list[bytes], *, corrected: bool) -> Callable[[int], object]:
    decoder = OpusDecoder()
    for packet in packets[:20]:
        decoder.decode(packet)
    if corrected:
        return lambda number: decoder.recover(packets[number], FRAME)
    return lambda _: decoder.conceal(FRAME)


def receiving(codec: MediaCodec, packets: list[bytes], *, every: int = 0) -> Callable[[int], object]:
    """`every` n-th packet is lost; 0: none."""
    receiver = MediaReceiver(codec)

    def step(number: int) -> None:
        now = number * FRAME_S
        receiver.tick(now)
        if not every or number % every:
            receiver.packet(packets[number], now + 0.001)

    return step


def sending(codec: MediaCodec, *, silent: bool = False) -> Callable[[int], object]:
    sender = MediaSender(codec, 1)
    return lambda number: sender.packet(None if silent else FRAMES[number], number * FRAME_S)


def buffering(packets: list[RtpPacket]) -> Callable[[int], object]:
    buffer: JitterBuffer[RtpPacket] = JitterBuffer(48_000)
    return lambda number: buffer.push(packets[number], number * FRAME_S)


def writing(payloads: list[bytes]) -> Callable[[int], object]:
    return lambda number: write_packet(111, number, number * 960, 1, payloads[number])


def reporting(packets: list[bytes]) -> Callable[[int], object]:
    receiver, sender = MediaReceiver(OPUS), MediaSender(OPUS, 1)
    reports = RtcpReports(receiver, sender)
    receiver.packet(packets[0], 0.0)
    return lambda number: reports.due(number * FRAME_S, number * FRAME_S)


def g711_encoding() -> Callable[[int], object]:
    encoder = MediaSender(PCMU, 1)._encoder
    return lambda number: encoder.encode(FRAMES[number])


def g711_decoding(packets: list[bytes], *, lost: bool) -> Callable[[int], object]:
    decoder = G711Decoder("pcmu")
    decoder.decode(packets[0][12:])
    return (lambda _: decoder.conceal(FRAME)) if lost else (lambda number: decoder.decode(packets[number][12:]))


# --- aiortc's -------------------------------------------------------------------------------------------------------


def av_frames() -> Iterator[av.AudioFrame]:
    for number, samples in enumerate(FRAMES):
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = INTERNAL_RATE_HZ, number * FRAME
        frame.time_base = fractions.Fraction(1, INTERNAL_RATE_HZ)
        yield frame


def aiortc_encoding(encoder: Encoder, *, silent: bool = False) -> Callable[[int], object]:
    frames = list(av_frames())
    if silent:
        for frame in frames:
            frame.planes[0].update(bytes(2 * FRAME))

    def step(number: int) -> object:
        compute_audio_level_dbov(frames[number])  # for the header extension, as its sender does
        return encoder.encode(frames[number])

    return step


def aiortc_decoding(decoder: Decoder, payloads: list[bytes], ticks: int) -> Callable[[int], object]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=INTERNAL_RATE_HZ)

    def step(number: int) -> object:
        frames = decoder.decode(JitterFrame(payloads[number], number * ticks))
        return [one.to_ndarray() for frame in frames for one in resampler.resample(frame)]  # type: ignore[arg-type]

    return step


def aiortc_buffering(payloads: list[bytes]) -> Callable[[int], object]:
    buffer = AiortcJitterBuffer(capacity=16, prefetch=4)
    packets = []
    for number, payload in enumerate(payloads):
        packet = AiortcPacket(sequence_number=number, timestamp=number * 960)
        packet._data = payload  # type: ignore[attr-defined]
        packets.append(packet)
    return lambda number: buffer.add(packets[number])


def aiortc_writing(payloads: list[bytes]) -> Callable[[int], object]:
    return lambda number: AiortcPacket(111, 0, number, number * 960, 1, payloads[number]).serialize()


# --------------------------------------------------------------------------------------------------------------------


def main() -> None:
    payloads, protected = opus_packets(), opus_packets(0.05)
    rtp, rtp_g711 = rtp_packets(OPUS), rtp_packets(PCMU)
    g711 = [data[12:] for data in rtp_g711]
    read = [packet for packet in map(read_packet, rtp) if packet]
    print(f"{library_version()}; {len(FRAMES)} frames; µs per 20 ms")
    print(f"{'':<52}{'ours':>8}{'aiortc':>12}{'ratio':>9}")
    row("RTP header read", cost_us(lambda: lambda n: read_packet(rtp[n])),
        cost_us(lambda: lambda n: AiortcPacket.parse(rtp[n])))  # fmt: skip
    row("RTP packet written", cost_us(lambda: writing(payloads)), cost_us(lambda: aiortc_writing(payloads)))
    row("jitter buffer", cost_us(lambda: buffering(read)), cost_us(lambda: aiortc_buffering(payloads)))
    theirs = cost_us(lambda: aiortc_encoding(AiortcOpusEncoder()))
    row("Opus encoded", cost_us(encoding), theirs)
    row("Opus encoded with error correction", cost_us(lambda: encoding(0.05)), theirs)
    row("Opus silence", cost_us(lambda: encoding(silent=True)),
        cost_us(lambda: aiortc_encoding(AiortcOpusEncoder(), silent=True)))  # fmt: skip
    row("Opus decoded to 24 kHz mono", cost_us(lambda: decoding(payloads)),
        cost_us(lambda: aiortc_decoding(AiortcOpusDecoder(), payloads, 960)))  # fmt: skip
    row("Opus decoded, voice mode", cost_us(lambda: decoding(protected)))
    row("Opus concealed", cost_us(lambda: mending(payloads, corrected=False)))
    row("Opus recovered from the next packet", cost_us(lambda: mending(protected, corrected=True)))
    row("PCMU encoded, 24 to 8 kHz", cost_us(g711_encoding), cost_us(lambda: aiortc_encoding(PcmuEncoder())))
    row("PCMU decoded, 8 to 24 kHz", cost_us(lambda: g711_decoding(rtp_g711, lost=False)),
        cost_us(lambda: aiortc_decoding(PcmuDecoder(), g711, 160)))  # fmt: skip
    row("PCMU concealed", cost_us(lambda: g711_decoding(rtp_g711, lost=True)))
    row("RTCP, each 20 ms", cost_us(lambda: reporting(rtp)))
    print()
    for codec, packets in ((OPUS, rtp), (PCMU, rtp_g711)):
        name = codec.name.upper() if codec is PCMU else "Opus"
        row(f"{name} in, all: packet to samples, and its tick", cost_us(partial(receiving, codec, packets)))
        row(f"{name} in, all, every 10th lost", cost_us(partial(receiving, codec, packets, every=10)))
        row(f"{name} out, all: samples to packet", cost_us(partial(sending, codec)))
        row(f"{name} out, all: silence", cost_us(partial(sending, codec, silent=True)))


if __name__ == "__main__":
    main()
