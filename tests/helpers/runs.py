"""Configurations and runs of made-up rows."""

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.training.config import Options
from chainrule.training.pipeline import InMemory, prepare
from chainrule.training.rows import DeviceRows
from chainrule.training.run import Run, config_for


def config(m=100, n=4, classes=3, bound=0.125, **options):
    """Return the configuration that options give for m rows; `bound` is that of their learning rate."""
    rows = DeviceRows(np.zeros((m, n)), np.zeros(m))
    return Options(**options).settled(classes).config(n, rows, lambda: bound)


def dataset(m=60, n=3, k=3, seed=0):
    """Return rows of k classes that are far from each other."""
    rng = np.random.default_rng(seed)
    y = np.arange(m) % k
    X = rng.standard_normal((m, n)) + 2 * np.eye(k, n)[y]
    return Dataset(X, y, tuple("abcdefgh"[:k]), None, "made up")


def problem(train, test, *, positive=None, validation=0.0, seed=0):
    """Return the problem of rows in memory."""
    return prepare(InMemory(), train, test, positive=positive, validation=validation, seed=seed)


def run_on(device, k=3, dtype="float64", **options):
    """Return a run on a device with rows of k classes."""
    plan = Options(**options).settled(k)
    made = problem(dataset(k=k), dataset(k=k, seed=1), validation=plan.validation, seed=plan.options.seed)
    rows = InMemory().rows(made, device, dtype)
    return Run(made, rows, config_for(plan, made, rows), device, dtype)
