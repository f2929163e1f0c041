"""Browsers, pages and speech for them."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from unittest.mock import patch

import pytest

from browser.chromium import Tab, chromium, tab_of
from browser.recording import Microphone, Samples, part, read_wave, spans
from browser.site import site
from serving import RunningServer, serving
from voicebridge.core.engine_io import EngineDone, SpeechDelta
from voicebridge.engines.embedded.stt import Recogniser, load_tiny
from voicebridge.engines.embedded.tts import HibariSynthesiser
from voicebridge.engines.scripted import Pause, ScriptedEngine, hum

PAGES = Path(__file__).parent / "pages"
BUNDLED = ("agents.js", "openai.js")
INSTALL_S = 300
RECORDINGS = Path(__file__).parents[1] / "data" / "speech"
HELLO = Path(__file__).parents[2] / "voicebridge" / "samples" / "hello.wav"  # "Hello. Twenty-four plus ten."
ARTEFACTS = "VOICEBRIDGE_TEST_ARTIFACTS"
"""Names the directory for screenshots, recordings and events; without it they are in pytest's own."""
SENTENCE = "Once upon a time there was a server. "

Site: TypeAlias = Callable[[RunningServer], str]


class Browse(Protocol):
    def __call__(self, microphone: Microphone | None, **wanted: Any) -> AbstractAsyncContextManager[Tab]: ...


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The pages, with the published clients bundled for them from exactly the packages of the lock file."""
    copy = tmp_path_factory.mktemp("pages") / "pages"
    shutil.copytree(PAGES, copy, ignore=shutil.ignore_patterns("node_modules"))
    if (PAGES / "node_modules").is_dir():
        (copy / "node_modules").symlink_to(PAGES / "node_modules")
    else:
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            pytest.skip("NODE.JS IS MISSING: published clients are NOT tested in a browser. Install node and npm.")
        done = _run(copy, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        if done.returncode:
            pytest.skip(f"PACKAGES CANNOT BE HAD: published clients are NOT tested in a browser. {done.stderr[-500:]}")
    done = _run(copy, "node_modules/.bin/esbuild", *BUNDLED, "--bundle", "--format=esm", "--outdir=built")
    assert done.returncode == 0, done.stderr
    yield copy
    shutil.rmtree(copy, ignore_errors=True)


def _run(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_S, check=False)


@pytest.fixture
def site_for(pages: Path) -> Iterator[Site]:
    """Serves the pages for a server, and says where."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(site(server.url, server.api_key, pages))


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    directory = Path(os.environ.get(ARTEFACTS) or tmp_path)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture
def browse(request: pytest.FixtureRequest, tmp_path: Path, artefacts: Path) -> Browse:
    """A browser with that microphone, and a tab in it that is recorded. `wanted` as for `chromium`."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    file = tmp_path.resolve() / "microphone.wav"  # Chromium takes a path with ".." for silence

    @asynccontextmanager
    async def opened(microphone: Microphone | None, **wanted: Any) -> AsyncIterator[Tab]:
        async with (
            chromium(microphone.write(file) if microphone else None, **wanted) as context,
            tab_of(context, artefacts, name) as tab,
        ):
            yield tab

    return opened


@pytest.fixture(scope="session")
def storyteller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Answers with a hum of 44 seconds without a gap, made in 20, whatever it is told."""
    sentence: tuple[SpeechDelta | Pause, ...] = (SpeechDelta(SENTENCE, hum(SENTENCE)), Pause(1.0))
    story = (*itertools.chain.from_iterable([sentence] * 20), EngineDone())
    with ExitStack() as stack:
        with patch("voicebridge.server.engines.ScriptedEngine", lambda: ScriptedEngine([story] * 40)):
            server = stack.enter_context(serving(tmp_path_factory.mktemp("tls"), "scripted"))
        yield server


@pytest.fixture(scope="session")
def recogniser() -> Recogniser:
    """The one that the server uses, fed with what the browser played."""
    return load_tiny()


@pytest.fixture(scope="session")
def sum_question() -> Samples:
    """A person says: "Twenty-four plus ten." """
    hello = read_wave(HELLO)
    return part(hello, spans(hello, bridge_s=0.3)[-1])


@pytest.fixture(scope="session")
def weather_question() -> Samples:
    samples: Samples = HibariSynthesiser().speak("What is the weather in Paris?", "echo", 1.0)
    return samples


@pytest.fixture(scope="session")
def story_question() -> Samples:
    """What the embedded brain answers for more than half a minute."""
    samples: Samples = HibariSynthesiser().speak("Tell me a story.", "echo", 1.0)
    return samples


@pytest.fixture(scope="session")
def interruption() -> Samples:
    """A person says: "Your call cannot be completed as dialed." """
    return read_wave(RECORDINGS / "cannot-complete-as-dialed.wav")
