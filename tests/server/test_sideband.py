"""WebSockets that join a WebRTC call (protocol 1.10)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from clients.webrtc.peer import calling
from server.test_opening import BEARER, BETA_HEADER, bearer, minted, opened, refusal
from server.test_webrtc import CALLS, OTHER_KEY, call_id_of, hung_up, posted
from serving import RunningServer, serving
from transports.webrtc.offers import CHROMIUM
from voicebridge.config import ServerSettings, SessionSettings, WebRtcSettings
from voicebridge.runtime.call import MAX_JOINED

Event = dict[str, Any]

ASK = {"type": "response.create", "response": {"output_modalities": ["text"]}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = ServerSettings.model_validate({"api_keys": [OTHER_KEY]})
    quick = WebRtcSettings(sideband_grace_s=0.3)
    with serving(tmp_path_factory.mktemp("tls"), "scripted", server=settings, webrtc=quick) as one:
        yield one


@asynccontextmanager
async def call(server: RunningServer, path: str = CALLS, **how: Any) -> AsyncIterator[str]:
    """A call whose client never connects; its id."""
    answer = await posted(server, path, **how)
    assert answer.status_code == 201, answer.text
    yield call_id_of(answer)
    await hung_up(server, call_id_of(answer))


@asynccontextmanager
async def joined(
    server: RunningServer, call_id: str, headers: dict[str, str] | None = None
) -> AsyncIterator[ClientConnection]:
    url = f"{server.ws_url}/realtime?call_id={call_id}"
    async with connect(url, additional_headers=BEARER if headers is None else headers, proxy=None) as websocket:
        yield websocket


async def until(websocket: ClientConnection, kind: str) -> Event:
    while True:
        event: Event = json.loads(await websocket.recv())
        if event["type"] == kind:
            return event


async def end_of(websocket: ClientConnection) -> tuple[list[Event], int | None, str | None]:
    """What still comes, and how it is closed."""
    events: list[Event] = []
    with suppress(ConnectionClosed):
        while True:
            events.append(json.loads(await websocket.recv()))
    return events, websocket.close_code, websocket.close_reason


async def test_it_is_told_of_the_session_and_changes_it_for_all(server: RunningServer) -> None:
    session = {"type": "realtime", "instructions": "Be brief."}
    async with call(server, session=session) as call_id, joined(server, call_id) as one, joined(server, call_id) as two:
        for websocket in (one, two):
            created = json.loads(await websocket.recv())
            assert (created["type"], created["session"]["instructions"]) == ("session.created", "Be brief.")
        await one.send(json.dumps({"type": "session.update", "session": {"type": "realtime", "instructions": "Sing."}}))
        for websocket in (one, two):
            assert (await until(websocket, "session.updated"))["session"]["instructions"] == "Sing."
        async with joined(server, call_id) as later:
            assert json.loads(await later.recv())["session"]["instructions"] == "Sing."


async def test_it_may_say_anything_but_sound(server: RunningServer) -> None:
    async with call(server) as call_id, joined(server, call_id) as websocket:
        await websocket.send(json.dumps(ASK))
        assert (await until(websocket, "response.done"))["response"]["status"] == "completed"
        await websocket.send('{"type": "input_audio_buffer.append", "event_id": "a", "audio": "AAAA"}')
        error = (await until(websocket, "error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "a")
        await websocket.send('{"type": "output_audio_buffer.clear"}')
        await websocket.send('{"type": "input_audio_buffer.clear"}')
        assert json.loads(await websocket.recv())["type"] == "input_audio_buffer.cleared", "and nothing before it"


async def test_no_sound_travels_in_its_events(server: RunningServer) -> None:
    async with call(server) as call_id, joined(server, call_id) as websocket:
        await websocket.send('{"type": "response.create"}')
        kinds = []
        while "response.done" not in kinds:
            kinds.append(json.loads(await websocket.recv())["type"])
    assert "response.output_audio_transcript.delta" in kinds
    assert "response.output_audio.delta" not in kinds


async def test_its_leaving_does_not_end_the_call(server: RunningServer) -> None:
    async with call(server) as call_id:
        for _ in range(3):
            async with joined(server, call_id) as websocket:
                await websocket.recv()
        assert await hung_up(server, call_id) == 200


async def test_hanging_up_closes_it(server: RunningServer) -> None:
    async with call(server) as call_id, joined(server, call_id) as websocket:
        await websocket.recv()
        assert await hung_up(server, call_id) == 200
        assert await end_of(websocket) == ([], 1000, "hung up")


async def test_expiry_is_told_before_it_closes(tmp_path: Path) -> None:
    with serving(tmp_path, "scripted", session=SessionSettings(max_session_s=0.5)) as short:
        async with call(short) as call_id, joined(short, call_id) as websocket:
            await websocket.recv()
            events, code, _ = await end_of(websocket)
            assert (events[-1]["error"]["code"], code) == ("session_expired", 1001)
            assert await hung_up(short, call_id) == 404


async def test_it_keeps_the_call_for_a_while_when_the_client_leaves(server: RunningServer) -> None:
    async with calling(server) as peer, joined(server, peer.call_id) as websocket:
        await websocket.recv()
        await peer.hang_up()
        await websocket.send(json.dumps(ASK))
        await until(websocket, "response.done")
        _, code, reason = await end_of(websocket)
        assert (code, reason) == (1000, "client gone")
        assert await hung_up(server, peer.call_id) == 404


@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        (CALLS, {}, "ga"),
        (CALLS, BETA_HEADER, "beta"),
        ("/v1/realtime?model=x", {}, "beta"),
        ("/v1/realtime?model=x", BETA_HEADER, "beta"),
    ],
)
async def test_it_speaks_as_the_call_does_or_as_it_asks(
    server: RunningServer, path: str, headers: dict[str, str], dialect: str
) -> None:
    async with call(server, path) as call_id, joined(server, call_id, BEARER | headers) as websocket:
        created = json.loads(await websocket.recv())
    assert ("type" in created["session"]) == (dialect == "ga")


async def test_beta_can_be_switched_off_for_it_too(tmp_path: Path) -> None:
    with serving(tmp_path, "scripted", server=ServerSettings(beta_enabled=False)) as strict:
        async with call(strict) as call_id:
            result = await opened(strict, f"/v1/realtime?call_id={call_id}", BEARER | BETA_HEADER)
            assert refusal(result)[::2] == ("beta_api_shape_disabled", 4000)


async def test_only_the_api_key_that_a_call_belongs_to_joins_it(server: RunningServer) -> None:
    key = bearer(await minted(server, "client_secrets"))
    async with call(server, headers=key) as call_id:
        async with joined(server, call_id) as websocket:
            await websocket.recv()
        with pytest.raises(InvalidStatus) as caught:
            async with joined(server, call_id, bearer(OTHER_KEY)):
                pass
        assert caught.value.response.status_code == 404
        assert json.loads(caught.value.response.body or b"")["error"]["code"] == "call_id_not_found"
        result = await opened(server, f"/v1/realtime?call_id={call_id}", key)
        assert refusal(result)[::2] == ("ephemeral_key_forbidden", 3000)


async def test_too_many_are_turned_away(server: RunningServer) -> None:
    async with call(server) as call_id:
        sockets = [await connect(f"{server.ws_url}/realtime?call_id={call_id}", additional_headers=BEARER, proxy=None)
                   for _ in range(MAX_JOINED)]  # fmt: skip
        for websocket in sockets:
            await websocket.recv()
        async with joined(server, call_id) as late:
            events, code, _ = await end_of(late)
            assert (events[0]["error"]["code"], code) == ("session_limit_reached", 1013)
    for websocket in sockets:
        assert (await end_of(websocket))[1] == 1000


async def test_the_official_client_opens_joins_and_ends_a_call(server: RunningServer) -> None:
    async with AsyncOpenAI(base_url=server.url, api_key=server.api_key) as client:
        raw = await client.realtime.calls.with_raw_response.create(sdp=CHROMIUM)
        assert raw.headers["content-type"] == "application/sdp"
        assert raw.parse().text.startswith("v=0")
        form = await client.realtime.calls.with_raw_response.create(
            sdp=CHROMIUM, session={"type": "realtime", "model": "gpt-realtime", "instructions": "Be brief."}
        )
        for answer in (raw, form):
            call_id = answer.headers["location"].rsplit("/", 1)[-1]
            async with client.realtime.connect(call_id=call_id) as connection:
                created = await connection.recv()
                assert created.type == "session.created"
                assert (created.session.instructions == "Be brief.") == (answer is form)  # type: ignore[union-attr]
                await connection.response.create(response={"output_modalities": ["text"]})
                async for event in connection:
                    if event.type == "response.done":
                        break
                await client.realtime.calls.hangup(call_id)
