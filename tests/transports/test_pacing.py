from __future__ import annotations

import pytest

from voicebridge.transports.pacing import EventRate, PacketRate


def test_a_burst_passes_and_the_rest_waits() -> None:
    rate = EventRate(10.0, 3, now=100.0)
    assert [rate.delay(100.0) for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])


def test_within_the_rate_nobody_ever_waits() -> None:
    rate = EventRate(10.0, 1, now=0.0)
    assert [rate.delay(at * 0.101) for at in range(100)] == [0.0] * 100


def test_a_sender_that_waits_as_told_gets_the_rate_in_the_long_run() -> None:
    rate, now = EventRate(50.0, 5, now=0.0), 0.0
    for _ in range(505):
        now += rate.delay(now)
    assert now == pytest.approx(10.0)


def test_silence_saves_up_no_more_than_one_burst() -> None:
    rate = EventRate(10.0, 2, now=0.0)
    assert [rate.delay(3_600.0) for _ in range(3)] == pytest.approx([0, 0, 0.1])


def test_a_flood_of_packets_is_cut_to_the_rate_and_leaves_no_debt() -> None:
    rate = PacketRate(50.0, 5, now=0.0)
    admitted = [rate.admits(n / 1_000) for n in range(1_000)]
    assert sum(admitted) == pytest.approx(5 + 50, abs=1)
    assert [rate.admits(1.1 + n * 0.02) for n in range(50)] == [True] * 50
