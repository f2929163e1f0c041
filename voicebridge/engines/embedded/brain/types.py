"""What the brain is asked and what it answers. Plain values; no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from voicebridge.core.engine_io import FunctionTool


@dataclass(frozen=True, slots=True)
class Turn:
    """One item of the conversation, oldest first.

    `call`: `name` is the function, `text` its arguments as a JSON object, `call_id` joins it to its result.
    `result`: `text` is what the client's function gave back, `call_id` that of its call.
    """

    kind: Literal["user", "assistant", "system", "call", "result"]
    text: str
    name: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class BrainAsk:
    """Everything needed to make one response. `now` is ISO 8601 local time with its offset."""

    context: tuple[Turn, ...]
    instructions: str
    tools: tuple[FunctionTool, ...]
    tool_choice: Literal["auto", "none", "required"] | tuple[Literal["function"], str]
    now: str
    model: str


@dataclass(frozen=True, slots=True)
class Say:
    """Words for the user, written as they are to be spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a client function; `arguments` is a JSON object as text."""

    name: str
    arguments: str


BrainStep: TypeAlias = Say | Call
