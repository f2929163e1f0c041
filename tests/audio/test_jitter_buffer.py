from __future__ import annotations

import itertools
import random
from typing import NamedTuple

import pytest
from aiortc.jitterbuffer import JitterBuffer as AiortcJitterBuffer
from aiortc.rtp import RtpPacket as AiortcPacket
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.jitter_buffer import MAX_WAIT_S, MAX_WAITING, MIN_WAIT_S, JitterBuffer, Released

CLOCK = 48_000
TICKS = 960
FRAME_S = 0.02


class Packet(NamedTuple):
    ssrc: int
    sequence: int
    timestamp: int
    number: int
    """in the order of sending"""


def packet(number: int, *, ssrc: int = 1, first: int = 0, first_timestamp: int = 0) -> Packet:
    return Packet(ssrc, first + number & 0xFFFF, first_timestamp + number * TICKS & 0xFFFF_FFFF, number)


def buffer() -> JitterBuffer[Packet]:
    return JitterBuffer(CLOCK)


def numbers(released: list[Released[Packet]]) -> list[int]:
    return [one.packet.number for one in released]


def after_steady_packets(count: int = 10) -> JitterBuffer[Packet]:
    steady = buffer()
    for number in range(count):
        assert numbers(steady.push(packet(number), number * FRAME_S)) == [number]
    return steady


# --- what goes through at once --------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=60))
def test_what_comes_in_order_goes_on_at_once_however_irregularly_it_comes(gaps: list[float]) -> None:
    irregular = buffer()
    for number, now in enumerate(itertools.accumulate(gaps)):
        assert numbers(irregular.push(packet(number), now)) == [number]
    assert irregular.held == 0


def test_sequence_and_timestamp_wrap_round() -> None:
    wrapping = buffer()
    first, timestamp = 0xFFFE, 0xFFFF_FFFF - TICKS
    released = [
        one
        for number in range(6)
        for one in wrapping.push(packet(number, first=first, first_timestamp=timestamp), number * FRAME_S)
    ]
    assert [one.timestamp for one in released] == [timestamp + number * TICKS for number in range(6)]
    assert [one.fresh for one in released] == [True] + [False] * 5
    assert wrapping.reception is not None
    assert wrapping.reception.highest == first + 5
    assert wrapping.reception.expected == 6


def test_a_pause_of_the_sender_is_no_loss() -> None:
    paused = after_steady_packets(3)
    later = Packet(1, 3, 100 * TICKS, 3)
    (released,) = paused.push(later, 100 * FRAME_S)
    assert (released.lost, released.timestamp) == (0, 100 * TICKS)
    assert paused.counts.lost == 0


# --- holes ----------------------------------------------------------------------------------------------------------


def test_what_was_overtaken_is_put_in_its_place() -> None:
    overtaken = after_steady_packets(10)
    assert overtaken.push(packet(11), 0.22) == []
    assert overtaken.push(packet(12), 0.225) == []
    assert numbers(overtaken.push(packet(10), 0.23)) == [10, 11, 12]
    assert overtaken.counts.lost == overtaken.counts.late == 0


def test_a_hole_is_given_up_after_the_shortest_wait_where_nothing_ever_came_late() -> None:
    lossy = after_steady_packets(10)
    assert lossy.push(packet(12), 0.24) == []
    assert lossy.expire(0.24 + MIN_WAIT_S - 0.001) == []
    (released,) = lossy.expire(0.24 + MIN_WAIT_S)
    assert (released.packet.number, released.lost) == (12, 2)
    assert lossy.counts.lost == 2
    assert numbers(lossy.push(packet(13), 0.27)) == [13]


def test_the_next_packet_too_gives_a_hole_up_when_its_time_has_come() -> None:
    lossy = after_steady_packets(10)
    lossy.push(packet(11), 0.22)
    assert numbers(lossy.push(packet(12), 0.22 + MIN_WAIT_S)) == [11, 12]


def test_two_holes_are_waited_for_one_after_the_other() -> None:
    lossy = after_steady_packets(10)
    lossy.push(packet(11), 0.220)
    lossy.push(packet(13), 0.235)
    assert numbers(lossy.expire(0.2401)) == [11]
    assert lossy.expire(0.2549) == []
    assert numbers(lossy.expire(0.2551)) == [13]


def test_what_comes_after_it_was_given_up_is_counted_and_makes_the_next_wait_longer() -> None:
    late = after_steady_packets(10)
    late.push(packet(11), 0.22)
    assert numbers(late.expire(0.24)) == [11]
    assert late.push(packet(10), 0.27) == []
    assert (late.counts.lost, late.counts.late) == (1, 1)
    assert late.wait_s(0.27) == pytest.approx(0.0625, abs=0.02)  # 50 ms late, and a quarter more
    late.push(packet(13), 0.28)
    assert late.expire(0.28 + 0.05) == []
    assert numbers(late.push(packet(12), 0.335)) == [12, 13]


def test_a_longer_wait_is_bounded_and_forgotten_again() -> None:
    late = after_steady_packets(10)
    late.push(packet(11), 0.22)
    late.expire(0.24)
    late.push(packet(10), 5.0)
    assert late.wait_s(5.0) == MAX_WAIT_S
    # The jitter that those 5 s were fades with packets, the lateness with time.
    for number in range(12, 200):
        late.push(packet(number), 5 + number * FRAME_S)
    assert late.wait_s(40.0) == MIN_WAIT_S


def test_duplicates_are_dropped_wherever_they_come() -> None:
    twice = after_steady_packets(10)
    assert twice.push(packet(9), 0.2) == []
    assert twice.push(packet(3), 0.2) == []
    twice.push(packet(11), 0.21)
    assert twice.push(packet(11), 0.21) == []
    twice.expire(0.5)
    twice.push(packet(10), 0.5)  # late, once
    assert twice.push(packet(10), 0.5) == []
    assert (twice.counts.duplicated, twice.counts.late, twice.counts.lost) == (4, 1, 1)


# --- streams --------------------------------------------------------------------------------------------------------


def test_another_source_is_taken_when_its_second_packet_confirms_it() -> None:
    changing = after_steady_packets(10)
    changing.push(packet(12), 0.24)
    assert changing.push(packet(500, ssrc=2), 0.245) == []
    released = changing.push(packet(501, ssrc=2), 0.25)
    assert [(one.packet.number, one.lost, one.fresh) for one in released] == [
        (12, 2, False),
        (500, 0, True),
        (501, 0, False),
    ]
    assert changing.reception is not None
    assert (changing.reception.ssrc, changing.reception.expected, changing.reception.received) == (2, 2, 2)


def test_packets_of_another_source_between_ours_change_nothing() -> None:
    steady = buffer()
    for number in range(50):
        assert numbers(steady.push(packet(number), number * FRAME_S)) == [number]
        assert steady.push(packet(number, ssrc=2, first=777), number * FRAME_S) == []
    assert steady.counts.lost == 0


@pytest.mark.parametrize("jump", [3_000, 20_000, -600, -20_000])
def test_a_wild_jump_of_the_numbers_begins_anew(jump: int) -> None:
    jumping = after_steady_packets(10)
    assert jumping.push(packet(10, first=jump), 0.2) == []
    released = jumping.push(packet(11, first=jump), 0.22)
    assert [(one.packet.number, one.lost, one.fresh) for one in released] == [(10, 0, True), (11, 0, False)]
    assert jumping.counts.lost == 0


def test_one_wild_packet_changes_nothing() -> None:
    steady = after_steady_packets(10)
    assert steady.push(packet(30_000), 0.2) == []
    assert numbers(steady.push(packet(10), 0.2)) == [10]
    assert steady.push(packet(30_001), 0.2) == []
    assert numbers(steady.push(packet(11), 0.22)) == [11]


# --- whatever comes -------------------------------------------------------------------------------------------------

impairments = st.lists(
    st.tuples(st.sampled_from([False, False, False, False, True]), st.floats(0, 0.15), st.integers(1, 2)),
    min_size=1,
    max_size=120,
)
"""For each packet: is it lost, how long does it take, how often does it come?"""


def arrivals(plan: list[tuple[bool, float, int]]) -> list[tuple[float, int]]:
    return sorted(
        (number * FRAME_S + delay + 0.001 * copy, number)
        for number, (lost, delay, copies) in enumerate(plan)
        for copy in range(copies)
        if not lost
    )


@given(plan=impairments, first=st.integers(0, 0xFFFF), timestamp=st.integers(0, 0xFFFF_FFFF))
def test_order_is_kept_nothing_comes_twice_and_all_is_accounted_for(
    plan: list[tuple[bool, float, int]], first: int, timestamp: int
) -> None:
    tried = buffer()
    released: list[Released[Packet]] = []
    came = arrivals(plan)
    for now, number in came:
        released += tried.push(packet(number, first=first, first_timestamp=timestamp), now)
        assert tried.held <= MAX_WAITING
    if came:
        released += tried.expire(came[-1][0] + MAX_WAIT_S)
    assert tried.held == 0  # no standing delay
    order = numbers(released)
    assert order == sorted(set(order))
    assert [one.timestamp - released[0].timestamp for one in released] == [
        (number - order[0]) * TICKS for number in order
    ]
    gaps = [later - earlier - 1 for earlier, later in itertools.pairwise(order)]
    assert [one.lost for one in released] == ([0, *gaps] if order else [])
    counts = tried.counts
    assert counts.received == len(came) == len(order) + counts.duplicated + counts.late
    assert counts.lost == sum(gaps)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF), st.floats(0, 0.1))),
)
def test_hostile_numbers_hold_no_memory_and_are_never_handed_on_twice(
    packets: list[tuple[int, int, int, float]],
) -> None:
    tried, now, handed_on = buffer(), 0.0, []
    for number, (ssrc, sequence, timestamp, gap) in enumerate(packets):
        now += gap
        handed_on += tried.push(Packet(ssrc, sequence, timestamp, number), now)
        assert tried.held <= MAX_WAITING
        assert len(tried._holes) <= 16
        assert tried._seen.bit_length() <= 512
    order = numbers(handed_on)
    assert len(order) == len(set(order))


def test_a_hole_is_given_up_when_too_much_waits_behind_it() -> None:
    flooded = after_steady_packets(10)
    for number in range(11, 11 + MAX_WAITING):
        assert flooded.push(packet(number), 0.2) == []
    assert numbers(flooded.push(packet(11 + MAX_WAITING), 0.2)) == list(range(11, 12 + MAX_WAITING))


# --- jitter ---------------------------------------------------------------------------------------------------------


def test_jitter_is_estimated_as_rfc_3550_has_it() -> None:
    irregular = buffer()
    draw = random.Random(1)
    transits = [draw.uniform(0, 0.02) for _ in range(500)]
    estimate = 0.0
    for number, (before, transit) in enumerate(itertools.pairwise(transits), start=1):
        if number == 1:
            irregular.push(packet(0), before)
        irregular.push(packet(number), number * FRAME_S + transit)
        estimate += (abs(transit - before) * CLOCK - estimate) / 16
    assert irregular.reception is not None
    assert irregular.reception.jitter == pytest.approx(estimate, rel=1e-6)


def test_where_packets_come_irregularly_holes_are_waited_for_longer() -> None:
    irregular = buffer()
    for number in range(200):
        irregular.push(packet(number), number * FRAME_S + (0.04 if number % 2 else 0.035))
    regular = irregular.wait_s(4.0)
    for number in range(200, 400):
        irregular.push(packet(number), number * FRAME_S + (0.055 if number % 2 else 0.036))
    assert MIN_WAIT_S <= regular < irregular.wait_s(8.0) <= MAX_WAIT_S


def test_packets_that_share_a_timestamp_are_no_jitter() -> None:
    event = after_steady_packets(10)
    for number in range(10, 20):  # a key held for 200 ms: all of its packets bear the time it was pressed
        event.push(Packet(1, number, 10 * TICKS, number), number * FRAME_S)
    assert event.reception is not None
    assert event.reception.jitter == pytest.approx(0, abs=1)


def test_what_is_overtaken_makes_waits_longer_before_anything_is_lost_by_it() -> None:
    overtaken = after_steady_packets(10)
    for number in range(10, 100, 2):
        overtaken.push(packet(number + 1), number * FRAME_S)
        assert len(overtaken.push(packet(number), number * FRAME_S + 0.018)) == 2
    assert overtaken.counts.lost == 0
    assert overtaken._faded_lateness(98 * FRAME_S + 0.018) == pytest.approx(0.018)


# --- against the library's own --------------------------------------------------------------------------------------


def impaired(count: int, loss: float, jitter_s: float, seed: int) -> list[tuple[float, int]]:
    draw = random.Random(seed)
    plan = [(draw.random() < loss, 0.05 + draw.uniform(0, jitter_s), 1) for _ in range(count)]
    return arrivals(plan)


def heard_by_aiortc(came: list[tuple[float, int]]) -> int:
    theirs = AiortcJitterBuffer(capacity=16, prefetch=4)  # as its RTCRtpReceiver makes it for sound
    frames = 0
    for _, number in came:
        arrived = AiortcPacket(sequence_number=number & 0xFFFF, timestamp=number * TICKS)
        arrived._data = b"x"  # type: ignore[attr-defined]
        frames += theirs.add(arrived)[1] is not None
    return frames


@pytest.mark.parametrize("jitter_s", [0.0, 0.02, 0.05])
@pytest.mark.parametrize("loss", [0.01, 0.05, 0.1])
def test_no_more_is_missing_than_was_lost_and_one_percent(loss: float, jitter_s: float) -> None:
    came = impaired(3_000, loss, jitter_s, seed=round(loss * 100))
    ours, heard, tick = buffer(), 0, 0.0
    for now, number in came:
        while tick < now:
            heard += len(ours.expire(tick))
            tick += FRAME_S
        heard += len(ours.push(packet(number), now))
    heard += len(ours.expire(came[-1][0] + MAX_WAIT_S))
    truly_lost = 3_000 - len(came)
    assert 3_000 - heard <= truly_lost + 30
    # aiortc's waits for a hole until its 16 places are full, and hands on one frame for one packet.
    assert 3_000 - heard_by_aiortc(came) > truly_lost + 30
