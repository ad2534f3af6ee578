"""What a training run is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backend.device import Device
from chainrule.training.model_file import Model

# Rows that are answered at once: enough to fill a device, few enough for the layers' outputs to fit beside the data.
_ROWS = 8192


def probabilities(place: Device, model: Model, X: np.ndarray) -> np.ndarray:
    """Return the probability of each class for raw rows X (m, n), as (m, k), computed on `place`."""
    params = [(place.asarray(W), place.asarray(b)) for W, b in model.params]
    parts = []
    for start in range(0, len(X), _ROWS):
        rows = place.asarray(model.scaling.apply(X[start : start + _ROWS], model.dtype))
        parts.append(place.to_numpy(model.net.forward(params, rows)))
    P = np.concatenate(parts)
    return P if P.shape[1] > 1 else np.concatenate([1 - P, P], axis=1)


@dataclass(frozen=True, eq=False)
class Verdict:
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

    def of_class(self) -> list[float | None]:
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


def judged(classes: Sequence[str], verdicts: dict[str, Verdict]) -> dict[str, Any]:
    """Return what the report says of verdicts by the names of their rows, "held out" among them."""
    test = verdicts["held out"]
    accuracy = {name: verdict.accuracy for name, verdict in verdicts.items()}
    return {
        "accuracy": {**accuracy, "commoner class": test.commonest},
        "held-out accuracy by class": dict(zip(classes, test.of_class(), strict=True)),
        "held-out confusion, true class down, answer across": test.confusion.tolist(),
        "worst mistakes": [
            {
                "held-out row": int(i),
                "class": classes[test.y[i]],
                "answer": classes[test.answers[i]],
                "probability of the answer": float(test.P[i, test.answers[i]]),
            }
            for i in test.worst
        ],
    }
