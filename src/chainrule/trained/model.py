"""A trained model as Python has it: `cr.load_model`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import array_api_compat
import numpy as np

from chainrule.backend.device import Device, get_device
from chainrule.backend.namespaces import to_numpy
from chainrule.data.dataset import ImageShape, plane_order
from chainrule.explain import Graph
from chainrule.models.mlp import MLP
from chainrule.trained.answers import Answers, answers, open_for
from chainrule.trained.sample import explained_sample
from chainrule.training import model_file
from chainrule.training.evaluation import outputs, probabilities


class TrainedModel:
    """What `chainrule train` learnt.

    classes    (k,) the names of the classes, in the order of their numbers; none where a number is predicted
    params     (W, b) of each layer, W (n_in, n_out) and b (n_out,); they take scaled features
    shift, scale   what scales raw features: (X - shift) / scale, each () or (n,)
    net        the network, a `cr.MLP`
    features   the names of the n columns, or ()
    image      the height, width and channels of the pictures that features are, or None

    Arrays are NumPy's. Where a method takes X, it is rows (m, n) of raw features, on the scale of the data that the
    model learnt from: an array of any library of the standard, a list, a DataFrame (its columns are taken by their
    names, where the model knows them), or pictures (m, h, w) or (m, h, w, 3). Or it is the path of anything that
    `chainrule predict` reads.
    """

    def __init__(self, model: model_file.Model, device: Device) -> None:
        self._model, self._device = model, device
        self.classes = np.array(model.classes)
        self.params = [(W.copy(), b.copy()) for W, b in model.params]
        self.shift, self.scale = model.scaling.shift.copy(), model.scaling.scale.copy()

    @property
    def net(self) -> MLP:
        """The network, a `cr.MLP`."""
        return self._model.net

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the n columns, or ()."""
        return self._model.features

    @property
    def image(self) -> ImageShape | None:
        """The height, width and channels of the pictures that features are, or None."""
        return self._model.image

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (m, k)."""
        self._needs_classes("predict_proba")
        if isinstance(X, str | Path):
            return self._said(Path(X))
        return probabilities(self._device, self._model, self._rows(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the name of the likeliest class of each row, or the number that is predicted, (m,)."""
        if len(self.classes):
            return np.asarray(self.classes[np.argmax(self.predict_proba(X), axis=1)])
        if isinstance(X, str | Path):
            return self._said(Path(X))[:, 0]
        return outputs(self._device, self._model, self._rows(X))[:, 0]

    def explain(self, X: Any, *, wanted: str | None = None) -> Graph:
        """Return the graph from one sample to the cost of a class, `wanted` or by default the likeliest.

        The cost is minus the log probability of the class: the gradient of node X says what counted against it. Where a
        number is predicted, the graph leads to that number, and the gradient of X says what raises it. X is scaled.
        """
        if wanted is not None:
            self._needs_classes("explain: wanted")
        rows = self._rows(X) if not isinstance(X, str | Path) else next(self._answers(Path(X))).X
        if len(rows) != 1:
            raise ValueError(f"explain: expected one sample, got {len(rows)}; give one row, such as X[:1]")
        number = self._number(rows, wanted) if len(self.classes) else None
        return explained_sample(self._model, self._device, rows, number).graph

    def to_estimator(self) -> Any:
        """Return a fitted `cr.LogisticRegression`, or with hidden layers a fitted `cr.MLPClassifier`, for raw features.

        A model that predicts a number becomes a fitted `cr.MLPRegressor`. The first layer has the scaling in it. Labels
        are `classes`, whole numbers where all are, sorted.
        """
        from chainrule.estimators.fitted import fitted_estimator

        return fitted_estimator(self._model)

    def to_onnx(self) -> bytes:
        """Return the model in the format ONNX, as `chainrule export` writes it; needs the package onnx."""
        from chainrule.trained.onnx import as_onnx

        return as_onnx(self._model)

    def _needs_classes(self, who: str) -> None:
        if not self._model.classes:
            raise model_file.ModelError(f"{who}: expected a model of classes, got one that predicts a number")

    def __repr__(self) -> str:
        answers = f"classes {', '.join(self._model.classes)}" if self._model.classes else "a number"
        return f"TrainedModel({self.net}, {answers})"

    def _answers(self, path: Path) -> Iterator[Answers]:
        return answers(self._model, self._device, open_for(self._model, path))

    def _said(self, path: Path) -> np.ndarray:
        return np.concatenate([part.P for part in self._answers(path)])

    def _number(self, rows: np.ndarray, wanted: str | None) -> int:
        if wanted is None:
            return int(np.argmax(probabilities(self._device, self._model, rows)))
        if wanted not in self._model.classes:
            raise ValueError(
                f"explain: wanted must be one of {', '.join(self._model.classes)}, got {wanted!r}"
            )
        return self._model.classes.index(wanted)

    def _rows(self, X: Any) -> np.ndarray:
        names = self._model.features
        if names and hasattr(X, "columns"):
            missing = [name for name in names if name not in X.columns]
            if missing:
                raise ValueError(
                    f"predict: expected the columns {', '.join(names)}, got none called {missing[0]!r}"
                )
            X = X[list(names)]
        rows = np.asarray(to_numpy(X) if array_api_compat.is_array_api_obj(X) else X)
        if rows.ndim > 2:
            rows = plane_order(rows)
        n = self.net.sizes[0]
        if rows.ndim != 2 or rows.shape[1] != n or rows.dtype.kind not in "biuf":
            raise ValueError(
                f"predict: X must be real numbers (m, {n}), a row for each sample, got {rows.dtype} {rows.shape}"
            )
        if not np.isfinite(rows).all():
            raise ValueError(
                "predict: X must be finite numbers, got NaN or infinity; fill them, or leave the rows out"
            )
        return rows


def load_model(path: str | Path, *, device: str | None = None) -> TrainedModel:
    """Return the model that `chainrule train` left at `path`, its folder or the file model.safetensors in it.

    `device` is where to compute, by default where `get_device` says. Raises ModelError, a ValueError, for a file that
    is no model. Needs the package safetensors, `pip install '.[app]'`.
    """
    return TrainedModel(read_model(Path(path)), get_device(device))


def read_model(path: Path) -> model_file.Model:
    """Read the model that is in a folder of results, or that is the file itself."""
    return model_file.load_model(path / "model.safetensors" if path.is_dir() else path)
