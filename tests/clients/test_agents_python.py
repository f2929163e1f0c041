"""openai-agents for Python, unmodified: it validates every event and reports each one that it does not know."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from clients.talking import Int16
from serving import RunningServer

pytest.importorskip("agents", reason="OPENAI-AGENTS IS MISSING and is NOT tested: pip install openai-agents==0.24.0")
from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

pytestmark = [pytest.mark.sdk, pytest.mark.models]

PATIENCE_S = 20


async def test_an_agent_hears_calls_its_tool_and_answers(
    embedded_server: RunningServer, weather_question: Int16
) -> None:
    asked: list[str] = []

    @function_tool
    def get_weather(city: str) -> str:
        """Get the current weather in a city."""
        asked.append(city)
        return '{"temperature": 21, "condition": "sunny"}'

    agent = RealtimeAgent(name="Guide", instructions="Be brief.", tools=[get_weather])
    session = await RealtimeRunner(agent).run(
        model_config={
            "url": f"{embedded_server.ws_url}/realtime?model=gpt-realtime",
            "api_key": embedded_server.api_key,
            # the same model as in the URL: another one would be a change of model, which is refused
            "initial_model_settings": {"model_name": "gpt-realtime", "turn_detection": {"type": "server_vad"}},
        }
    )
    async with session, asyncio.timeout(PATIENCE_S):
        audio = 0
        await session.send_message("Hello, my name is Ada.")
        audio += await one_turn(session)
        await session.send_audio(np.concatenate([weather_question, np.zeros(24_000, np.int16)]).tobytes())
        audio += await one_turn(session)
        while not asked or len(messages(session)) < 4:
            audio += await one_turn(session)
    assert [city.lower() for city in asked] == ["paris"]
    hello, _greeting, question, answer = messages(session)
    assert (hello.role, hello.content[0].text) == ("user", "Hello, my name is Ada.")
    assert (question.role, answer.role) == ("user", "assistant")
    assert "paris" in question.content[0].transcript.lower()
    assert "twenty-one" in answer.content[0].transcript
    assert audio > 48_000


async def one_turn(session: RealtimeSession) -> int:
    """Follow the events to the end of a turn of the model; how many bytes of audio came."""
    audio = 0
    async for event in session:
        assert event.type != "error", event
        if event.type == "audio":
            audio += len(event.audio.data)
        elif event.type == "agent_end":
            return audio
    pytest.fail("the session ended")


def messages(session: RealtimeSession) -> list[Any]:
    """What both have said so far, as the package has put it together."""
    history = [item for item in session._history if item.type == "message"]
    return [item for item in history if item.content and getattr(item.content[0], "transcript", None) != ""]
