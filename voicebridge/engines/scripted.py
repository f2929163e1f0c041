"""An engine without models: says what its script says, and is the same every time.

Ships for tests, demonstrations and load tests. Without a script it repeats the last words of the user as a hum.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples, ms_to_samples, samples_to_seconds
from voicebridge.core.engine_io import (
    Ask,
    Audio,
    CallArguments,
    CallDone,
    CallStarted,
    EngineDone,
    EngineOutput,
    Message,
    Recognised,
    SpeechDelta,
    Text,
    TextDelta,
    TokenLogprob,
    TranscriptDelta,
    TranscriptDone,
    TranscriptOutput,
    Utterance,
)

MS_PER_CHARACTER = 60
HUM_HZ = 220.0
RECORDED_ASKS = 1000


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a script that takes time."""

    seconds: float


ResponseScript: TypeAlias = Sequence[EngineOutput | Pause | Exception]
TranscriptScript: TypeAlias = Sequence[TranscriptOutput | Pause | Exception]


class ScriptedEngine:
    """Plays one script per response and one per transcription, in order; when they are used up, the defaults.

    A script is a sequence of outputs, of `Pause`s (handed to `sleep`) and of exceptions (raised).
    `asks` and `utterances` are what was asked, for assertions (the last `RECORDED_ASKS`).
    """

    def __init__(
        self,
        responses: Iterable[ResponseScript] = (),
        *,
        transcripts: Iterable[TranscriptScript] = (),
        end_of_turn: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._responses = deque(responses)
        self._transcripts = deque(transcripts)
        self._end_of_turn = end_of_turn
        self._sleep = sleep
        self.asks: deque[Ask] = deque(maxlen=RECORDED_ASKS)
        self.utterances: deque[Utterance] = deque(maxlen=RECORDED_ASKS)

    async def respond(self, ask: Ask) -> AsyncGenerator[EngineOutput, None]:
        self.asks.append(ask)
        script: ResponseScript = self._responses.popleft() if self._responses else tuple(echo(ask))
        for step in script:
            if isinstance(step, Pause | Exception):
                await self._take(step)
            else:
                yield step

    async def transcribe(self, utterance: Utterance) -> AsyncGenerator[TranscriptOutput, None]:
        self.utterances.append(utterance)
        script: TranscriptScript = self._transcripts.popleft() if self._transcripts else tuple(describe(utterance))
        for step in script:
            if isinstance(step, Pause | Exception):
                await self._take(step)
            else:
                yield step

    async def end_of_turn(self, samples: Samples) -> float:  # noqa: ARG002 (the port's signature)
        return self._end_of_turn

    async def _take(self, step: Pause | Exception) -> None:
        if isinstance(step, Exception):
            raise step
        await self._sleep(step.seconds)


def echo(ask: Ask) -> Iterator[EngineOutput]:
    """The default response: "You said: …", word by word; or the call that `tool_choice` forces, without arguments."""
    words = "nothing"
    for item in ask.context:
        if not isinstance(item, Message) or item.role != "user":
            continue
        heard = []
        for part in item.parts:
            if isinstance(part, Text):
                heard.append(part.text)
            elif isinstance(part, Audio):
                transcript = part.transcript
                if transcript is None:
                    transcript = description(part.samples)
                    yield Recognised(item.item_id, transcript)
                heard.append(transcript)
        words = " ".join(heard) or words
    forced = _forced_call(ask)
    if forced is not None:
        yield from (CallStarted(forced), CallArguments("{}"), CallDone())
    else:
        for piece in spoken_pieces(f"You said: {words}"):
            yield SpeechDelta(piece, hum(piece)) if ask.speak else TextDelta(piece)
    yield EngineDone()


def describe(utterance: Utterance) -> Iterator[TranscriptOutput]:
    """The default transcript: how long the utterance is, in words, with a log-probability each."""
    text = description(utterance.samples)
    tokens = tuple(TokenLogprob(piece, -0.1) for piece in spoken_pieces(text))
    for token in tokens:
        yield TranscriptDelta(token.token, (token,))
    yield TranscriptDone(text, tokens)


def description(samples: Samples) -> str:
    return f"utterance of {samples_to_seconds(len(samples)):.1f} seconds"


def hum(text: str) -> Samples:
    """A sine tone, `MS_PER_CHARACTER` per character of the text, at -20 dBFS."""
    n = np.arange(ms_to_samples(MS_PER_CHARACTER * len(text)))
    tone: Samples = (4634 * np.sin(2 * np.pi * HUM_HZ / INTERNAL_RATE_HZ * n)).astype(np.int16)
    return tone


def spoken_pieces(text: str) -> list[str]:
    """Words with their leading blanks: joined, they are the text again."""
    first, *others = text.split(" ")
    return [first, *(f" {word}" for word in others)]


def _forced_call(ask: Ask) -> str | None:
    if isinstance(ask.tool_choice, tuple):
        return ask.tool_choice[1]
    return ask.tools[0].name if ask.tool_choice == "required" and ask.tools else None
