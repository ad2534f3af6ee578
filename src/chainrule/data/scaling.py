"""Scaling: features are shifted and divided, so that a model learns from numbers of one size."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.errors import fault


@dataclass(frozen=True, eq=False)
class Scaling:
    """X_scaled = (X - shift) / scale, with float64 shift and scale, both () or both (n,)."""

    shift: np.ndarray
    scale: np.ndarray

    def __post_init__(self) -> None:
        shift, scale = self.shift, self.scale
        if shift.ndim > 1 or shift.shape != scale.shape:
            got = f"{shift.shape} and {scale.shape}"
            raise fault("Scaling", "shift and scale both () or both (n,)", got, "fit it again")
        if not (np.isfinite(shift).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise fault("Scaling", "finite shift and positive scale", "others", "fit it again")

    @staticmethod
    def fit(dataset: Dataset) -> "Scaling":
        """Return the scaling of a data set: X / 255 for pixels, X / 16 for the digits, else (X - mean) / deviation.

        Mean and standard deviation are those of each feature. A feature that never changes becomes 0. Raises DataError
        where a feature spans more than float64 can hold.
        """
        if dataset.white is not None:
            return Scaling(np.array(0.0), np.array(dataset.white))
        X = dataset.X.astype(np.float64)
        low = X.min(axis=0)
        with np.errstate(over="ignore"):
            span = X.max(axis=0) - low
        if not np.isfinite(span).all():
            column = int(np.argmin(np.isfinite(span)))
            got = f"a wider spread in column {column} (counted from 0)"
            raise fault(dataset.source, "features that span less than 1.8e308", got, "scale it down first")
        # Between 0 and 1 no square overflows or underflows, and the mean of a constant feature is exact: a rounding
        # error of it would be a deviation of 1e-17 to divide by.
        U = (X - low) / np.where(span > 0, span, 1)
        std = span * U.std(axis=0)
        return Scaling(low + span * U.mean(axis=0), np.where(std > 0, std, 1.0))

    def apply(self, X: np.ndarray, dtype: Any) -> np.ndarray:
        """Return (X - shift) / scale for X (m, n) or (n,), computed in float64, as `dtype`.

        Raises DataError for another number of features, and for a result that `dtype` cannot hold.
        """
        if self.shift.ndim and X.shape[-1:] != self.shift.shape:
            remedy = "give the columns it was fitted to"
            raise fault("Scaling.apply", f"{self.shift.size} features", f"shape {X.shape}", remedy)
        with np.errstate(over="ignore"):
            scaled: np.ndarray = ((X.astype(np.float64) - self.shift) / self.scale).astype(dtype)
        odd = ~np.isfinite(scaled)
        if odd.any():
            column = int(np.argwhere(odd)[0][-1])
            got = f"{X[odd][0]:g} in column {column} (counted from 0)"
            remedy = "correct it, or scale the data down first"
            raise fault("Scaling.apply", f"numbers that {np.dtype(dtype)} holds once scaled", got, remedy)
        return scaled
