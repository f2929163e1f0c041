from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from voicebridge.core.lifecycle import (
    MAKING_MOVES,
    TURN_MOVES,
    IllegalMove,
    Making,
    MakingInput,
    Turn,
    TurnInput,
    diagram,
    moved,
)

T, TI, M, MI = Turn, TurnInput, Making, MakingInput

TURNS: dict[Turn, dict[TurnInput, Turn]] = {
    T.QUIET: {TI.BEGUN: T.SPEAKING, TI.VOICED: T.QUIET, TI.UNVOICED: T.QUIET, TI.RESET: T.QUIET},
    T.SPEAKING: {TI.VOICED: T.SPEAKING, TI.UNVOICED: T.PAUSING, TI.RESET: T.QUIET},
    T.PAUSING: {TI.VOICED: T.SPEAKING, TI.UNVOICED: T.PAUSING, TI.ENDED: T.QUIET, TI.RESET: T.QUIET},
}
_OPEN = {MI.SPEECH: M.SPEAKING, MI.TEXT: M.WRITING, MI.CALL_STARTED: M.CALLING, MI.CLOSE: M.CLOSED}
MAKINGS: dict[Making, dict[MakingInput, Making]] = {
    M.NOTHING: _OPEN,
    M.SPEAKING: _OPEN,
    M.WRITING: _OPEN,
    M.CALLING: {MI.CALL_ARGUMENTS: M.CALLING, MI.CALL_DONE: M.NOTHING, MI.CLOSE: M.CLOSED},
    M.CLOSED: {},
}
"""What is legal, written down a second time: every other cell is illegal."""

CELLS: list[tuple[Mapping[Any, Any], enum.Enum, enum.Enum, enum.Enum | None]] = [
    *((TURN_MOVES, state, move, TURNS[state].get(move)) for state in Turn for move in TurnInput),
    *((MAKING_MOVES, state, move, MAKINGS[state].get(move)) for state in Making for move in MakingInput),
]


@pytest.mark.parametrize(
    ("moves", "state", "move", "after"), CELLS, ids=[f"{state.name}-{move.name}" for _, state, move, _ in CELLS]
)
def test_every_cell(moves: Mapping[Any, Any], state: enum.Enum, move: enum.Enum, after: enum.Enum | None) -> None:
    if after is None:
        with pytest.raises(IllegalMove, match=re.escape(f"'{move.value}' while '{state.value}'")):
            moved(moves, state, move)
    else:
        assert moved(moves, state, move) is after


ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.mark.parametrize(("name", "moves"), [("turn", TURN_MOVES), ("response", MAKING_MOVES)])
def test_the_diagrams_of_the_documentation_are_those_of_the_tables(name: str, moves: Mapping[Any, Any]) -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    drawn = re.search(rf"<!-- {name} -->\n```mermaid\n(.*?)\n```\n<!-- /{name} -->", text, re.DOTALL)
    assert drawn is not None
    assert drawn[1] == diagram(moves)
