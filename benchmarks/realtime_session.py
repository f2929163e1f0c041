"""A WebSocket call by the clock: how fast it answers, how fast it falls silent, what an idle one weighs.

`python -m benchmarks.realtime_session` prints one table; docs/performance.md holds the figures of a run.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack

import numpy as np

from benchmarks.running_server import Client, RunningServer, connected, running_server
from voicebridge.audio.samples import Samples
from voicebridge.engines.embedded.frames import WorkerSettings
from voicebridge.engines.embedded.pool import SpeechWorkers

ROUNDS = 7
IDLE_SESSIONS = 200
QUESTION = "What is seven times eight?"
LONG_REQUEST = "Repeat after me: " + "This is one of very many sentences that nobody wants to hear to their end. " * 200
"""About fifteen minutes of speech: still being made when the caller interrupts."""

SILENCE = np.zeros(24_000, np.int16)


async def spoken(text: str, voice: str = "echo") -> tuple[Samples, float, float]:
    """The text as speech; and the engine's own figures: seconds to recognise it, seconds to speak an answer."""
    async with SpeechWorkers(WorkerSettings()) as workers:
        await workers.wait_ready()
        pieces = [piece.samples async for piece in workers.synthesise(text, voice)]
        speech = np.concatenate(pieces)
        hearing, speaking = [], []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            await workers.recognise(speech)
            heard = time.perf_counter()
            async for _piece in workers.synthesise("Seven times eight is fifty-six.", "alloy"):
                break
            hearing.append(heard - begun)
            speaking.append(time.perf_counter() - heard)
    return speech, statistics.median(hearing), statistics.median(speaking)


async def first_audio(server: RunningServer, speech: Samples) -> list[float]:
    """Seconds from `speech_stopped` to the first audio delta, with the question streamed in real time."""
    delays = []
    async with connected(server) as client:
        await client.until("session.created")
        for _ in range(ROUNDS):
            saying = asyncio.gather(client.say(np.concatenate([speech, SILENCE]).tobytes()))
            await client.until("input_audio_buffer.speech_stopped")
            stopped = client.now()
            await client.until("response.output_audio.delta")
            delays.append(client.now() - stopped)
            await client.until("response.done")
            await saying
    return delays


async def barge_in(server: RunningServer, speech: Samples) -> tuple[list[float], list[float]]:
    """Seconds from the first voiced sample to `speech_started`, and to the last audio delta of the old answer."""
    voiced = int(np.argmax(np.abs(speech.astype(np.int32)) > 500)) / 24_000
    started, silent = [], []
    for _ in range(ROUNDS):
        async with connected(server) as client:
            await client.until("session.created")
            await client.send(
                "conversation.item.create",
                item={
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": LONG_REQUEST}],
                },
            )
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            saying = asyncio.gather(client.say(np.concatenate([speech, SILENCE]).tobytes()))
            begun = client.now() + voiced
            last_audio = 0.0
            while True:
                event = await client.receive()
                if event["type"] == "response.output_audio.delta":
                    last_audio = client.now()
                elif event["type"] == "input_audio_buffer.speech_started":
                    started.append(client.now() - begun)
                elif event["type"] == "response.done":
                    assert event["response"]["status"] == "cancelled", event["response"]["status"]
                    silent.append(last_audio - begun)
                    break
            await saying
    return started, silent


async def idle_weight(server: RunningServer) -> float:
    """Kilobytes of the server process for each of `IDLE_SESSIONS` sessions that say nothing."""
    async with AsyncExitStack() as stack:
        warm: Client = await stack.enter_async_context(connected(server))
        await warm.until("session.created")
        before = server.rss_kb()
        for _ in range(IDLE_SESSIONS):
            client = await stack.enter_async_context(connected(server))
            await client.until("session.created")
        return (server.rss_kb() - before) / IDLE_SESSIONS


def line(what: str, values: list[float], aim: str) -> None:
    if not values:
        print(f"{what:58} {'-':>8} {'-':>8}   {aim}")
        return
    print(f"{what:58} {statistics.median(values) * 1000:8.0f} {max(values) * 1000:8.0f}   {aim}")


async def main() -> None:
    speech, hearing_s, speaking_s = await spoken(QUESTION)
    budget = hearing_s + speaking_s
    print(f"{'':58} {'p50 ms':>8} {'max ms':>8}   aim")
    async with running_server() as server:
        line("engines alone: recognise + first audio", [budget], "")
        line(
            "speech_stopped to first audio delta", await first_audio(server, speech), f"<= {budget * 1000 + 30:.0f} ms"
        )
    scripted = {"VOICEBRIDGE_LIMITS__MAX_SESSIONS": "1000"}
    async with running_server("scripted", **scripted) as server:
        print(f"{'idle session, kB':58} {await idle_weight(server):8.0f} {'':8}   <= 300 kB")
    async with running_server() as server:
        started, silent = await barge_in(server, speech)
        line("barge-in: first voiced sample to speech_started", started, "")
        line("barge-in: first voiced sample to last old audio delta", silent, "")


if __name__ == "__main__":
    asyncio.run(main())
