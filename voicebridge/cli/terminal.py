"""Output for people: colours on a terminal, plain text elsewhere, and how this command is called."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from voicebridge.errors import VoicebridgeError


class CommandError(VoicebridgeError):
    """A command cannot do its job; the message says why and what to do. Exit status 1."""


class Terminal:
    """Writes to `out` and, for failures, to `err`; styles only where a person looks and NO_COLOR is not set."""

    def __init__(self, out: IO[str], err: IO[str], env: Mapping[str, str]) -> None:
        self._out = out
        self._err = err
        self.interactive = out.isatty() and env.get("TERM") != "dumb"
        self._styled = self.interactive and not env.get("NO_COLOR")
        self._open_line = False
        self._status_shown = False

    def line(self, text: str = "") -> None:
        self.end_line()
        print(text, file=self._out, flush=True)

    def part(self, text: str) -> None:
        """Continue the current line, for text that arrives piece by piece."""
        self._clear_status()
        print(text, end="", file=self._out, flush=True)
        self._open_line = True

    def end_line(self) -> None:
        self._clear_status()
        if self._open_line:
            print(file=self._out, flush=True)
            self._open_line = False

    def status(self, text: str) -> None:
        """A line that the next output replaces; only where a person looks."""
        if self.interactive:
            self.end_line()
            print(f"\r\x1b[2K{text}", end="", file=self._out, flush=True)
            self._status_shown = True

    def failure(self, text: str) -> None:
        self.end_line()
        print(f"{self.red('voicebridge:')} {text}", file=self._err, flush=True)

    def bold(self, text: str) -> str:
        return self._style("1", text)

    def dim(self, text: str) -> str:
        return self._style("2", text)

    def green(self, text: str) -> str:
        return self._style("32", text)

    def yellow(self, text: str) -> str:
        return self._style("33", text)

    def red(self, text: str) -> str:
        return self._style("31", text)

    def _style(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._styled else text

    def _clear_status(self) -> None:
        if self._status_shown:
            print("\r\x1b[2K", end="", file=self._out, flush=True)
            self._status_shown = False


def own_command() -> str:
    """What the person has to type to call this program again, from the same directory."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{_typed(Path(sys.executable))} -m voicebridge"
    return _typed(called)


def _typed(program: Path) -> str:
    """Its name where that finds it, else its path."""
    found = shutil.which(program.name)
    return program.name if found is not None and Path(found).absolute() == program.absolute() else str(program)
