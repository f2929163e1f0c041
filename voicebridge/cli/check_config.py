"""Show every setting in force, and where it came from. Secrets are masked."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from voicebridge.cli.options import add_settings_arguments, load_settings
from voicebridge.cli.terminal import Terminal

add_arguments = add_settings_arguments


def run(arguments: argparse.Namespace, terminal: Terminal, env: Mapping[str, str]) -> int:
    loaded = load_settings(arguments, env)
    section = None
    for dotted, value, origin in loaded.describe():
        name, key = dotted.split(".", 1)
        if name != section:
            terminal.line(("\n" if section else "") + terminal.bold(f"[{name}]"))
            section = name
        shown = f"{key} = {value}"
        note = terminal.dim(f"# {origin}") if origin == "default" else terminal.green(f"# {origin}")
        terminal.line(f"{shown:60} {note}")
    return 0
