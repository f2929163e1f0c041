"""Reading a client's SDP offer: what of it we take up (RFC 8829, RFC 8843; protocol 1.12).

Taken: the first audio section with a codec of ours, and a section for data channels. Everything else is declined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from aiortc.rtcdtlstransport import RTCDtlsFingerprint
from aiortc.sdp import MediaDescription, SessionDescription

from voicebridge.errors import InvalidEvent
from voicebridge.transports.webrtc.rtp import MediaCodec

MAX_SDP = 64 * 1024
"""Characters. Browsers with every codec and extension offer about 8,000."""

MAX_SECTIONS = 64
"""Media sections, declined ones included. Reading takes time with each of them and with all their names."""

UNTOLD_MESSAGE_LIMIT = 65_536
"""What a peer takes that names no limit (RFC 8841 section 6.1)."""

OUR_MESSAGE_LIMIT = 262_144
"""Bytes of a data channel message that we take; the session's own limits come after."""

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
_ANSWERED: dict[str | None, Direction] = {
    None: "sendrecv",
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


_ICE_UFRAG = re.compile(r"[A-Za-z0-9+/=_-]{4,256}")
_ICE_PWD = re.compile(r"[A-Za-z0-9+/=_-]{22,256}")
"""RFC 8839 section 5.4, and the two characters more that some clients use."""

_DIGESTS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
"""Bytes of the fingerprints that can be checked."""


class InvalidOffer(InvalidEvent):
    """The offer cannot be answered; the message says what to change in it."""

    def __init__(self, message: str, code: str = "invalid_offer") -> None:
        super().__init__(message, code=code, param="sdp")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of the client's certificate: `algorithm` in small letters, `value` as hexadecimal pairs."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class Section:
    """A media section as it has to come back in the answer, taken or declined (RFC 3264 section 6)."""

    kind: str
    profile: str
    formats: tuple[str, ...]
    mid: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What was offered and fits. `audio` and `data` are positions in `sections`, `bundled` if they are in a
    BUNDLE group; `direction` is ours to answer.

    `ufrag` and `password` are the client's ICE credentials. `max_message` bounds what we may send it, in bytes.
    """

    sections: tuple[Section, ...]
    audio: int
    bundled: bool
    codec: MediaCodec
    direction: Direction
    data: int | None
    sctp_port: int
    max_message: int
    ufrag: str
    password: str
    fingerprints: tuple[Fingerprint, ...]
    setup: Literal["active", "passive"]


def read_offer(sdp: str) -> Offer:
    """Raises InvalidOffer, whatever the text."""
    described = _parsed(sdp)
    audio, codec = _audio(described)
    carrier = described.media[audio]
    data = next(_data_sections(described), None)
    if data is not None and not _bundled(described, audio, data):
        raise InvalidOffer("The offer puts audio and data on separate transports. Offer them in one BUNDLE group.")
    if not carrier.rtcp_mux:
        raise InvalidOffer("The offer's audio section lacks 'a=rtcp-mux'. Only multiplexed RTCP is supported.")
    ice, dtls = carrier.ice, carrier.dtls
    ufrag, password = (ice.usernameFragment or "", ice.password or "") if ice is not None else ("", "")
    if not _ICE_UFRAG.fullmatch(ufrag) or not _ICE_PWD.fullmatch(password):
        raise InvalidOffer("The offer lacks proper 'a=ice-ufrag' (4 characters or more) and 'a=ice-pwd' (22 or more).")
    if dtls is None or not dtls.fingerprints:
        raise InvalidOffer("The offer lacks 'a=fingerprint' and 'a=setup': media is encrypted by DTLS-SRTP only.")
    if not any(_can_be_checked(one) for one in dtls.fingerprints):
        raise InvalidOffer("The offer has no 'a=fingerprint' that can be checked: SHA-256, SHA-384 or SHA-512 in hex.")
    section = described.media[data] if data is not None else None
    return Offer(
        sections=tuple(_section(media) for media in described.media),
        audio=audio,
        bundled=_bundled(described, audio, audio if data is None else data),
        codec=codec,
        direction=_ANSWERED[carrier.direction],
        data=data,
        sctp_port=_sctp_port(section),
        max_message=_max_message(section),
        ufrag=ufrag,
        password=password,
        fingerprints=tuple(Fingerprint(one.algorithm.lower(), one.value) for one in dtls.fingerprints),
        # an offer of "actpass" leaves it to us: the client begins, as it knows first when the path is up
        setup="active" if dtls.role == "server" else "passive",
    )


def read_fragment(fragment: str) -> tuple[str, str] | None:
    """The ICE credentials in a `trickle-ice-sdpfrag` (RFC 8840), or None where it only has candidates.

    Candidates themselves tell us nothing: clients are learnt from their checks. Raises InvalidOffer for other texts.
    """
    values: dict[str, str] = {}
    for line in fragment[:MAX_SDP].splitlines():
        name, _, value = line.strip().removeprefix("a=").partition(":")
        values.setdefault(name, value)
    ufrag, password = values.get("ice-ufrag"), values.get("ice-pwd")
    if ufrag and password:
        return ufrag, password
    if "candidate" in values or "end-of-candidates" in values:
        return None
    raise InvalidOffer("The fragment has neither candidates nor 'a=ice-ufrag' and 'a=ice-pwd'.", "invalid_fragment")


def _parsed(sdp: str) -> SessionDescription:
    if len(sdp) > MAX_SDP:
        raise InvalidOffer(f"The offer is {len(sdp)} characters long; at most {MAX_SDP} are read.")
    if not sdp.lstrip().startswith("v=0"):
        raise InvalidOffer("This is not an SDP offer: it does not begin with 'v=0'.")
    sections = sum(line.startswith("m=") for line in sdp.splitlines())
    if sections > MAX_SECTIONS:
        raise InvalidOffer(f"The offer has {sections} media sections; at most {MAX_SECTIONS} are read.")
    try:
        return SessionDescription.parse(sdp)
    except Exception as error:  # the parser asserts, indexes and converts as it goes: any of that is a bad offer
        raise InvalidOffer(
            "The SDP offer cannot be read: one of its lines is malformed or cut off. Send it as the client made it."
        ) from error


def _audio(described: SessionDescription) -> tuple[int, MediaCodec]:
    sections = [
        index for index, media in enumerate(described.media) if media.kind == "audio" and _alive(described, media)
    ]
    if not sections:
        raise InvalidOffer(
            "The offer has no audio section. Add an audio track or transceiver before creating the offer.",
            code="no_audio_section",
        )
    for index in sections:
        codec = _codec(described.media[index])
        if codec is not None:
            return index, codec
    offered = sorted({codec.name for index in sections for codec in described.media[index].rtp.codecs})
    raise InvalidOffer(
        f"None of the offered audio codecs ({', '.join(offered)[:200] or 'none'}) is supported. "
        "Offer opus/48000/2, PCMU/8000 or PCMA/8000.",
        code="unsupported_codec",
    )


def _codec(media: MediaDescription) -> MediaCodec | None:
    """Opus wherever it is offered, otherwise the first of the telephone codecs."""
    telephone: MediaCodec | None = None
    named = {codec.payloadType: codec for codec in media.rtp.codecs}
    for payload_type in media.fmt:
        codec = named.get(payload_type)
        name, rate = (codec.name.lower(), codec.clockRate) if codec else _STATIC.get(payload_type, ("", 0))
        if name == "opus" and rate == 48_000:
            return MediaCodec("opus", payload_type, 48_000)
        if telephone is None and rate == 8_000 and name == "pcmu":
            telephone = MediaCodec("pcmu", payload_type, 8_000)
        elif telephone is None and rate == 8_000 and name == "pcma":
            telephone = MediaCodec("pcma", payload_type, 8_000)
    return telephone


_STATIC = {0: ("pcmu", 8_000), 8: ("pcma", 8_000)}
"""Payload types that need no rtpmap (RFC 3551 section 6)."""


def _data_sections(described: SessionDescription) -> Iterator[int]:
    for index, media in enumerate(described.media):
        if media.kind == "application" and _alive(described, media) and "SCTP" in media.profile:
            yield index


def _alive(described: SessionDescription, media: MediaDescription) -> bool:
    """Is the section offered? Port 0 declines it, but in a bundle it only means: on the others' port (RFC 9143)."""
    return bool(media.port) or any(media.rtp.muxId in group.items for group in described.group)


def _bundled(described: SessionDescription, audio: int, data: int) -> bool:
    mids = {described.media[audio].rtp.muxId, described.media[data].rtp.muxId}
    return any(group.semantic == "BUNDLE" and mids <= set(group.items) for group in described.group)


def _can_be_checked(fingerprint: RTCDtlsFingerprint) -> bool:
    size = _DIGESTS.get(fingerprint.algorithm.lower(), 0)
    return (
        size > 0 and re.fullmatch(rf"([0-9A-Fa-f]{{2}}:){{{size - 1}}}[0-9A-Fa-f]{{2}}", fingerprint.value) is not None
    )


def _section(media: MediaDescription) -> Section:
    return Section(media.kind, media.profile, tuple(str(one) for one in media.fmt), media.rtp.muxId or None)


def _sctp_port(section: MediaDescription | None) -> int:
    if section is None:
        return 0
    return section.sctp_port or next(iter(section.sctpmap), 5000)


def _max_message(section: MediaDescription | None) -> int:
    told = section.sctpCapabilities if section is not None else None
    limit = told.maxMessageSize if told is not None else UNTOLD_MESSAGE_LIMIT
    return min(limit or OUR_MESSAGE_LIMIT, OUR_MESSAGE_LIMIT)  # 0 means: any size
