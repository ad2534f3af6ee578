"""How well a model answers rows of known classes."""

import math
from dataclasses import dataclass

import numpy as np

from chainrule.backend.device import Device
from chainrule.models.objective import class_probabilities
from chainrule.training.model_file import Model
from chainrule.training.rows import BLOCK


def probabilities(device: Device, model: Model, X: np.ndarray) -> np.ndarray:
    """Return the probability of each class for raw rows X (m, n), as (m, k), computed on `device`."""
    return class_probabilities(outputs(device, model, X))


def outputs(device: Device, model: Model, X: np.ndarray) -> np.ndarray:
    """Return what a model's network says of raw rows X (m, n), as (m, outputs), computed on `device`."""
    params = [(device.asarray(W), device.asarray(b)) for W, b in model.params]
    parts = []
    for start in range(0, len(X), BLOCK):
        rows = device.asarray(model.scaling.apply(X[start : start + BLOCK], model.dtype))
        parts.append(device.to_numpy(model.net.forward(params, rows)))
    return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Numbers y_hat (m,) that were predicted, and the true ones y (m,)."""

    y_hat: np.ndarray
    y: np.ndarray

    @property
    def error(self) -> float:
        """The root of the mean square of y_hat - y, in the unit of y."""
        return float(np.sqrt(np.mean(np.square(self.y_hat - self.y))))

    @property
    def mean_error(self) -> float:
        """The mean of |y_hat - y|, in the unit of y."""
        return float(np.mean(np.abs(self.y_hat - self.y)))

    @property
    def spread(self) -> float:
        """The standard deviation of y: the error of the best constant."""
        return float(np.std(self.y))

    @property
    def explained(self) -> float:
        """R^2 = 1 - mean((y_hat - y)^2) / var(y), the share of the variance that is predicted; NaN for a constant y."""
        return 1 - (self.error / self.spread) ** 2 if self.spread else math.nan

    @property
    def worst(self) -> np.ndarray:
        """The at most 12 rows whose prediction is furthest from the truth, the furthest first."""
        return np.argsort(-np.abs(self.y_hat - self.y), kind="stable")[:12]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How rows of known classes y (m,) were answered: P (m, k) has the probability of each class."""

    P: np.ndarray
    y: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """The number of the likeliest class of each row; of equal ones the first."""
        return np.asarray(np.argmax(self.P, axis=1))

    @property
    def accuracy(self) -> float:
        """The share of rows that were answered right."""
        return float(np.mean(self.answers == self.y))

    @property
    def commonest(self) -> float:
        """The share of the commonest class: what answering it always would get."""
        return float(np.bincount(self.y).max() / len(self.y))

    @property
    def confusion(self) -> np.ndarray:
        """How many rows of each class (down) were answered by each class (across), (k, k)."""
        k = self.P.shape[1]
        return np.bincount(self.y * k + self.answers, minlength=k * k).reshape(k, k)

    def accuracy_by_class(self) -> list[float | None]:
        """Return the share answered right in each class; None where it has no row."""
        table = self.confusion
        rows = table.sum(axis=1)
        return [float(table[c, c] / rows[c]) if rows[c] else None for c in range(len(table))]

    @property
    def worst(self) -> np.ndarray:
        """The rows that were answered wrong, at most 12, those whose class was held least probable first."""
        wrong = np.flatnonzero(self.answers != self.y)
        return wrong[np.argsort(self._of_truth[wrong], kind="stable")][:12]

    @property
    def least_certain(self) -> np.ndarray:
        """The 12 rows whose class was held least probable, right or wrong."""
        return np.argsort(self._of_truth, kind="stable")[:12]

    @property
    def _of_truth(self) -> np.ndarray:
        return np.asarray(self.P[np.arange(len(self.y)), self.y])
