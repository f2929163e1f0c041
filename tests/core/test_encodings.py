from __future__ import annotations

import numpy as np
import pytest

from voicebridge.audio.encoding import PCM16_24K, PCMA, PCMU, AudioEncoding
from voicebridge.core.encodings import audio_encoding, decoded
from voicebridge.protocol.formats import AudioFormat, Pcm, Pcma, Pcmu


@pytest.mark.parametrize(
    ("audio_format", "encoding"),
    [(Pcm(), PCM16_24K), (Pcm(rate=8_000), AudioEncoding("pcm16", 8_000)), (Pcmu(), PCMU), (Pcma(), PCMA)],
)
def test_every_format_has_its_encoding(audio_format: AudioFormat, encoding: AudioEncoding) -> None:
    assert audio_encoding(audio_format) == encoding


def test_a_recording_is_decoded_whole() -> None:
    samples = np.arange(100, dtype=np.int16)
    assert np.array_equal(decoded(samples.tobytes(), Pcm()), samples)
    assert len(decoded(bytes(800), Pcmu())) == pytest.approx(2_400, abs=100)
