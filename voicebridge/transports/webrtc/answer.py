"""Writing our SDP answer: ICE-lite with every candidate in it, one audio stream, one association for data channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voicebridge.transports.webrtc.offer import OUR_MESSAGE_LIMIT, Fingerprint, Offer, Section

STREAM = "voicebridge"
"""The media stream of our audio: clients that look at `event.streams[0]` need one."""


@dataclass(frozen=True, slots=True)
class OurSide:
    """What of ours goes into the answer. `candidates` are `a=candidate` values; `version` counts renegotiations."""

    session_id: int
    version: int
    ufrag: str
    password: str
    candidates: Sequence[str]
    fingerprint: Fingerprint
    ssrc: int
    cname: str


def write_answer(offer: Offer, ours: OurSide) -> str:
    taken = [index for index in (offer.audio, offer.data) if index is not None]
    mids = [mid for index in sorted(taken) if (mid := offer.sections[index].mid) is not None]
    lines = [
        "v=0",
        f"o=voicebridge {ours.session_id} {ours.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        *([f"a=group:BUNDLE {' '.join(mids)}"] if offer.bundled else []),
        f"a=msid-semantic: WMS {STREAM}",
    ]
    for index, section in enumerate(offer.sections):
        if index == offer.audio:
            lines += [*_audio(offer, section, ours), *_transport(offer, ours)]
        elif index == offer.data:
            lines += [*_data(offer, section), *_transport(offer, ours)]
        else:
            lines += _declined(section)
    return "\r\n".join(lines) + "\r\n"


def write_fragment(offer: Offer, ours: OurSide) -> str:
    """Our new ICE credentials, for a client that restarts ICE without a new offer (RFC 9725 section 4.3.3)."""
    section = offer.sections[offer.audio]
    lines = [
        "a=ice-lite",
        f"m={section.kind} 9 {section.profile} 0",
        *_mid(section),
        f"a=ice-ufrag:{ours.ufrag}",
        f"a=ice-pwd:{ours.password}",
        *(f"a=candidate:{candidate}" for candidate in ours.candidates),
        "a=end-of-candidates",
    ]
    return "\r\n".join(lines) + "\r\n"


def _audio(offer: Offer, section: Section, ours: OurSide) -> list[str]:
    codec = offer.codec
    encoding, parameters = {
        # mono both ways; in-band error correction when we report loss (RFC 7587 section 7)
        "opus": ("opus/48000/2", "minptime=10;useinbandfec=1"),
        "pcmu": ("PCMU/8000", None),
        "pcma": ("PCMA/8000", None),
    }[codec.name]
    lines = [
        f"m=audio 9 {section.profile} {codec.payload_type}",
        "c=IN IP4 0.0.0.0",
        *_mid(section),
        f"a={offer.direction}",
        f"a=msid:{STREAM} audio",
        "a=rtcp-mux",
        f"a=rtpmap:{codec.payload_type} {encoding}",
    ]
    if parameters is not None:
        lines.append(f"a=fmtp:{codec.payload_type} {parameters}")
    return [*lines, "a=ptime:20", f"a=ssrc:{ours.ssrc} cname:{ours.cname}", f"a=ssrc:{ours.ssrc} msid:{STREAM} audio"]


def _data(offer: Offer, section: Section) -> list[str]:
    lines = [f"m=application 9 {section.profile} {' '.join(section.formats)}", "c=IN IP4 0.0.0.0", *_mid(section)]
    if section.formats and section.formats[0].isdigit():  # the form before RFC 8841
        return [*lines, f"a=sctpmap:{section.formats[0]} webrtc-datachannel 65535"]
    return [*lines, f"a=sctp-port:{offer.sctp_port}", f"a=max-message-size:{OUR_MESSAGE_LIMIT}"]


def _transport(offer: Offer, ours: OurSide) -> list[str]:
    return [
        f"a=ice-ufrag:{ours.ufrag}",
        f"a=ice-pwd:{ours.password}",
        f"a=fingerprint:{ours.fingerprint.algorithm} {ours.fingerprint.value}",
        f"a=setup:{offer.setup}",
        *(f"a=candidate:{candidate}" for candidate in ours.candidates),
        "a=end-of-candidates",
    ]


def _declined(section: Section) -> list[str]:
    return [
        f"m={section.kind} 0 {section.profile} {' '.join(section.formats[:1])}",
        "c=IN IP4 0.0.0.0",
        *_mid(section),
        "a=inactive",
    ]


def _mid(section: Section) -> list[str]:
    return [f"a=mid:{section.mid}"] if section.mid is not None else []
