from __future__ import annotations

import pytest

from voicebridge.engines.embedded.brain.agent import Brain


@pytest.fixture(scope="session")
def lexical() -> Brain:
    """The brain without its embedding model."""
    return Brain(None)


@pytest.fixture(scope="session")
def brain() -> Brain:
    """The brain with its model; for tests marked `models`."""
    return Brain()
