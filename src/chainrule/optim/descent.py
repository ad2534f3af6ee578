"""Descent: the loop that takes the steps, its stopping rules, and what it keeps to be taken up again."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from chainrule import pytree
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.types import Array
from chainrule.optim.optimizers import Optimizer, Params, State, gradient_descent
from chainrule.validation import check_cost

CostAndGradients = Callable[..., tuple[Array, Params]]

# A cost that rises at every one of so many looks at it, to ten times what it was at first, will not come back.
_RISES = 10


class Sampler(Protocol):
    """What mini-batches are drawn by: `batches.Batches`, or anything that answers for a step alone."""

    def __call__(self, step: int, /) -> Any:
        """Return what `cost_and_gradients` is handed beside the parameters at this step."""

    def rows(self, step: int, /) -> int:
        """Return how many rows that is."""


class Report(NamedTuple):
    """What one look at the run saw, before step number `step`, from 0.

    The cost and the largest |gradient| of the parameters at hand; with mini-batches the mean cost of the rows seen
    since the last look, and the largest |gradient| of the last batch. `validation` is what `validate` gave, and
    `largest_by_array` the largest |gradient| of each array of the parameters, in their order, where it was taken.
    """

    step: int
    cost: float
    largest_gradient: float
    validation: float | None = None
    largest_by_array: tuple[float, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """All that a run needs to go on from a look as if it had not been interrupted.

    params, best_params, state    arrays, or nestings of them; the state also holds whole numbers
    best, since                   the best report by the watched number, and how many reports came after it
    rises, start, previous        how often in a row the cost has risen, from which cost, to which
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


@dataclass(frozen=True)
class Descent:
    """The end of a run: its parameters, how many steps were taken, what was reported, and why it stopped.

    `stopped` is "steps" (all were taken), "tol" (the gradient was small enough), "patience" (no report was better for
    so long) or "asked" (by `stop`). With `validate`, `params` are those of the report `best`; else they are the
    last, and on full batches the last report is of these very parameters. `state` is the optimiser's after all steps.
    """

    params: Params
    steps: int
    stopped: str
    history: list[Report] = field(repr=False)
    best: Report | None = field(default=None, repr=False)
    state: State = field(default_factory=dict, repr=False)


class DivergenceError(ArithmeticError):
    """The cost became NaN or infinite, or grows without end; the message names the step and a rate to try.

    `params` are those before the step at which it began to show.
    """

    def __init__(self, message: str, params: Params) -> None:
        super().__init__(message)
        self.params = params


# A run that overflows ends in an error that names the step; NumPy's warnings on the way there name none.
@np.errstate(over="ignore", invalid="ignore")
def descend(
    cost_and_gradients: CostAndGradients,
    params: Params,
    *,
    steps: int,
    learning_rate: float | None = None,
    optimizer: Optimizer | None = None,
    batches: Sampler | None = None,
    report_every: int = 100,
    tol: float | None = None,
    validate: Callable[[Params], Array | float] | None = None,
    patience: int | None = None,
    min_improvement: float = 0.0,
    on_report: Callable[[Report], None] | None = None,
    on_snapshot: Callable[[Snapshot], None] | None = None,
    stop: Callable[[], bool] | None = None,
    state: State | None = None,
    resume: Snapshot | None = None,
) -> Descent:
    """Go down the gradient of a cost until a stopping rule holds, or `steps` steps are taken.

    `cost_and_gradients(params)` returns the cost and gradients built like the parameters: an array, or lists, tuples
    and dicts of them. With `batches` it is handed `batches(step)` too. The steps are those of `optimizer`, or of
    gradient descent with `learning_rate`.

    Costs and gradients stay on the device: one copy to the host serves `report_every` steps, and the look at them is
    then. At a look the run is given up if a cost since the last look, or the gradient at it, was not finite, if the
    validation is NaN, or if costs kept growing (DivergenceError). It is done if the largest |gradient| is under `tol`
    (on full batches), or if for `patience` looks in a row the watched number, that of `validate(params)` and else the
    cost, was not lower than the best by more than `min_improvement`. The parameters with the lowest validation are
    kept and returned.

    `on_report` gets each Report. `stop` is asked after every step; if it says yes the run ends there with what was
    learnt. `on_snapshot` gets a Snapshot at each look that `report_every` brings; a later call with all else equal,
    or with more steps, and `resume` set to it goes on from there, bit for bit. `state` is an optimiser's state to
    begin with.
    """
    _check(steps, report_every, tol, patience, min_improvement)
    if (optimizer is None) == (learning_rate is None):
        raise ValueError("descend: expected either learning_rate or optimizer, got both or neither; give one")
    if tol is not None and batches is not None:
        raise ValueError(
            "descend: tol judges the gradient of the full batch, got batches too; give patience and min_improvement"
        )
    optimizer = optimizer or gradient_descent(learning_rate or 0.0)
    run = resume or Snapshot(0, params, optimizer.init(params) if state is None else state, params)
    watch = _Watch(
        run, optimizer.learning_rate, batches is not None, tol, validate, patience, min_improvement
    )
    step, params, state = run.step, run.params, run.state
    stopped = watch.verdict(run.history[-1]) if run.history and step < steps else ""
    looked, gradients = resume is not None, None
    while True:
        if not stopped and step >= steps:
            stopped = "steps"
        if batches is None and not (stopped and looked):
            cost, gradients = cost_and_gradients(params)
            if not looked:
                watch.keep(cost, params, 1)
        due = step % report_every == 0
        if (due or stopped) and watch.pending:
            report = watch.look(step, params, gradients)
            stopped = stopped or watch.verdict(report)
            if on_report:
                on_report(report)
            if due and on_snapshot:
                history = tuple(watch.history)
                on_snapshot(replace(watch.run, step=step, params=params, state=state, history=history))
        if stopped:
            chosen = params if validate is None else watch.run.best_params
            return Descent(chosen, step, stopped, watch.history, watch.run.best, state)
        looked = False
        if batches is not None:
            cost, gradients = cost_and_gradients(params, batches(step))
            watch.keep(cost, params, batches.rows(step))
        params, state = optimizer.update(gradients, state, params)
        step += 1
        if stop and stop():
            stopped = "asked"


@dataclass
class _Watch:
    """The costs since the last look, still on the device, and in `run` what the looks so far have shown."""

    run: Snapshot
    learning_rate: float | None
    sampled: bool
    tol: float | None
    validate: Callable[[Params], Array | float] | None
    patience: int | None
    min_improvement: float
    pending: list[Array] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    safe: Params = ()
    # Apart from `run`, whose tuple would be copied at every look.
    history: list[Report] = field(init=False)

    def __post_init__(self) -> None:
        self.history = list(self.run.history)

    def keep(self, cost: Array, params: Params, rows: int) -> None:
        check_cost("descend", cost)
        if not self.pending:
            self.safe = params
        self.pending.append(cost)
        self.rows.append(rows)

    def look(self, step: int, params: Params, gradients: Params) -> Report:
        """Copy the costs up to that before step `step` and report it, or raise for the first bad one."""
        costs, by_array, score = self._copied(params, gradients)
        largest_gradient = float(np.max(by_array))  # NaN where one is; Python's max may pass it over
        first = step + (0 if self.sampled else 1) - len(costs)
        for number, cost in enumerate(costs, start=first):
            if not math.isfinite(cost):
                self._give_up(f"the cost before step {number} is {cost}", number)
        if self.sampled:
            # Batches differ in cost; only their mean may rise or fall.
            costs = [math.fsum(c * k for c, k in zip(costs, self.rows, strict=True)) / sum(self.rows)]
        for number, cost in enumerate(costs, start=step + 1 - len(costs)):
            self._follow(number, cost)
        if not math.isfinite(largest_gradient):
            self._give_up(f"the largest |gradient| before step {step} is {largest_gradient}", step)
        if score is not None and math.isnan(score):
            self._give_up(f"the validation before step {step} is {score}", step)
        self.pending, self.rows = [], []
        report = Report(step, costs[-1], largest_gradient, score, tuple(by_array))
        best, since = self.run.best, self.run.since + 1
        if best is None or _watched(report) < _watched(best) - self.min_improvement:
            since = 0
        if best is None or _watched(report) < _watched(best):
            best, kept = report, params
        else:
            kept = self.run.best_params
        self.history.append(report)
        self.run = replace(self.run, best=best, best_params=kept, since=since)
        return report

    def verdict(self, report: Report) -> str:
        """Return why the run should end now, or nothing."""
        if self.tol is not None and report.largest_gradient < self.tol:
            return "tol"
        return "patience" if self.patience is not None and self.run.since >= self.patience else ""

    def _copied(self, params: Params, gradients: Params) -> tuple[list[float], list[float], float | None]:
        """Return the pending costs, the largest |gradient| of each array and the validation, by one copy."""
        leaves = pytree.flat(gradients)
        xp = namespace(*leaves)
        # asarray, because operations on NumPy's arrays of no dimension give scalars.
        largest = xp.stack([xp.asarray(xp.max(xp.abs(gradient))) for gradient in leaves])
        score = None if self.validate is None else self.validate(params)
        # What is on the host already needs no copy.
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

    def _follow(self, number: int, cost: float) -> None:
        """Count rises in a row, or raise where they have gone too far."""
        run = self.run
        rises = run.rises + 1 if cost > run.previous else 0
        start = run.start if rises else cost
        # Deep networks and momentum climb for a while on their way down; a run that is lost climbs on.
        first = self.history[0].cost if self.history else start
        if rises >= _RISES and cost > 2 * start and cost - first > 9 * abs(first):
            self._give_up(
                f"the cost has grown at each of {rises} {'reports' if self.sampled else 'steps'}, from {start:.6g} "
                f"to {cost:.6g} before step {number}",
                number,
            )
        self.run = replace(run, rises=rises, start=start, previous=cost)

    def _give_up(self, what: str, step: int) -> None:
        rate = self.learning_rate
        remedy = f"try learning_rate={rate / 10:g} (a tenth of {rate:g})" if rate else "try shorter ones"
        remedy = f"the steps are too long for this cost: {remedy}, and see that the data hold no NaN"
        if step == 0:
            remedy = "no step was taken yet: see that the data hold no NaN and that they and params are not too large"
        raise DivergenceError(f"descend: {what}; {remedy}", self.safe)


def _watched(report: Report) -> float:
    return report.cost if report.validation is None else report.validation


def _check(
    steps: int, report_every: int, tol: float | None, patience: int | None, min_improvement: float
) -> None:
    if steps < 0 or report_every < 1:
        raise ValueError(
            f"descend: expected steps >= 0 and report_every >= 1, got steps={steps}, report_every={report_every}"
        )
    if tol is not None and not tol >= 0:
        raise ValueError(f"descend: tol must be 0 or more, or None for no such stop, got {tol}")
    if patience is not None and patience < 1:
        raise ValueError(f"descend: patience must be 1 or more, or None for no such stop, got {patience}")
    if not min_improvement >= 0:
        raise ValueError(f"descend: min_improvement must be 0 or more, got {min_improvement}")
