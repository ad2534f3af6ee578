"""How a training is seen while it runs: drawn where a terminal can draw, told in lines everywhere else."""

import math
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from chainrule.cli.console import complain, err, on_terminal, out
from chainrule.optim import Report
from chainrule.training.config import Config

Points = Sequence[tuple[float, float]]

# The bit of each dot of a braille character, 4 rows of 2, as Unicode numbers them from U+2800.
_DOTS = np.asarray([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
# More points than a terminal has columns, few enough to be drawn in a millisecond.
_POINTS = 1024
_FRAMES_A_SECOND = 4


def follow(config: Config) -> "Drawing | Lines":
    """Return a context that shows how a run goes: a drawing where the reader can see one, or lines."""
    drawn = on_terminal(out) and out.is_interactive and not out.options.ascii_only
    return Drawing(config) if drawn else Lines(config)


class Lines:
    """A line for each report, and a progress bar where the error stream is a terminal."""

    def __init__(self, config: Config) -> None:
        self.config = config
        # A line for each of 200 epochs would scroll the other lines away.
        self.sparse = (
            1 if config.batch is None else min(10, max(1, config.steps // config.report_every // 20))
        )
        self.bar = Progress(
            TextColumn("step"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("cost {task.fields[cost]}"),
            # On the console of the reports where both are one terminal: two consoles there overwrite each other.
            console=out if on_terminal(out) else err,
            transient=True,
            disable=not on_terminal(err),
        )
        self.task = self.bar.add_task("steps", total=config.steps, cost="")
        self.done, self.shown = 0, time.monotonic()

    def __enter__(self) -> "Lines":
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def begin(self, step: int) -> None:
        """Count from here: so many steps were taken before this run."""
        self.done = step

    def advance(self) -> None:
        """Count a step."""
        self.done += 1
        if time.monotonic() - self.shown > 0.1:
            self.bar.update(self.task, completed=self.done)
            self.shown = time.monotonic()

    def report(self, report: Report) -> None:
        """Tell a report, if it is one of those that are told."""
        self.bar.update(self.task, completed=report.step, cost=f"{report.cost:.6f}")
        number, rest = divmod(report.step, self.config.report_every)
        if number % self.sparse and not rest and report.step < self.config.steps:
            return
        when = "before" if self.config.batch is None else "up to"
        watched = "" if report.validation is None else f", validation {report.validation:.6f}"
        out.print(f"  cost {when} step {report.step:>6}: {report.cost:.6f}{watched}")

    def fault(self, error: OSError) -> None:
        """Tell of a fault that does not end the run."""
        complain(error)


class Drawing:
    """The cost as a curve over the steps, with the numbers of the last report; the last frame stays.

    A thread of rich's draws it, so that a step costs no more than counting it.
    """

    def __init__(self, config: Config) -> None:
        self.steps = config.steps
        self.first = self.done = 0
        self.begun = time.monotonic()
        self.running = True
        self.last: Report | None = None
        self.lowest: Report | None = None
        self.costs, self.validations = _Thinned(), _Thinned()
        self.live = Live(self, console=out, refresh_per_second=_FRAMES_A_SECOND)

    def __enter__(self) -> "Drawing":
        self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.running = False
        self.live.stop()

    def begin(self, step: int) -> None:
        """Count from here: so many steps were taken before this run."""
        self.first = self.done = step
        self.begun = time.monotonic()

    def advance(self) -> None:
        """Count a step."""
        self.done += 1

    def report(self, report: Report) -> None:
        """Take a report into the drawing."""
        self.last = report
        self.costs.add(report.step, report.cost)
        if report.validation is not None:
            self.validations.add(report.step, report.validation)
            if self.lowest is None or report.validation < (self.lowest.validation or 0.0):
                self.lowest = report

    def fault(self, error: OSError) -> None:
        """Tell of a fault that does not end the run, above the drawing where both are on one terminal."""
        complain(error, out if on_terminal(err) else err)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, min(8, console.height - 7)
        if width >= 40 and height >= 3 and len(self.costs.points) > 1:
            yield from chart(self.costs.points, self.validations.points, width, height)
        if self.running:
            yield ProgressBar(self.steps, self.done, width=min(width, 60))
        line = ""
        for part in self._facts():
            if line and len(line) + 2 + len(part) > width:
                yield Text(line)
                line = ""
            line += ("  " if line else "") + part
        yield Text(line)

    def _facts(self) -> list[str]:
        facts = [f"step {self.done} of {self.steps}"]
        if self.running and self.done > self.first:
            each = (time.monotonic() - self.begun) / (self.done - self.first)
            facts.append(f"{timedelta(seconds=round(each * (self.steps - self.done)))} left at most")
        if self.last is not None:
            facts.append(f"cost {self.last.cost:.6f}")
            if self.last.validation is not None and self.lowest is not None:
                facts.append(f"validation {self.last.validation:.6f}")
                facts.append(f"lowest {self.lowest.validation:.6f} at step {self.lowest.step}")
            facts.append(f"largest |gradient| {self.last.largest_gradient:.2e}")
        return facts


class _Thinned:
    """Points of a curve, at most _POINTS and the last: where there would be more, every second one goes."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, float]] = []
        self._last: list[tuple[float, float]] = []
        self._stride, self._seen = 1, 0

    def add(self, x: float, y: float) -> None:
        if self._seen % self._stride == 0:
            self._kept.append((x, y))
            self._last = []
        else:
            self._last = [(x, y)]
        if len(self._kept) > _POINTS:
            self._kept = self._kept[::2]
            self._stride *= 2
        self._seen += 1

    @property
    def points(self) -> list[tuple[float, float]]:
        return [*self._kept, *self._last]


def chart(costs: Points, validations: Points, width: int, height: int) -> list[Text]:
    """Draw the cost as a line and the validation as dots over the steps, with both axes, in `height` + 1 lines.

    A validation that is not finite is left out. Where the numbers are all positive and far apart the scale is
    logarithmic, which its label says.
    """
    validations = [point for point in validations if math.isfinite(point[1])]
    numbers = [y for _, y in (*costs, *validations)]
    low, high = min(numbers), max(numbers)
    log = low > 0 and high > 20 * low
    inner = width - 12
    cost = curve(costs, inner, height, low, high, log=log)
    validation = np.zeros_like(cost)
    if validations:
        validation = curve(validations, inner, height, low, high, log=log, every=3)
    text = []
    for row in range(height):
        label = f"{high:.4g}" if row == 0 else f"{low:.4g}" if row == height - 1 else ""
        drawn = Text(f"{label:>10} {'┤' if label else '│'}")
        styles = np.where(cost[row] > 0, "cyan", np.where(validation[row] > 0, "yellow", ""))
        cells = zip(styles, (cost | validation)[row], strict=True)
        for style, run in groupby(cells, key=lambda cell: str(cell[0])):
            drawn.append("".join(chr(0x2800 + bits) if bits else " " for _, bits in run), style)
        drawn.rstrip()
        text.append(drawn)
    first, last = f"step {costs[0][0]}", f"{costs[-1][0]}"
    what = "cost" + (", dotted: validation" if validations else "") + (", log scale" if log else "")
    room = inner - 1 - len(first) - len(last)
    text.append(Text(f"{'':11}└ {first}{what if len(what) + 2 <= room else '':^{max(0, room)}}{last}"))
    return text


def curve(
    points: Points, width: int, height: int, low: float, high: float, *, log: bool = False, every: int = 1
) -> np.ndarray:
    """Return the bits of braille characters (height, width) that draw a line through points of rising x.

    `low` and `high` are the values at the lower and upper edge; of the columns of dots every `every`-th is drawn.
    """
    x, y = np.asarray(points, dtype=np.float64).T
    if log:
        y, low, high = np.log(y), np.log(low), np.log(high)
    columns = np.arange(2 * width)
    span = (x[-1] - x[0]) or 1.0
    values = np.interp(columns, (x - x[0]) / span * (2 * width - 1), y)
    rows = np.rint((high - values) / ((high - low) or 1.0) * (4 * height - 1)).astype(int)
    before = np.concatenate([rows[:1], rows[:-1]])
    # A steep fall is drawn as a whole: each column reaches from the dot beside its neighbour's to its own.
    top, bottom = np.minimum(rows, before + 1), np.maximum(rows, before - 1)
    at = np.arange(4 * height)[:, np.newaxis]
    dots = (top <= at) & (at <= bottom) & (columns % every == 0)
    return np.asarray(np.einsum("ricj,ij->rc", dots.reshape(height, 4, width, 2), _DOTS))
