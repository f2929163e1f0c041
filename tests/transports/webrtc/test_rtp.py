from __future__ import annotations

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap
from aiortc.rtp import RtpPacket as ReferencePacket
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.transports.webrtc.rtp import one_byte_extension, read_packet, write_packet

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"


def reference_map(identifier: int) -> HeaderExtensionsMap:
    extensions = HeaderExtensionsMap()
    parameters = RTCRtpParameters(headerExtensions=[RTCRtpHeaderExtensionParameters(id=identifier, uri=MID_URI)])
    extensions.configure(parameters)
    return extensions


@given(
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=60),
    marker=st.booleans(),
    mid=st.none() | st.tuples(st.integers(1, 14), st.text("abz019", min_size=1, max_size=16)),
)
def test_what_is_written_is_read_alike_by_another_implementation(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool,
    mid: tuple[int, str] | None,
) -> None:  # fmt: skip
    extension = one_byte_extension(mid[0], mid[1].encode()) if mid else b""
    data = write_packet(payload_type, sequence, timestamp, ssrc, payload, marker=marker, extension=extension)
    reference = ReferencePacket.parse(data, reference_map(mid[0] if mid else 1))
    assert (reference.payload_type, reference.sequence_number) == (payload_type, sequence)
    assert (reference.timestamp, reference.ssrc, reference.marker) == (timestamp, ssrc, marker)
    assert reference.payload == payload
    assert reference.extensions.mid == (mid[1] if mid else None)


@given(
    sources=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15),
    payload=st.binary(max_size=60),
    padding=st.integers(0, 40),
    mid=st.none() | st.text("abz", min_size=1, max_size=40),
)
def test_what_another_implementation_writes_is_read(
    sources: list[int], payload: bytes, padding: int, mid: str | None
) -> None:
    reference = ReferencePacket(payload_type=111, marker=1, sequence_number=7, timestamp=9, ssrc=5, payload=payload)
    reference.csrc, reference.padding_size = sources, padding
    reference.extensions = HeaderExtensions(mid=mid)
    packet = read_packet(reference.serialize(reference_map(3)))
    assert packet is not None
    assert packet == (5, 7, 9, 111, True, payload)


@given(data=st.binary(max_size=80) | st.binary(min_size=12, max_size=80).map(lambda tail: b"\xb5" + tail))
def test_hostile_bytes_are_read_or_refused_but_never_raise(data: bytes) -> None:
    packet = read_packet(data)
    assert packet is None or packet.payload in data[12:]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        b"\x40" + bytes(11),  # version 1
        b"\x81" + bytes(11),  # a contributing source that is not there
        b"\x90" + bytes(13),  # half an extension header
        b"\x90" + bytes(11) + b"\xbe\xde\x00\x01",  # an extension that is not there
        b"\xa0" + bytes(11),  # padding without a byte for its length
        b"\xa0" + bytes(11) + b"\x00",  # padding of no bytes
        b"\xa0" + bytes(11) + b"\x02",  # more padding than there is
    ],
)
def test_malformed_packets_are_refused(data: bytes) -> None:
    assert read_packet(data) is None


@pytest.mark.parametrize(("identifier", "value"), [(0, b"a"), (15, b"a"), (1, b""), (1, bytes(17))])
def test_an_extension_that_does_not_fit_is_refused(identifier: int, value: bytes) -> None:
    with pytest.raises(ValueError, match="header extension"):
        one_byte_extension(identifier, value)
