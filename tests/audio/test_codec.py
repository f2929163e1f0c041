from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.codec import Decoder, Encoder, Transcoder, decode
from voicebridge.audio.encoding import PCM16_24K, PCM16_RATES_HZ, PCMA, PCMU, AudioEncoding
from voicebridge.audio.g711 import pcm16_to_ulaw, ulaw_to_pcm16
from voicebridge.audio.samples import Samples

ENCODINGS = [PCMU, PCMA, *(AudioEncoding("pcm16", rate, channels) for rate in PCM16_RATES_HZ for channels in (1, 2))]


def sine(rate_hz: int, seconds: float = 0.2) -> Samples:
    wave = 8_000 * np.sin(2 * np.pi * 440 * np.arange(int(rate_hz * seconds)) / rate_hz)
    samples: Samples = np.rint(wave).astype(np.int16)
    return samples


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


CUTS = st.lists(st.integers(0, 1_500), max_size=20)


@given(st.sampled_from(ENCODINGS), st.binary(max_size=1_500), CUTS)
def test_decoding_gives_the_same_samples_wherever_the_bytes_are_cut(
    encoding: AudioEncoding, data: bytes, cuts: list[int]
) -> None:
    whole = Decoder(encoding).push(data)
    decoder = Decoder(encoding)
    parts = [decoder.push(piece) for piece in pieces(data, cuts)]
    assert np.concatenate(parts).tolist() == whole.tolist()


@given(st.sampled_from(ENCODINGS), st.binary(max_size=1_500).map(lambda b: b[: len(b) // 2 * 2]), CUTS)
def test_encoding_gives_the_same_bytes_wherever_the_samples_are_cut(
    encoding: AudioEncoding, data: bytes, cuts: list[int]
) -> None:
    samples = np.frombuffer(data, "<i2").astype(np.int16)
    once, piecewise = Encoder(encoding), Encoder(encoding)
    whole = once.push(samples) + once.finish()
    parts = [piecewise.push(part) for part in np.split(samples, sorted(min(c, len(samples)) for c in cuts))]
    assert b"".join(parts) + piecewise.finish() == whole


@given(st.sampled_from(ENCODINGS), st.sampled_from(ENCODINGS), st.binary(max_size=600), CUTS)
def test_transcoding_gives_the_same_bytes_wherever_they_are_cut(
    source: AudioEncoding, target: AudioEncoding, data: bytes, cuts: list[int]
) -> None:
    once, piecewise = Transcoder(source, target), Transcoder(source, target)
    whole = once.push(data) + once.finish()
    assert b"".join(piecewise.push(piece) for piece in pieces(data, cuts)) + piecewise.finish() == whole


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_20_ms_on_the_wire_are_480_samples_at_once(encoding: AudioEncoding) -> None:
    decoder = Decoder(encoding)
    frame = bytes(encoding.bytes_per_second // 50)
    assert [len(decoder.push(frame)) for _ in range(10)] == [480] * 10


@given(st.sampled_from(ENCODINGS), st.integers(0, 5_000))
def test_a_finished_piece_has_its_exact_length_on_the_wire(encoding: AudioEncoding, length: int) -> None:
    encoder = Encoder(encoding)
    wire = encoder.push(np.zeros(length, np.int16)) + encoder.finish()
    assert len(wire) == -(-length * encoding.rate_hz // 24_000) * encoding.frame_bytes


def test_an_odd_byte_waits_for_its_other_half() -> None:
    decoder = Decoder(PCM16_24K)
    assert decoder.push(b"\x01").tolist() == []
    assert decoder.push(b"\x02\x03").tolist() == [0x0201]
    assert decoder.push(b"\x04").tolist() == [0x0403]


def test_pcm16_is_little_endian_and_signed() -> None:
    assert Decoder(PCM16_24K).push(b"\xff\xff\x00\x80\xff\x7f").tolist() == [-1, -32_768, 32_767]
    assert Encoder(PCM16_24K).push(np.array([-1, -32_768, 32_767], np.int16)) == b"\xff\xff\x00\x80\xff\x7f"


def test_stereo_becomes_the_mean_of_both_sides_without_overflow() -> None:
    stereo = np.array([32_767, 32_767, -32_768, -32_768, 1_000, -3_000, 0, 5], "<i2").tobytes()
    decoded = Decoder(AudioEncoding("pcm16", 24_000, 2)).push(stereo)
    assert decoded.tolist() == [32_767, -32_768, -1_000, 2]


def test_mono_goes_to_both_sides_of_a_stereo_wire() -> None:
    wire = Encoder(AudioEncoding("pcm16", 24_000, 2)).push(np.array([1, -2], np.int16))
    assert np.frombuffer(wire, "<i2").tolist() == [1, 1, -2, -2]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_recording_comes_back_with_the_same_sound_and_length(encoding: AudioEncoding) -> None:
    encoder, original = Encoder(encoding), sine(24_000)
    recording = decode(encoder.push(original) + encoder.finish(), encoding)
    assert len(recording) == len(original)
    error = recording[480:-480].astype(float) - original[480:-480]
    signal_to_noise_db = 10 * np.log10(np.mean(original.astype(float) ** 2) / (np.mean(error**2) + 1e-9))
    assert signal_to_noise_db > (35 if encoding.codec != "pcm16" else 75)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(data=st.binary(max_size=300))
def test_equal_encodings_pass_every_byte_untouched(encoding: AudioEncoding, data: bytes) -> None:
    transcoder = Transcoder(encoding, encoding)
    assert transcoder.push(data) is data
    assert transcoder.finish() == b""


def test_transcoding_between_equal_rates_keeps_each_sample() -> None:
    samples = sine(8_000)
    pcm8k = AudioEncoding("pcm16", 8_000)
    assert Transcoder(pcm8k, PCMU).push(samples.tobytes()) == pcm16_to_ulaw(samples)
    ulaw = pcm16_to_ulaw(samples)
    assert Transcoder(PCMU, pcm8k).push(ulaw) == ulaw_to_pcm16(ulaw).tobytes()


def test_an_encoder_begins_anew_after_finish() -> None:
    encoder = Encoder(PCMU)
    first = encoder.push(sine(24_000)) + encoder.finish()
    second = encoder.push(sine(24_000)) + encoder.finish()
    assert first == second
