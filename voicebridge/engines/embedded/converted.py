"""Files made from a package's model files once, and kept in the cache directory with their hashes."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from voicebridge.engines.embedded.models import sha256_of
from voicebridge.errors import EngineError

_MANIFEST = "sha256.json"


def kept(directory: Path, make: Callable[[Path], None]) -> Path:
    """`directory`, filled by `make` unless it is whole: every file in it has the hash noted when it was made.

    Made beside it and renamed, so that it is never half made. Raises `EngineError` where it cannot be written.
    """
    if _is_whole(directory):
        return directory
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent) as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            make(made)
            manifest = {path.name: sha256_of(path) for path in sorted(made.iterdir())}
            (made / _MANIFEST).write_text(json.dumps(manifest, indent=2))
            _replace(made, directory)
    except OSError as error:
        raise EngineError(f"Cannot keep a converted model in {directory}: {error}", code="model_cache") from error
    return directory


def _replace(made: Path, directory: Path) -> None:
    if _is_whole(directory):  # another worker was faster
        return
    shutil.rmtree(directory, ignore_errors=True)
    made.rename(directory)


def _is_whole(directory: Path) -> bool:
    try:
        manifest = json.loads((directory / _MANIFEST).read_text())
        return bool(manifest) and all(sha256_of(directory / name) == sha256 for name, sha256 in manifest.items())
    except (OSError, ValueError):
        return False
