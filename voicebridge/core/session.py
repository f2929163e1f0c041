"""A conversation that voicebridge owns: typed inputs and a time in, typed outputs and a deadline out.

No sockets, clocks, tasks or logs. The rules that join the input side, the conversation and the responses (what a commit
does, barge-in, idle time, expiry) are here and only here; each of those parts knows nothing of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from voicebridge.audio.listener import Heard
from voicebridge.audio.samples import EMPTY, INTERNAL_RATE_HZ, Samples, samples_to_ms
from voicebridge.core.asking import NO_PARAMS
from voicebridge.core.conversation import Conversation, Entry, HeardPart
from voicebridge.core.encodings import decoded
from voicebridge.core.engine_io import EngineOutput
from voicebridge.core.hearing import Hearing, HearingEdge, TurnBegan, TurnEnded, TurnInDoubt
from voicebridge.core.idle_time import IdleTime
from voicebridge.core.io import (
    AudioAppended,
    AudioReceived,
    ClientFault,
    Deadline,
    Emit,
    EndCall,
    ForgetSpeech,
    FromClient,
    FromEngine,
    FromTranscriber,
    Input,
    JudgeTurn,
    Output,
    PlayoutCleared,
    PlayoutDrained,
    PlayoutStarted,
    Speech,
    Tick,
    TurnJudged,
)
from voicebridge.core.item_requests import ItemRequests
from voicebridge.core.items import Sounds
from voicebridge.core.playback import Playback
from voicebridge.core.responding import Responding, ResponseRules, Wish
from voicebridge.core.settings import Settings
from voicebridge.core.transcripts import Transcripts, utterance
from voicebridge.errors import ClientError, InvalidEvent
from voicebridge.protocol.client_events import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.items import InputAudioPart, MessageItem
from voicebridge.protocol.server_events import Conversation as ConversationObject
from voicebridge.protocol.server_events import (
    ConversationCreated,
    ErrorDetails,
    ErrorEvent,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TimeoutTriggered,
)
from voicebridge.protocol.session_config import RealtimeSession, Session, SessionDefaults


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session: time in seconds, audio in samples at 24 kHz, characters of the items' texts and images."""

    max_session_s: float = 3600.0
    max_items: int = 2_000
    max_characters: int = 64 * 1024 * 1024
    max_buffered: int = 600 * INTERNAL_RATE_HZ
    max_kept: int = 600 * INTERNAL_RATE_HZ
    responses: ResponseRules = field(default_factory=lambda: ResponseRules(8, queue_second=False, rate_limits=()))


TURN_ANSWER = Wish(NO_PARAMS, lambda _path: EMPTY, event_id=None)
"""The response that a turn of the speaker asks for."""


class LocalSession:
    """Feed it inputs and do what it answers; `deadline` says when it wants a `Tick`.

    `owns_playback`: the driver plays the `Speech` itself and reports on it with the `Playout…` inputs.
    """

    def __init__(
        self,
        session: Session,
        ids: IdFactory,
        defaults: SessionDefaults,
        limits: SessionLimits,
        started_at: float,
        *,
        owns_playback: bool = False,
    ) -> None:
        self._settings = Settings(session, defaults)
        self._ids = ids
        self._max_session_s = limits.max_session_s
        self._expires_at = started_at + limits.max_session_s
        self._conversation = Conversation(
            ids.new("conv"),
            max_items=limits.max_items,
            max_kept=limits.max_kept,
            max_characters=limits.max_characters,
        )
        self._requests = ItemRequests(self._conversation, ids)
        self._transcripts = Transcripts(self._conversation, ids)
        self._hearing = Hearing(session.audio.input.turn_detection, ids, limits.max_buffered)
        self._responding = Responding(self._conversation, ids, defaults, limits.responses)
        self._playback = Playback(self._requests, ids, ours=owns_playback)
        self._idle = IdleTime(started_at)
        self._ended = False

    @property
    def deadline(self) -> Deadline | None:
        if self._ended:
            return None
        idle_at = self._idle.deadline(self._settings.detection)
        if idle_at is not None and idle_at < self._expires_at:
            return Deadline(idle_at, "idle")
        return Deadline(self._expires_at, "expiry")

    @property
    def busy(self) -> bool:
        """Is an answer or a transcript being made, or does an answer that we play still sound?"""
        return self._answering or self._responding.busy_aside or self._transcripts.busy

    def start(self) -> list[Output]:
        """What comes before anything the client says (S1)."""
        return [self._settings.listen(), *self.joined()]

    def joined(self) -> list[Output]:
        """What a party that joins is told first, it alone: the session as it stands (S1, protocol 1.10)."""
        session = self._settings.session
        outputs: list[Output] = [Emit(SessionCreated(event_id=self._event_id(), session=session))]
        if isinstance(session, RealtimeSession):
            conversation = ConversationObject(id=self._conversation.id)
            outputs.append(Emit(ConversationCreated(event_id=self._event_id(), conversation=conversation)))
        return outputs

    def feed(self, given: Input, now: float) -> list[Output]:
        """Everything that follows from one input. A client's mistake is an `error` event among the outputs."""
        if self._ended:
            return []
        was_answering = self._answering
        try:
            outputs = self._feed(given, now)
        except ClientError as error:
            outputs = [self._error(error, given.event.event_id if isinstance(given, FromClient) else None)]
        outputs = self._playback.follow(outputs + self._begin_waiting())
        if was_answering:
            self._idle.begin(now)
        if self._answering or self._hearing.speaking:
            self._idle.end()
        return outputs

    def _feed(self, given: Input, now: float) -> list[Output]:
        match given:
            case Heard(samples, speech):
                return self._hear(samples, speech, now)
            case FromEngine(response_id, output):
                return self._make(response_id, output, now)
            case FromTranscriber(item_id, output):
                return self._transcripts.take(item_id, output)
            case FromClient(event, audio):
                return self._do(event, audio, now)
            case ClientFault(error, event_id):
                return [self._error(error, event_id)]
            case TurnJudged(ticket, probability):
                return self._follow(self._hearing.judged(ticket, probability), now)
            case Tick():
                return self._tick(now)
            case PlayoutStarted() | PlayoutDrained() | PlayoutCleared():
                return self._playback.take(given)
            case AudioAppended() | AudioReceived():
                raise AssertionError("the driver's listener turns audio into Heard")

    # --- what the client asks ---

    def _do(self, event: ClientEvent, audio: Mapping[str, bytes], now: float) -> list[Output]:
        match event:
            case SessionUpdate():
                return self._update(event)
            case InputAudioBufferCommit():
                return self._commit()
            case InputAudioBufferClear():
                self._hearing.clear()
                return [ForgetSpeech(), Emit(InputAudioBufferCleared(event_id=self._event_id()))]
            case ConversationItemCreate():
                return self._requests.create(event, self._sounds(audio))
            case ConversationItemRetrieve():
                return self._requests.retrieve(event, self._settings.heard_format, self._settings.spoken_format)
            case ConversationItemTruncate():
                outputs = self._requests.truncate(event, cut_before=self._playback.ours)
                self._idle.hushed(now)
                return outputs
            case ConversationItemDelete():
                return self._requests.delete(event)
            case ResponseCreate():
                making = self._responding.busy or self._responding.busy_aside
                params = self._playback.aside(event.response or NO_PARAMS, making=making)
                wish = Wish(params, self._sounds(audio), event.event_id)
                return self._responding.create(self._settings.conversing(), wish)
            case ResponseCancel():
                return self._responding.cancel(event.response_id)
            case OutputAudioBufferClear() if self._playback.ours:
                return self._silence()
            case OutputAudioBufferClear():
                raise InvalidEvent(
                    "'output_audio_buffer.clear' is for calls whose playback the server owns (WebRTC, SIP).",
                    code="invalid_value",
                    param="type",
                )

    def _update(self, event: SessionUpdate) -> list[Output]:
        anew = self._settings.update(event.session, voice_locked=self._responding.voice_locked)
        self._hearing.configure(self._settings.detection)
        outputs: list[Output] = [self._settings.listen()] if anew else []
        return [*outputs, Emit(SessionUpdated(event_id=self._event_id(), session=self._settings.session))]

    def _commit(self) -> list[Output]:
        """By hand: the item, its transcription, and no response (S3)."""
        self._conversation.check_room()
        committed = self._hearing.commit()
        outputs: list[Output] = [ForgetSpeech()]
        if committed.interrupted:
            outputs.append(self._speech_stopped(committed.item_id, committed.end))
        return outputs + self._store(committed.item_id, committed.samples, None)

    # --- what is heard ---

    def _hear(self, samples: Samples, speech: tuple[float, ...], now: float) -> list[Output]:
        outputs = self._follow(self._hearing.hear(samples, speech), now)
        try:
            self._hearing.check_room()
        except ClientError as error:
            outputs.append(self._error(error, None))
        return outputs

    def _follow(self, edges: Iterator[HearingEdge], now: float) -> list[Output]:
        outputs: list[Output] = []
        for edge in edges:
            match edge:
                case TurnBegan():
                    outputs += self._begin_turn(edge, now)
                case TurnEnded(item_id, end, samples):
                    outputs.append(self._speech_stopped(item_id, end))
                    outputs += self._take_turn(item_id, samples, None, answer=self._settings.answering)
                case TurnInDoubt(ticket, samples):
                    outputs.append(JudgeTurn(ticket, samples))
        return outputs

    def _begin_turn(self, turn: TurnBegan, now: float) -> list[Output]:
        """Somebody speaks: whatever we are saying, we stop (S6, S7)."""
        started = SpeechStarted(
            event_id=self._event_id(), audio_start_ms=samples_to_ms(turn.start), item_id=turn.item_id
        )
        outputs: list[Output] = [Emit(started)]
        if self._settings.interrupting:
            self._idle.hushed(now)
            outputs += self._responding.interrupt("turn_detected")
            outputs += self._silence()
        return outputs

    def _silence(self) -> list[Output]:
        """Stop what sounds, where we play it; what is still made of that answer will not be heard."""
        self._responding.hush(self._playback.sounding)
        return self._playback.clear()

    def _take_turn(self, item_id: str, samples: Samples, transcript: str | None, *, answer: bool) -> list[Output]:
        """Keep it and answer it. Nobody asked for this, so what is wrong cites no event, and nothing before is lost."""
        try:
            outputs = self._store(item_id, samples, transcript)
        except ClientError as error:
            return [self._error(error, None)]
        if answer and isinstance(self._settings.session, RealtimeSession):
            self._responding.want(TURN_ANSWER)
            outputs += self._begin_waiting()
        return outputs

    def _begin_waiting(self) -> list[Output]:
        """Begin the responses that wait, if the way is free: nothing else is said, and nobody would be interrupted."""
        outputs: list[Output] = []
        session = self._settings.session
        if not isinstance(session, RealtimeSession) or (self._settings.interrupting and self._hearing.speaking):
            return outputs
        while (wish := self._responding.next_wish()) is not None:
            try:
                outputs += self._responding.create(session, wish)
            except ClientError as error:
                outputs.append(self._error(error, wish.event_id))
        return outputs

    def _store(self, item_id: str, samples: Samples, transcript: str | None) -> list[Output]:
        """Committed speech becomes a message and is written down, if the session wants that (S2, S3)."""
        item = MessageItem(id=item_id, status="completed", role="user", content=(InputAudioPart(transcript=None),))
        previous = self._conversation.last_id
        stored = self._requests.append(Entry(item, heard={0: HeardPart(samples, transcript)}))
        committed = InputAudioBufferCommitted(event_id=self._event_id(), item_id=item_id, previous_item_id=previous)
        outputs: list[Output] = [Emit(committed), *stored]
        wanted = self._settings.session.audio.input.transcription
        if wanted is not None and transcript is None:
            logprobs = self._settings.transcript_logprobs
            outputs += self._transcripts.begin(utterance(item_id, samples, wanted), logprobs=logprobs)
        return outputs

    # --- what is answered ---

    def _make(self, response_id: str, output: EngineOutput, now: float) -> list[Output]:
        outputs = self._responding.make(response_id, output)
        spoken = sum(len(one.samples) for one in outputs if isinstance(one, Speech))
        if spoken and not self._playback.ours:
            self._idle.spoke(spoken, now)
        return outputs

    # --- what time brings ---

    def _tick(self, now: float) -> list[Output]:
        if now >= self._expires_at:
            return self._expire()
        idle_at = self._idle.deadline(self._settings.detection)
        if idle_at is not None and now >= idle_at:
            self._idle.end()
            return self._break_silence()
        return []

    def _break_silence(self) -> list[Output]:
        """Nobody spoke for `idle_timeout_ms` after our answer: an empty turn, and an answer to that (S13)."""
        silence = self._hearing.commit_whatever()
        triggered = TimeoutTriggered(
            event_id=self._event_id(),
            audio_start_ms=samples_to_ms(silence.start),
            audio_end_ms=samples_to_ms(silence.end),
            item_id=silence.item_id,
        )
        return [Emit(triggered), *self._take_turn(silence.item_id, silence.samples, "", answer=True)]

    def _expire(self) -> list[Output]:
        self._ended = True
        error = InvalidEvent(
            f"Your session hit the maximum duration of {self._max_session_s / 60:g} minutes.", code="session_expired"
        )
        return [self._error(error, None), EndCall(1001, "invalid_request_error.session_expired")]

    # --- details ---

    @property
    def _answering(self) -> bool:
        """Is an answer being made, or heard where we play it?"""
        return self._responding.busy or bool(self._playback.sounding)

    def _sounds(self, audio: Mapping[str, bytes]) -> Sounds:
        audio_format = self._settings.heard_format
        return lambda path: decoded(audio[path], audio_format) if path in audio else EMPTY

    def _speech_stopped(self, item_id: str, end: int) -> Output:
        return Emit(SpeechStopped(event_id=self._event_id(), audio_end_ms=samples_to_ms(end), item_id=item_id))

    def _error(self, error: ClientError, event_id: str | None) -> Output:
        details = ErrorDetails(
            type=error.type, code=error.code, message=error.message, param=error.param, event_id=event_id
        )
        return Emit(ErrorEvent(event_id=self._event_id(), error=details))

    def _event_id(self) -> str:
        return self._ids.new("event")
