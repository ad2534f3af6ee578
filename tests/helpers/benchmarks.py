"""Runs of the benchmarks' commands, and results as they write them."""

import os
import subprocess
import sys

from tests.helpers import ROOT


def run(*command, **environment):
    env = os.environ | environment
    # pytest-benchmark times nothing where it thinks that other tests run beside it.
    env.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def measured(results, *only, device="cpu", **environment):
    command = ("bench/run.py", "--sizes", "tiny", "--out", results, "--only", *only)
    return run(*command, CHAINRULE_DEVICE=device, **environment)


def path_with(folder):
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


def row(contender, *seconds, part="logistic", case="30 x 7", library="", **more):
    facts = {
        "part": part,
        "case": case,
        "contender": contender,
        "ours": "by_tiles",
        "amount": 8e9,
        "unit": "B",
    }
    facts |= {
        "grows": None,
        "why": "" if seconds else "not installed: it",
        "where": "cpu",
        "library": library,
    }
    return facts | {"seconds": list(seconds), "first": [1.0], "transfer": [0.0], "peak": None} | more


def saved(*rows, faults=(), **about):
    return {"about": {"device": "cpu"} | about, "rows": list(rows), "faults": list(faults)}


OURS = row("by_tiles", 1.0, 1.0, 1.1, library="chainrule 0.1.0")
