"""What a listener hears: gapless, without clicks, one response after another, and counted to the sample."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from voicebridge.audio.samples import EMPTY, Samples
from voicebridge.core.io import PlayedPart, PlayoutCleared, PlayoutDrained, PlayoutStarted, Speech
from voicebridge.core.playout import CLEAR_FADE, ENOUGH, FADE, FRAME, RESUME, Playout
from voicebridge.protocol.formats import PCM_24K

LOUD = 32_000
STEP = 2 * LOUD // FADE
"""No two samples next to each other may differ by more: where one fade ends and the next begins the other way."""

MINUTE = 60 * 24_000


def piece(
    samples: Samples | int, response: str = "r", item: str = "i", index: int = 0, *, last: bool = False
) -> Speech:
    if isinstance(samples, int):
        samples = np.full(samples, LOUD, np.int16)
    return Speech("event", response, item, 0, index, samples, PCM_24K, last=last)


def done(response: str = "r", item: str = "i", index: int = 0) -> Speech:
    return piece(EMPTY, response, item, index, last=True)


@dataclass
class Heard:
    """Takes frames from a playout and remembers."""

    playout: Playout
    frames: list[Samples | None] = field(default_factory=list)
    told: list[PlayoutStarted | PlayoutDrained] = field(default_factory=list)

    def listen(self, frames: int = 1) -> list[PlayoutStarted | PlayoutDrained]:
        told = []
        for _ in range(frames):
            frame, events = self.playout.next_frame()
            assert frame is None or (frame.shape == (FRAME,) and frame.dtype == np.int16)
            self.frames.append(frame)
            told += events
        self.told += told
        return told

    @property
    def sound(self) -> Samples:
        silence = np.zeros(FRAME, np.int16)
        return np.concatenate([EMPTY, *(silence if frame is None else frame for frame in self.frames)])

    def audible(self) -> int:
        return int(np.count_nonzero(self.sound))

    def steepest(self) -> int:
        """The greatest step between neighbours, from the silence before it on."""
        return int(np.abs(np.diff(self.sound.astype(np.int32), prepend=0)).max(initial=0))


def heard(max_queued: int = MINUTE) -> tuple[Playout, Heard]:
    playout = Playout(max_queued)
    return playout, Heard(playout)


# --- a response from its beginning to its end ---------------------------------------------------------------------


def test_nothing_to_say_is_silence() -> None:
    playout, ears = heard()
    assert ears.listen() == []
    assert ears.frames == [None]
    playout.end("unknown")
    assert playout.clear() == []
    assert ears.listen() == []


def test_a_response_is_heard_as_it_was_made() -> None:
    playout, ears = heard()
    ramp = np.arange(1, 5 * FRAME + 1).astype(np.int16)
    playout.add(piece(ramp))
    playout.add(done())
    playout.end("r")
    assert playout.queued == 5 * FRAME
    assert ears.listen() == [PlayoutStarted("r")]
    assert ears.listen(3) == []
    assert ears.listen() == [PlayoutDrained("r")]
    assert playout.queued == 0
    assert np.array_equal(ears.sound[FADE:-FADE], ramp[FADE:-FADE])
    assert ears.listen() == []
    assert ears.frames[-1] is None


@pytest.mark.parametrize("length", [1, 59, 60, 61, 479, 480, 481, 539, 540, 541, 960, 1_000])
def test_it_comes_and_goes_softly_whatever_its_length(length: int) -> None:
    playout, ears = heard()
    playout.add(piece(length))
    playout.end("r")
    assert ears.listen(10) == [PlayoutStarted("r"), PlayoutDrained("r")]
    assert ears.audible() == length
    assert ears.steepest() <= STEP


def test_it_begins_with_the_first_sound_that_can_go_on() -> None:
    playout, ears = heard()
    playout.add(piece(ENOUGH - 1))
    assert ears.listen(3) == []
    playout.add(piece(1))
    assert ears.listen() == [PlayoutStarted("r")]


def test_an_end_that_comes_after_the_last_sample_is_told_with_the_next_frame() -> None:
    playout, ears = heard()
    playout.add(piece(2 * FRAME))
    ears.listen(4)
    playout.end("r")
    assert ears.listen() == [PlayoutDrained("r")]
    assert ears.audible() == 2 * FRAME


def test_responses_follow_one_another_in_the_order_of_their_first_words() -> None:
    playout, ears = heard()
    playout.add(piece(FRAME, "a"))
    playout.add(piece(FRAME, "b"))
    playout.add(piece(FRAME, "a"))
    playout.end("b")
    assert ears.listen(10) == [PlayoutStarted("a")]
    playout.end("a")
    assert ears.listen(10) == [PlayoutDrained("a"), PlayoutStarted("b"), PlayoutDrained("b")]


# --- slow engines -------------------------------------------------------------------------------------------------


def test_running_dry_fades_and_waits_for_enough_to_go_on() -> None:
    playout, ears = heard()
    playout.add(piece(3 * FRAME))
    ears.listen(5)
    assert ears.frames[3:] == [None, None]
    playout.add(piece(RESUME - 1))
    ears.listen()
    assert ears.frames[-1] is None
    playout.add(piece(1))
    ears.listen()
    assert ears.frames[-1] is not None
    playout.end("r")
    ears.listen(5)
    assert [type(event) for event in ears.told] == [PlayoutStarted, PlayoutDrained]
    assert ears.audible() == 3 * FRAME + RESUME
    assert ears.steepest() <= STEP


def test_after_the_end_a_short_rest_is_not_waited_for() -> None:
    playout, ears = heard()
    playout.add(piece(ENOUGH))
    ears.listen(3)
    playout.add(piece(10))
    playout.end("r")
    assert ears.listen() == [PlayoutDrained("r")]
    assert ears.audible() == ENOUGH + 10
    assert ears.steepest() <= STEP


# --- clearing -----------------------------------------------------------------------------------------------------


def test_a_clear_is_heard_as_a_short_fade_and_counted_with_it() -> None:
    playout, ears = heard()
    playout.add(piece(MINUTE // 2))
    ears.listen(3)
    assert playout.clear() == [PlayoutCleared("r", (PlayedPart("i", 0, 3 * FRAME + CLEAR_FADE),))]
    assert playout.queued == 0
    assert ears.listen(3) == []
    assert ears.audible() == 3 * FRAME + CLEAR_FADE
    assert ears.steepest() <= STEP
    assert ears.frames[-1] is None


def test_a_clear_before_anything_went_out_reports_parts_with_nothing() -> None:
    playout, ears = heard()
    playout.add(piece(FRAME, item="i"))
    playout.add(done(item="i"))
    playout.add(piece(FRAME, item="j"))
    assert playout.clear() == [PlayoutCleared("r", (PlayedPart("i", 0, 0), PlayedPart("j", 0, 0)))]
    assert ears.listen() == []
    assert ears.frames == [None]


def test_a_clear_while_the_end_fades_anyway_changes_nothing_of_it() -> None:
    sounds = []
    for clearing in (False, True):
        playout, ears = heard()
        playout.add(piece(FRAME + FADE // 3))
        playout.add(done())
        playout.end("r")
        ears.listen()
        if clearing:
            assert playout.clear() == [PlayoutCleared("r", ())]
        ears.listen(2)
        sounds.append(ears.sound)
    assert np.array_equal(sounds[0], sounds[1])


def test_parts_that_were_heard_to_their_end_are_not_reported() -> None:
    playout, ears = heard()
    for index in range(3):
        playout.add(piece(2 * FRAME, index=index))
        playout.add(done(index=index))
    ears.listen(3)
    (cleared,) = playout.clear()
    assert cleared.played == (PlayedPart("i", 1, FRAME + CLEAR_FADE), PlayedPart("i", 2, 0))


def test_a_part_that_may_go_on_was_not_heard_to_its_end() -> None:
    playout, ears = heard()
    playout.add(piece(ENOUGH))
    ears.listen(4)
    assert playout.clear() == [PlayoutCleared("r", (PlayedPart("i", 0, ENOUGH),))]


def test_a_complete_part_that_was_all_played_leaves_a_clear_without_parts() -> None:
    playout, ears = heard()
    playout.add(piece(2 * FRAME))
    playout.add(done())
    ears.listen(4)
    assert playout.clear() == [PlayoutCleared("r", ())]


def test_a_response_of_which_only_the_end_is_untold_is_drained_not_cleared() -> None:
    playout, ears = heard()
    playout.add(piece(2 * FRAME))
    ears.listen(4)
    playout.end("r")
    playout.add(piece(FRAME, "s"))
    assert [one.response_id for one in playout.clear()] == ["s"]
    assert ears.listen() == [PlayoutDrained("r")]


def test_everything_that_waits_is_cleared_and_what_still_comes_of_it_is_not_played() -> None:
    playout, ears = heard()
    playout.add(piece(2 * FRAME, "a"))
    playout.add(piece(2 * FRAME, "b"))
    ears.listen()
    assert [one.response_id for one in playout.clear()] == ["a", "b"]
    playout.add(piece(FRAME, "a"))
    assert (playout.queued, playout.dropped) == (0, FRAME)
    playout.end("a")
    playout.end("b")
    assert ears.listen(3) == []
    playout.add(piece(FRAME, "c"))
    playout.end("c")
    assert ears.listen() == [PlayoutStarted("c"), PlayoutDrained("c")]


def test_the_fade_of_a_clear_goes_out_before_the_next_response() -> None:
    playout, ears = heard()
    playout.add(piece(3 * FRAME, "a"))
    ears.listen()
    playout.clear()
    playout.add(piece(3 * FRAME, "b"))
    playout.end("b")
    assert [one.played for one in playout.clear()] == [(PlayedPart("i", 0, 0),)]
    ears.listen(3)
    assert ears.audible() == FRAME + CLEAR_FADE


# --- too much -----------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_counted_and_ends_the_sound_of_its_response() -> None:
    playout, ears = heard(max_queued=3 * FRAME)
    playout.add(piece(2 * FRAME))
    playout.add(piece(2 * FRAME))
    playout.add(done())
    assert (playout.queued, playout.dropped) == (3 * FRAME, FRAME)
    ears.listen(5)
    playout.add(piece(FRAME))
    assert (playout.queued, playout.dropped) == (0, 2 * FRAME)
    assert playout.clear() == [PlayoutCleared("r", (PlayedPart("i", 0, 3 * FRAME),))]
    assert ears.steepest() <= STEP


def test_a_part_that_found_no_room_was_not_heard_though_its_response_has_ended() -> None:
    playout, ears = heard(max_queued=2 * FRAME)
    playout.add(piece(2 * FRAME, index=0))
    playout.add(done(index=0))
    playout.add(piece(FRAME, index=1))
    playout.end("r")
    ears.listen()
    (cleared,) = playout.clear()
    assert cleared.played == (PlayedPart("i", 0, FRAME + CLEAR_FADE), PlayedPart("i", 1, 0))


def test_a_response_that_found_no_room_at_all_still_has_its_end() -> None:
    playout, ears = heard(max_queued=FRAME)
    playout.add(piece(FRAME, "a"))
    playout.add(piece(FRAME, "b"))
    playout.end("a")
    playout.end("b")
    assert ears.listen(2) == [PlayoutStarted("a"), PlayoutDrained("a"), PlayoutDrained("b")]


# --- whatever happens ---------------------------------------------------------------------------------------------


@given(
    rounds=st.lists(st.tuples(st.integers(0, 4 * FRAME), st.integers(0, 4)), max_size=12),
    cuts=st.lists(st.integers(0, 20 * FRAME), max_size=30),
)
@settings(max_examples=200, deadline=None)
def test_any_chunking_of_the_same_speech_gives_the_same_frames(rounds: list[tuple[int, int]], cuts: list[int]) -> None:
    total = sum(length for length, _ in rounds)
    speech = (10_000 * np.sin(np.arange(total) * 0.05)).astype(np.int16)
    told = []
    for borders in ([], cuts):
        playout, ears = heard()
        at = 0
        for length, frames in rounds:
            inner = sorted({at, at + length, *(cut for cut in borders if at < cut < at + length)})
            for start, end in itertools.pairwise(inner):
                playout.add(piece(speech[start:end]))
            at += length
            ears.listen(frames)
        playout.end("r")
        ears.listen(60)
        told.append((ears.frames, ears.told))
    (whole, events), (chunked, other_events) = told
    assert events == other_events
    for frame, same in zip(whole, chunked, strict=True):
        assert (frame is None) == (same is None)
        assert frame is None or same is None or np.array_equal(frame, same)


class Playouts(RuleBasedStateMachine):
    """Anything in any order. All sound is loud, so that every sample that goes out is not zero and can be counted."""

    def __init__(self) -> None:
        super().__init__()
        self.playout, self.ears = heard(max_queued=12 * FRAME)
        self.open: list[str] = []
        self.parts: dict[str, list[int]] = {}
        """By response, the samples that were taken of each part."""
        self.out: dict[str, int] = {}
        """By response, the samples that were heard."""
        self.told: dict[str, list[PlayoutStarted | PlayoutDrained | PlayoutCleared]] = {}
        self.heard: str | None = None

    @rule(length=st.integers(0, 3 * FRAME), which=st.integers(0, 2))
    def add(self, length: int, which: int) -> None:
        if which >= len(self.open):
            self.open.append(f"r{len(self.parts)}")
            self.parts[self.open[-1]] = [0]
        response = self.open[which % len(self.open)]
        before = self.playout.queued
        sound = np.full(length, LOUD if int(response[1:]) % 2 else -LOUD, np.int16)
        self.playout.add(piece(sound, response, index=len(self.parts[response]) - 1))
        self.parts[response][-1] += self.playout.queued - before

    @rule(which=st.integers(0, 2))
    def finish_part(self, which: int) -> None:
        if which < len(self.open):
            response = self.open[which]
            self.playout.add(done(response, index=len(self.parts[response]) - 1))
            self.parts[response].append(0)

    @rule(which=st.integers(0, 2))
    def end(self, which: int) -> None:
        if which < len(self.open):
            self.playout.end(self.open.pop(which))

    @rule()
    def clear(self) -> None:
        for one in self.playout.clear():
            self.told.setdefault(one.response_id, []).append(one)
        assert self.playout.queued == 0

    @rule(frames=st.integers(1, 5))
    def listen(self, frames: int) -> None:
        for _ in range(frames):
            told = self.ears.listen()
            begun = [event for event in told if isinstance(event, PlayoutStarted)]
            if begun:
                self.heard = begun[0].response_id
            for event in told:
                self.told.setdefault(event.response_id, []).append(event)
            frame = self.ears.frames[-1]
            if frame is not None:
                assert self.heard is not None
                assert len(begun) <= 1
                assert np.all(frame >= 0) if int(self.heard[1:]) % 2 else np.all(frame <= 0)
                self.out[self.heard] = self.out.get(self.heard, 0) + int(np.count_nonzero(frame))

    @invariant()
    def it_is_bounded_and_soft(self) -> None:
        assert 0 <= self.playout.queued <= 12 * FRAME
        assert self.ears.steepest() <= STEP

    def teardown(self) -> None:
        """Once all has ended every response was begun once at the most, closed once, and counted to the sample."""
        while self.open:
            self.end(0)
        self.listen(60)
        assert self.playout.queued == 0
        assert self.ears.frames[-1] is None
        assert self.ears.steepest() <= STEP
        for response, parts in self.parts.items():
            told = self.told.get(response, [])
            assert [type(event) for event in told] in (
                [],
                [PlayoutDrained],
                [PlayoutCleared],
                [PlayoutStarted, PlayoutDrained],
                [PlayoutStarted, PlayoutCleared],
            )
            assert any(isinstance(event, PlayoutStarted) for event in told) == bool(self.out.get(response))
            assert told or not sum(parts)
            if told:
                assert self.out.get(response, 0) == self.reckoned(parts, told[-1])

    def reckoned(self, parts: list[int], end: PlayoutStarted | PlayoutDrained | PlayoutCleared) -> int:
        """The samples that were heard of a response, by what was reported of it."""
        if not isinstance(end, PlayoutCleared):
            return sum(parts)
        reported = {part.content_index: part.samples for part in end.played}
        assert list(reported) == sorted(reported)
        return sum(reported.get(index, samples) for index, samples in enumerate(parts))


TestPlayouts = Playouts.TestCase
TestPlayouts.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
