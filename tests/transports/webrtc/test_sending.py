from __future__ import annotations

import numpy as np
import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap
from aiortc.rtp import RtpPacket as ReferencePacket
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.g711 import alaw_to_pcm16, ulaw_to_pcm16
from voicebridge.audio.opus import FRAME, OpusDecoder
from voicebridge.audio.samples import Samples
from voicebridge.transports.webrtc.rtp import FRAME_S, MediaCodec, RtpPacket, read_packet
from voicebridge.transports.webrtc.sending import MediaSender

OPUS = MediaCodec("opus", 111, 48_000)
PCMU = MediaCodec("pcmu", 0, 8_000)
PCMA = MediaCodec("pcma", 8, 8_000)
CODECS = pytest.mark.parametrize("codec", [OPUS, PCMU, PCMA], ids=lambda codec: codec.name)
BEGAN = 1234.5


def sender(codec: MediaCodec) -> MediaSender:
    return MediaSender(codec, 0xABCD, sequence=65_534, timestamp=0xFFFF_FF00)


def tone(frames: int) -> list[Samples]:
    wave = 8_000 * np.sin(2 * np.pi * 500 * np.arange(frames * FRAME) / 24_000)
    return list(wave.astype(np.int16).reshape(frames, FRAME))


def sent(media: MediaSender, frames: list[Samples | None], *, at: int = 0) -> list[RtpPacket]:
    packets = [read_packet(media.packet(frame, BEGAN + (at + number) * FRAME_S)) for number, frame in enumerate(frames)]
    return [packet for packet in packets if packet is not None]


@CODECS
def test_numbers_and_timestamps_advance_by_a_frame_and_wrap_round(codec: MediaCodec) -> None:
    packets = sent(sender(codec), [*tone(3), None, None, *tone(2)])
    assert [packet.sequence for packet in packets] == [65_534, 65_535, 0, 1, 2, 3, 4]
    step = codec.clock_rate // 50
    assert [packet.timestamp for packet in packets] == [(0xFFFF_FF00 + n * step) & 0xFFFF_FFFF for n in range(7)]
    assert {(packet.ssrc, packet.payload_type) for packet in packets} == {(0xABCD, codec.payload_type)}


@CODECS
def test_the_marker_stands_at_the_beginning_of_speech(codec: MediaCodec) -> None:
    packets = sent(sender(codec), [None, *tone(2), None, None, *tone(2)])
    assert [packet.marker for packet in packets] == [False, True, False, False, False, True, False]


@CODECS
def test_after_missed_ticks_timestamps_are_where_the_clock_is(codec: MediaCodec) -> None:
    media, step = sender(codec), codec.clock_rate // 50
    (first,) = sent(media, [None])
    (after,) = sent(media, [None], at=8)
    assert after.sequence == (first.sequence + 1) & 0xFFFF
    assert after.timestamp == (first.timestamp + 8 * step) & 0xFFFF_FFFF
    assert media.timestamp_at(BEGAN + 9 * FRAME_S) == (first.timestamp + 9 * step) & 0xFFFF_FFFF


@given(late=st.lists(st.floats(-0.004, 0.004), min_size=2, max_size=200))
def test_timestamps_do_not_drift_with_a_clock_that_trembles(late: list[float]) -> None:
    media = sender(PCMU)
    for number, seconds in enumerate(late):
        packet = read_packet(media.packet(None, BEGAN + number * FRAME_S + seconds))
        assert packet is not None
        assert packet.timestamp == (0xFFFF_FF00 + number * 160) & 0xFFFF_FFFF


def test_two_calls_within_one_tick_still_have_two_timestamps() -> None:
    media = sender(PCMU)
    packets = [read_packet(media.packet(None, BEGAN)) for _ in range(3)]
    assert len({packet.timestamp for packet in packets if packet}) == 3


@pytest.mark.parametrize(("codec", "silence"), [(PCMU, b"\xff"), (PCMA, b"\xd5")], ids=["pcmu", "pcma"])
def test_silence_of_g711_is_its_code_for_nothing(codec: MediaCodec, silence: bytes) -> None:
    packets = sent(sender(codec), [None, *tone(2), None, None])
    assert packets[0].payload == packets[4].payload == silence * 160
    assert packets[3].payload != silence * 160  # the last 3 ms, out of the resampler


@pytest.mark.parametrize("codec", [PCMU, PCMA], ids=["pcmu", "pcma"])
def test_sound_goes_out_as_g711(codec: MediaCodec) -> None:
    packets = sent(sender(codec), list(tone(50)))
    read = ulaw_to_pcm16 if codec is PCMU else alaw_to_pcm16
    heard = np.concatenate([read(packet.payload) for packet in packets]).astype(float)
    expected = 8_000 * np.sin(2 * np.pi * 500 * (np.arange(len(heard)) / 8_000 - 0.003))
    error = (heard - expected)[400:]
    assert 10 * np.log10((expected[400:] ** 2).mean() / (error**2).mean()) > 30


def test_sound_goes_out_as_opus() -> None:
    packets = sent(sender(OPUS), [*tone(50), *[None] * 50])
    decoder = OpusDecoder()
    heard = np.concatenate([decoder.decode(packet.payload) for packet in packets]).astype(float)
    assert np.sqrt((heard[5 * FRAME : 50 * FRAME] ** 2).mean()) == pytest.approx(8_000 / np.sqrt(2), rel=0.1)
    assert np.abs(heard[-20 * FRAME :]).max() <= 1


def test_the_mid_goes_along_where_it_was_negotiated() -> None:
    extensions = HeaderExtensionsMap()
    uri = "urn:ietf:params:rtp-hdrext:sdes:mid"
    extensions.configure(RTCRtpParameters(headerExtensions=[RTCRtpHeaderExtensionParameters(id=4, uri=uri)]))
    with_mid = MediaSender(OPUS, 1, mid="audio-0", mid_extension=4).packet(None, BEGAN)
    assert ReferencePacket.parse(with_mid, extensions).extensions.mid == "audio-0"
    without = MediaSender(OPUS, 1, mid="audio-0").packet(None, BEGAN)
    assert ReferencePacket.parse(without, extensions).extensions.mid is None


@CODECS
def test_what_was_sent_is_counted(codec: MediaCodec) -> None:
    media = sender(codec)
    packets = sent(media, [*tone(3), None])
    assert (media.packets, media.octets) == (4, sum(len(packet.payload) for packet in packets))


def test_loss_that_is_reported_protects_what_can_be_protected() -> None:
    for codec in (OPUS, PCMU):
        media = sender(codec)
        media.protect(0.1)
        packets = sent(media, list(tone(10)))
        assert len(packets) == 10
        assert any(OpusDecoder().corrects(packet.payload) for packet in packets) is (codec is OPUS)


def test_numbers_begin_anywhere_but_near_the_end_of_their_range() -> None:
    packets = [read_packet(MediaSender(PCMU, 1).packet(None, BEGAN)) for _ in range(50)]
    assert len({packet.sequence for packet in packets if packet}) > 10
    assert all(packet.sequence < 0x8000 for packet in packets if packet)
