from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from serving import RunningServer
from voicebridge.cli import main, runfile


class Draining(BaseHTTPRequestHandler):
    """Says what /readyz says of a server that is being stopped."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(json.dumps({"ready": False, "state": "draining"}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parameter's name in the base class
        pass


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEBRIDGE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return tmp_path


@contextlib.contextmanager
def announced(home: Path, url: str) -> Iterator[None]:
    with runfile.published(home / "run", runfile.RunningServer(url=url, pid=os.getpid(), port=1)):
        yield


def test_a_ready_server_is_healthy_with_and_without_tls(home: Path, scripted_server: RunningServer) -> None:
    for url in (scripted_server.url, scripted_server.tls_url, f"https://127.0.0.1:{scripted_server.tls_port}/v1"):
        with announced(home, url):
            assert main(["health"]) == 0


def test_a_draining_server_is_not_and_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = HTTPServer(("127.0.0.1", 0), Draining)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        with announced(home, f"http://127.0.0.1:{server.server_port}/v1"):
            assert main(["health"]) == 1
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert capsys.readouterr().out == "draining\n"


def test_a_server_that_does_not_answer_is_not(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with announced(home, f"http://127.0.0.1:{closed.getsockname()[1]}/v1"):
            assert main(["health"]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_no_server_is_not(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health"]) == 1
    assert "no server is running" in capsys.readouterr().err
