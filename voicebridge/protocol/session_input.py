"""Session settings as clients write them: `session.update`, tokens, call bodies (protocol 2.3, 5.1 to 5.5).

All members are optional; `sent()` tells what was there. What they change is in `session_config`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from voicebridge.protocol.formats import AudioFormat
from voicebridge.protocol.model import BRANCH, BY_TYPE, ClientModel, branch


def _by_json_type(names: dict[type, str], otherwise: str) -> Discriminator:
    """Choose a union's branch by the value's JSON type, so that an error speaks of one branch only."""
    return Discriminator(lambda value: BRANCH + names.get(type(value), otherwise))


def _of_beta(value: Any, info: ValidationInfo) -> Any:
    if value is None or (info.context and info.context["beta"]):
        return value
    raise PydanticCustomError("extra_forbidden", "GA has no such member")


BetaTemperature: TypeAlias = Annotated[Annotated[float, Field(ge=0.0, le=2.0)] | None, BeforeValidator(_of_beta)]
"""Only beta has it; a GA client that sends it is told so."""


class ServerVadInput(ClientModel):
    """Unknown members are let through: agents-js adds some of its own (protocol 5.3)."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["server_vad"]
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    prefix_padding_ms: int | None = Field(default=None, ge=0)
    silence_duration_ms: int | None = Field(default=None, ge=0)
    idle_timeout_ms: int | None = Field(default=None, ge=5000, le=30_000)
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticVadInput(ClientModel):
    model_config = ConfigDict(extra="ignore")

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


TurnDetectionInput: TypeAlias = Annotated[
    Annotated[ServerVadInput, branch("server_vad")] | Annotated[SemanticVadInput, branch("semantic_vad")], BY_TYPE
]


class TranscriptionInput(ClientModel):
    """Which recogniser, and hints for it. Any model name is taken and echoed (protocol 5.4)."""

    model: str | None = None
    language: str | None = None
    languages: list[str] | None = Field(default=None, min_length=1)
    prompt: str | None = None
    keywords: list[str] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class NoiseReductionInput(ClientModel):
    type: Literal["near_field", "far_field"] | None = None
    strength: float | None = None


class VoiceReference(ClientModel):
    id: str


VoiceInput: TypeAlias = Annotated[
    Annotated[str, branch("name")] | Annotated[VoiceReference, branch("reference")],
    _by_json_type({dict: "reference"}, "name"),
]


class AudioInputPatch(ClientModel):
    format: AudioFormat | None = None
    transcription: TranscriptionInput | None = None
    noise_reduction: NoiseReductionInput | None = None
    turn_detection: TurnDetectionInput | None = None


class AudioOutputPatch(ClientModel):
    format: AudioFormat | None = None
    voice: VoiceInput | None = None
    speed: float | None = Field(default=None, ge=0.25, le=1.5)


class AudioPatch(ClientModel):
    input: AudioInputPatch | None = None
    output: AudioOutputPatch | None = None


class FunctionToolInput(ClientModel):
    """A function of the client. Extra members (`strict`, …) are kept and echoed; a nameless kind is a function."""

    model_config = ConfigDict(extra="allow")

    type: Literal["function"] = "function"
    name: str = Field(min_length=1, max_length=64)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class NamedFunction(ClientModel):
    type: Literal["function"]
    name: str


ToolChoiceInput: TypeAlias = Annotated[
    Annotated[Literal["auto", "none", "required"], branch("mode")] | Annotated[NamedFunction, branch("function")],
    _by_json_type({dict: "function"}, "mode"),
]

MaxTokensInput: TypeAlias = Annotated[
    Annotated[int, Field(ge=1, le=4096), branch("count")] | Annotated[Literal["inf"], branch("unlimited")],
    _by_json_type({str: "unlimited"}, "count"),
]


class TracingSettings(ClientModel):
    workflow_name: str | None = None
    group_id: str | None = None
    metadata: dict[str, Any] | None = None


TracingInput: TypeAlias = Annotated[
    Annotated[Literal["auto"], branch("auto")] | Annotated[TracingSettings, branch("settings")],
    _by_json_type({dict: "settings"}, "auto"),
]


class TokenLimits(ClientModel):
    post_instructions: int | None = Field(default=None, ge=0)


class RetentionRatio(ClientModel):
    type: Literal["retention_ratio"]
    retention_ratio: float = Field(ge=0.0, le=1.0)
    token_limits: TokenLimits | None = None


TruncationInput: TypeAlias = Annotated[
    Annotated[Literal["auto", "disabled"], branch("mode")] | Annotated[RetentionRatio, branch("ratio")],
    _by_json_type({dict: "ratio"}, "mode"),
]


class Reasoning(ClientModel):
    effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class PromptReference(ClientModel):
    """A stored prompt of the service; kept and echoed, without effect here (choice 36)."""

    id: str
    version: str | None = None
    variables: dict[str, Any] | None = None


class _SessionPatch(ClientModel):
    # Members the server owns: clients echo whole sessions back, so these are taken and ignored (protocol 2.3).
    id: Any = None
    object: Any = None
    expires_at: Any = None
    client_secret: Any = None

    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None


class RealtimeSessionPatch(_SessionPatch):
    type: Literal["realtime"]
    model: str | None = None
    output_modalities: list[Literal["text", "audio"]] | None = Field(default=None, min_length=1)
    instructions: str | None = None
    audio: AudioPatch | None = None
    max_output_tokens: MaxTokensInput | None = None
    parallel_tool_calls: bool | None = None
    prompt: PromptReference | None = None
    reasoning: Reasoning | None = None
    tool_choice: ToolChoiceInput | None = None
    tools: list[FunctionToolInput] | None = None
    tracing: TracingInput | None = None
    truncation: TruncationInput | None = None
    temperature: BetaTemperature = None


class TranscriptionAudioPatch(ClientModel):
    input: AudioInputPatch | None = None


class TranscriptionSessionPatch(_SessionPatch):
    type: Literal["transcription"]
    audio: TranscriptionAudioPatch | None = None


SessionPatch: TypeAlias = Annotated[
    Annotated[RealtimeSessionPatch, branch("realtime")] | Annotated[TranscriptionSessionPatch, branch("transcription")],
    BY_TYPE,
]
