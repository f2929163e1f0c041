"""What must be true of a conversation in a browser, whichever page and transport it was held with."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from browser.chromium import Passed, Tab
from browser.recording import Recording, Samples, Span, level_dbfs, part, spans
from clients.strict import Dialect, Recorder
from serving import RunningServer
from voicebridge.engines.embedded.stt import Recogniser

STOPS_WITHIN_S = 0.3
STOPS_ANYHOW_S = 1.0
"""Where more processes want the processor than it has room for, 300 ms would measure the machine, not the server."""
ENDS_WITHIN_S = 10.0
SPEECH_DBFS = -40.0
MAX_MESSAGE = 256 * 1024


@asynccontextmanager
async def nothing_left(server: RunningServer) -> AsyncIterator[None]:
    """The server has as many tasks afterwards as before."""
    before = server.tasks()
    yield
    deadline = time.monotonic() + ENDS_WITHIN_S  # noqa: TID251  a test's patience
    while (left := server.tasks()) > before:
        assert time.monotonic() < deadline, f"{left} tasks are left, {before} were there before"  # noqa: TID251
        await asyncio.sleep(0.05)


def judge_events(tab: Tab, dialect: Dialect) -> Recorder:
    """Every event is one that strict clients accept, in an order they accept; the server spoke first."""
    recorder = Recorder(dialect)
    for passed in tab.passed:
        if passed.way == "in":
            recorder.take(json.dumps(passed.event))
    assert recorder.types()[0] == "session.created"
    return recorder


def judge_media_channel(tab: Tab) -> None:
    """Sound comes as media, and never as events; no message is larger than Chromium says it takes."""
    assert not [passed.type for passed in tab.passed if re.fullmatch(r"response\.(output_)?audio\.delta", passed.type)]
    assert max(passed.bytes for passed in tab.passed) < MAX_MESSAGE


def answer_to(recording: Recording, spoken: Span) -> Span:
    """The first sound heard after a piece of speech, and it is as loud as speech."""
    found = next(span for span in spans(recording.heard) if span.begin > spoken.begin)
    assert level_dbfs(part(recording.heard, found)) > SPEECH_DBFS
    return found


def words_of(recogniser: Recogniser, samples: Samples) -> str:
    return recogniser.recognise(samples, None, None).text.lower()


def cut_short_by(recording: Recording, speech: Span) -> Span:
    """What was heard of the answer that somebody spoke over; it stopped in time."""
    answer = next(span for span in spans(recording.heard, bridge_s=1.0) if span.begin < speech.begin < span.end + 0.1)
    late = answer.end - speech.begin
    overloaded = os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)
    bound = STOPS_ANYHOW_S if overloaded else STOPS_WITHIN_S
    assert late <= bound, f"the answer went on for {late:.3f} s"
    return answer


def transcript_of(passed: Passed) -> str:
    return str(passed.event["transcript"])
