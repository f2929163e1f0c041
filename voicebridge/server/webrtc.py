"""WebRTC calls over HTTP: opening, hanging up, renegotiating (protocol 1.6 to 1.8; RFC 9725 where that is silent)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from voicebridge.errors import InvalidEvent, NotFound, UnsupportedType
from voicebridge.ice_servers import IceServers
from voicebridge.runtime.call import Call
from voicebridge.server.admission import Admission
from voicebridge.server.auth import Identity
from voicebridge.server.open_calls import HUNG_UP, OpenCall, OpenCalls, media_counts
from voicebridge.server.opening import dialect_of, session_of_post
from voicebridge.server.problems import read_body
from voicebridge.transports.webrtc.endpoint import WebRtc
from voicebridge.transports.webrtc.port import WebRtcPort
from voicebridge.wire.offer import SDP, read_sdp_post

_log = logging.getLogger(__name__)

FRAGMENT = "application/trickle-ice-sdpfrag"

_UNCACHED = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class WebRtcEndpoint:
    """`webrtc` gives the running transport, or None where `webrtc.enabled` is false; `ttl_s` is that of `ice_servers`.

    Opening a call takes a key as for a WebSocket. An open call obeys the key that opened it and the API key which that
    one came from; an ephemeral key stays good for its own call after it has expired.
    """

    admission: Admission
    open_calls: OpenCalls
    webrtc: Callable[[], WebRtc | None]
    ice_servers: IceServers
    ttl_s: int
    max_body_bytes: int

    def routes(self, prefix: str) -> list[Route]:
        calls = f"{prefix}/realtime/calls"
        one = f"{calls}/{{call_id}}"
        return [
            Route(f"{prefix}/realtime", self.create, methods=["POST"]),
            Route(f"{prefix}/realtime", _explain_realtime, methods=["GET"]),
            Route(calls, self.create, methods=["POST"]),
            Route(calls, _explain_calls, methods=["GET"]),
            Route(one, self.hang_up, methods=["DELETE"]),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one, _explain_call, methods=["GET", "POST", "PUT"]),
            Route(f"{one}/hangup", self.hang_up, methods=["POST"]),
            *(Route(f"{one}/{verb}", self.refuse_sip, methods=["POST"]) for verb in ("accept", "refer", "reject")),
            Route(f"{prefix}/realtime/ice_servers", self.list_ice_servers, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """H4 and H5: an offer in, 201 and the answer out. A refused one costs neither a place nor a single-use key."""
        webrtc, admission = self._running(), self.admission
        identity = admission.identify(request)
        body = await read_body(request, max_bytes=self.max_body_bytes)
        post = read_sdp_post(request.headers.get("content-type", ""), body)
        dialect = dialect_of(request, identity)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(admission.place(identity))
            now = admission.wall()
            session = session_of_post(request, identity, post.session, admission.rules, admission.ids, now)
            port = webrtc.answer(post.sdp, lambda size: admission.codec(dialect, media=True, max_message_bytes=size))
            stack.callback(port.abandon)
            await admission.claim(identity)
            call_id = admission.ids.new("rtc")
            opened = OpenCall(port, dialect, identity)
            await stack.enter_async_context(self.open_calls.held(call_id, opened, admission.holds_s))
            stack.callback(self._count, call_id, port)
            call = admission.new_call(session, port, dialect, "webrtc")
            _log.info("call opened", extra={"call_id": call_id, "session_id": session.id})
            admission.calls.start(call, call_id, stack.pop_all().aclose)
        return self._created(call_id, port.answer, now)

    def _created(self, call_id: str, answer: str, now: float) -> Response:
        headers = {
            "location": f"/v1/realtime/calls/{call_id}",
            "accept-patch": f"{FRAGMENT}, {SDP}",
            **_UNCACHED,
        }
        response = Response(answer, status_code=201, media_type=SDP, headers=headers)
        for link in self.ice_servers.link_headers(now, call_id):
            response.headers.append("link", link)
        return response

    async def hang_up(self, request: Request) -> Response:
        """H7, and DELETE as in RFC 9725 section 4.2."""
        call, _ = self._named(request)
        call.end(HUNG_UP)
        return Response(status_code=200)

    async def patch(self, request: Request) -> Response:
        """Trickled candidates, an ICE restart (both RFC 9725 section 4.3), or a later offer of the same client."""
        self._named(request)
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in (FRAGMENT, SDP):
            raise UnsupportedType(
                f"Unsupported content type '{content_type[:100]}'. Send a later offer as {SDP}, or ICE candidates and "
                f"credentials as {FRAGMENT}.",
                code="unsupported_content_type",
            )
        body = await read_body(request, max_bytes=self.max_body_bytes)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise InvalidEvent("The body is not UTF-8.", code="invalid_offer", param="sdp") from None
        _, opened = self._named(request)  # again: it may have ended while the body came
        answer = opened.port.renegotiate(text) if content_type == SDP else opened.port.patch(text)
        if answer is None:
            return Response(status_code=204)
        return Response(answer, media_type=content_type, headers=_UNCACHED)

    async def refuse_sip(self, request: Request) -> Response:
        """H6, H8, H9: there are no telephone calls to accept, refer or reject."""
        self._named(request)
        raise InvalidEvent("This is a WebRTC call. Only SIP calls can do that.", code="call_not_sip")

    async def list_ice_servers(self, request: Request) -> Response:
        """What a client should give its RTCPeerConnection as `iceServers`; good for `ttl` seconds."""
        self._running()
        caller = self.admission.authenticator.identify(request)
        servers = self.ice_servers.for_client(self.admission.wall(), caller.fingerprint)
        return JSONResponse({"ice_servers": servers, "ttl": self.ttl_s}, headers=_UNCACHED)

    def _running(self) -> WebRtc:
        webrtc = self.webrtc()
        if webrtc is None:
            raise NotFound(
                "WebRTC is switched off on this server. To switch it on, set webrtc.enabled = true in its "
                "configuration, or use a WebSocket.",
                code="webrtc_disabled",
            )
        return webrtc

    def _named(self, request: Request) -> tuple[Call, OpenCall]:
        self._running()
        caller: Identity = self.admission.authenticator.identify(request, expired_too=True)
        return self.open_calls.of(request.path_params["call_id"], caller)

    def _count(self, call_id: str, port: WebRtcPort) -> None:
        metrics, stats, counts = self.admission.metrics, port.stats(), media_counts(port)
        metrics.media.ended(counts)
        metrics.dropped("webrtc_audio_in", stats.dropped_audio)
        metrics.dropped("webrtc_packets_in", stats.dropped_packets)
        metrics.dropped("webrtc_speech", stats.dropped_speech)
        metrics.dropped("outbound_events", stats.dropped_events)
        measured = {
            "loss": round(counts.loss, 4),
            "jitter_s": round(counts.jitter_s, 4),
            "round_trip_s": counts.round_trip_s,
        }
        _log.info("call closed", extra={"call_id": call_id, **counts.packets, **measured})


def process_counts(webrtc: WebRtc) -> dict[str, int]:
    """What all calls share: datagrams by what became of them, and ticks that came late or never."""
    ticker = webrtc.ticker
    return asdict(webrtc.sockets.counters) | {"ticks_late": ticker.late, "ticks_missed": ticker.missed}


async def _explain_realtime(_request: Request) -> Response:
    raise _not_allowed("POST", "Connect a WebSocket to this address (ws:// or wss://), or POST an SDP offer to it.")


async def _explain_calls(_request: Request) -> Response:
    raise _not_allowed("POST", "POST an SDP offer to this address to open a WebRTC call.")


async def _explain_call(_request: Request) -> Response:
    raise _not_allowed(
        "DELETE, PATCH",
        "DELETE hangs this call up, PATCH renegotiates it. Its events are on its data channel, and on a WebSocket to "
        "/v1/realtime?call_id=…",
    )


def _not_allowed(allowed: str, message: str) -> HTTPException:
    return HTTPException(405, message, headers={"allow": allowed})
