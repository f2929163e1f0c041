from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from voicebridge.cli.runfile import RunningServer, latest, published
from voicebridge.cli.terminal import CommandError


def server(port: int = 8765, pid: int | None = None) -> RunningServer:
    return RunningServer(url=f"http://127.0.0.1:{port}/v1", pid=pid or os.getpid(), port=port, api_key="sk-secret")


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_server_is_found_while_it_runs(tmp_path: Path) -> None:
    assert latest(tmp_path / "run") is None
    with published(tmp_path / "run", server()):
        assert latest(tmp_path / "run") == server()
    assert latest(tmp_path / "run") is None
    assert list((tmp_path / "run").iterdir()) == []


def test_the_file_is_private(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o755)
    with published(directory, server()):
        (path,) = directory.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_the_server_started_last_wins(tmp_path: Path) -> None:
    with published(tmp_path, server(1)), published(tmp_path, server(2)):
        os.utime(tmp_path / "server-1.json", (1, 1))
        assert latest(tmp_path) == server(2)
        os.utime(tmp_path / "server-2.json", (0, 0))
        assert latest(tmp_path) == server(1)


def test_what_a_crash_left_behind_is_not_a_server(tmp_path: Path) -> None:
    with published(tmp_path, server(1)):
        os.utime(tmp_path / "server-1.json", (1, 1))
        with published(tmp_path, server(2, dead_pid())):
            assert latest(tmp_path) == server(1)


def test_rubbish_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "server-1.json").write_text("{")
    (tmp_path / "server-2.json").write_text('{"other": 1}')
    assert latest(tmp_path) is None


def test_a_newer_server_on_the_port_keeps_its_file(tmp_path: Path) -> None:
    with published(tmp_path, server(1)):
        (tmp_path / "server-1.json").write_text((tmp_path / "server-1.json").read_text().replace(str(os.getpid()), "1"))
    assert (tmp_path / "server-1.json").exists()


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="VOICEBRIDGE_DATA_DIR"), published(tmp_path / "file" / "run", server()):
        pass
