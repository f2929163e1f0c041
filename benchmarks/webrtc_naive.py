"""The straightforward server: aiortc as its documentation shows it, with its defaults. What ours is measured against.

`python -m benchmarks.webrtc_naive PORT MODE`. MODE `idle` sends silence, `speak` a voice without pause, `echo` what it
hears. It has what every such server has: a track that is read frame by frame and resampled to 24 kHz for a recogniser,
a track that makes frames out of 24 kHz speech, and a data channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import sys
from collections.abc import AsyncIterator

import av
import numpy as np
import uvicorn
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from voicebridge.audio.samples import Samples

RATE = 24_000
FRAME = 480


class Voice(MediaStreamTrack):
    """20 ms frames of a hum, of silence, or of what is put into `heard`."""

    kind = "audio"

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode
        self._at = 0
        self._begun: float | None = None
        self.heard: asyncio.Queue[Samples] = asyncio.Queue()

    async def recv(self) -> av.AudioFrame:
        now = asyncio.get_running_loop().time
        if self._begun is None:
            self._begun = now()
        await asyncio.sleep(max(0.0, self._begun + self._at / RATE - now()))
        frame = av.AudioFrame.from_ndarray(self._samples().reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, fractions.Fraction(1, RATE)
        self._at += FRAME
        return frame

    def _samples(self) -> Samples:
        if self._mode == "speak":
            hum: Samples = (5000 * np.sin(2 * np.pi * 220 / RATE * np.arange(self._at, self._at + FRAME))).astype(
                np.int16
            )
            return hum
        if self._mode == "echo" and not self.heard.empty():
            return self.heard.get_nowait()
        return np.zeros(FRAME, np.int16)


class Naive:
    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._connections: set[RTCPeerConnection] = set()
        self._listening: set[asyncio.Task[None]] = set()

    async def offer(self, request: Request) -> Response:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connections.add(connection)
        voice = Voice(self._mode)
        connection.addTrack(voice)

        @connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            listening = asyncio.get_running_loop().create_task(self._listen(track, voice))
            self._listening.add(listening)
            listening.add_done_callback(self._listening.discard)

        @connection.on("connectionstatechange")
        async def on_state() -> None:
            if connection.connectionState in {"failed", "closed"}:
                self._connections.discard(connection)
                await connection.close()

        await connection.setRemoteDescription(RTCSessionDescription((await request.body()).decode(), "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        return PlainTextResponse(connection.localDescription.sdp, 201, media_type="application/sdp")

    async def _listen(self, track: MediaStreamTrack, voice: Voice) -> None:
        to_mono = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        with contextlib.suppress(MediaStreamError):
            while True:
                heard = await track.recv()
                assert isinstance(heard, av.AudioFrame)
                for frame in to_mono.resample(heard):
                    if self._mode == "echo":
                        voice.heard.put_nowait(frame.to_ndarray()[0])

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.gather(*(connection.close() for connection in tuple(self._connections)))


async def ready(_request: Request) -> Response:
    return Response()


def main(port: int, mode: str) -> None:
    naive = Naive(mode)
    routes = [Route("/v1/realtime/calls", naive.offer, methods=["POST"]), Route("/readyz", ready)]
    uvicorn.run(Starlette(routes=routes, lifespan=naive.lifespan), port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
