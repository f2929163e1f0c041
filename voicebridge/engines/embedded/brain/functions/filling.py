"""The arguments of a call, taken from the words of an utterance."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voicebridge.engines.embedded.brain.functions.free_text import by_cue, quoted, remainder
from voicebridge.engines.embedded.brain.functions.schema import Function, Slot
from voicebridge.engines.embedded.brain.functions.values import Several, find_value
from voicebridge.engines.embedded.brain.functions.wording import Wording

# The order matters: what is recognisable by form is taken before what is recognised by its place in the sentence.
_ORDER = (
    "email", "phone", "url", "duration", "datetime", "date", "time", "enum", "code", "number", "place", "person",
    "boolean",
)  # fmt: skip
_MOST_CALLS = 5


@dataclass(frozen=True, slots=True)
class Filled:
    """Argument values by name; a `Several` stands for one call each. `missing` are required slots without a value."""

    values: dict[str, Any]
    missing: tuple[Slot, ...]

    def calls(self) -> list[dict[str, Any]]:
        """One set of arguments for each call that was asked for."""
        sets: list[dict[str, Any]] = [{}]
        for name, value in self.values.items():
            options = list(value)[:_MOST_CALLS] if isinstance(value, Several) else [value]
            sets = [{**chosen, name: option} for chosen in sets for option in options][:_MOST_CALLS]
        return sets


def fill(function: Function, text: str, now: datetime | None) -> Filled:
    """Arguments from one utterance; never raises."""
    wording = Wording(text, now)
    values: dict[str, Any] = {}
    _fill_slots(function, function.slots, wording, values)
    return settle(function, values)


def answer(
    function: Function, slot: Slot, text: str, now: datetime | None, values: dict[str, Any]
) -> dict[str, Any] | None:
    """`values` with the answer to the question for `slot` and what else it names; None if it names nothing."""
    wording = Wording(text, now)
    found = _one(function, slot, wording, alone=True)
    if found is None:
        return None
    more: dict[str, Any] = {}
    others = tuple(
        other
        for other in function.slots
        if other.name not in values and other != slot and other.role not in ("text", "thing")
    )
    _fill_slots(function, others, wording, more)
    return {**values, **more, slot.name: found}


def amend(function: Function, text: str, now: datetime | None, values: dict[str, Any]) -> dict[str, Any] | None:
    """Read "and in Rome?": `values` of the last call with what the follow-up replaces; None if it replaces nothing."""
    wording = Wording(text, now)
    fresh: dict[str, Any] = {}
    _fill_slots(function, tuple(slot for slot in function.slots if slot.role not in ("text", "thing")), wording, fresh)
    left = " ".join(wording.left()).lower()
    if not fresh or len(re.sub(r"\b(?:and|what|about|how|in|for|the|to|on|at|it|of)\b", " ", left).split()) > 2:
        return None
    return {**values, **fresh}


def settle(function: Function, values: dict[str, Any]) -> Filled:
    """Defaults for required slots, and the list of what is still to be asked."""
    values = dict(values)
    missing: list[Slot] = []
    for slot in function.slots:
        if not slot.required or slot.name in values:
            continue
        if slot.default is not None:
            values[slot.name] = slot.default
        elif len(slot.choices) == 1 or (slot.choices and slot.words.endswith(("unit", "units"))):
            values[slot.name] = [slot.choices[0]] if slot.many else slot.choices[0]
        else:
            missing.append(slot)
    return Filled(values, tuple(missing))


def to_json(values: dict[str, Any]) -> str:
    """The arguments as the API carries them."""
    return json.dumps(values, ensure_ascii=False, default=str)


def _fill_slots(function: Function, slots: tuple[Slot, ...], wording: Wording, values: dict[str, Any]) -> None:
    for early in (quoted, _early_cue):
        for slot in slots:
            if (
                slot.name not in values
                and slot.role in ("text", "thing")
                and (found := early(slot, wording)) is not None
            ):
                values[slot.name] = [found] if slot.many and not isinstance(found, list) else found
    by_form = sorted((slot for slot in slots if slot.role in _ORDER), key=_rank)
    for slot in by_form:
        if slot.name not in values and (found := _one(function, slot, wording, alone=False)) is not None:
            values[slot.name] = found
    for slot in slots:
        if slot.kind == "object" and slot.parts:
            inner: dict[str, Any] = {}
            _fill_slots(function, slot.parts, wording, inner)
            if inner:
                values[slot.name] = [inner] if slot.many else inner
    _fill_free(function, slots, wording, values)


def _is_thing(slot: Slot) -> bool:
    """Places without names of their own: "vacuum the living room" has no preposition to find it by."""
    return slot.role == "place" and bool(re.search(r"\b(?:room|hall|station|stop|area)$", slot.words))


def _early_cue(slot: Slot, wording: Wording) -> Any:
    return by_cue(slot, wording, early=True)


def _rank(slot: Slot) -> tuple[int, bool, bool]:
    """Places and people: those with a preposition of their own first, the required ones before the others."""
    directed = bool(re.search(r"\b(?:from|to|origin|destination|source|target|departure|arrival)\b", slot.words))
    return _ORDER.index(slot.role), not directed, not slot.required


def _fill_free(function: Function, slots: tuple[Slot, ...], wording: Wording, values: dict[str, Any]) -> None:
    free = [
        slot
        for slot in slots
        if slot.kind == "string" and (slot.role in ("text", "thing", "code", "url") or _is_thing(slot))
    ]
    for slot in free:
        if slot.name not in values and (found := by_cue(slot, wording, early=False)) is not None:
            values[slot.name] = found
    waiting = [slot for slot in free if slot.name not in values and not re.search(r"language|currency", slot.words)]
    main = [slot for slot in waiting if slot.required]
    if not any(slot.required for slot in slots):  # many schemas forget to say what is required
        main = [
            slot for slot in waiting if not re.search(r"reason|note|comment|label|description|purpose", slot.words)
        ][:1]
    for slot in main[:2]:
        found = remainder(function, slot, wording, alone=False)
        if found is not None:
            values[slot.name] = found


def _one(function: Function, slot: Slot, wording: Wording, *, alone: bool) -> Any:
    """One slot's value; an answer to its question may also be its words just as they are."""
    found = by_cue(slot, wording, early=False) if slot.role == "code" else None
    if found is None:
        found = find_value(slot, wording, alone=alone)
    if found is not None or not alone or slot.kind not in ("string", "object"):
        return found
    if slot.role in ("enum", "date", "time", "datetime", "email", "phone") and not (
        slot.role in ("date", "time", "datetime") and wording.now is None
    ):
        return None
    if slot.kind == "object":
        inner: dict[str, Any] = {}
        _fill_slots(function, slot.parts, wording, inner)
        return inner or None
    if slot.role in ("text", "thing") and (cued := by_cue(slot, wording, early=False)) is not None:
        return cued
    value = remainder(function, slot, wording, alone=True)
    if isinstance(value, str) and slot.role in ("place", "person") and value.islower():
        return value.title()
    return value
