from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.webrtc.offers import CHROMIUM, CHROMIUM_VIDEO_CANDIDATES, with_audio_formats, without
from voicebridge.transports.webrtc.offer import (
    MAX_SECTIONS,
    OUR_MESSAGE_LIMIT,
    UNTOLD_MESSAGE_LIMIT,
    InvalidOffer,
    read_fragment,
    read_offer,
)
from voicebridge.transports.webrtc.rtp import MediaCodec


def test_a_browsers_offer_is_taken_up_with_opus_and_its_data_section() -> None:
    offer = read_offer(CHROMIUM)
    assert offer.codec == MediaCodec("opus", 111, 48_000)
    assert (offer.audio, offer.data, offer.sctp_port, offer.max_message) == (0, 1, 5000, 262_144)
    assert (offer.direction, offer.setup) == ("sendrecv", "passive")
    assert offer.ufrag == "jESK"
    assert offer.fingerprints[0].algorithm == "sha-256"


def test_sections_that_are_not_ours_keep_their_place() -> None:
    offer = read_offer(CHROMIUM_VIDEO_CANDIDATES)
    assert [section.kind for section in offer.sections] == ["audio", "video", "application"]
    assert (offer.audio, offer.data) == (0, 2)


@pytest.mark.parametrize(
    ("formats", "codec"),
    [
        ("0 8", MediaCodec("pcmu", 0, 8_000)),
        ("8 0", MediaCodec("pcma", 8, 8_000)),
        ("9 8 126", MediaCodec("pcma", 8, 8_000)),
        ("0 8 111", MediaCodec("opus", 111, 48_000)),
    ],
)
def test_opus_is_preferred_and_telephone_codecs_do_where_it_is_not_offered(formats: str, codec: MediaCodec) -> None:
    assert read_offer(with_audio_formats(CHROMIUM, formats)).codec == codec


def test_static_payload_types_need_no_rtpmap() -> None:
    bare = without(with_audio_formats(CHROMIUM, "0"), "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:")
    assert read_offer(bare).codec == MediaCodec("pcmu", 0, 8_000)


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_the_answered_direction_mirrors_the_offered_one(offered: str, answered: str) -> None:
    assert read_offer(CHROMIUM.replace("a=sendrecv", f"a={offered}")).direction == answered


def test_an_offer_of_very_many_sections_is_refused_before_it_is_read() -> None:
    assert read_offer(CHROMIUM + "m=audio 0 X 0\r\n" * (MAX_SECTIONS - 2)).audio == 0
    with pytest.raises(InvalidOffer, match="65 media sections"):
        read_offer(CHROMIUM + "m=audio 0 X 0\r\n" * (MAX_SECTIONS - 1))


def test_a_client_that_waits_for_our_hello_gets_it() -> None:
    assert read_offer(CHROMIUM.replace("a=setup:actpass", "a=setup:passive")).setup == "active"
    assert read_offer(CHROMIUM.replace("a=setup:actpass", "a=setup:active")).setup == "passive"


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("", UNTOLD_MESSAGE_LIMIT),
        ("a=max-message-size:1000\r\n", 1000),
        ("a=max-message-size:0\r\n", OUR_MESSAGE_LIMIT),
        ("a=max-message-size:1073741823\r\n", OUR_MESSAGE_LIMIT),
    ],
)
def test_no_message_is_bigger_than_the_client_takes(line: str, limit: int) -> None:
    assert read_offer(without(CHROMIUM, "a=max-message-size") + line).max_message == limit


def test_a_call_may_have_no_data_channel() -> None:
    audio_only = CHROMIUM[: CHROMIUM.index("m=application")].replace("BUNDLE 0 1", "BUNDLE 0")
    offer = read_offer(audio_only)
    assert offer.data is None


def test_a_bundled_section_on_port_0_is_offered_all_the_same() -> None:
    assert read_offer(CHROMIUM.replace("m=application 9", "m=application 0")).data == 1


AUDIO_LINE = next(line for line in CHROMIUM.splitlines(keepends=True) if line.startswith("m=audio"))


@pytest.mark.parametrize(
    ("sdp", "code", "says"),
    [
        ("", "invalid_offer", "does not begin with 'v=0'"),
        ("hello", "invalid_offer", "does not begin with 'v=0'"),
        ("v=0\r\nm=audio\r\n", "invalid_offer", "cannot be read"),
        ("v=0\r\n" + "a=x\r\n" * 20_000, "invalid_offer", "at most"),
        ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", "no_audio_section", "no audio section"),
        (with_audio_formats(CHROMIUM, "9 126"), "unsupported_codec", "Offer opus/48000/2"),
        (without(CHROMIUM, "a=rtcp-mux"), "invalid_offer", "a=rtcp-mux"),
        (without(CHROMIUM, "a=ice-pwd"), "invalid_offer", "a=ice-ufrag"),
        (without(CHROMIUM, "a=fingerprint"), "invalid_offer", "a=fingerprint"),
        (CHROMIUM.replace("zfq52gGae/v/SfX7fAADTUcQ", "x"), "invalid_offer", "22 or more"),
        (CHROMIUM.replace("sha-256", "md5"), "invalid_offer", "SHA-256"),
        (CHROMIUM.replace("sha-256 BC:", "sha-256 ZZ:"), "invalid_offer", "SHA-256"),
        (without(CHROMIUM, "a=group"), "invalid_offer", "BUNDLE"),
        (CHROMIUM.replace(AUDIO_LINE, AUDIO_LINE.replace("audio 9", "audio 0")).replace("BUNDLE 0 1", "BUNDLE 1"),
         "no_audio_section", "no audio section"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_with_what_to_change(sdp: str, code: str, says: str) -> None:
    with pytest.raises(InvalidOffer, match=says) as refused:
        read_offer(sdp)
    assert (refused.value.code, refused.value.param, refused.value.http_status) == (code, "sdp", 400)


@given(st.text(), st.integers(0, len(CHROMIUM)), st.integers(0, 200))
def test_any_text_is_read_or_refused(text: str, at: int, removed: int) -> None:
    for sdp in (text, "v=0\r\n" + text, CHROMIUM[:at] + text + CHROMIUM[at + removed :]):
        try:
            read_offer(sdp)
        except InvalidOffer:
            continue


def test_a_fragment_holds_credentials_or_candidates() -> None:
    assert read_fragment("a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n") == (
        "EsAw",
        "P2uYro0UCOQ4zxjKXaWCBui1",
    )
    candidate = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 2122 192.0.2.1 1 typ host\r\n"
    assert read_fragment(candidate) is None
    assert read_fragment("a=end-of-candidates\r\n") is None
    with pytest.raises(InvalidOffer, match="neither candidates nor"):
        read_fragment("nonsense")
