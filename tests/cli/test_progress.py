import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from chainrule.cli import progress
from chainrule.optim.descent import Report
from tests.helpers.commands import chainrule, history_in
from tests.helpers.runs import config

terminals = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")


def on_a_terminal(*arguments, size=(24, 80), interrupt=False, **environment):
    """Run the command with a terminal of so many lines and columns; return its status and all that it wrote there."""
    import fcntl
    import pty
    import struct
    import termios

    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    unset = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    process = subprocess.Popen(
        [sys.executable, "-m", "chainrule", *map(str, arguments)],
        stdin=side,
        stdout=side,
        stderr=side,
        env=inherited
        | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "CHAINRULE_DEVICE": "cpu"}
        | environment,
    )
    os.close(side)
    text = b""
    while True:
        try:
            piece = os.read(main, 1 << 16)
        except OSError:  # what Linux says once the other end is closed
            break
        if not piece:
            break
        text += piece
        if interrupt and b"largest |gradient|" in text:
            process.send_signal(signal.SIGINT)
            interrupt = False
    os.close(main)
    return process.wait(timeout=60), text.decode()


def screen_of(text):
    """Return the lines that a terminal shows in the end, of what rich writes: text, colours, lines up and erased."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if part == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif part == "\x1b[2K":
            lines[row] = ""
        elif re.fullmatch(r"\x1b\[\d*A", part):
            row -= int(part[2:-1] or 1)
            assert row >= 0
        elif part == "\r":
            assert re.fullmatch(r".*", lines[row])
        elif not part.startswith("\x1b"):
            lines[row] += part
    return lines


@terminals
def test_on_a_terminal_the_cost_is_drawn_and_the_last_frame_stays(three_kinds, tmp_path):
    command = ["train", three_kinds, "--hidden", "64,64", "--batch", 4, "--epochs", 12, "--validation", 0.1]
    status, text = on_a_terminal(*command, "--out", tmp_path / "run")
    assert status == 0
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor is hidden"
    lines = screen_of(text)
    history = history_in(tmp_path / "run")
    assert sum("┤" in line or "│" in line for line in lines) == 8
    assert any("⠀" < character <= "⣿" for line in lines for character in line)
    last = history[-1]
    assert sum(f"cost {float(last['cost']):.6f}" in line for line in lines) == 1
    facts = "\n".join(lines)
    assert f"step {last['step']} of {last['step']}" in facts
    assert f"validation {float(last['validation']):.6f}" in facts
    assert f"largest |gradient| {float(last['largest_gradient']):.2e}" in facts
    assert not any("cost up to step" in line or "━" in line or " left" in line for line in lines)
    assert lines.index(next(line for line in lines if line.startswith("stopped:"))) > lines.index(
        next(line for line in lines if "└ step" in line)
    )
    assert text.endswith("\n")


@terminals
@pytest.mark.parametrize(("size", "drawn"), [((24, 60), True), ((24, 30), False), ((9, 80), False)])
def test_no_line_is_wider_than_the_terminal_and_no_frame_higher(size, drawn, three_kinds, tmp_path):
    command = ["train", three_kinds, "--hidden", 9, "--epochs", 9, "--out", tmp_path / "run"]
    status, text = on_a_terminal(*command, size=size, NO_COLOR="1")
    assert status == 0
    assert not re.search(r"\x1b\[[\d;]*m", text), "colours, where none are wanted"
    lines = screen_of(text)
    assert any("└ step" in line for line in lines) == drawn
    start = next(i for i, line in enumerate(lines) if "┤" in line or "step 27 of 27" in line)
    end = next(i for i, line in enumerate(lines) if line.startswith("stopped:"))
    assert 0 < end - start < size[0]
    assert max(map(len, lines[start:end])) <= size[1]


@terminals
@pytest.mark.parametrize("hidden", [(), ("--hidden", 20)])
def test_an_interrupt_leaves_the_terminal_as_it_was(hidden, three_kinds, tmp_path):
    command = ["train", three_kinds, *hidden, "--steps", 10**8, "--report-every", 10, "--patience", 10**7]
    status, text = on_a_terminal(*command, "--out", tmp_path / "run", interrupt=True)
    assert status == 0
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    lines = screen_of(text)
    assert any("interrupted; what was learnt is kept" in line for line in lines)
    assert len([line for line in lines if "largest |gradient|" in line and "step" in line]) == 1


@terminals
@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_cannot_draw_gets_lines(environment, three_kinds, tmp_path):
    command = ["train", three_kinds, "--epochs", 12, "--hidden", 4, "--out", tmp_path / "run"]
    status, text = on_a_terminal(*command, **environment)
    assert status == 0
    assert text.count("  cost up to step ") == 12
    assert "┤" not in text


@pytest.mark.parametrize("forced", ["", "1"])
def test_what_is_no_terminal_gets_lines_and_nothing_else(forced, three_kinds, tmp_path):
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "chainrule",
            "train",
            three_kinds,
            "--steps",
            "40",
            "--validation",
            "0.1",
            "--out",
            tmp_path,
        ],
        env=os.environ | {"CHAINRULE_DEVICE": "cpu", "FORCE_COLOR": forced, "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = [line for line in ended.stdout.splitlines() if line.startswith("  cost ")]
    expected = [
        f"  cost up to step {int(row['step']):>6}: {float(row['cost']):.6f}, validation {float(row['validation']):.6f}"
        for row in history_in(tmp_path)
    ]
    assert told == expected
    assert "\x1b" not in ended.stdout
    assert ended.stderr == ""


@terminals
def test_a_fault_is_told_above_the_drawing(three_kinds, tmp_path):
    folder = tmp_path / "run"
    (folder / "checkpoint.safetensors").mkdir(parents=True)
    status, text = on_a_terminal("train", three_kinds, "--hidden", 5, "--epochs", 30, "--out", folder)
    assert status == 0
    lines = screen_of(text)
    told = next(i for i, line in enumerate(lines) if "learning goes on without" in line)
    assert told < next(i for i, line in enumerate(lines) if "┤" in line)
    assert sum("└ step" in line for line in lines) == 1


@pytest.mark.parametrize("shared", [True, False])
def test_a_fault_goes_where_it_spoils_no_drawing(shared, monkeypatch, capsys):
    made = config(m=50, hidden="3", steps=100)
    monkeypatch.setattr(progress, "on_terminal", lambda console: shared)
    progress.Drawing(made).fault(OSError("no room"))
    told = capsys.readouterr()
    assert (told.out if shared else told.err) == "chainrule: no room\n"


class TestTheCurve:
    def test_a_line_goes_from_corner_to_corner(self):
        bits = progress.curve([(0, 1.0), (10, 0.0)], 5, 2, 0.0, 1.0)
        assert bits.shape == (2, 5)
        assert bits[0, 0] & 0x01
        assert bits[1, 4] & 0x80
        dots = [(r, c) for r in range(2) for c in range(5) if bits[r, c]]
        assert dots == [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3), (1, 4)]

    def test_a_power_is_straight_on_a_logarithmic_scale(self):
        x = np.arange(20)
        falling = progress.curve([(k, float(10.0**-k)) for k in x], 20, 5, 1e-19, 1.0, log=True)
        straight = progress.curve([(k, 19.0 - k) for k in x], 20, 5, 0.0, 19.0)
        np.testing.assert_array_equal(falling, straight)

    @pytest.mark.parametrize("heights", [(0.0, 1.0), (1.0, 0.0)])
    def test_a_jump_is_drawn_as_a_whole(self, heights):
        before, after = heights
        bits = progress.curve([(0, before), (5, before), (5.001, after), (10, after)], 20, 6, 0.0, 1.0)
        assert np.all(np.any(bits, axis=1))

    def test_equal_numbers_are_a_flat_line_and_no_warning(self):
        bits = progress.curve([(0, 2.0), (5, 2.0)], 6, 3, 2.0, 2.0)
        assert (bits != 0).sum(axis=0).tolist() == [1] * 6

    @pytest.mark.parametrize("number", [1, 2, 1024, 1025, 5000])
    def test_however_many_reports_there_are_few_points_and_the_first_and_last(self, number):
        points = progress._Thinned()
        for k in range(number):
            points.add(k, -k)
        seen = points.points
        assert len(seen) <= progress._POINTS + 1
        assert (seen[0], seen[-1]) == ((0, 0), (number - 1, 1 - number))
        assert seen == sorted(set(seen))
        assert min(1024, number) / 2 <= len(seen)
        assert len(set(np.diff([x for x, _ in seen[:-1]]))) <= 1, "thinned evenly"


def test_the_drawing_tells_the_lowest_validation_and_the_time_left(monkeypatch):
    made = config(m=50, hidden="3", steps=100)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    drawing = progress.Drawing(made)
    drawing.begin(20)
    for step, validation in ((30, 0.5), (40, 0.7)):
        for _ in range(10):
            drawing.advance()
        drawing.report(Report(step, 1.0 / step, 1e-3, validation))
    now[0] = 10.0
    assert drawing._facts() == [
        "step 40 of 100",
        "0:00:30 left at most",
        "cost 0.025000",
        "validation 0.700000",
        "lowest 0.500000 at step 30",
        "largest |gradient| 1.00e-03",
    ]


@pytest.mark.parametrize("odd", [float("inf"), float("nan")])
def test_a_validation_that_is_not_finite_is_left_out(odd):
    costs = [(1, 4.0), (2, 3.0), (3, 2.0)]
    drawn = [str(line) for line in progress.chart(costs, [(1, odd), (2, 2.5), (3, 2.0)], 60, 6)]
    assert drawn[0].lstrip().startswith("4 ")
    assert drawn == [str(line) for line in progress.chart(costs, [(2, 2.5), (3, 2.0)], 60, 6)]
    assert progress.chart(costs, [(1, odd)], 60, 6) == progress.chart(costs, [], 60, 6)


def test_the_command_in_a_test_is_on_no_terminal(three_kinds, tmp_path):
    text = chainrule("train", three_kinds, "--steps", 3, "--out", tmp_path).stdout
    assert "cost up to step" in text
