"""Where files of one user live: what is kept (certificates) and what lasts for a run (address and key)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def data_directory(env: Mapping[str, str]) -> Path:
    """For what is made once and kept. VOICEBRIDGE_DATA_DIR overrides it."""
    if env.get("VOICEBRIDGE_DATA_DIR"):
        return Path(env["VOICEBRIDGE_DATA_DIR"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "voicebridge"
    if sys.platform == "win32":
        return Path(env.get("LOCALAPPDATA") or Path.home()) / "voicebridge"
    return Path(env.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "voicebridge"


def run_directory(env: Mapping[str, str]) -> Path:
    """For what lasts as long as a server runs; never a place that other users can write to."""
    if env.get("XDG_RUNTIME_DIR"):
        return Path(env["XDG_RUNTIME_DIR"]) / "voicebridge"
    return data_directory(env) / "run"
