"""What goes into a session and what comes out of it: the whole interface between the core and the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from voicebridge.audio.listener import Heard
from voicebridge.audio.samples import Samples
from voicebridge.core.engine_io import Ask, EngineOutput, TranscriptOutput, Utterance
from voicebridge.errors import ClientError
from voicebridge.protocol.client_events import ClientEvent
from voicebridge.protocol.formats import AudioFormat
from voicebridge.protocol.items import Item
from voicebridge.protocol.server_events import ServerEvent

# --- inputs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FromClient:
    """A checked client event, and the bytes of the audio in it by the path of their member (base64 is undone)."""

    event: ClientEvent
    audio: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AudioAppended:
    """Bytes of `input_audio_buffer.append` in the session's input format; the driver's listener makes `Heard` of it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """Sound from a media track, already 24 kHz mono; the driver's listener makes `Heard` of it."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class ClientFault:
    """Something the client sent could not be understood; `event_id` is its own, where it could be read."""

    error: ClientError
    event_id: str | None


@dataclass(frozen=True, slots=True)
class FromEngine:
    response_id: str
    output: EngineOutput


@dataclass(frozen=True, slots=True)
class FromTranscriber:
    item_id: str
    output: TranscriptOutput


@dataclass(frozen=True, slots=True)
class TurnJudged:
    """The answer to `JudgeTurn`: probability (0 to 1) that the speaker has finished."""

    ticket: int
    probability: float


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """The first sound of a response has gone out to a listener whose playback we own."""

    response_id: str


@dataclass(frozen=True, slots=True)
class PlayoutDrained:
    """All sound of a response whose speech has ended has gone out."""

    response_id: str


@dataclass(frozen=True, slots=True)
class PlayedPart:
    """How much of one spoken part went out, in samples at 24 kHz since the part began."""

    item_id: str
    content_index: int
    samples: int


@dataclass(frozen=True, slots=True)
class PlayoutCleared:
    """The answer to `ClearPlayout`, one for each response that had sound left or was not ended: what went out of it.

    `played` has the parts that were not played to their end, in order; a part of which nothing went out has 0 samples.
    """

    response_id: str
    played: tuple[PlayedPart, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """The deadline has come."""


Input: TypeAlias = (
    FromClient
    | AudioAppended
    | AudioReceived
    | ClientFault
    | Heard
    | FromEngine
    | FromTranscriber
    | TurnJudged
    | PlayoutStarted
    | PlayoutDrained
    | PlayoutCleared
    | Tick
)

# --- outputs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Emit:
    """An event for the client."""

    event: ServerEvent


@dataclass(frozen=True, slots=True)
class Speech:
    """A piece of spoken answer: `response.output_audio.delta` on a WebSocket, sound elsewhere.

    `last` comes once for every part, with no samples: the encoder may have some left. Where the part was `cut` nobody
    wants to hear those.
    """

    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    samples: Samples
    audio_format: AudioFormat
    last: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """No more speech of this response will come: where its sound runs out, it has been played."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ClearPlayout:
    """Silence now: throw away all sound that has not gone out, and say with `PlayoutCleared` what has."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """`conversation.item.retrieved`, with the audio that is kept, by content index; the edge decides if it fits."""

    event_id: str
    item: Item
    audio: dict[int, Samples]
    audio_format: AudioFormat


@dataclass(frozen=True, slots=True)
class Listen:
    """How to hear from now on: the format of appended audio, and whether to detect speech in it."""

    audio_format: AudioFormat
    detect: bool


@dataclass(frozen=True, slots=True)
class ForgetSpeech:
    """The input buffer was cleared: what the detector heard before does not count any more."""


@dataclass(frozen=True, slots=True)
class StartResponse:
    ask: Ask


@dataclass(frozen=True, slots=True)
class CancelResponse:
    """Stop making it. Nothing more of it is wanted."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Transcribe:
    utterance: Utterance


@dataclass(frozen=True, slots=True)
class JudgeTurn:
    """Has the speaker finished? Answer with `TurnJudged` and the same ticket; no answer means: wait for silence."""

    ticket: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class EndCall:
    """Close: a WebSocket close code (protocol 6.3) and its reason."""

    code: int
    reason: str


Output: TypeAlias = (
    Emit
    | Speech
    | SpeechEnded
    | ClearPlayout
    | Retrieved
    | Listen
    | ForgetSpeech
    | StartResponse
    | CancelResponse
    | Transcribe
    | JudgeTurn
    | EndCall
)


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the session wants a `Tick`, in the seconds that `now` counts, and what for."""

    at: float
    reason: Literal["expiry", "idle"]
