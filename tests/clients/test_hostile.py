"""What broken and malicious clients send, over real sockets: the session goes on where it can, the server always."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets

from clients.strict import Event, Recorder
from serving import RunningServer, serving
from voicebridge.config import LimitsSettings, ServerSettings

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(120)]

KIB, MIB = 1024, 1024 * 1024
LIMITS = LimitsSettings(
    max_append_bytes=MIB, max_message_bytes=2 * MIB, outbound_queue_bytes=MIB, max_sessions=250, inbox_size=64
)
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Smaller limits and quicker pings than usual, so that they are reached."""
    pings = ServerSettings(ws_ping_interval_s=0.5, ws_ping_timeout_s=4.0)
    with serving(tmp_path_factory.mktemp("tls"), "scripted", limits=LIMITS, server=pings) as running:
        yield running


@pytest.fixture(autouse=True)
async def unharmed(server: RunningServer, caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Afterwards the server answers somebody else, has given everything back, and has logged no error."""
    async with connected(server) as talk:
        await talk.still_answers()
    before = resources(server)
    with caplog.at_level(logging.ERROR):
        yield
    async with connected(server) as talk:
        await talk.still_answers()
    await eventually(lambda: all(now <= then for now, then in zip(resources(server), before, strict=True)))
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def resources(server: RunningServer) -> tuple[int, int]:
    """Tasks of the server's loop; file descriptors of the process."""
    return server.tasks(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208  names only


async def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S  # noqa: TID251  a test's patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"  # noqa: TID251  a test's patience
        await asyncio.sleep(0.05)


class Client:
    """A bare WebSocket; what comes back is judged strictly all the same."""

    def __init__(self, ws: websockets.ClientConnection) -> None:
        self.ws = ws
        self.seen = Recorder("ga")

    async def send(self, kind: str, **members: Any) -> None:
        await self.ws.send(json.dumps({"type": kind, **members}))

    async def next(self) -> Event:
        return self.seen.take(await asyncio.wait_for(self.ws.recv(decode=False), PATIENCE_S))

    async def until(self, kind: str, when: Callable[[Event], bool] = lambda _event: True) -> Event:
        while True:
            event = await self.next()
            if event["type"] == kind and when(event):
                return event

    async def still_answers(self) -> None:
        """A turn in text, whatever the session was told before and whether or not it is answering just now."""
        name = f"still-{random.getrandbits(64):x}"
        await self.send("input_audio_buffer.clear")
        content = [{"type": "input_text", "text": "Are you there?"}]
        item = {"id": name, "type": "message", "role": "user", "content": content}
        await self.send("conversation.item.create", item=item)
        await self.until("conversation.item.added", lambda event: event["item"]["id"] == name)
        asked = {
            "conversation": "none",
            "output_modalities": ["text"],
            "tool_choice": "none",
            "metadata": {"for": name},
        }
        await self.send("response.create", response={**asked, "max_output_tokens": "inf"})
        done = await self.until("response.done", lambda event: event["response"]["metadata"] == {"for": name})
        assert done["response"]["status"] == "completed"
        assert done["response"]["output"][0]["content"][0]["text"].startswith("You said: ")


@asynccontextmanager
async def connected(server: RunningServer, **options: Any) -> AsyncIterator[Client]:
    url = f"{server.ws_url}/realtime?model=gpt-realtime"
    headers = {"Authorization": f"Bearer {server.api_key}"}
    async with websockets.connect(url, additional_headers=headers, compression=None, **options) as ws:
        client = Client(ws)
        await client.until("session.created")
        yield client


# --- frames -----------------------------------------------------------------------------------------------------

APPEND = '{"type":"input_audio_buffer.append","audio":%s}'
SAYS = '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[%s]}}'
FAULTY: dict[str, str | bytes] = {
    "binary": b"\x00\x01\x02",
    "binary that would be an event": b'{"type":"response.create"}',
    "empty": "",
    "blank": " \n",
    "no JSON": "hello",
    "half an object": '{"type":"response.create"',
    "two objects": "{}{}",
    "null": "null",
    "a number": "17",
    "a list": '[{"type":"response.create"}]',
    "no type": "{}",
    "a type that is no text": '{"type":{}}',
    "an unknown type": '{"type":"response.explode"}',
    "a server's event": '{"type":"session.created","session":{}}',
    "a long type": '{"type":"%s"}' % ("x" * 100_000),
    "nesting without end": '{"type":' + "[" * 100_000 + "]" * 100_000 + "}",
    "a nested object": '{"type":"session.update","session":' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}",
    "a number of five thousand digits": '{"type":"response.create","response":{"max_output_tokens":1%s}}'
    % ("0" * 5000),
    "not a number": '{"type":"session.update","session":{"type":"realtime","audio":{"output":{"speed":NaN}}}}',
    "infinity": '{"type":"session.update","session":{"type":"realtime","audio":{"output":{"speed":1e999}}}}',
    "audio that is no text": APPEND % "5",
    "audio that is missing": '{"type":"input_audio_buffer.append"}',
    "audio that is no base64": APPEND % '"????"',
    "audio in the URL alphabet": APPEND % '"__--"',
    "audio outside ASCII": APPEND % '"äöü="',
    "audio with one letter too many": APPEND % '"AAAAA"',
    "audio with half a character": APPEND % '"\\ud800"',
    "too much audio": APPEND % f'"{"A" * (MIB // 3 * 4 + 64)}"',
    "an event_id that is no text": '{"type":"input_audio_buffer.clear","event_id":7}',
    "an event_id without end": '{"type":"input_audio_buffer.clear","event_id":"%s"}' % ("x" * 10_000),
    "half a character as text": SAYS % '{"type":"input_text","text":"\\ud800"}',
    "half a character as instructions": (
        '{"type":"session.update","session":{"type":"realtime","instructions":"\\udfff"}}'
    ),
    "half a character as event_id": '{"type":"response.explode","event_id":"\\udc00"}',
    "half a character as a name": '{"type":"session.update","session":{"type":"realtime","\\ud83d":1,"model":7}}',
    "an attached sound that is no base64": SAYS % '{"type":"input_audio","audio":"!"}',
    "an empty item": '{"type":"conversation.item.create","item":{}}',
    "an item of no known type": '{"type":"conversation.item.create","item":{"type":"poem"}}',
    "a negative length": '{"type":"conversation.item.truncate","item_id":"x","content_index":0,"audio_end_ms":-1}',
    "a length beyond every number": (
        '{"type":"conversation.item.truncate","item_id":"x","content_index":0,"audio_end_ms":1%s}' % ("0" * 400)
    ),
}


@pytest.mark.parametrize("frame", FAULTY.values(), ids=FAULTY)
async def test_a_faulty_frame_is_one_error_and_nothing_else(server: RunningServer, frame: str | bytes) -> None:
    async with connected(server) as client:
        await client.ws.send(frame)
        error = (await client.next())["error"]
        assert error["type"] == "invalid_request_error"
        assert len(json.dumps(error)) < 4 * KIB
        await client.still_answers()
        assert len(client.seen.of("error")) == 1


async def test_text_that_is_no_utf8_ends_the_connection_as_the_standard_says(server: RunningServer) -> None:
    async with connected(server) as client:
        await client.ws.send(b'{"type":"\xff\xfe"}', text=True)
        assert await close_code(client) == 1007


async def test_a_message_over_the_limit_ends_the_connection_as_the_standard_says(server: RunningServer) -> None:
    async with connected(server) as client:
        with contextlib.suppress(websockets.ConnectionClosed):  # it may be told before it has sent everything
            await client.ws.send("x" * (2 * MIB + 1))
        assert await close_code(client) == 1009


async def test_the_largest_append_is_heard(server: RunningServer) -> None:
    async with connected(server) as client:
        await client.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
        await client.send("input_audio_buffer.append", audio=base64.b64encode(bytes(MIB)).decode())
        await client.send("input_audio_buffer.commit")
        await client.until("input_audio_buffer.committed")
        await client.still_answers()


async def test_tiny_appends_are_put_together(server: RunningServer) -> None:
    async with connected(server) as client:
        await client.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
        for _ in range(4801):
            await client.send("input_audio_buffer.append", audio="AA==")  # one byte: half a sample
        await client.send("input_audio_buffer.commit")
        item_id = (await client.until("input_audio_buffer.committed"))["item_id"]
        await client.send("conversation.item.retrieve", item_id=item_id)
        item = (await client.until("conversation.item.retrieved"))["item"]
        assert len(base64.b64decode(item["content"][0]["audio"])) == 4800
        await client.still_answers()


async def close_code(client: Client) -> int | None:
    try:
        while True:
            await client.next()
    except websockets.ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


# --- mutated events ---------------------------------------------------------------------------------------------

FUNCTION = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
SOUND = base64.b64encode(bytes(9600)).decode()
VALID: list[Event] = [
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "instructions": "Be brief.",
            "output_modalities": ["audio"],
            "max_output_tokens": 100,
            "tools": [FUNCTION],
            "tool_choice": "auto",
            "tracing": "auto",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "whisper-1", "language": "en"},
                    "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
                    "noise_reduction": {"type": "near_field"},
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "ash", "speed": 1.1},
            },
        },
    },
    {"type": "input_audio_buffer.append", "audio": SOUND},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": SOUND}]},
    },
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "1"}},
    {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 10},
    {"type": "conversation.item.delete", "item_id": "x"},
    {"type": "conversation.item.retrieve", "item_id": "x"},
    {
        "type": "response.create",
        "response": {
            "conversation": "none",
            "instructions": "Now.",
            "output_modalities": ["text"],
            "metadata": {"a": "b"},
            "input": [{"type": "item_reference", "id": "x"}],
            "tools": [FUNCTION],
            "max_output_tokens": 20,
        },
    },
    {"type": "response.create"},
    {"type": "response.cancel"},
    {"type": "output_audio_buffer.clear"},
]
ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 2**31, 2**63, -(2**70), 1e308, "", "x", "inf", "auto", "none", "root", "\x00",
    "\ud83d\ude00", "\u202e", "A" * 5000, [], {}, [[]], [None], {"type": None}, {"": {}}, {"type": "function"},
]  # fmt: skip


def mutated(value: Any, rng: random.Random) -> Any:
    """The value with something odd somewhere in it."""
    if rng.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return rng.choice(ODD)
    if isinstance(value, list):
        at = rng.randrange(len(value))
        return rng.choice([value * 3, value[:at], [*value[:at], mutated(value[at], rng), *value[at + 1 :]]])
    name = rng.choice(list(value))
    fate = rng.random()
    if fate < 0.2:
        return {key: member for key, member in value.items() if key != name}
    if fate < 0.3:
        return {**value, f"{name}s": value[name]}
    return {**value, name: mutated(value[name], rng)}


@pytest.mark.parametrize("seed", range(4))
async def test_mutated_events_are_survived(server: RunningServer, seed: int) -> None:
    rng = random.Random(seed)
    async with connected(server) as client, asyncio.TaskGroup() as tasks:
        client.seen.may_insert_at_root = True
        reading = tasks.create_task(client.until("error", lambda event: event["error"]["event_id"] == "the-end"))
        for _ in range(500):
            event = rng.choice(VALID)
            for _ in range(rng.choice([0, 1, 1, 2, 3])):
                event = mutated(event, rng)
            frame = json.dumps(event)
            if rng.random() < 0.05:
                at = rng.randrange(len(frame) + 1)
                frame = frame[:at] + chr(rng.randrange(1, 0x3000)) + frame[at + 1 :]
            if isinstance(event, dict) and rng.random() < 0.05:
                await client.ws.send(frame.encode())
            else:
                await client.ws.send(frame)
        await client.send("conversation.item.retrieve", item_id="no-such-item", event_id="the-end")
        await reading
        await client.still_answers()


async def test_every_refused_event_is_answered_by_its_name(server: RunningServer) -> None:
    """No error is lost, and none is in the wrong place, when a thousand come at once."""
    async with connected(server) as client:
        names = [f"no-{number}" for number in range(1000)]
        for name in names:
            await client.send("conversation.item.delete", item_id="no-such-item", event_id=name)
        for name in names:
            assert (await client.until("error"))["error"]["event_id"] == name


# --- connections ------------------------------------------------------------------------------------------------


async def test_two_hundred_at_once(server: RunningServer) -> None:
    async def one() -> None:
        async with connected(server, open_timeout=PATIENCE_S) as client:
            await client.still_answers()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(200):
            tasks.create_task(one())


async def test_more_sessions_than_allowed_are_told_to_try_later(server: RunningServer) -> None:
    refused = 0

    async def one(enough: asyncio.Event) -> None:
        nonlocal refused
        url = f"{server.ws_url}/realtime?model=gpt-realtime"
        headers = {"Authorization": f"Bearer {server.api_key}"}
        async with websockets.connect(url, additional_headers=headers, open_timeout=PATIENCE_S) as ws:
            event = json.loads(await ws.recv())
            if event["type"] == "error":
                assert event["error"]["code"] == "session_limit_reached"
                with pytest.raises(websockets.ConnectionClosed):
                    await ws.recv()
                assert ws.close_code == 1013
                refused += 1
                if refused == 10:
                    enough.set()
            await enough.wait()

    enough = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(LIMITS.max_sessions + 10):
            tasks.create_task(one(enough))


def handshake(server: RunningServer) -> bytes:
    return (
        f"GET /v1/realtime?model=m HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {server.api_key}\r\n\r\n"
    ).encode()


def raw(server: RunningServer, receive_buffer: int = 65_536) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(PATIENCE_S)
    connection.connect(("127.0.0.1", server.port))
    return connection


def upgraded(server: RunningServer, receive_buffer: int = 65_536) -> socket.socket:
    connection = raw(server, receive_buffer)
    connection.sendall(handshake(server))
    assert connection.recv(12) == b"HTTP/1.1 101"
    return connection


def reset(connection: socket.socket) -> None:
    """Close with RST: what was on its way is lost, and the other side learns it the hard way."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def masked(text: str) -> bytes:
    """A text frame of a client; the mask is zero."""
    data = text.encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    if len(data) > 65_535:
        length = b"\xff" + struct.pack(">Q", len(data))
    return b"\x81" + length + bytes(4) + data


@pytest.mark.parametrize("sent", ["nothing", "half a handshake", "a handshake", "half a frame", "a turn"])
async def test_connections_that_are_reset(server: RunningServer, sent: str) -> None:
    says = masked(SAYS % '{"type":"input_text","text":"Hello"}') + masked('{"type":"response.create"}')
    for _ in range(20):
        connection = raw(server)
        match sent:
            case "half a handshake":
                connection.sendall(handshake(server)[:100])
            case "a handshake":
                connection.sendall(handshake(server))
            case "half a frame":
                connection.sendall(handshake(server) + says[:30])
            case "a turn":
                connection.sendall(handshake(server) + says)
        await asyncio.sleep(0.01)  # so that some get far and some do not
        reset(connection)


async def test_garbage_instead_of_frames(server: RunningServer) -> None:
    rng = random.Random(7)
    for _ in range(20):
        with upgraded(server) as connection:
            connection.sendall(rng.randbytes(200))
            connection.shutdown(socket.SHUT_WR)
            await asyncio.to_thread(drained, connection)


def drained(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return received


async def test_a_peer_that_has_vanished_is_noticed_by_its_missing_pongs(server: RunningServer) -> None:
    before = server.tasks()
    connection = upgraded(server)
    await eventually(lambda: server.tasks() > before)
    await eventually(lambda: server.tasks() <= before)
    connection.close()


async def test_a_client_that_never_reads_is_cut_off(server: RunningServer) -> None:
    """It asks for more speech than it is ready to take; everybody else is served meanwhile."""
    before = server.tasks()
    connection = upgraded(server, receive_buffer=4096)
    words = "never read " * 200  # about two minutes of speech, 7 MiB as events
    asks = masked(SAYS % json.dumps({"type": "input_text", "text": words})) + masked('{"type":"response.create"}')
    await asyncio.to_thread(connection.sendall, asks * 3)
    await eventually(lambda: server.tasks() > before)
    async with connected(server) as other:
        await other.still_answers()
    await eventually(lambda: server.tasks() <= before)
    connection.close()


async def test_a_client_that_reads_too_slowly_is_told_so(server: RunningServer) -> None:
    async with connected(server, max_queue=1) as client:
        for _ in range(3):
            await client.send(
                "conversation.item.create",
                item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "slow " * 400}]},
            )
        await client.send("response.create")
        await asyncio.sleep(0.3)  # nothing is read
        assert await close_code(client) == 1013
