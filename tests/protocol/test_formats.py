from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from voicebridge.protocol.formats import PCM_24K, AudioFormat, Pcm, Pcma, Pcmu

ADAPTER: TypeAdapter[Any] = TypeAdapter(AudioFormat)


@pytest.mark.parametrize(
    ("body", "audio_format"),
    [
        ({"type": "audio/pcm", "rate": 24000}, PCM_24K),
        ({"type": "audio/pcm"}, PCM_24K),
        ({"type": "audio/pcm", "rate": 8000}, Pcm(rate=8000)),
        ({"type": "audio/pcmu"}, Pcmu()),
        ({"type": "audio/pcma"}, Pcma()),
    ],
)
def test_a_format_is_known_by_its_type(body: dict[str, Any], audio_format: AudioFormat) -> None:
    assert ADAPTER.validate_python(body) == audio_format


@pytest.mark.parametrize(
    "body",
    [
        {},
        "pcm16",
        {"type": "audio/opus"},
        {"rate": 24000},
        {"type": "audio/pcm", "rate": "24000"},
        {"type": "audio/pcm", "rate": 1.5},
    ],
)
def test_nothing_else_is_a_format(body: Any) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(body)


@pytest.mark.parametrize(
    ("audio_format", "shown"),
    [
        (PCM_24K, {"type": "audio/pcm", "rate": 24000}),
        (Pcmu(), {"type": "audio/pcmu"}),
        (Pcma(), {"type": "audio/pcma"}),
    ],
)
def test_formats_are_shown_whole(audio_format: AudioFormat, shown: dict[str, Any]) -> None:
    assert ADAPTER.dump_python(audio_format) == shown
