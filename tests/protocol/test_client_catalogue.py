"""Every field of every client event in the catalogue: taken in, checked for type, range and presence, or excluded here.

Fails for a field that the catalogue gains and nobody decided about.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from protocol import client_examples
from protocol.catalogue import (
    ABSENT,
    Event,
    Field,
    constants,
    dotted,
    events,
    found,
    is_object,
    is_open,
    paths,
    placed,
)
from voicebridge.core.io import AudioAppended, ClientFault, Emit, FromClient
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.server_events import SessionUpdated
from voicebridge.protocol.session_config import SessionDefaults, new_session, updated
from voicebridge.protocol.validation import Strictness
from voicebridge.wire.realtime import RealtimeCodec

EXCLUDED = [
    ("translation", r".*", r".*", "translation sessions are another protocol; nothing of it is served"),
    ("ga", r".*", r".*\{mcp(_\w+)?\}.*", "MCP is not served; asking for it is refused (see below)"),
    ("beta", r".*", r".*\.content\[\]\.id", "belongs to item_reference parts, which no source explains"),
    (
        "ga",
        r".*",
        r".*\.variables\[\*\].*",
        "prompts are kept and echoed, and have no effect: variables stay as they are",
    ),
]
"""Dialect, event and path (regular expressions) of what is not looked at, and why."""

IGNORED = [
    ("beta", "session.update", r"session\.client_secret.*", "says nothing about a session that is open"),
    ("beta", "transcription_session.update", r"session\.(client_secret.*|modalities)", "as above; it never responds"),
]
"""Taken with any value, and without effect."""

ALSO_REQUIRED = [
    (r".*\.format\{.*\}\.type", "a format is known by its type"),
    (r".*\.content\[\]\.(type|text|image_url)", "a part is known by its type, and is nothing without its content"),
    (r".*tools\[\](\{function\})?\.name", "a function without a name cannot be called"),
    (r"(item|response\.input\[\])\.(type|role|content|name|arguments|output)", "beta's flat items are unions too"),
]
"""Optional in the SDK's types, required here."""
OPEN = r"session\.(model|input_audio_transcription\.model)"
"""Enumerations of the SDK that take any name (protocol 5.4, 5.9)."""
OBJECTS_TOO = r".*\.(voice|tool_choice|input_audio_format|output_audio_format)"
"""Strings in beta; the objects that they are in GA are taken there as well."""
RANGES: dict[tuple[str, str], tuple[float, float, str, str]] = {
    # beta's temperature: the older documentation's range (protocol 5.8)
    ("beta", "0.6..1.2"): (0, 2, "decimal_below_min_value", "decimal_above_max_value"),
}
ONLY = [event for event in events("client") if event.dialect != "translation"]


def _listed(table: list[tuple[str, str, str, str]], event: Event, field: Field) -> bool:
    return any(
        re.fullmatch(dialect, event.dialect) and re.fullmatch(name, event.name) and re.fullmatch(path, field.path)
        for dialect, name, path, _ in table
    )


def _cases() -> list[Any]:
    return [
        pytest.param(dialect, event, field, id=f"{dialect.value}:{event.name}:{field.path}")
        for event in events("client")
        for dialect in {"ga": [Dialect.GA], "beta": [Dialect.BETA], "both": [Dialect.GA, Dialect.BETA]}.get(
            event.dialect, []
        )
        for field in event.fields
        if not _listed(EXCLUDED, event, field)
    ]


CASES = _cases()


def examples(dialect: Dialect, event: Event) -> list[dict[str, Any]]:
    return (client_examples.GA if dialect is Dialect.GA else client_examples.BETA)[event.name]


def example_with(dialect: Dialect, event: Event, field: Field) -> dict[str, Any]:
    for example in examples(dialect, event):
        if any(path == field.path for path, _ in paths(example, event)):
            return example
    pytest.fail(f"neither covered by an example nor excluded: {dialect.value} {event.name} {field.path}")


def decode(dialect: Dialect, event: dict[str, Any]) -> Any:
    return RealtimeCodec(dialect, strictness=Strictness("error")).decode(json.dumps(event))


def taken(dialect: Dialect, event: dict[str, Any]) -> dict[str, Any]:
    """What reached the inner models."""
    result = decode(dialect, event)
    if isinstance(result, AudioAppended):
        fault = decode(dialect, event | {"audio": "?"})  # its id is for errors alone, so it takes one to see it
        assert isinstance(fault, ClientFault)
        return {"type": "input_audio_buffer.append", "audio": result.data, "event_id": fault.event_id}
    assert isinstance(result, FromClient), getattr(result, "error", result)
    return result.event.model_dump(exclude_unset=True, warnings=False)


def refused(dialect: Dialect, event: dict[str, Any], code: str, param: str) -> None:
    result = decode(dialect, event)
    assert isinstance(result, ClientFault), f"taken: {event}"
    assert (result.error.code, result.error.param) == (code, param), result.error.message
    assert f"'{param}'" in result.error.message or param == "type", result.error.message


@pytest.mark.parametrize(("dialect", "event", "field"), CASES)
def test_every_field_is_taken_in(dialect: Dialect, event: Event, field: Field) -> None:
    example = example_with(dialect, event, field)
    reached = taken(dialect, example)
    if _listed(IGNORED, event, field):
        return
    if dialect is Dialect.BETA and event.dialect == "beta":
        if not field.required and not field.path.endswith("type"):
            without = decode(dialect, placed(example, field.path, ABSENT))
            assert isinstance(without, ClientFault) or taken(dialect, placed(example, field.path, ABSENT)) != reached
        return
    value = found(example, field.path)
    if field.path == "audio":
        value = base64.b64decode(value)
    assert found(reached, field.path) == value


@pytest.mark.parametrize(("dialect", "event", "field"), [case for case in CASES if constants(case.values[2].type)])
def test_every_value_of_an_enumeration_is_taken_and_no_other(dialect: Dialect, event: Event, field: Field) -> None:
    example = example_with(dialect, event, field)
    if _listed(IGNORED, event, field):
        return
    seen = [value for one in examples(dialect, event) for path, value in paths(one, event) if path == field.path]
    for constant in constants(field.type):
        value: Any = [constant] if field.type.startswith("array<") else constant
        if value not in seen and not (
            dialect is Dialect.BETA and constant == "item_reference" and "content" in field.path
        ):
            assert isinstance(decode(dialect, placed(example, field.path, value)), FromClient), constant
    if not is_open(field.type) and not re.fullmatch(OPEN, field.path) and not field.type.startswith("array<"):
        refused(dialect, placed(example, field.path, "bogus"), "invalid_value", dotted(field.path))


@pytest.mark.parametrize(("dialect", "event", "field"), CASES)
def test_a_wrong_json_type_is_refused_by_name(dialect: Dialect, event: Event, field: Field) -> None:
    example = example_with(dialect, event, field)
    if field.type == "any" or _listed(IGNORED, event, field):
        return
    wrong: list[Any] = [7, True] if is_open(field.type) or constants(field.type) else ["x", True]
    if field.type.startswith(("integer", "number")):
        wrong = [True, [], "x"] if field.type in ("integer", "number") else [True, []]
    if field.type == "integer":
        wrong.append(1.5)
    if field.type == "boolean":
        wrong = ["x", 1]
    if field.type.isdigit():
        wrong = ["x", 1.5]
    if not is_object(field.type) and not field.type.startswith("map") and not re.fullmatch(OBJECTS_TOO, field.path):
        wrong.append({})
    for value in wrong:
        refused(dialect, placed(example, field.path, value), "invalid_type", dotted(field.path))


@pytest.mark.parametrize(("dialect", "event", "field"), CASES)
def test_what_is_required_is_missed_and_the_rest_is_not(dialect: Dialect, event: Event, field: Field) -> None:
    example = placed(example_with(dialect, event, field), field.path, ABSENT)
    if _listed(IGNORED, event, field):
        assert isinstance(decode(dialect, example), FromClient)
    elif field.required or any(re.fullmatch(path, field.path) for path, _ in ALSO_REQUIRED):
        refused(dialect, example, "missing_required_parameter", dotted(field.path))
    else:
        assert isinstance(decode(dialect, example), (FromClient, AudioAppended)), field.path


@pytest.mark.parametrize(("dialect", "event", "field"), CASES)
def test_null_is_taken_for_absence_or_refused_by_name(dialect: Dialect, event: Event, field: Field) -> None:
    example = placed(example_with(dialect, event, field), field.path, None)
    result = decode(dialect, example)
    if isinstance(result, ClientFault):
        assert not field.nullable
        assert result.error.code in ("invalid_type", "missing_required_parameter")
        assert result.error.param == dotted(field.path)


def _limits(event: Event, field: Field) -> tuple[float, float, str, str] | None:
    if field.range is None:
        return None
    special = RANGES.get((event.dialect, field.range))
    if special:
        return special
    kind = "integer" if field.type.startswith("integer") else "decimal"
    if match := re.match(r"([\d.]+)\.\.([\d.]+)", field.range):
        return float(match[1]), float(match[2]), f"{kind}_below_min_value", f"{kind}_above_max_value"
    if field.range == ">= 0":
        return 0, float("inf"), f"{kind}_below_min_value", ""
    if field.range == "24000 only":
        return 24000, 24000, "integer_below_min_value", "integer_above_max_value"
    return None


@pytest.mark.parametrize(
    ("dialect", "event", "field"), [case for case in CASES if _limits(case.values[1], case.values[2])]
)
def test_ranges_hold_at_both_ends(dialect: Dialect, event: Event, field: Field) -> None:
    limits = _limits(event, field)
    assert limits is not None
    low, high, below, above = limits
    example = example_with(dialect, event, field)
    if _listed(IGNORED, event, field):
        return
    whole = field.type.startswith("integer") or field.type.isdigit()
    step = 1 if whole else 0.001
    number = int if whole else float
    for inside in (low, high):
        if inside != float("inf"):
            assert isinstance(decode(dialect, placed(example, field.path, number(inside))), FromClient)
    cases = [(low - step, below)] + ([(high + step, above)] if above else [])
    for outside, code in cases:
        if field.range == "24000 only":
            continue  # depends on configuration: checked where the settings change (test_session_config)
        refused(dialect, placed(example, field.path, number(outside)), code, dotted(field.path))


OTHER_RANGES = {
    "<= 512 chars": ("x" * 512, "x" * 513, "string_above_max_length"),
    ">= 1 entry": (["x"], [], "array_below_min_length"),
}


@pytest.mark.parametrize(
    ("dialect", "event", "field"), [case for case in CASES if case.values[2].range in OTHER_RANGES]
)
def test_lengths_hold(dialect: Dialect, event: Event, field: Field) -> None:
    right, wrong, code = OTHER_RANGES[str(field.range)]
    example = example_with(dialect, event, field)
    assert isinstance(decode(dialect, placed(example, field.path, right)), (FromClient, AudioAppended))
    refused(dialect, placed(example, field.path, wrong), code, dotted(field.path))


@pytest.mark.parametrize("dialect", [Dialect.GA, Dialect.BETA])
def test_metadata_holds_its_limits(dialect: Dialect) -> None:
    def create(metadata: dict[str, Any]) -> dict[str, Any]:
        return {"type": "response.create", "response": {"metadata": metadata}}

    assert isinstance(decode(dialect, create({f"{n:064}": "v" * 512 for n in range(16)})), FromClient)
    refused(dialect, create({str(n): "v" for n in range(17)}), "object_above_max_properties", "response.metadata")
    refused(dialect, create({"a": "v" * 513}), "string_above_max_length", "response.metadata.a")
    refused(dialect, create({"k" * 65: "v"}), "string_above_max_length", "response.metadata." + "k" * 65)
    refused(dialect, create({"a": 1}), "invalid_type", "response.metadata.a")


KNOWN_RANGES = {"<= 16 pairs, key <= 64 chars, value <= 512 chars", "decoded <= 15 MiB", *OTHER_RANGES}


def test_every_range_of_the_catalogue_is_looked_at() -> None:
    unread = {
        case.values[2].range
        for case in CASES
        if case.values[2].range and case.values[2].range not in KNOWN_RANGES
        if not _limits(case.values[1], case.values[2])
    }
    assert not unread - {None}


# --- defaults -----------------------------------------------------------------------------------------------------

NO_DEFAULT = [
    (r".*/.*noise_reduction\.strength", "left out unless it was set: nothing is done with it"),
    (r".*/.*\.reasoning\.effort", "left out unless it was set: nothing is done with it"),
    (r".*transcription.*\.(create_response|interrupt_response|idle_timeout_ms)", "not shown: it never responds"),
    (r"beta:.*/session\.client_secret.*", "not part of a session"),
]


@pytest.mark.parametrize(
    ("dialect", "event", "field"),
    [
        case
        for case in CASES
        if case.values[2].default is not ABSENT and case.values[1].name.endswith("session.update")
        if not any(re.fullmatch(path, f"{case.values[1]}/{case.values[2].path}") for path, _ in NO_DEFAULT)
    ],
)
def test_a_setting_that_is_not_sent_has_its_default(dialect: Dialect, event: Event, field: Field) -> None:
    example = example_with(dialect, event, field)
    transcribing = "transcription" in field.path.split(".")[0] + event.name
    fresh = new_session(
        "transcription" if transcribing else "realtime",
        SessionDefaults(),
        session_id="sess_1",
        expires_at=1,
        model="gpt-realtime",
    )
    event_in = decode(dialect, placed(example, field.path, ABSENT))
    session = updated(fresh, event_in.event.session, SessionDefaults())
    frame = RealtimeCodec(dialect).encode(Emit(SessionUpdated(event_id="event_1", session=session)))
    assert frame is not None
    assert found(json.loads(frame), field.path) == field.default


# --- what is excluded is refused or ignored as promised ---------------------------------------------------------


def test_no_exclusion_is_stale() -> None:
    for entry in EXCLUDED + IGNORED:
        assert any(_listed([entry], event, field) for event in events("client") for field in event.fields), entry
    for path, reason in ALSO_REQUIRED:
        assert any(re.fullmatch(path, field.path) for event in ONLY for field in event.fields), (path, reason)
    for path, reason in NO_DEFAULT:
        assert any(re.fullmatch(path, f"{event}/{field.path}") for event in ONLY for field in event.fields), reason


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "session.update", "session": {"type": "realtime", "tools": [{"type": "mcp", "server_label": "x"}]}},
         "session.tools[0].type"),
        ({"type": "session.update", "session": {"type": "realtime", "tool_choice": {"type": "mcp"}}},
         "session.tool_choice.type"),
        ({"type": "response.create", "response": {"tools": [{"type": "mcp", "server_label": "x"}]}},
         "response.tools[0].type"),
        *(({"type": "conversation.item.create", "item": {"type": kind, "id": "mcp_1"}}, "item.type")
          for kind in ("mcp_approval_response", "mcp_list_tools", "mcp_call", "mcp_approval_request")),
        ({"type": "session.update", "session": {"type": "translation"}}, "session.type"),
        ({"type": "session.close"}, "type"),
        ({"type": "session.input_audio_buffer.append", "audio": "AAAA"}, "type"),
    ],
)  # fmt: skip
def test_what_is_not_served_is_refused_by_name(event: dict[str, Any], param: str) -> None:
    refused(Dialect.GA, event, "invalid_value", param)


@pytest.mark.parametrize("entry", IGNORED, ids=lambda entry: f"{entry[1]}:{entry[2]}")
def test_what_is_ignored_may_have_any_value(entry: tuple[str, str, str, str]) -> None:
    for event in ONLY:
        for field in event.fields:
            if event.dialect == "beta" and _listed([entry], event, field):
                example = example_with(Dialect.BETA, event, field)
                assert isinstance(decode(Dialect.BETA, placed(example, field.path, 3.5)), FromClient)
