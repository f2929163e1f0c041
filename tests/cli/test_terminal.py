from __future__ import annotations

import io

from voicebridge.cli.terminal import Terminal


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_text_where_nobody_looks() -> None:
    out = io.StringIO()
    terminal = Terminal(out, io.StringIO(), {})
    terminal.status("working")
    terminal.line(terminal.bold("done"))
    assert out.getvalue() == "done\n"


def test_colour_and_a_passing_status_on_a_terminal() -> None:
    out = Tty()
    terminal = Terminal(out, io.StringIO(), {})
    terminal.status("working")
    terminal.line(terminal.green("done"))
    assert out.getvalue() == "\r\x1b[2Kworking\r\x1b[2K\x1b[32mdone\x1b[0m\n"


def test_no_color_is_obeyed() -> None:
    assert Terminal(Tty(), io.StringIO(), {"NO_COLOR": "1"}).bold("x") == "x"


def test_a_line_in_pieces_is_ended_before_the_next() -> None:
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal(out, err, {})
    terminal.part("a")
    terminal.part("b")
    terminal.line("c")
    terminal.part("d")
    terminal.failure("broken")
    assert out.getvalue() == "ab\nc\nd\n"
    assert err.getvalue() == "voicebridge: broken\n"
