"""What a session asks of an engine, and what an engine answers.

Neutral values: no protocol JSON, no I/O. `Ask` and `Utterance` go out of the core; the `*Delta` and `*Done` values
come back, wrapped by the driver in `core.io.FromEngine` and `core.io.FromTranscriber`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from voicebridge.audio.samples import Samples

Role: TypeAlias = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Text:
    """Written words of a message."""

    text: str


@dataclass(frozen=True, slots=True)
class Audio:
    """Recorded speech of a message; `transcript` is None until somebody has recognised it."""

    samples: Samples
    transcript: str | None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: a data URI (PNG or JPEG) or an https address, and the detail asked for."""

    url: str
    detail: str


@dataclass(frozen=True, slots=True)
class Message:
    """Something said or written. Assistant messages hold only what was heard, where that is known."""

    item_id: str
    role: Role
    parts: tuple[Text | Audio | Image, ...]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The assistant called a client function; `arguments` is a JSON object as text."""

    item_id: str
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The client's answer to a `ToolCall` with the same `call_id`; any text, usually JSON."""

    item_id: str
    call_id: str
    output: str


ContextItem: TypeAlias = Message | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A client function: its name, what it is for, and a JSON schema of its parameters."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """Everything an engine needs to make one response.

    `tool_choice` is "auto", "none", "required" or the name of the one function to call as ("function", name).
    `voice` is the API's voice name. `speed` is 0.25 to 1.5. `language` is an ISO 639-1 hint or None.
    `max_output_tokens` None means unlimited; the session enforces it, engines may use it to stop early.
    """

    response_id: str
    context: tuple[ContextItem, ...]
    instructions: str
    tools: tuple[FunctionTool, ...]
    tool_choice: Literal["auto", "none", "required"] | tuple[Literal["function"], str]
    speak: bool
    voice: str
    speed: float
    temperature: float
    max_output_tokens: int | None
    language: str | None
    model: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """One committed piece of speech to be written down. `language` and `prompt` are hints."""

    item_id: str
    samples: Samples
    model: str
    language: str | None
    prompt: str | None


# --- what `Engine.respond` yields, in this order of meaning -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recognised:
    """The engine had to recognise a user's audio item to answer it; the session keeps the words for later turns."""

    item_id: str
    transcript: str


@dataclass(frozen=True, slots=True)
class SpeechDelta:
    """A piece of speech and exactly the text it speaks (with its leading blank, so that pieces concatenate)."""

    text: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of a written answer."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A function call begins; its arguments follow, then `CallDone`. Calls do not interleave."""

    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """A piece of the JSON arguments of the call begun last."""

    delta: str


@dataclass(frozen=True, slots=True)
class CallDone:
    """The call begun last is complete."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What a model says it used; where it says nothing the session estimates."""

    input_text: int
    input_audio: int
    input_cached: int
    output_text: int
    output_audio: int


@dataclass(frozen=True, slots=True)
class EngineDone:
    """The response is complete; or cut short by the model's own limit or filter."""

    reason: Literal["completed", "max_output_tokens", "content_filter"] = "completed"
    usage: TokenCounts | None = None


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """The engine raised; made by the driver from a typed error, never by an engine."""

    code: str
    message: str


EngineOutput: TypeAlias = (
    Recognised | SpeechDelta | TextDelta | CallStarted | CallArguments | CallDone | EngineDone | EngineFailed
)

# --- what `Engine.transcribe` yields ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One recognised token, its natural-log probability and its UTF-8 bytes."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class TranscriptDelta:
    """A piece of the transcript."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class TranscriptDone:
    """The whole transcript; empty where nothing intelligible was said."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class TranscriptFailed:
    """The recogniser raised; made by the driver from a typed error."""

    code: str
    message: str


TranscriptOutput: TypeAlias = TranscriptDelta | TranscriptDone | TranscriptFailed
