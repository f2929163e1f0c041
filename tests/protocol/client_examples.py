"""Client events that between them use every member the catalogue knows, one JSON object per way to use it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

FUNCTION = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}
LOGPROBS = ["item.input_audio_transcription.logprobs"]

_GA_INPUT: Json = {
    "format": {"type": "audio/pcm", "rate": 24000},
    "noise_reduction": {"type": "near_field", "strength": 0.5},
    "transcription": {
        "model": "whisper-1",
        "language": "de",
        "languages": ["de", "en"],
        "prompt": "names",
        "keywords": ["Ada"],
        "delay": "low",
    },
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.25,
        "prefix_padding_ms": 200,
        "silence_duration_ms": 700,
        "idle_timeout_ms": 6000,
        "create_response": False,
        "interrupt_response": False,
    },
}
_SEMANTIC = {"type": "semantic_vad", "eagerness": "low", "create_response": False, "interrupt_response": False}

_GA_SESSION: Json = {
    "type": "realtime",
    "model": "gpt-realtime",
    "output_modalities": ["text"],
    "instructions": "Be brief.",
    "audio": {
        "input": _GA_INPUT,
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "echo", "speed": 1.25},
    },
    "include": LOGPROBS,
    "max_output_tokens": 100,
    "parallel_tool_calls": True,
    "prompt": {"id": "pmpt_1", "version": "2", "variables": {"city": "Rome"}},
    "reasoning": {"effort": "high"},
    "tool_choice": "required",
    "tools": [FUNCTION],
    "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 9}},
}


def _ga_session(audio: Json, **members: Any) -> Json:
    return {"type": "session.update", "event_id": "e1", "session": {"type": "realtime", "audio": audio, **members}}


_GA_UPDATES = [
    {"type": "session.update", "event_id": "e1", "session": _GA_SESSION},
    _ga_session(
        {
            "input": {"format": {"type": "audio/pcmu"}, "turn_detection": _SEMANTIC},
            "output": {"format": {"type": "audio/pcmu"}, "voice": {"id": "voice_1"}},
        },
        tool_choice={"type": "function", "name": "look"},
    ),
    _ga_session({"input": {"format": {"type": "audio/pcma"}}, "output": {"format": {"type": "audio/pcma"}}}),
    *(
        {
            "type": "session.update",
            "session": {"type": "transcription", "audio": {"input": audio}, "include": LOGPROBS},
        }
        for audio in (
            _GA_INPUT,
            {"format": {"type": "audio/pcmu"}, "turn_detection": _SEMANTIC},
            {"format": {"type": "audio/pcma"}},
        )
    ),
]

_COMMON = {"id": "item_1", "object": "realtime.item", "status": "completed"}


def _message(role: str, part: Json) -> Json:
    return {**_COMMON, "type": "message", "role": role, "content": [part]}


CALL = {**_COMMON, "type": "function_call", "name": "look", "call_id": "call_1", "arguments": "{}"}
CALL_OUTPUT = {**_COMMON, "type": "function_call_output", "call_id": "call_1", "output": "seen"}
REFERENCE = {"type": "item_reference", "id": "item_9"}

GA_ITEMS = [
    _message("system", {"type": "input_text", "text": "hi"}),
    _message("user", {"type": "input_text", "text": "hi"}),
    _message("user", {"type": "input_audio", "audio": "AAAA", "transcript": "hi"}),
    _message("user", {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"}),
    _message("assistant", {"type": "output_text", "text": "hi"}),
    _message("assistant", {"type": "output_audio", "audio": "AAAA", "transcript": "hi"}),
    CALL,
    CALL_OUTPUT,
]
BETA_ITEMS = [
    _message("system", {"type": "input_text", "text": "hi"}),
    _message("user", {"type": "input_text", "text": "hi"}),
    _message("user", {"type": "input_audio", "audio": "AAAA", "transcript": "hi"}),
    _message("assistant", {"type": "text", "text": "hi"}),
    _message("assistant", {"type": "audio", "transcript": "hi"}),
    CALL,
    CALL_OUTPUT,
]

_GA_RESPONSE: Json = {
    "output_modalities": ["text"],
    "instructions": "Sing.",
    "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "echo"}},
    "tools": [FUNCTION],
    "tool_choice": "none",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low"},
    "max_output_tokens": 50,
    "conversation": "none",
    "metadata": {"topic": "weather"},
    "prompt": {"id": "pmpt_1", "version": "2", "variables": {"city": "Rome"}},
}
_GA_RESPONSES = [
    {"type": "response.create", "event_id": "e1", "response": {**_GA_RESPONSE, "input": [GA_ITEMS[0]]}},
    {
        "type": "response.create",
        "response": {
            "audio": {"output": {"format": {"type": "audio/pcmu"}, "voice": {"id": "voice_1"}}},
            "tool_choice": {"type": "function", "name": "look"},
        },
    },
    {"type": "response.create", "response": {"audio": {"output": {"format": {"type": "audio/pcma"}}}}},
    *({"type": "response.create", "response": {"input": [item]}} for item in [*GA_ITEMS, REFERENCE]),
]

_BETA_INPUT: Json = {
    "input_audio_format": "pcm16",
    "input_audio_noise_reduction": {"type": "far_field"},
    "input_audio_transcription": {"model": "whisper-1", "language": "de", "prompt": "names"},
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.25,
        "prefix_padding_ms": 200,
        "silence_duration_ms": 700,
        "create_response": False,
        "interrupt_response": False,
    },
}
_EXPIRY = {"anchor": "created_at", "seconds": 60}
_BETA_UPDATES = [
    {
        "type": "session.update",
        "event_id": "e1",
        "session": {
            **_BETA_INPUT,
            "client_secret": {"expires_after": _EXPIRY},
            "instructions": "Be brief.",
            "max_response_output_tokens": 100,
            "modalities": ["text"],
            "model": "gpt-realtime",
            "output_audio_format": "g711_ulaw",
            "speed": 1.25,
            "temperature": 0.9,
            "tool_choice": "auto",
            "tools": [FUNCTION],
            "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
            "voice": "echo",
        },
    },
    {"type": "session.update", "session": {"turn_detection": _SEMANTIC}},
]
_BETA_TRANSCRIPTION_UPDATES = [
    {
        "type": "transcription_session.update",
        "event_id": "e1",
        "session": {
            **_BETA_INPUT,
            "client_secret": {"expires_at": _EXPIRY},
            "include": LOGPROBS,
            "modalities": ["text", "audio"],
        },
    },
    {"type": "transcription_session.update", "session": {"turn_detection": _SEMANTIC}},
]
_BETA_RESPONSES = [
    {
        "type": "response.create",
        "event_id": "e1",
        "response": {
            "conversation": "none",
            "instructions": "Sing.",
            "max_response_output_tokens": 50,
            "metadata": {"topic": "weather"},
            "modalities": ["text"],
            "output_audio_format": "g711_alaw",
            "temperature": 0.9,
            "tool_choice": "none",
            "tools": [FUNCTION],
            "voice": "echo",
            "input": [BETA_ITEMS[0]],
        },
    },
    *({"type": "response.create", "response": {"input": [item]}} for item in [*BETA_ITEMS, REFERENCE]),
]


def _create(item: Json) -> Json:
    return {"type": "conversation.item.create", "event_id": "e1", "previous_item_id": "item_0", "item": item}


_SAME: dict[str, list[Json]] = {
    "conversation.item.delete": [{"type": "conversation.item.delete", "event_id": "e1", "item_id": "item_1"}],
    "conversation.item.retrieve": [{"type": "conversation.item.retrieve", "event_id": "e1", "item_id": "item_1"}],
    "conversation.item.truncate": [
        {
            "type": "conversation.item.truncate",
            "event_id": "e1",
            "item_id": "item_1",
            "content_index": 0,
            "audio_end_ms": 250,
        }
    ],
    "input_audio_buffer.append": [{"type": "input_audio_buffer.append", "event_id": "e1", "audio": "AAAA"}],
    "input_audio_buffer.clear": [{"type": "input_audio_buffer.clear", "event_id": "e1"}],
    "input_audio_buffer.commit": [{"type": "input_audio_buffer.commit", "event_id": "e1"}],
    "output_audio_buffer.clear": [{"type": "output_audio_buffer.clear", "event_id": "e1"}],
    "response.cancel": [{"type": "response.cancel", "event_id": "e1", "response_id": "resp_1"}],
}

GA: dict[str, list[Json]] = {
    **_SAME,
    "session.update": _GA_UPDATES,
    "conversation.item.create": [_create(item) for item in GA_ITEMS],
    "response.create": _GA_RESPONSES,
}
BETA: dict[str, list[Json]] = {
    **_SAME,
    "session.update": _BETA_UPDATES,
    "transcription_session.update": _BETA_TRANSCRIPTION_UPDATES,
    "conversation.item.create": [_create(item) for item in BETA_ITEMS],
    "response.create": _BETA_RESPONSES,
}
