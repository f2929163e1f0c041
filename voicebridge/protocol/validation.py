"""From pydantic's errors to the protocol's: one error per event, with its code, its dotted path and a useful sentence.

Where an event has several faults the first of this order is told (protocol 7.1): something missing, something unknown,
a wrong type, a value out of range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from voicebridge.errors import InvalidEvent

UnknownMembers = Literal["off", "warn", "error"]


def _report_nothing(path: str) -> None:
    """Nobody wants to hear of unknown members."""


@dataclass(frozen=True, slots=True)
class Strictness:
    """What to do with members that the protocol does not know (choice 17).

    off: take the event without them. warn: the same, and `report` their paths. error: refuse the event.
    Members of the *other dialect* are always refused: to ignore them would be to do something else than asked.
    """

    unknown_members: UnknownMembers = "warn"
    report: Callable[[str], None] = _report_nothing


OTHER_DIALECT = {
    "session.modalities": "output_modalities",
    "session.voice": "audio.output.voice",
    "session.input_audio_format": "audio.input.format",
    "session.output_audio_format": "audio.output.format",
    "session.input_audio_transcription": "audio.input.transcription",
    "session.input_audio_noise_reduction": "audio.input.noise_reduction",
    "session.turn_detection": "audio.input.turn_detection",
    "session.speed": "audio.output.speed",
    "session.max_response_output_tokens": "max_output_tokens",
    "response.modalities": "output_modalities",
    "response.voice": "audio.output.voice",
    "response.output_audio_format": "audio.output.format",
    "response.max_response_output_tokens": "max_output_tokens",
}
"""Beta members and what they are called in GA."""

_BESIDE_SESSION = frozenset(
    {
        "modalities", "output_modalities", "instructions", "voice", "tools", "tool_choice", "turn_detection", "audio",
        "input_audio_format", "output_audio_format", "input_audio_transcription", "temperature", "max_output_tokens",
    }
)  # fmt: skip
"""Session members that old documentation puts next to `type` (protocol 5.8)."""


def validated(adapter: TypeAdapter[Any], data: dict[str, Any], path: str, strictness: Strictness) -> Any:
    """The model of `data`, or InvalidEvent. `path` is where `data` stands in the event, "" for the whole event."""
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        faults = [_fault(detail, data, path) for detail in error.errors(include_url=False)]
    tolerable = [fault for fault in faults if _tolerable(fault, strictness)]
    if len(tolerable) < len(faults):
        worst = min((fault for fault in faults if fault not in tolerable), key=lambda fault: fault.rank)
        raise InvalidEvent(worst.message, code=worst.code, param=worst.param)
    for fault in tolerable:
        if strictness.unknown_members == "warn":
            strictness.report(fault.param)
        data = _without(data, fault.keys)
    return validated(adapter, data, path, strictness)


def _tolerable(fault: _Fault, strictness: Strictness) -> bool:
    if fault.code != "unknown_parameter" or strictness.unknown_members == "error":
        return False
    return fault.param not in OTHER_DIALECT and fault.param not in _BESIDE_SESSION


@dataclass(frozen=True, slots=True)
class _Fault:
    code: str
    param: str
    message: str
    keys: tuple[str | int, ...]

    @property
    def rank(self) -> int:
        if self.code == "invalid_value" and self.keys[-1:] == ("type",):
            return -1  # the wrong kind of thing: what it lacks as another kind is beside the point
        order = ("missing_required_parameter", "unknown_parameter", "invalid_type")
        return order.index(self.code) if self.code in order else len(order)


def _fault(detail: ErrorDetails, data: Any, path: str) -> _Fault:
    kind = detail["type"]
    keys = _real_keys(detail["loc"], data, absent=kind == "missing")
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind in ("union_tag_not_found", "union_tag_invalid") and _looks_like_object(data, keys):
        keys = (*keys, "type")
        misspelt = kind == "union_tag_invalid" or _lookup(data, keys) is not None
        kind = "literal_error" if misspelt else "missing"
    elif kind in ("union_tag_not_found", "union_tag_invalid"):
        kind = "model_type"
    elif kind == "missing_member":
        kind, keys = "missing", (*keys, context["member"])
    param = _dotted(path, keys)
    code = _code(kind, _lookup(data, keys), context)
    return _Fault(code, param, _message(code, kind, param, detail, _lookup(data, keys)), keys)


def _real_keys(location: tuple[str | int, ...], data: Any, *, absent: bool) -> tuple[str | int, ...]:
    """The location without the names of union branches, which pydantic mixes in among the keys.

    `absent`: the last key names a member that is not there.
    """
    keys: list[str | int] = []
    here = data
    for position, key in enumerate(location):
        last = absent and position == len(location) - 1
        if _has(here, key):
            here = here[key]
        elif not (last and isinstance(here, dict)):
            continue
        keys.append(key)
    return tuple(keys)


def _has(container: Any, key: str | int) -> bool:
    if isinstance(container, list):
        return isinstance(key, int) and key < len(container)
    return isinstance(container, dict) and key in container


def _looks_like_object(data: Any, keys: tuple[str | int, ...]) -> bool:
    return isinstance(_lookup(data, keys), dict)


def _lookup(data: Any, keys: tuple[str | int, ...]) -> Any:
    for key in keys:
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return None
    return data


def _without(data: Any, keys: tuple[str | int, ...]) -> Any:
    head, *rest = keys
    if isinstance(data, list):
        assert isinstance(head, int)  # noqa: S101 - lists have positions
        return [*data[:head], _without(data[head], tuple(rest)), *data[head + 1 :]]
    if not rest:
        return {key: value for key, value in data.items() if key != head}
    return {**data, head: _without(data[head], tuple(rest))}


def _dotted(path: str, keys: tuple[str | int, ...]) -> str:
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) else f".{key}"
    return path.lstrip(".")


_MESSAGE_BRANCHES = "'message/system', 'message/user', 'message/assistant', 'message/unknown'"
"""How pydantic lists the branches of `protocol.item_input` that are one type to a client."""

_RANGE_WORDS = {
    "greater_than_equal": ("below_min_value", "ge", ">="),
    "greater_than": ("below_min_value", "gt", ">"),
    "less_than_equal": ("above_max_value", "le", "<="),
    "less_than": ("above_max_value", "lt", "<"),
}
_LENGTH_CODES = {
    "string_too_long": "string_above_max_length",
    "string_too_short": "string_below_min_length",
    "too_long": "array_above_max_length",
    "too_short": "array_below_min_length",
}


def _code(kind: str, value: Any, context: Mapping[str, Any]) -> str:
    if kind == "missing":
        return "missing_required_parameter"
    if kind == "extra_forbidden":
        return "unknown_parameter"
    if kind in _RANGE_WORDS:
        code, bound, _ = _RANGE_WORDS[kind]
        return f"{'integer' if isinstance(context[bound], int) else 'decimal'}_{code}"
    if kind in _LENGTH_CODES:
        return _LENGTH_CODES[kind]
    if kind in ("literal_error", "enum") and isinstance(value, str):
        return "invalid_value"
    if kind.endswith(("_type", "_parsing", "_from_float")) or kind == "literal_error":
        return "invalid_type"
    return "invalid_value"


def _message(code: str, kind: str, param: str, detail: ErrorDetails, value: Any) -> str:
    context = detail.get("ctx", {})
    match code:
        case "missing_required_parameter":
            return f"Missing required parameter: '{param}'."
        case "unknown_parameter":
            return _unknown_message(param)
        case "invalid_type":
            return f"Invalid type for '{param}': {detail['msg']}, but got {_json_type(value)} instead."
        case "invalid_value" if kind == "literal_error":
            expected = context.get("expected", context.get("expected_tags", "")).replace(_MESSAGE_BRANCHES, "'message'")
            return f"Invalid value: '{str(value)[:100]}' for '{param}'. Supported values are: {expected}."
        case _ if kind in _RANGE_WORDS:
            words, bound, sign = _RANGE_WORDS[kind]
            said = words.replace("_", " ").replace("min", "minimum").replace("max", "maximum")
            return f"Invalid '{param}': {said}. Expected a value {sign} {context.get(bound)}, but got {value} instead."
        case _:
            return f"Invalid '{param}': {detail['msg']}."


def _unknown_message(param: str) -> str:
    if param in OTHER_DIALECT:
        return (
            f"Unknown parameter: '{param}'. It belongs to the beta dialect; in GA it is "
            f"'{param.split('.', maxsplit=1)[0]}.{OTHER_DIALECT[param]}'. For beta, send 'OpenAI-Beta: realtime=v1'."
        )
    if param in _BESIDE_SESSION:
        return f"Unknown parameter: '{param}'. Settings go inside 'session'."
    return f"Unknown parameter: '{param}'."


def _json_type(value: Any) -> str:
    names = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a number",
    }
    return names.get(type(value), "null")
