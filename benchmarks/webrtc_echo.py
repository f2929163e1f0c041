"""Mouth to ear: how late a sound comes back from a server that repeats what it hears, ours and the plain one.

`python -m benchmarks.webrtc_echo`. Ours is the transport alone: what it hears goes to what it plays, as an engine's
speech would. The sound is a beep in silence; its way through the caller is not counted (packets are stamped by the
kernel, and the frame that a beep begins in counts from its beginning).
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator

import av
import httpx
import numpy as np
import uvicorn
import uvloop
from aiortc import RTCCertificate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from benchmarks.running_server import RunningServer, free_port, ready
from benchmarks.webrtc_calls import naive_server, quantiles
from benchmarks.webrtc_naive import ready as ready_route
from benchmarks.webrtc_peer import FRAME_S, LightPeer, call
from voicebridge.audio.opus import OpusDecoder
from voicebridge.core.io import AudioReceived, Input, Output, Speech, Tick
from voicebridge.protocol.formats import Pcm
from voicebridge.transports.webrtc.addresses import NetworkSettings
from voicebridge.transports.webrtc.endpoint import WebRtc
from voicebridge.transports.webrtc.port import PortLimits, WebRtcPort

FRAME = 480
BEEPS = 25
PERIOD = 20
"""Frames from one beep to the next, of which three sound."""


class NoEvents:
    """The codec of a call without events."""

    def decode(self, frame: str | bytes) -> Input:  # noqa: ARG002  nothing is said in them
        return Tick()

    def encode_frames(self, output: Output) -> list[str]:  # noqa: ARG002  as above
        return []


async def repeat(port: WebRtcPort) -> None:
    """Each 20 ms that is heard is said again."""
    async for given in port.inputs():
        if isinstance(given, AudioReceived):
            port.send(Speech("event", "response", "item", 0, 0, given.samples, Pcm()))


def echo_app() -> Starlette:
    """The transport of voicebridge and nothing else."""
    limits = PortLimits(connect_timeout_s=30, disconnect_timeout_s=30, queued_bytes=1 << 20, max_queued=24_000 * 60)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        network = NetworkSettings(udp_ports=(0, 0), advertised=(), interfaces=(), advertise_local=False)
        wall = time.time  # noqa: TID251  this program's composition root
        async with asyncio.TaskGroup() as tasks, WebRtc(network, limits, wall) as webrtc:
            app.state.tasks, app.state.webrtc = tasks, webrtc
            yield

    async def offer(request: Request) -> Response:
        port = request.app.state.webrtc.answer((await request.body()).decode(), lambda _size: NoEvents())
        request.app.state.tasks.create_task(port.write())
        request.app.state.tasks.create_task(repeat(port))
        return PlainTextResponse(port.answer, 201, media_type="application/sdp")

    routes = [Route("/v1/realtime/calls", offer, methods=["POST"]), Route("/readyz", ready_route)]
    return Starlette(routes=routes, lifespan=lifespan)


@contextlib.asynccontextmanager
async def our_echo() -> AsyncIterator[RunningServer]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.webrtc_echo", "serve", str(port))
    try:
        await ready(port)
        yield RunningServer(process.pid, port)
    finally:
        process.terminate()
        await process.wait()


def beeps() -> list[bytes]:
    n = np.arange(FRAME * PERIOD)
    sound = (9000 * np.sin(2 * np.pi * 500 / 24_000 * n) * (n < 3 * FRAME)).astype(np.int16)
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 24_000, "mono", "s16", 32_000
    encoder.options = {"application": "lowdelay"}
    packets = []
    for at in range(0, len(sound) * BEEPS, FRAME):
        piece = sound[at % len(sound) :][:FRAME]
        frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 24_000, at
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


async def echo(server: RunningServer) -> list[float]:
    """Seconds from the beginning of each beep at the microphone to its beginning in what comes back.

    A microphone's frame is sent when it has been recorded, 20 ms after its beginning, and heard from its beginning on
    when it arrives: these 20 ms are part of the result.
    """
    peer = LightPeer(RTCCertificate.generateCertificate())
    came: list[tuple[float, bytes]] = []
    peer.on_media = lambda packet: came.append((peer.arrivals.at[-1], packet[12:]))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}/v1/", timeout=30) as client:
        await call(peer, client)
    now, sent = asyncio.get_running_loop().time, []
    begun = now() + 0.1
    for index, packet in enumerate(beeps()):
        await asyncio.sleep(max(0.0, begun + index * FRAME_S - now()))
        if index % PERIOD == 0:
            sent.append(time.time() - FRAME_S)  # noqa: TID251  as the kernel's stamps
        peer.send_audio(packet)
    await asyncio.sleep(0.5)
    await peer.close()
    return [back - at for at, back in zip(sent, onsets(came), strict=False)]


def onsets(came: list[tuple[float, bytes]]) -> list[float]:
    """When each beep came back: its packet's arrival, and where in the packet it begins."""
    ears, found, quiet = OpusDecoder(), [], 10
    for at, payload in came:
        loud = np.flatnonzero(np.abs(ears.decode(payload).astype(np.int32)) > 1500)
        if len(loud) and quiet > 5:
            found.append(at + loud[0] / 24_000)
        quiet = 0 if len(loud) else quiet + 1
    return found


async def main() -> None:
    print(f"{'echo, ms':10} {'p50':>7} {'p99':>7} {'min':>7}")
    async with naive_server("echo") as server:
        report("naive", await echo(server))
    async with our_echo() as server:
        report("ours", await echo(server))


def report(name: str, delays: list[float]) -> None:
    print(
        f"{name:10} {quantiles(delays)} {min(delays) * 1000:7.1f}   of {len(delays)} beeps, mean "
        f"{statistics.mean(delays) * 1000:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvicorn.run(echo_app(), port=int(sys.argv[2]), log_level="warning", loop="uvloop")
    else:
        uvloop.run(main())
