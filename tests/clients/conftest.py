"""Clients of the running server, and speech for them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import pytest
from openai import AsyncOpenAI

from clients.strict import Dialect
from clients.talking import Int16
from serving import RunningServer, serving
from voicebridge.core.engine_io import EngineDone, SpeechDelta
from voicebridge.engines.embedded.tts import HibariSynthesiser, PicoSynthesiser
from voicebridge.engines.scripted import Pause, ScriptedEngine, hum

SENTENCE = "Once upon a time there was a server. "


@pytest.fixture(params=["ga", "beta"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
async def client(scripted_server: RunningServer) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(scripted_server) as client:
        yield client


@pytest.fixture
async def storyteller(slow_server: RunningServer) -> AsyncIterator[AsyncOpenAI]:
    """Its server answers with a story of twenty seconds, told in as many, and then repeats what it is told."""
    async with client_of(slow_server) as client:
        yield client


def client_of(server: RunningServer, api_key: str | None = None) -> AsyncOpenAI:
    """Only the base URL is changed. (The beta surface insists on TLS unless the WebSocket's is given as well.)"""
    return AsyncOpenAI(
        api_key=api_key or server.api_key, base_url=server.url, websocket_base_url=server.ws_url, max_retries=0
    )


@pytest.fixture(scope="session")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    sentence: tuple[SpeechDelta | Pause, ...] = (SpeechDelta(SENTENCE, hum(SENTENCE)), Pause(1.0))
    story = (*itertools.chain.from_iterable([sentence] * 20), EngineDone())
    with ExitStack() as stack:
        with patch("voicebridge.server.engines.ScriptedEngine", lambda: ScriptedEngine([story])):
            server = stack.enter_context(serving(tmp_path_factory.mktemp("tls"), "scripted"))
        yield server


@pytest.fixture(scope="session")
def question() -> Int16:
    """Somebody asks something, at 24 kHz."""
    spoken: Int16 = PicoSynthesiser().speak("Could you tell me what two plus three is?", "alloy", 1.0)
    return np.concatenate([np.zeros(4800, np.int16), spoken])


@pytest.fixture(scope="session")
def weather_question() -> Int16:
    spoken: Int16 = HibariSynthesiser().speak("What is the weather in Paris?", "echo", 1.0)
    return np.concatenate([np.zeros(4800, np.int16), spoken])
