from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.errors import ClientError, InvalidEvent, UnsupportedType
from voicebridge.wire.offer import MAX_PARTS, SdpPost, read_sdp_post

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SESSION = {"type": "realtime", "instructions": "Say „grüß Gott“."}


def form(parts: list[tuple[str, str | None, str]], boundary: str = "x7Y") -> bytes:
    """Parts as (name, content type, text), in this order."""
    lines = []
    for name, content_type, text in parts:
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"']
        lines += [f"Content-Type: {content_type}"] if content_type else []
        lines += ["", text]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode()


def read_form(body: bytes, boundary: str = "x7Y") -> SdpPost:
    return read_sdp_post(f"multipart/form-data; boundary={boundary}", body)


@pytest.mark.parametrize("content_type", ["application/sdp", "Application/SDP", "application/sdp; charset=utf-8"])
def test_an_offer_alone(content_type: str) -> None:
    assert read_sdp_post(content_type, SDP.encode()) == SdpPost(SDP, None)


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("extra", [True, False])
def test_a_form_with_its_parts_in_any_order_with_or_without_types(typed: bool, turned: bool, extra: bool) -> None:
    parts = [
        ("sdp", "application/sdp" if typed else None, SDP),
        ("session", "application/json" if typed else None, json.dumps(SESSION, ensure_ascii=False)),
    ]
    parts += [("model", None, "gpt-realtime")] if extra else []
    assert read_form(form(parts[::-1] if turned else parts)) == SdpPost(SDP, SESSION)


def test_what_an_http_client_makes_of_it() -> None:
    for files in (
        {"sdp": (None, SDP, "application/sdp"), "session": (None, json.dumps(SESSION), "application/json")},
        {"sdp": (None, SDP), "session": (None, json.dumps(SESSION))},
        {"session": ("session.json", json.dumps(SESSION)), "sdp": ("offer.sdp", SDP)},
    ):
        request = httpx.Request("POST", "http://server", files=files)
        assert read_sdp_post(request.headers["content-type"], request.read()) == SdpPost(SDP, SESSION)


@pytest.mark.parametrize("session", ["null", " null\n", ""])
def test_no_session(session: str) -> None:
    assert read_form(form([("sdp", None, SDP), ("session", "application/json", session)])).session is None
    assert read_form(form([("sdp", None, SDP)])).session is None


@pytest.mark.parametrize(
    ("content_type", "body", "code", "param"),
    [
        ("application/sdp", b"", "missing_required_parameter", "sdp"),
        ("application/sdp", b" \r\n", "missing_required_parameter", "sdp"),
        ("application/sdp", b"\xff\xfe", "invalid_offer", "sdp"),
        ("multipart/form-data; boundary=x7Y", form([("session", None, "{}")]), "missing_required_parameter", "sdp"),
        ("multipart/form-data; boundary=x7Y", form([("SDP", None, SDP)]), "missing_required_parameter", "sdp"),
        ("multipart/form-data; boundary=x7Y", b"", "invalid_form", None),
        ("multipart/form-data; boundary=x7Y", SDP.encode(), "invalid_form", None),
        ("multipart/form-data; boundary=x7Y", form([("sdp", None, SDP)])[:-9], "invalid_form", None),
        ("multipart/form-data; boundary=other", form([("sdp", None, SDP)]), "invalid_form", None),
        ("multipart/form-data; boundary=" + "b" * 5_000, form([("sdp", None, SDP)]), "invalid_form", None),
        ("multipart/form-data", form([("sdp", None, SDP)]), "invalid_form", None),
        ("multipart/form-data; boundary=x7Y", form([("sdp", None, SDP)] * 2), "invalid_form", None),
        (
            "multipart/form-data; boundary=x7Y",
            form([(f"p{index}", None, "") for index in range(MAX_PARTS + 1)]),
            "invalid_form",
            None,
        ),
    ],
)  # fmt: skip
def test_a_body_without_an_offer_is_refused(content_type: str, body: bytes, code: str, param: str | None) -> None:
    with pytest.raises(InvalidEvent) as refused:
        read_sdp_post(content_type, body)
    assert (refused.value.code, refused.value.param, refused.value.http_status) == (code, param, 400)
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("session", ["{", "[]", '"realtime"', "1", "{'type': 'realtime'}", "[" * 5_000, '{"a": NaN}'])
def test_a_session_that_is_no_json_object_is_refused(session: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        read_form(form([("sdp", None, SDP), ("session", None, session)]))
    assert (refused.value.code, refused.value.param) == ("invalid_json", "session")


def test_a_session_that_is_nested_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"a": deep}
    with pytest.raises(InvalidEvent) as refused:
        read_form(form([("sdp", None, SDP), ("session", None, json.dumps(deep))]))
    assert refused.value.param == "session"


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedType) as refused:
        read_sdp_post(content_type, SDP.encode())
    assert (refused.value.code, refused.value.http_status) == ("unsupported_content_type", 415)
    assert "application/sdp" in refused.value.message


@given(st.text(st.characters(max_codepoint=255), max_size=60), st.binary(max_size=300))
def test_whatever_is_posted_is_read_or_refused(content_type: str, body: bytes) -> None:
    for given_type in (content_type, "multipart/form-data; boundary=x", "application/sdp"):
        for given_body in (body, b"--x\r\n" + body, form([("sdp", None, SDP)], "x") + body):
            try:
                post = read_sdp_post(given_type, given_body)
            except ClientError:
                continue
            assert post.sdp
