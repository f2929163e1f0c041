"""The body of an SDP post: the offer alone, or a form with the offer and the session it is for (protocol 1.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from voicebridge.errors import InvalidEvent, MalformedEvent, UnsupportedType
from voicebridge.protocol.json_text import check_depth, json_object

SDP = "application/sdp"
FORM = "multipart/form-data"

MAX_PARTS = 16
"""Parts of one form; two of them mean something."""


@dataclass(frozen=True, slots=True)
class SdpPost:
    """`session` is as it was sent; None where it was not, or was null."""

    sdp: str
    session: dict[str, Any] | None


def read_sdp_post(content_type: str, body: bytes) -> SdpPost:
    """The offer in `body`, which its reader has bounded; `content_type` is the header's text (latin-1).

    Raises InvalidEvent with param `sdp` or `session`, or without one for a form that cannot be read, and
    UnsupportedType.
    """
    media_type, options = parse_options_header(content_type)
    if media_type == SDP.encode():
        return SdpPost(_sdp(body), None)
    if media_type != FORM.encode():
        raise UnsupportedType(
            f"Unsupported content type '{content_type[:100]}'. Send the offer as {SDP}, "
            f"or as the part 'sdp' of {FORM}, with the session as JSON in the part 'session'.",
            code="unsupported_content_type",
        )
    parts = _Parts.read(options.get(b"boundary"), body)
    return SdpPost(_sdp(parts.get("sdp", b"")), _session(parts.get("session", b"")))


def _sdp(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InvalidEvent("The SDP offer is not UTF-8.", code="invalid_offer", param="sdp") from None
    if not text.strip():
        raise InvalidEvent("Missing required parameter: 'sdp'. It is the client's SDP offer.",
                           code="missing_required_parameter", param="sdp")  # fmt: skip
    return text


def _session(raw: bytes) -> dict[str, Any] | None:
    if raw.strip() in (b"", b"null"):
        return None
    try:
        session = json_object(raw.decode())
        check_depth(session)
    except (MalformedEvent, UnicodeDecodeError):
        raise InvalidEvent(
            "Invalid 'session': it must be one JSON object in UTF-8.", code="invalid_json", param="session"
        ) from None
    return session


class _Parts:
    """Collects the parts of a form by their names; the content types of parts and their order do not matter."""

    def __init__(self, boundary: bytes) -> None:
        self.found: dict[str, bytes] = {}
        self.complete = False
        self._count = 0
        self._name = ""
        self._disposition = self._header = self._value = b""
        self._data = bytearray()
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._more_of_header,
                "on_header_value": self._more_of_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._more_of_data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    @classmethod
    def read(cls, boundary: bytes | None, body: bytes) -> dict[str, bytes]:
        """Raises InvalidEvent for what is not a whole form."""
        if not boundary:
            raise InvalidEvent(f"The content type {FORM} needs a boundary parameter.", code="invalid_form")
        try:
            parts = cls(boundary)
            parts.parser.write(body)
            parts.parser.finalize()
        except FormParserError:
            raise InvalidEvent(f"The body is not a form of type {FORM}.", code="invalid_form") from None
        if not parts.complete:
            raise InvalidEvent("The form in the body is cut off.", code="invalid_form")
        return parts.found

    def _begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise InvalidEvent(f"The form has more than {MAX_PARTS} parts.", code="invalid_form")
        self._disposition = b""
        self._data = bytearray()

    def _more_of_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _more_of_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")

    def _more_of_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def _end(self) -> None:
        if self._name in self.found:
            raise InvalidEvent(f"The form has two parts named '{self._name[:100]}'.", code="invalid_form")
        self.found[self._name] = bytes(self._data)

    def _finish(self) -> None:
        self.complete = True
