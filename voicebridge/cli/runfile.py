"""A private file about a running server, so that the other commands find it without being told.

One file for each port, readable by its owner only, removed when the server ends. Files that a crash left behind are
recognised by their dead process.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from voicebridge.cli.terminal import CommandError


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where a server listens and, if one was made for the run, the key. URLs end in `/v1`."""

    url: str
    pid: int
    port: int
    api_key: str | None = None
    tls_url: str | None = None
    certificate: str | None = None


@contextlib.contextmanager
def published(directory: Path, server: RunningServer) -> Iterator[None]:
    """Announce `server` while the block runs. Raises `CommandError` where the directory is not ours alone."""
    _make_private(directory)
    path = directory / f"server-{server.port}.json"
    temporary = directory / f".server-{server.port}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(server), file)
    temporary.replace(path)
    try:
        yield
    finally:
        found = _read(path)
        if found is not None and found.pid == server.pid:
            path.unlink(missing_ok=True)


def running(directory: Path) -> list[RunningServer]:
    """The servers that still run, the one started last first."""
    files = sorted(directory.glob("server-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    found = (_read(path) for path in files)
    return [server for server in found if server is not None and _alive(server.pid)]


def latest(directory: Path) -> RunningServer | None:
    """The server started last among those that still run."""
    return next(iter(running(directory)), None)


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if hasattr(os, "getuid") and directory.stat().st_uid != os.getuid():
            raise CommandError(f"{directory} belongs to somebody else; set VOICEBRIDGE_DATA_DIR to a place of yours")
        directory.chmod(0o700)
    except OSError as error:
        raise CommandError(f"cannot use {directory}: {error}; set VOICEBRIDGE_DATA_DIR") from error


def _read(path: Path) -> RunningServer | None:
    try:
        return RunningServer(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
