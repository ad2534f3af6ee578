"""The monitor of a descent: it looks at costs and gradients, reports them, and says when the run should end."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, NoReturn

import numpy as np

from chainrule import pytree
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.types import Array
from chainrule.optim.optimizers import Params, State
from chainrule.validation import check_scalar_cost

# A run diverges where its cost rises at so many looks in a row, to ten times what it was at first.
_RISES = 10


class Report(NamedTuple):
    """One look at a run, before step number `step`, from 0.

    cost                the cost of the parameters; with mini-batches the mean cost of the rows since the last look
    largest_gradient    the largest |gradient|; with mini-batches that of the last batch
    validation          what `validate` returned for the parameters, or None without it
    largest_by_array    the largest |gradient| of each array of the parameters, in their order; () where not taken
    """

    step: int
    cost: float
    largest_gradient: float
    validation: float | None = None
    largest_by_array: tuple[float, ...] = ()

    @property
    def watched(self) -> float:
        """The number that patience and the best report go by: the validation, or the cost without one."""
        return self.cost if self.validation is None else self.validation


@dataclass(frozen=True)
class Snapshot:
    """All that a run needs to go on from a look as if it had not been interrupted.

    step                          the number of steps taken
    params, best_params, state    arrays, or nestings of them; the state also holds whole numbers
    best, since                   the best report by its watched number, and how many reports came after it
    rises, start, previous        how often in a row the cost has risen, from which cost, to which
    history                       all reports so far
    pending, rows                 the k costs since the last look (k,), None where k is 0, and the rows of each
    """

    step: int
    params: Params
    state: State
    best_params: Params
    best: Report | None = None
    since: int = 0
    rises: int = 0
    start: float = math.inf
    previous: float = math.inf
    history: tuple[Report, ...] = field(default=(), repr=False)
    pending: Array | None = field(default=None, repr=False)
    rows: tuple[int, ...] = field(default=(), repr=False)


class DivergenceError(ArithmeticError):
    """The cost became NaN or infinite, or grows without end; the message names the step and a rate to try.

    `params` are the first ones after the last look at which all was well.
    """

    def __init__(self, message: str, params: Params) -> None:
        super().__init__(message)
        self.params = params


@dataclass
class Monitor:
    """The costs since the last look, still on the device, and in `run` what the looks so far have shown.

    `sampled` says that costs are of mini-batches; `learning_rate` is the optimiser's, for messages. The other settings
    are those of `descend`.
    """

    run: Snapshot
    learning_rate: float | None
    sampled: bool
    tol: float | None
    validate: Callable[[Params], Array | float] | None
    patience: int | None
    min_improvement: float
    on_report: Callable[[Report], None] | None
    on_snapshot: Callable[[Snapshot], None] | None
    safe: Params = ()
    # Not in `run`, whose tuples would be copied at every step.
    history: list[Report] = field(init=False)
    pending: list[Array] = field(init=False)
    rows: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.history, self.rows = list(self.run.history), list(self.run.rows)
        self.pending = [] if self.run.pending is None else list(self.run.pending)
        self.safe = self.run.params

    def add(self, cost: Array, params: Params, rows: int = 1) -> None:
        """Keep a cost (), the mean of so many rows, and the parameters that it is of, until the next look."""
        check_scalar_cost("descend", cost)
        if not self.pending:
            self.safe = params
        self.pending.append(cost)
        self.rows.append(rows)

    def look(self, step: int, params: Params, state: State, gradients: Params, *, due: bool) -> str:
        """Report the costs since the last look, and return why the run should end now, or "".

        A look that is `due` gives a Snapshot too. Raises DivergenceError for the first bad number.
        """
        report = self._report(step, params, gradients)
        self._keep(report, params)
        if self.on_report:
            self.on_report(report)
        if due:
            self.snapshot(step, params, state)
        return self.verdict()

    def snapshot(self, step: int, params: Params, state: State) -> None:
        """Give a Snapshot of the run before step `step`, where one is taken."""
        if self.on_snapshot:
            xp = namespace(*pytree.flat(params))
            run = replace(self.run, step=step, params=params, state=state, history=tuple(self.history))
            pending = xp.stack([xp.asarray(cost) for cost in self.pending]) if self.pending else None
            self.on_snapshot(replace(run, pending=pending, rows=tuple(self.rows)))

    def verdict(self) -> str:
        """Return why the run should end after its last report, or ""; "" too where there is none."""
        if not self.history:
            return ""
        if self.tol is not None and self.history[-1].largest_gradient < self.tol:
            return "tol"
        return "patience" if self.patience is not None and self.run.since >= self.patience else ""

    def _report(self, step: int, params: Params, gradients: Params) -> Report:
        """Return the report before step `step`, or raise for the first bad number since the last one."""
        costs, by_array, score = self._copied(params, gradients)
        largest_gradient = float(np.max(by_array))  # NaN where one is; Python's max may pass it over
        first = step + (0 if self.sampled else 1) - len(costs)
        for number, cost in enumerate(costs, start=first):
            if not math.isfinite(cost):
                self._give_up(f"the cost before step {number} is {cost}", number)
        if self.sampled:
            # Batches differ in cost; only their mean tells whether the run gets better.
            costs = [math.fsum(c * k for c, k in zip(costs, self.rows, strict=True)) / sum(self.rows)]
        for number, cost in enumerate(costs, start=step + 1 - len(costs)):
            self._count_rises(number, cost)
        if not math.isfinite(largest_gradient):
            self._give_up(f"the largest |gradient| before step {step} is {largest_gradient}", step)
        if score is not None and math.isnan(score):
            self._give_up(f"the validation before step {step} is {score}", step)
        self.pending, self.rows = [], []
        return Report(step, costs[-1], largest_gradient, score, tuple(by_array))

    def _copied(self, params: Params, gradients: Params) -> tuple[list[float], list[float], float | None]:
        """Return the pending costs, the largest |gradient| of each array and the validation, by one copy."""
        leaves = pytree.flat(gradients)
        xp = namespace(*leaves)
        # asarray, because operations on NumPy's arrays of no dimension give scalars.
        largest = xp.stack([xp.asarray(xp.max(xp.abs(gradient))) for gradient in leaves])
        score = None if self.validate is None else self.validate(params)
        # A score on the host needs no copy.
        if isinstance(score, int | float | np.generic | np.ndarray):
            score = float(score)
        known = score is None or isinstance(score, float)
        on_device = [*self.pending, *([] if known else [score])]
        others = xp.stack([xp.astype(xp.asarray(x), largest.dtype) for x in on_device])
        numbers = to_numpy(xp.concat([largest, others])).tolist()
        by_array, numbers = numbers[: len(leaves)], numbers[len(leaves) :]
        if not known:
            score = numbers.pop()
        return numbers, by_array, score

    def _keep(self, report: Report, params: Params) -> None:
        """Add a report to the history, and keep the best one with its parameters."""
        best, kept, since = self.run.best, self.run.best_params, self.run.since + 1
        if best is None or report.watched < best.watched - self.min_improvement:
            since = 0
        if best is None or report.watched < best.watched:
            best, kept = report, params
        self.history.append(report)
        self.run = replace(self.run, best=best, best_params=kept, since=since)

    def _count_rises(self, number: int, cost: float) -> None:
        """Count how often in a row the cost has risen, or raise where it has risen too far."""
        run = self.run
        rises = run.rises + 1 if cost > run.previous else 0
        start = run.start if rises else cost
        # Deep networks and momentum climb for a while on their way down; a run that diverges goes on climbing.
        first = self.history[0].cost if self.history else start
        if rises >= _RISES and cost > 2 * start and cost - first > 9 * abs(first):
            self._give_up(
                f"the cost has grown at each of {rises} {'reports' if self.sampled else 'steps'}, from {start:.6g} "
                f"to {cost:.6g} before step {number}",
                number,
            )
        self.run = replace(run, rises=rises, start=start, previous=cost)

    def _give_up(self, what: str, step: int) -> NoReturn:
        rate = self.learning_rate
        remedy = f"try learning_rate={rate / 10:g} (a tenth of {rate:g})" if rate else "try shorter ones"
        remedy = f"the steps are too long for this cost: {remedy}, and see that the data hold no NaN"
        if step == 0:
            remedy = "no step was taken yet: see that the data hold no NaN and that they and params are not too large"
        raise DivergenceError(f"descend: {what}; {remedy}", self.safe)
