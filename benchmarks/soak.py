"""Many calls in real time for some minutes: does everything return to where it was?

`python -m benchmarks.soak [SESSIONS] [MINUTES]`. Every caller speaks, listens, hangs up and
calls again. At the end memory, tasks and open files of the server must be what they were after the first calls.
"""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import dataclass, field

import numpy as np

from benchmarks.realtime_session import spoken
from benchmarks.running_server import Client, RunningServer, connected, running_server
from voicebridge.audio.samples import Samples

QUESTIONS = ("What is seven times eight?", "What time is it?", "Please tell me a story.", "How do you spell weather?")
PAUSE = np.zeros(24_000, np.int16)


@dataclass
class Tally:
    calls: int = 0
    turns: int = 0
    answered: int = 0
    cancelled: int = 0
    failed: list[str] = field(default_factory=list)


async def caller(server: RunningServer, questions: list[Samples], until: float, seed: int, tally: Tally) -> None:
    chance = random.Random(seed)
    now = asyncio.get_running_loop().time
    await asyncio.sleep(chance.random() * 3)
    while now() < until:
        async with connected(server) as client:
            await client.until("session.created")
            tally.calls += 1
            for _ in range(chance.randint(1, 4)):
                await turn(client, chance, questions, tally)


async def turn(client: Client, chance: random.Random, questions: list[Samples], tally: Tally) -> None:
    """One question, streamed in real time, and its answer."""
    saying = client.say(np.concatenate([chance.choice(questions), PAUSE]).tobytes())
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(saying)
        done = await client.until("response.done", "error")
    tally.turns += 1
    if done["type"] == "error":
        tally.failed.append(done["error"]["message"])
    elif done["response"]["status"] == "completed":
        tally.answered += 1
    elif done["response"]["status"] == "cancelled":
        tally.cancelled += 1
    else:
        tally.failed.append(str(done["response"]["status_details"]))


async def measured(server: RunningServer) -> tuple[int, int, int]:
    await asyncio.sleep(3)  # for connections to close
    return server.rss_kb(), int(await server.metric("voicebridge_tasks")), server.open_files()


async def main(sessions: int, minutes: float) -> int:
    questions = [(await spoken(text))[0] for text in QUESTIONS]
    async with running_server() as server:
        warm_up = Tally()
        now = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as tasks:
            for seed in range(sessions):
                tasks.create_task(caller(server, questions, now() + 15, seed, warm_up))
        before = await measured(server)
        cpu, begun, tally = server.cpu_s(), now(), Tally()
        async with asyncio.TaskGroup() as tasks:
            for seed in range(sessions):
                tasks.create_task(caller(server, questions, now() + minutes * 60, 1000 + seed, tally))
        took = now() - begun
        load = (server.cpu_s() - cpu) / took
        after = await measured(server)
        drops = await server.metric("voicebridge_drops_total")
    print(
        f"{sessions} callers, {took / 60:.1f} min: {tally.calls} calls, {tally.turns} turns, "
        f"{tally.answered} answered, {tally.cancelled} interrupted, {len(tally.failed)} failed, {drops:.0f} drops"
    )
    print(f"server process: {load:.2f} cores")
    print(f"{'':10} {'before':>10} {'after':>10}")
    for name, was, now_is in zip(("RSS kB", "tasks", "files"), before, after, strict=True):
        print(f"{name:10} {was:10} {now_is:10}")
    print(*tally.failed[:5], sep="\n")
    grown = after[0] > before[0] * 1.1 or after[1] > before[1] or after[2] > before[2]
    return 1 if grown or tally.failed else 0


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    length = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
    sys.exit(asyncio.run(main(count, length)))
