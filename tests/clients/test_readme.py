"""The README's snippet does what it says, as printed, but for the address and the key."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from serving import RunningServer

pytestmark = [pytest.mark.sdk, pytest.mark.models]

README = Path(__file__).parents[2] / "README.md"


async def test_the_snippet_prints_the_answer(embedded_server: RunningServer) -> None:
    found = re.search(r"<!-- snippet -->\s*```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    code = (
        found[1].replace("http://127.0.0.1:8765/v1", embedded_server.url).replace("YOUR_KEY", embedded_server.api_key)
    )
    assert embedded_server.url in code
    assert embedded_server.api_key in code
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(30):
        output, _ = await running.communicate()
    assert running.returncode == 0, output.decode()
    assert "fifty-six" in output.decode()
