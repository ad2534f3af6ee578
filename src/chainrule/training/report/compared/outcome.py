"""What a run left in its folder: its report, its costs over steps, and its answers to the held-out rows."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.errors import fault
from chainrule.training.report.compared import chance

# The parts of a report that are settings, and of these what a machine has at the moment or what is no choice.
_SETTINGS = (
    "data",
    "choices",
    "rows",
    "dtype",
    "settings",
    "threads while learning",
    "device",
    "versions",
    "python",
)
_LEFT_OUT = ("checksum of held-out rows", "memory")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run left: its report.json, the rows of history.csv, and of held-out.csv or None.

    name    that of the folder, or where two runs have one name the path
    """

    name: str
    folder: Path
    report: Mapping[str, Any]
    history: Sequence[Mapping[str, str]]
    answers: Sequence[Mapping[str, str]] | None

    @property
    def regression(self) -> bool:
        """Whether numbers are predicted."""
        return not self.report["classes"]

    @property
    def task(self) -> str:
        """What is answered, in words."""
        classes = self.report["classes"]
        if self.regression:
            return "numbers predicted"
        if isinstance(classes, dict):
            return f"{classes['positive']!r} or {classes['negative']!r}"
        return f"{len(classes)} classes told apart"

    @property
    def rows(self) -> int:
        """The number of held-out rows."""
        return int(self.report["rows"]["held out"])

    @property
    def score(self) -> float:
        """The share of held-out rows answered right, or the root mean square error of those predicted."""
        return float(self.report["root mean square error" if self.regression else "accuracy"]["held out"])

    @property
    def right(self) -> int:
        """How many held-out rows were answered right."""
        return round(self.score * self.rows)

    @cached_property
    def verdicts(self) -> np.ndarray | None:
        """Whether each held-out row was answered right, (m,), or None where it is not known."""
        if self.regression or self.answers is None:
            return None
        return np.array([row["class"] == row["answer"] for row in self.answers])

    @cached_property
    def squares(self) -> np.ndarray | None:
        """The squared error of each held-out row, (m,), or None where they are not known."""
        if not self.regression or self.answers is None:
            return None
        off = [float(row["prediction"]) - float(row["number"]) for row in self.answers]
        # The square root of the largest number is 1.3e154.
        if not all(abs(one) < 1e154 for one in off):
            raise ValueError("held-out.csv has a prediction whose squared error is not finite")
        return np.square(off)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the score, or None where it is not known."""
        if not self.regression:
            return chance.wilson(self.right, self.rows)
        return None if self.squares is None or self.rows < 2 else chance.of_error(self.squares)

    @cached_property
    def costs(self) -> dict[str, list[tuple[float, float]]]:
        """The costs over steps, (step, cost), of training and where there are some of validation."""
        columns = {"training": "cost", "validation": "validation"}
        found = {
            name: [(float(row["step"]), float(row[column])) for row in self.history if row.get(column)]
            for name, column in columns.items()
        }
        return {name: points for name, points in found.items() if points}

    @cached_property
    def settings(self) -> dict[str, str]:
        """All settings of the run by their names, as text."""
        return dict(_flat({name: self.report[name] for name in _SETTINGS if name in self.report}))


def read_run(folder: Path, name: str) -> Outcome:
    """Read what a run left in its folder; DataError where there is no report that can be read."""
    remedy = "name a folder that chainrule train has written to, or train again"
    report, history, answers = (folder / name for name in ("report.json", "history.csv", "held-out.csv"))
    if not report.is_file():
        got = f"one without {report.name}" if folder.is_dir() else "no such folder"
        raise fault(folder, "the folder of a run", got, remedy)
    try:
        told = json.loads(report.read_text(encoding="utf-8"))
        found = Outcome(name, folder, told, _rows_of(history) or (), _rows_of(answers))
        _check(found)
    except (
        ArithmeticError,
        AttributeError,
        csv.Error,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        raise fault(folder, "a report of a run", f"one that cannot be read ({error})", remedy) from error
    return found


def _check(run: Outcome) -> None:
    """Raise an error for a run of which something is missing that is read later, or whose files differ."""
    if run.rows < 1 or not math.isfinite(run.score):
        raise ValueError(f"a score of {run.score:g} on {run.rows} held-out rows")
    if run.answers is not None and len(run.answers) != run.rows:
        raise ValueError(f"held-out.csv has {len(run.answers)} rows, report.json {run.rows}")
    _ = run.interval, run.settings, run.costs, run.task, run.report["data"]["held out"]
    _ = run.report["steps"], f"{run.report['seconds']:.2f}"
    if run.answers is None:
        return
    score, slack = run.score, 0.5 / run.rows
    if run.squares is not None:
        # Numbers and predictions of float32 are written in full, but the score was summed in that precision.
        most = max(abs(float(row["number"])) for row in run.answers)
        score, slack = math.sqrt(float(np.mean(run.squares))), 1e-3 * run.score + 1e-6 * most
    if run.verdicts is not None:
        score = float(np.mean(run.verdicts))
    if not abs(score - run.score) <= slack:
        raise ValueError(f"the score is {score:g} by held-out.csv, {run.score:g} by report.json")


def _rows_of(path: Path) -> list[dict[str, str]] | None:
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def _flat(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    found = []
    for key, value in tree.items():
        if isinstance(value, dict):
            found += _flat(value, f"{above}{key}: ")
        elif key not in _LEFT_OUT:
            found.append((f"{above}{key}", json.dumps(value) if isinstance(value, list) else str(value)))
    return found
