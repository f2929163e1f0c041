"""Every way of calling: with and without candidates, as a form, any channel's name, and messages of every size."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from clients.talking import PATIENCE_S
from clients.webrtc.peer import Peer, Refused, Signalling, calling, candidates, eventually, new_peer, without_candidates
from serving import RunningServer

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(120)]


async def answers(peer: Peer) -> None:
    """The call works."""
    await peer.says("Hello")
    peer.send("response.create", response={"output_modalities": ["text"]})
    done = await peer.until("response.done")
    assert done["response"]["output"][0]["content"][0]["text"] == "You said: Hello"


@pytest.mark.parametrize("gathered", [True, False], ids=["candidates", "no candidates"])
async def test_candidates_may_be_in_the_offer_or_not(scripted_server: RunningServer, *, gathered: bool) -> None:
    async with calling(scripted_server, candidates=gathered) as peer:
        await answers(peer)


async def test_names_that_only_the_browser_can_resolve_cost_nothing(scripted_server: RunningServer) -> None:
    peer = new_peer()
    line = "a=candidate:1 1 udp 2113937151 3b8b1a55-0e43-4f0f-bb4c-6d2c3f6ad5a1.local 50000 typ host\r\n"
    peer.edit = lambda sdp: re.sub(r"(a=ice-ufrag)", line + r"\1", without_candidates(sdp))
    await peer.call(scripted_server, Signalling())
    await peer.connected()
    assert peer.answered - peer.posted < 1.0
    await answers(peer)
    await peer.hang_up()


async def test_candidates_may_trickle(scripted_server: RunningServer) -> None:
    async with calling(scripted_server, greeted=False) as peer, http(scripted_server) as client:
        fragment = "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n".format(
            *credentials(peer.connection.localDescription.sdp)
        )
        for line in ("a=candidate:1 1 udp 2113937151 192.0.2.77 50000 typ host\r\n", "a=end-of-candidates\r\n"):
            response = await client.patch(peer.location, headers=TRICKLE, content=fragment + line)
            assert (response.status_code, response.content) == (204, b"")
        await peer.connected()
        await answers(peer)


TRICKLE = {"Content-Type": "application/trickle-ice-sdpfrag"}


def http(server: RunningServer) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {server.api_key}"}
    return httpx.AsyncClient(base_url=server.url.removesuffix("/v1"), headers=headers, timeout=PATIENCE_S)


def credentials(sdp: str) -> tuple[str, ...]:
    return tuple(re.findall(rf"^a=ice-{name}:(\S+)", sdp, re.MULTILINE)[0] for name in ("ufrag", "pwd"))


async def test_a_form_brings_the_session_along(scripted_server: RunningServer) -> None:
    session: dict[str, Any] = {"type": "realtime", "model": "gpt-realtime", "instructions": "Be brief."}
    async with calling(scripted_server, session=session, greeted=False) as peer:
        created = await peer.connected()
        assert created["session"]["instructions"] == "Be brief."
        await answers(peer)


async def test_a_later_offer_holds_the_sound_and_lets_it_flow_again(scripted_server: RunningServer) -> None:
    async with calling(scripted_server) as peer:
        await peer.hears_something()
        held = await peer.offer_again(scripted_server, "sendonly")
        assert held.status_code == 200, held.text
        assert "a=recvonly" in held.text
        await asyncio.sleep(0.1)
        peer.packets.clear()
        await asyncio.sleep(0.3)
        assert not peer.packets
        await answers(peer)  # events go on
        assert (await peer.offer_again(scripted_server, "sendrecv")).status_code == 200
        await eventually(lambda: len(peer.packets) > 10)


@pytest.mark.parametrize("label", ["oai-events", "events", "", "ünïcode-" + "x" * 200])
async def test_any_channel_carries_the_events(scripted_server: RunningServer, label: str) -> None:
    async with calling(scripted_server, channel=label) as peer:
        await answers(peer)


async def test_a_call_answers_when_the_channel_opens_late_and_then_greets_first(scripted_server: RunningServer) -> None:
    async with calling(scripted_server, greeted=False) as peer:
        await peer.hears_something()
        assert peer.packets
        assert (await peer.connected())["type"] == "session.created"


async def test_long_messages_come_whole_and_answers_fit_the_peer(scripted_server: RunningServer) -> None:
    """Up: as long as we say we take. Down: the judge of each event refuses what is over the peer's limit."""
    async with calling(scripted_server) as peer:
        text = "All work and no play. " * 8000  # 176 kB
        session = await peer.update(instructions=text)
        assert session["instructions"]
        assert text.startswith(session["instructions"].rstrip("….")[:1000])
        item = await peer.says("a long story, " * 8000)
        peer.send("conversation.item.retrieve", item_id=item["id"])
        assert (await peer.until("conversation.item.retrieved"))["item"]["id"] == item["id"]
        await answers(peer)


async def test_events_keep_their_order_in_a_crowd(scripted_server: RunningServer) -> None:
    async with calling(scripted_server) as peer:
        for number in range(300):
            item = {"id": f"item_{number}", "type": "message", "role": "user"}
            content = [{"type": "input_text", "text": f"{number} " + "x" * (number * 10)}]
            peer.send("conversation.item.create", item={**item, "content": content})
        added = [(await peer.until("conversation.item.added"))["item"]["id"] for _ in range(300)]
        assert added == [f"item_{number}" for number in range(300)]


async def test_the_answer_has_every_address_and_who_connects_to_the_first_is_served(
    scripted_server: RunningServer,
) -> None:
    async with calling(scripted_server) as peer:
        assert candidates(peer.answer)
        assert "a=ice-lite" in peer.answer
        assert "a=end-of-candidates" in peer.answer


@pytest.mark.parametrize(
    ("spoiled", "status"),
    [
        (lambda sdp: "hello", 400),
        (lambda sdp: "", 400),
        (lambda sdp: sdp.replace("m=audio", "m=video"), 400),
        (lambda sdp: re.sub(r"a=fingerprint.*\r\n", "", sdp), 400),
        (lambda sdp: sdp.replace("opus/48000/2", "iLBC/8000"), 400),
    ],
    ids=["no SDP", "empty", "no audio", "no fingerprint", "no codec of ours"],
)
async def test_a_bad_offer_is_refused_with_its_reason(
    scripted_server: RunningServer, spoiled: Any, status: int
) -> None:
    peer = new_peer()
    peer.edit = spoiled
    before = scripted_server.tasks()
    with pytest.raises(Refused) as refused:
        await peer.call(scripted_server, Signalling())
    assert refused.value.status == status
    assert refused.value.error["type"] == "invalid_request_error"
    assert refused.value.error["param"] == "sdp"
    await peer.hang_up()
    await asyncio.sleep(0.1)
    assert scripted_server.tasks() <= before
