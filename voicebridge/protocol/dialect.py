"""The two dialects (protocol section 4). Inside there is only GA; beta is translated here, JSON object to JSON object.

Upwards (`upgraded`) unknown beta members are left out, as beta ignored them; values are passed on as they are, so that
the GA checks find what is wrong with them, and `beta_param` gives the path back its beta name. Downwards
(`downgraded`) an event that beta does not have becomes None.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeAlias

from voicebridge.protocol.client_events import CLIENT_EVENT_TYPES, event_type

Json: TypeAlias = dict[str, Any]


class Dialect(enum.Enum):
    """How a client speaks."""

    GA = "ga"
    BETA = "beta"
    BETA_2024_10 = "beta-2024-10"
    """The first preview's event list, for clients that stop at any event they do not know (Microsoft's rt-client)."""

    @property
    def is_beta(self) -> bool:
        return self is not Dialect.GA


# --- upwards: what a beta client sends ----------------------------------------------------------------------------

BETA_CLIENT_EVENTS = (*CLIENT_EVENT_TYPES, "transcription_session.update")

_FORMATS_UP = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_FORMATS_DOWN = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}


def upgraded(event: Json) -> Json:
    """The GA form of a beta client event. Raises InvalidEvent for a type beta does not have, or a body of no shape."""
    kind = event_type(event, BETA_CLIENT_EVENTS)
    match kind:
        case "session.update" | "transcription_session.update":
            upgrade = upgraded_session if kind == "session.update" else upgraded_transcription_session
            return _carried(event, {"type": "session.update"}, "session", upgrade)
        case "response.create":
            return _carried(event, {"type": kind}, "response", _upgraded_response)
        case "conversation.item.create":
            return _only(event, ("event_id", "type", "previous_item_id", "item")) | _item_member(event)
        case "conversation.item.truncate":
            return _only(event, ("event_id", "type", "item_id", "content_index", "audio_end_ms"))
        case _:
            return _only(event, ("event_id", "type", "item_id", "response_id", "audio"))


def _carried(event: Json, head: Json, member: str, upgrade: Callable[[Json], Json]) -> Json:
    """The event with one member translated; one that is no object stays, for the GA check to refuse."""
    result = _only(event, ("event_id",)) | head
    if member in event and event[member] is not None:
        body = event[member]
        result[member] = upgrade(body) if isinstance(body, dict) else body
    return result


def upgraded_session(session: Json) -> Json:
    """A flat beta session as a GA one (protocol 4.2)."""
    up: Json = {"type": "realtime"}
    for name in ("model", "instructions", "tools", "temperature", "tracing", "prompt", "include"):
        if name in session:
            up[name] = session[name]
    if "modalities" in session:
        up["output_modalities"] = session["modalities"]
    if "tool_choice" in session:
        up["tool_choice"] = _upgraded_tool_choice(session["tool_choice"])
    for name in ("max_output_tokens", "max_response_output_tokens"):
        if name in session:
            up["max_output_tokens"] = session[name]
    audio = _upgraded_input(session)
    output = _upgraded_output(session)
    if "speed" in session:
        output["speed"] = session["speed"]
    up["audio"] = {name: part for name, part in (("input", audio), ("output", output)) if part}
    return up


def upgraded_transcription_session(session: Json) -> Json:
    """A beta transcription session as a GA one; `client_secret` and `modalities` mean nothing here (protocol 4.1)."""
    up: Json = {"type": "transcription"}
    if "include" in session:
        up["include"] = session["include"]
    audio = _upgraded_input(session)
    if audio:
        up["audio"] = {"input": audio}
    return up


def _upgraded_input(session: Json) -> Json:
    audio: Json = {}
    if "input_audio_format" in session:
        audio["format"] = _upgraded_format(session["input_audio_format"])
    if "input_audio_transcription" in session:
        audio["transcription"] = _upgraded_transcription(session["input_audio_transcription"])
    if "input_audio_noise_reduction" in session:
        audio["noise_reduction"] = session["input_audio_noise_reduction"]
    if "turn_detection" in session:
        detection = session["turn_detection"]
        # beta's members are one flat set whose type may be left out
        audio["turn_detection"] = {"type": "server_vad", **detection} if isinstance(detection, dict) else detection
    return audio


def _upgraded_transcription(transcription: Any) -> Any:
    """Old documentation has an `enabled` member (protocol appendix A)."""
    if not isinstance(transcription, dict):
        return transcription
    if transcription.get("enabled") is False:
        return None
    return _only(transcription, ("model", "language", "prompt"))


def _upgraded_output(settings: Json) -> Json:
    output: Json = {}
    if "voice" in settings:
        output["voice"] = settings["voice"]
    if "output_audio_format" in settings:
        output["format"] = _upgraded_format(settings["output_audio_format"])
    return output


def _upgraded_format(name: Any) -> Any:
    return _FORMATS_UP.get(name, {"type": name}) if isinstance(name, str) else name


def _upgraded_tool_choice(choice: Any) -> Any:
    if isinstance(choice, str) and choice not in ("auto", "none", "required"):
        return {"type": "function", "name": choice}
    return choice


def _upgraded_response(response: Json) -> Json:
    names = ("instructions", "tools", "temperature", "conversation", "metadata")
    up = _only(response, names)
    if "modalities" in response:
        up["output_modalities"] = response["modalities"]
    if "tool_choice" in response:
        up["tool_choice"] = _upgraded_tool_choice(response["tool_choice"])
    for name in ("max_output_tokens", "max_response_output_tokens"):
        if name in response:
            up["max_output_tokens"] = response[name]
    output = _upgraded_output(response)
    if output:
        up["audio"] = {"output": output}
    if isinstance(response.get("input"), list):
        up["input"] = [_upgraded_item(item) for item in response["input"]]
    elif "input" in response:
        up["input"] = response["input"]
    return up


def _item_member(event: Json) -> Json:
    return {"item": _upgraded_item(event["item"])} if "item" in event else {}


_ITEM_MEMBERS = {
    "message": ("id", "object", "type", "status", "role", "content"),
    "function_call": ("id", "object", "type", "status", "call_id", "name", "arguments"),
    "function_call_output": ("id", "object", "type", "status", "call_id", "output"),
    "item_reference": ("id", "object", "type"),
}
_PART_MEMBERS = {
    "input_text": ("type", "text"),
    "text": ("type", "text"),
    "output_text": ("type", "text"),
    "input_audio": ("type", "audio", "transcript"),
    "audio": ("type", "audio", "transcript"),
    "output_audio": ("type", "audio", "transcript"),
}


def _upgraded_item(item: Any) -> Any:
    """A flat beta item without the members that belong to items of other types."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str) or item["type"] not in _ITEM_MEMBERS:
        return item
    # beta types every member as optional, and clients send null for those that do not apply
    up = {name: value for name, value in _only(item, _ITEM_MEMBERS[item["type"]]).items() if value is not None}
    if isinstance(up.get("content"), list):
        up["content"] = [_upgraded_part(part) for part in up["content"]]
    return up


def _upgraded_part(part: Any) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in _PART_MEMBERS:
        return part
    return {name: value for name, value in _only(part, _PART_MEMBERS[kind]).items() if value is not None}


def _only(source: Json, names: tuple[str, ...]) -> Json:
    return {name: source[name] for name in names if name in source}


# --- downwards: what a beta client receives -----------------------------------------------------------------------

_RENAMED = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
_GA_ONLY = frozenset(
    {
        "conversation.item.done",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.dtmf_event_received",
    }
)
_SINCE_2024_12 = frozenset(
    {
        "conversation.created",
        "conversation.item.retrieved",
        "conversation.item.input_audio_transcription.delta",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "output_audio_buffer.cleared",
    }
)
BETA_AUDIO_DELTA = _RENAMED["response.output_audio.delta"]


def downgraded(event: Json, dialect: Dialect) -> Json | None:
    """A GA server event as the dialect has it, or None where it has none. GA lacks `conversation.created`."""
    kind = event["type"]
    if dialect is Dialect.GA:
        return None if kind == "conversation.created" else event
    if kind in _GA_ONLY or (dialect is Dialect.BETA_2024_10 and kind in _SINCE_2024_12):
        return None
    down = event | {"type": _RENAMED.get(kind, kind)}
    if "item" in event:
        down["item"] = downgraded_item(event["item"])
    elif "response" in event:
        down["response"] = _downgraded_response(event["response"])
    elif "session" in event:
        _downgrade_session_event(down)
    elif kind == "error":
        message, param = in_beta_words(event["error"]["message"], event["error"]["param"])
        down["error"] = event["error"] | {"message": message, "param": param}
    return down


def _downgrade_session_event(down: Json) -> None:
    session = down["session"]
    if session["type"] == "transcription":
        down["type"] = down["type"].replace("session.", "transcription_session.")
        down["session"] = downgraded_transcription_session(session)
    else:
        down["session"] = downgraded_session(session)


def downgraded_session(session: Json) -> Json:
    """A GA session (with its `temperature`) as a flat beta one (protocol 1.3, 4.2)."""
    source, sink = session["audio"]["input"], session["audio"]["output"]
    return {
        "id": session["id"],
        "object": session["object"],
        "expires_at": session["expires_at"],
        "model": session["model"],
        "modalities": _downgraded_modalities(session["output_modalities"]),
        "instructions": session["instructions"],
        "voice": sink["voice"],
        **_downgraded_input(source),
        "output_audio_format": _FORMATS_DOWN[sink["format"]["type"]],
        "tools": session["tools"],
        "tool_choice": _downgraded_tool_choice(session["tool_choice"]),
        "temperature": session["temperature"],
        "max_response_output_tokens": session["max_output_tokens"],
        "speed": sink["speed"],
        "tracing": session["tracing"],
        "client_secret": None,
    }


def downgraded_transcription_session(session: Json) -> Json:
    """A GA transcription session as beta's (protocol 1.4)."""
    audio = _downgraded_input(session["audio"]["input"])
    detection = audio["turn_detection"]
    if detection is not None:
        kept = ("type", "threshold", "prefix_padding_ms", "silence_duration_ms", "eagerness")
        audio["turn_detection"] = _only(detection, kept)
    return {
        "id": session["id"],
        "object": session["object"],
        "expires_at": session["expires_at"],
        "modalities": ["audio", "text"],
        **audio,
        "include": session["include"] or [],
        "client_secret": None,
    }


def _downgraded_input(source: Json) -> Json:
    transcription = source["transcription"]
    reduction = source["noise_reduction"]
    return {
        "input_audio_format": _FORMATS_DOWN[source["format"]["type"]],
        "input_audio_noise_reduction": reduction and {"type": reduction["type"]},
        "input_audio_transcription": transcription and _only(transcription, ("model", "language", "prompt")),
        "turn_detection": source["turn_detection"],
    }


def _downgraded_modalities(modalities: list[str] | tuple[str, ...]) -> list[str]:
    return ["audio", "text"] if "audio" in modalities else ["text"]


def _downgraded_tool_choice(choice: Any) -> Any:
    return choice["name"] if isinstance(choice, dict) else choice


def _downgraded_response(response: Json) -> Json:
    output = response["audio"]["output"]
    down = {
        name: value for name, value in response.items() if name not in ("audio", "output_modalities", "output", "usage")
    }
    down |= {
        "output": [downgraded_item(item) for item in response["output"]],
        "modalities": _downgraded_modalities(response["output_modalities"]),
        "voice": output["voice"],
        "output_audio_format": _FORMATS_DOWN[output["format"]["type"]],
        "usage": response["usage"] and _downgraded_usage(response["usage"]),
    }
    return down


def _downgraded_usage(usage: Json) -> Json:
    details = {name: value for name, value in usage["input_token_details"].items() if name != "image_tokens"}
    cached = details["cached_tokens_details"]
    details["cached_tokens_details"] = {name: value for name, value in cached.items() if name != "image_tokens"}
    return usage | {"input_token_details": details}


_PARTS_DOWN = {"output_text": "text", "output_audio": "audio"}


def downgraded_item(item: Json) -> Json:
    """A GA item as a beta one: other names for the assistant's content, and no pictures (protocol 4.3)."""
    if item["type"] != "message":
        return item
    content = [
        part | {"type": _PARTS_DOWN.get(part["type"], part["type"])}
        for part in item["content"]
        if part["type"] != "input_image"
    ]
    return item | {"content": content}


_PARAMS_DOWN = (
    ("session.type", "type"),
    ("session.audio.input.format.type", "session.input_audio_format"),
    ("session.audio.input.format", "session.input_audio_format"),
    ("session.audio.input.transcription", "session.input_audio_transcription"),
    ("session.audio.input.noise_reduction", "session.input_audio_noise_reduction"),
    ("session.audio.input.turn_detection", "session.turn_detection"),
    ("session.audio.output.format.type", "session.output_audio_format"),
    ("session.audio.output.format", "session.output_audio_format"),
    ("session.audio.output.", "session."),
    ("session.output_modalities", "session.modalities"),
    ("session.max_output_tokens", "session.max_response_output_tokens"),
    ("response.output_modalities", "response.modalities"),
    ("response.audio.output.format.type", "response.output_audio_format"),
    ("response.audio.output.format", "response.output_audio_format"),
    ("response.audio.output.", "response."),
    ("response.max_output_tokens", "response.max_response_output_tokens"),
)


def beta_param(param: str | None) -> str | None:
    """The path of a member as a beta client knows it."""
    if param is None:
        return None
    for ga, beta in _PARAMS_DOWN:
        if param.startswith(ga):
            return beta + param[len(ga) :]
    return param


def in_beta_words(message: str, param: str | None) -> tuple[str, str | None]:
    """An error as a beta client understands it: its own names of the member and of audio formats."""
    ours = beta_param(param)
    if param is None or ours is None or ours == param:
        return message, ours
    message = message.replace(f"'{param}'", f"'{ours}'")
    if ours.endswith("_audio_format"):
        for ga, beta in _FORMATS_DOWN.items():
            message = message.replace(f"'{ga}'", f"'{beta}'")
    return message, ours
