"""WebRTC calls that end in every way there is: does the server return to where it was?

`python -m benchmarks.webrtc_churn [CALLS] [AT ONCE]`. Calls one after another, then many at once, each cut off in
another phase; a quarter of those at once belong to a process that is killed. Exit status 1 when tasks, open files or
memory of the server stay above what as many calls before have left.

`python -m benchmarks.webrtc_churn callers PORT KEY CALLS AT_ONCE` only calls a server that runs already.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import sys
from collections.abc import Awaitable, Callable

import httpx
from aiortc import RTCCertificate

from benchmarks.running_server import KEY, RunningServer, running_server
from benchmarks.webrtc_peer import LightPeer, stream

GIVEN_UP_S = 2
"""The server's patience with calls that do not connect and lines that fall silent."""
SETTLED_S = GIVEN_UP_S + 2.0
GROWTH = 1.08
SILENCE = bytes((0xFC, 0xFF, 0xFE))
"""20 ms of it, in Opus."""


async def unanswered(peer: LightPeer, client: httpx.AsyncClient) -> None:
    """The offer is posted, and its answer never used."""
    await posted(peer, client)


async def before_dtls(peer: LightPeer, client: httpx.AsyncClient) -> None:
    """The path is there; nobody says hello on it."""
    peer.begin(await posted(peer, client))
    await peer.reachable()


async def in_dtls(peer: LightPeer, client: httpx.AsyncClient) -> None:
    """Cut off between two flights of the handshake."""
    peer.begin(await posted(peer, client))
    connecting = asyncio.ensure_future(peer.connect())  # noqa: TID251  to be broken off
    await peer.reachable()
    await asyncio.sleep(0.002)
    connecting.cancel()
    await asyncio.wait([connecting])


async def without_channel(peer: LightPeer, client: httpx.AsyncClient) -> None:
    peer.begin(await posted(peer, client))
    await peer.connect()


async def greeted(peer: LightPeer, client: httpx.AsyncClient) -> None:
    await without_channel(peer, client)
    await peer.until("session.created")


async def spoken_to(peer: LightPeer, client: httpx.AsyncClient) -> None:
    """Cut off while it speaks, and is spoken to."""
    await greeted(peer, client)
    content = [{"type": "input_text", "text": "a long answer " * 20}]
    peer.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    peer.send("response.create")
    await peer.until("output_audio_buffer.started")
    peer.send_audio(SILENCE)


async def hung_up(peer: LightPeer, client: httpx.AsyncClient) -> None:
    await spoken_to(peer, client)
    await peer.close()


async def hung_up_by_request(peer: LightPeer, client: httpx.AsyncClient) -> None:
    await spoken_to(peer, client)
    (await client.post(f"{peer.location}/hangup")).raise_for_status()


Ending = Callable[[LightPeer, httpx.AsyncClient], Awaitable[None]]
ENDINGS: tuple[Ending, ...] = (
    unanswered,
    before_dtls,
    in_dtls,
    without_channel,
    greeted,
    spoken_to,
    hung_up,
    hung_up_by_request,
)


async def posted(peer: LightPeer, client: httpx.AsyncClient) -> str:
    peer.check_every_s = GIVEN_UP_S / 4
    headers = {"Content-Type": "application/sdp"}
    response = await client.post("/v1/realtime/calls?model=benchmark", headers=headers, content=peer.offer())
    response.raise_for_status()
    peer.location = response.headers["location"]
    return response.text


def http(port: int, key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)


async def one_after_another(port: int, calls: int, key: str = KEY) -> None:
    certificate = RTCCertificate.generateCertificate()
    async with http(port, key) as client:
        for ending in itertools.islice(itertools.cycle(ENDINGS), calls):
            await cut_off(LightPeer(certificate), client, ending)


async def cut_off(peer: LightPeer, client: httpx.AsyncClient, ending: Ending) -> None:
    async with asyncio.timeout(20):
        await ending(peer, client)
    peer.vanish()


async def at_once(port: int, calls: int, key: str = KEY) -> None:
    certificate = RTCCertificate.generateCertificate()
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    killed = context.Process(target=doomed, args=(port, calls // 4, key, ready), daemon=True)
    killed.start()
    async with http(port, key) as client, asyncio.TaskGroup() as tasks:
        for ending in itertools.islice(itertools.cycle(ENDINGS), calls - calls // 4):
            tasks.create_task(cut_off(LightPeer(certificate), client, ending))
    assert await asyncio.to_thread(ready.wait, 30), "the other process did not get its calls up"
    killed.kill()
    await asyncio.to_thread(killed.join)


def doomed(port: int, calls: int, key: str, ready: multiprocessing.synchronize.Event) -> None:
    async def run() -> None:
        certificate = RTCCertificate.generateCertificate()
        peers = [LightPeer(certificate) for _ in range(calls)]
        async with http(port, key) as client:
            await asyncio.gather(*(spoken_to(peer, client) for peer in peers))
        ready.set()
        await stream(peers, [[SILENCE]] * calls)

    asyncio.run(run())


async def measured(server: RunningServer) -> tuple[int, int, int]:
    await asyncio.sleep(SETTLED_S)
    return server.rss_kb(), int(await server.metric("voicebridge_tasks")), server.open_files()


async def main(calls: int, together: int) -> int:
    environment = {
        "VOICEBRIDGE_WEBRTC__CONNECT_TIMEOUT_S": str(GIVEN_UP_S),
        "VOICEBRIDGE_WEBRTC__DISCONNECT_TIMEOUT_S": str(GIVEN_UP_S),
        "VOICEBRIDGE_LIMITS__MAX_SESSIONS": "1000",
    }
    async with running_server("scripted", **environment) as server:
        await one_after_another(server.port, calls)  # allocators and caches settle in the first few hundred
        await at_once(server.port, together)
        before = await measured(server)
        begun = asyncio.get_running_loop().time()
        await one_after_another(server.port, calls)
        took = asyncio.get_running_loop().time() - begun
        await at_once(server.port, together)
        after = await measured(server)
    print(f"{calls} calls one after another ({took / calls * 1000:.0f} ms each), {together} at once")
    print(f"{'':10} {'before':>10} {'after':>10}")
    for name, was, now_is in zip(("RSS kB", "tasks", "files"), before, after, strict=True):
        print(f"{name:10} {was:10} {now_is:10}")
    return 1 if after[0] > before[0] * GROWTH or after[1] > before[1] or after[2] > before[2] else 0


async def only_call(port: int, key: str, calls: int, together: int) -> None:
    await one_after_another(port, calls, key)
    await at_once(port, together, key)


if __name__ == "__main__":
    if sys.argv[1:2] == ["callers"]:
        asyncio.run(only_call(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
        sys.exit()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    crowd = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    sys.exit(asyncio.run(main(count, crowd)))
