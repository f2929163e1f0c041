from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.config import LogSettings
from voicebridge.telemetry import logs
from voicebridge.telemetry.logs import Pii, redact


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    names = [None, *list(logging.Logger.manager.loggerDict)]
    before = [
        (logger, logger.level, list(logger.handlers), logger.propagate) for logger in map(logging.getLogger, names)
    ]
    yield
    for logger, level, handlers, propagate in before:
        logger.level, logger.handlers[:], logger.propagate = level, handlers, propagate
    logging.Logger.manager._clear_cache()  # type: ignore[attr-defined]


def configured(**settings: object) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(LogSettings.model_validate(settings), secrets=["hunter2-hunter2"], stream=stream)
    return stream


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("key ek_abcDEF-123_x= end", "key ek_*** end"),
        ("sk-proj-abc123 and sk-voicebridge-xyz_1", "sk-*** and sk-***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("{'authorization': 'Bearer abc'}", "{'authorization': 'Bearer ***'}"),
        ("[(b'api-key', b'abc')]", "[(b'api-key', b'abc')]"),
        ("api-key: my-key, other", "api-key: ***, other"),
        ("GET /v1/realtime?model=m&api_key=abc&x=1", "GET /v1/realtime?model=m&api_key=***&x=1"),
        ("GET /v1/realtime?api-key=abc HTTP/1.1", "GET /v1/realtime?api-key=*** HTTP/1.1"),
        ('{"api_key": "abc"}', '{"api_key": "***"}'),
        ("realtime, openai-insecure-api-key.abc, x", "realtime, openai-insecure-api-key.***, x"),
        ("token_secret='abcdef'", "token_secret='***'"),
        ("the hunter2-hunter2 password", "the *** password"),
        ("task- risk-free desk-top ek_ sk-", "task- risk-free desk-top ek_ sk-"),
        ("nothing secret", "nothing secret"),
    ],
)
def test_keys_are_blanked_wherever_they_stand(text: str, clean: str) -> None:
    assert redact(text, ["hunter2-hunter2"]) == clean


@given(
    st.text(alphabet="abcXYZ019-_", min_size=8),
    st.sampled_from(
        ["{}", "Bearer {}", "?api_key={}", "openai-insecure-api-key.{}", "'{}'", "x={} y", '{{"key": "{}"}}']
    ),
    st.sampled_from(["ek_", "sk-"]),
)
def test_no_form_of_a_key_survives(tail: str, frame: str, prefix: str) -> None:
    assert tail not in redact(frame.format(prefix + tail))


def test_json_lines_hold_ids_and_extra_members() -> None:
    stream = configured(format="json")
    token = logs.request_id.set("req_1")
    try:
        logging.getLogger("voicebridge.x").info("hello %s", "Zoë", extra={"frames": 3, "who": "sk-secret123"})
    finally:
        logs.request_id.reset(token)
    entry = json.loads(stream.getvalue())
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "info", "logger": "voicebridge.x", "message": "hello Zoë", "request_id": "req_1", "frames": 3,
        "who": "sk-***",
    }  # fmt: skip


def test_exceptions_are_logged_without_the_secrets_in_them() -> None:
    for form in ("json", "text"):
        stream = configured(format=form)
        try:
            raise RuntimeError("refused ek_abcdefgh and hunter2-hunter2")  # noqa: TRY301  to have a traceback
        except RuntimeError:
            logging.getLogger("voicebridge").exception("failed")
        assert "RuntimeError: refused ek_*** and ***" in stream.getvalue()
        assert "abcdefgh" not in stream.getvalue()


def test_text_lines_are_for_people() -> None:
    stream = configured(format="text")
    token = logs.request_id.set("req_7")
    try:
        logging.getLogger("voicebridge").warning("slow")
    finally:
        logs.request_id.reset(token)
    assert stream.getvalue().endswith("warning slow request_id=req_7\n")


@pytest.mark.parametrize("form", ["json", "text"])
def test_words_are_lengths_unless_switched_on(form: str) -> None:
    stream = configured(format=form)
    logging.getLogger("voicebridge").info("heard %s", Pii("my secret wish"), extra={"said": Pii("yes")})
    assert "<14 characters>" in stream.getvalue()
    assert "wish" not in stream.getvalue()
    assert "yes" not in stream.getvalue()
    stream = configured(format=form, transcripts=True)
    logging.getLogger("voicebridge").info("heard %(what)s", {"what": Pii("my secret wish")}, extra={"said": Pii("yes")})
    assert "my secret wish" in stream.getvalue()
    assert "yes" in stream.getvalue()


def test_uvicorn_speaks_through_the_same_handler() -> None:
    stream = configured(format="json", level="debug")
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", "/x?api_key=abc", "1.1", 200
    )
    logging.getLogger("uvicorn.error").info("started", extra={"color_message": "\x1b[36mstarted"})
    access, error = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert access["message"] == '127.0.0.1:1 - "GET /x?api_key=*** HTTP/1.1" 200'
    assert error["message"] == "started"
    assert "color_message" not in error


def test_frames_of_websockets_are_not_logged_even_at_debug() -> None:
    stream = configured(format="json", level="debug", transcripts=True)
    for name in ("uvicorn.error", "websockets.client", "websockets.server"):
        logging.getLogger(name).debug('< TEXT \'{"audio": "AAAA"}\'')
    assert stream.getvalue() == ""


def test_each_request_is_a_line_only_at_debug() -> None:
    stream = configured(format="json")
    logging.getLogger("uvicorn.access").info("GET")
    assert stream.getvalue() == ""


def test_auto_is_json_where_no_person_looks() -> None:
    stream = configured(format="auto")
    logging.getLogger("voicebridge").info("x")
    assert stream.getvalue().startswith("{")
