"""Who may end a call, how each side learns of it, and who may join it meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets

from clients.strict import Event
from clients.talking import PATIENCE_S
from clients.webrtc.judge import MediaRecorder
from clients.webrtc.peer import Peer, calling, eventually
from clients.webrtc.test_offers import TRICKLE, http
from serving import RunningServer

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(120)]


class Sideband:
    """A WebSocket that joined the call; judged as strictly, though it may join between things."""

    def __init__(self, ws: websockets.ClientConnection) -> None:
        self.ws = ws
        self.seen = MediaRecorder("ga", sideband=True)

    async def send(self, kind: str, **members: Any) -> None:
        await self.ws.send(json.dumps({"type": kind, **members}))

    async def until(self, kind: str) -> Event:
        while True:
            event = self.seen.take(await asyncio.wait_for(self.ws.recv(decode=False), PATIENCE_S))
            if event["type"] == kind:
                return event
            assert event["type"] != "error", event


@asynccontextmanager
async def joining(server: RunningServer, call_id: str) -> AsyncIterator[Sideband]:
    headers = {"Authorization": f"Bearer {server.api_key}"}
    url = f"{server.ws_url}/realtime?call_id={call_id}"
    async with websockets.connect(url, additional_headers=headers, compression=None) as ws:
        side = Sideband(ws)
        await side.until("session.created")
        yield side


async def gone(server: RunningServer, peer: Peer) -> None:
    """The server has forgotten the call."""
    async with asyncio.timeout(PATIENCE_S), http(server) as client:
        while True:
            response = await client.patch(peer.location, headers=TRICKLE, content="a=end-of-candidates\r\n")
            if response.status_code == 404:
                return
            await asyncio.sleep(0.05)


async def closed(peer: Peer) -> None:
    await asyncio.wait_for(peer.closed.wait(), PATIENCE_S)


async def test_the_client_hangs_up(scripted_server: RunningServer) -> None:
    before = scripted_server.tasks()
    async with calling(scripted_server) as peer:
        assert scripted_server.tasks() > before
        await peer.hang_up()
        await eventually(lambda: scripted_server.tasks() <= before)
        await gone(scripted_server, peer)


async def test_the_client_closes_only_its_channel(scripted_server: RunningServer) -> None:
    async with calling(scripted_server) as peer:
        peer.channel.close()
        await gone(scripted_server, peer)


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/hangup", 200), ("DELETE", "", 200)])
async def test_the_call_is_hung_up_by_request(
    scripted_server: RunningServer, method: str, path: str, status: int
) -> None:
    async with calling(scripted_server) as peer, http(scripted_server) as client:
        response = await client.request(method, peer.location + path)
        assert (response.status_code, response.content) == (status, b"")
        await closed(peer)
        await gone(scripted_server, peer)


async def test_a_call_that_expires_says_so_and_closes(impatient_server: RunningServer) -> None:
    async with calling(impatient_server) as peer:
        error = await peer.until("error")
        assert error["error"]["code"] == "session_expired"
        await closed(peer)
        await gone(impatient_server, peer)


async def test_those_who_join_hear_everything_in_order_and_may_say_anything(narrating_server: RunningServer) -> None:
    async with calling(narrating_server) as peer, joining(narrating_server, peer.call_id) as side:
        async with joining(narrating_server, peer.call_id) as other:
            await side.send("conversation.item.create", item=written("Tell me 5 words"))
            await side.send("response.create")
            await peer.until("output_audio_buffer.stopped")
            await side.until("output_audio_buffer.stopped")
            await other.until("output_audio_buffer.stopped")
        heard = [[event for event in party.seen.events[1:] if "delta" not in event] for party in (peer, side, other)]
        ids = [[event["event_id"] for event in events] for events in heard]
        assert ids[0] == ids[1] == ids[2]
        await peer.says("The other has left")
        await side.until("conversation.item.done")


def written(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def test_those_who_joined_outlive_the_caller_for_their_grace(impatient_server: RunningServer) -> None:
    async with calling(impatient_server) as peer, joining(impatient_server, peer.call_id) as side:
        await peer.hang_up()
        await side.send("conversation.item.create", item=written("Still here"))
        await side.until("conversation.item.done")
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(side.until("never"), 4)
        await gone(impatient_server, peer)


async def test_who_joins_a_call_that_is_not_there_is_told(scripted_server: RunningServer) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with joining(scripted_server, "rtc_nothing"):
            pass
    assert refused.value.response.status_code == 404
