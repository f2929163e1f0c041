from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.core.engine_io import TokenCounts
from voicebridge.core.output_budget import InputUse, OutputBudget

PIECES = st.lists(st.tuples(st.text("ab ", max_size=30), st.integers(0, 9_000)), max_size=8)


@given(st.integers(1, 40), PIECES)
def test_speech_never_costs_more_than_the_limit_and_less_than_wanted_means_it_is_reached(
    limit: int, pieces: list[tuple[str, int]]
) -> None:
    budget = OutputBudget(limit, InputUse(0, 0))
    for text, count in pieces:
        samples = np.ones(count, np.int16)
        said, sound = budget.speak(text, samples)
        assert text.startswith(said)
        assert len(sound) <= count
        assert budget.usage().output_tokens <= limit
        if (said, len(sound)) != (text, count):
            return
    assert budget.usage() == spent(OutputBudget("inf", InputUse(0, 0)), pieces)


def spent(budget: OutputBudget, pieces: list[tuple[str, int]]) -> object:
    for text, count in pieces:
        budget.speak(text, np.ones(count, np.int16))
    return budget.usage()


@given(st.integers(1, 10), st.lists(st.text("ab ", max_size=12), max_size=8))
def test_writing_uses_the_limit_to_the_last_token(limit: int, pieces: list[str]) -> None:
    budget = OutputBudget(limit, InputUse(0, 0))
    for text in pieces:
        written = budget.write(text)
        if written != text:
            assert budget.usage().output_tokens == limit
            return
    assert budget.usage().output_tokens <= limit


def test_what_the_model_reports_replaces_the_estimates() -> None:
    budget = OutputBudget("inf", InputUse(text=1, audio=2))
    budget.write("abcdefgh")
    estimated = budget.usage()
    assert (estimated.input_tokens, estimated.output_tokens, estimated.total_tokens) == (3, 2, 5)
    budget.report(None)
    assert budget.usage() == estimated
    budget.report(TokenCounts(10, 20, 5, 30, 40))
    reported = budget.usage()
    assert (reported.input_tokens, reported.output_tokens, reported.total_tokens) == (30, 70, 100)
    assert reported.input_token_details.cached_tokens == 5
