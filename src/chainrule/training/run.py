"""A training run: a problem's rows and a configuration, learnt by the one loop, with checkpoints on the way."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.backend.device import Device
from chainrule.data.dataset import Dataset
from chainrule.optim import Descent, Report, descend
from chainrule.training.checkpoint import Checkpointer, load_checkpoint, settings_in
from chainrule.training.config import Config, Plan
from chainrule.training.model_file import Model
from chainrule.training.problem import Problem
from chainrule.training.rows import RunRows


@dataclass(frozen=True, eq=False)
class Run:
    """What a run consists of: a problem, its rows where steps are computed, a configuration, and where parameters are.

    `dtype` is "float32" or "float64".
    """

    problem: Problem
    rows: RunRows
    config: Config
    device: Device
    dtype: str

    def learn(
        self,
        checkpoint: Path,
        *,
        resume: bool = False,
        on_begin: Callable[[int], None] | None = None,
        on_report: Callable[[Report], None] | None = None,
        on_fault: Callable[[OSError], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Descent:
        """Take the steps, from the first one or, with `resume`, from the checkpoint where there is one.

        Snapshots are written to the file `checkpoint`. `on_begin` is called with the number of the first step,
        `on_report` with each report, and `on_fault` the first time that a snapshot cannot be written. `stop` is asked
        after every step. Raises CheckpointError for a checkpoint of another run, DivergenceError where the cost
        diverges.
        """
        config, rows = self.config, self.rows
        optimizer = config.make_optimizer()
        params = config.net.init(config.seed, self.device, self.dtype, weights=config.weights)
        # A refusal names the first setting that differs, so what others follow from stands before them.
        settings = {
            "seed": config.seed,
            "dtype": self.dtype,
            "device": self.device.name,
            "data": rows.fingerprint,
            **config.settings(),
        }
        snapshot = None
        if resume and checkpoint.exists():
            snapshot = load_checkpoint(checkpoint, settings, params, optimizer.init(params), self.device)
        if on_begin:
            on_begin(snapshot.step if snapshot else 0)
        batches = None if config.batch is None else rows.train.batches(config.batch, seed=config.seed)
        validate = None
        if rows.validation is not None:
            # The penalty says nothing of new rows.
            validate = rows.validation.cost_of(replace(config.net, penalty=None))
        with (
            Checkpointer(checkpoint, settings, on_fault) as on_snapshot,
            rows.train.threads_for(config.net, config.batch) as watched,
        ):
            return descend(
                watched(rows.train.cost_and_gradients(config.net)),
                params,
                steps=config.steps,
                optimizer=optimizer,
                batches=batches,
                report_every=config.report_every,
                tol=config.tol,
                validate=validate,
                patience=config.patience,
                on_report=on_report,
                on_snapshot=on_snapshot,
                snapshot_due=on_snapshot.due,
                stop=stop,
                resume=snapshot,
            )

    @property
    def threads(self) -> int:
        """How many threads compute a step."""
        return self.rows.train.threads(self.config.net, self.config.batch)

    def model(self, params: Any) -> Model:
        """Return what was learnt with all that a new sample needs."""
        rows = self.problem.train
        learnt = [(self.device.to_numpy(W), self.device.to_numpy(b)) for W, b in params]
        if self.problem.target is not None:
            # The last layer says the number itself, in its own unit.
            shift, scale = self.problem.target.shift, self.problem.target.scale
            W, b = learnt[-1]
            learnt[-1] = (W * scale).astype(W.dtype), (b * scale + shift).astype(b.dtype)
        return Model(
            self.config.net,
            learnt,
            self.problem.scaling,
            rows.classes,
            rows.image,
            rows.white,
            rows.features,
            self.problem.rest,
            self.problem.border,
            self.problem.ink,
        )

    def parts(self) -> dict[str, Dataset]:
        """Return the raw rows learnt from and, where there are some, those validated by."""
        found = {"train": self.problem.train, "validation": self.problem.validation}
        return {name: rows for name, rows in found.items() if rows is not None}

    def accuracy(self, params: Any) -> dict[str, float]:
        """Return the share of rows answered right, of those learnt from and of those validated by."""
        parts = {
            "train": (self.rows.train, self.problem.train),
            "validation": (self.rows.validation, self.problem.validation),
        }
        return {
            name: float(np.mean(rows.answers(self.config.net, params) == known.y))
            for name, (rows, known) in parts.items()
            if rows is not None and known is not None
        }


def config_for(plan: Plan, problem: Problem, rows: RunRows, *, earlier: Path | None = None) -> Config:
    """Return the configuration that a plan gives for a problem's rows.

    Where nobody said how often to report, a run that goes on from the checkpoint `earlier` reports as often as that
    run did.
    """
    config = plan.config(problem.features, rows.train, rows.learning_rate_bound)
    if earlier is None or plan.options.report_every is not None:
        return config
    every = settings_in(earlier).get("report_every")
    return replace(config, report_every=every) if isinstance(every, int) and every >= 1 else config
