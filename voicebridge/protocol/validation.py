"""From pydantic's errors to the protocol's: one error per event, with its code, its dotted path and a useful sentence.

Where an event has several faults the first of this order is told (protocol 7.1): something missing, something unknown,
a wrong type, a value out of range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from voicebridge.errors import InvalidEvent
from voicebridge.protocol.model import BRANCH

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


OTHER_DIALECT: dict[str, str | None] = {
    "session.modalities": "output_modalities",
    "session.voice": "audio.output.voice",
    "session.input_audio_format": "audio.input.format",
    "session.output_audio_format": "audio.output.format",
    "session.input_audio_transcription": "audio.input.transcription",
    "session.input_audio_noise_reduction": "audio.input.noise_reduction",
    "session.turn_detection": "audio.input.turn_detection",
    "session.speed": "audio.output.speed",
    "session.max_response_output_tokens": "max_output_tokens",
    "session.temperature": None,
    "response.modalities": "output_modalities",
    "response.voice": "audio.output.voice",
    "response.output_audio_format": "audio.output.format",
    "response.max_response_output_tokens": "max_output_tokens",
    "response.temperature": None,
}
"""Beta members and what they are called in GA, if anything."""

_MISPLACED = {
    "session.model": "A transcription session has its model in 'session.audio.input.transcription.model'.",
}
"""Members of one kind of session that must not be overlooked in the other (protocol 1.5)."""

_BESIDE_SESSION = frozenset(
    {
        "modalities", "output_modalities", "instructions", "voice", "tools", "tool_choice", "turn_detection", "audio",
        "input_audio_format", "output_audio_format", "input_audio_transcription", "temperature", "max_output_tokens",
    }
)  # fmt: skip
"""Session members that old documentation puts next to `type` (protocol 5.8)."""


MAX_FAULTS = 1_000
"""With more than that in one event, nobody wants them listed."""


def validated(
    adapter: TypeAdapter[Any], data: dict[str, Any], path: str, strictness: Strictness, *, beta: bool = False
) -> Any:
    """The model of `data`, or InvalidEvent. `path` is where `data` stands in the event, "" for the whole event."""
    try:
        return adapter.validate_python(data, context={"beta": beta})
    except ValidationError as error:
        if error.error_count() > MAX_FAULTS:
            raise InvalidEvent(
                f"More than {MAX_FAULTS} members are wrong or unknown.", code="invalid_value", param=path or None
            ) from None
        faults = [_fault(detail, data, path) for detail in error.errors(include_url=False)]
    refused = [fault for fault in faults if not _tolerable(fault, strictness)]
    if refused:
        worst = min(refused, key=lambda fault: fault.rank)
        raise InvalidEvent(worst.message, code=worst.code, param=worst.param)
    if strictness.unknown_members == "warn":
        for fault in faults:
            strictness.report(fault.param)
    return validated(adapter, _without(data, [fault.keys for fault in faults]), path, strictness, beta=beta)


def _tolerable(fault: _Fault, strictness: Strictness) -> bool:
    if fault.code != "unknown_parameter" or strictness.unknown_members == "error":
        return False
    return fault.param not in OTHER_DIALECT and fault.param not in _BESIDE_SESSION and fault.param not in _MISPLACED


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


_NO_BRANCH = ("union_tag_not_found", "union_tag_invalid")


def _fault(detail: ErrorDetails, data: Any, path: str) -> _Fault:
    kind = detail["type"]
    keys = _real_keys(detail["loc"], data, kind)
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind in _NO_BRANCH:
        here = _lookup(data, keys)
        if isinstance(here, dict):
            keys = (*keys, "type")
            kind = "literal_error" if "type" in here else "missing"
        else:
            kind = "dict_type"
    elif kind == "missing_member":
        kind, keys = "missing", (*keys, context["member"])
    param = _dotted(path, keys)
    value = _lookup(data, keys)
    code = _code(kind, value, context)
    return _Fault(code, param, _message(code, kind, param, detail, value), keys)


def _real_keys(location: tuple[str | int, ...], data: Any, kind: str) -> tuple[str | int, ...]:
    """The location without what is no key: names of union branches, and pydantic's own marks at the end."""
    keys: list[str | int] = []
    here = data
    for position, key in enumerate(location):
        last = position == len(location) - 1
        if isinstance(key, str) and key.startswith(BRANCH) and not (last and kind == "extra_forbidden"):
            continue
        if _has(here, key):
            here = here[key]
        elif not (last and kind == "missing"):
            continue
        keys.append(key)
    return tuple(keys)


def _has(container: Any, key: str | int) -> bool:
    if isinstance(container, list):
        return isinstance(key, int) and key < len(container)
    return isinstance(container, dict) and key in container


def _lookup(data: Any, keys: tuple[str | int, ...]) -> Any:
    for key in keys:
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return None
    return data


def _without(data: Any, paths: Sequence[tuple[str | int, ...]]) -> Any:
    """`data` less what stands at the paths; what they lead through is copied, nothing is changed."""
    below: dict[str | int, list[tuple[str | int, ...]]] = {}
    for head, *rest in paths:
        below.setdefault(head, []).append(tuple(rest))
    if isinstance(data, list):
        return [_without(value, below[at]) if at in below else value for at, value in enumerate(data)]
    return {
        key: _without(value, below[key]) if key in below else value
        for key, value in data.items()
        if () not in below.get(key, ())
    }


MAX_KEY = 100
"""Characters of a member's name that an error repeats: clients may call them anything."""


def _dotted(path: str, keys: tuple[str | int, ...]) -> str:
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) else f".{key[:MAX_KEY]}"
    return path.lstrip(".")


_MESSAGE_BRANCHES = ", ".join(f"'{BRANCH}message/{role}'" for role in ("system", "user", "assistant", "unknown"))
"""How pydantic lists the branches of `protocol.item_input` that are one type to a client."""

_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}

_RANGE_WORDS = {
    "greater_than_equal": ("below_min_value", "ge", ">="),
    "greater_than": ("below_min_value", "gt", ">"),
    "less_than_equal": ("above_max_value", "le", "<="),
    "less_than": ("above_max_value", "lt", "<"),
}
_LENGTHS = {
    "string_too_long": ("string_above_max_length", "at most", "max_length", "characters"),
    "string_too_short": ("string_below_min_length", "at least", "min_length", "characters"),
    "too_long": ("array_above_max_length", "at most", "max_length", "elements"),
    "too_short": ("array_below_min_length", "at least", "min_length", "elements"),
}


def _code(kind: str, value: Any, context: Mapping[str, Any]) -> str:
    if kind == "missing":
        return "missing_required_parameter"
    if kind == "extra_forbidden":
        return "unknown_parameter"
    if kind in _RANGE_WORDS:
        code, bound, _ = _RANGE_WORDS[kind]
        return f"{'integer' if isinstance(context[bound], int) else 'decimal'}_{code}"
    if kind == "too_long" and isinstance(value, dict):
        return "object_above_max_properties"
    if kind in _LENGTHS:
        return _LENGTHS[kind][0]
    if kind in ("literal_error", "enum") and isinstance(value, str):
        return "invalid_value"
    if kind.endswith(("_type", "_parsing", "_from_float")) or kind == "literal_error":
        return "invalid_type"
    return "invalid_value"


def _message(code: str, kind: str, param: str, detail: ErrorDetails, value: Any) -> str:
    context = detail.get("ctx", {})
    match code:
        case "missing_required_parameter":
            hint = " All settings go inside it." if param == "session" else ""
            return f"Missing required parameter: '{param}'.{hint}"
        case "unknown_parameter":
            return _unknown_message(param)
        case "invalid_type":
            expected = _EXPECTED.get(kind) or _choices(context) or "a string"
            return f"Invalid type for '{param}': expected {expected}, but got {_json_type(value)} instead."
        case "invalid_value" if kind == "literal_error":
            return f"Invalid value: '{str(value)[:100]}' for '{param}'. Supported values are: {_choices(context)}."
        case _ if kind in _RANGE_WORDS:
            words, bound, sign = _RANGE_WORDS[kind]
            said = words.replace("_", " ").replace("min", "minimum").replace("max", "maximum")
            return f"Invalid '{param}': {said}. Expected a value {sign} {context.get(bound)}, but got {value} instead."
        case _ if kind in _LENGTHS:
            _, words, bound, things = _LENGTHS[kind]
            return f"Invalid '{param}': expected {words} {context.get(bound)} {things}."
        case _:
            return f"Invalid '{param}': {detail['msg']}."


def _choices(context: Mapping[str, Any]) -> str:
    choices = str(context.get("expected", context.get("expected_tags", "")))
    return choices.replace(_MESSAGE_BRANCHES, "'message'").replace(BRANCH, "")


def _unknown_message(param: str) -> str:
    if param in OTHER_DIALECT:
        name = OTHER_DIALECT[param]
        in_ga = f"in GA it is '{param.split('.', maxsplit=1)[0]}.{name}'" if name else "GA has none"
        return (
            f"Unknown parameter: '{param}'. It belongs to the beta dialect; {in_ga}. "
            "For beta, send 'OpenAI-Beta: realtime=v1'."
        )
    if param in _MISPLACED:
        return f"Unknown parameter: '{param}'. {_MISPLACED[param]}"
    if param in _BESIDE_SESSION:
        return f"Unknown parameter: '{param}'. It goes inside 'session', or 'response'."
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
