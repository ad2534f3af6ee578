"""How the estimators learn: with all rows at each step, or by epochs of mini-batches, by a row of OPTIMIZERS."""

from collections.abc import Callable
from typing import Any

from chainrule.gates.types import Array
from chainrule.models.mlp import MLP
from chainrule.models.types import Params
from chainrule.optim import (
    OPTIMIZERS,
    CostAndGradients,
    Descent,
    Optimizer,
    Report,
    Sampler,
    Schedule,
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
    return f"{took} and the largest |gradient| is {last:.2g}, not under tol={tol:g}; {cure}"


def by_epochs(
    rows: Rows,
    net: MLP,
    params: Params,
    optimizer: Optimizer,
    *,
    size: int,
    shuffle: bool,
    seed: int,
    first: int,
    epochs: int,
    on_report: Callable[[Report, int], None] | None = None,
    **settings: Any,
) -> Descent:
    """Learn for so many epochs of mini-batches of `size` rows, with a report after each.

    `first` is the number of the first epoch. `on_report` is called with each report and the number of its epoch, from
    1. `settings` are those of `descend`.
    """
    whole = size == len(rows)
    batches = rows.batches(size, seed=seed, shuffle=shuffle and not whole)
    steps = len(batches)
    cost = rows.cost_and_gradients(net)

    def told(report: Report) -> None:
        assert on_report is not None
        on_report(report, first + report.step // steps)

    return descend(
        # A batch of all rows takes them where they lie.
        (lambda params, batch: cost(params)) if whole else cost,
        params,
        steps=epochs * steps,
        optimizer=optimizer,
        batches=_From(batches, first * steps),
        report_every=steps,
        on_report=told if on_report else None,
        **settings,
    )


class _From:
    """The batches of a run that began `first` steps ago."""

    def __init__(self, batches: Sampler, first: int) -> None:
        self.batches, self.first = batches, first

    def __call__(self, step: int, /) -> Array:
        return self.batches(step + self.first)

    def rows(self, step: int, /) -> int:
        return self.batches.rows(step + self.first)
