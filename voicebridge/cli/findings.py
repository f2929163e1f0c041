"""What a check found, and how it is told to people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from voicebridge.cli.terminal import Terminal

Grade = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. A `problem` keeps the server from doing its job; a `note` is about something optional."""

    grade: Grade
    subject: str
    text: str
    remedy: str = ""


def report(findings: Iterable[Finding], terminal: Terminal) -> int:
    """Write each as it comes, then the verdict; the exit status: 1 where there is a problem."""
    problems = 0
    mark = {"ok": terminal.green("ok     "), "note": terminal.yellow("note   "), "problem": terminal.red("PROBLEM")}
    for finding in findings:
        terminal.line(f"{mark[finding.grade]}  {finding.subject:24} {finding.text}")
        if finding.remedy:
            terminal.line(f"{'':35}→ {finding.remedy}")
        problems += finding.grade == "problem"
    verdict = f"\n{problems} problem{'s' * (problems != 1)} found" if problems else "\neverything that is needed works"
    terminal.line(terminal.red(verdict) if problems else terminal.green(verdict))
    return 1 if problems else 0
