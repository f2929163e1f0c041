"""JSON as it may come in: what Python reads and nobody could write again is refused here.

Python takes `NaN`, numbers beyond a double, halves of surrogate pairs and nesting of any depth; none of them can go out
again as JSON in UTF-8, and clients' settings, metadata and items are repeated to them.
"""

from __future__ import annotations

import json
import math
from typing import Any

from voicebridge.errors import MalformedEvent

MAX_DEPTH = 100
"""Objects and arrays inside each other; serialisers give up somewhere above 200."""


def json_object(text: str) -> dict[str, Any]:
    """The one JSON object in `text`. Raises MalformedEvent `invalid_json`. Depth is not looked at: `check_depth`."""
    try:
        value = _DECODER.decode(text)
        if not text.isascii() or "\\ud" in text or "\\uD" in text:
            _encoded(value)
    except (ValueError, RecursionError):
        raise MalformedEvent("The message is not valid JSON.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise MalformedEvent("The message is not a JSON object.", code="invalid_json")
    return value


def compact(value: Any) -> str:
    """As JSON without blanks, characters as they are."""
    return _ENCODER.encode(value)


def check_depth(value: Any) -> None:
    """Raises MalformedEvent `invalid_json` for more than `MAX_DEPTH` levels."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise MalformedEvent(f"The message is nested more than {MAX_DEPTH} levels deep.", code="invalid_json")


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _refused(name: str) -> float:
    raise ValueError(name)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


_DECODER = json.JSONDecoder(parse_constant=_refused, parse_float=_finite)
"""Made once: `json.loads` would make one for every message."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
