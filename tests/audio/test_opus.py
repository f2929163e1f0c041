from __future__ import annotations

import gc
import struct
import wave
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.audio import libopus
from voicebridge.audio.libopus import LOW_DELAY, VOIP, LibopusDecoder, LibopusEncoder
from voicebridge.audio.opus import FRAME, OpusDecoder, OpusEncoder
from voicebridge.audio.opus_packet import LONGEST, UndecodablePacket
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.errors import EngineError

SILENCE = bytes.fromhex("d8fffe")
LOW_DELAY_LOOKAHEAD = 60  # samples: 2.5 ms
VOIP_LOOKAHEAD = 156  # 6.5 ms


def voice(frames: int, *, at: int = 0, level: float = 6_000) -> Samples:
    """A vowel: harmonics of a gliding pitch, loud from the first sample to the last."""
    t = np.arange(at, at + frames * FRAME) / INTERNAL_RATE_HZ
    phase = 2 * np.pi * (120 * t + 5 * np.sin(2 * np.pi * 2 * t))
    wave = sum(np.cos(harmonic * phase) / harmonic for harmonic in range(1, 20))
    samples: Samples = (np.asarray(wave) / 3 * level).astype(np.int16)
    return samples


def split(samples: Samples) -> list[Samples]:
    return [samples[at : at + FRAME] for at in range(0, len(samples), FRAME)]


def decoded(packets: list[bytes]) -> Samples:
    decoder = OpusDecoder()
    return np.concatenate([decoder.decode(packet) for packet in packets])


def snr_db(signal: Samples, heard: Samples) -> float:
    error = signal.astype(np.float64) - heard
    return float(10 * np.log10((signal.astype(np.float64) ** 2).mean() / max((error**2).mean(), 1e-9)))


@pytest.fixture(params=["libopus", "pyav"])
def _either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pyav":
        monkeypatch.setattr(libopus, "_library", lambda: None)


@pytest.fixture
def _no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libopus, "_library", lambda: None)


# --- the library ----------------------------------------------------------------------------------------------------


def test_the_library_in_the_pyav_wheel_is_found() -> None:
    assert (libopus.library_version() or "").startswith("libopus 1.")


@pytest.mark.parametrize(
    "name",
    [
        "libopus-114e2b1a.so.0.11.1",
        "libopus.so.0",
        "libopus.0.dylib",
        "libopus-0-1b0ca122c0ffee.dll",
        "opus-c0ffee.dll",
    ],
)
def test_the_library_is_known_by_its_name_on_any_system(name: str) -> None:
    assert libopus._FILE_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["libopusfile-1.so.0", "libopusenc.so.0", "libmp3lame-1.so.0", "opus.txt"])
def test_other_libraries_are_not_taken_for_it(name: str) -> None:
    assert not libopus._FILE_NAME.fullmatch(name)


def test_a_library_that_is_not_libopus_is_not_usable(tmp_path: Path) -> None:
    broken = tmp_path / "libopus.so"
    broken.write_bytes(b"not a library")
    assert libopus._usable(str(broken)) is None
    assert libopus._usable(struct.__spec__.origin or "") is None


@pytest.mark.usefixtures("_no_library")
def test_without_the_library_its_own_classes_say_so() -> None:
    with pytest.raises(EngineError, match="libopus was not found"):
        LibopusEncoder(LOW_DELAY, bitrate=32_000, complexity=2)
    with pytest.raises(EngineError, match="libopus was not found"):
        LibopusDecoder()


def test_settings_that_it_refuses_are_errors() -> None:
    with pytest.raises(EngineError, match="refused"):
        LibopusEncoder(VOIP, bitrate=32_000, complexity=11)
    with pytest.raises(EngineError, match="made no encoder"):
        LibopusEncoder(1, bitrate=32_000, complexity=2)


def test_many_can_be_made_and_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    library = libopus._loaded()
    destroyed: list[int] = []

    def counted(destroy: Callable[[int], None], state: int) -> None:
        destroyed.append(state)
        destroy(state)

    for name in ("encoder_destroy", "decoder_destroy"):
        monkeypatch.setattr(library, name, partial(counted, getattr(library, name)))
    for _ in range(20):
        packet = LibopusEncoder(LOW_DELAY, bitrate=32_000, complexity=2).encode(voice(1))
        LibopusDecoder().decode(packet)
    gc.collect()
    assert len(destroyed) == 40


@pytest.mark.parametrize("count", [1, 481, LONGEST + FRAME])
def test_a_frame_of_no_possible_length_is_refused(count: int) -> None:
    with pytest.raises((ValueError, EngineError)):
        LibopusEncoder(LOW_DELAY, bitrate=32_000, complexity=2).encode(np.zeros(count, np.int16))


@pytest.mark.parametrize("count", [0, LONGEST + 60])
def test_no_more_is_concealed_than_there_is_room_for(count: int) -> None:
    with pytest.raises(ValueError, match="samples"):
        LibopusDecoder().conceal(count)


# --- encoding -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_either")
def test_what_is_encoded_is_heard() -> None:
    encoder, speech = OpusEncoder(), voice(50)
    packets = [encoder.encode(frame) for frame in split(speech)]
    heard = decoded(packets)
    assert len(heard) == len(speech)
    # The delays of the two ways differ: what matters is that the sound is there.
    delay = int(np.argmax(np.correlate(heard[2_400:12_000].astype(float), speech[2_400:11_000].astype(float), "valid")))
    assert delay < 200
    assert snr_db(speech[2_400 : 20_000 - delay], heard[2_400 + delay : 20_000]) > 12
    assert 6_000 < sum(map(len, packets)) < 10_000  # bytes in a second


def test_frames_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="480"):
        OpusEncoder().encode(np.zeros(479, np.int16))


def test_samples_in_any_layout_of_memory_are_encoded_alike() -> None:
    speech = voice(1)
    backwards = speech[::-1].copy()[::-1]
    assert not backwards.flags.c_contiguous
    assert OpusEncoder().encode(backwards) == OpusEncoder().encode(speech)


@pytest.mark.usefixtures("_either")
def test_silence_is_one_packet_made_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = OpusEncoder()
    encoder.encode(voice(1))
    for _ in range(40):
        encoder.silence()
    monkeypatch.setattr(encoder, "_active", None)  # nothing is asked of it any more
    assert {encoder.silence() for _ in range(100)} == {SILENCE}


@pytest.mark.usefixtures("_either")
def test_silence_is_silent_from_its_second_frame_on() -> None:
    encoder = OpusEncoder()
    packets = [encoder.encode(frame) for frame in split(voice(20))] + [encoder.silence() for _ in range(50)]
    heard = decoded(packets)[21 * FRAME :].astype(int)
    assert np.abs(heard).max() < 600  # a tenth of what was said, still falling
    assert np.abs(heard[12 * FRAME :]).max() <= 1


def test_silence_packets_are_what_the_encoder_would_have_said() -> None:
    """However long it lasts: the sound after it is, to within the codec's noise, that of an encoder never stopped."""
    before, after = split(voice(20)), split(voice(20, at=9_000))
    for pause in (1, 2, 7, 30, 200):
        ours, reference = OpusEncoder(), LibopusEncoder(LOW_DELAY, bitrate=32_000, complexity=2)
        packets = [ours.encode(frame) for frame in before] + [ours.silence() for _ in range(pause)]
        heard = decoded(packets + [ours.encode(frame) for frame in after])
        zeros = [np.zeros(FRAME, np.int16)] * pause
        expected = decoded([reference.encode(frame) for frame in before + zeros + after])
        begin = (20 + pause) * FRAME + LOW_DELAY_LOOKAHEAD
        spoken = np.concatenate(after)[: 5 * FRAME]
        ours_db = [snr_db(spoken[at : at + FRAME], heard[begin + at :][:FRAME]) for at in range(0, 5 * FRAME, FRAME)]
        best_db = [snr_db(spoken[at : at + FRAME], expected[begin + at :][:FRAME]) for at in range(0, 5 * FRAME, FRAME)]
        assert min(ours_db[0] - best_db[0], min(ours_db) - min(best_db)) > -1.5
        assert np.abs(heard.astype(int)).max() < 1.25 * np.abs(np.concatenate(before + after).astype(int)).max()


def test_an_encoder_reset_after_silence_would_swallow_the_first_syllable() -> None:
    """Why `silence` ends with the encoder's own silence and not with a reset."""
    encoder = OpusEncoder()
    packets = [encoder.encode(frame) for frame in split(voice(20))] + [encoder.silence() for _ in range(30)]
    encoder.reset()
    packets += [encoder.encode(frame) for frame in split(voice(5))]
    begin = 50 * FRAME + LOW_DELAY_LOOKAHEAD
    assert snr_db(voice(1), decoded(packets)[begin : begin + FRAME]) < 3


def test_a_reset_encoder_suits_a_new_decoder() -> None:
    encoder = OpusEncoder()
    first = [encoder.encode(frame) for frame in split(voice(10))]
    encoder.reset()
    assert [encoder.encode(frame) for frame in split(voice(10))] == first


# --- protection -----------------------------------------------------------------------------------------------------


def protected_encoder() -> OpusEncoder:
    encoder = OpusEncoder()
    encoder.protect(0.05)
    encoder.encode(np.zeros(FRAME, np.int16))
    assert encoder.protected
    encoder.reset()
    return encoder


@pytest.mark.usefixtures("_either")
def test_reported_loss_turns_protection_on_and_its_absence_for_a_while_off() -> None:
    encoder, quiet = OpusEncoder(), np.zeros(FRAME, np.int16)
    states = []
    for loss in (0.0, 0.008, 0.03, 0.008, 0.0, 0.0, 0.0, 0.006, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0):
        encoder.protect(loss)
        encoder.encode(quiet)
        states.append(encoder.protected)
    assert states == [False] * 2 + [True] * 10 + [False] * 2


def recorded() -> Samples:
    with wave.open(str(files("voicebridge.samples") / "hello.wav")) as recording:
        assert recording.getframerate() == INTERNAL_RATE_HZ
        samples: Samples = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    return samples[: len(samples) // FRAME * FRAME]


def test_a_protected_packet_carries_the_one_before() -> None:
    encoder, decoder, plain = protected_encoder(), OpusDecoder(), OpusDecoder()
    speech = recorded()
    packets = [encoder.encode(frame) for frame in split(speech)]
    heard, concealed = [], []
    corrected = 0
    for index, packet in enumerate(packets[:-1]):
        if index % 5 == 4:
            corrected += decoder.corrects(packets[index + 1])
            heard.append(decoder.recover(packets[index + 1], FRAME))
            concealed.append(plain.conceal(FRAME))
        else:
            heard.append(decoder.decode(packet))
            concealed.append(plain.decode(packet))
    assert corrected > 0.6 * len(packets) / 5  # pauses need none
    sound = [np.concatenate(pieces)[VOIP_LOOKAHEAD:] for pieces in (heard, concealed)]
    spoken = speech[: len(sound[0])]
    assert snr_db(spoken, sound[0]) > snr_db(spoken, sound[1]) + 2


def sharpest(samples: Samples) -> int:
    """The largest third difference: a click has one, a voice has none worth the name."""
    return int(np.abs(np.diff(samples.astype(int), 3)).max())


@pytest.mark.usefixtures("_either")
@pytest.mark.parametrize("losses", [(0.05,), (0.0,) * 5], ids=["on", "off"])
def test_changing_protection_in_the_middle_of_a_word_makes_no_click(losses: tuple[float, ...]) -> None:
    speech = voice(60)
    for begin in range(0, 480, 48):  # a change at every phase of the pitch
        encoder, undisturbed = (protected_encoder() if losses[0] == 0 else OpusEncoder() for _ in range(2))
        frames = split(speech[begin : begin + 50 * FRAME])
        packets = [encoder.encode(frame) for frame in frames[:25]]
        for share in losses:
            encoder.protect(share)
        before = encoder.protected
        packets += [encoder.encode(frame) for frame in frames[25:]]
        assert encoder.protected is not before
        heard = decoded(packets)[20 * FRAME : 30 * FRAME]
        expected = decoded([undisturbed.encode(frame) for frame in frames])[20 * FRAME : 30 * FRAME]
        assert sharpest(heard) < 1.5 * max(sharpest(expected), sharpest(speech))
        assert np.abs(heard.astype(int)).max() < 1.3 * np.abs(expected.astype(int)).max()


def test_protected_silence_costs_nothing_either_and_speech_resumes_whole() -> None:
    encoder = protected_encoder()
    packets = [encoder.encode(frame) for frame in split(voice(20))]
    silence = [encoder.silence() for _ in range(30)]
    assert set(silence[2:]) == {SILENCE}
    packets += silence + [encoder.encode(frame) for frame in split(voice(20))]
    heard = decoded(packets)
    assert np.abs(heard[23 * FRAME : 50 * FRAME].astype(int)).max() <= 4
    levels = [float(np.abs(heard[(50 + n) * FRAME :][:FRAME].astype(float)).mean()) for n in range(1, 10)]
    assert min(levels) > 0.6 * max(levels)


def test_protected_speech_after_silence_begins_as_the_decoder_does_anew() -> None:
    encoder, fresh = protected_encoder(), protected_encoder()
    for frame in split(voice(20)):
        encoder.encode(frame)
    for _ in range(10):
        encoder.silence()
    assert [encoder.encode(frame) for frame in split(voice(5))] == [fresh.encode(frame) for frame in split(voice(5))]


@pytest.mark.usefixtures("_either")
def test_protection_that_ends_in_silence_swallows_nothing_of_what_follows() -> None:
    encoder = protected_encoder()
    packets = [encoder.encode(frame) for frame in split(voice(20))] + [encoder.silence() for _ in range(20)]
    for _ in range(5):
        encoder.protect(0.0)
    packets += [encoder.encode(frame) for frame in split(voice(5))]
    assert not encoder.protected
    heard = decoded(packets)[40 * FRAME :].astype(float)
    assert np.abs(heard[LOW_DELAY_LOOKAHEAD:FRAME]).mean() > 0.7 * np.abs(heard[2 * FRAME :]).mean()


# --- decoding -------------------------------------------------------------------------------------------------------


def encoded(rate: int, channels: int, ms: float, application: str = "audio") -> list[bytes]:
    """Packets of FFmpeg's encoder, half a second of a tone; both sides the same."""
    from av import AudioFrame, CodecContext

    context = CodecContext.create("libopus", "w")
    context.sample_rate, context.format = rate, "s16"
    context.layout = "stereo" if channels == 2 else "mono"
    context.options = {"frame_duration": str(ms), "application": application}
    count = round(rate * ms / 1000)
    packets: list[bytes] = []
    for index in range(round(500 / ms)):
        t = np.arange(index * count, (index + 1) * count) / rate
        tone = (8_000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
        frame = AudioFrame.from_ndarray(np.repeat(tone, channels).reshape(1, -1), format="s16", layout=context.layout)
        frame.sample_rate, frame.pts = rate, index * count
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets


@pytest.mark.usefixtures("_either")
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ms", [2.5, 5, 10, 20, 40, 60, 80, 100, 120])
def test_packets_of_any_length_mono_or_stereo_become_24_khz_mono(channels: int, ms: float) -> None:
    packets = encoded(48_000, channels, ms)
    decoder = OpusDecoder()
    assert {decoder.duration(packet) for packet in packets} == {round(24 * ms)}
    heard = decoded(packets)
    assert len(heard) == round(24 * ms) * len(packets)
    middle = heard[6_000:-1_000].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(np.argmax(spectrum) * INTERNAL_RATE_HZ / len(middle) - 440) < 5
    assert np.sqrt((middle**2).mean()) == pytest.approx(8_000 / np.sqrt(2), rel=0.1)


@pytest.mark.usefixtures("_either")
def test_packets_of_nothing_but_their_first_byte_are_pauses() -> None:
    decoder = OpusDecoder()
    for frame in split(voice(5)):
        decoder.decode(OpusEncoder().encode(frame))
    for payload in (b"\x08", b"\x0c\x00"):  # 20 ms of wide-band speech that is not sent
        assert decoder.duration(payload) == FRAME
        assert len(decoder.decode(payload)) == FRAME


@pytest.mark.usefixtures("_either")
def test_what_is_lost_is_made_up_and_fades() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    for frame in split(voice(20)):
        decoder.decode(encoder.encode(frame))
    made_up = decoder.conceal(20 * FRAME)
    assert len(made_up) == 20 * FRAME
    loudness = [float(np.sqrt((frame.astype(float) ** 2).mean())) for frame in split(made_up)]
    assert loudness[0] > 800
    assert loudness[-1] < loudness[0] / 2
    assert len(decoder.conceal(481)) == 481


@pytest.mark.usefixtures("_either")
@settings(max_examples=200, deadline=None)
@given(payload=st.binary(max_size=200))
def test_hostile_payloads_are_decoded_or_refused(payload: bytes) -> None:
    decoder = OpusDecoder()
    decoder.corrects(payload)
    for attempt in (decoder.decode, decoder.duration, lambda data: decoder.recover(data, FRAME)):
        try:
            attempt(payload)
        except UndecodablePacket:
            continue
    assert len(decoder.decode(SILENCE)) == FRAME
