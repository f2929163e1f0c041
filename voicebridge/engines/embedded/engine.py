"""The embedded engine of one call: hears, thinks and speaks with the models of the worker processes."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace

from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.core.engine_io import (
    Ask,
    Audio,
    CallArguments,
    CallDone,
    CallStarted,
    ContextItem,
    EngineDone,
    EngineOutput,
    Image,
    Message,
    Recognised,
    SpeechDelta,
    Text,
    TextDelta,
    TokenLogprob,
    ToolCall,
    TranscriptDelta,
    TranscriptDone,
    TranscriptOutput,
    Utterance,
)
from voicebridge.engines.embedded.brain.types import BrainAsk, Call, Say, Turn
from voicebridge.engines.embedded.pool import SpeechWorkers
from voicebridge.engines.embedded.segments import segments
from voicebridge.engines.embedded.speakable import captions
from voicebridge.engines.embedded.stt import Recognition
from voicebridge.engines.embedded.tts import pause_after

_REMEMBERED = 32
_ARGUMENTS_PIECE = 24


class EmbeddedEngine:
    """An `Engine` for one call. `now` gives the local time in ISO 8601 with its offset, for the brain."""

    def __init__(self, workers: SpeechWorkers, *, now: Callable[[], str]) -> None:
        self._workers = workers
        self._now = now
        self._memory = _Recognitions(workers)

    async def respond(self, ask: Ask) -> AsyncGenerator[EngineOutput, None]:
        """Recognise what has no transcript yet, ask the brain, and speak or write what it says."""
        context: list[ContextItem] = []
        for item in ask.context:
            if isinstance(item, Message) and any(isinstance(p, Audio) and p.transcript is None for p in item.parts):
                known = await self._recognised(item, ask.language)
                yield Recognised(item.item_id, spoken_text(known))
                context.append(known)
            else:
                context.append(item)
        blank = ""
        for step in await self._workers.reply(self._brain_ask(ask, tuple(context))):
            match step:
                case Say(text):
                    async with aclosing(self._say(blank + text, ask)) as pieces:
                        async for piece in pieces:
                            yield piece
                    blank = " "
                case Call(name, arguments):
                    for output in call(name, arguments):
                        yield output
        yield EngineDone()

    async def transcribe(self, utterance: Utterance) -> AsyncGenerator[TranscriptOutput, None]:
        """The words of one utterance, one delta each; recognised once, whoever else asks for the same item."""
        recognition = await self._memory.recognise(
            utterance.item_id, utterance.samples, utterance.language, utterance.prompt
        )
        for tokens in words(recognition.tokens):
            yield TranscriptDelta("".join(token.token for token in tokens), tokens)
        yield TranscriptDone(recognition.text, recognition.tokens)

    async def end_of_turn(self, samples: Samples) -> float:
        return await self._workers.end_of_turn(samples)

    async def _recognised(self, message: Message, language: str | None) -> Message:
        parts: list[Text | Audio | Image] = []
        for part in message.parts:
            if isinstance(part, Audio) and part.transcript is None:
                recognition = await self._memory.recognise(message.item_id, part.samples, language, None)
                parts.append(replace(part, transcript=recognition.text))
            else:
                parts.append(part)
        return replace(message, parts=tuple(parts))

    def _brain_ask(self, ask: Ask, context: tuple[ContextItem, ...]) -> BrainAsk:
        return BrainAsk(
            context=tuple(turn(item) for item in context),
            instructions=ask.instructions,
            tools=ask.tools,
            tool_choice=ask.tool_choice,
            now=self._now(),
            model=ask.model,
        )

    async def _say(self, text: str, ask: Ask) -> AsyncGenerator[EngineOutput, None]:
        if not ask.speak:
            for piece in re.findall(r"\s*\S+\s*?|\s+$", text):
                yield TextDelta(piece)
            return
        async with aclosing(self._workers.synthesise(text, ask.voice, ask.speed)) as spoken:
            async for sentence in spoken:
                pause = pause_after(sentence.text, ask.speed)
                for caption in captions(sentence.text, sentence.samples, pause):
                    yield SpeechDelta(caption.text, caption.samples)


class _Recognitions:
    """Recognises each item once, though a response and a transcription ask for it at the same time.

    One call has one request before the workers at a time, and no long one: other calls come in between.
    """

    def __init__(self, workers: SpeechWorkers) -> None:
        self._workers = workers
        self._in_turn = asyncio.Lock()
        self._known: OrderedDict[tuple[str, int, str | None], tuple[asyncio.Lock, list[Recognition]]] = OrderedDict()

    async def recognise(self, item_id: str, samples: Samples, language: str | None, prompt: str | None) -> Recognition:
        key = (item_id, len(samples), language)
        lock, known = self._known.setdefault(key, (asyncio.Lock(), []))
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        async with lock:
            if not known:
                async with self._in_turn:
                    parts = [
                        await self._workers.recognise(part, language=language, prompt=prompt)
                        for part in segments(samples, INTERNAL_RATE_HZ)
                    ]
                known.append(_together(parts))
            return known[0]


def _together(parts: list[Recognition]) -> Recognition:
    """One text of them all, a blank between two."""
    heard = [part for part in parts if part.text]
    tokens: list[TokenLogprob] = []
    for part in heard:
        first, *others = part.tokens or (None,)
        if first is not None:
            tokens += [replace(first, token=f" {first.token}") if tokens else first, *others]
    return Recognition(" ".join(part.text for part in heard), tuple(tokens))


def turn(item: ContextItem) -> Turn:
    """An item of the conversation as the brain reads it."""
    if isinstance(item, Message):
        return Turn(item.role, spoken_text(item))
    if isinstance(item, ToolCall):
        return Turn("call", item.arguments, name=item.name, call_id=item.call_id)
    return Turn("result", item.output, call_id=item.call_id)


def spoken_text(message: Message) -> str:
    """The words of a message, written and spoken; pictures have none."""
    texts = (
        part.text if isinstance(part, Text) else part.transcript or ""
        for part in message.parts
        if isinstance(part, Text | Audio)
    )
    return " ".join(text for text in texts if text)


def call(name: str, arguments: str) -> Iterator[EngineOutput]:
    """A function call, its arguments in pieces."""
    yield CallStarted(name)
    for begin in range(0, len(arguments), _ARGUMENTS_PIECE):
        yield CallArguments(arguments[begin : begin + _ARGUMENTS_PIECE])
    yield CallDone()


def words(tokens: tuple[TokenLogprob, ...]) -> Iterator[tuple[TokenLogprob, ...]]:
    """Tokens by the word: a new one begins with a blank."""
    word: list[TokenLogprob] = []
    for token in tokens:
        if word and token.token[:1].isspace():
            yield tuple(word)
            word = []
        word.append(token)
    if word:
        yield tuple(word)
