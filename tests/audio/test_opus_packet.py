from __future__ import annotations

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio import libopus, opus_packet
from voicebridge.audio.opus_packet import LONGEST, UndecodablePacket
from voicebridge.audio.samples import INTERNAL_RATE_HZ


def as_libopus_has_it(payload: bytes) -> int:
    path = next(path for path in libopus._candidates() if libopus._usable(path))
    samples = ctypes.PyDLL(path).opus_packet_get_nb_samples
    samples.argtypes, samples.restype = [ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32], ctypes.c_int
    return int(samples(payload, len(payload), INTERNAL_RATE_HZ))


def is_read_as_libopus_reads_it(payload: bytes) -> None:
    expected = as_libopus_has_it(payload)
    if 0 < expected <= LONGEST:
        assert opus_packet.duration(payload) == expected
    else:
        with pytest.raises(UndecodablePacket):
            opus_packet.duration(payload)


@given(payload=st.binary(max_size=3))
def test_durations_are_those_of_libopus(payload: bytes) -> None:
    is_read_as_libopus_reads_it(payload)


def test_every_first_byte_is_read_as_libopus_reads_it() -> None:
    for first in range(256):
        is_read_as_libopus_reads_it(bytes((first, 2)))
