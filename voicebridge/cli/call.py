"""Speak to a running server and hear it answer: a recording, a written question, or the microphone.

Shows what happens as it happens and how long each stage took, and saves the answer as a WAV file.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path

from voicebridge.audio.samples import EMPTY, INTERNAL_RATE_HZ
from voicebridge.cli.call_audio import find_recording, load_recording, save_recording
from voicebridge.cli.call_progress import Progress, Turn, latencies
from voicebridge.cli.call_session import Plan, hold_call
from voicebridge.cli.options import add_server_arguments, find_target
from voicebridge.cli.terminal import CommandError, Terminal

_LABEL_WIDTH = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("recording", nargs="?", metavar="WAV", help="a recording; hello.wav comes with voicebridge")
    source.add_argument("--text", metavar="T", help="a written question instead")
    source.add_argument("--microphone", action="store_true", help="speak yourself; Ctrl+C ends the call")
    add_server_arguments(parser)
    parser.add_argument("--dialect", choices=("ga", "beta"), default="ga", help="the dialect of the protocol to speak")
    parser.add_argument("--model", help="the model to ask for (gpt-realtime)")
    parser.add_argument("--voice", help="the voice of the answer")
    parser.add_argument("--instructions", metavar="T", help="what the assistant is told about itself")
    parser.add_argument("--save", type=Path, metavar="WAV", default=Path("answer.wav"), help="where the answer goes")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", default=True, help="send as fast as one speaks (default)")
    pace.add_argument("--fast", action="store_true", help="send the whole recording at once")


def run(arguments: argparse.Namespace, terminal: Terminal, env: Mapping[str, str]) -> int:
    recording = EMPTY
    if arguments.recording is not None:
        path = find_recording(arguments.recording)
        recording = load_recording(path)
        terminal.line(terminal.dim(f"{path.name}: {recording.size / INTERNAL_RATE_HZ:.1f} s of sound"))
    target = find_target(arguments, env)
    plan = Plan(
        dialect=arguments.dialect,
        model=arguments.model,
        voice=arguments.voice,
        instructions=arguments.instructions,
        recording=recording,
        text=arguments.text,
        microphone=arguments.microphone,
        in_real_time=not arguments.fast,
    )
    progress = Progress(_Screen(terminal))
    try:
        asyncio.run(hold_call(target, plan, progress, lambda text: terminal.status(terminal.dim(text))))
    except KeyboardInterrupt:
        if not arguments.microphone:
            raise
    finally:
        _conclude(terminal, progress, arguments.save)
    if progress.errors and not progress.answered:
        raise CommandError("the server did not answer")
    return 0 if any(turn.status == "completed" for turn in progress.turns) else 1


class _Screen:
    """Lines of what happened and when; words of an answer as they come."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def at(self, seconds: float, what: str, text: str = "") -> None:
        self._terminal.end_line()
        # Words of the answer follow on the same line, so its label is filled up; others end where they end.
        label = f"{what:{_LABEL_WIDTH}}" if text or what == "answer" else what
        if what == "error":
            label = self._terminal.red(label)
        shown = self._terminal.bold(text) if what == "heard" else text
        self._terminal.part(f"{self._terminal.dim(f'{seconds:7.2f} s')}  {label}{shown}")

    def words(self, text: str) -> None:
        self._terminal.part(self._terminal.green(text))


def _conclude(terminal: Terminal, progress: Progress, save: Path) -> None:
    terminal.end_line()
    for number, turn in enumerate(progress.turns, 1):
        _show_latencies(terminal, turn, f" of turn {number}" if len(progress.turns) > 1 else "")
    answer = progress.answer
    if answer.size:
        save_recording(save, answer)
        silent = "" if answer.any() else " (silent)"
        seconds = answer.size / INTERNAL_RATE_HZ
        terminal.line(f"\nanswer saved to {terminal.bold(str(save))}: {seconds:.1f} s of sound{silent}")


def _show_latencies(terminal: Terminal, turn: Turn, which: str) -> None:
    rows = latencies(turn)
    if not rows:
        return
    if turn.spoken_until is not None:
        since = "the last sound of speech"
    else:
        since = "the question was sent" if turn.written else "the end of speech was noticed"
    terminal.line(f"\n{terminal.bold('latency' + which)}, since {since}")
    for words, total, step in rows:
        terminal.line(f"  {words:28} {total * 1000:7.0f} ms {terminal.dim(f'+{step * 1000:.0f}')}")
