from __future__ import annotations

import pytest

from voicebridge.core.tokens import heard_tokens, spoken_tokens, text_tokens


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_text_costs_a_token_for_each_begun_four_characters(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


@pytest.mark.parametrize(("samples", "tokens"), [(0, 0), (1, 1), (2_400, 1), (2_401, 2), (24_000, 10)])
def test_heard_audio_costs_a_token_for_each_begun_100_ms(samples: int, tokens: int) -> None:
    assert heard_tokens(samples) == tokens


@pytest.mark.parametrize(("samples", "tokens"), [(0, 0), (1, 1), (1_200, 1), (1_201, 2), (24_000, 20)])
def test_spoken_audio_costs_a_token_for_each_begun_50_ms(samples: int, tokens: int) -> None:
    assert spoken_tokens(samples) == tokens
