"""The legal moves, as tables: turns of the speaker, responses of the assistant.

The machines in `turns` and `responses` look their moves up here; the tests try every cell, and `diagram()` draws the
tables for docs/architecture.md.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeVar


class Turn(enum.Enum):
    """The speaker, as far as the detector can tell."""

    QUIET = "quiet"
    SPEAKING = "speaking"
    PAUSING = "pausing"


class TurnInput(enum.Enum):
    BEGUN = "enough voiced windows in a row"
    VOICED = "a voiced window"
    UNVOICED = "an unvoiced window"
    ENDED = "silence long enough, or judged finished"
    RESET = "buffer cleared, committed by hand, or settings changed"


TURN_MOVES: Mapping[tuple[Turn, TurnInput], Turn] = {
    (Turn.QUIET, TurnInput.BEGUN): Turn.SPEAKING,
    (Turn.QUIET, TurnInput.VOICED): Turn.QUIET,
    (Turn.QUIET, TurnInput.UNVOICED): Turn.QUIET,
    (Turn.QUIET, TurnInput.RESET): Turn.QUIET,
    (Turn.SPEAKING, TurnInput.VOICED): Turn.SPEAKING,
    (Turn.SPEAKING, TurnInput.UNVOICED): Turn.PAUSING,
    (Turn.SPEAKING, TurnInput.RESET): Turn.QUIET,
    (Turn.PAUSING, TurnInput.VOICED): Turn.SPEAKING,
    (Turn.PAUSING, TurnInput.UNVOICED): Turn.PAUSING,
    (Turn.PAUSING, TurnInput.ENDED): Turn.QUIET,
    (Turn.PAUSING, TurnInput.RESET): Turn.QUIET,
}


class Making(enum.Enum):
    """What a response is busy with."""

    NOTHING = "between items"
    SPEAKING = "an audio part is open"
    WRITING = "a text part is open"
    CALLING = "a function call is open"
    CLOSED = "done"


class MakingInput(enum.Enum):
    SPEECH = "speech"
    TEXT = "text"
    CALL_STARTED = "call started"
    CALL_ARGUMENTS = "call arguments"
    CALL_DONE = "call done"
    CLOSE = "finished, cancelled, failed or cut short"


MAKING_MOVES: Mapping[tuple[Making, MakingInput], Making] = {
    (Making.NOTHING, MakingInput.SPEECH): Making.SPEAKING,
    (Making.NOTHING, MakingInput.TEXT): Making.WRITING,
    (Making.NOTHING, MakingInput.CALL_STARTED): Making.CALLING,
    (Making.NOTHING, MakingInput.CLOSE): Making.CLOSED,
    (Making.SPEAKING, MakingInput.SPEECH): Making.SPEAKING,
    (Making.SPEAKING, MakingInput.TEXT): Making.WRITING,
    (Making.SPEAKING, MakingInput.CALL_STARTED): Making.CALLING,
    (Making.SPEAKING, MakingInput.CLOSE): Making.CLOSED,
    (Making.WRITING, MakingInput.SPEECH): Making.SPEAKING,
    (Making.WRITING, MakingInput.TEXT): Making.WRITING,
    (Making.WRITING, MakingInput.CALL_STARTED): Making.CALLING,
    (Making.WRITING, MakingInput.CLOSE): Making.CLOSED,
    (Making.CALLING, MakingInput.CALL_ARGUMENTS): Making.CALLING,
    (Making.CALLING, MakingInput.CALL_DONE): Making.NOTHING,
    (Making.CALLING, MakingInput.CLOSE): Making.CLOSED,
}

State = TypeVar("State", bound=enum.Enum)
Move = TypeVar("Move", bound=enum.Enum)


class IllegalMove(Exception):
    """A machine was asked for a move that its table does not have."""


def moved(moves: Mapping[tuple[State, Move], State], state: State, move: Move) -> State:
    """The next state, or IllegalMove."""
    try:
        return moves[(state, move)]
    except KeyError:
        raise IllegalMove(f"'{move.value}' while '{state.value}'") from None


def diagram(moves: Mapping[tuple[State, Move], State]) -> str:
    """The table as a Mermaid state diagram."""
    lines = [f"    {state.name} --> {after.name}: {move.name}" for (state, move), after in moves.items()]
    return "\n".join(["stateDiagram-v2", *lines])
