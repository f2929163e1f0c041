"""A real TURN server on loopback: Debian's coturn, run as whoever runs the tests."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from aioice import stun

SECRET = "a secret that coturn and voicebridge share"
STARTS_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Coturn:
    """Listens on 127.0.0.1, UDP and TCP, and lets its clients reach loopback."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"turn:127.0.0.1:{self.port}"


POLICY = ("-n", "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=voicebridge", "--no-tls", "--no-dtls",
          "--no-cli")  # fmt: skip


@contextlib.contextmanager
def coturn(directory: Path, policy: Sequence[str] = POLICY) -> Iterator[Coturn]:
    """Run it with the options `policy` until the block ends; skips the test where it is not installed."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed (Debian: apt-get install coturn): TURN is NOT tested")
    port = _free_port()
    log = directory / "coturn.log"
    command = [
        program, *policy, "--listening-ip=127.0.0.1", f"--listening-port={port}", "--relay-ip=127.0.0.1",
        "--allow-loopback-peers", "--relay-threads=1", "--simple-log", f"--log-file={log}",
        f"--pidfile={directory / 'pid'}", f"--userdb={directory / 'users'}",
    ]  # fmt: skip
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=directory)
    try:
        _await_answer(running, port, log)
        yield Coturn(port, log)
    finally:
        running.terminate()
        try:
            running.wait(5)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_answer(running: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S  # noqa: TID251  a test's patience
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.1)
        while True:
            assert running.poll() is None, log.read_text() if log.exists() else "coturn ended at once"
            assert time.monotonic() < deadline, "coturn does not answer"  # noqa: TID251  a test's patience
            asking.sendto(bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)), ("127.0.0.1", port))
            with contextlib.suppress(OSError):
                asking.recv(2048)
                return
