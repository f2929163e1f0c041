"""Servers whose answers sound without clicks of their own, and as long as a test wants."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import pytest

from clients.talking import Int16
from serving import RunningServer, serving
from voicebridge.config import SessionSettings, WebRtcSettings
from voicebridge.core.engine_io import Ask, EngineDone, EngineOutput, Message, SpeechDelta, Text
from voicebridge.engines.scripted import Pause, ScriptedEngine

WORD_S, PHRASE_S = 0.1, 0.5
PHRASES = 20
PITCHES_HZ = (200, 260, 320, 380, 440)
"""All have a whole number of periods in a word, so that words join without a click."""


def tone(hz: int, seconds: float) -> Int16:
    n = np.arange(round(24_000 * seconds))
    sound: Int16 = (8000 * np.sin(2 * np.pi * hz / 24_000 * n)).astype(np.int16)
    return sound


class Narrator(ScriptedEngine):
    """Whatever it is asked, it tells a story, as fast as it is taken: one tone, of another pitch with every request.

    The story takes ten seconds, in phrases of half a second; "Tell me N words" makes it so many words of 100 ms. With
    "slowly" in the request it is made not much faster than it is spoken, with "haltingly" slower.
    """

    async def respond(self, ask: Ask) -> AsyncGenerator[EngineOutput, None]:
        requests = [item for item in ask.context if isinstance(item, Message) and item.role == "user"]
        request = " ".join(part.text for item in requests[-1:] for part in item.parts if isinstance(part, Text))
        asked = [int(word) for word in request.split() if word.isdigit()]
        sound = tone(PITCHES_HZ[len(requests) % len(PITCHES_HZ)], WORD_S if asked else PHRASE_S)
        for index in range(asked[-1] if asked else PHRASES):
            if index % 4 == 3:
                await self._take(Pause(0.6 if "haltingly" in request else 0.5 if "slowly" in request else 0.0))
            yield SpeechDelta(f" word{index}" if index else "word0", sound)
        yield EngineDone()


@pytest.fixture(scope="session")
def narrating_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with ExitStack() as stack:
        with patch("voicebridge.server.engines.ScriptedEngine", Narrator):
            server = stack.enter_context(serving(tmp_path_factory.mktemp("tls"), "scripted"))
        yield server


@pytest.fixture(scope="session")
def impatient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Gives calls up soon: 2 s to connect, 2 s without a sign of life, 1 s for those who joined, 4 s in all."""
    webrtc = WebRtcSettings(connect_timeout_s=2, disconnect_timeout_s=2, sideband_grace_s=1)
    with serving(
        tmp_path_factory.mktemp("tls"), "scripted", session=SessionSettings(max_session_s=4), webrtc=webrtc
    ) as server:
        yield server
