"""Runs compared: what each answered on the same held-out rows, the settings that differ, and their page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.data.errors import DataError
from chainrule.training.report.compared import chance
from chainrule.training.report.compared.outcome import Outcome
from chainrule.training.report.elements import number, page, table, text, wide
from chainrule.training.report.svg_chart import line_chart


@dataclass(frozen=True)
class Difference:
    """A run against the first one: how much better it is, by which test, and what that says.

    gain      the share of held-out rows answered right more, or how much smaller the root mean square error is
    level     p under which the two are told apart
    """

    run: str
    against: str
    gain: float
    test: chance.Test
    level: float

    @property
    def verdict(self) -> str:
        """Whether the two can be told from chance."""
        if not self.test.p < self.level:
            return "cannot be told from chance"
        return f"{self.run if self.gain > 0 else self.against} is better; that can be told from chance"


def check_comparable(runs: Sequence[Outcome]) -> None:
    """Raise DataError for runs of different tasks, or of different held-out rows."""
    first = runs[0]
    for run in runs[1:]:
        if run.report["classes"] != first.report["classes"]:
            raise DataError(
                f"compare: expected runs of one task, got {first.task} in {first.name} and {run.task} in "
                f"{run.name}; compare runs of the same classes"
            )
        if not _same_rows(first, run):
            one, other = (f"{one.rows} of {one.report['data']['held out']}" for one in (first, run))
            raise DataError(
                f"compare: expected runs with the same held-out rows, got {one} in {first.name} and others, {other}, "
                f"in {run.name}; train them with the same data, --held-out and --seed, or --test"
            )


def differences(runs: Sequence[Outcome]) -> list[Difference]:
    """Return each run against the first; of several, p must be under its share of 5 %."""
    first, *others = runs
    level = chance.LEVEL / max(1, len(others))
    sign = -1 if first.regression else 1
    return [
        Difference(run.name, first.name, sign * (run.score - first.score), _test(first, run), level)
        for run in others
    ]


def settings_that_differ(runs: Sequence[Outcome]) -> dict[str, list[str]]:
    """Return the settings in which the runs differ, each with its text in every run; - where a run has none."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    found = {name: [run.settings.get(name, "-") for run in runs] for name in names}
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def as_json(runs: Sequence[Outcome]) -> dict[str, Any]:
    """Return the comparison in what JSON has."""
    said = "root mean square error" if runs[0].regression else "accuracy"
    return {
        "runs": [
            {
                "run": run.name,
                "folder": str(run.folder),
                "held-out rows": run.rows,
                said: run.score,
                "95 % interval": run.interval and list(run.interval),
                "steps": run.report["steps"],
                "seconds": run.report["seconds"],
            }
            for run in runs
        ],
        "interval": interval_name(runs),
        "differences": [
            {
                "run": one.run,
                "against": one.against,
                "better by": one.gain,
                "test": one.test.name,
                "p": one.test.p,
                "told apart where p is under": one.level,
                "counted": one.test.counted,
                "verdict": one.verdict,
            }
            for one in differences(runs)
        ],
        "settings that differ": {
            name: dict(zip((run.name for run in runs), values, strict=True))
            for name, values in settings_that_differ(runs).items()
        },
    }


def interval_name(runs: Sequence[Outcome]) -> str:
    """Return what the error bars are."""
    return "95 % by the standard error of the squares" if runs[0].regression else "95 %, Wilson"


def score_in_words(run: Outcome) -> str:
    """Return the score of a run with its error bar."""
    ends = run.interval
    if run.regression:
        return f"{run.score:.6g}" + (f" ({ends[0]:.4g} to {ends[1]:.4g})" if ends else "")
    assert ends is not None
    return f"{run.score:.2%} ({ends[0]:.2%} to {ends[1]:.2%})"


def said(one: Difference, *, regression: bool) -> str:
    """Return a difference as a sentence."""
    gain = f"error {-one.gain:+.4g}" if regression else f"{100 * one.gain:+.2f} points right"
    bound = "" if one.level == chance.LEVEL else f", told apart under {one.level:.2g}"
    return (
        f"{one.run} against {one.against}: {gain}; {one.test.counted}; p = {one.test.p:.2g} "
        f"({one.test.name}{bound}): {one.verdict}"
    )


def render(runs: Sequence[Outcome]) -> bytes:
    """Return the page of a comparison."""
    names = [run.name for run in runs]
    heading = f"{', '.join(names[:-1])} and {names[-1]} compared"
    score = "error, held out" if runs[0].regression else "right, held out"
    results = [
        (
            text(run.name),
            number(run.score, score_in_words(run)),
            number(run.report["steps"]),
            number(run.report["seconds"], f"{run.report['seconds']:.2f}"),
        )
        for run in runs
    ]
    head = ("run", f"{score} ({interval_name(runs)})", "steps", "seconds of learning")
    verdicts = "".join(
        f"<li>{text(said(one, regression=runs[0].regression))}.</li>" for one in differences(runs)
    )
    differ = [[text(name), *map(text, values)] for name, values in settings_that_differ(runs).items()]
    settings = (
        table("", ("setting", *map(text, names)), differ) if differ else "<p>All settings are equal.</p>"
    )
    return page(
        heading,
        (
            f"<h1>{text(heading)}</h1>\n<p>{text(runs[0].task)}; {runs[0].rows} held-out rows.</p>",
            f"<h2>Held out</h2>\n{table('', head, results)}<ul>{verdicts}</ul>",
            f"<h2>Cost</h2>\n{_curves(runs)}",
            f"<h2>Settings that differ</h2>\n{settings}",
        ),
    )


def _curves(runs: Sequence[Outcome]) -> str:
    """Return the costs of all runs over steps: a colour a run, dashes for validation."""
    lines = {f"{run.name}: {name}": points for run in runs for name, points in run.costs.items()}
    looks = [(k, int(name == "validation")) for k, run in enumerate(runs) for name in run.costs]
    costs = [y for points in lines.values() for _, y in points if math.isfinite(y)]
    log = bool(costs) and 0 < 20 * min(costs) < max(costs)
    words = "; ".join(f"{name} ends at {points[-1][1]:.4g}" for name, points in lines.items())
    caption = "Over steps. Costs with different penalties or of different kinds are not one unit."
    drawn = line_chart(lines, label=f"Costs: {words}.", log=log, looks=looks)
    return f"<figure>{wide(drawn, 'Chart')}<figcaption>{caption}</figcaption></figure>"


def _test(first: Outcome, run: Outcome) -> chance.Test:
    if first.regression:
        if first.squares is None or run.squares is None or first.rows < 2:
            return chance.Test("no test", math.nan, "held-out.csv of both, with two rows or more, is missing")
        return chance.paired_squares(first.squares, run.squares)
    if first.verdicts is None or run.verdicts is None:
        return chance.two_proportions(first.right, run.right, first.rows)
    return chance.mcnemar(first.verdicts, run.verdicts)


def _same_rows(one: Outcome, other: Outcome) -> bool:
    """Say whether two runs have the same held-out rows, in the same order."""
    sums = [run.report["data"].get("checksum of held-out rows") for run in (one, other)]
    if one.rows != other.rows:
        return False
    if sums[0] is not None and sums[0] == sums[1]:
        return True
    files = [_files(run.answers) for run in (one, other)]
    # Pictures that were brought to another size are the same rows.
    if files[0] is not None and files[0] == files[1]:
        return True
    # A report without a checksum names the source.
    return None in sums and one.report["data"]["held out"] == other.report["data"]["held out"]


def _files(answers: Sequence[Mapping[str, str]] | None) -> list[tuple[str, str]] | None:
    """Return the file and the class of each row, or None where rows have no files."""
    if not answers or "file" not in answers[0] or "class" not in answers[0]:
        return None
    return [(row["file"], row["class"]) for row in answers]
