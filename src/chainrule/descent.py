"""Descent: optimisers as (init, update) pairs of pure functions, and the loop that takes the steps.

Parameters and gradients are sequences of arrays of equal shapes, whatever they mean.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from chainrule.device import namespace, to_numpy

Array = Any
Params = tuple[Array, ...]
State = Any
CostAndGradients = Callable[[Params], tuple[Array, Sequence[Array]]]

# A cost that rises at every one of so many steps, and doubles meanwhile, will not come back.
_RISES = 10


class Optimizer(NamedTuple):
    """`init(params) -> state` and `update(gradients, state, params) -> (params, state)`, pure functions both."""

    init: Callable[[Params], State]
    update: Callable[[Sequence[Array], State, Params], tuple[Params, State]]


def gradient_descent(learning_rate: float) -> Optimizer:
    """Return the optimiser that takes learning_rate times the gradient from all parameters at once.

    Source: Cauchy, Methode generale pour la resolution des systemes d'equations simultanees (1847).
    """
    if not (learning_rate > 0 and math.isfinite(learning_rate)):
        raise ValueError(
            f"gradient_descent: learning_rate must be a positive, finite number, got {learning_rate}"
        )

    def init(params: Params) -> State:
        return ()

    def update(gradients: Sequence[Array], state: State, params: Params) -> tuple[Params, State]:
        pairs = zip(params, gradients, strict=True)
        return tuple(value - gradient * learning_rate for value, gradient in pairs), state

    return Optimizer(init, update)


class Report(NamedTuple):
    """What one look at the run saw: the cost and the largest |gradient| BEFORE step number `step`, from 0."""

    step: int
    cost: float
    largest_gradient: float


@dataclass(frozen=True)
class Descent:
    """The end of a run: parameters after `steps` steps, what was reported, and why it stopped.

    `stopped` is "steps" (all were taken), "tol" (the gradient was small enough) or "asked" (by `stop`). The last
    report is of these very parameters.
    """

    params: Params
    steps: int
    stopped: str
    history: list[Report] = field(repr=False)


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
    learning_rate: float,
    steps: int,
    tol: float | None = None,
    report_every: int = 100,
    on_report: Callable[[Report], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Descent:
    """Go down the gradient of a cost by full-batch steps of a fixed length.

    `cost_and_gradients(params)` returns the cost and one gradient per parameter. Costs and gradients stay on the
    device: one copy to the host serves `report_every` steps, and the look at them is then. At a look the run is
    given up if a cost since the last look, or the gradient at it, was not finite, or if costs kept growing
    (DivergenceError), and is done if the
    largest |gradient| is under `tol`. `on_report` gets each Report; `stop` is asked after every step, and if it
    says yes the run ends there with what was learnt.
    """
    if steps < 0 or report_every < 1:
        raise ValueError(
            f"descend: expected steps >= 0 and report_every >= 1, got steps={steps}, report_every={report_every}"
        )
    if tol is not None and not tol >= 0:
        raise ValueError(f"descend: tol must be 0 or more, or None for no such stop, got {tol}")
    optimizer, watch = gradient_descent(learning_rate), _Watch(learning_rate)
    state = optimizer.init(params)
    history: list[Report] = []
    step, stopped = 0, ""
    while True:
        cost, gradients = cost_and_gradients(params)
        watch.keep(cost, params)
        if not stopped and step == steps:
            stopped = "steps"
        if stopped or step % report_every == 0:
            report = watch.look(step, gradients)
            history.append(report)
            if on_report:
                on_report(report)
            if not stopped and tol is not None and report.largest_gradient < tol:
                stopped = "tol"
        if stopped:
            return Descent(params, step, stopped, history)
        params, state = optimizer.update(gradients, state, params)
        step += 1
        if stop and stop():
            stopped = "asked"


class _Watch:
    """The costs since the last look, still on the device, and the run of rises that they end."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.pending: list[Array] = []
        self.safe: Params = ()
        self.start = self.previous = math.inf
        self.rises = 0

    def keep(self, cost: Array, params: Params) -> None:
        if not self.pending:
            self.safe = params
        self.pending.append(cost)

    def look(self, step: int, gradients: Sequence[Array]) -> Report:
        """Copy the costs up to that before step `step` and report it, or raise for the first bad one."""
        xp = namespace(*self.pending, *gradients)
        largest = xp.max(xp.stack([xp.max(xp.abs(xp.asarray(gradient))) for gradient in gradients]))
        # asarray, because operations on NumPy's arrays of no dimension give scalars.
        numbers = to_numpy(xp.stack([xp.asarray(number) for number in (*self.pending, largest)]))
        *costs, largest_gradient = (float(number) for number in numbers)
        self.pending = []
        for number, cost in enumerate(costs, start=step + 1 - len(costs)):
            if not math.isfinite(cost):
                self._give_up(f"the cost before step {number} is {cost}")
            self.rises = self.rises + 1 if cost > self.previous else 0
            if self.rises == 0:
                self.start = cost
            elif self.rises >= _RISES and cost > 2 * self.start:
                self._give_up(
                    f"the cost has grown at each of {self.rises} steps, from {self.start:.6g} "
                    f"to {cost:.6g} before step {number}"
                )
            self.previous = cost
        if not math.isfinite(largest_gradient):
            self._give_up(f"the largest |gradient| before step {step} is {largest_gradient}")
        return Report(step, costs[-1], largest_gradient)

    def _give_up(self, what: str) -> None:
        raise DivergenceError(
            f"descend: {what}; the steps are too long for this cost: try learning_rate={self.learning_rate / 10:g} "
            f"(a tenth of {self.learning_rate:g}), and see that the data hold no NaN",
            self.safe,
        )
