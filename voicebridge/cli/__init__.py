"""The `voicebridge` command. Each subcommand is a module with `add_arguments` and `run`, loaded when it is called."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from voicebridge import __version__
from voicebridge.cli.terminal import CommandError, Terminal
from voicebridge.errors import ConfigError

_COMMANDS = {
    "serve": ("voicebridge.cli.serve", "run the server"),
    "call": ("voicebridge.cli.call", "speak to a running server and hear it answer"),
    "token": ("voicebridge.cli.token", "get an ephemeral key from a running server"),
    "check-config": ("voicebridge.cli.check_config", "show the settings in force and where each came from"),
    "doctor": ("voicebridge.cli.doctor", "check what is installed and what works, and say what to do"),
    "health": ("voicebridge.cli.health", "tell by the exit status whether the running server is ready"),
}


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Our matrices are small: a pool of threads for them only burns processor time. Read when numpy is loaded."""


class Command(Protocol):
    """What a subcommand's module holds."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace, terminal: Terminal, env: Mapping[str, str]) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit status: 0 fine, 1 failed, 2 wrong usage or configuration, 130 interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    chosen = next((word for word in argv if word in _COMMANDS), None)
    command = cast("Command", importlib.import_module(_COMMANDS[chosen][0])) if chosen else None
    arguments = _parser(chosen, command).parse_args(argv)
    terminal = Terminal(sys.stdout, sys.stderr, os.environ)
    if command is None:  # argparse has refused everything else by now
        return 2
    try:
        return command.run(arguments, terminal, os.environ)
    except ConfigError as error:
        terminal.failure(f"configuration: {error.message}")
        return 2
    except CommandError as error:
        terminal.failure(error.message)
        return 1
    except KeyboardInterrupt:
        terminal.end_line()
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; do not complain while closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser(chosen: str | None, command: Command | None) -> argparse.ArgumentParser:
    """Every subcommand by name; only the chosen one with its options, so that the others need not be loaded."""
    parser = argparse.ArgumentParser(
        prog="voicebridge", description="A self-hosted realtime voice server that speaks the OpenAI Realtime API."
    )
    parser.add_argument("--version", action="version", version=f"voicebridge {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (_, summary) in _COMMANDS.items():
        added = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == chosen and command is not None:
            command.add_arguments(added)
    return parser
