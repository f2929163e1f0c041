"""The page's modules that need no browser, tested by Node's own runner beside them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDED = 20


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("NODE.JS IS MISSING: the page's modules are NOT tested. Install node 20 or newer.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < NEEDED:
        pytest.skip(f"NODE.JS IS TOO OLD ({version}): the page's modules are NOT tested. Install node 20 or newer.")
    return node


@pytest.mark.node
@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.name.split(".")[0])
def test_modules(file: Path) -> None:
    done = subprocess.run([_node(), "--test", str(file)], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
