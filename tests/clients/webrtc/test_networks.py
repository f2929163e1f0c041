"""Lines that lose, delay, reorder, break and change under a call: what goes on, what ends, what is still understood."""

from __future__ import annotations

import asyncio
import socket
import time

import numpy as np
import pytest
from aioice import stun

from clients.talking import PATIENCE_S, Int16
from clients.webrtc.hearing import in_order, runs, word_error_rate
from clients.webrtc.peer import Peer, calling, candidates, eventually
from clients.webrtc.test_conversation import together, turn_s
from clients.webrtc.test_offers import TRICKLE, credentials, http
from impairment import Link, UdpRelay
from serving import RunningServer

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(120)]

BAD = Link(loss=0.05, delay_s=0.05, jitter_s=0.02, reorder=True, duplicate=0.01)


async def tells(peer: Peer, count: int = 10) -> None:
    """The call works, events and sound."""
    before = len(runs(peer.heard()))
    await peer.says(f"Tell me {count} words")
    peer.send("response.create")
    await peer.until("output_audio_buffer.stopped")
    assert len(runs(peer.heard(), joining=5)) > before


async def test_a_break_of_seconds_and_a_move_to_another_port_are_survived(narrating_server: RunningServer) -> None:
    async def breaks() -> None:
        async with UdpRelay() as relay, calling(narrating_server, relay=relay) as peer:
            await tells(peer)
            relay.cut = True
            await asyncio.sleep(4.0)
            relay.cut = False
            await tells(peer)

    async def moves() -> None:
        """As after a NAT's restart; the client itself does not notice, and checks its path every five seconds."""
        async with UdpRelay() as relay, calling(narrating_server, relay=relay) as peer:
            await tells(peer)
            relay.rebind()
            peer.packets.clear()
            await eventually(lambda: len(peer.packets) > 10, 16)
            await tells(peer)

    await together(breaks(), moves())


async def test_silence_on_the_line_ends_the_call_in_its_time(impatient_server: RunningServer) -> None:
    before = impatient_server.tasks()
    async with UdpRelay() as relay, calling(impatient_server, relay=relay):
        relay.cut = True
        cut = time.perf_counter()
        await eventually(lambda: impatient_server.tasks() <= before, 10)
        assert time.perf_counter() - cut > 1.5


async def test_who_never_connects_is_given_up(impatient_server: RunningServer) -> None:
    before = impatient_server.tasks()
    async with UdpRelay() as relay:
        relay.cut = True
        async with calling(impatient_server, relay=relay, greeted=False):
            assert impatient_server.tasks() > before
            await eventually(lambda: impatient_server.tasks() <= before, 6)


async def test_ice_restarts_by_a_patch_and_sound_follows_to_the_new_address(narrating_server: RunningServer) -> None:
    async with calling(narrating_server) as peer, http(narrating_server) as client:
        fragment = "a=ice-ufrag:neww\r\na=ice-pwd:0123456789abcdef0123456789\r\n"
        response = await client.patch(peer.location, headers=TRICKLE, content=fragment)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("application/trickle-ice-sdpfrag")
        ufrag, password = credentials(response.text)
        assert (ufrag, password) != credentials(peer.answer)
        assert len(await moved(candidates(response.text)[0], f"{ufrag}:neww", password)) > 10


async def moved(server: tuple[str, int], username: str, password: str) -> list[bytes]:
    """Media that comes to a new address once it has proved itself."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(server)
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.attributes.update({"USERNAME": username, "PRIORITY": 1, "ICE-CONTROLLING": 7, "USE-CANDIDATE": None})
        check.add_message_integrity(password.encode())
        sock.send(bytes(check))
        received = [await asyncio.wait_for(loop.sock_recv(sock, 2048), PATIENCE_S) for _ in range(20)]
        return [data for data in received if data[0] >= 128]


async def test_a_muted_microphone_and_one_that_stops_end_the_turn(
    scripted_server: RunningServer, question: Int16
) -> None:
    async def falls_silent(how: str) -> None:
        async with calling(scripted_server) as peer:
            setattr(peer.microphone, how, how == "dtx")
            await peer.speaks(question)
            setattr(peer.microphone, how, True)
            await peer.until("input_audio_buffer.committed")
            done = await peer.until("response.done")
            said = done["response"]["output"][0]["content"][0]["transcript"]
            assert float(said.split()[-2]) == pytest.approx(turn_s(question), abs=0.25)

    await together(*(falls_silent(how) for how in ("muted", "stopped", "dtx")))


async def test_turns_are_found_over_a_bad_line(narrating_server: RunningServer, question: Int16) -> None:
    """Loss, delay, jitter and reordering both ways, from the first datagram on."""

    async def turn(seed: int) -> None:
        async with UdpRelay(up=BAD, down=BAD, seed=seed) as relay, calling(narrating_server, relay=relay) as peer:
            peer.microphone.say(np.concatenate([question, np.zeros(16_800, np.int16)]))
            await peer.until("output_audio_buffer.started")
            assert len(peer.of("input_audio_buffer.committed")) == 1
            assert relay.tally("up").lost
            assert relay.tally("down").lost

    await together(*(turn(seed) for seed in range(4)))


SENTENCE = "Nobody is available to take your call at the moment, but the weather is fine and the garden is green."


@pytest.mark.models
async def test_what_the_answer_says_is_understood_over_a_bad_line(embedded_server: RunningServer) -> None:
    """Concealed by the client's decoder alone, as every receiver does."""
    from voicebridge.audio.opus import OpusDecoder
    from voicebridge.engines.embedded.stt import load_tiny

    async with UdpRelay(down=BAD, seed=3, media_only=True) as relay, calling(embedded_server, relay=relay) as peer:
        await peer.update(instructions=f'Answer with exactly: "{SENTENCE}"')
        await peer.says("Hello")
        peer.send("response.create")
        await peer.until("output_audio_buffer.stopped")
        await asyncio.sleep(0.3)
        assert relay.tally("down").lost
        ears = OpusDecoder()
        sound, expected = [], None
        for packet in in_order(peer.packets):
            while expected is not None and expected != packet.sequence:
                sound.append(ears.conceal(480))
                expected = (expected + 1) & 0xFFFF
            sound.append(ears.decode(packet.payload))
            expected = (packet.sequence + 1) & 0xFFFF
        heard = load_tiny().recognise(np.concatenate(sound), None, None).text
        assert word_error_rate([SENTENCE], [heard]) <= 0.1, heard
