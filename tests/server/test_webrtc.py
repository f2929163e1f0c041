"""Opening, ending and renegotiating WebRTC calls over HTTP (protocol 1.6 to 1.8), without media: nobody connects here.

What session a call has is seen by joining it.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from server.test_opening import BEARER, BETA_HEADER, SECRET, bearer, forged, minted, origin
from serving import API_KEY, RunningServer, serving
from transports.webrtc.offers import CHROMIUM, CHROMIUM_VIDEO_CANDIDATES, with_audio_formats, without
from voicebridge.config import LimitsSettings, ServerSettings, SessionSettings, WebRtcSettings
from voicebridge.wire.offer import FORM

OTHER_KEY = "sk-of-somebody-else"
CALLS = "/v1/realtime/calls"
SDP = {"content-type": "application/sdp"}
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = ServerSettings.model_validate({"token_secret": SECRET, "api_keys": [OTHER_KEY]})
    turn = WebRtcSettings.model_validate(
        {"turn_urls": ["turn:turn.example:3478"], "turn_secret": "0123456789", "stun_urls": ["stun:turn.example:3478"]}
    )
    with serving(tmp_path_factory.mktemp("tls"), "scripted", server=settings, webrtc=turn) as one:
        yield one


def http(server: RunningServer, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=origin_http(server), headers=BEARER if headers is None else headers,
                             trust_env=False)  # fmt: skip


def origin_http(server: RunningServer) -> str:
    return origin(server).replace("ws:", "http:")


async def posted(
    server: RunningServer,
    path: str = CALLS,
    headers: dict[str, str] | None = None,
    *,
    offer: str | bytes = CHROMIUM,
    session: Any = None,
) -> httpx.Response:
    """The answer to an offer; with a session as the official SDKs send it."""
    async with http(server, headers) as client:
        if session is None:
            return await client.post(origin_http(server) + path, content=offer, headers=SDP)
        parts = {"sdp": (None, offer, "application/sdp"), "session": (None, json.dumps(session), "application/json")}
        return await client.post(origin_http(server) + path, files=parts)


async def hung_up(server: RunningServer, call_id: str, headers: dict[str, str] | None = None) -> int:
    async with http(server, headers) as client:
        return (await client.post(f"{CALLS}/{call_id}/hangup")).status_code


async def session_of(server: RunningServer, answer: httpx.Response) -> dict[str, Any]:
    """The session of a call that was just opened, as somebody sees it who joins; the call is hung up."""
    assert answer.status_code == 201, answer.text
    url = f"{origin(server)}/v1/realtime?call_id={call_id_of(answer)}"
    async with connect(url, additional_headers=BEARER, proxy=None) as websocket:
        created = json.loads(await websocket.recv())
    assert created["type"].endswith("session.created")
    assert await hung_up(server, call_id_of(answer)) == 200
    session: dict[str, Any] = created["session"]
    return session


def call_id_of(answer: httpx.Response) -> str:
    return answer.headers["location"].rsplit("/", 1)[-1]


def error_of(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    error = answer.json()["error"]
    assert error.keys() == {"type", "code", "message", "param"}
    assert 20 < len(error["message"]) < 400
    return answer.status_code, error["code"], error["param"]


# --- opening ------------------------------------------------------------------------------------------------------


async def test_an_offer_is_answered_with_all_that_a_client_needs(server: RunningServer) -> None:
    answer = await posted(server, CALLS, BEARER | {"origin": "https://page.example"})
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/sdp"
    assert re.fullmatch(r"/v1/realtime/calls/rtc_[A-Za-z0-9]{21}", answer.headers["location"])
    assert answer.headers["cache-control"] == "no-store"
    assert "application/trickle-ice-sdpfrag" in answer.headers["accept-patch"]
    exposed = answer.headers["access-control-expose-headers"].lower()
    assert {"location", "link", "x-request-id"} <= {name.strip() for name in exposed.split(",")}
    assert answer.headers["x-request-id"]
    assert answer.text.startswith("v=0\r\n")
    assert "a=candidate:" in answer.text
    assert "a=end-of-candidates" in answer.text
    assert await hung_up(server, call_id_of(answer)) == 200


async def test_the_answer_names_the_relays_and_who_may_use_them(server: RunningServer) -> None:
    answer = await posted(server)
    stun, turn = answer.headers.get_list("link")
    assert stun == '<stun:turn.example:3478>; rel="ice-server"'
    username, credential = re.fullmatch(
        r'<turn:turn\.example:3478>; rel="ice-server"; username="(.+)"; credential="(.+)"; credential-type="password"',
        turn,
    ).groups()  # type: ignore[union-attr]
    assert username.endswith(call_id_of(answer))
    assert len(credential) > 20
    await hung_up(server, call_id_of(answer))


@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        (CALLS, {}, "ga"),
        (f"{CALLS}?model=x", {}, "ga"),
        (CALLS, BETA_HEADER, "beta"),
        ("/v1/realtime?model=x", {}, "beta"),
        ("/v1/realtime", {}, "beta"),
        ("/openai/v1/realtime/calls?model=x", {}, "ga"),
        ("/openai/realtime?api-version=2025-04-01-preview&deployment=x", {}, "beta"),
        ("/v1//realtime/calls?model=x", {}, "ga"),
        ("//v1/realtime//calls?model=x", {}, "ga"),
        ("/v1//realtime?model=x", {}, "beta"),
    ],
)
async def test_the_path_and_the_marks_of_the_post_say_which_dialect_is_spoken(
    server: RunningServer, path: str, headers: dict[str, str], dialect: str
) -> None:
    session = await session_of(server, await posted(server, path, BEARER | headers))
    assert ("type" in session) == (dialect == "ga")
    assert session["model"] == ("x" if "=x" in path else "gpt-realtime")


async def test_a_session_comes_with_the_offer(server: RunningServer) -> None:
    asked = {
        "type": "realtime",
        "model": "gpt-realtime-2.1",
        "instructions": "Be brief.",
        "audio": {"output": {"voice": "cedar"}, "input": {"turn_detection": None}},
        "tools": [{"type": "function", "name": "f"}],
    }
    session = await session_of(server, await posted(server, session=asked))
    assert (session["model"], session["instructions"]) == ("gpt-realtime-2.1", "Be brief.")
    assert session["tools"] == asked["tools"]
    assert session["audio"]["output"]["voice"] == "cedar"
    assert session["audio"]["input"]["turn_detection"] is None


async def test_what_is_said_last_counts(server: RunningServer) -> None:
    """Defaults, the key's session, the model of the query, the session of the form (protocol 1.6)."""
    bound = {"type": "realtime", "model": "of-key", "instructions": "Of key.", "max_output_tokens": 7}
    key = bearer(await minted(server, "client_secrets", {"session": bound}))
    for path, sent, model, instructions in (
        (CALLS, None, "of-key", "Of key."),
        (f"{CALLS}?model=of-query", None, "of-query", "Of key."),
        (f"{CALLS}?model=of-query", {"type": "realtime"}, "of-query", "Of key."),
        (CALLS, {"type": "realtime", "instructions": "Of form."}, "of-key", "Of form."),
        (f"{CALLS}?model=of-query", {"type": "realtime", "model": "of-form"}, "of-form", "Of key."),
    ):
        session = await session_of(server, await posted(server, path, key, session=sent))
        assert (session["model"], session["instructions"], session["max_output_tokens"]) == (model, instructions, 7)
    assert (await session_of(server, await posted(server)))["model"] == "gpt-realtime"


async def test_a_form_of_plain_fields_and_a_null_session(server: RunningServer) -> None:
    async with http(server) as client:
        plain = {"session": (None, '{"type": "realtime", "instructions": "Be kind."}'), "sdp": (None, CHROMIUM)}
        assert (await session_of(server, await client.post(CALLS, files=plain)))["instructions"] == "Be kind."
        null = {"sdp": (None, CHROMIUM, "application/sdp"), "session": (None, "null", "application/json")}
        assert (await session_of(server, await client.post(CALLS, files=null)))["type"] == "realtime"


async def test_a_beta_session_comes_in_betas_words_or_in_gas(server: RunningServer) -> None:
    for sent in ({"instructions": "Hm.", "voice": "echo"}, {"type": "realtime", "instructions": "Hm."}):
        session = await session_of(server, await posted(server, "/v1/realtime", session=sent))
        assert session["instructions"] == "Hm."
    assert error_of(await posted(server, "/v1/realtime", session={"input_audio_format": "mp3"}))[2] == (
        "session.input_audio_format"
    )


async def test_transcription_is_asked_for_by_the_query_the_key_or_the_session(server: RunningServer) -> None:
    whisper = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    key = bearer(await minted(server, "client_secrets", {"session": whisper}))
    for answer in (
        await posted(server, f"{CALLS}?intent=transcription"),
        await posted(server, CALLS, key),
        await posted(server, session=whisper),
    ):
        session = await session_of(server, answer)
        assert (session["type"], "model" in session) == ("transcription", False)


async def test_the_beta_key_of_a_browser_opens_its_call(server: RunningServer) -> None:
    """Minted by H1, used for H5: the flow that browsers had first (protocol 8.4)."""
    key = bearer(await minted(server, "sessions", {"model": "a", "instructions": "Be short.", "voice": "echo"}))
    session = await session_of(server, await posted(server, "/v1/realtime?model=a", key))
    assert (session["model"], session["instructions"], session["voice"]) == ("a", "Be short.", "echo")
    assert session["modalities"] == ["audio", "text"]


# --- refusals -----------------------------------------------------------------------------------------------------

VIDEO_ONLY = re.sub(r"m=audio", "m=video", CHROMIUM)


@pytest.mark.parametrize(
    ("offer", "session", "code", "param"),
    [
        ("", None, "missing_required_parameter", "sdp"),
        ("not an offer", None, "invalid_offer", "sdp"),
        (b"\xff\x00", None, "invalid_offer", "sdp"),
        (VIDEO_ONLY, None, None, "sdp"),
        (with_audio_formats(CHROMIUM, "13"), None, None, "sdp"),
        (without(CHROMIUM, "a=fingerprint"), None, None, "sdp"),
        (CHROMIUM, {}, "missing_required_parameter", "session.type"),
        (CHROMIUM, {"type": "chat"}, "invalid_value", "session.type"),
        (CHROMIUM, {"type": "realtime", "audio": {"output": {"speed": 9}}}, None, "session.audio.output.speed"),
        (CHROMIUM, {"type": "realtime", "tools": 1}, "invalid_type", "session.tools"),
    ],
)
async def test_an_offer_that_cannot_be_taken_says_what_is_wrong(
    server: RunningServer, offer: str | bytes, session: Any, code: str | None, param: str
) -> None:
    status, found, where = error_of(await posted(server, offer=offer, session=session))
    assert (status, where) == (400, param)
    assert found
    assert code in (None, found)


async def test_an_offer_with_video_is_taken_without_it(server: RunningServer) -> None:
    answer = await posted(server, offer=CHROMIUM_VIDEO_CANDIDATES)
    assert "m=video 0 " in answer.text
    await session_of(server, answer)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain;charset=UTF-8", "text/html", ""])
@pytest.mark.parametrize("path", [CALLS, "/v1/realtime?model=x"])
async def test_a_body_of_another_type_is_refused(server: RunningServer, path: str, content_type: str) -> None:
    async with http(server) as client:
        answer = await client.post(path, content=CHROMIUM, headers={"content-type": content_type})
    assert error_of(answer) == (415, "unsupported_content_type", None)


async def test_a_form_without_an_offer_or_with_a_broken_session_is_refused(server: RunningServer) -> None:
    async with http(server) as client:
        answer = await client.post(CALLS, files={"session": (None, "{}")})
        assert error_of(answer) == (400, "missing_required_parameter", "sdp")
        answer = await client.post(CALLS, files={"sdp": (None, CHROMIUM), "session": (None, "{")})
        assert error_of(answer) == (400, "invalid_json", "session")
        answer = await client.post(CALLS, content=CHROMIUM, headers={"content-type": FORM})
        assert error_of(answer) == (400, "invalid_form", None)


async def test_a_body_that_is_too_long_is_refused(server: RunningServer) -> None:
    assert error_of(await posted(server, offer=CHROMIUM + "a=x\r\n" * 300_000))[:2] == (413, "request_too_large")
    assert error_of(await posted(server, offer=CHROMIUM + "a=x\r\n" * 100_000))[0] == 400


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, None), ({"authorization": "Basic x"}, None), (bearer("sk-wrong"), "invalid_api_key")],
)
@pytest.mark.parametrize("path", [CALLS, "/v1/realtime?model=x"])
async def test_a_bad_key_is_refused(
    server: RunningServer, path: str, headers: dict[str, str], code: str | None
) -> None:
    answer = await posted(server, path, headers)
    assert error_of(answer) == (401, code, None)
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_keys_that_are_old_or_strange_open_no_call(server: RunningServer) -> None:
    now = time.time()  # noqa: TID251 - a test's clock
    await session_of(server, await posted(server, CALLS, bearer(forged(issued_at=now))))
    for key, code in (
        (forged(issued_at=now - 61), "ephemeral_key_expired"),
        (forged(issued_at=now, issuer="sk-removed"), "invalid_api_key"),
        (forged(issued_at=now, secret="another-secret-0123456789abcdefghij"), "invalid_api_key"),
    ):
        assert error_of(await posted(server, CALLS, bearer(key))) == (401, code, None)


async def test_a_single_use_key_is_used_up_by_a_call_and_not_by_a_refusal(server: RunningServer) -> None:
    for path, body in (("sessions", None), ("client_secrets", {"single_use": True})):
        key = bearer(await minted(server, path, body))
        assert error_of(await posted(server, CALLS, key, offer="v=0"))[0] == 400
        assert error_of(await posted(server, CALLS, key, session={"type": "realtime", "tools": 1}))[0] == 400
        assert (await posted(server, CALLS, key)).status_code == 201
        assert error_of(await posted(server, CALLS, key)) == (401, "ephemeral_key_used", None)


async def test_of_many_who_use_a_key_at_once_one_wins_and_the_others_leave_nothing_behind(
    server: RunningServer,
) -> None:
    key = bearer(await minted(server, "client_secrets", {"single_use": True}))
    before = server.tasks()
    answers = await asyncio.gather(*(posted(server, CALLS, key) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 9
    for answer in answers:
        if answer.status_code == 201:
            assert await hung_up(server, call_id_of(answer), key) == 200
    await settled(server, before)


async def test_a_key_for_transcription_opens_no_conversation(server: RunningServer) -> None:
    whisper = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    key = bearer(await minted(server, "client_secrets", {"session": whisper}))
    answer = await posted(server, CALLS, key, session={"type": "realtime"})
    assert error_of(answer) == (400, "invalid_value", "session.type")


async def test_a_full_server_says_when_to_try_again_and_refusals_take_no_place(tmp_path: Path) -> None:
    with serving(tmp_path, "scripted", limits=LimitsSettings(max_sessions=1)) as small:
        for _ in range(3):
            assert error_of(await posted(small, offer="v=0"))[0] == 400
        first = await posted(small)
        assert first.status_code == 201
        answer = await posted(small)
        assert error_of(answer) == (503, "session_limit_reached", None)
        assert answer.json()["error"]["type"] == "server_error"
        assert answer.headers["retry-after"]
        assert await hung_up(small, call_id_of(first)) == 200
        while (second := await posted(small)).status_code == 503:
            pass  # the call says goodbye
        assert second.status_code == 201


async def test_a_key_has_its_own_limit_over_all_transports(tmp_path: Path) -> None:
    settings = ServerSettings.model_validate({"api_keys": [OTHER_KEY]})
    with serving(tmp_path, "scripted", limits=LimitsSettings(max_sessions_per_key=1), server=settings) as limited:
        async with connect(f"{limited.ws_url}/realtime?model=x", additional_headers=BEARER, proxy=None) as websocket:
            await websocket.recv()
            assert error_of(await posted(limited)) == (503, "session_limit_reached", None)
            assert (await posted(limited, CALLS, bearer(OTHER_KEY))).status_code == 201


async def test_models_and_the_beta_can_be_limited(tmp_path: Path) -> None:
    settings = {
        "session": SessionSettings(allowed_models=("a",), model="a"),
        "server": ServerSettings(beta_enabled=False),
    }
    with serving(tmp_path, "scripted", **settings) as strict:  # type: ignore[arg-type]
        assert error_of(await posted(strict, f"{CALLS}?model=b")) == (400, "invalid_model", "model")
        refused = await posted(strict, session={"type": "realtime", "model": "b"})
        assert error_of(refused) == (400, "invalid_model", "model")
        assert error_of(await posted(strict, "/v1/realtime?model=a"))[:2] == (400, "beta_api_shape_disabled")
        assert (await session_of(strict, await posted(strict)))["model"] == "a"


async def test_without_webrtc_it_says_how_to_switch_it_on(tmp_path: Path) -> None:
    with serving(tmp_path, "scripted", webrtc=WebRtcSettings(enabled=False)) as without_it:
        async with http(without_it) as client:
            for answer in (
                await client.post(CALLS, content=CHROMIUM, headers=SDP),
                await client.post("/v1/realtime?model=x", content=CHROMIUM, headers=SDP),
                await client.post(f"{CALLS}/rtc_1/hangup"),
                await client.get("/v1/realtime/ice_servers"),
            ):
                assert error_of(answer)[:2] == (404, "webrtc_disabled")
                assert "webrtc.enabled" in answer.json()["error"]["message"]
            async with connect(f"{without_it.ws_url}/realtime?model=x", additional_headers=BEARER, proxy=None) as one:
                assert json.loads(await one.recv())["type"] == "session.created"


# --- a call that runs ---------------------------------------------------------------------------------------------


async def test_a_call_is_hung_up_once(server: RunningServer) -> None:
    for method, suffix in (("POST", "/hangup"), ("DELETE", "")):
        location = (await posted(server)).headers["location"]
        async with http(server) as client:
            answer = await client.request(method, location + suffix)
            assert (answer.status_code, answer.content) == (200, b"")
            answer = await client.request(method, location + suffix)
            assert error_of(answer) == (404, "call_id_not_found", "call_id")


async def test_a_call_obeys_whoever_opened_it_and_nobody_else(server: RunningServer) -> None:
    mine, sibling = [bearer(await minted(server, "client_secrets")) for _ in range(2)]
    for opener, others, allowed in (
        (BEARER, (bearer(OTHER_KEY), mine), (BEARER,)),
        (mine, (bearer(OTHER_KEY), sibling), (BEARER, mine)),
    ):
        for one in allowed:
            answer = await posted(server, CALLS, opener)
            for other in others:
                assert await hung_up(server, call_id_of(answer), other) == 404
            assert await hung_up(server, call_id_of(answer), {}) == 401
            assert await hung_up(server, call_id_of(answer), bearer("sk-wrong")) == 401
            assert await hung_up(server, call_id_of(answer), one) == 200


async def test_an_expired_key_still_ends_the_call_that_it_opened(server: RunningServer) -> None:
    key = forged(issued_at=time.time() - 58.5)  # noqa: TID251 - a test's clock
    answer = await posted(server, CALLS, bearer(key))
    while (again := await posted(server, CALLS, bearer(key))).status_code == 201:
        assert await hung_up(server, call_id_of(again), bearer(key)) == 200
    assert error_of(again)[1] == "ephemeral_key_expired"
    assert await hung_up(server, call_id_of(answer), bearer(key)) == 200


async def test_an_open_call_is_patched(server: RunningServer) -> None:
    answer = await posted(server)
    location = answer.headers["location"]
    candidate = (
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2113937151 192.0.2.77 50000 typ host\r\n"
    ).format(*credentials(CHROMIUM))
    async with http(server) as client:
        trickled = await client.patch(location, content=candidate, headers=FRAGMENT)
        assert (trickled.status_code, trickled.content) == (204, b"")

        restarted = await client.patch(
            location, content=candidate.replace(credentials(CHROMIUM)[0], "abcd", 1), headers=FRAGMENT
        )
        assert (restarted.status_code, restarted.headers["content-type"]) == (200, FRAGMENT["content-type"])
        assert credentials(restarted.text) != credentials(answer.text)

        later = await client.patch(location, content=CHROMIUM, headers=SDP)
        assert (later.status_code, later.headers["content-type"]) == (200, "application/sdp")
        assert later.text.startswith("v=0\r\n")

        for content, headers, expected in (
            ("nothing", SDP, (400, "invalid_offer", "sdp")),
            (b"\xff", SDP, (400, "invalid_offer", "sdp")),
            (candidate, {"content-type": "text/plain"}, (415, "unsupported_content_type", None)),
        ):
            assert error_of(await client.patch(location, content=content, headers=headers)) == expected
        assert (await client.patch(location, content=CHROMIUM, headers=SDP | bearer(OTHER_KEY))).status_code == 404
        assert (await client.patch(f"{CALLS}/rtc_1", content=CHROMIUM, headers=SDP)).status_code == 404
    assert await hung_up(server, call_id_of(answer)) == 200


async def test_a_call_that_ends_while_a_patch_of_it_is_being_sent_is_gone(server: RunningServer) -> None:
    answer = await posted(server)
    ended = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield CHROMIUM[:10].encode()
        for _ in range(5):  # requests in between: the head of this one has been read then
            assert await hung_up(server, "rtc_1") == 404
        assert await hung_up(server, call_id_of(answer)) == 200
        ended.set()
        yield CHROMIUM[10:].encode()

    async with http(server) as client:
        late = await client.patch(answer.headers["location"], content=slowly(), headers=SDP)
    assert ended.is_set()
    assert error_of(late) == (404, "call_id_not_found", "call_id")


def credentials(sdp: str) -> tuple[str, str]:
    return tuple(re.search(rf"a=ice-{name}:(\S+)", sdp)[1] for name in ("ufrag", "pwd"))  # type: ignore[index, return-value]


@pytest.mark.parametrize("verb", ["accept", "refer", "reject"])
async def test_what_is_for_telephone_calls_is_refused(server: RunningServer, verb: str) -> None:
    answer = await posted(server)
    async with http(server) as client:
        refused = await client.post(f"{answer.headers['location']}/{verb}", json={})
        assert error_of(refused) == (400, "call_not_sip", None)
        unknown = await client.post(f"{CALLS}/rtc_1/{verb}", json={})
        assert error_of(unknown) == (404, "call_id_not_found", "call_id")
        assert error_of(await client.post(f"{CALLS}/{'x' * 5_000}/{verb}"))[0] == 404
    assert await hung_up(server, call_id_of(answer)) == 200


async def test_relays_are_listed_for_who_may_open_a_call(server: RunningServer) -> None:
    key = await minted(server, "client_secrets")
    for headers in (BEARER, bearer(key)):
        async with http(server, headers) as client:
            answer = await client.get("/v1/realtime/ice_servers")
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        assert body["ttl"] == 7200
        assert [server["urls"] for server in body["ice_servers"]] == [
            ["stun:turn.example:3478"],
            ["turn:turn.example:3478"],
        ]
        assert {"username", "credential"} <= body["ice_servers"][1].keys()
    async with http(server, bearer("sk-wrong")) as client:
        assert error_of(await client.get("/v1/realtime/ice_servers"))[:2] == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/v1/realtime", "WebSocket"),
        ("GET", CALLS, "POST an SDP offer"),
        ("GET", f"{CALLS}/rtc_1", "DELETE"),
        ("PUT", CALLS, "Not allowed to PUT"),
        ("GET", f"{CALLS}/rtc_1/hangup", "Not allowed to GET"),
        ("POST", "/v1/realtime/ice_servers", "Not allowed to POST"),
    ],
)
async def test_another_method_is_refused_with_a_word_on_what_to_do(
    server: RunningServer, method: str, path: str, words: str
) -> None:
    async with http(server, {}) as client:
        answer = await client.request(method, path)
    assert error_of(answer)[:2] == (405, "method_not_allowed")
    assert words in answer.json()["error"]["message"]
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    "path", [CALLS, "/v1/realtime?model=x", "/openai/v1/realtime/calls", f"{CALLS}/rtc_1", f"{CALLS}/rtc_1/hangup"]
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
async def test_pages_of_anywhere_may_call(server: RunningServer, path: str, method: str) -> None:
    """The preflight of agents-js: it sends three headers that browsers ask about."""
    asked = "authorization,content-type,x-openai-agents-sdk"
    headers = {
        "origin": "https://page.example",
        "access-control-request-method": method,
        "access-control-request-headers": asked,
    }
    async with http(server, {}) as client:
        answer = await client.options(path, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-headers"] == asked
        assert method in answer.headers["access-control-allow-methods"]
        assert (await client.options(path)).status_code == 204


async def test_calls_show_in_the_metrics(server: RunningServer) -> None:
    answer = await posted(server)
    async with http(server) as client:
        running = (await client.get("/metrics")).text
        await hung_up(server, call_id_of(answer))
    assert re.search(r'voicebridge_sessions_active\{dialect="ga",transport="webrtc"\} [1-9]', running)
    assert 'voicebridge_webrtc_process_total{what="checks"}' in running
    assert "voicebridge_webrtc_live_jitter_seconds 0.0" in running


async def test_calls_that_end_leave_no_task_behind(server: RunningServer) -> None:
    before = server.tasks()
    answers = [await posted(server) for _ in range(10)]
    assert server.tasks() > before
    for answer in answers:
        assert await hung_up(server, call_id_of(answer)) == 200
    await settled(server, before)


async def settled(server: RunningServer, tasks: int) -> None:
    """Wait until the server has no more tasks than that."""
    async with asyncio.timeout(10):
        while await asyncio.to_thread(server.tasks) > tasks:
            pass


async def test_a_server_that_stops_ends_calls_that_never_connected(tmp_path: Path) -> None:
    with serving(tmp_path, "scripted") as stopping:
        answer = await posted(stopping)
        async with connect(
            f"{stopping.ws_url}/realtime?call_id={call_id_of(answer)}", additional_headers=bearer(API_KEY), proxy=None
        ) as sideband:
            assert json.loads(await sideband.recv())["type"] == "session.created"
