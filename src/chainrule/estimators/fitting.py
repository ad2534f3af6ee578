"""How the estimators learn: with all rows at each step, or by epochs of mini-batches, by a row of OPTIMIZERS."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from chainrule.gates.types import Array
from chainrule.models.types import Params
from chainrule.optim import (
    OPTIMIZERS,
    CostAndGradients,
    Descent,
    DivergenceError,
    Optimizer,
    Report,
    Sampler,
    Schedule,
    Snapshot,
    descend,
    lbfgs,
)
from chainrule.training.rows import Rows

LBFGS = "lbfgs"
# "sgd" is the name that scikit-learn has for gradient descent with or without a momentum.
SOLVERS = (*OPTIMIZERS, "sgd", LBFGS)
# Those whose steps are proportional to the gradient, so that a safe rate follows from the data.
SOLVERS_OF_SAFE_RATE = (LBFGS, *(name for name, method in OPTIMIZERS.items() if not method.adaptive))


def method_of(solver: str, momentum: float, nesterov: bool) -> str:
    """Return the row of OPTIMIZERS for a solver that takes single steps."""
    if solver != "sgd":
        return solver
    return "gradient-descent" if not momentum else "nesterov" if nesterov else "momentum"


# How "learning_rate" may change from epoch to epoch, by scikit-learn's names.
RATES = ("constant", "invscaling", "adaptive")
# The rate at which "adaptive" ends, and what it divides the rate by.
_LEAST_RATE, _DIVISOR = 1e-6, 5.0


def rates(
    how: Any, first: float, method: str, power: float, rows: Rows, size: int
) -> Callable[[float], float | Schedule]:
    """Return the function from a share to the learning rate, or schedule, that is this share of the usual one.

    `how` is a row of RATES or a schedule, `first` the rate of the first epoch. Methods that scale their steps
    themselves have a constant rate, as scikit-learn's adam has.
    """
    if callable(how):
        return lambda share: how
    if how == "invscaling" and not OPTIMIZERS[method].adaptive:
        steps = len(rows.batches(size))
        return lambda share: partial(_inverse_scaling, first, power, len(rows), steps)
    return lambda share: first * share


def _inverse_scaling(rate: float, power: float, rows: int, steps: int, step: int) -> float:
    """Return rate / (rows seen before the epoch of a step + 1)^power."""
    return float(rate / (rows * (step // steps) + 1) ** power)


def takes(method: str, setting: str) -> bool:
    """Return whether a row of OPTIMIZERS has this name and takes this setting."""
    return method in OPTIMIZERS and setting in OPTIMIZERS[method].settings


def optimizer_of(method: str, rate: float | Schedule, **settings: float) -> Optimizer:
    """Return the optimiser of a row of OPTIMIZERS, with those of the settings that it takes."""
    own = {name: float(value) for name, value in settings.items() if takes(method, name)}
    return OPTIMIZERS[method].make(rate, **own)


def by_all_rows(
    cost: CostAndGradients,
    params: Any,
    optimizer: Optimizer | None,
    *,
    steps: int,
    tol: float,
    on_report: Callable[[Report], None] | None = None,
    **settings: Any,
) -> Descent:
    """Minimise a cost with all rows at each step, by an optimiser or, for None, by L-BFGS with its own settings.

    The run is done when the largest |gradient| is under `tol`.
    """
    if optimizer is None:
        return lbfgs(cost, params, steps=steps, tol=tol, on_report=on_report, **settings)
    return descend(
        cost, params, steps=steps, optimizer=optimizer, tol=tol, report_every=1, on_report=on_report
    )


def shortfall(run: Descent, steps: int, tol: float) -> str:
    """Return how a run with all rows ended before its gradient was small enough, and what to do."""
    last = run.history[-1].largest_gradient
    took, cure = {
        "steps": (f"took max_iter={steps} steps", "scale X or raise max_iter"),
        "evaluations": ("evaluated max_fun costs", "scale X or raise max_fun"),
        "stuck": (f"found no lower cost by line search after {run.steps} steps", "scale X"),
        "converged": (
            f"found no lower cost after {run.steps} steps, to the last digits of its dtype,",
            "scale X, as by StandardScaler, give it in float64, or raise tol",
        ),
    }[run.stopped]
    return f"failed to converge: it {took} and the largest |gradient| is {last:.2g}, not under tol={tol:g}; {cure}"


def by_epochs(
    rows: Rows,
    cost: CostAndGradients,
    params: Params,
    optimizer: Callable[[float], Optimizer],
    *,
    adaptive: bool,
    size: int,
    shuffle: bool,
    seed: int,
    first: int,
    epochs: int,
    on_report: Callable[[Report, int], None] | None = None,
    **settings: Any,
) -> tuple[Descent, Optimizer]:
    """Learn for so many epochs of mini-batches of `size` rows, with a report after each; return the last optimiser too.

    `cost` is `rows.cost_and_gradients` of a network.
    `optimizer` makes the optimiser of a share of the learning rate: 1 and, where it is `adaptive`, a fifth of the last
    one each time that patience ends, until the rate is 1e-6 or less. `first` is the number of the first epoch.
    `on_report` is called with each report and the number of its epoch, from 1. `settings` are those of `descend`.

    A run with `validate` that diverges after its first epoch ends as "diverged", with a last report of NaN.
    """
    whole = size == len(rows)
    batches = rows.batches(size, seed=seed, shuffle=shuffle and not whole)
    steps = len(batches)

    def told(report: Report) -> None:
        assert on_report is not None
        on_report(report, first + report.step // steps)

    share, made, resume = 1.0, optimizer(1.0), None
    last: deque[Snapshot] = deque(maxlen=1)
    while True:
        try:
            run = descend(
                # A batch of all rows takes them where they lie.
                (lambda params, batch: cost(params)) if whole else cost,
                params,
                steps=epochs * steps,
                optimizer=made,
                batches=_From(batches, first * steps),
                report_every=steps,
                on_report=told if on_report else None,
                on_snapshot=last.append,
                resume=resume,
                **settings,
            )
        except DivergenceError:
            if settings.get("validate") is None or not last:
                raise
            [end] = last
            history = [*end.history, Report(end.step + steps, math.nan, math.nan, math.nan)]
            return Descent(end.best_params, end.step, "diverged", history, end.best, end.state), made
        if not adaptive or run.stopped != "patience" or (made.learning_rate or 0.0) <= _LEAST_RATE:
            return run, made
        share /= _DIVISOR
        made, resume = optimizer(share), replace(last[0], since=0)


class _From:
    """The batches of a run that began `first` steps ago."""

    def __init__(self, batches: Sampler, first: int) -> None:
        self.batches, self.first = batches, first

    def __call__(self, step: int, /) -> Array:
        return self.batches(step + self.first)

    def rows(self, step: int, /) -> int:
        return self.batches.rows(step + self.first)
