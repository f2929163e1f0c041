from __future__ import annotations

import random
import wave as wave_file
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.audio.g711 import ulaw_to_pcm16
from voicebridge.audio.opus import OpusDecoder, OpusEncoder
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.transports.webrtc.receiving import MediaReceiver
from voicebridge.transports.webrtc.rtp import FRAME_S, MediaCodec, write_packet
from voicebridge.transports.webrtc.sending import MediaSender

FRAME = 480
PCMU = MediaCodec("pcmu", 0, 8_000)
OPUS = MediaCodec("opus", 111, 48_000)
BEGAN = 5_000.0
SOURCE = 0xBEEF
LOUD = 15 * FRAME  # where the recording's first words are, half a second of them


def recorded() -> Samples:
    with wave_file.open(str(files("voicebridge.samples") / "hello.wav")) as recording:
        samples: Samples = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    return samples


def code(number: int) -> int:
    """A level of its own for each packet of a second: µ-law codes of positive values that are not small."""
    return 0x80 + number * 7 % 64


def sound(number: int, *, ssrc: int = SOURCE, first: int = 65_500, first_timestamp: int = 0xFFFF_F000) -> bytes:
    timestamp = first_timestamp + number * 160 & 0xFFFF_FFFF
    return write_packet(0, first + number & 0xFFFF, timestamp, ssrc, bytes((code(number),)) * 160)


def level(number: int) -> int:
    return int(ulaw_to_pcm16(bytes((code(number),)))[0])


class Line:
    """A receiver, its ticks, and what it handed out when. Everything that comes lies on one clock."""

    def __init__(self, codec: MediaCodec = PCMU) -> None:
        self.receiver = MediaReceiver(codec)
        self.pieces: list[Samples] = []
        self.count = 0
        self.began: float | None = None
        self.ahead = -1e9
        self.behind = -1e9
        """Samples between what was handed out and real time since the first packet; the worst of all ticks."""
        self._tick = BEGAN

    def packet(self, data: bytes, now: float) -> None:
        self.until(now)
        self._add(self.receiver.packet(data, now))
        if self.began is None and self.count:
            self.began = now
        if self.began is not None:
            self.ahead = max(self.ahead, self.count - FRAME - (now - self.began) * INTERNAL_RATE_HZ)

    def until(self, now: float) -> None:
        while self._tick < now:
            self._add(self.receiver.tick(self._tick))
            if self.began is not None:
                self.behind = max(self.behind, (self._tick - self.began) * INTERNAL_RATE_HZ - self.count)
            self._tick += FRAME_S

    def without_ticks(self, seconds: float) -> None:
        self._tick += seconds

    def _add(self, pieces: list[Samples]) -> None:
        for piece in pieces:
            assert piece.dtype == np.int16
            assert len(piece)
            self.count += len(piece)
        self.pieces += pieces

    @property
    def heard(self) -> Samples:
        if len(self.pieces) > 1:
            self.pieces = [np.concatenate(self.pieces)]
        return self.pieces[0] if self.pieces else np.zeros(0, np.int16)

    def hears(self, number: int, *, at: int | None = None) -> bool:
        """Does the sound of a packet lie where it belongs?"""
        middle = (number if at is None else at) * FRAME + 360
        return len(self.heard) > middle and int(self.heard[middle]) == level(number)


def in_a_row(line: Line, numbers: range, *, delay: float = 0.0, **where: int) -> None:
    for number in numbers:
        line.packet(sound(number, **where), BEGAN + number * FRAME_S + delay)


# --- a good path ----------------------------------------------------------------------------------------------------


def test_each_packet_is_heard_at_once() -> None:
    line = Line()
    for number in range(100):
        line.packet(sound(number), BEGAN + number * FRAME_S)
        assert line.count == (number + 1) * FRAME
    assert all(line.hears(number) for number in range(100))
    stats = line.receiver.stats
    assert (stats.received, stats.lost, stats.concealed, stats.silent, stats.discarded) == (100, 0, 0, 0, 0)
    assert stats.delay_s <= FRAME_S


def test_nothing_is_handed_out_before_the_first_packet() -> None:
    line = Line()
    line.until(BEGAN + 10)
    assert line.pieces == []
    assert line.receiver.reception is None


@pytest.mark.parametrize("samples", [40, 80, 240, 480, 800])
def test_packets_of_any_length_are_heard(samples: int) -> None:
    line = Line()
    for number in range(100):
        payload = bytes((code(number),)) * samples
        line.packet(write_packet(0, number, number * samples, 1, payload), BEGAN + number * samples / 8_000)
    assert line.count == 100 * samples * 3
    assert line.receiver.stats.silent == 0


# --- a bad path -----------------------------------------------------------------------------------------------------

impairments = st.lists(
    st.tuples(st.sampled_from([False] * 6 + [True]), st.floats(0, 0.1), st.integers(1, 2)), min_size=40, max_size=100
)


def test_losses_apart_from_each_other_are_all_concealed() -> None:
    line = Line()
    for number in range(200):
        if number % 10 != 5:
            line.packet(sound(number), BEGAN + number * FRAME_S)
    stats = line.receiver.stats
    assert (stats.lost, stats.concealed, stats.silent) == (20, 20 * FRAME, 0)


@settings(max_examples=60, deadline=None)
@given(plan=impairments)
def test_whatever_the_path_does_sound_lies_where_it_was_said(plan: list[tuple[bool, float, int]]) -> None:
    line = Line()
    came = sorted(
        (BEGAN + number * FRAME_S + (delay if number else 0), number)
        for number, (lost, delay, copies) in enumerate(plan)
        for _ in range(copies)
        if number == 0 or not lost
    )
    for now, number in came:
        line.packet(sound(number), now)
    last = max(number for _, number in came)
    line.until(came[-1][0] + 0.2)
    stats = line.receiver.stats
    numbers = {number for _, number in came}
    heard = {number for number in numbers if line.hears(number)}
    assert len(numbers - heard) <= stats.late
    # No sound has been handed out twice, and none is missing: what is there is as long as what was said.
    made_up = stats.concealed + stats.silent + stats.recovered
    assert line.count == (len(numbers) - stats.late) * FRAME + made_up
    assert line.count >= (last + 1) * FRAME
    assert line.ahead <= 1
    assert line.behind <= 0.4 * INTERNAL_RATE_HZ


def test_a_lost_packet_is_concealed() -> None:
    line = Line()
    for number in range(50):
        if number != 20:
            line.packet(sound(number), BEGAN + number * FRAME_S)
    assert all(line.hears(number) for number in range(50) if number != 20)
    assert np.abs(line.heard[20 * FRAME : 20 * FRAME + 240]).min() > level(19) * 0.6
    stats = line.receiver.stats
    assert (stats.lost, stats.concealed, stats.silent) == (1, FRAME, 0)
    assert stats.delay_s <= FRAME_S  # nothing stays behind


def test_no_more_is_missing_of_opus_than_was_lost_and_error_correction_fills_in() -> None:
    line, sender, draw = Line(OPUS), MediaSender(OPUS, 1), random.Random(3)
    sender.protect(0.05)
    lost = 0
    speech = (8_000 * np.sin(np.arange(1_000 * FRAME) * 0.05) * np.sin(np.arange(1_000 * FRAME) * 0.0008)).astype("<i2")
    for number in range(1_000):
        now = BEGAN + number * FRAME_S
        data = sender.packet(speech[number * FRAME :][:FRAME], now)
        if draw.random() < 0.05:
            lost += 1
        else:
            line.packet(data, now + draw.uniform(0, 0.02))
    stats = line.receiver.stats
    assert line.count == pytest.approx(1_000 * FRAME, abs=2 * FRAME)
    assert stats.concealed + stats.silent + stats.recovered <= (lost + 10) * FRAME
    assert stats.recovered > stats.concealed


# --- outages --------------------------------------------------------------------------------------------------------


def test_in_an_outage_time_goes_on_with_silence() -> None:
    line = Line()
    in_a_row(line, range(50))
    line.until(BEGAN + 1.0 + 0.19)
    assert line.count == 50 * FRAME
    line.until(BEGAN + 3.0)
    assert line.behind <= 0.23 * INTERNAL_RATE_HZ
    assert line.count == pytest.approx((3.0 - 0.2) * INTERNAL_RATE_HZ, abs=FRAME)
    silence = line.heard[50 * FRAME + 2_400 :]
    assert len(silence) > INTERNAL_RATE_HZ
    assert not silence.any()
    assert (line.receiver.stats.lost, line.receiver.stats.concealed) == (0, 2_400)


def test_what_comes_after_an_outage_and_was_not_filled_in_is_used_and_nothing_twice() -> None:
    line = Line()
    in_a_row(line, range(50))
    resumes = BEGAN + 2.0
    for number in range(50, 100):
        line.packet(sound(number), resumes)
    filled = round((1.0 - 0.2) / FRAME_S)  # frames handed out in their place
    assert not line.hears(55)
    assert all(line.hears(number) for number in range(50 + filled + 1, 100))
    assert line.count == 100 * FRAME
    stats = line.receiver.stats
    assert stats.discarded == pytest.approx(filled * FRAME, abs=FRAME)
    assert (stats.lost, stats.late) == (0, 0)
    in_a_row(line, range(101, 110))
    assert line.hears(109)


def test_where_packets_were_late_before_an_outage_is_waited_for_longer() -> None:
    line = Line()
    in_a_row(line, range(50))
    for number in range(50, 58):  # a stall of 160 ms, nothing lost
        line.packet(sound(number), BEGAN + 58 * FRAME_S)
    in_a_row(line, range(58, 100))
    line.until(BEGAN + 2.0 + 0.25)
    assert line.count == 100 * FRAME
    line.until(BEGAN + 4.0)
    assert line.count > 150 * FRAME
    assert line.behind <= 0.42 * INTERNAL_RATE_HZ


def test_a_pause_of_the_sender_is_silence_and_no_loss() -> None:
    line = Line()
    in_a_row(line, range(50))
    for number in range(50, 100):  # numbered on without a hole, said a second later
        data = write_packet(0, 65_500 + number & 0xFFFF, 0xFFFF_F000 + (number + 50) * 160 & 0xFFFF_FFFF, SOURCE,
                            bytes((code(number),)) * 160, marker=number == 50)  # fmt: skip
        line.packet(data, BEGAN + (number + 50) * FRAME_S)
    assert all(line.hears(number, at=number + 50) for number in range(51, 100))
    stats = line.receiver.stats
    assert (stats.lost, stats.discarded, line.count) == (0, 0, 150 * FRAME)
    assert stats.concealed + stats.silent == 50 * FRAME


@pytest.mark.parametrize("ticks_resume_after", [600, 602], ids=["a tick first", "a packet first"])
def test_time_in_which_nobody_called_tick_never_was(ticks_resume_after: float) -> None:
    line = Line()
    in_a_row(line, range(50))
    line.without_ticks(ticks_resume_after)
    for number in range(50, 100):
        data = sound(number, first_timestamp=0xFFFF_F000 + 600 * 8_000 & 0xFFFF_FFFF)
        line.packet(data, BEGAN + 600 + number * FRAME_S)
    assert line.count < 120 * FRAME
    assert line.hears(99, at=line.count // FRAME - 1)


def largest_step(samples: Samples) -> int:
    return int(np.abs(np.diff(samples.astype(int))).max())


@pytest.mark.parametrize("codec", [OPUS, PCMU], ids=["opus", "pcmu"])
def test_sound_and_silence_join_without_a_click(codec: MediaCodec) -> None:
    wave = (8_000 * np.cos(2 * np.pi * 200 * np.arange(200 * FRAME) / INTERNAL_RATE_HZ)).astype(np.int16)
    wave += np.random.default_rng(1).normal(0, 1_500, len(wave)).astype(np.int16)  # what is made up does not die away
    line, sender = Line(codec), MediaSender(codec, 1)
    for number in range(150):
        now = BEGAN + number * FRAME_S
        data = sender.packet(wave[number * FRAME :][:FRAME], now)
        if not 50 <= number < 100:
            line.packet(data, now)
    heard = line.heard
    begins, ends = 55 * FRAME, 100 * FRAME  # 100 ms are made up
    resumes = ends - 1 + int(np.flatnonzero(heard[ends - 1 :])[0])
    assert not heard[begins : ends - 1].any()
    # Both sides lead to nothing: of the 8,000 little is left in the last millisecond and little there in the first.
    assert np.abs(heard[begins - 24 : begins].astype(int)).max() < 800
    assert np.abs(heard[resumes : resumes + 24].astype(int)).max() < 500
    assert largest_step(heard[10 * FRAME :]) < 1.1 * largest_step(wave)


def test_a_pause_is_not_taken_for_loss_where_packets_carry_correction() -> None:
    line, sender = Line(OPUS), MediaSender(OPUS, 1)
    sender.protect(0.1)
    speech = recorded()[LOUD:]
    for number in range(25):
        now = BEGAN + (number + 5 * (number >= 10)) * FRAME_S  # five ticks without a packet
        data = sender.packet(speech[number * FRAME :][:FRAME], now)
        assert number != 10 or OpusDecoder().corrects(data[12:])
        line.packet(data, now)
    stats = line.receiver.stats
    assert (stats.recovered, stats.lost, stats.concealed) == (0, 0, 5 * FRAME)


# --- other things on the wire ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload_type", [13, 101, 126])
def test_other_payload_types_are_counted_and_leave_no_hole(payload_type: int) -> None:
    line = Line()
    in_a_row(line, range(20))
    for number in range(20, 28):  # telephone events, comfort noise: numbered with the sound, the timestamp stands still
        timestamp = 0xFFFF_F000 + 20 * 160 & 0xFFFF_FFFF
        data = write_packet(payload_type, 65_500 + number & 0xFFFF, timestamp, SOURCE, b"\x05\x0a\x00\xa0")
        line.packet(data, BEGAN + number * FRAME_S)
    in_a_row(line, range(28, 60))
    stats = line.receiver.stats
    assert (stats.ignored, stats.lost, line.count) == (8, 0, 60 * FRAME)
    assert all(line.hears(number) for number in [*range(20), *range(29, 60)])


def test_payload_types_of_other_sources_do_not_touch_the_stream() -> None:
    line = Line()
    for number in range(50):
        line.packet(write_packet(96, number * 3, number, 0x1234, b"video"), BEGAN + number * FRAME_S)
        line.packet(sound(number), BEGAN + number * FRAME_S)
    stats = line.receiver.stats
    assert (stats.ignored, stats.lost, stats.received, line.count) == (50, 0, 50, 50 * FRAME)


def test_a_packet_that_cannot_be_decoded_is_as_good_as_lost() -> None:
    line, sender = Line(OPUS), MediaSender(OPUS, 1, sequence=0, timestamp=0)
    for number in range(50):
        data = sender.packet(np.full(FRAME, 1_000, np.int16), BEGAN + number * FRAME_S)
        if number == 20:
            data = data[:12] + b"\xff\xff\xff"
        line.packet(data, BEGAN + number * FRAME_S)
    stats = line.receiver.stats
    assert (stats.malformed, stats.lost, stats.concealed, line.count) == (1, 0, FRAME, 50 * FRAME)


def test_empty_payloads_are_pauses() -> None:
    line = Line()
    in_a_row(line, range(20))
    line.packet(write_packet(0, 65_520, 0xFFFF_F000 + 20 * 160 & 0xFFFF_FFFF, SOURCE, b""), BEGAN + 20 * FRAME_S)
    in_a_row(line, range(21, 40))
    assert (line.receiver.stats.malformed, line.receiver.stats.lost, line.count) == (0, 0, 40 * FRAME)


@settings(max_examples=100, deadline=None)
@given(
    codec=st.sampled_from([PCMU, OPUS]),
    packets=st.lists(
        st.tuples(
            st.sampled_from([0, 0, 0, 111, 111, 111, 13, 101]),
            st.integers(0, 0xFFFF) | st.integers(0, 20),
            st.integers(0, 0xFFFF_FFFF),
            st.integers(0, 1),
            st.binary(max_size=80),
            st.floats(0, 0.3),
        ),
        max_size=40,
    ),
)
def test_hostile_packets_never_raise_and_never_outrun_time(
    codec: MediaCodec, packets: list[tuple[int, int, int, int, bytes, float]]
) -> None:
    line, now = Line(codec), BEGAN
    for payload_type, sequence, timestamp, ssrc, payload, gap in packets:
        now += gap
        line.packet(payload, now)
        line.packet(write_packet(payload_type, sequence, timestamp, ssrc, payload), now)
    line.until(now + 1)
    assert line.count <= (now + 1 - BEGAN + 2) * INTERNAL_RATE_HZ


# --- streams and clocks ---------------------------------------------------------------------------------------------


def test_another_source_goes_on_in_real_time() -> None:
    line = Line()
    in_a_row(line, range(50))
    in_a_row(line, range(50, 100), ssrc=0xCAFE, first=999, first_timestamp=77)
    assert line.count == 100 * FRAME
    assert all(line.hears(number) for number in range(52, 100))
    assert line.receiver.stats.lost == 0


def test_another_source_is_decoded_from_its_own_beginning() -> None:
    line, speech = Line(OPUS), recorded()[LOUD : LOUD + 20 * FRAME].reshape(20, FRAME)
    before, after = MediaSender(OPUS, 1), MediaSender(OPUS, 2)
    for number in range(40):
        now = BEGAN + number * FRAME_S
        line.packet((before if number < 20 else after).packet(speech[number % 20], now), now)
    encoder, decoder = OpusEncoder(), OpusDecoder()
    expected = [decoder.decode(encoder.encode(frame)) for frame in speech]
    assert np.array_equal(line.heard[20 * FRAME :], np.concatenate(expected))


@pytest.mark.parametrize("jump", [-8_000 * 60, 8_000 * 60, 0x8000_0000])
def test_timestamps_that_jump_are_no_time_travel(jump: int) -> None:
    line = Line()
    in_a_row(line, range(50))
    in_a_row(line, range(50, 100), first_timestamp=0xFFFF_F000 + jump & 0xFFFF_FFFF)
    assert line.count == 100 * FRAME
    assert all(line.hears(number) for number in range(100))


@pytest.mark.parametrize("ppm", [-3_000, 3_000])
@pytest.mark.parametrize("quiet", [True, False])
def test_a_clock_that_is_fast_or_slow_does_not_add_up(ppm: int, quiet: bool) -> None:
    """A minute at 3,000 ppm does what half an hour at 100 ppm does: 180 ms."""
    line = Line()
    for number in range(3_000):
        silent = quiet and number % 50 < 10
        data = sound(number)[:12] + b"\xff" * 160 if silent else sound(number)
        line.packet(data, BEGAN + number * FRAME_S * (1 - ppm / 1e6))
    drift = line.count / INTERNAL_RATE_HZ - 60 * (1 - ppm / 1e6)
    assert abs(drift) <= (0.045 if quiet else 0.125)
    stats = line.receiver.stats
    corrected = stats.discarded if ppm > 0 else stats.silent
    assert corrected == pytest.approx(0.18 * INTERNAL_RATE_HZ, rel=0.8)
    assert stats.concealed == 0


def test_a_sender_faster_than_time_is_held_to_it() -> None:
    line = Line()
    for number in range(3_000):
        line.packet(sound(number), BEGAN + number * FRAME_S / 2)
    assert line.count <= (30 + 5) * INTERNAL_RATE_HZ


def test_not_even_at_the_beginning_is_time_outrun() -> None:
    line, payload = Line(), b"\xff" * 960
    for number in range(500):
        line.packet(write_packet(0, number, number * 960, 1, payload), BEGAN + number * 0.001)
    assert line.count <= (0.5 + 1.5) * INTERNAL_RATE_HZ
    assert line.receiver.stats.discarded > 50 * INTERNAL_RATE_HZ


def test_a_path_that_grows_longer_costs_its_length_once() -> None:
    line = Line()
    in_a_row(line, range(500))
    in_a_row(line, range(500, 1_200), delay=0.3)
    stats = line.receiver.stats
    assert stats.discarded <= 0.15 * INTERNAL_RATE_HZ
    assert line.behind <= 0.45 * INTERNAL_RATE_HZ
    assert line.ahead <= 1
    assert sum(line.hears(number) for number in range(530)) > 510
