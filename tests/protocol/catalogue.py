"""The catalogue of the protocol's events (`data/events.json`): its fields, and JSON values made from them.

A path is written `session{realtime}.tools[]{function}.name`: `{…}` names the branch of a union, `[]` any position.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
ABSENT = object()


@dataclass(frozen=True)
class Field:
    path: str
    type: str
    required: bool
    default: Any = ABSENT
    range: str | None = None
    nullable: bool = False
    emit: bool = False
    note: str = ""

    @property
    def parent(self) -> str:
        """The path of the object it is a member of, with that object's branch."""
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


@dataclass(frozen=True)
class Event:
    name: str
    direction: str
    dialect: str
    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return f"{self.dialect}:{self.name}"

    def field(self, path: str) -> Field | None:
        return next((field for field in self.fields if field.path == path), None)

    def branches(self, path: str) -> bool:
        return any(field.path.startswith(path + "{") for field in self.fields)


def events(direction: str) -> list[Event]:
    rows = json.loads((DATA / "events.json").read_text(encoding="utf-8"))
    return [
        Event(row["name"], row["direction"], row["dialect"], tuple(Field(**field) for field in row["fields"]))
        for row in rows
        if row["direction"] == direction
    ]


# --- types --------------------------------------------------------------------------------------------------------


def alternatives(kind: str) -> list[str]:
    """`integer | "inf"` is two, `array<string | object>` is one; enumerations are split into their values."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(kind):
        depth += (char == "<") - (char == ">" and kind[at - 1] != "-")
        if char == "|" and depth == 0:
            parts.append(kind[start:at].strip())
            start = at + 1
    return [*parts, kind[start:].strip()]


def constants(kind: str) -> list[str]:
    """The strings of a type, if it has some: `"low"|"high"`."""
    return [one.strip('"') for one in alternatives(kind) if one.startswith('"')]


def is_open(kind: str) -> bool:
    return any(one in ("string", "string(open enum)") for one in alternatives(kind))


def is_object(kind: str) -> bool:
    return any(one == "object" or one.startswith("object:") for one in alternatives(kind))


def fits(value: Any, kind: str) -> bool:
    """Is the JSON value of that type? Members of objects are other fields' business."""
    return any(_fits(value, one) for one in alternatives(kind))


def _fits(value: Any, kind: str) -> bool:
    if kind.startswith("array<"):
        return isinstance(value, list) and all(fits(one, kind[6:-1]) for one in value)
    if kind.startswith("map<"):
        return isinstance(value, dict)
    if kind.startswith('"'):
        return bool(value == kind.strip('"'))
    if kind.isdigit():
        return bool(value == int(kind))
    if kind == "object" or kind.startswith("object:"):
        return isinstance(value, dict)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {
        "any": True,
        "string": isinstance(value, str),
        "string(open enum)": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": number and isinstance(value, int),
        "number": number,
    }[kind]


# --- places in JSON -----------------------------------------------------------------------------------------------


def steps(path: str) -> list[str | int]:
    """The keys that lead to a field, first positions where there are several."""
    keys: list[str | int] = []
    for name in path.split("."):
        bare = re.sub(r"\{[^}]*\}", "", name)
        keys.append(bare.split("[")[0])
        if bare.endswith("[]"):
            keys.append(0)
    return keys


def dotted(path: str) -> str:
    """How an error names a field."""
    text = ""
    for key in steps(path):
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.lstrip(".")


def found(data: Any, path: str) -> Any:
    """The value at a path, or ABSENT."""
    for key in steps(path):
        if isinstance(key, int):
            data = data[key] if isinstance(data, (list, tuple)) and len(data) > key else ABSENT
        else:
            data = data.get(key, ABSENT) if isinstance(data, dict) else ABSENT
    return data


def placed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the value at a path whose parent exists; ABSENT takes it away."""
    copy: dict[str, Any] = json.loads(json.dumps(data))
    here: Any = copy
    *way, last = steps(path)
    for key in way:
        here = here[key]
    if value is ABSENT:
        del here[last]
    else:
        here[last] = value
    return copy


def paths(value: Any, event: Event, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every member below `value` by its path in the catalogue's spelling, and what it is."""
    if isinstance(value, list):
        for one in value:
            yield from paths(one, event, prefix + "[]")
    elif isinstance(value, dict):
        if prefix and event.branches(prefix):
            prefix += "{" + branch(value) + "}"
        for name, member in value.items():
            path = f"{prefix}.{name}" if prefix else name
            yield path, member
            yield from paths(member, event, path)


def branch(value: dict[str, Any]) -> str:
    kind = value["type"]
    return f"message/{value['role']}" if kind == "message" else str(kind)
