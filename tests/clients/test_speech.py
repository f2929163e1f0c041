"""Recorded human speech through the whole server, with the models that ship."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
from openai import AsyncOpenAI
from whisper_normalizer.english import EnglishTextNormalizer

from clients.conftest import client_of
from clients.strict import Dialect
from clients.talking import CHUNK, Conversation, Int16, talking
from serving import RunningServer
from voicebridge.audio.codec import decode
from voicebridge.audio.encoding import PCMU
from voicebridge.audio.g711 import pcm16_to_ulaw
from voicebridge.audio.resample import Resampler
from voicebridge.engines.embedded.stt import Recogniser, load_tiny

pytestmark = [pytest.mark.models, pytest.mark.sdk, pytest.mark.timeout(120)]

RECORDINGS = Path(__file__).parents[1] / "data" / "speech"
TRANSCRIPTS: dict[str, str] = json.loads((RECORDINGS / "transcripts.json").read_text(encoding="utf-8"))
HELLO = Path(__file__).parents[2] / "voicebridge" / "samples" / "hello.wav"  # "Hello. Twenty-four plus ten."
FORMATS = {
    "pcm": ({"type": "audio/pcm", "rate": 24_000}, "pcm16"),
    "pcmu": ({"type": "audio/pcmu"}, "g711_ulaw"),
}


def recording(path: Path, rate_hz: int) -> Int16:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return resampled(samples, file.getframerate(), rate_hz)


def resampled(samples: Int16, from_hz: int, to_hz: int) -> Int16:
    if from_hz == to_hz:
        return samples
    resampler = Resampler(from_hz, to_hz, aligned=True)
    return np.concatenate([resampler.push(samples), resampler.flush()])


def in_format(path: Path, sound: str) -> bytes:
    return recording(path, 24_000).tobytes() if sound == "pcm" else pcm16_to_ulaw(recording(path, 8_000))


def silence(seconds: float, sound: str) -> bytes:
    return bytes(int(48_000 * seconds)) if sound == "pcm" else b"\xff" * int(8_000 * seconds)


def chunk(sound: str) -> int:
    """Bytes of 100 ms."""
    return 2 * CHUNK if sound == "pcm" else 800


def as_heard(audio: bytes, sound: str) -> Int16:
    return np.frombuffer(audio, np.int16) if sound == "pcm" else decode(audio, PCMU)


def update(dialect: Dialect, sound: str, *, detect: bool = True, **more: Any) -> dict[str, Any]:
    ga, beta = FORMATS[sound]
    heard = {"model": "gpt-4o-mini-transcribe"}
    if dialect == "beta":
        session = {"input_audio_format": beta, "output_audio_format": beta, "input_audio_transcription": heard, **more}
        return session if detect else {**session, "turn_detection": None}
    given: dict[str, Any] = {"format": ga, "transcription": heard}
    if not detect:
        given["turn_detection"] = None
    return {"type": "realtime", "audio": {"input": given, "output": {"format": ga}}, **more}


@pytest.fixture
async def client(embedded_server: RunningServer) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(embedded_server) as client:
        yield client


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    """The one that the server uses, fed directly."""
    return load_tiny()


@pytest.mark.parametrize("sound", FORMATS)
async def test_the_answer_is_to_what_was_said(
    client: AsyncOpenAI, dialect: Dialect, sound: str, recogniser: Recogniser
) -> None:
    async with talking(client, dialect) as talk:
        await talk.sdk.session.update(session=update(dialect, sound))
        await talk.until("session.updated")
        await talk.hears_bytes(in_format(HELLO, sound) + silence(1.0, sound), chunk(sound))
        await talk.until("rate_limits.updated", lambda _event: "thirty-four" in last_words(talk))
        heard = " ".join(
            event["transcript"] for event in talk.of("conversation.item.input_audio_transcription.completed")
        )
        assert re.search(r"(24|twenty.four) (\+|plus) (10|ten)", heard.lower())
        answer = talk.of("response.done")[-1]["response"]["id"]
        audio = b"".join(
            base64.b64decode(event["delta"])
            for event in talk.of("response.output_audio.delta")
            if event["response_id"] == answer
        )
        spoken = recogniser.recognise(as_heard(audio, sound), None, None).text
        assert re.search(r"34|thirty.four", spoken.lower())


def last_words(talk: Conversation) -> str:
    """What the last response said."""
    response = talk.of("response.done")[-1]["response"]
    return " ".join(part.get("transcript", "") for item in response["output"] for part in item["content"])


@pytest.mark.parametrize("sound", FORMATS)
async def test_words_through_the_server_are_those_of_the_engine_fed_directly(
    client: AsyncOpenAI, sound: str, recogniser: Recogniser
) -> None:
    through, direct = {}, {}
    async with talking(client, "ga") as talk:
        await talk.sdk.session.update(session=update("ga", sound, detect=False))
        await talk.until("session.updated")
        for name in TRANSCRIPTS:
            audio = in_format(RECORDINGS / name, sound)
            await talk.hears_bytes(audio, chunk(sound))
            await talk.sdk.input_audio_buffer.commit()
            heard = await talk.until("conversation.item.input_audio_transcription.completed")
            through[name] = heard["transcript"]
            direct[name] = recogniser.recognise(as_heard(audio, sound), None, None).text
    assert through == direct
    assert word_error_rate(through) == word_error_rate(direct) <= 0.05


@pytest.mark.parametrize("sound", FORMATS)
async def test_turns_found_by_the_server_lose_no_words(client: AsyncOpenAI, sound: str, recogniser: Recogniser) -> None:
    through, direct = {}, {}
    for name in TRANSCRIPTS:
        audio = in_format(RECORDINGS / name, sound)
        direct[name] = recogniser.recognise(as_heard(audio, sound), None, None).text
        async with talking(client, "ga", extra_query={"intent": "transcription"}) as talk:
            session = {**update("ga", sound), "type": "transcription"}
            del session["audio"]["output"]
            await talk.sdk.session.update(session=session)
            await talk.until("session.updated")
            await talk.hears_bytes(silence(0.5, sound) + audio + silence(1.0, sound), chunk(sound))
            await talk.until("input_audio_buffer.committed")
            await talk.sdk.input_audio_buffer.clear()  # answered after all that was heard before
            await talk.until("input_audio_buffer.cleared")
            turns = len(talk.of("input_audio_buffer.committed"))
            while len(talk.of("conversation.item.input_audio_transcription.completed")) < turns:
                await talk.next()
            heard = talk.of("conversation.item.input_audio_transcription.completed")
            through[name] = " ".join(event["transcript"] for event in heard)
    assert word_error_rate(through) <= word_error_rate(direct), (through, direct)


def word_error_rate(heard: dict[str, str]) -> float:
    normal = EnglishTextNormalizer()
    said = [normal(TRANSCRIPTS[name]) for name in heard]
    return float(jiwer.wer(said, [normal(text) for text in heard.values()]))


async def test_talking_over_a_long_answer_silences_it(client: AsyncOpenAI, dialect: Dialect) -> None:
    tale = " ".join(f"And then, on day {day}, the fox went over the hill to see the sea," for day in range(1, 200))
    speech = recording(HELLO, 24_000).tobytes()

    async def interrupt(talk: Conversation) -> None:
        for at in range(0, len(speech), 4_800):
            await talk.hears_bytes(speech[at : at + 4_800])
            await asyncio.sleep(0.1)  # as a microphone does
        await talk.hears_bytes(silence(1.0, "pcm"))

    async with talking(client, dialect) as talk:
        await talk.sdk.session.update(session=update(dialect, "pcm", instructions=f'Answer with exactly: "{tale}"'))
        await talk.until("session.updated")
        await talk.says("Tell me a long story")
        await talk.sdk.response.create()
        story = (await talk.until("response.created"))["response"]["id"]
        await talk.until("response.output_audio.delta")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(interrupt(talk))
            await talk.until("input_audio_buffer.speech_started")
            finished = bool(talk.of("response.done"))
            talk.clear()
            if not finished:
                done = (await talk.until("response.done"))["response"]
                assert done["id"] == story
                assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
            await talk.until("input_audio_buffer.committed")
            assert story not in {event["response_id"] for event in talk.of("response.output_audio.delta")}
            await talk.until("response.created")  # the interruption is answered
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    while True:
                        assert (await talk.next()).get("response_id") != story
