"""A function's JSON schema as a list of slots to fill. Whatever is malformed becomes a plain text slot or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from voicebridge.core.engine_io import FunctionTool
from voicebridge.engines.embedded.brain.words import split_name, tidy

Kind: TypeAlias = Literal["string", "number", "integer", "boolean", "array", "object"]
Role: TypeAlias = Literal[
    "enum", "number", "boolean", "date", "time", "datetime", "duration", "place", "person", "email", "phone", "url",
    "code", "text", "thing",
]  # fmt: skip
_KINDS: tuple[Kind, ...] = ("string", "number", "integer", "boolean", "array", "object")
_MOST_SLOTS = 24
_MOST_CHOICES = 64
_DEEPEST = 3

_ROLE_WORDS: tuple[tuple[Role, str], ...] = (
    ("email", r"e?mail (?:address)?$|^e?mail$"),
    ("phone", r"phone|telephone|mobile"),
    ("url", r"^(?:url|uri|link|website)$"),
    ("datetime", r"date ?time|timestamp|^(?:start|end|begin) (?:at|date time)$|^when$"),
    ("date", r"\b(?:date|day|weekday)$|^(?:checkin|checkout|check in|check out|deadline|due)$|^due\b"),
    ("time", r"\b(?:time|hour|clock)$|^at$"),
    (
        "place",
        (
            r"\b(?:location|city|town|place|country|region|station|stop|terminal|room|hall|origin|destination|airport|from|where|area"
            r"|state)$|^to$|\baddress$"
        ),
    ),
    (
        "person",
        (
            r"\b(?:person|recipient|contact|to|attendees?|guests?|assignee|participants?|callee"
            r"|invitees?|who|customer)$|name of (?:the )?person"
        ),
    ),
    (
        "code",
        (
            r"\b(?:symbol|ticker|currency|sku|code|id|identifier|reference|(?:order|tracking|account"
            r"|flight|room) (?:number|no))$"
        ),
    ),
    (
        "text",
        (
            r"\b(?:message|body|text|content|note|reminder|task|title|subject|query|question|term"
            r"|search|keywords?|topic|description|comment|reason|item|items|todo|summary|label|song"
            r"|track|phrase|sentence|words)$"
        ),
    ),
)
_PERSON_NAME = re.compile(r"^(?:(?:first|last|full|user|customer|guest|contact|patient|caller|recipient) ?name|name)$")


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter. `words` is its name as words; `choices` are the enum's values; `parts` those of an object."""

    name: str
    words: str
    about: str
    kind: Kind
    role: Role
    required: bool
    choices: tuple[Any, ...] = ()
    default: Any = None
    many: bool = False
    low: float | None = None
    high: float | None = None
    parts: tuple[Slot, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A client function with its slots, required ones first."""

    name: str
    words: str
    about: str
    slots: tuple[Slot, ...]


def read_function(tool: FunctionTool) -> Function:
    """Never raises, whatever the schema."""
    schema = tool.parameters if isinstance(tool.parameters, dict) else {}
    slots = _read_slots(schema, 0)
    about = tidy(tool.description)[:400] if isinstance(tool.description, str) else ""
    return Function(tool.name, split_name(tool.name), about, slots)


def _read_slots(schema: dict[str, Any], depth: int) -> tuple[Slot, ...]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return ()
    listed = schema.get("required")
    required = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
    slots = [
        _read_slot(name, entry, name in required, depth)
        for name, entry in list(properties.items())[:_MOST_SLOTS]
        if isinstance(name, str) and len(name) <= 100
    ]
    return tuple(sorted(slots, key=lambda slot: not slot.required))


def _kind(entry: dict[str, Any]) -> Kind:
    declared = entry.get("type")
    names = declared if isinstance(declared, list) else [declared]
    for name in names:
        if name in _KINDS:
            found: Kind = name
            return found
    for key in ("anyOf", "oneOf", "allOf"):
        options = entry.get(key)
        for option in options[:8] if isinstance(options, list) else ():
            if isinstance(option, dict) and option.get("type") in _KINDS:
                nested: Kind = option["type"]
                return nested
    if isinstance(entry.get("properties"), dict):
        return "object"
    return "array" if isinstance(entry.get("items"), dict) else "string"


def _read_slot(name: str, entry: Any, required: bool, depth: int) -> Slot:
    entry = entry if isinstance(entry, dict) else {}
    kind = _kind(entry)
    raw_items = entry.get("items")
    items: dict[str, Any] = raw_items if kind == "array" and isinstance(raw_items, dict) else {}
    inner = items or entry
    inner_kind = _kind(items) if items else ("string" if kind == "array" else kind)
    about = tidy(entry["description"])[:300] if isinstance(entry.get("description"), str) else ""
    words = split_name(name)
    choices = _choices(inner)
    return Slot(
        name=name,
        words=words,
        about=about,
        kind=inner_kind,
        role=_role(words, about, inner_kind, choices, inner.get("format")),
        required=required,
        choices=choices,
        default=entry.get("default"),
        many=kind == "array",
        low=_bound(inner.get("minimum")),
        high=_bound(inner.get("maximum")),
        parts=_read_slots(inner, depth + 1) if inner_kind == "object" and depth < _DEEPEST else (),
    )


def _choices(entry: dict[str, Any]) -> tuple[Any, ...]:
    if _is_choice(entry.get("const")):
        return (entry["const"],)
    listed = entry.get("enum")
    if not isinstance(listed, list):
        return ()
    return tuple(value for value in listed[:_MOST_CHOICES] if _is_choice(value))


def _is_choice(value: Any) -> bool:
    """Whether a value of an enum is short enough to be spoken."""
    return isinstance(value, bool | float) or (isinstance(value, str | int) and len(str(value)[:100]) < 100)


def _bound(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None


def _role(words: str, about: str, kind: Kind, choices: tuple[Any, ...], form: Any) -> Role:
    if choices:
        return "enum"
    if kind == "boolean":
        return "boolean"
    if kind == "object":
        return "thing"
    lowered = about.lower()
    if kind in ("number", "integer"):
        timed = re.search(r"\b(?:duration|seconds?|minutes?|hours?|length)\b", words)
        return "duration" if timed else "number"
    formats: dict[Any, Role] = {"date": "date", "date-time": "datetime", "time": "time", "email": "email", "uri": "url"}
    if isinstance(form, str) and form in formats:
        return formats[form]
    for role, pattern in _ROLE_WORDS:
        if re.search(pattern, words):
            if role == "place" and words in ("to", "from") and re.search(r"person|recipient|contact|name|who", lowered):
                return "person"
            if role == "date" and re.search(r"\bdate and time\b|\biso 8601 date-?time\b", lowered):
                return "datetime"
            return role
    if _PERSON_NAME.search(words) and not re.search(
        r"\b(?:item|product|song|device|room|file|list|timer|app)\b", lowered
    ):
        return "person"
    if re.match(r"(?:the )?(?:city|location|place|town)\b", lowered):
        return "place"
    if re.search(r"\bduration\b", words):
        return "duration"
    return "thing"
