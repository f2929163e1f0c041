"""Structured logs on the standard library: JSON or text, with the request they belong to, without secrets.

Three things never reach a log by accident. Secrets are blanked out of the finished line, wherever they came from.
What people say is wrapped in `Pii` and shown as its length unless switched on. Audio is not logged at all.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Any

from voicebridge.config import LogSettings

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_SECRET = re.compile(
    r"""(?ix)
    \b (ek_|sk-) [\w.~+/=-]{4,}                                   # keys by their prefix
    | (openai-insecure-api-key\.) [^\s,;"'\\]+
    | (\bbearer\s+) [^\s,;"'\\]+
    | (\b(?:x-)?api[-_]key["']?\s*[=:]\s*(?:b?["'])?) [^\s&,;"'\\]+
    | (\b(?:client_|token_)?secret["']?\s*[=:]\s*["']?) (?![\s{]) [^\s&,;"'\\]+
    """
)
_BLANK = "***"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class Pii:
    """A person's words (or number) as a log argument: shown as a length unless `log.transcripts` is on."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return f"<{len(self._text)} characters>"

    __repr__ = __str__

    def reveal(self) -> str:
        return self._text


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """`text` with everything that looks like a key, and every one of `secrets`, blanked out."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, _BLANK)
    return _SECRET.sub(lambda match: next((group for group in match.groups() if group), "") + _BLANK, text)


class _Formatter(logging.Formatter):
    """What both forms share."""

    def __init__(self, *, transcripts: bool, secrets: Collection[str]) -> None:
        super().__init__()
        self._transcripts = transcripts
        self._secrets = tuple(secrets)

    def _message(self, record: logging.LogRecord) -> str:
        if not record.args:
            return str(record.msg)
        args = record.args
        shown = (
            {name: self._shown(value) for name, value in args.items()}
            if isinstance(args, Mapping)
            else tuple(self._shown(value) for value in args)
        )
        return str(record.msg) % shown

    def _shown(self, value: object) -> object:
        return value.reveal() if isinstance(value, Pii) and self._transcripts else value

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        extra = {name: self._shown(value) for name, value in vars(record).items() if name not in _STANDARD}
        return {name: value for name, value in {"request_id": request_id.get(), **extra}.items() if value is not None}

    def _trace(self, record: logging.LogRecord) -> str | None:
        return self.formatException(record.exc_info) if record.exc_info else None


class JsonFormatter(_Formatter):
    """One JSON object a line: time, level, logger, message, request id, extra members, exception."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _instant(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
            **self._fields(record),
        }
        if trace := self._trace(record):
            entry["exception"] = trace
        clean = {name: self._clean(value) for name, value in entry.items()}
        return json.dumps(clean, ensure_ascii=False, default=str)

    def _clean(self, value: object) -> object:
        """Strings are cleaned before they are escaped: a secret with a quote in it would look different after."""
        if isinstance(value, bool | int | float):
            return value
        return redact(value if isinstance(value, str) else str(value), self._secrets)


class TextFormatter(_Formatter):
    """One line for a person: time, level, message, request id and extra members."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in self._fields(record).items())
        when = _instant(record).astimezone().strftime("%H:%M:%S")
        message = self._message(record)
        line = f"{when} {record.levelname.lower():7} {message}{fields}"
        if trace := self._trace(record):
            line += "\n" + trace
        return redact(line, self._secrets)


def configure(settings: LogSettings, *, secrets: Collection[str] = (), stream: IO[str] | None = None) -> None:
    """Route every logger, uvicorn's included, to one handler on `stream` (stderr). `secrets` are blanked out."""
    stream = stream or sys.stderr
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    formatter = (JsonFormatter if as_json else TextFormatter)(transcripts=settings.transcripts, secrets=secrets)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    level = settings.level.upper()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    handler.addFilter(_is_news)
    _quieten(level)


def _is_news(record: logging.LogRecord) -> bool:
    """Uvicorn takes a WebSocket that was refused with a proper response (404) for a fault of the application."""
    return record.getMessage() != "ASGI callable returned without completing handshake."


def _quieten(level: str) -> None:
    """Libraries that tell more than is wanted: at debug, frames of WebSockets are written with their content."""
    least = logging.getLevelNamesMapping()[level]
    for name, floor in _FLOORS.items():
        logging.getLogger(name).setLevel(max(floor, least))
    # A line for each request and each step of uvicorn's is debug output.
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.INFO if level == "DEBUG" else logging.WARNING)


_FLOORS = {
    "websockets": logging.INFO,
    "asyncio": logging.INFO,
    "aiortc": logging.INFO,
    "aioice": logging.INFO,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "libav": logging.WARNING,
    "python_multipart": logging.ERROR,  # a client's mistake, which the client is told
}


def _instant(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
