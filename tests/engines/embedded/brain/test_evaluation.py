"""The choice of functions, measured; docs/brain.md has the figures that these floors guard."""

from __future__ import annotations

import pytest

from engines.embedded.brain.conversation import NOW
from engines.embedded.brain.evaluation_set import NEGATIVE, POSITIVE, TOOLS
from engines.embedded.brain.holdout_set import HOLDOUT_NEGATIVE, HOLDOUT_POSITIVE, HOLDOUT_TOOLS
from voicebridge.core.engine_io import FunctionTool
from voicebridge.engines.embedded.brain.agent import Brain
from voicebridge.engines.embedded.brain.functions.planning import question
from voicebridge.engines.embedded.brain.functions.schema import read_function
from voicebridge.engines.embedded.brain.types import BrainAsk, Call, Turn

Tools = tuple[FunctionTool, ...]


def chosen(brain: Brain, text: str, tools: Tools) -> set[str]:
    """The functions called, or those that could have asked the question that was asked."""
    steps = brain.reply(BrainAsk((Turn("user", text),), "", tools, "auto", NOW, ""))
    called = {step.name for step in steps if isinstance(step, Call)}
    said = " ".join(step.text for step in steps if not isinstance(step, Call))
    asking = {
        tool.name for tool in tools for slot in read_function(tool).slots if slot.required and question(slot) == said
    }
    return called or asking


def right(brain: Brain, positive: tuple[tuple[str, str], ...], tools: Tools) -> int:
    return sum(name in chosen(brain, text, tools) for text, name in positive)


def left_alone(brain: Brain, negative: tuple[str, ...], tools: Tools) -> int:
    return sum(not chosen(brain, text, tools) for text in negative)


@pytest.mark.models
def test_functions_are_found_by_meaning(brain: Brain) -> None:
    assert right(brain, POSITIVE, TOOLS) >= 96
    assert left_alone(brain, NEGATIVE, TOOLS) >= 58
    assert right(brain, HOLDOUT_POSITIVE, HOLDOUT_TOOLS) >= 43
    assert left_alone(brain, HOLDOUT_NEGATIVE, HOLDOUT_TOOLS) >= 38


def test_functions_are_found_by_words_alone(lexical: Brain) -> None:
    assert right(lexical, POSITIVE, TOOLS) >= 84
    assert left_alone(lexical, NEGATIVE, TOOLS) >= 58
    assert right(lexical, HOLDOUT_POSITIVE, HOLDOUT_TOOLS) >= 35
    assert left_alone(lexical, HOLDOUT_NEGATIVE, HOLDOUT_TOOLS) >= 38


@pytest.mark.models
def test_what_the_user_told_is_found_by_meaning(brain: Brain) -> None:
    context = (
        Turn("user", "I parked my car on level five"),
        Turn("assistant", "I see."),
        Turn("user", "Where did I leave my car?"),
    )
    steps = brain.reply(BrainAsk(context, "", (), "auto", NOW, ""))
    assert "level five" in str(steps[0])


@pytest.mark.models
def test_the_answer_does_not_depend_on_what_was_asked_before(brain: Brain) -> None:
    asks = [BrainAsk((Turn("user", text),), "", TOOLS, "auto", NOW, "") for text, _ in POSITIVE[:10]]
    first = [brain.reply(ask) for ask in asks]
    assert [brain.reply(ask) for ask in reversed(asks)][::-1] == first
