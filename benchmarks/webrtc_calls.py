"""WebRTC calls on ours and on a straightforward aiortc server, side by side in one run.

`python -m benchmarks.webrtc_calls [CALLS] [SECONDS]`. Callers run in another process and send what a microphone
in a quiet room gives; the server listens (idle), or speaks without pause. Each server has one core to itself where
there are two.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import av
import httpx
import numpy as np
import uvloop
from aiortc import RTCCertificate

from benchmarks.running_server import KEY, RunningServer, free_port, ready, running_server
from benchmarks.webrtc_peer import FRAME_S, Called, LightPeer, call, stream

Mode = Literal["idle", "speak"]
WARM_S = 3.0
LATE_S = 0.040
SETUPS = 100
PLAIN_CALLS = 12
"""With many more the plain server is late with everything."""
WORD = "a word "
WORD_S = 0.42
"""How long the scripted engine speaks on it."""


def room(frames: int = 500) -> list[bytes]:
    """Ten seconds of a quiet room as Opus packets."""
    noise = np.random.default_rng(1).normal(0, 25, 480 * frames).astype(np.int16)
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 24_000, "mono", "s16", 32_000
    packets = []
    for index in range(frames):
        frame = av.AudioFrame.from_ndarray(noise[None, index * 480 : (index + 1) * 480], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 24_000, index * 480
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


@dataclass(frozen=True)
class Load:
    """What the callers saw in the measured time."""

    packets: int
    expected: int
    late: int
    worst_s: float
    p999_s: float
    drift_s: float
    """How much later the packets of the last second were, by the sender's own clock, than those of the first."""
    mean_bytes: float


# --- the callers' process ---


def callers(orders: Connection, url: str, count: int, mode: Mode, rounds: int, measured_s: float) -> None:
    uvloop.run(_callers(orders, url, count, mode, rounds, measured_s))


async def _callers(orders: Connection, url: str, count: int, mode: Mode, rounds: int, measured_s: float) -> None:
    certificate, packets = RTCCertificate.generateCertificate(), room()
    peers = [LightPeer(certificate) for _ in range(count)]
    sounds = [packets[index * 7 :] + packets[: index * 7] for index in range(count)]
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as client:
        for peer in peers:
            await call(peer, client)
    if mode == "speak":
        await asyncio.gather(*(_ask_for_speech(peer, WARM_S + 10 + rounds * (measured_s + 2)) for peer in peers))
    async with asyncio.TaskGroup() as tasks:
        streaming = tasks.create_task(stream(peers, sounds))
        orders.send("ready")
        while await asyncio.to_thread(orders.recv) != "stop":
            for peer in peers:
                peer.arrivals.clear()
            await asyncio.sleep(measured_s)
            orders.send(_load(peers, measured_s))
        streaming.cancel()
    await asyncio.gather(*(peer.close() for peer in peers))
    orders.send("gone")


async def _ask_for_speech(peer: LightPeer, seconds: float) -> None:
    """Of the plain server nobody asks: it speaks by itself, and its channel stays silent."""
    try:
        async with asyncio.timeout(2):
            await peer.until("session.created")
    except TimeoutError:
        return
    content = [{"type": "input_text", "text": WORD * round(seconds / WORD_S)}]
    peer.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    peer.send("response.create")
    await peer.until("output_audio_buffer.started")


def _load(peers: Sequence[LightPeer], measured_s: float) -> Load:
    lateness: list[float] = []
    drifts = []
    size = packets = 0
    for peer in peers:
        arrivals = peer.arrivals
        packets += len(arrivals.at)
        size += sum(arrivals.sizes)
        late = late_by(arrivals.timestamps, arrivals.at)
        lateness += late
        drifts.append(statistics.median(late[-50:]) - statistics.median(late[:50]))
    lateness.sort()
    return Load(
        packets=packets,
        expected=round(len(peers) * measured_s / FRAME_S),
        late=sum(late > LATE_S for late in lateness),
        worst_s=lateness[-1] if lateness else 0.0,
        p999_s=lateness[int(0.999 * len(lateness))] if lateness else 0.0,
        drift_s=max(drifts, key=abs),
        mean_bytes=size / max(1, packets),
    )


def late_by(timestamps: Sequence[int], at: Sequence[float], clock_hz: int = 48_000) -> list[float]:
    """Each packet's delay in seconds beyond the quickest one's, by the sender's own timestamps."""
    offsets = [
        came - ((stamp - timestamps[0]) & 0xFFFFFFFF) / clock_hz for stamp, came in zip(timestamps, at, strict=True)
    ]
    return [offset - min(offsets) for offset in offsets]


# --- the servers ---


@asynccontextmanager
async def naive_server(mode: str) -> AsyncIterator[RunningServer]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.webrtc_naive", str(port), mode, stderr=subprocess.DEVNULL
    )
    try:
        await ready(port)
        yield RunningServer(process.pid, port)
    finally:
        process.terminate()
        await process.wait()


def our_server(_mode: str) -> AbstractAsyncContextManager[RunningServer]:
    return running_server("scripted", VOICEBRIDGE_LIMITS__MAX_SESSIONS="1000")


def pin(pid: int, core: int) -> None:
    """With all its threads."""
    if (os.cpu_count() or 1) > 1:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), {core})


@dataclass(frozen=True)
class Measured:
    load: Load
    cpu_s: float
    kb_per_call: float
    calls: int

    @property
    def us_per_frame(self) -> float:
        """Of the server's processor time, for 20 ms of one call that it really served."""
        return self.cpu_s * 1e6 / max(1, self.load.packets)


async def measure(
    server: RunningServer, count: int, mode: Mode, *, rounds: int = 1, measured_s: float = 10.0
) -> list[Measured]:
    """The same calls, measured so many times."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    url = f"http://127.0.0.1:{server.port}/v1/"
    process = context.Process(target=callers, args=(theirs, url, count, mode, rounds, measured_s), daemon=True)
    pin(server.pid, 0)
    before = server.rss_kb()
    process.start()
    pin(process.pid or 0, 1)
    try:
        assert await asyncio.to_thread(ours.recv) == "ready"
        await asyncio.sleep(WARM_S)
        pin(server.pid, 0)
        grown = (server.rss_kb() - before) / count
        results = []
        for _ in range(rounds):
            cpu, begun = server.cpu_s(), asyncio.get_running_loop().time()
            ours.send("measure")
            load: Load = await asyncio.to_thread(ours.recv)
            took = asyncio.get_running_loop().time() - begun
            results.append(Measured(load, (server.cpu_s() - cpu) * measured_s / took, grown, count))
        ours.send("stop")
        await asyncio.to_thread(ours.recv)
        return results
    finally:
        process.kill()
        process.join()


async def setups(
    server: RunningServer, path: str = "realtime/calls?model=benchmark"
) -> tuple[list[Called], list[float]]:
    """Calls one after another: answered and connected; and from the POST to the first RTP packet."""
    certificate = RTCCertificate.generateCertificate()
    called, first = [], []
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}/v1/", headers={"Authorization": f"Bearer {KEY}"}, timeout=30
    ) as client:
        for _ in range(SETUPS):
            peer = LightPeer(certificate)
            begun = _wall()
            called.append(await call(peer, client, path))
            async with asyncio.timeout(5):
                await peer.heard.wait()
            first.append(peer.arrivals.at[0] - begun)
            await peer.close()
    return called, first


def _wall() -> float:
    return time.time()  # noqa: TID251  the kernel's stamps are in Unix time


def quantiles(values: Sequence[float]) -> str:
    ordered = sorted(values)
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return f"{p50 * 1000:7.1f} {p99 * 1000:7.1f}"


async def main(count: int, measured_s: float) -> None:
    servers: dict[str, Callable[[str], AbstractAsyncContextManager[RunningServer]]]
    servers = {"naive": naive_server, "ours": our_server}
    print(f"{'':28} {'p50 ms':>7} {'p99 ms':>7}")
    for name, start in servers.items():
        async with start("idle") as server:
            called, first = await setups(server)
            print(f"{name + ': SDP answer':28} {quantiles([one.answered for one in called])}")
            print(f"{name + ': connected':28} {quantiles([one.connected for one in called])}")
            print(f"{name + ': first RTP after POST':28} {quantiles(first)}", flush=True)
    frames: dict[tuple[str, str], float] = {}
    print(f"\n{'':18} {'us/20 ms':>9} {'calls/core':>10} {'kB/call':>8} {'late':>6}", end=" ")
    print(f"{'p99.9 ms':>9} {'worst ms':>9} {'drift ms':>9}")
    for mode in ("idle", "speak"):
        for name, start in servers.items():
            async with start(mode) as server:
                calls = count if name == "ours" else min(count, PLAIN_CALLS)
                for measured in await measure(server, calls, mode, rounds=2, measured_s=measured_s):
                    frames[name, mode] = min(measured.us_per_frame, frames.get((name, mode), 1e9))
                    report(f"{name} {mode}", measured)
    for mode in ("idle", "speak"):
        print(f"{mode}: {frames['ours', mode] / frames['naive', mode]:.2f} of the plain server's processor time")


def report(name: str, measured: Measured) -> None:
    load = measured.load
    print(
        f"{name + f' {measured.calls}':18} {measured.us_per_frame:9.0f} {20_000 / measured.us_per_frame:10.0f} "
        f"{measured.kb_per_call:8.0f} {load.late:6} {load.p999_s * 1000:9.1f} {load.worst_s * 1000:9.1f} "
        f"{load.drift_s * 1000:9.1f}"
        f"   {load.packets}/{load.expected} packets of {load.mean_bytes:.0f} bytes",
        flush=True,
    )


if __name__ == "__main__":
    how_many = int(sys.argv[1]) if len(sys.argv) > 1 else 80
    asyncio.run(main(how_many, float(sys.argv[2]) if len(sys.argv) > 2 else 10.0))
