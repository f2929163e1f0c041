"""What holds of a session whatever clients, speakers, engines and the clock do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.conformance import Conformance
from core.scenario import RATE_LIMITS, WINDOW_MS, Event, Scenario, brief, short, tone
from voicebridge.audio.listener import Heard
from voicebridge.audio.samples import EMPTY, samples_to_ms
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.engine_io import (
    CallArguments,
    CallDone,
    CallStarted,
    EngineDone,
    EngineFailed,
    EngineOutput,
    Recognised,
    SpeechDelta,
    TextDelta,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
)
from voicebridge.core.io import FromEngine, FromTranscriber, Input, PlayoutCleared, Tick, TurnJudged
from voicebridge.core.playout import FRAME
from voicebridge.core.responding import ResponseRules
from voicebridge.core.session import SessionLimits

PROBABILITIES = st.sampled_from([0.0, 0.3, 0.45, 0.6, 0.95])
REPLIES = {
    "session.update": {"session.updated"},
    "input_audio_buffer.commit": {"committed"},
    "input_audio_buffer.clear": {"cleared"},
    "conversation.item.create": {"item.added"},
    "conversation.item.retrieve": {"item.retrieved"},
    "conversation.item.truncate": {"item.truncated"},
    "conversation.item.delete": {"item.deleted"},
    "response.create": {"response.created"},
    "response.cancel": {"response.done"},
}

detections = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"type": st.just("server_vad")},
        optional={
            "threshold": st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]),
            "prefix_padding_ms": st.sampled_from([0, 100, 300, 5_000]),
            "silence_duration_ms": st.sampled_from([0, 50, 200, 500]),
            "idle_timeout_ms": st.sampled_from([5_000, 30_000]),
            "create_response": st.booleans(),
            "interrupt_response": st.booleans(),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("semantic_vad")},
        optional={
            "eagerness": st.sampled_from(["low", "medium", "high"]),
            "create_response": st.booleans(),
            "interrupt_response": st.booleans(),
        },
    ),
)

audio_inputs = st.fixed_dictionaries(
    {},
    optional={
        "turn_detection": detections,
        "transcription": st.sampled_from([None, {"model": "whisper-1"}]),
        "format": st.sampled_from([{"type": "audio/pcm", "rate": 24_000}, {"type": "audio/pcmu"}]),
    },
)

updates = st.fixed_dictionaries(
    {"type": st.just("realtime")},
    optional={
        "audio": st.fixed_dictionaries(
            {"input": audio_inputs},
            optional={
                "output": st.fixed_dictionaries(
                    {},
                    optional={
                        "voice": st.sampled_from(["alloy", "marin"]),
                        "format": st.sampled_from([{"type": "audio/pcm", "rate": 24_000}, {"type": "audio/pcma"}]),
                    },
                )
            },
        ),
        "output_modalities": st.sampled_from([["audio"], ["text"]]),
        "max_output_tokens": st.sampled_from([1, 5, 30, "inf"]),
        "tool_choice": st.sampled_from(["auto", {"type": "function", "name": "f"}]),
        "tools": st.sampled_from([[], [{"type": "function", "name": "f"}]]),
    },
)

pieces = st.builds(
    SpeechDelta,
    st.sampled_from(["", "Hello", " there, you", "你好吗"]),
    st.sampled_from([EMPTY, tone(1), tone(90), tone(450)]),
)
engine_outputs: st.SearchStrategy[EngineOutput] = st.one_of(
    pieces,
    pieces,
    st.sampled_from(
        [
            TextDelta(""),
            TextDelta("written words"),
            CallStarted("f"),
            CallArguments('{"a":'),
            CallArguments("1}"),
            CallDone(),
            EngineDone(),
            EngineDone("max_output_tokens"),
            EngineFailed("engine_error", "broken"),
            Recognised("item_unknown", "words"),
        ]
    ),
)


class Sessions(RuleBasedStateMachine):
    """Everybody does anything at any time."""

    @initialize(
        queue_second=st.booleans(),
        max_items=st.sampled_from([3, 12, 1_000]),
        max_buffered=st.sampled_from([VAD_WINDOW * 10, 24_000 * 600]),
        owns_playback=st.booleans(),
        update=updates,
    )
    def begin(self, queue_second: bool, max_items: int, max_buffered: int, owns_playback: bool, update: Event) -> None:
        self.limits = SessionLimits(
            max_session_s=600,
            max_items=max_items,
            max_buffered=max_buffered,
            max_kept=max_buffered,
            responses=ResponseRules(2, queue_second=queue_second, rate_limits=RATE_LIMITS),
        )
        self.tape: list[tuple[Input, float]] = []
        self.conformance = Conformance()
        self.seen = 0
        self.waiting: set[str] = set()
        self.events_sent = 0
        self.owns_playback = owns_playback
        self.s = Scenario(limits=self.limits, seed=3, owns_playback=owns_playback)
        feed = self.s.feed

        def recorded(given: Input) -> str:
            self.tape.append((given, self.s.now))
            told = feed(given)
            detection = self.conformance.detection
            if self.s.playout and "speech_started" in told and detection and detection["interrupt_response"]:
                assert self.s.playout.queued == 0
            return told

        self.s.feed = recorded  # type: ignore[method-assign]
        self.client({"type": "session.update", "session": update})

    def client(self, event: Event) -> None:
        """Send it with an id: it must be answered or cited by an error."""
        self.events_sent += 1
        event_id = f"client_{self.events_sent}"
        before = len(self.s.events)
        self.s.send({**event, "event_id": event_id})
        if self.s.ended:
            return
        told = self.s.events[before:]
        errors = [one for one in told if one["type"] == "error" and one["error"]["event_id"] == event_id]
        replies = [one for one in told if short(one["type"]) in REPLIES[event["type"]]]
        if not errors and not replies and event["type"] == "response.create" and self.limits.responses.queue_second:
            self.waiting.add(event_id)
            return
        assert errors or replies, (event, brief(told))
        assert len(errors) <= 1

    @rule(speech=st.lists(PROBABILITIES, min_size=1, max_size=12))
    def hear(self, speech: list[float]) -> None:
        detecting = self.conformance.detection is not None
        self.s.feed(Heard(tone(WINDOW_MS * len(speech)), tuple(speech) if detecting else ()))

    @rule(voiced=st.integers(3, 8), silent=st.integers(0, 24))
    def speak(self, voiced: int, silent: int) -> None:
        self.hear([0.95] * voiced + [0.0] * silent)

    @rule(output=engine_outputs, which=st.integers(-3, -1))
    def make(self, output: EngineOutput, which: int) -> None:
        if len(self.s.asks) >= -which:
            self.s.feed(FromEngine(self.s.asks[which].response_id, output))

    @rule(pieces=st.lists(pieces, max_size=3))
    def answer(self, pieces: list[SpeechDelta]) -> None:
        for output in (*pieces, EngineDone()):
            self.make(output, -1)

    @rule(
        output=st.sampled_from([TranscriptDelta("a"), TranscriptDone("a b"), TranscriptFailed("x", "y")]),
        which=st.integers(-3, -1),
    )
    def transcribe(self, output: TranscriptDelta | TranscriptDone | TranscriptFailed, which: int) -> None:
        if len(self.s.utterances) >= -which:
            self.s.feed(FromTranscriber(self.s.utterances[which].item_id, output))

    @rule(probability=st.floats(0, 1), which=st.integers(-2, -1))
    def judge(self, probability: float, which: int) -> None:
        if len(self.s.questions) >= -which:
            self.s.feed(TurnJudged(self.s.questions[which].ticket, probability))

    @rule(update=updates)
    def update(self, update: Event) -> None:
        self.client({"type": "session.update", "session": update})

    @rule(name=st.sampled_from(["commit", "clear"]))
    def buffer(self, name: str) -> None:
        self.client({"type": f"input_audio_buffer.{name}"})

    @rule(
        text=st.sampled_from(["hello", ""]),
        kind=st.sampled_from(["message", "function_call_output", "function_call"]),
        previous=st.sampled_from(["-", "root", "unknown", 0, 1, -1]),
        item_id=st.sampled_from([None, "mine", "mine too"]),
    )
    def create_item(self, text: str, kind: str, previous: str | int, item_id: str | None) -> None:
        item: Event = {"type": kind, **({"id": item_id} if item_id else {})}
        if kind == "message":
            item |= {"role": "user", "content": [{"type": "input_text", "text": text}]}
        elif kind == "function_call":
            item |= {"name": "f", "arguments": "{}", "call_id": "call_1"}
        else:
            item |= {"call_id": "call_1", "output": text}
        event: Event = {"type": "conversation.item.create", "item": item}
        if previous != "-":
            event["previous_item_id"] = self.item(previous) if isinstance(previous, int) else previous
        self.client(event)

    @rule(which=st.integers(-3, 2), name=st.sampled_from(["delete", "retrieve"]))
    def touch_item(self, which: int, name: str) -> None:
        self.client({"type": f"conversation.item.{name}", "item_id": self.item(which)})

    @rule(which=st.integers(-3, -1), ms=st.integers(0, 1_500), index=st.integers(0, 1))
    def truncate(self, which: int, ms: int, index: int) -> None:
        self.client(
            {
                "type": "conversation.item.truncate",
                "item_id": self.item(which),
                "content_index": index,
                "audio_end_ms": ms,
            }
        )

    @rule(
        aside=st.booleans(),
        own_context=st.sampled_from([None, "reference", "empty"]),
        which=st.integers(-2, -1),
        limit=st.sampled_from([None, 3]),
    )
    def ask(self, aside: bool, own_context: str | None, which: int, limit: int | None) -> None:
        response: Event = {"conversation": "none" if aside else "auto"}
        if own_context is not None:
            reference = {"type": "item_reference", "id": self.item(which)}
            response["input"] = [reference] if own_context == "reference" else []
        if limit is not None:
            response["max_output_tokens"] = limit
        self.client({"type": "response.create", "response": response})

    @rule(which=st.sampled_from([None, -1, -2]))
    def cancel(self, which: int | None) -> None:
        event: Event = {"type": "response.cancel"}
        if which is not None:
            event["response_id"] = self.s.asks[which].response_id if len(self.s.asks) >= -which else "unknown"
        self.client(event)

    @rule()
    def clear_playback(self) -> None:
        told = self.s.send({"type": "output_audio_buffer.clear"})
        if self.s.playout is None:
            assert told == ("" if self.s.ended else "error")
        else:
            assert told == ""
            assert self.s.ended or self.s.playout.queued == 0

    @rule(frames=st.integers(1, 40))
    def play(self, frames: int) -> None:
        for _ in range(frames if self.s.playout else 0):
            self.s.take_frame()
            self.s.wait(0.02)

    @rule(count=st.integers(1, 5))
    def report(self, count: int) -> None:
        """The session learns of the playback when it learns of it."""
        for _ in range(min(count, len(self.s.reports))):
            report = self.s.reports.popleft()
            before, sounding = len(self.s.events), report.response_id in self.conformance.sounding
            self.s.feed(report)
            if isinstance(report, PlayoutCleared) and not self.s.ended:
                self.cut_as_reported(report, self.s.events[before:], sounding=sounding)
            self.events_conform()

    def cut_as_reported(self, report: PlayoutCleared, told: list[Event], *, sounding: bool) -> None:
        heard = [part for part in report.played if part.item_id in self.conformance.items]
        names = ["playback.cleared"] * sounding + ["item.truncated"] * len(heard)
        assert [short(event["type"]) for event in told] == names
        for part, event in zip(heard, told[sounding:], strict=True):
            assert (part.item_id, part.content_index) == (event["item_id"], event["content_index"])
            assert event["audio_end_ms"] <= samples_to_ms(part.samples)

    @rule(seconds=st.sampled_from([0.02, 1.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.s.wait(seconds)

    @rule()
    def tick(self) -> None:
        self.s.feed(Tick())
        deadline = self.s.session.deadline
        assert deadline is None or deadline.at > self.s.now

    @rule()
    def tick_when_due(self) -> None:
        deadline = self.s.session.deadline
        if deadline is not None and deadline.reason == "idle":
            self.s.tick()

    def item(self, which: int) -> str:
        items = self.conformance.items
        return items[which] if -len(items) <= which < len(items) else "item_unknown"

    @invariant()
    def events_conform(self) -> None:
        if not hasattr(self, "s"):
            return
        for event in self.s.events[self.seen :]:
            self.conformance.see(event)
            if event["type"] == "error":
                self.waiting.discard(event["error"]["event_id"])
        self.seen = len(self.s.events)
        if not self.s.ended:
            assert set(self.conformance.open) == self.running()
            self.playback_conforms()

    def playback_conforms(self) -> None:
        playout = self.s.playout
        if playout is None:
            assert not self.conformance.sounding | self.conformance.silenced
            return
        assert playout.dropped == 0, "sound that was thrown away was added to"
        if playout.queued or self.s.reports or self.conformance.sounding:
            deadline = self.s.session.deadline
            assert self.s.session.busy
            assert deadline is None or deadline.reason != "idle"

    def running(self) -> set[str]:
        """The responses that an engine should be making: asked for and not cancelled."""
        return {ask.response_id for ask in self.s.asks} - set(self.s.cancelled)

    def teardown(self) -> None:
        """All that sounds comes to its end; and the same inputs at the same times give the same events."""
        if not hasattr(self, "s"):
            return
        if self.s.playout and not self.s.ended:
            while running := sorted(self.running()):  # those that waited begin meanwhile
                self.s.feed(FromEngine(running[0], EngineFailed("engine_error", "over")))
            self.play(2 + self.s.playout.queued // FRAME + len(self.s.asks))
            self.report(len(self.s.reports))
            self.events_conform()
            assert not self.conformance.sounding
            assert not self.s.session.busy or self.s.utterances
        again = Scenario(limits=self.limits, seed=3, owns_playback=self.owns_playback)
        for given_input, now in self.tape:
            again.now = now
            again.feed(given_input)
        assert again.events == self.s.events


TestSessions = Sessions.TestCase
TestSessions.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@given(
    speech=st.lists(st.tuples(PROBABILITIES, st.integers(1, 25)), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 120 * VAD_WINDOW), max_size=20),
    detection=detections.filter(lambda one: one is not None),
)
@settings(max_examples=60, deadline=None)
def test_the_same_audio_in_any_pieces_gives_the_same_events(
    speech: list[tuple[float, int]], cuts: list[int], detection: Event
) -> None:
    probabilities = [probability for probability, windows in speech for _ in range(windows)]
    samples = np.arange(len(probabilities) * VAD_WINDOW).astype(np.int16)
    by_window = [VAD_WINDOW * (k + 1) for k in range(len(probabilities))]
    told = [events_of(probabilities, samples, positions, detection) for positions in (by_window, cuts, [])]
    assert told[0] == told[1] == told[2]


def events_of(
    probabilities: Sequence[float], samples: Any, cuts: Sequence[int], detection: Event
) -> tuple[list[Event], list[list[int]], list[list[int]]]:
    s = Scenario(seed=5)
    s.update(audio={"input": {"turn_detection": detection, "transcription": {"model": "whisper-1"}}})
    at = 0
    for cut in [*sorted({min(cut, len(samples)) for cut in cuts}), len(samples)]:
        s.feed(Heard(samples[at:cut], tuple(probabilities[at // VAD_WINDOW : cut // VAD_WINDOW])))
        at = cut
    utterances = [[len(one.samples), int(one.samples[0])] for one in s.utterances]
    return s.events, utterances, [[len(one.samples), int(one.samples[-1])] for one in s.questions]
