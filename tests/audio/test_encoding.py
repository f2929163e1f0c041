from __future__ import annotations

import pytest

from voicebridge.audio.encoding import PCM16_24K, PCMA, PCMU, AudioEncoding
from voicebridge.errors import ConfigError


@pytest.mark.parametrize(
    ("encoding", "bytes_per_second"),
    [(PCM16_24K, 48_000), (PCMU, 8_000), (PCMA, 8_000), (AudioEncoding("pcm16", 44_100, 2), 176_400)],
)
def test_the_data_rate_follows_from_codec_rate_and_channels(encoding: AudioEncoding, bytes_per_second: int) -> None:
    assert encoding.bytes_per_second == bytes_per_second


@pytest.mark.parametrize(
    ("codec", "rate_hz", "channels", "param"),
    [
        ("mp3", 24_000, 1, "codec"),
        ("pcm16", 11_025, 1, "rate_hz"),
        ("ulaw", 16_000, 1, "rate_hz"),
        ("alaw", 8_000, 2, "channels"),
        ("pcm16", 24_000, 3, "channels"),
        ("pcm16", 24_000, 0, "channels"),
    ],
)
def test_what_nobody_speaks_is_refused_by_name(codec: str, rate_hz: int, channels: int, param: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AudioEncoding(codec, rate_hz, channels)  # type: ignore[arg-type]
    assert caught.value.param == param
