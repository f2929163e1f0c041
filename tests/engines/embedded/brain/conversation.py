"""A conversation with the brain as a client would lead it: functions are called and their results come back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from voicebridge.core.engine_io import FunctionTool
from voicebridge.engines.embedded.brain.agent import Brain
from voicebridge.engines.embedded.brain.types import BrainAsk, Call, Say, Turn

NOW = "2026-11-21T15:05:00+01:00"  # a Saturday
Choice = Literal["auto", "none", "required"] | tuple[Literal["function"], str]


@dataclass
class Conversation:
    brain: Brain
    instructions: str = ""
    tools: Sequence[FunctionTool] = ()
    choice: Choice = "auto"
    results: Mapping[str, str] = field(default_factory=dict)
    context: list[Turn] = field(default_factory=list)
    made: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def ask(self) -> BrainAsk:
        return BrainAsk(tuple(self.context), self.instructions, tuple(self.tools), self.choice, NOW, "gpt-realtime")

    def say(self, text: str | None) -> str:
        """The answer to a user turn (None: a response without one), after the functions it needed."""
        if text is not None:
            self.context.append(Turn("user", text))
        self.made = []
        for _ in range(4):
            steps = self.brain.reply(self.ask())
            calls = [step for step in steps if isinstance(step, Call)]
            for step in steps:
                if isinstance(step, Say):
                    self.context.append(Turn("assistant", step.text))
            if not calls:
                return " ".join(step.text for step in steps if isinstance(step, Say))
            for call in calls:
                call_id = f"call_{len(self.context)}"
                self.made.append((call.name, json.loads(call.arguments)))
                self.context.append(Turn("call", call.arguments, call.name, call_id))
                self.context.append(Turn("result", self.results.get(call.name, '{"ok": true}'), "", call_id))
        raise AssertionError("the brain called functions without end")
