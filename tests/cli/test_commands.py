"""The commands as people type them, against a real server in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from voicebridge.cli import main, runfile
from voicebridge.cli.options import DEFAULT_URL
from voicebridge.config import hash_key
from voicebridge.engines.embedded.models import MOONSHINE_TINY_ENCODER

Capture = pytest.CaptureFixture[str]


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    """A server, ready, that keeps its files under `home`."""
    command = [sys.executable, "-m", "voicebridge", "serve", "--port", "0", "--set", "engine.kind=scripted", *options]
    env = {**os.environ, "VOICEBRIDGE_DATA_DIR": str(home)}
    env.pop("XDG_RUNTIME_DIR", None)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    assert server.stdout is not None
    said = []
    for line in server.stdout:
        said.append(line)
        if line.strip().startswith("ready after"):
            return server
    raise AssertionError("".join(said))


def stop(server: subprocess.Popen[str], sign: signal.Signals = signal.SIGTERM) -> str:
    """Ask it to stop; what it still said."""
    server.send_signal(sign)
    return server.communicate(timeout=20)[0]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[runfile.RunningServer]:
    server = start(home, "--tls-self-signed", "--set", "server.tls_port=0")
    try:
        found = runfile.latest(home / "run")
        assert found is not None
        yield found
    finally:
        stop(server)


@pytest.fixture(autouse=True)
def own_places(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEBRIDGE_DATA_DIR", str(home))
    for name in ("XDG_RUNTIME_DIR", "VOICEBRIDGE_API_KEY", "VOICEBRIDGE_CONFIG", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def open_session(server: runfile.RunningServer) -> Any:
    assert server.api_key is not None
    headers = {"Authorization": f"Bearer {server.api_key}"}
    return connect(server.url.replace("http", "ws") + "/realtime?model=m", additional_headers=headers)


def close_code(session: Any) -> int | None:
    """Read to the end; the code of the other side's close."""
    try:
        while True:
            session.recv(timeout=5)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def frames(path: Path) -> int:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        return int(file.getnframes())


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_a_written_question_is_answered_in_sound(
    running: runfile.RunningServer, tmp_path: Path, capsys: Capture, dialect: str
) -> None:
    assert main(["call", "--text", "Hello there", "--dialect", dialect, "--voice", "echo"]) == 0
    shown = capsys.readouterr().out
    assert "answer" in shown
    assert "latency, since the question was sent" in shown
    assert "first sound of the answer" in shown
    assert frames(tmp_path / "answer.wav") > 0


def test_a_recording_of_human_speech_is_a_whole_turn(
    running: runfile.RunningServer, tmp_path: Path, capsys: Capture
) -> None:
    directory = MOONSHINE_TINY_ENCODER.package.directory
    assert directory is not None
    recording = directory / "assets" / "beckett.wav"
    assert main(["call", str(recording), "--fast", "--save", "mine.wav"]) == 0
    shown = capsys.readouterr().out
    for expected in ("speech started", "speech stopped", "heard", "answer", "turn committed", "words recognised"):
        assert expected in shown
    assert frames(tmp_path / "mine.wav") > 0


def test_a_recording_without_speech_is_told_apart(running: runfile.RunningServer, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "quiet.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(8000))
    command = [sys.executable, "-m", "voicebridge", "call", "quiet.wav", "--fast"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert "heard no speech" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_same_server_over_tls(running: runfile.RunningServer) -> None:
    assert running.tls_url is not None
    assert main(["call", "--text", "Hello", "--url", running.tls_url]) == 0


def test_a_certificate_that_is_not_trusted_is_explained(
    running: runfile.RunningServer, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert running.tls_url is not None
    assert running.api_key is not None
    monkeypatch.setenv("VOICEBRIDGE_DATA_DIR", str(tmp_path / "elsewhere"))
    assert main(["call", "--text", "Hello", "--url", running.tls_url, "--key", running.api_key]) == 1
    assert "is not trusted" in capsys.readouterr().err


def test_a_wrong_key_is_explained(running: runfile.RunningServer, capsys: Capture) -> None:
    assert main(["call", "--text", "Hello", "--key", "wrong"]) == 1
    assert "does not accept this key" in capsys.readouterr().err
    assert main(["token", "--key", "wrong"]) == 1
    assert "Incorrect API key" in capsys.readouterr().err


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_ephemeral_keys_are_minted_and_open_sessions(
    running: runfile.RunningServer, capsys: Capture, dialect: str
) -> None:
    session = json.dumps({"instructions": "Be brief."})
    assert main(["token", "--ttl", "60", "--dialect", dialect, "--session", session]) == 0
    token = capsys.readouterr().out.strip()
    assert token.startswith("ek_")
    assert main(["call", "--text", "Hello", "--dialect", dialect, "--key", token]) == 0
    again = main(["call", "--text", "Hello", "--dialect", dialect, "--key", token])
    assert again == (1 if dialect == "beta" else 0)
    assert main(["token", "--key", token]) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--session", "{"], "is not JSON"),
        (["--session", "[]"], "is a JSON object"),
        (["--ttl", "5"], "expected a value >= 10"),
    ],
)
def test_mistakes_in_a_token_request_are_told(
    running: runfile.RunningServer, capsys: Capture, options: list[str], says: str
) -> None:
    assert main(["token", *options]) == 1
    assert says in capsys.readouterr().err


def test_the_doctor_finds_the_running_server(running: runfile.RunningServer, capsys: Capture) -> None:
    status = main(["doctor", "--port", str(running.port)])
    shown = capsys.readouterr().out
    assert f"127.0.0.1:{running.port} is used by the running voicebridge" in shown
    assert f"{running.url}: ready" in shown
    assert "speech recognition (English): moonshine-voice 0.1.0, verified" in shown
    assert "valid until" in shown
    assert status == 0, shown


def test_a_port_that_is_taken_is_explained(running: runfile.RunningServer, capsys: Capture) -> None:
    assert main(["serve", "--port", str(running.port)]) == 1
    assert f"port {running.port} is already in use" in capsys.readouterr().err


def test_a_port_for_media_that_is_taken_is_explained() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))  # noqa: S104 - a socket that nobody sends to
        port = taken.getsockname()[1]
        fixed = ["--set", f"webrtc.udp_port_min={port}", "--set", "engine.kind=scripted"]
        command = [sys.executable, "-m", "voicebridge", "serve", "--port", "0", *fixed]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    (reason,) = ended.stderr.splitlines()
    assert f"no UDP port {port} can be used" in reason
    assert "webrtc.udp_port_min" in reason


def test_both_listeners_are_one_server(running: runfile.RunningServer) -> None:
    assert running.tls_url is not None
    assert running.certificate is not None
    with open_session(running) as session:
        session.recv()
    plain = httpx.get(running.url.removesuffix("/v1") + "/metrics")
    secure = httpx.get(running.tls_url.removesuffix("/v1") + "/metrics", verify=tls_context(running.certificate))

    def opened(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("voicebridge_sessions_total")]

    assert opened(plain.text)
    assert opened(plain.text) == opened(secure.text)


def tls_context(certificate: str) -> Any:
    return ssl.create_default_context(cafile=certificate)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_idle_calls_cleanly_and_the_server_with_status_nought(
    tmp_path: Path, sign: signal.Signals
) -> None:
    server = start(tmp_path / "own")
    found = runfile.latest(tmp_path / "own" / "run")
    assert found is not None
    with open_session(found) as session:
        assert json.loads(session.recv())["type"] == "session.created"
        said = stop(server, sign)
        assert close_code(session) == 1001
    assert server.returncode == 0, said
    assert "Traceback" not in said
    assert runfile.latest(tmp_path / "own" / "run") is None
    assert not list((tmp_path / "own" / "run").iterdir())


def test_with_a_key_of_ones_own_none_is_made_or_kept(tmp_path: Path, capsys: Capture) -> None:
    server = start(tmp_path / "own", "--api-key", "my-own-long-key")
    try:
        text = next((tmp_path / "own" / "run").iterdir()).read_text()
        assert "my-own-long-key" not in text
        found = runfile.latest(tmp_path / "own" / "run")
        assert found is not None
        assert found.api_key is None
        assert main(["call", "--text", "Hello", "--url", found.url, "--key", "my-own-long-key"]) == 0
    finally:
        stop(server)


def test_without_a_server_the_next_thing_to_type_is_told(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEBRIDGE_DATA_DIR", str(tmp_path))
    assert main(["call", "--text", "Hello"]) == 1
    assert "no server is running" in capsys.readouterr().err
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = DEFAULT_URL.replace("8765", str(free.getsockname()[1]))
    for command in (["call", "--text", "Hello"], ["token"]):
        assert main([*command, "--url", url, "--key", "k"]) == 1
        assert "no server answers at" in capsys.readouterr().err


def test_a_public_address_needs_a_key(capsys: Capture) -> None:
    assert main(["serve", "--host", "0.0.0.0"]) == 2  # noqa: S104  what is being tested
    assert "no API key is configured" in capsys.readouterr().err


def test_settings_are_shown_with_their_origin_and_without_secrets(capsys: Capture) -> None:
    assert main(["check-config", "--api-key", "my-own-long-key", "--set", "log.level=debug"]) == 0
    shown = capsys.readouterr().out
    assert "my-own-long-key" not in shown
    assert hash_key("my-own-long-key") not in shown
    assert any("api_keys" in line and "# --api-key" in line for line in shown.splitlines())
    assert any('level = "debug"' in line and "# --set log.level" in line for line in shown.splitlines())
    assert any("port = 8765" in line and "# default" in line for line in shown.splitlines())


def test_a_wrong_setting_is_wrong_usage(capsys: Capture) -> None:
    assert main(["check-config", "--set", "engine.stt=huge"]) == 2
    assert "--set engine.stt: engine.stt cannot be 'huge'" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], ["call", "--help"], ["serve", "--help"], ["--version"]])
def test_help_is_there(argv: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 0
    assert "voicebridge" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["unknown"], ["call"], ["call", "a.wav", "--text", "b"]])
def test_wrong_usage_is_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
