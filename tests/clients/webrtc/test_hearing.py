"""The ears of these tests: they hear what is wrong, and only that."""

from __future__ import annotations

import numpy as np
import pytest

from clients.talking import Int16
from clients.webrtc.hearing import (
    FRAME,
    Frame,
    Packet,
    frames,
    in_order,
    joined,
    level_db,
    runs,
    splash_db,
)
from clients.webrtc.microphone import OpusEncoder
from voicebridge.audio.g711 import pcm16_to_ulaw
from voicebridge.engines.scripted import hum

SILENCE = np.zeros(FRAME * 10, np.int16)


def opus(samples: Int16, *, first: int = 65_530) -> list[Packet]:
    """As packets, with a sequence that wraps early."""
    encoder = OpusEncoder("mono")
    pieces = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return [
        Packet((first + index) & 0xFFFF, (2**32 - 960 * 3 + index * 960) & 0xFFFFFFFF, 111, encoder.encode(piece), 0.0)
        for index, piece in enumerate(pieces)
    ]


def test_packets_are_put_in_order_and_counted_once() -> None:
    packets = opus(hum("one two"))
    mixed = [packets[0], packets[3], packets[1], packets[1], packets[2], *packets[4:]]
    assert in_order(mixed) == packets


def test_a_lost_packet_is_a_hole_of_its_length() -> None:
    packets = opus(hum("somebody says this"))
    heard = frames([packet for index, packet in enumerate(packets) if index not in {4, 5, 9}])
    assert len(heard) == len(packets)
    assert [index for index, frame in enumerate(heard) if frame.packet is None] == [4, 5, 9]


def test_what_was_said_is_heard_as_loud_as_it_was() -> None:
    tone = hum("somebody says this")
    assert level_db(joined(frames(opus(tone)))[2400:]) == pytest.approx(level_db(tone), abs=0.5)
    assert level_db(SILENCE) < -100


def test_g711_is_heard_too() -> None:
    tone = hum("abc")[::3]  # three times as high
    packets = [
        Packet(i, i * 160, 0, pcm16_to_ulaw(tone[at : at + 160]), 0.0) for i, at in enumerate(range(0, 1440, 160))
    ]
    assert level_db(joined(frames(packets))[480:]) == pytest.approx(level_db(tone), abs=0.5)


def test_runs_of_sound_are_found_and_joined_over_short_pauses() -> None:
    loud, quiet = Frame(np.full(FRAME, 1000, np.int16), None), Frame(np.zeros(FRAME, np.int16), None)
    heard = [quiet] * 3 + [loud] * 4 + [quiet] + [loud] * 2 + [quiet] * 5 + [loud]
    assert [(run.start, run.end) for run in runs(heard)] == [(3, 7), (8, 10), (15, 16)]
    assert [(run.start, run.end) for run in runs(heard, joining=1)] == [(3, 10), (15, 16)]


def faded(tone: Int16, samples: int = 120) -> Int16:
    """In and out."""
    gain = np.ones(len(tone))
    gain[:samples] = np.linspace(0, 1, samples)
    gain[-samples:] = np.linspace(1, 0, samples)
    return (tone * gain).astype(np.int16)


def test_a_sound_that_fades_is_no_click() -> None:
    gentle = np.concatenate([SILENCE, faded(hum("hello there")), SILENCE])
    assert splash_db(gentle) < -45
    assert splash_db(joined(frames(opus(gentle)))) < -40


@pytest.mark.parametrize("cut", [2000, 2027, 2055, 2081])
def test_a_sound_that_is_cut_off_or_has_a_hole_is_a_click(cut: int) -> None:
    tone = faded(hum("hello there"))
    crest = cut + int(np.argmax(np.abs(tone[cut : cut + 60].astype(np.int32))))
    ended = np.concatenate([SILENCE, tone[:crest], np.zeros(480 * 8, np.int16)])
    holed = np.concatenate([SILENCE, tone[:crest], np.zeros(200, np.int16), tone[crest + 200 :], SILENCE])
    for click in (ended, holed):
        assert splash_db(click) > -32
        assert splash_db(joined(frames(opus(click)))) > -32
