"""What classifiers share: class numbers from labels, and labels and probabilities from logits."""

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets

from chainrule.backend.gpus import on_their_gpu
from chainrule.estimators.placement import Place, by_chunks, on_host
from chainrule.gates.activations import sigmoid, softmax
from chainrule.gates.types import Array


class Classifier(ClassifierMixin):  # type: ignore[misc]
    """A classifier whose `_logits` say how likely each class is; `classes_` are its labels, sorted, on the host.

    Where a row may have several labels, or none, `_multilabel` is true: targets and predictions are then rows (m, k) of
    0 and 1, and each label has a probability of its own.
    """

    classes_: np.ndarray
    _multilabel = False

    @abstractmethod
    def _logits(self, X: Any, method: str) -> tuple[Array, Place]:
        """Return Z, (m,) for two classes and (m, k) for more, and the place of X, where results go."""

    @on_their_gpu
    @by_chunks
    def predict(self, X: Any) -> Array:
        """Return the label (m,) of each row, where X lives; on the host, labels that X's library cannot hold.

        Where rows have several labels, return 0 or 1 for each of them, (m, k).
        """
        Z, home = self._logits(X, "predict")
        xp = Place.of(Z).xp
        if self._multilabel:
            return home.bring(xp.astype(Z > 0, xp.int64))
        if len(self.classes_) == 1:
            Z = xp.zeros_like(Z)
        chosen = home.bring(xp.astype(Z > 0, xp.int64) if Z.ndim == 1 else xp.argmax(Z, axis=1))
        if self.classes_.dtype.kind in "biuf":
            labels = home.bring(self.classes_)
            # JAX has no numbers of 64 bits by default, and keeps the last 32 bits of larger labels.
            if np.array_equal(on_host(labels), self.classes_):
                return home.xp.take(labels, chosen, axis=0)
        return self.classes_[on_host(chosen)]

    @on_their_gpu
    @by_chunks
    def predict_proba(self, X: Any) -> Array:
        """Return the probability (m, k) of each class, in the order of `classes_`, where X lives."""
        Z, home = self._logits(X, "predict_proba")
        return home.bring(_probabilities(Z, self._kind()))

    @on_their_gpu
    @by_chunks
    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm (m, k) of `predict_proba`: minus infinity where that is rounded to 0."""
        Z, home = self._logits(X, "predict_log_proba")
        with np.errstate(divide="ignore"):
            return home.bring(Place.of(Z).xp.log(_probabilities(Z, self._kind())))

    @on_their_gpu
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows, weighted by sample_weight, whose label is predicted."""
        labels = on_host(self.predict(X))
        return float(accuracy_score(on_host(y), labels, sample_weight=on_host(sample_weight)))

    def _kind(self) -> str:
        """Return what the logits are of: "labels", "one" class, or "classes"."""
        return "labels" if self._multilabel else "one" if len(self.classes_) == 1 else "classes"

    def _numbered(
        self, y: np.ndarray, *, given: Any = None, kept: bool = False, least: int = 2
    ) -> np.ndarray:
        """Return the class number (m,) of each label; set `classes_` to `given` or y's, unless they are kept.

        Raises ValueError for fewer than `least` classes.
        """
        check_classification_targets(y)
        who = type(self).__name__
        if not kept:
            self.classes_ = np.unique(y if given is None else on_host(given))
            if len(self.classes_) < least:
                raise ValueError(
                    f"{who}: expected labels of two classes or more, got one class, {self.classes_.tolist()[0]!r}; "
                    "there is nothing to tell apart"
                )
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{who}: expected labels of the classes {self.classes_.tolist()}, got {unknown.tolist()} too; "
                "name all classes in the first call of partial_fit, or fit anew without warm_start"
            )
        numbers: np.ndarray = np.searchsorted(self.classes_, y)
        return numbers


@on_their_gpu
def _probabilities(Z: Array, kind: str) -> Array:
    xp = Place.of(Z).xp
    if kind == "labels":
        return sigmoid(xp, Z)[0]
    if kind == "one":
        return xp.ones_like(Z)[:, None]
    if Z.ndim == 2:
        return softmax(xp, Z, axis=1)[0]
    return xp.stack([sigmoid(xp, -Z)[0], sigmoid(xp, Z)[0]], axis=1)
