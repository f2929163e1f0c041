"""A session with a clock that stands still, fed by hand, and what its client sees of it.

One that owns its playback plays to a real playout; what that reports waits in `reports` until the test says so.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from typing import Any, get_args

import numpy as np
from openai._models import BaseModel as SdkModel
from openai.types.realtime import RealtimeServerEvent

from voicebridge.audio.listener import Heard
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples, ms_to_samples
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.engine_io import (
    Ask,
    Audio,
    ContextItem,
    EngineOutput,
    Image,
    Message,
    SpeechDelta,
    Text,
    ToolCall,
    ToolResult,
    TranscriptOutput,
    Utterance,
)
from voicebridge.core.io import (
    AudioAppended,
    CancelResponse,
    ClearPlayout,
    EndCall,
    FromEngine,
    FromTranscriber,
    Input,
    JudgeTurn,
    Output,
    PlayoutCleared,
    PlayoutDrained,
    PlayoutStarted,
    Speech,
    SpeechEnded,
    StartResponse,
    Tick,
    Transcribe,
    TurnJudged,
)
from voicebridge.core.playout import Playout
from voicebridge.core.responding import ResponseRules
from voicebridge.core.session import LocalSession, SessionLimits
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.server_events import RateLimit
from voicebridge.protocol.session_config import Session, SessionDefaults, new_session
from voicebridge.wire.realtime import RealtimeCodec

Event = dict[str, Any]

RATE_LIMITS = (RateLimit(name="tokens", limit=1000, remaining=999, reset_seconds=0.0),)
RULES = ResponseRules(8, queue_second=False, rate_limits=RATE_LIMITS)
WINDOW_MS = VAD_WINDOW * 1000 // INTERNAL_RATE_HZ
START = 1_000.0
"""The clock when a scenario begins."""

# sequences of events, in brief
TURN = "speech_started speech_stopped committed item.added item.done"
OPEN = "output_item.added item.added part.added"
PIECE = "transcript.delta audio.delta"
CLOSE_AUDIO = "audio.done transcript.done part.done item.done output_item.done"
CLOSE_TEXT = "text.done part.done item.done output_item.done"
DONE = "response.done rate_limits.updated"

WEATHER = {"type": "function", "name": "weather", "description": "The weather", "parameters": {"type": "object"}}

_SHORTER = (
    ("input_audio_buffer.", ""),
    ("output_audio_buffer.", "playback."),
    ("conversation.item.input_audio_transcription", "transcription"),
    ("conversation.", ""),
    ("response.output_audio_transcript", "transcript"),
    ("response.function_call_arguments", "arguments"),
    ("response.content_part", "part"),
    ("response.output_", ""),
)
"""The first that fits is taken. `response.output_item` keeps its name: items of responses and conversations differ."""


def short(name: str) -> str:
    """An event's type in brief: `speech_started`, `item.added`, `output_item.added`, `audio.delta`, `response.done`."""
    if name.startswith("response.output_item"):
        return name.removeprefix("response.")
    for long, brief in _SHORTER:
        if name.startswith(long):
            return brief + name.removeprefix(long)
    return name


def brief(events: Iterable[Event]) -> str:
    return " ".join(short(event["type"]) for event in events)


def _sdk_models() -> dict[str, type[SdkModel]]:
    union = get_args(RealtimeServerEvent)[0] if get_args(RealtimeServerEvent)[1:] else RealtimeServerEvent
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(union)}


SDK_MODELS = _sdk_models()


def check_by_sdk(event: Event) -> None:
    """Raises ValidationError where the official SDK's type of the event disagrees. Beta's own names have no type."""
    if event["type"] != "conversation.item.created":
        SDK_MODELS[event["type"]].model_validate(event)


def tone(ms: int) -> Samples:
    """So much sound, none of it zero, every millisecond different."""
    return (np.arange(ms_to_samples(ms)) // 24 % 30_000 + 1).astype(np.int16)


def speech(text: str, ms: int) -> SpeechDelta:
    return SpeechDelta(text, tone(ms))


class Scenario:
    """Feeds a session and remembers: `events` as the client gets them, `asks`, `cancelled`, `utterances`, `ended`."""

    def __init__(
        self,
        kind: str = "realtime",
        *,
        limits: SessionLimits | None = None,
        defaults: SessionDefaults | None = None,
        seed: int = 1,
        owns_playback: bool = False,
        **settings: Any,
    ) -> None:
        defaults = defaults or SessionDefaults()
        limits = limits or SessionLimits(responses=RULES)
        self.now = START
        self.kind = kind
        self.codec = RealtimeCodec(Dialect.GA)
        self.session = LocalSession(
            _session(kind, defaults), IdFactory(seed), defaults, limits, START, owns_playback=owns_playback
        )
        self.playout = Playout(max_queued=3600 * INTERNAL_RATE_HZ) if owns_playback else None
        self.reports: deque[PlayoutStarted | PlayoutDrained | PlayoutCleared] = deque()
        """What the playout has said and the session has not been told yet."""
        self.events: list[Event] = []
        self.outputs: list[Output] = []
        self.asks: list[Ask] = []
        self.cancelled: list[str] = []
        self.utterances: list[Utterance] = []
        self.questions: list[JudgeTurn] = []
        self.ended: EndCall | None = None
        self._take(self.session.start())
        if settings:
            self.update(**settings)
            self.events.clear()

    # --- inputs; each returns the events that followed, in brief ---

    def send(self, event: Event) -> str:
        """A client event, by way of its JSON."""
        given = self.codec.decode(json.dumps(event))
        assert not isinstance(given, AudioAppended), "give audio with `hear`"
        return self.feed(given)

    def update(self, **session: Any) -> str:
        return self.send({"type": "session.update", "session": {"type": self.kind, **session}})

    def detection(self, **turn_detection: Any) -> str:
        """Turn detection as given; nothing given means none."""
        return self.update(audio={"input": {"turn_detection": turn_detection or None}})

    def write(self, text: str, **members: Any) -> str:
        """The user writes a message."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        return self.send({"type": "conversation.item.create", "item": item, **members})

    def ask(self, **response: Any) -> str:
        return self.send({"type": "response.create", **({"response": response} if response else {})})

    def hear(self, ms: int, speech: float | None = None) -> str:
        """Audio: without `speech` undetected, else in whole windows that are all of this probability."""
        if speech is None:
            return self.feed(Heard(tone(ms), ()))
        count = -(-ms // WINDOW_MS)
        return " ".join(filter(None, (self.feed(Heard(tone(WINDOW_MS), (speech,))) for _ in range(count))))

    def speak(self, ms: int = 640) -> str:
        return self.hear(ms, 0.95)

    def pause(self, ms: int = 640) -> str:
        return self.hear(ms, 0.01)

    def turn(self) -> str:
        """Somebody speaks and finishes."""
        return f"{self.speak()} {self.pause()}"

    def make(self, *outputs: EngineOutput, response: int = -1) -> str:
        """The engine makes something of the latest response (or the one at the index)."""
        response_id = self.asks[response].response_id
        return " ".join(filter(None, (self.feed(FromEngine(response_id, output)) for output in outputs)))

    def transcribe(self, *outputs: TranscriptOutput, utterance: int = -1) -> str:
        item_id = self.utterances[utterance].item_id
        return " ".join(filter(None, (self.feed(FromTranscriber(item_id, output)) for output in outputs)))

    def judge(self, probability: float, question: int = -1) -> str:
        return self.feed(TurnJudged(self.questions[question].ticket, probability))

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def tick(self) -> str:
        """Time passes until the deadline."""
        deadline = self.session.deadline
        assert deadline is not None
        self.now = max(self.now, deadline.at)
        return self.feed(Tick())

    def play(self, ms: int) -> str:
        """So much time passes for the listener; the session is told what they heard begin and end."""
        told = []
        for _ in range(-(-ms // 20)):
            self.take_frame()
            self.wait(0.02)
            told.append(self.report())
        return " ".join(filter(None, told))

    def take_frame(self) -> None:
        assert self.playout is not None
        self.reports += self.playout.next_frame()[1]

    def report(self) -> str:
        """The session is told what has been played and cleared."""
        told = []
        while self.reports:
            told.append(self.feed(self.reports.popleft()))
        return " ".join(filter(None, told))

    def feed(self, given: Input) -> str:
        return brief(self._take(self.session.feed(given, self.now)))

    # --- what was seen ---

    def last(self, name: str) -> Event:
        """The latest event of the type (in brief)."""
        return next(event for event in reversed(self.events) if short(event["type"]) == name)

    def all(self, name: str) -> list[Event]:
        return [event for event in self.events if short(event["type"]) == name]

    @property
    def error(self) -> Event:
        """The latest error's details."""
        details = self.last("error")["error"]
        assert isinstance(details, dict)
        return details

    @property
    def response(self) -> Event:
        """The latest finished response."""
        response = self.last("response.done")["response"]
        assert isinstance(response, dict)
        return response

    def _take(self, outputs: list[Output]) -> list[Event]:
        seen = []
        for output in outputs:
            match output:
                case StartResponse(ask):
                    self.asks.append(ask)
                case CancelResponse(response_id):
                    self.cancelled.append(response_id)
                case Transcribe(utterance):
                    self.utterances.append(utterance)
                case JudgeTurn():
                    self.questions.append(output)
                case EndCall():
                    self.ended = output
                case Speech() if self.playout:
                    self.playout.add(output)
                case SpeechEnded(response_id) if self.playout:
                    self.playout.end(response_id)
                case ClearPlayout() if self.playout:
                    self.reports += self.playout.clear()
            frame = self.codec.encode(output)
            if frame is not None:
                event = json.loads(frame)
                check_by_sdk(event)
                seen.append(event)
        self.outputs += outputs
        self.events += seen
        return seen


def _session(kind: str, defaults: SessionDefaults) -> Session:
    assert kind in ("realtime", "transcription")
    return new_session(
        "realtime" if kind == "realtime" else "transcription", defaults, session_id="sess_1", expires_at=4_600
    )


def texts(ask: Ask) -> list[str]:
    """What an ask's messages say, one line each: `user: …`; calls and results as `call name(arguments)`, `result …`."""
    return [_line(item) for item in ask.context]


def _line(item: ContextItem) -> str:
    match item:
        case Message(role=role, parts=parts):
            return f"{role}: {' | '.join(_words(part) for part in parts)}"
        case ToolCall(name=name, arguments=arguments):
            return f"call {name}({arguments})"
        case ToolResult(output=output):
            return f"result {output}"


def _words(part: Text | Audio | Image) -> str:
    match part:
        case Text(text):
            return text
        case Audio(transcript=transcript):
            return transcript or ""
        case Image(url):
            return url
