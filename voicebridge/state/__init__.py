"""What several processes must agree on: used keys, who holds which call, how many of something run, usage totals.

`State` is the Protocol; `InMemoryState` serves one process. Nothing else in the package knows which one runs.
"""

from __future__ import annotations

from voicebridge.state.memory import InMemoryState
from voicebridge.state.protocol import State

__all__ = ["InMemoryState", "State"]
