from __future__ import annotations

import numpy as np
import pytest

from engines.embedded.recordings import HELLO, SPEECH, TRANSCRIPTS, recording
from voicebridge.core.engine_io import TokenLogprob
from voicebridge.engines.embedded.stt import (
    NOTHING,
    Recogniser,
    join,
    load_tiny,
    plausible,
)
from voicebridge.errors import EngineError


def tokens(text: str, logprob: float) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(f" {word}", logprob) for word in text.split())


@pytest.mark.parametrize(
    ("text", "logprob", "kept"),
    [
        ("Hello.", -0.5, True),
        ("Hello.", -0.8, False),
        ("please call me back again some time tomorrow", -0.4, True),
        ("please call me back again some time tomorrow", -0.5, False),
        ("You", -0.1, False),
        ("Thank you for watching!", -0.1, False),
        ("♪ la la la", -0.1, False),
        ("© transcript", -0.1, False),
        ("...", -0.1, False),
        ("it is the same as the same as the same as the same as", -0.1, False),
    ],
)
def test_words_invented_for_noise_are_dropped(text: str, logprob: float, *, kept: bool) -> None:
    assert bool(plausible(tokens(text, logprob))) is kept


def test_the_tokens_of_all_segments_join_to_the_text() -> None:
    recognition = join(iter([(), tokens("good day", -0.1), tokens("and more", -0.2)]))
    assert recognition.text == "good day and more"
    assert "".join(token.token for token in recognition.tokens) == recognition.text
    assert join(iter([(), ()])) == NOTHING


@pytest.fixture(scope="module")
def tiny() -> Recogniser:
    return load_tiny()


def letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ")


@pytest.mark.models
@pytest.mark.parametrize("name", sorted(set(TRANSCRIPTS) - {"tt-weasels.wav"}))
def test_telephone_speech_is_written_down_word_for_word(tiny: Recogniser, name: str) -> None:
    recognition = tiny.recognise(recording(SPEECH / name), "en-US", None)
    assert letters(recognition.text) == letters(TRANSCRIPTS[name])
    assert "".join(token.token for token in recognition.tokens) == recognition.text
    assert all(token.logprob <= 0 for token in recognition.tokens)


@pytest.mark.models
def test_the_sample_that_ships_is_understood(tiny: Recogniser) -> None:
    assert tiny.recognise(recording(HELLO), None, None).text == "Hello, 24 plus 10."


@pytest.mark.models
def test_a_minute_of_speech_is_written_down_whole(tiny: Recogniser) -> None:
    names = sorted(set(TRANSCRIPTS) - {"tt-weasels.wav"}) * 3
    pause = np.zeros(12_000, np.int16)
    speech = np.concatenate([part for name in names for part in (recording(SPEECH / name), pause)])
    said = letters(tiny.recognise(speech, "en", None).text).split()
    expected = letters(" ".join(TRANSCRIPTS[name] for name in names)).split()
    assert len(speech) > 60 * 24_000
    assert 0.9 * len(expected) <= len(said) <= 1.1 * len(expected)


@pytest.mark.models
@pytest.mark.parametrize("seconds", [0.01, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("level", [0, 1, 100, 3000])
def test_nobody_speaks_in_noise(tiny: Recogniser, seconds: float, level: int) -> None:
    noise = np.random.default_rng(7).normal(0, level, int(24_000 * seconds))
    assert tiny.recognise(noise.astype(np.int16), None, None) == NOTHING


@pytest.mark.models
def test_another_language_is_refused_with_what_to_install(tiny: Recogniser) -> None:
    with pytest.raises(EngineError, match=r"voicebridge\[stt-whisper\]"):
        tiny.recognise(np.zeros(24_000, np.int16), "de", None)
