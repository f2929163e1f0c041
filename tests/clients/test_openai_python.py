"""The official `openai` package for Python, unmodified, in both of its dialects, blocking and not."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from typing import Any

import pytest
import websockets
from openai import AsyncAzureOpenAI, AsyncOpenAI, AuthenticationError, BadRequestError, OpenAI, PermissionDeniedError
from websockets.typing import Subprotocol

from clients.conftest import client_of
from clients.strict import Dialect
from clients.talking import MODEL, Conversation, Int16, talking, talking_sync
from serving import RunningServer

pytestmark = pytest.mark.sdk

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False},
}


def update(dialect: Dialect, **beta: Any) -> dict[str, Any]:
    """A session update, written in beta members, in either dialect."""
    if dialect == "beta":
        return beta
    session: dict[str, Any] = {"type": "realtime"}
    heard: dict[str, Any] = {}
    for name, value in beta.items():
        match name:
            case "modalities":
                session["output_modalities"] = [value[-1]]
            case "input_audio_transcription":
                heard["transcription"] = value
            case "turn_detection":
                heard["turn_detection"] = value
            case _:
                session[name] = value
    return {**session, **({"audio": {"input": heard}} if heard else {})}


def text_only(dialect: Dialect) -> dict[str, Any]:
    return {"modalities": ["text"]} if dialect == "beta" else {"output_modalities": ["text"]}


async def test_a_text_turn_is_answered_in_text(client: AsyncOpenAI, dialect: Dialect) -> None:
    async with talking(client, dialect) as talk:
        await talk.sdk.session.update(session=update(dialect, instructions="Be brief.", modalities=["text"]))
        session = (await talk.until("session.updated"))["session"]
        assert session["instructions"] == "Be brief."
        await talk.says("Hello there")
        response = await talk.answers()
        assert response["status"] == "completed"
        assert response["output"][0]["content"][0]["text"] == "You said: Hello there"
        assert not talk.of("response.output_audio.delta")
        assert list(talk.seen.conversation)[-1] == response["output"][0]["id"]


async def test_a_text_turn_is_answered_in_speech(client: AsyncOpenAI, dialect: Dialect) -> None:
    async with talking(client, dialect) as talk:
        await talk.says("Hello there")
        response = await talk.answers(metadata={"topic": "greeting"})
        assert response["metadata"] == {"topic": "greeting"}
        assert response["output"][0]["content"][0]["transcript"] == "You said: Hello there"
        assert len(talk.spoken()) == 2 * 24 * 60 * len("You said: Hello there")


async def test_speech_is_a_turn_found_by_server_vad(client: AsyncOpenAI, dialect: Dialect, question: Int16) -> None:
    async with talking(client, dialect) as talk:
        session = update(dialect, input_audio_transcription={"model": "whisper-1"})
        await talk.sdk.session.update(session=session)
        await talk.until("session.updated")
        await talk.hears(question)
        response = (await talk.until("response.done"))["response"]
        await talk.until("rate_limits.updated")
        (started,), (stopped,) = (
            talk.of("input_audio_buffer.speech_started"),
            talk.of("input_audio_buffer.speech_stopped"),
        )
        (committed,) = talk.of("input_audio_buffer.committed")
        assert started["item_id"] == stopped["item_id"] == committed["item_id"] == talk.seen.conversation[0]
        assert 0 <= started["audio_start_ms"] < stopped["audio_end_ms"] <= len(question) / 24 + 1000
        (heard,) = talk.of("conversation.item.input_audio_transcription.completed") or [
            await talk.until("conversation.item.input_audio_transcription.completed")
        ]
        assert heard["transcript"] in response["output"][0]["content"][0]["transcript"]
        kinds = talk.seen.types()
        in_order = [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            talk.name("conversation.item.added"),
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            talk.name("response.output_audio.delta"),
            talk.name("response.output_audio.done"),
            talk.name("response.output_audio_transcript.done"),
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        assert [kinds.index(kind) for kind in in_order] == sorted(kinds.index(kind) for kind in in_order)


async def test_a_commit_by_hand_waits_for_response_create(
    client: AsyncOpenAI, dialect: Dialect, question: Int16
) -> None:
    async with talking(client, dialect) as talk:
        await talk.sdk.session.update(session=update(dialect, turn_detection=None))
        session = (await talk.until("session.updated"))["session"]
        audio = session if dialect == "beta" else session["audio"]["input"]
        assert audio["turn_detection"] is None
        await talk.hears(question)
        await talk.sdk.input_audio_buffer.commit()
        committed = await talk.until("input_audio_buffer.committed")
        item = (await talk.until("conversation.item.added"))["item"]
        assert item["id"] == committed["item_id"]
        assert item["content"] == [{"type": "input_audio", "transcript": None}]
        response = await talk.answers()
        assert "utterance of" in response["output"][0]["content"][0]["transcript"]
        assert not talk.of("input_audio_buffer.speech_started")


async def test_clear_and_an_empty_commit(client: AsyncOpenAI, dialect: Dialect, question: Int16) -> None:
    async with talking(client, dialect) as talk:
        await talk.sdk.session.update(session=update(dialect, turn_detection=None))
        await talk.until("session.updated")
        await talk.hears(question)
        await talk.sdk.input_audio_buffer.clear()
        await talk.until("input_audio_buffer.cleared")
        await talk.sdk.input_audio_buffer.commit(event_id="too-early")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "too-early")


async def test_a_function_is_called_and_its_output_continues(client: AsyncOpenAI, dialect: Dialect) -> None:
    forced = "get_weather" if dialect == "beta" else {"type": "function", "name": "get_weather"}
    async with talking(client, dialect) as talk:
        await talk.sdk.session.update(session=update(dialect, tools=[WEATHER], tool_choice="auto"))
        await talk.until("session.updated")
        await talk.says("How is the weather?")
        response = await talk.answers(tool_choice=forced)
        (call,) = response["output"]
        assert (call["type"], call["name"], call["status"]) == ("function_call", "get_weather", "completed")
        assert json.loads(call["arguments"]) == {}
        (announced,) = talk.of("response.output_item.added")
        assert (announced["item"]["status"], announced["item"]["arguments"]) == ("in_progress", "")
        (arguments,) = talk.of("response.function_call_arguments.done")
        assert (arguments["call_id"], arguments["arguments"]) == (call["call_id"], call["arguments"])
        await talk.sdk.conversation.item.create(
            item={"type": "function_call_output", "call_id": call["call_id"], "output": '{"sky": "clear"}'}
        )
        output = (await talk.until("conversation.item.added"))["item"]
        assert output["output"] == '{"sky": "clear"}'
        response = await talk.answers()
        assert response["output"][0]["type"] == "message"
        assert list(talk.seen.conversation)[1:] == [call["id"], output["id"], response["output"][0]["id"]]


async def test_a_response_is_cancelled(storyteller: AsyncOpenAI, dialect: Dialect) -> None:
    async with talking(storyteller, dialect) as talk:
        await talk.says("Tell me a story")
        await talk.sdk.response.create()
        await talk.until("response.output_audio.delta")
        await talk.sdk.response.cancel()
        response = (await talk.until("response.done"))["response"]
        assert response["status"] == "cancelled"
        assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        assert [item["status"] for item in response["output"]] == ["incomplete"]
        await talk.until("rate_limits.updated")
        await talk.sdk.response.cancel(event_id="again")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "again")
        await talk.says("Hello")
        assert (await talk.answers())["status"] == "completed"


async def test_only_one_response_at_a_time(storyteller: AsyncOpenAI, dialect: Dialect) -> None:
    async with talking(storyteller, dialect) as talk:
        await talk.says("Tell me a story")
        await talk.sdk.response.create()
        await talk.until("response.created")
        await talk.sdk.response.create(event_id="second")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "second")


async def test_speech_interrupts_a_response(storyteller: AsyncOpenAI, dialect: Dialect, question: Int16) -> None:
    async with talking(storyteller, dialect) as talk:
        await talk.says("Tell me a story")
        await talk.sdk.response.create()
        story = (await talk.until("response.created"))["response"]["id"]
        await talk.until("response.output_audio.delta")
        await talk.hears(question)
        await talk.until("input_audio_buffer.speech_started")
        talk.clear()
        done = await talk.until("response.done")
        assert done["response"]["id"] == story
        assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert not talk.of("response.output_audio.delta")
        answer = (await talk.until("response.done"))["response"]
        assert answer["status"] == "completed"


async def test_truncated_speech_loses_what_was_not_heard(client: AsyncOpenAI, dialect: Dialect) -> None:
    async with talking(client, dialect) as talk:
        await talk.says("one two three four five six seven eight nine ten")
        (item,) = (await talk.answers())["output"]
        await talk.sdk.conversation.item.truncate(item_id=item["id"], content_index=0, audio_end_ms=1000)
        truncated = await talk.until("conversation.item.truncated")
        assert (truncated["item_id"], truncated["audio_end_ms"]) == (item["id"], 1000)
        await talk.sdk.conversation.item.truncate(
            item_id=item["id"], content_index=0, audio_end_ms=60_000, event_id="too-far"
        )
        assert (await talk.until("error"))["error"]["event_id"] == "too-far"
        await talk.sdk.conversation.item.retrieve(item_id=item["id"])
        retrieved = (await talk.until("conversation.item.retrieved"))["item"]
        assert len(base64.b64decode(retrieved["content"][0]["audio"])) == 48_000


async def test_items_are_retrieved_and_deleted(client: AsyncOpenAI, dialect: Dialect, question: Int16) -> None:
    async with talking(client, dialect) as talk:
        await talk.sdk.session.update(
            session=update(dialect, turn_detection=None, input_audio_transcription={"model": "whisper-1"})
        )
        await talk.until("session.updated")
        await talk.hears(question)
        await talk.sdk.input_audio_buffer.commit()
        heard = await talk.until("conversation.item.input_audio_transcription.completed")
        await talk.sdk.conversation.item.retrieve(item_id=heard["item_id"])
        item = (await talk.until("conversation.item.retrieved"))["item"]
        assert item["content"][0]["transcript"] == heard["transcript"]
        assert len(base64.b64decode(item["content"][0]["audio"])) == 2 * (len(question) + 24_000)
        await talk.sdk.conversation.item.delete(item_id=heard["item_id"])
        assert (await talk.until("conversation.item.deleted"))["item_id"] == heard["item_id"]
        for request in (talk.sdk.conversation.item.retrieve, talk.sdk.conversation.item.delete):
            await request(item_id=heard["item_id"], event_id="gone")
            assert (await talk.until("error"))["error"]["event_id"] == "gone"


async def test_items_are_inserted_where_the_client_says(client: AsyncOpenAI, dialect: Dialect) -> None:
    async with talking(client, dialect) as talk:
        talk.seen.may_insert_at_root = True
        for item_id, previous in (("second", None), ("fourth", None), ("third", "second"), ("first", "root")):
            item: Any = {
                "id": item_id,
                "type": "message",
                "role": "system",
                "content": [{"type": "input_text", "text": item_id}],
            }
            where = {"previous_item_id": previous} if previous else {}
            await talk.sdk.conversation.item.create(item=item, **where)
            await talk.until("conversation.item.added")
        assert talk.seen.conversation == ("first", "second", "third", "fourth")
        await talk.sdk.conversation.item.create(item={**item, "id": "second"}, event_id="twice")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("item_create_duplicate_item_id", "twice")


async def test_an_out_of_band_response_leaves_the_conversation_alone(client: AsyncOpenAI, dialect: Dialect) -> None:
    async with talking(client, dialect) as talk:
        await talk.says("Remember the milk")
        before = talk.seen.conversation
        about = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Classify this"}]}
        response = await talk.answers(
            conversation="none", input=[about], metadata={"kind": "aside"}, **text_only(dialect)
        )
        assert response["conversation_id"] is None
        assert response["metadata"] == {"kind": "aside"}
        assert response["output"][0]["content"][0]["text"] == "You said: Classify this"
        assert talk.seen.conversation == before


async def test_a_transcription_session_transcribes_and_never_answers(client: AsyncOpenAI, question: Int16) -> None:
    async with talking(client, "ga", extra_query={"intent": "transcription"}) as talk:
        created = talk.seen.events[0]
        assert created["session"]["type"] == "transcription"
        await talk.sdk.session.update(
            session={
                "type": "transcription",
                "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}},
                "include": ["item.input_audio_transcription.logprobs"],
            }
        )
        await talk.until("session.updated")
        await talk.hears(question)
        heard = await talk.until("conversation.item.input_audio_transcription.completed")
        assert "utterance of" in heard["transcript"]
        assert [entry["token"] for entry in heard["logprobs"]]
        await talk.sdk.response.create(event_id="no")
        assert (await talk.until("error"))["error"]["event_id"] == "no"
        assert not talk.of("response.created")
        assert not talk.of("rate_limits.updated")


async def test_a_beta_transcription_session_by_its_ephemeral_key(
    scripted_server: RunningServer, client: AsyncOpenAI, question: Int16
) -> None:
    minted = await client.beta.realtime.transcription_sessions.create(
        input_audio_format="pcm16", input_audio_transcription={"model": "whisper-1"}
    )
    assert minted.client_secret.value.startswith("ek_")
    url = f"{scripted_server.ws_url}/realtime?intent=transcription"
    offered = ["realtime", f"openai-insecure-api-key.{minted.client_secret.value}", "openai-beta.realtime-v1"]
    async with websockets.connect(url, subprotocols=[Subprotocol(name) for name in offered]) as socket:
        assert socket.subprotocol == "realtime"
        talk = Conversation(_Raw(socket), "beta")
        assert (await talk.next())["type"] == "transcription_session.created"
        session = {"input_audio_transcription": {"model": "whisper-1", "language": "en"}}
        await socket.send(json.dumps({"type": "transcription_session.update", "session": session}))
        updated = await talk.until("transcription_session.updated")
        assert updated["session"]["input_audio_transcription"]["language"] == "en"
        await talk.hears(question)
        await talk.until("conversation.item.input_audio_transcription.completed")
        assert not talk.of("response.created")


class _Raw:
    """A bare socket where the SDK has no way to say what must be said."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self.input_audio_buffer = self

    async def recv_bytes(self) -> bytes:
        return await self._socket.recv(decode=False)

    def parse_event(self, raw: bytes) -> Any:
        return type("Event", (), json.loads(raw))

    async def append(self, audio: str) -> None:
        await self._socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))


# --- ephemeral keys ---------------------------------------------------------------------------------------------


async def test_a_client_secret_opens_the_session_it_was_minted_for(
    scripted_server: RunningServer, client: AsyncOpenAI
) -> None:
    secret = await client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "model": MODEL, "instructions": "Speak Latin.", "output_modalities": ["text"]},
    )
    assert secret.value.startswith("ek_")
    assert secret.session.type == "realtime"
    assert secret.session.id.startswith("sess_")
    async with client_of(scripted_server, secret.value) as guest:
        async with talking(guest, "ga") as talk:
            session = talk.seen.events[0]["session"]
            assert (session["instructions"], session["output_modalities"]) == ("Speak Latin.", ["text"])
            await talk.says("Salve")
            assert (await talk.answers())["output"][0]["content"][0]["text"] == "You said: Salve"
        with pytest.raises(PermissionDeniedError):
            await guest.realtime.client_secrets.create()


async def test_a_transcription_client_secret(scripted_server: RunningServer, client: AsyncOpenAI) -> None:
    transcription: Any = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    secret = await client.realtime.client_secrets.create(session=transcription)
    assert secret.session.type == "transcription"
    async with (
        client_of(scripted_server, secret.value) as guest,
        talking(guest, "ga", extra_query={"intent": "transcription"}) as talk,
    ):
        assert talk.seen.events[0]["session"]["type"] == "transcription"


async def test_a_beta_session_key_opens_one_connection(scripted_server: RunningServer, client: AsyncOpenAI) -> None:
    minted = await client.beta.realtime.sessions.create(
        model="gpt-realtime", voice="verse", instructions="Speak Latin.", modalities=["text"]
    )
    assert minted.voice == "verse"
    async with client_of(scripted_server, minted.client_secret.value) as guest:
        async with talking(guest, "beta") as talk:
            session = talk.seen.events[0]["session"]
            assert (session["instructions"], session["voice"]) == ("Speak Latin.", "verse")
        with pytest.raises(websockets.ConnectionClosed) as refused:
            async with talking(guest, "beta") as talk:
                pytest.fail("a second connection with the same key")
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.code == 3000


async def test_a_malformed_secret_request_is_a_bad_request(client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        await client.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 5})
    assert refused.value.param == "expires_after.seconds"


async def test_a_wrong_key_is_told_and_closed_with_3000(scripted_server: RunningServer, dialect: Dialect) -> None:
    async with client_of(scripted_server, "sk-wrong") as stranger:
        surface = stranger.beta.realtime if dialect == "beta" else stranger.realtime
        async with surface.connect(model=MODEL) as sdk:
            event: Any = await sdk.recv()
            assert (event.type, event.error.code) == ("error", "invalid_api_key")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await sdk.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 3000
        with pytest.raises(AuthenticationError):
            await stranger.realtime.client_secrets.create()


# --- other doors ------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(r"ignore:connect\(\) must be used as a context manager")  # the SDK's affair
def test_the_blocking_client(scripted_server: RunningServer, dialect: Dialect) -> None:
    with (
        OpenAI(
            api_key=scripted_server.api_key, base_url=scripted_server.url, websocket_base_url=scripted_server.ws_url
        ) as client,
        talking_sync(client, dialect) as talk,
    ):
        talk.sdk.session.update(session=update(dialect, modalities=["text"]))
        talk.until("session.updated")
        talk.sdk.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
        )
        talk.sdk.response.create()
        done = talk.until("response.done")
        assert done["response"]["output"][0]["content"][0]["text"] == "You said: Hello"
        talk.until("rate_limits.updated")


async def test_event_handlers_of_the_sdk(client: AsyncOpenAI) -> None:
    """`on` and `dispatch_events`, as its documentation shows them."""
    async with client.realtime.connect(model=MODEL) as sdk:
        heard: list[str] = []

        async def ask(_event: Any) -> None:
            await sdk.conversation.item.create(
                item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
            )
            await sdk.response.create()

        async def leave(_event: Any) -> None:
            await sdk.close()

        sdk.on("session.updated", ask)
        sdk.on("response.output_text.delta", lambda event: heard.append(event.delta))
        sdk.on("response.done", leave)
        await sdk.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await asyncio.wait_for(sdk.dispatch_events(), 20)
        assert "".join(heard) == "You said: Hello"


async def test_over_tls_with_nothing_but_the_base_url(
    scripted_server: RunningServer, dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(scripted_server.certificate))
    async with (
        AsyncOpenAI(api_key=scripted_server.api_key, base_url=scripted_server.tls_url) as client,
        talking(client, dialect) as talk,
    ):
        await talk.says("Hello")
        assert (await talk.answers(**text_only(dialect)))["status"] == "completed"
        secret = await client.realtime.client_secrets.create()
        assert secret.value.startswith("ek_")


async def test_an_azure_client_on_the_preview_interface(scripted_server: RunningServer) -> None:
    async with AsyncAzureOpenAI(
        api_key=scripted_server.api_key,
        azure_endpoint=scripted_server.tls_url.removesuffix("/v1"),
        api_version="2025-04-01-preview",
    ) as client:
        trusted = {"websocket_connection_options": {"ssl": _trusting(scripted_server)}}
        async with talking(client, "beta", model="gpt-4o-realtime-preview", **trusted) as talk:
            assert talk.seen.events[0]["session"]["model"] == "gpt-4o-realtime-preview"
            await talk.says("Hello")
            assert (await talk.answers(modalities=["text"]))["status"] == "completed"


async def test_an_azure_client_on_the_ga_interface(scripted_server: RunningServer) -> None:
    async with (
        AsyncAzureOpenAI(
            api_key=scripted_server.api_key,
            azure_endpoint=scripted_server.tls_url.removesuffix("/v1"),
            websocket_base_url=f"ws://127.0.0.1:{scripted_server.port}/openai/v1",
            api_version="v1",
        ) as client,
        talking(client, "ga", model="my-deployment") as talk,
    ):
        assert talk.seen.events[0]["session"]["model"] == "my-deployment"
        await talk.says("Hello")
        assert (await talk.answers(output_modalities=["text"]))["status"] == "completed"


async def test_a_plain_client_on_azures_ga_path(scripted_server: RunningServer) -> None:
    base = f"http://127.0.0.1:{scripted_server.port}/openai/v1"
    async with (
        AsyncOpenAI(api_key=scripted_server.api_key, base_url=base, default_query={"api-version": "preview"}) as client,
        talking(client, "ga") as talk,
    ):
        await talk.says("Hello")
        assert (await talk.answers(output_modalities=["text"]))["status"] == "completed"


def _trusting(server: RunningServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(server.certificate))
