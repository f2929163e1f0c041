"""Servers that run for a whole test session. Fixtures of one directory live in that directory's own conftest."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from serving import RunningServer, serving


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Commands that run in this process send logs where pytest soon closes the file."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def scripted_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real server on real sockets whose engine repeats what it was told; voice activity detection is the real one."""
    with serving(tmp_path_factory.mktemp("tls"), "scripted") as server:
        yield server


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real server with the models that ship with the package."""
    with serving(tmp_path_factory.mktemp("tls"), "embedded") as server:
        yield server
