"""The call itself: a Realtime client over WebSocket that sends speech or a question and follows the answer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import queue
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.cli.call_progress import Progress
from voicebridge.cli.microphone import Sound, open_sound
from voicebridge.cli.options import Target, not_running
from voicebridge.cli.terminal import CommandError

_FRAME = INTERNAL_RATE_HZ // 50
_FAST_FRAME = INTERNAL_RATE_HZ // 10
_SILENCE_AFTER_FAST_S = 2.0
_SETTLE_S = 0.5
_LATE_TRANSCRIPT_S = 3.0
_NO_SPEECH_S = 3.0
_NO_ANSWER_S = 60.0
_LOADING_S = 180.0


@dataclass(frozen=True)
class Plan:
    """What to say and how. Exactly one of `recording` (not empty), `text` and `microphone` is used."""

    dialect: Literal["ga", "beta"]
    model: str | None
    voice: str | None
    instructions: str | None
    recording: Samples
    text: str | None
    microphone: bool
    in_real_time: bool


async def hold_call(target: Target, plan: Plan, progress: Progress, status: Callable[[str], None]) -> None:
    """Hold one call until everything said has its answer. Raises `CommandError`."""
    await _until_ready(target, status)
    async with _connected(target, plan) as socket:
        call = _Call(socket, plan, progress)
        try:
            await call.hold()
        except* ConnectionClosed as closed:
            raise _hung_up(closed.exceptions[0]) from None
        except* CommandError as failed:
            raise failed.exceptions[0] from None


class _Call:
    def __init__(self, socket: ClientConnection, plan: Plan, progress: Progress) -> None:
        self._socket = socket
        self._plan = plan
        self._progress = progress
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._configured = asyncio.Event()
        self._sent_at: float | None = None
        self._sound: Sound | None = None

    def _now(self) -> float:
        return self._loop.time() - self._began

    async def hold(self) -> None:
        with contextlib.ExitStack() as stack:
            if self._plan.microphone:
                self._sound = stack.enter_context(open_sound())
            async with asyncio.TaskGroup() as tasks:
                receiving = tasks.create_task(self._receive())
                sending = tasks.create_task(self._speak())
                await self._until_over()
                sending.cancel()
                receiving.cancel()
        await self._socket.close()

    async def _receive(self) -> None:
        while True:
            event = json.loads(await self._socket.recv())
            samples = self._progress.on(event, self._now())
            if event["type"] in {"session.updated", "error"}:
                self._configured.set()
            if self._sound is not None:
                if event["type"] == "input_audio_buffer.speech_started":
                    self._sound.loudspeaker.stop()
                if samples is not None:
                    self._sound.loudspeaker.play(samples)

    async def _speak(self) -> None:
        await self._send(session_update(self._plan))
        await self._configured.wait()
        if self._plan.text is not None:
            await self._ask(self._plan.text)
        elif self._sound is not None:
            self._progress.stream_began = self._now()
            await self._stream_microphone(self._sound)
        elif self._plan.in_real_time:
            await self._stream_in_real_time()
        else:
            await self._stream_at_once()

    async def _ask(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self._send({"type": "conversation.item.create", "item": item})
        await self._send({"type": "response.create"})
        self._progress.asked(self._now())
        self._sent_at = self._now()

    async def _stream_in_real_time(self) -> None:
        """20 ms every 20 ms by the clock, then silence, as a microphone would, until the call is over."""
        began = self._loop.time()
        self._progress.stream_began = self._now()
        recording, sent = self._plan.recording, 0
        while True:
            await asyncio.sleep(max(0.0, began + sent / INTERNAL_RATE_HZ - self._loop.time()))
            await self._append(_frame(recording, sent, _FRAME))
            sent += _FRAME
            if sent >= recording.size and self._sent_at is None:
                self._sent_at = self._now()

    async def _stream_at_once(self) -> None:
        total = self._plan.recording.size + int(_SILENCE_AFTER_FAST_S * INTERNAL_RATE_HZ)
        for position in range(0, total, _FAST_FRAME):
            await self._append(_frame(self._plan.recording, position, _FAST_FRAME))
        self._sent_at = self._now()

    async def _stream_microphone(self, sound: Sound) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                while True:
                    await self._append(sound.frames.get_nowait())
            await asyncio.sleep(0.01)

    async def _until_over(self) -> None:
        # Some of what ends a call is only time passing.
        while not self._over():  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def _over(self) -> bool:
        """Whether all was sent and answered. Raises `CommandError` where nothing will come any more."""
        progress, now = self._progress, self._now()
        if self._sent_at is None:
            if not self._configured.is_set() and now > _NO_ANSWER_S:
                raise CommandError("the server accepted the call but says nothing")
            return False
        if not progress.idle or not progress.answered:
            if progress.turns and now - max(progress.settled_at, self._sent_at) > _NO_ANSWER_S:
                raise CommandError(f"no answer within {_NO_ANSWER_S:.0f} s")
            if not progress.turns and now - self._sent_at > _NO_SPEECH_S:
                raise CommandError("the server heard no speech in this recording")
            return bool(progress.errors) and progress.idle and now - progress.settled_at > _LATE_TRANSCRIPT_S
        quiet_s = now - max(progress.settled_at, self._sent_at)
        return quiet_s > (_LATE_TRANSCRIPT_S if progress.transcripts_due else _SETTLE_S)

    async def _append(self, samples: Samples) -> None:
        audio = base64.b64encode(samples.astype("<i2").tobytes()).decode()
        await self._send({"type": "input_audio_buffer.append", "audio": audio})

    async def _send(self, event: dict[str, Any]) -> None:
        await self._socket.send(json.dumps(event))


def session_update(plan: Plan) -> dict[str, Any]:
    """The session that a call asks for: words of what was heard, and what the plan names."""
    transcription = {"model": "whisper-1"}
    own: dict[str, Any] = {"instructions": plan.instructions} if plan.instructions else {}
    if plan.dialect == "beta":
        voice = {"voice": plan.voice} if plan.voice else {}
        session = {**own, **voice, "input_audio_transcription": transcription}
    else:
        audio: dict[str, Any] = {"input": {"transcription": transcription}}
        if plan.voice:
            audio["output"] = {"voice": plan.voice}
        session = {"type": "realtime", **own, "audio": audio}
    return {"type": "session.update", "session": session}


def _frame(recording: Samples, position: int, length: int) -> Samples:
    """`length` samples from `position`; silence after the end."""
    piece = recording[position : position + length]
    return np.concatenate((piece, np.zeros(length - piece.size, np.int16)))


@contextlib.asynccontextmanager
async def _connected(target: Target, plan: Plan) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {target.key}"}
    if plan.dialect == "beta":
        headers["OpenAI-Beta"] = "realtime=v1"
    url = f"{target.ws_url}/realtime?{urlencode({'model': plan.model or 'gpt-realtime'})}"
    try:
        socket = await connect(
            url, additional_headers=headers, ssl=target.ssl_context(), compression=None, max_size=None, proxy=None
        )
    except ssl.SSLCertVerificationError as error:
        raise CommandError(
            f"the certificate of {target.origin} is not trusted: {error.verify_message}. "
            "Set SSL_CERT_FILE to it, if it is yours"
        ) from error
    except InvalidStatus as error:
        raise CommandError(_refused(error)) from error
    except (InvalidHandshake, InvalidMessage) as error:
        raise CommandError(f"what answers at {target.origin} is no voicebridge: {error}") from error
    except TimeoutError as error:
        raise CommandError(f"{target.origin} does not answer in time") from error
    except OSError as error:
        raise not_running(target) from error
    async with socket:
        yield socket


def _refused(error: InvalidStatus) -> str:
    status = error.response.status_code
    if status in {401, 403}:
        return "the server does not accept this key; use the one it printed at start, or VOICEBRIDGE_API_KEY"
    if status == 503:
        return "the server takes no new calls at the moment (full, loading or stopping)"
    return f"the server refused the call with HTTP {status}"


def _hung_up(error: BaseException) -> CommandError:
    if not isinstance(error, ConnectionClosed) or error.rcvd is None:
        return CommandError("the connection to the server was lost")
    if error.rcvd.code == 3000:
        return CommandError(
            "the server does not accept this key; use the one it printed at start, or VOICEBRIDGE_API_KEY"
        )
    reason = f" ({error.rcvd.reason})" if error.rcvd.reason else ""
    return CommandError(f"the server ended the call with code {error.rcvd.code}{reason}")


async def _until_ready(target: Target, status: Callable[[str], None]) -> None:
    """Wait while our server loads its models; another server, or one without /readyz, is simply called."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _LOADING_S
    async with httpx.AsyncClient(verify=target.ssl_context() or True, timeout=5, trust_env=False) as http:
        while loop.time() < give_up:
            try:
                answer = await http.get(f"{target.origin}/readyz")
                state = answer.json()
            except httpx.ConnectError as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    return
                raise not_running(target) from error
            except (httpx.HTTPError, ValueError):
                return
            if answer.status_code != 503 or not isinstance(state, dict) or state.get("state") not in _LOADING:
                return
            status(f"the server is still loading: {state.get('detail', '')}")
            await asyncio.sleep(0.3)


_LOADING = {"starting", "loading"}
