"""The effective settings of a session, what an update changes in them, and what may change when (protocol 2.3, 5).

`RealtimeSession` and `TranscriptionSession` are immutable; `updated()` returns the new one or raises, so that an
update happens as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import Field, field_serializer

from voicebridge.errors import InvalidEvent
from voicebridge.protocol.formats import PCM_24K, AudioFormat, Pcm
from voicebridge.protocol.model import Maybe, ServerModel
from voicebridge.protocol.session_input import (
    AudioInputPatch,
    AudioOutputPatch,
    RealtimeSessionPatch,
    SemanticVadInput,
    ServerVadInput,
    SessionPatch,
    TranscriptionInput,
    TranscriptionSessionPatch,
    VoiceInput,
)

MAX_PREFIX_PADDING_MS = 5_000
MAX_SILENCE_DURATION_MS = 10_000


@dataclass(frozen=True, slots=True)
class SessionDefaults:
    """What a session starts with where the client says nothing. From configuration."""

    model: str = "gpt-realtime"
    instructions: str = "You are a helpful, friendly voice assistant. Answer briefly, in the language of the user."
    voice: str = "alloy"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    max_output_tokens: int | Literal["inf"] = "inf"
    transcription_model: str = "gpt-4o-mini-transcribe"
    model_aliases: Mapping[str, str] = field(default_factory=dict)
    allowed_pcm_rates: tuple[int, ...] = (24_000,)


class ServerVad(ServerModel):
    """End of turn by silence. Thresholds are probabilities, times milliseconds of audio."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    idle_timeout_ms: int | None = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(ServerModel):
    """End of turn by what was said and how."""

    type: Literal["semantic_vad"] = "semantic_vad"
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection: TypeAlias = ServerVad | SemanticVad


class Transcription(ServerModel):
    model: str
    language: str | None = None
    prompt: str | None = None
    languages: Maybe[tuple[str, ...]] = None
    keywords: Maybe[tuple[str, ...]] = None
    delay: Maybe[str] = None


class NoiseReduction(ServerModel):
    type: Maybe[Literal["near_field", "far_field"]] = None
    strength: Maybe[float] = None


class AudioInput(ServerModel):
    format: AudioFormat = PCM_24K
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None


class AudioOutput(ServerModel):
    format: AudioFormat = PCM_24K
    voice: str
    speed: float = 1.0


class RealtimeAudio(ServerModel):
    input: AudioInput
    output: AudioOutput


class TranscribedInput(AudioInput):
    """What has to do with responses means nothing here and is not shown (protocol 5.2)."""

    @field_serializer("turn_detection")
    def _without_responses(self, detection: TurnDetection | None) -> dict[str, Any] | None:
        shown = {"type", "threshold", "prefix_padding_ms", "silence_duration_ms", "eagerness"}
        return None if detection is None else detection.model_dump(include=shown)


class TranscriptionAudio(ServerModel):
    input: TranscribedInput


class RealtimeSession(ServerModel):
    """A conversation. `temperature` is the beta dialect's; GA clients never see it."""

    type: Literal["realtime"] = "realtime"
    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str
    output_modalities: tuple[Literal["text", "audio"], ...] = ("audio",)
    instructions: str
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, str] = "auto"
    max_output_tokens: int | Literal["inf"] = "inf"
    tracing: str | dict[str, Any] | None = None
    truncation: str | dict[str, Any] = "auto"
    prompt: dict[str, Any] | None = None
    expires_at: int
    audio: RealtimeAudio
    include: tuple[str, ...] | None = None
    parallel_tool_calls: Maybe[bool] = None
    reasoning: Maybe[dict[str, Any]] = None
    temperature: float = Field(default=0.8, exclude=True)


class TranscriptionSession(ServerModel):
    """Speech in, text out; never a response."""

    type: Literal["transcription"] = "transcription"
    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    id: str
    expires_at: int
    audio: TranscriptionAudio
    include: tuple[str, ...] | None = None


Session: TypeAlias = RealtimeSession | TranscriptionSession


def new_session(
    kind: Literal["realtime", "transcription"],
    defaults: SessionDefaults,
    *,
    session_id: str,
    expires_at: int,
    model: str | None = None,
) -> Session:
    """A session as it is before the client has said anything; `expires_at` in Unix seconds, 0 while none is open."""
    vad = ServerVad(
        threshold=defaults.threshold,
        prefix_padding_ms=defaults.prefix_padding_ms,
        silence_duration_ms=defaults.silence_duration_ms,
    )
    if kind == "transcription":
        return TranscriptionSession(
            id=session_id, expires_at=expires_at, audio=TranscriptionAudio(input=TranscribedInput(turn_detection=vad))
        )
    return RealtimeSession(
        id=session_id,
        model=model or defaults.model,
        instructions=defaults.instructions,
        max_output_tokens=defaults.max_output_tokens,
        expires_at=expires_at,
        audio=RealtimeAudio(input=AudioInput(turn_detection=vad), output=AudioOutput(voice=defaults.voice)),
    )


def updated(session: Session, patch: SessionPatch, defaults: SessionDefaults, *, voice_locked: bool = False) -> Session:
    """The session after the update, or InvalidEvent and nothing changed. Order of checks: protocol 7.1."""
    if session.type != patch.type:
        raise InvalidEvent(
            f"Passing a {patch.type} session update event to a {session.type} session is not allowed.",
            code="invalid_value",
            param="session.type",
        )
    if isinstance(patch, TranscriptionSessionPatch):
        assert isinstance(session, TranscriptionSession)  # noqa: S101 - same type, checked above
        return _updated_transcription(session, patch, defaults)
    assert isinstance(session, RealtimeSession)  # noqa: S101
    return _updated_realtime(session, patch, defaults, voice_locked=voice_locked)


def _updated_transcription(
    session: TranscriptionSession, patch: TranscriptionSessionPatch, defaults: SessionDefaults
) -> TranscriptionSession:
    changes: dict[str, Any] = {}
    if patch.audio is not None and patch.audio.input is not None:
        changes["audio"] = TranscriptionAudio(input=_updated_input(session.audio.input, patch.audio.input, defaults))
    if patch.sent("include"):
        changes["include"] = _tuple_or_none(patch.include)
    return session.model_copy(update=changes)


def _updated_realtime(
    session: RealtimeSession, patch: RealtimeSessionPatch, defaults: SessionDefaults, *, voice_locked: bool
) -> RealtimeSession:
    changes = _plain_changes(patch)
    audio = session.audio
    if patch.audio is not None:
        source, sink = patch.audio.input, patch.audio.output
        audio = RealtimeAudio(
            input=audio.input if source is None else _updated_input(audio.input, source, defaults),
            output=audio.output if sink is None else _updated_output(audio.output, sink, defaults),
        )
    aliases = defaults.model_aliases
    if patch.model is not None and aliases.get(patch.model, patch.model) != aliases.get(session.model, session.model):
        raise InvalidEvent(
            f"The model of a session cannot be changed: this one uses '{session.model}'.",
            code="invalid_value",
            param="session.model",
        )
    if voice_locked and audio.output.voice != session.audio.output.voice:
        raise InvalidEvent(
            "Cannot update a conversation's voice if assistant audio is present.", code="cannot_update_voice"
        )
    return session.model_copy(update=changes | {"audio": audio})


_CLEARED_BY_NULL = ("tracing", "prompt", "parallel_tool_calls", "reasoning", "include")


def _plain_changes(patch: RealtimeSessionPatch) -> dict[str, Any]:
    """The members that an update replaces as they are. A null clears those that have a null, others keep theirs."""
    changes: dict[str, Any] = {}
    if patch.output_modalities is not None:
        changes["output_modalities"] = spoken_or_written(patch.output_modalities)
    if patch.tools is not None:
        changes["tools"] = tuple({"type": tool.type, **tool.model_dump(exclude_unset=True)} for tool in patch.tools)
    for member in ("instructions", "max_output_tokens", "temperature"):
        if getattr(patch, member) is not None:
            changes[member] = getattr(patch, member)
    for member in ("tool_choice", "truncation"):
        if getattr(patch, member) is not None:
            changes[member] = _plain(getattr(patch, member))
    for member in _CLEARED_BY_NULL:
        if patch.sent(member):
            value = getattr(patch, member)
            changes[member] = _tuple_or_none(value) if member == "include" else _plain(value)
    return changes


def spoken_or_written(modalities: list[Literal["text", "audio"]]) -> tuple[Literal["text", "audio"], ...]:
    """`["text"]` is writing; anything with audio is speech, which always brings its text (choice 38)."""
    return ("audio",) if "audio" in modalities else ("text",)


def voice_name(voice: VoiceInput) -> str:
    return voice if isinstance(voice, str) else voice.id


def checked_format(audio_format: AudioFormat, defaults: SessionDefaults, param: str) -> AudioFormat:
    """PCM only at a rate that the configuration allows; 24 kHz always is (choice 37)."""
    if not isinstance(audio_format, Pcm) or audio_format.rate in (24_000, *defaults.allowed_pcm_rates):
        return audio_format
    below = audio_format.rate < 24_000
    raise InvalidEvent(
        f"Invalid '{param}.rate': expected 24000, but got {audio_format.rate} instead.",
        code="integer_below_min_value" if below else "integer_above_max_value",
        param=f"{param}.rate",
    )


AnyInput = TypeVar("AnyInput", bound=AudioInput)


def _updated_input(current: AnyInput, patch: AudioInputPatch, defaults: SessionDefaults) -> AnyInput:
    changes: dict[str, Any] = {}
    if patch.format is not None:
        changes["format"] = checked_format(patch.format, defaults, "session.audio.input.format")
    if patch.sent("transcription"):
        changes["transcription"] = _transcription(patch.transcription, defaults)
    if patch.sent("noise_reduction"):
        reduction = patch.noise_reduction
        changes["noise_reduction"] = reduction and NoiseReduction(type=reduction.type, strength=reduction.strength)
    if patch.sent("turn_detection"):
        changes["turn_detection"] = _turn_detection(patch.turn_detection, defaults)
    return current.model_copy(update=changes)


def _updated_output(current: AudioOutput, patch: AudioOutputPatch, defaults: SessionDefaults) -> AudioOutput:
    changes: dict[str, Any] = {}
    if patch.format is not None:
        changes["format"] = checked_format(patch.format, defaults, "session.audio.output.format")
    if patch.voice is not None:
        changes["voice"] = voice_name(patch.voice)
    if patch.speed is not None:
        changes["speed"] = patch.speed
    return current.model_copy(update=changes)


def _transcription(patch: TranscriptionInput | None, defaults: SessionDefaults) -> Transcription | None:
    if patch is None:
        return None
    return Transcription(
        model=patch.model or defaults.transcription_model,
        # "auto" means "find out", which is what no language means too (protocol appendix A)
        language=None if patch.language in (None, "", "auto") else patch.language,
        prompt=patch.prompt or None,
        languages=_tuple_or_none(patch.languages),
        keywords=_tuple_or_none(patch.keywords),
        delay=patch.delay,
    )


def _turn_detection(
    patch: ServerVadInput | SemanticVadInput | None, defaults: SessionDefaults
) -> ServerVad | SemanticVad | None:
    """Replaced as a whole: members that were not sent take their defaults (protocol 2.3)."""
    if patch is None:
        return None
    create = patch.create_response is not False
    interrupt = patch.interrupt_response is not False
    if isinstance(patch, SemanticVadInput):
        return SemanticVad(eagerness=patch.eagerness or "auto", create_response=create, interrupt_response=interrupt)
    return ServerVad(
        threshold=_or(patch.threshold, defaults.threshold),
        prefix_padding_ms=min(_or(patch.prefix_padding_ms, defaults.prefix_padding_ms), MAX_PREFIX_PADDING_MS),
        silence_duration_ms=min(_or(patch.silence_duration_ms, defaults.silence_duration_ms), MAX_SILENCE_DURATION_MS),
        idle_timeout_ms=patch.idle_timeout_ms,
        create_response=create,
        interrupt_response=interrupt,
    )


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _tuple_or_none(value: list[Any] | None) -> tuple[Any, ...] | None:
    return None if value is None else tuple(value)


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if hasattr(value, "model_dump") else value
