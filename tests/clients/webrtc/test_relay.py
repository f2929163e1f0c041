"""A caller whose network lets nothing out but to a TURN server: a real one, with the credentials that we hand out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCIceTransportPolicy, RTCPeerConnection
from pydantic import SecretStr

from clients.webrtc.hearing import runs
from clients.webrtc.microphone import Microphone
from clients.webrtc.peer import CHANNEL, Peer, Signalling
from coturn import SECRET, coturn
from serving import RunningServer, serving
from voicebridge.config import WebRtcSettings

pytestmark = pytest.mark.sdk


@pytest.fixture
def relayed_server(tmp_path: Path) -> Iterator[RunningServer]:
    with coturn(tmp_path) as turn:
        webrtc = WebRtcSettings(turn_urls=(f"{turn.url}?transport=udp",), turn_secret=SecretStr(SECRET))
        with serving(tmp_path / "tls", "scripted", webrtc=webrtc) as server:
            yield server


async def test_a_call_that_only_a_relay_can_carry(relayed_server: RunningServer) -> None:
    headers = {"Authorization": f"Bearer {relayed_server.api_key}"}
    async with httpx.AsyncClient(base_url=relayed_server.url, headers=headers) as client:
        told = (await client.get("/realtime/ice_servers")).json()
    configuration = RTCConfiguration(
        iceServers=[RTCIceServer(**one) for one in told["ice_servers"]], iceTransportPolicy=RTCIceTransportPolicy.RELAY
    )
    connection, microphone = RTCPeerConnection(configuration), Microphone("opus mono")
    connection.addTrack(microphone)
    peer = Peer("ga", connection, connection.createDataChannel(CHANNEL), microphone)
    try:
        await peer.call(relayed_server, Signalling(candidates=True))
        offered = [line for line in connection.localDescription.sdp.splitlines() if line.startswith("a=candidate")]
        assert offered
        assert all(" typ relay" in line for line in offered), "nothing else may carry it"
        await peer.connected()
        await peer.says("hello")
        peer.send("response.create")
        await peer.until("output_audio_buffer.stopped")
        assert runs(peer.heard(), joining=5), "the answer was heard through the relay"
    finally:
        await peer.hang_up()
