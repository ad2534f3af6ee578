"""The commands of chainrule, run in this process or in one of their own."""

import csv
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from chainrule import cli

OUTPUTS = {
    "checkpoint.safetensors",
    "cost.png",
    "held-out.csv",
    "history.csv",
    "mistakes.png",
    "model.safetensors",
    "report.html",
    "report.json",
    "weights.png",
}


def chainrule(*arguments, **environment):
    return CliRunner(env=environment).invoke(cli.app, [str(argument) for argument in arguments])


def answer(*arguments, **environment):
    result = chainrule(*arguments, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def history_in(folder):
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def start(*arguments, sign="cost before step      0"):
    """Start a training in a process of its own and return it once it reports a cost later than `sign`."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "chainrule", "train", *(str(argument) for argument in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"CHAINRULE_DEVICE": "cpu"},
    )
    for line in process.stdout:
        if line.startswith("  cost ") and not line.strip().startswith(sign):
            return process
    pytest.fail(process.stderr.read())
