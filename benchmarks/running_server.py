"""A server in a process of its own, and a thin client for it: what every benchmark here measures through."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import websockets

KEY = "sk-benchmark"


@dataclass(frozen=True)
class RunningServer:
    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime?model=benchmark"

    def rss_kb(self) -> int:
        """Of the server process, without its speech workers."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{self.port}/metrics")).text
        lines = (line for line in text.splitlines() if line.startswith((name + " ", name + "{")))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


@asynccontextmanager
async def running_server(engine: str = "embedded", **environment: str) -> AsyncIterator[RunningServer]:
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voicebridge", "serve", "--port", str(port), "--api-key", KEY),
            env={**os.environ, "VOICEBRIDGE_ENGINE__KIND": engine, "XDG_RUNTIME_DIR": home, **environment},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await ready(port)
            yield RunningServer(process.pid, port)
        finally:
            process.terminate()
            await process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ready(port: int) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(60):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


class Client:
    """One Realtime connection; every event is kept with the instant it came."""

    def __init__(self, websocket: websockets.ClientConnection) -> None:
        self._websocket = websocket
        self.now = asyncio.get_running_loop().time

    async def send(self, kind: str, **members: Any) -> float:
        await self._websocket.send(json.dumps({"type": kind, **members}))
        return self.now()

    async def say(self, pcm: bytes, *, frame_ms: int = 20) -> float:
        """Stream 24 kHz audio in real time; the instant its first frame went out."""
        size = 48 * frame_ms
        begun = self.now()
        for index, at in enumerate(range(0, len(pcm), size)):
            await asyncio.sleep(max(0.0, begun + index * frame_ms / 1000 - self.now()))
            await self.send("input_audio_buffer.append", audio=base64.b64encode(pcm[at : at + size]).decode())
        return begun

    async def receive(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await self._websocket.recv())
        return event

    async def until(self, *kinds: str) -> dict[str, Any]:
        while True:
            event = await self.receive()
            if event["type"] in kinds:
                return event


@asynccontextmanager
async def connected(server: RunningServer) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    options: dict[str, Any] = {"compression": None, "max_size": None, "max_queue": None}
    async with websockets.connect(server.url, additional_headers=headers, **options) as websocket:
        yield Client(websocket)
