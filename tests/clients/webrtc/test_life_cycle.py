"""Calls that end in every way there is, one after another and many at once: nothing of them stays."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.webrtc.peer import eventually
from serving import RunningServer, serving
from voicebridge.config import LimitsSettings, WebRtcSettings
from voicebridge.core.session import LocalSession
from voicebridge.runtime.call import Call
from voicebridge.transports.webrtc.peer import Peer
from voicebridge.transports.webrtc.port import WebRtcPort

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[3]
ONE_AFTER_ANOTHER, AT_ONCE = 32, 16
KINDS = (Call, LocalSession, Peer, WebRtcPort)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    webrtc = WebRtcSettings(connect_timeout_s=2, disconnect_timeout_s=2)
    limits = LimitsSettings(max_sessions=500)
    with serving(tmp_path_factory.mktemp("tls"), "scripted", limits=limits, webrtc=webrtc) as running:
        yield running


def alive() -> int:
    """Objects of calls, over or not, that somebody still holds."""
    gc.collect()
    return sum(isinstance(one, KINDS) for one in gc.get_objects())


async def calls(server: RunningServer, one_after_another: int, at_once: int) -> None:
    program = ("-m", "benchmarks.webrtc_churn", "callers", str(server.port), server.api_key)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, str(one_after_another), str(at_once), cwd=ROOT
    )
    assert await process.wait() == 0


async def test_nothing_stays_of_calls_that_are_cut_off_in_any_phase(server: RunningServer) -> None:
    """`benchmarks.webrtc_churn` has the phases; a quarter of the callers at once are killed with their process."""
    await calls(server, 8, 8)
    await eventually(lambda: server.tasks() <= 4)
    tasks, files, objects = server.tasks(), len(os.listdir("/proc/self/fd")), alive()  # noqa: PTH208  names only
    await calls(server, ONE_AFTER_ANOTHER, AT_ONCE)
    await eventually(lambda: server.tasks() <= tasks)
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= files)  # noqa: PTH208  names only
    assert alive() <= objects
