"""Every error voicebridge raises, by who is to blame.

    VoicebridgeError
    ├─ ConfigError                  at start-up; names the key
    ├─ ClientError                  the caller's mistake: an `error` event or a 4xx; the call goes on
    │   ├─ MalformedEvent           not JSON, not an object, not text
    │   ├─ InvalidEvent             a member is missing, unknown, of the wrong type or out of range
    │   ├─ InvalidState             the event is fine but not now
    │   ├─ NotFound                 no such call, or not one of the caller's
    │   ├─ TooLarge                 a body, or a session to be bound to a key, is over its limit
    │   ├─ UnsupportedType          a body of a content type that is not taken here
    │   ├─ Unauthorized             no key, a wrong key, a used or expired token
    │   ├─ Forbidden                a good key for something else
    │   └─ CapacityReached          full; try again later
    ├─ EngineError                  a local model failed: the response or transcription fails, the call goes on
    │   └─ EngineUnavailable        models still loading, or a worker is being restarted
    └─ UpstreamError                somebody we called failed: response.done{failed} or 502/504

Codes and types are those of the Realtime protocol (protocol section 6.2).
"""

from __future__ import annotations

from typing import ClassVar


class VoicebridgeError(Exception):
    """Base of all errors of this package."""

    http_status: ClassVar[int] = 500
    ws_close_code: ClassVar[int] = 1011
    type: ClassVar[str] = "server_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


class ConfigError(VoicebridgeError):
    """A setting is missing or wrong; `param` names the key, the message says what to write instead."""


class ClientError(VoicebridgeError):
    """The caller's mistake. The session goes on."""

    http_status = 400
    ws_close_code = 4000
    type = "invalid_request_error"


class MalformedEvent(ClientError):
    """The message is not one JSON object in a text frame."""


class InvalidEvent(ClientError):
    """A member is missing, unknown, of the wrong type or out of range; `param` is its dotted path."""


class InvalidState(ClientError):
    """The request is well-formed but cannot be done now."""

    http_status = 409


class NotFound(ClientError):
    """There is no such thing, or it is somebody else's."""

    http_status = 404


class TooLarge(ClientError):
    """A body, or a session to be bound to a key, is over its limit."""

    http_status = 413


class UnsupportedType(ClientError):
    """A body of a content type that is not taken here."""

    http_status = 415


class Unauthorized(ClientError):
    """No key, a wrong key, an expired or used token."""

    http_status = 401
    ws_close_code = 3000


class Forbidden(ClientError):
    """A valid key that may not do this."""

    http_status = 403
    ws_close_code = 3000


class CapacityReached(ClientError):
    """The server is full or draining; the caller may try again."""

    http_status = 503
    ws_close_code = 1013
    type = "server_error"


class EngineError(VoicebridgeError):
    """A speech or language engine failed; what it was making fails, the call goes on."""


class EngineUnavailable(EngineError):
    """The engine cannot serve right now: still loading, or restarting after a crash."""

    http_status = 503


class UpstreamError(VoicebridgeError):
    """A service that voicebridge called failed."""

    http_status = 502
