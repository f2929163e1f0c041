"""What a client's function gave back, in words fit for speech."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from voicebridge.engines.embedded.brain.dates import read_now, say_day, say_time
from voicebridge.engines.embedded.brain.functions.planning import read_arguments
from voicebridge.engines.embedded.brain.numbers import say_number
from voicebridge.engines.embedded.brain.types import Turn
from voicebridge.engines.embedded.brain.words import as_sentence, join, split_name, stem, tidy

_LONGEST = 20_000
_MOST_FIELDS = 8
_MOST_ITEMS = 5
_DEEPEST = 4
_UNITS = {
    "c": "degrees Celsius", "celsius": "degrees Celsius", "f": "degrees Fahrenheit",
    "fahrenheit": "degrees Fahrenheit", "km": "kilometers", "kmh": "kilometers per hour",
    "kph": "kilometers per hour", "mph": "miles per hour", "ms": "milliseconds", "mps": "meters per second",
    "percent": "percent", "pct": "percent", "percentage": "percent", "kg": "kilograms", "g": "grams", "m": "meters",
    "cm": "centimeters", "mm": "millimeters", "mi": "miles", "miles": "miles", "seconds": "seconds",
    "secs": "seconds", "sec": "seconds", "minutes": "minutes", "mins": "minutes", "min": "minutes", "hours": "hours",
    "hrs": "hours", "days": "days", "usd": "dollars", "eur": "euros", "gbp": "pounds", "jpy": "yen", "chf": "francs",
    "hpa": "hectopascals", "kwh": "kilowatt hours", "metric": "degrees Celsius", "imperial": "degrees Fahrenheit",
    "%": "percent", "\u00b0c": "degrees Celsius", "\u00b0f": "degrees Fahrenheit", "$": "dollars", "\u20ac": "euros",
    "\u00a3": "pounds", "km/h": "kilometers per hour",
}  # fmt: skip
_WORDS_FIRST = ("message", "speech", "answer", "summary", "text", "reply", "response", "description")
_WRAPPERS = ("result", "results", "data", "output", "response", "value", "payload")
_HIDDEN = re.compile(
    (
        r"(?:^|_)(?:id|uuid|guid|url|uri|link|href|hash|etag|token|timestamp|created_at|updated_at"
        r"|lat|lon|latitude|longitude|icon)$"
    ),
    re.IGNORECASE,
)
_GOOD = frozenset(("ok", "okay", "success", "successful", "done", "true", "completed", "200", "accepted"))
_SUCCESS_KEYS = frozenset(("ok", "success", "successful", "done", "succeeded"))
_TITLES = ("name", "title", "label", "summary", "subject", "item", "headline")


def speak_results(calls: Sequence[Turn], results: Sequence[Turn], waiting: int = 0) -> str:
    """One text for all results; `waiting` results have not come in yet."""
    by_id = {call.call_id: call for call in calls}
    said: list[str] = []
    for result in results[:8]:
        call = by_id.get(result.call_id)
        about = _about(call) if len(results) > 1 and call is not None else ""
        said.append(_join_about(about, speak_result(result.text, call.name if call else "")))
    if (
        len({spoken.rpartition(": ")[2] for spoken in said}) == 1
        and len(said) > 1
        and said[0].endswith("That is done.")
    ):
        said = ["All of that is done."]
    if waiting:
        said.append("I am still waiting for the rest." if said else "I am still waiting for the result.")
    return " ".join(said)


def _join_about(about: str, spoken: str) -> str:
    if not about or about.lower() in spoken.lower():
        return spoken
    return f"{about}: {spoken}"


def _about(call: Turn) -> str:
    """The argument that tells this call from its sisters."""
    for value in read_arguments(call.text).values():
        if isinstance(value, str) and 0 < len(value) <= 40:
            return f"For {split_name(value) if '_' in value else value}"
    return split_name(call.name).capitalize()


def speak_result(output: str, name: str = "") -> str:
    """A result in one to a few sentences; never empty, never raises."""
    text = output[:_LONGEST].strip()
    if not text:
        return "That is done."
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return as_sentence(_said_text(text)) if _clean(text) else "That is done."
    spoken = _top(value, name, 0)
    return as_sentence(spoken[:1500]) if re.search(r"\w", spoken) else "That is done."


def _clean(text: str) -> str:
    text = re.sub(r"```\w*|[*#`|]+|(?<!\w)_|_(?!\w)", " ", text[:1500])
    return tidy(text)


def _top(value: Any, name: str, depth: int) -> str:
    if value is None:
        return "There is no result."
    if isinstance(value, bool):
        return "That is done." if value else "That did not work."
    if isinstance(value, str):
        return _said_text(value)
    if isinstance(value, list):
        return _top_list(value)
    if isinstance(value, dict):
        return _top_object(value, name, depth)
    return f"The answer is {_number(value)}"


def _said_text(value: str) -> str:
    """A bare "ok" says no more than that it is done."""
    return "That is done." if value.strip().lower() in _GOOD or not value.strip() else _clean(value)


def _top_list(value: list[Any]) -> str:
    if not value:
        return "Nothing was found."
    if all(not isinstance(entry, dict | list) for entry in value):
        shown = [_scalar(entry) for entry in value[:_MOST_ITEMS]]
        rest = len(value) - len(shown)
        return join([*shown, f"{say_number(rest)} more"] if rest else shown)
    count = f"There {'is one result' if len(value) == 1 else f'are {say_number(len(value))} results'}."
    shown = [_brief(entry) for entry in value[:_MOST_ITEMS]]
    more = f" And {say_number(len(value) - len(shown))} more." if len(value) > len(shown) else ""
    return f"{count} {' '.join(as_sentence(entry) for entry in shown if entry)}{more}"


def _brief(entry: Any) -> str:
    if not isinstance(entry, dict):
        return _any(entry, 1)
    title = next((str(entry[key]) for key in _TITLES if isinstance(entry.get(key), str | int)), "")
    rest = {key: value for key, value in entry.items() if key not in _TITLES}
    fields = _fields(rest, 1, most=3)
    return ": ".join(part for part in (_clean(title), join(fields)) if part)


def _error_in(value: dict[Any, Any]) -> str | None:
    error = value.get("error") or value.get("errors") or value.get("exception")
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error.get("code")
    if isinstance(error, list):
        first: Any = error[0] if error else None
        error = first.get("message") if isinstance(first, dict) else first
    if error:
        return f"That did not work: {_scalar(error)}" if not isinstance(error, bool) else _failed(value)
    status = str(value.get("status", "")).lower()
    if any(value.get(key) is False for key in _SUCCESS_KEYS) or status in ("error", "failed", "failure"):
        return _failed(value)
    return None


def _failed(value: dict[Any, Any]) -> str:
    why = next(
        (value[key] for key in ("message", "reason", "detail", "error_message") if isinstance(value.get(key), str)), ""
    )
    return f"That did not work: {_clean(why)}" if why else "That did not work."


def _top_object(value: dict[Any, Any], name: str, depth: int) -> str:
    if not value:
        return "That is done."
    error = _error_in(value)
    if error is not None:
        return error
    if len(value) == 1 and depth < _DEEPEST:
        key, only = next(iter(value.items()))
        if str(key).lower() in _WRAPPERS:
            return _top(only, name, depth + 1)
    lead = next(
        (value[key] for key in _WORDS_FIRST if isinstance(value.get(key), str) and " " in value[key].strip()), None
    )
    rest = {key: entry for key, entry in value.items() if str(key).lower() not in _SUCCESS_KEYS and entry is not lead}
    if str(rest.get("status", "")).lower() in _GOOD:
        rest.pop("status")
    if "eta" in rest:
        rest["estimated arrival"] = rest.pop("eta")
    if lead is not None:
        return _clean(lead)
    only = next(iter(rest.values())) if len(rest) == 1 else None
    if isinstance(only, str) and len(only.split()) >= 4:
        return _clean(only)
    place = next((rest.pop(key) for key in ("location", "city", "place") if isinstance(rest.get(key), str)), "")
    fields = _fields(rest, depth)
    if not fields:
        return "That is done." if not place else f"That is done for {_clean(place)}."
    spoken = join(fields)
    return f"In {_clean(place)}, {spoken}" if place else spoken


def _fields(value: dict[Any, Any], depth: int, most: int = _MOST_FIELDS) -> list[str]:
    value = dict(list(value.items())[:60])
    unit = next((str(value.pop(key)) for key in ("unit", "units", "currency") if isinstance(value.get(key), str)), "")
    shown = {key: entry for key, entry in value.items() if not _HIDDEN.search(str(key))} or value
    fields: list[str] = []
    for key, entry in shown.items():
        spoken = _field(str(key), entry, unit, depth)
        if spoken:
            fields.append(spoken)
            if isinstance(entry, int | float) and not isinstance(entry, bool):
                unit = ""  # one unit belongs to the first number
    return fields[:most]


def _field(key: str, entry: Any, unit: str, depth: int) -> str:
    words, key_unit = _key(key)
    if entry is None or entry in ("", [], {}):
        return f"there is no {words}"
    if isinstance(entry, bool):
        return _flag(words, entry)
    if isinstance(entry, dict):
        if depth >= _DEEPEST:
            return ""
        inner = join(_fields(entry, depth + 1, most=5))
        return f"for {words}, {inner}" if inner else ""
    if isinstance(entry, list):
        plural = isinstance(entry[0], dict)
        return (
            f"{words}: {join([_any(part, depth + 1) for part in entry[:_MOST_ITEMS]])}"
            if plural
            else (f"the {words} {'are' if words.endswith('s') else 'is'} {_any(entry, depth + 1)}")
        )
    spoken = _scalar(entry)
    if isinstance(entry, int | float):
        chosen = key_unit or _UNITS.get(unit.lower(), unit)
        spoken = f"{spoken} {_singular(chosen, entry)}" if chosen else spoken
    return f"the {words} {'are' if _is_plural(words) else 'is'} {spoken}"


def _is_plural(words: str) -> bool:
    return (
        words.endswith("s")
        and not words.endswith(("ss", "us", "is"))
        and words.rpartition(" ")[2] not in ("news", "celsius", "always")
    )


def _singular(unit: str, value: float) -> str:
    if value != 1:
        return unit
    return (
        unit.replace("degrees", "degree").replace("feet", "foot").removesuffix("s")
        if not unit.endswith("Celsius")
        else "degree Celsius"
    )


def _flag(words: str, entry: bool) -> str:
    words = re.sub(r"^(?:is|has been|was) ", "", words)
    if words.startswith("has "):
        return f"it {'has' if entry else 'does not have'} {words[4:]}"
    return f"it is {'' if entry else 'not '}{words}"


def _key(key: str) -> tuple[str, str]:
    """A key's words and unit: "wind_speed_kmh" -> ("wind speed", "kilometers per hour")."""
    words = split_name(key).split()[:6]
    if len(words) > 1 and words[-1] in _UNITS:
        return " ".join(words[:-1]).replace("temp", "temperature") if words[0] == "temp" else " ".join(
            words[:-1]
        ), _UNITS[words[-1]]
    if words[:2] == ["temp"] or words == ["temp"]:
        words = ["temperature"]
    return " ".join(words) or "value", ""


def _any(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        return _brief(value) if depth <= _DEEPEST else ""
    if isinstance(value, list):
        return join([_any(part, depth + 1) for part in value[:_MOST_ITEMS]]) if depth <= _DEEPEST else ""
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value)
    text = _clean(str(value))[:300]
    if re.match(r"\d{4}-\d{2}-\d{2}", text) and (moment := read_now(text)):
        day = say_day(moment.date())
        return day if len(text) == 10 else f"{day} at {say_time(moment)}"
    return split_name(text) if re.fullmatch(r"[a-z]+(?:_[a-z]+)+", text) else text


def _number(value: float) -> str:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124 - NaN
        return "unknown"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a very large number"
    if isinstance(value, float) and abs(value) > 1e60:
        return "a very large number"
    return say_number(Fraction(str(value)), 2)


def recall_result(question: str, results: Sequence[Turn]) -> str | None:
    """Answer "what was the temperature?": the field of an earlier result that the question names."""
    wanted = {stem(word) for word in re.findall(r"[a-z]+", question.lower())}
    for result in list(reversed(results))[:5]:
        value = read_arguments(result.text)
        for key, entry in list(value.items())[:60]:
            named = {stem(word) for word in _key(str(key))[0].split()}
            if named and named <= wanted and not isinstance(entry, dict | list):
                unit = next((str(value[name]) for name in ("unit", "units") if isinstance(value.get(name), str)), "")
                return as_sentence(_field(str(key), entry, unit, 0))
    return None
