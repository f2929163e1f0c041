from __future__ import annotations

import aiortc
import pytest
from aiortc.sdp import SessionDescription

from transports.webrtc.offers import CHROMIUM, CHROMIUM_VIDEO_CANDIDATES, with_audio_formats, without
from voicebridge.transports.webrtc.answer import OurSide, write_answer, write_fragment
from voicebridge.transports.webrtc.offer import Fingerprint, read_fragment, read_offer

OURS = OurSide(
    session_id=7,
    version=1,
    ufrag="ours",
    password="a" * 22,
    candidates=("1 1 udp 2130706431 192.0.2.7 50000 typ host",),
    fingerprint=Fingerprint("sha-256", ":".join(["AB"] * 32)),
    ssrc=1234,
    cname="name",
)


def answered(offer: str) -> SessionDescription:
    return SessionDescription.parse(write_answer(read_offer(offer), OURS))


def test_the_answer_takes_audio_and_data_on_one_ice_lite_transport() -> None:
    answer = answered(CHROMIUM)
    audio, data = answer.media
    assert answer.group[0].items == ["0", "1"]
    assert (audio.kind, audio.fmt, audio.direction, audio.rtcp_mux) == ("audio", [111], "sendrecv", True)
    assert audio.rtp.codecs[0].parameters == {"minptime": 10, "useinbandfec": 1}
    assert (data.kind, data.sctp_port) == ("application", 5000)
    for media in answer.media:
        assert media.ice is not None
        assert media.dtls is not None
        assert (media.ice.usernameFragment, media.ice.password, media.ice.iceLite) == ("ours", "a" * 22, True)
        assert media.ice_candidates_complete
        assert media.ice_candidates[0].ip == "192.0.2.7"
        assert media.dtls.fingerprints[0].algorithm == "sha-256"


def test_the_stream_has_a_name_for_clients_that_look_at_the_tracks_streams() -> None:
    assert answered(CHROMIUM).media[0].msid == "voicebridge audio"


def test_what_is_not_taken_is_declined_in_its_place() -> None:
    answer = answered(CHROMIUM_VIDEO_CANDIDATES)
    assert [(media.kind, bool(media.port)) for media in answer.media] == [
        ("audio", True),
        ("video", False),
        ("application", True),
    ]
    assert answer.media[1].rtp.muxId == "1"
    assert answer.group[0].items == ["0", "2"]


def test_sections_are_bundled_only_where_that_was_offered() -> None:
    alone = CHROMIUM[: CHROMIUM.index("m=application")]
    assert answered(alone).group[0].items == ["0"]
    assert answered(without(alone, "a=group:")).group == []


@pytest.mark.parametrize("formats", ["0", "8"])
def test_telephone_codecs_are_answered_alone(formats: str) -> None:
    audio = answered(with_audio_formats(CHROMIUM, formats)).media[0]
    assert audio.fmt == [int(formats)]
    assert audio.rtp.codecs[0].clockRate == 8_000


async def test_a_real_peer_takes_the_answer_to_its_own_offer() -> None:
    peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    try:
        peer.addTransceiver("audio")
        peer.createDataChannel("oai-events")
        offer = await peer.createOffer()
        await peer.setLocalDescription(offer)
        answer = write_answer(read_offer(offer.sdp), OURS)
        await peer.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))
        assert peer.signalingState == "stable"
    finally:
        await peer.close()


def test_the_fragment_after_an_ice_restart_holds_our_new_credentials() -> None:
    fragment = write_fragment(read_offer(CHROMIUM), OURS)
    assert read_fragment(fragment) == ("ours", "a" * 22)
    assert "a=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host" in fragment
