"""The code on the page of graphs runs in its order, and prints what the page says."""

import re
import shlex

from tests.helpers import ROOT
from tests.helpers.commands import answer

PAGE = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_code_on_the_page_runs(capsys):
    known = {}
    for block in blocks("python"):
        exec(compile(block, "explain.md", "exec"), known)
    (table,) = blocks("text")
    told = capsys.readouterr().out
    assert told.startswith(table)
    assert told.removeprefix(table).splitlines() == [
        "2.0 1.0 6.0",
        "None",
        "['input', 'input', 'matmul', 'tanh', 'constant', 'pow', 'mean']",
        "['X', 'y', 'W1', 'b1', 'Z1', 'H1', 'W2', 'b2', 'Z2', 'y_hat', 'L', 'J']",
    ]


def test_the_commands_on_the_page_work():
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert "backward" in answer(*shlex.split(line)[1:])
