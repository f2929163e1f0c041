"""Whatever comes in: at least one step, the same again, and no exception."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.embedded.brain.conversation import NOW, Conversation
from engines.embedded.brain.evaluation_set import NEGATIVE, POSITIVE, TOOLS
from voicebridge.core.engine_io import FunctionTool
from voicebridge.engines.embedded.brain.agent import Brain
from voicebridge.engines.embedded.brain.types import BrainAsk, Call, Say, Turn

LEXICAL = Brain(None)
SAID = [text for text, _ in POSITIVE] + list(NEGATIVE)
WORDS = [
    *sorted({word for text in SAID for word in text.split()}),
    "saying",
    "in",
    "'",
    '"',
    "and",
    "plus",
    "that",
    "%",
    "to",
]
UTTERANCE = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join),
    st.sampled_from(SAID),
    st.text(alphabet=string.digits + "+-*/^().% ", max_size=30),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYWORD = st.sampled_from(
    ["type", "properties", "required", "enum", "items", "description", "default", "format", "minimum", "const", "anyOf"]
)
SCHEMA = st.recursive(
    JSON | st.sampled_from(["string", "object", "array", "integer", "boolean", "number"]),
    lambda inner: st.dictionaries(KEYWORD | st.text(max_size=5), inner, max_size=5) | st.lists(inner, max_size=4),
    max_leaves=12,
)
TOOL = st.builds(
    FunctionTool, st.text(max_size=20), st.text(max_size=40), st.dictionaries(KEYWORD, SCHEMA, max_size=5)
) | st.sampled_from(TOOLS)
TURN = st.one_of(
    st.builds(Turn, st.sampled_from(["user", "assistant", "system"]), UTTERANCE),
    st.builds(
        Turn,
        st.just("call"),
        JSON.map(json.dumps) | st.text(max_size=20),
        st.sampled_from([tool.name for tool in TOOLS]),
        st.just("c"),
    ),
    st.builds(Turn, st.just("result"), JSON.map(json.dumps) | st.text(max_size=40), st.just(""), st.just("c")),
)
CHOICE: st.SearchStrategy[Any] = st.sampled_from(
    ["auto", "none", "required", ("function", "get_weather"), ("function", "unknown")]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(TURN, max_size=6), UTTERANCE, st.lists(TOOL, max_size=3), CHOICE, st.sampled_from([NOW, "", "2026-02-29"])
)
def test_any_conversation_gets_the_same_answer_twice(
    context: list[Turn], instructions: str, tools: list[FunctionTool], choice: Any, now: str
) -> None:
    ask = BrainAsk(tuple(context), instructions, tuple(tools), choice, now, "m")
    steps = LEXICAL.reply(ask)
    assert steps
    assert steps == LEXICAL.reply(ask)
    for step in steps:
        if isinstance(step, Say):
            assert step.text.strip()
        else:
            assert isinstance(json.loads(step.arguments), dict)
            assert step.name in {tool.name for tool in tools}


@settings(max_examples=80, deadline=None)
@given(st.lists(UTTERANCE, min_size=1, max_size=5))
def test_a_conversation_always_comes_to_an_answer(turns: list[str]) -> None:
    talk = Conversation(LEXICAL, "", TOOLS)
    for text in turns:
        assert talk.say(text)


def test_huge_texts_are_bounded() -> None:
    huge = "what is two plus two and " * 40_000
    tools = (
        FunctionTool(
            "big", huge, {"type": "object", "properties": {str(i): {"enum": [huge] * 50} for i in range(500)}}
        ),
    )
    context = (Turn("user", huge), Turn("assistant", huge), Turn("user", "9" * 1_000_000), Turn("user", huge))
    assert LEXICAL.reply(BrainAsk(context, huge, tools, "auto", NOW, ""))
    results = (Turn("user", "hi"), Turn("call", huge, "big", "1"), Turn("result", "[" * 500_000, "", "1"))
    assert LEXICAL.reply(BrainAsk(results, huge, tools, "auto", NOW, ""))


@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": {"a": {"format": {}, "type": ["null", "string"]}}, "required": "a"},
        {"properties": {"a": {"enum": [{}, [], None, "x"]}, "b": {"items": []}}, "required": [1, "b", "c"]},
        {"properties": {"a": True, "": None}, "required": ["a", ""]},
        {"properties": [], "type": 3},
    ],
)
def test_malformed_schemas_still_make_a_call(parameters: dict[str, Any]) -> None:
    tools = (FunctionTool("tool", "", parameters),)
    steps = LEXICAL.reply(BrainAsk((Turn("user", "do it"),), "", tools, ("function", "tool"), NOW, ""))
    assert isinstance(steps[0], Call)


def test_many_functions_are_bounded() -> None:
    tools = tuple(FunctionTool(f"tool_{i}", "does things", {}) for i in range(2000))
    steps = LEXICAL.reply(BrainAsk((Turn("user", "tool 3"),), "", tools, "required", NOW, ""))
    assert isinstance(steps[0], Call)
