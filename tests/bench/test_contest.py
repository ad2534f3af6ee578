"""Contenders in processes of their own: who is unequal, missing or broken is named and loses its times."""

import os

import numpy as np
import pytest

from bench import contest, ratios
from tests.helpers.benchmarks import path_with

CONTENDERS = """
import time
from pathlib import Path
import numpy as np

def problem(n):
    return (np.arange(1.0, int(n) + 1),)

def contender(put, x, *, factor=1.0, slow=0.0, error=None):
    if error:
        raise error
    x = put(x)

    def step():
        time.sleep(0.001 + slow)
        return x * factor

    return step, lambda out: [out.sum(), out]

def late(put, x):
    mark = Path(__file__).with_suffix(".mark")
    seen = mark.exists()
    mark.touch()
    return contender(put, x, factor=1.002 if seen else 1.0)

def planted(**faults):
    return lambda put, x: contender(put, x, **faults)

CONTENDERS = {
    "numpy": contender,
    "numpy slow": planted(slow=0.02),
    "numpy near": planted(factor=1 + 1e-6),
    "numpy wrong": planted(factor=1.002),
    "numpy late": late,
    "numpy nan": planted(factor=float("nan")),
    "numpy missing": planted(error=ModuleNotFoundError("No module named 'rival'")),
    "numpy broken": planted(error=ValueError("out of order")),
}
"""


def test_unequal_missing_and_broken_contenders_lose_their_times(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text(CONTENDERS)
    monkeypatch.setenv("PYTHONPATH", path_with(tmp_path))
    names = [
        f"numpy{fault}" for fault in ("", " slow", " near", " wrong", " late", " nan", " missing", " broken")
    ]
    case = contest.Contest("logistic", "a case", "planted", (5,), tuple(names), "numpy", 1)
    turns = []
    rows = {
        row["contender"]: row for row in contest.hold(case, {}, rounds=2, seconds=0.001, done=turns.append)
    }
    assert turns == names * 2
    assert rows["numpy"]["why"] == rows["numpy near"]["why"] == rows["numpy slow"]["why"] == ""
    assert rows["numpy wrong"]["why"].startswith("unequal: result 0 is off that of numpy by 2.0e-03")
    assert rows["numpy late"]["why"].startswith("unequal")
    assert rows["numpy nan"]["why"].startswith("unequal")
    assert rows["numpy missing"]["why"] == "not installed: No module named 'rival'"
    assert rows["numpy broken"]["why"] == "failed: out of order"
    assert all(
        rows[f"numpy {fault}"]["seconds"] == [] for fault in ("wrong", "late", "nan", "missing", "broken")
    )
    _, low, _ = ratios.ratio(rows["numpy slow"], rows["numpy"])
    assert low > 2


def test_a_missing_python_is_named():
    case = contest.Contest("logistic", "a case", "bench.logistic_step", (5, 4), ("torch",), "torch", 1)
    (row,) = contest.hold(case, {"torch": "/no/such/python"}, rounds=1, seconds=0.001)
    assert row["why"].startswith("failed: /no/such/python")


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="Linux alone counts it")  # noqa: PTH110
def test_the_peak_of_memory_that_python_does_not_see():
    found = contest._peak_of_process(lambda: np.ones(10_000_000).sum())
    assert 79e6 < found < 100e6
