"""Descent: the loop that takes an optimiser's steps until a stopping rule holds."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from chainrule import pytree
from chainrule.backend.gpus import on_their_gpu
from chainrule.backend.memory import keep_freed_memory
from chainrule.backend.namespaces import namespace
from chainrule.gates.types import Array
from chainrule.optim.monitor import Monitor, Report, Snapshot
from chainrule.optim.optimizers import Optimizer, Params, State, computes_alone, gradient_descent
from chainrule.program.compiled import compile as compiled
from chainrule.program.fusing import numba

# Seconds after which a run compiles its update. Numba takes about one of them, and a step of Adam for a network of
# 235,146 to 1,863,690 weights then takes 0.72 to 0.87 of what it took (Intel Xeon, 2.1 GHz, one thread, 2026-11-30).
PAYS_AFTER = 10.0

CostAndGradients = Callable[..., tuple[Array, Params]]


class Sampler(Protocol):
    """What draws mini-batches: `Batches`, or any other function of the step alone."""

    def __call__(self, step: int, /) -> Any:
        """Return the rows of step number `step`, from 0, as `cost_and_gradients` takes them."""

    def rows(self, step: int, /) -> int:
        """Return how many rows step number `step` has."""


@dataclass(frozen=True)
class Descent:
    """The end of a run.

    params     with `validate` those of the report `best`; else the last, and on full batches the last report is theirs
    steps      how many were taken
    stopped    "steps" (all were taken), "tol" (the gradient was small enough), "patience" (for so many reports none was
               better), "asked" (by `stop`); of `lbfgs` also "converged" and "stuck"
    history    all reports, in their order
    best       the report with the lowest validation, or without `validate` the lowest cost; None of `lbfgs`
    state      the optimiser's, after all steps; empty of `lbfgs`
    """

    params: Params
    steps: int
    stopped: str
    history: list[Report] = field(repr=False)
    best: Report | None = field(default=None, repr=False)
    state: State = field(default_factory=dict, repr=False)


# A run that overflows ends in an error that names the step; NumPy's own warnings would name none.
@on_their_gpu
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
    snapshot_due: Callable[[], bool] | None = None,
    stop: Callable[[], bool] | None = None,
    state: State | None = None,
    resume: Snapshot | None = None,
    compile: bool = False,
) -> Descent:
    """Take steps down the gradient of a cost until a stopping rule holds, or `steps` are taken.

    `cost_and_gradients(params)` returns the cost (), and gradients nested like the parameters: an array, or lists,
    tuples and dicts of them. With `batches` it is called with (params, batches(step)). The steps are those of
    `optimizer`, or of gradient descent with `learning_rate`; `state` is an optimiser's state to begin with.

    The run is looked at before every step whose number `report_every` divides (with batches not before step 0, which
    has no cost yet), and at the end. Costs and gradients stay on the device until then: one copy to the host
    serves a look. At a look

    - DivergenceError is raised if a cost since the last look, or the gradient, is not finite, if the validation is NaN,
      or if costs kept growing;
    - the run ends if the largest |gradient| is under `tol` (on full batches), or if for `patience` looks in a row the
      number watched did not fall below its lowest by more than `min_improvement`: the number `validate(params)`, or
      the cost without `validate`;
    - `on_report` is called with a Report, and `on_snapshot`, where `report_every` divides the step, with a Snapshot. A
      later call with `resume` set to the snapshot and all else equal, or more steps, goes on from there bit for bit.

    `snapshot_due` is called between looks too, after every step; where it returns True, `on_snapshot` has a Snapshot.

    With `compile` the cost and the update are compiled, as by `chainrule.compile`: with one program for all steps of
    full batches, and one for each size of batch. The numbers are those without it, and so is a run that resumes.
    Without it, too, the update of an optimiser of `chainrule.optim` is compiled once a run on NumPy lasts ten seconds,
    with loops (`fused=True`) where Numba is installed: then it pays, and the numbers stay, bit for bit.

    With `validate` the parameters with the lowest validation are returned. `stop` is called after every step; where it
    returns True the run ends there.

    Raises ValueError for settings out of range, for a cost of several numbers, and for a `resume` between two looks
    with no step left to take.
    """
    sampled = batches is not None
    _check_settings(steps, report_every, tol, sampled, patience, min_improvement)
    optimizer = _one_of(optimizer, learning_rate)
    update = _Update(optimizer, compile)
    if compile:
        cost_and_gradients = compiled(cost_and_gradients)
    if resume is not None and resume.rows and resume.step >= steps:
        raise ValueError(
            f"descend: expected more than {resume.step} steps, to go on from a snapshot between two looks, got {steps}"
        )
    keep_freed_memory()
    run = resume or Snapshot(0, params, optimizer.init(params) if state is None else state, params)
    monitor = Monitor(
        run,
        optimizer.learning_rate,
        sampled,
        tol,
        validate,
        patience,
        min_improvement,
        on_report,
        on_snapshot,
    )
    step, params, state = run.step, run.params, run.state
    stopped = monitor.verdict() if step < steps else ""
    # A run that resumes where a look is due begins after that look.
    looked, gradients = resume is not None and step % report_every == 0, None
    while True:
        if not stopped and step >= steps:
            stopped = "steps"
        # On the full batch a look sees the cost of its own parameters, which serves the next step too; with batches
        # it sees those of the steps before.
        if batches is None and not (stopped and looked):
            cost, gradients = cost_and_gradients(params)
            if not looked:
                monitor.add(cost, params)
        due = step % report_every == 0
        if (due or stopped) and monitor.pending:
            verdict = monitor.look(step, params, state, gradients, due=due)
            stopped = stopped or verdict
        if stopped:
            chosen = params if validate is None else monitor.run.best_params
            return Descent(chosen, step, stopped, monitor.history, monitor.run.best, state)
        looked = False
        if batches is not None:
            cost, gradients = cost_and_gradients(params, batches(step))
            monitor.add(cost, params, batches.rows(step))
        params, state = update(gradients, state, params)
        step += 1
        if stop and stop():
            stopped = "asked"
        if snapshot_due and step % report_every and snapshot_due():
            monitor.snapshot(step, params, state)


class _Update:
    """The update of an optimiser, which is compiled when it pays; its numbers stay, bit for bit."""

    def __init__(self, optimizer: Optimizer, compile: bool) -> None:
        self._update = compiled(optimizer.update, on_branch="eager") if compile else optimizer.update
        self._optimizer = optimizer
        self._due = time.monotonic() + PAYS_AFTER if computes_alone(optimizer) else math.inf

    def __call__(self, gradients: Params, state: State, params: Params) -> tuple[Params, State]:
        if time.monotonic() >= self._due:
            self._due = math.inf
            if namespace(*pytree.flat(params)) is np:
                fused = numba() is not None
                self._update = compiled(self._optimizer.update, on_branch="eager", fused=fused)
        return self._update(gradients, state, params)


def _one_of(optimizer: Optimizer | None, learning_rate: float | None) -> Optimizer:
    if optimizer is not None and learning_rate is None:
        return optimizer
    if optimizer is None and learning_rate is not None:
        return gradient_descent(learning_rate)
    raise ValueError("descend: expected either learning_rate or optimizer, got both or neither; give one")


def _check_settings(
    steps: int,
    report_every: int,
    tol: float | None,
    sampled: bool,
    patience: int | None,
    min_improvement: float,
) -> None:
    if steps < 0 or report_every < 1:
        raise ValueError(
            f"descend: expected steps >= 0 and report_every >= 1, got steps={steps}, report_every={report_every}"
        )
    if tol is not None and not tol >= 0:
        raise ValueError(f"descend: tol must be 0 or more, or None for no such stop, got {tol}")
    if tol is not None and sampled:
        raise ValueError(
            "descend: tol judges the gradient of the full batch, got batches too; give patience and min_improvement"
        )
    if patience is not None and patience < 1:
        raise ValueError(f"descend: patience must be 1 or more, or None for no such stop, got {patience}")
    if not min_improvement >= 0:
        raise ValueError(f"descend: min_improvement must be 0 or more, got {min_improvement}")
