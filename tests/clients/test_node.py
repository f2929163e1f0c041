"""Clients for Node.js, unmodified: openai (which insists on TLS), @openai/agents-realtime and Microsoft's rt-client."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.strict import Dialect, Recorder
from clients.talking import Int16
from serving import RunningServer

pytestmark = pytest.mark.node

SCRIPTS = Path(__file__).parent / "node"
INSTALL_S, RUN_S = 300, 40


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The scripts with exactly the packages of the lock file: those beside them, or a fresh copy."""
    if (SCRIPTS / "node_modules").is_dir():
        yield SCRIPTS
        return
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("NODE.JS IS MISSING: the Node clients are NOT tested. Install node and npm (20 or newer).")
    copy = tmp_path_factory.mktemp("node") / "clients"
    shutil.copytree(SCRIPTS, copy)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"THE PACKAGES CANNOT BE HAD: the Node clients are NOT tested. npm ci said: {done.stderr[-500:]}")
    yield copy
    shutil.rmtree(copy, ignore_errors=True)


@pytest.fixture
def speech(tmp_path: Path, question: Int16) -> Path:
    """The question and a second of silence, as a file of PCM16."""
    file = tmp_path / "speech.pcm"
    file.write_bytes(np.concatenate([question, np.zeros(24_000, np.int16)]).tobytes())
    return file


def run(packages: Path, *command: str, flags: tuple[str, ...] = (), **environment: str) -> list[Any]:
    """What the script printed, a JSON text a line."""
    done = subprocess.run(
        ["node", *flags, *command],
        cwd=packages,
        env={**os.environ, "NODE_NO_WARNINGS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr[-2000:]}\n{done.stdout[-2000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_lock_file_names_no_registry() -> None:
    lock = (SCRIPTS / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert len(re.findall('"integrity": "sha512-', lock)) >= 20


@pytest.mark.timeout(INSTALL_S + RUN_S)
@pytest.mark.parametrize("name", ["OpenAIRealtimeWS", "OpenAIRealtimeWebSocket"])
def test_openai_over_tls(
    packages: Path, scripted_server: RunningServer, dialect: Dialect, name: str, speech: Path
) -> None:
    events = run(
        packages,
        "openai.mjs",
        dialect,
        name,
        str(speech),
        flags=("--experimental-websocket",),  # Node 20 has the browser's WebSocket behind this flag
        OPENAI_BASE_URL=scripted_server.tls_url,
        OPENAI_API_KEY=scripted_server.api_key,
        NODE_EXTRA_CA_CERTS=str(scripted_server.certificate),
    )
    recorder = Recorder(dialect)
    for event in events:
        recorder.take(json.dumps(event))
    typed, spoken = (
        event["response"]["output"][0]["content"][0]["transcript"] for event in recorder.of("response.done")
    )
    assert typed == "You said: Hello from Node"
    (heard,) = recorder.of("conversation.item.input_audio_transcription.completed")
    assert heard["transcript"] in spoken
    assert len(recorder.conversation) == 4


@pytest.mark.timeout(INSTALL_S + RUN_S)
def test_rt_client_of_the_first_preview(packages: Path, scripted_server: RunningServer, speech: Path) -> None:
    origin = scripted_server.ws_url.removesuffix("/v1")
    (said,) = run(packages, "rt-client.mjs", origin, scripted_server.api_key, str(speech))
    assert said["typed"]["text"] == "You said: Hello from Node"
    assert said["typed"]["status"] == said["spoken"]["status"] == "completed"
    assert said["heard"] in said["spoken"]["text"]
    assert said["spoken"]["bytes"] == 2 * 24 * 60 * len(said["spoken"]["text"])


@pytest.mark.models
@pytest.mark.timeout(INSTALL_S + RUN_S)
def test_an_agent_calls_its_tool_and_knows_the_history(
    packages: Path, embedded_server: RunningServer, tmp_path: Path, weather_question: Int16
) -> None:
    file = tmp_path / "speech.pcm"
    file.write_bytes(np.concatenate([weather_question, np.zeros(24_000, np.int16)]).tobytes())
    url = f"{embedded_server.ws_url}/realtime?model=gpt-realtime"
    *lines, end = run(packages, "agents.mjs", url, embedded_server.api_key, str(file))
    recorder = Recorder("ga")
    for line in lines:
        if "event_id" in line["event"]:  # the SDK's own have none
            recorder.take(json.dumps(line["event"]))
    assert end["errors"] == []
    assert [call["city"].lower() for call in end["calls"]] == ["paris"]
    history = end["history"]
    assert [item["itemId"] for item in history] == [
        item for item in recorder.conversation if item in {entry["itemId"] for entry in history}
    ]
    assert [item.get("role", item["type"]) for item in history] == [
        "user",
        "assistant",
        "user",
        "function_call",
        "assistant",
    ]
    assert history[0]["content"][0]["text"] == "Hello, my name is Ada."
    assert "paris" in history[2]["content"][0]["transcript"].lower()
    assert "twenty-one" in history[4]["content"][0]["transcript"]
