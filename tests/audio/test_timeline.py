from __future__ import annotations

import pytest

from voicebridge.audio.samples import INTERNAL_RATE_HZ
from voicebridge.audio.timeline import RecentMax, Timeline

CLOCK = 48_000
FRAME, TICKS, FRAME_S = 480, 960, 0.02
BEGAN = 100.0


def steady(seconds: float, *, ppm: float = 0.0) -> Timeline:
    """A stream that has run so long without any jitter."""
    timeline = Timeline(CLOCK, 0, FRAME, BEGAN)
    for number in range(1, round(seconds / FRAME_S)):
        now = BEGAN + number * FRAME_S * (1 - ppm / 1e6)
        timeline.place(number * TICKS, FRAME, number * FRAME, now)
    return timeline


def test_the_largest_value_is_remembered_for_some_seconds() -> None:
    recent = RecentMax(5.0, 0.0)
    recent.note(9.0, 1.0)
    for now in range(2, 7):
        recent.note(1.0, float(now))
        assert recent.value == 9.0
    for now in range(7, 20):
        recent.note(1.0, float(now))
    assert recent.value == 1.0


def test_the_live_edge_moves_with_time_where_nothing_comes() -> None:
    timeline = steady(1.0)
    assert timeline.edge(BEGAN + 0.98) == 50 * FRAME
    assert timeline.edge(BEGAN + 3.98) == 50 * FRAME + 3 * INTERNAL_RATE_HZ


def test_the_live_edge_follows_a_sender_whose_clock_is_fast() -> None:
    timeline = steady(60.0, ppm=2_000)
    now = BEGAN + 2_999 * FRAME_S * (1 - 2_000 / 1e6)
    assert abs(timeline.edge(now) - 3_000 * FRAME) < 10
    assert 0.09 * INTERNAL_RATE_HZ < timeline.drift < 0.13 * INTERNAL_RATE_HZ


def test_what_was_left_out_is_no_drift_any_more() -> None:
    timeline = steady(60.0, ppm=2_000)
    drift = timeline.drift
    timeline.shift(FRAME)
    assert timeline.drift == pytest.approx(drift - FRAME)
    assert timeline.place(3_000 * TICKS, FRAME, 0, BEGAN + 59.9) == 3_000 * FRAME - FRAME


def test_time_that_is_skipped_is_no_drift() -> None:
    timeline = steady(60.0)
    timeline.skip(INTERNAL_RATE_HZ)
    assert abs(timeline.drift) < 1
    assert timeline.place(3_000 * TICKS, FRAME, 0, BEGAN + 60) == 3_000 * FRAME - INTERNAL_RATE_HZ


def test_an_outage_begins_after_200_ms_or_more_where_packets_have_come_late() -> None:
    timeline = steady(1.0)
    assert timeline.outage == INTERNAL_RATE_HZ // 5
    timeline.place(50 * TICKS, FRAME, 50 * FRAME, BEGAN + 1.0 + 0.2)
    assert timeline.outage == round(1.5 * 0.2 * INTERNAL_RATE_HZ) + FRAME
    timeline.place(51 * TICKS, FRAME, 51 * FRAME, BEGAN + 1.02 + 2.0)
    assert timeline.outage == INTERNAL_RATE_HZ * 2 // 5


def test_a_timestamp_from_the_past_or_the_future_means_now() -> None:
    for timestamp in (10 * TICKS, 500 * TICKS):
        timeline = steady(1.0)
        assert timeline.place(timestamp, FRAME, 50 * FRAME, BEGAN + 1.0) == 50 * FRAME
        assert timeline.place(timestamp + TICKS, FRAME, 51 * FRAME, BEGAN + 1.02) == 51 * FRAME


def test_a_fresh_stream_never_begins_before_what_was_handed_out() -> None:
    timeline = steady(1.0)
    assert timeline.place(7, FRAME, 90 * FRAME, BEGAN + 1.0, fresh=True) == 90 * FRAME
