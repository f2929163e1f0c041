"""Events for a peer that takes messages of a certain size only (a data channel): split or shortened, never broken.

Deltas are split, so that nothing of them is lost. Everything else stays one event of its type with its ids; what can
best be missed goes first: sound, pictures, the ends of long texts, schemas of tools, and only in events made to be
difficult also the arguments of calls, the ends of lists, and names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple, TypeAlias

from voicebridge.protocol.json_text import compact

Json: TypeAlias = dict[str, Any]

MARK = "… [shortened]"
"""At the end of a text that was cut."""

LEGIBLE = 256
"""Bytes that every text keeps while something else can be missed."""

NO_PICTURE = "data:,"

_WORDS = frozenset({"instructions", "description", "text", "transcript", "output", "message", "prompt"})
_MAPS: dict[str, Json] = {
    "parameters": {"type": "object", "description": MARK},
    "variables": {},
    "metadata": {},
}
"""Objects whose members are the client's own, and what stands for them when they are too much."""

_OWN = frozenset({"parameters", "variables"})
_KEPT = frozenset({"type", "object", "event_id"})
_AUDIO_STEP = 8
"""Characters of base64 that hold whole samples."""

_SUFFIX = 8
"""Bytes for telling the ids of a split event's messages apart."""


def size(value: Any) -> int:
    """Bytes of its JSON."""
    return len(compact(value).encode())


_MARKED = size(MARK) - 2


def fitting(event: Json, limit: int) -> list[Json]:
    """The event as messages of at most `limit` bytes each; none where not even its type would fit. It is used up."""
    parts = [event]
    if size(event) > limit and isinstance(event.get("delta"), str):
        parts = _split(event, limit) or parts
    shortened = (_shortened(part, limit) for part in parts)
    return [part for part in shortened if part is not None]


# --- nothing is lost ----------------------------------------------------------------------------------------------


def _split(delta: Json, limit: int) -> list[Json]:
    """In pieces, each an event with an id of its own. Nothing where what is around the delta leaves no room."""
    logprobs = delta.get("logprobs")
    around = delta | {"delta": ""} | ({} if logprobs is None else {"logprobs": []})
    room = limit - size(around) - _SUFFIX
    step = _AUDIO_STEP if delta["type"].endswith("audio.delta") else 1
    if room < 2 * max(step, 4):
        return []
    texts = _pieces(delta["delta"], room if logprobs is None else room // 2, step)
    chances = _chunks(logprobs or [], room // 2)
    parts = []
    for number, (text, some) in enumerate(zip_longest(texts, chances)):
        part = around | {"delta": text or ""}
        if number:
            part["event_id"] = f"{delta['event_id']}_{number}"
        if logprobs is not None:
            part["logprobs"] = some or []
        parts.append(part)
    return parts


def _pieces(text: str, room: int, step: int) -> Iterator[str]:
    at = 0
    while at < len(text):
        taken = max(step, _leading(text[at : at + room], room) // step * step)
        yield text[at : at + taken]
        at += taken


def _chunks(values: list[Any], room: int) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    left = room
    for value in values:
        needed = size(value) + 1
        if needed > left and chunk:
            yield chunk
            chunk, left = [], room
        chunk.append(value)
        left -= needed
    if chunk:
        yield chunk


def _leading(text: str, room: int) -> int:
    """How many characters take at most `room` bytes as JSON."""
    low, high = 0, min(len(text), room)
    if size(text[:high]) - 2 <= room:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle]) - 2 <= room:
            low = middle
        else:
            high = middle - 1
    return low


# --- something is -------------------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """A value somewhere in the event: `holder[key]`, so many levels down."""

    holder: Any
    key: Any
    value: Any
    depth: int


class _Survey:
    """What there is to lose in an event, found in one walk."""

    def __init__(self, event: Json) -> None:
        self.sounds: list[_Place] = []
        self.pictures: list[_Place] = []
        self.words: list[_Place] = []
        self.arguments: list[_Place] = []
        self.names: list[_Place] = []
        self.maps: list[_Place] = []
        self.lists: list[_Place] = []
        inside: list[tuple[Any, int, bool]] = [(event, 0, False)]
        while inside:
            holder, depth, own = inside.pop()
            for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
                if isinstance(value, str):
                    kind = self._kind(key, own=own)
                    if kind is not None and len(value) > 2:
                        kind.append(_Place(holder, key, value, depth))
                elif isinstance(value, dict | list) and value:
                    inside.append((value, depth + 1, own or key in _OWN))
                    if isinstance(value, list):
                        self.lists.append(_Place(holder, key, value, depth))
                    elif key in _MAPS and not own:
                        self.maps.append(_Place(holder, key, value, depth))

    def _kind(self, key: Any, *, own: bool) -> list[_Place] | None:
        if own or key in _WORDS:
            return self.words
        match key:
            case "audio":
                return self.sounds
            case "image_url":
                return self.pictures
            case "arguments":
                return self.arguments
            case _:
                return None if key in _KEPT else self.names


def _shortened(event: Json, limit: int) -> Json | None:
    over = size(event) - limit
    if over <= 0:
        return event
    survey = _Survey(event)
    over = _drop(survey.sounds, over)
    over = _replace_largest(survey.pictures, over, lambda _: NO_PICTURE)
    over = _cut(survey.words, over, LEGIBLE)
    over = _replace_largest(survey.maps, over, lambda key: dict(_MAPS[key]))
    if over > 0:
        _shorten_further(event, limit)
    if size(event) > limit:
        event = {name: event[name] for name in ("event_id", "type")}
    return event if size(event) <= limit else None


def _shorten_further(event: Json, limit: int) -> None:
    survey = _Survey(event)
    over = _cut(survey.words, size(event) - limit, 0)
    # a client that parses arguments finds these broken; with something else in their place it would act on it
    over = _cut(survey.arguments, over, 0)
    while over > 0 and survey.lists:
        over = _shorten_list(survey.lists, over)
        survey = _Survey(event)
    _cut(survey.names, over, 0)


# Each of these takes how many bytes are too many, and returns how many are still.


def _drop(places: list[_Place], over: int) -> int:
    for place in places:
        if over > 0:
            del place.holder[place.key]
            over -= size(place.value)
    return over


def _replace_largest(places: list[_Place], over: int, substitute: Callable[[Any], Any]) -> int:
    """Put `substitute(key)` in the place of the largest, one after another."""
    if over <= 0:
        return over
    for length, at in sorted(((size(place.value), at) for at, place in enumerate(places)), reverse=True):
        other = substitute(places[at].key)
        saved = length - size(other)
        if over > 0 and saved > 0:
            places[at].holder[places[at].key] = other
            over -= saved
    return over


def _cut(texts: list[_Place], over: int, floor: int) -> int:
    """Cut the longest, all to the same length in bytes, and none below `floor`."""
    if over <= 0:
        return over
    floor = max(floor, _MARKED)
    # a character takes six bytes at the most: those that are short enough anyway need not be measured
    texts = [text for text in texts if len(text.value) * 6 > floor]
    sizes = [size(text.value) - 2 for text in texts]
    level = max(floor, _common_length(sizes, over))
    for text, length in zip(texts, sizes, strict=True):
        if length > level:
            cut = text.value[: _leading(text.value, level - _MARKED)] + MARK
            text.holder[text.key] = cut
            over -= length + 2 - size(cut)
    return over


def _common_length(sizes: list[int], saved: int) -> int:
    """The greatest length to which all that are longer must be cut, so that so much is saved."""
    level, total = 0, 0
    longest = [*sorted(sizes, reverse=True), 0]
    for number, length in enumerate(longest[:-1], 1):
        total += length
        level = (total - saved) // number
        if level >= longest[number]:
            break
    return level


def _shorten_list(lists: list[_Place], over: int) -> int:
    """The innermost that is long enough loses its end; where none is, the longest loses all."""
    sizes = [size(place.value) for place in lists]
    enough = [place for place, length in zip(lists, sizes, strict=True) if length > over]
    chosen = max(enough, key=lambda place: place.depth) if enough else lists[sizes.index(max(sizes))]
    while chosen.value and over > 0:
        over -= size(chosen.value.pop())
        over -= bool(chosen.value)  # its comma
    return over
