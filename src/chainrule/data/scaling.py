"""Scaling: features brought to a mean and a spread that a model learns from."""

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
        """Pixels: X / 255. The digits: X / 16. Other numbers: less the mean, over the deviation of each feature.

        A feature that never changes is shifted to 0 and not scaled. DataError where a feature spans more than
        float64 can hold.
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
        # On 0 to 1 no square overflows or vanishes, and the mean of a constant feature has no rounding error, which
        # would be a deviation of 1e-17 to divide by.
        U = (X - low) / np.where(span > 0, span, 1)
        std = span * U.std(axis=0)
        return Scaling(low + span * U.mean(axis=0), np.where(std > 0, std, 1.0))

    def apply(self, X: np.ndarray, dtype: Any) -> np.ndarray:
        """(X - shift) / scale for X (m, n) or (n,), computed in float64, returned as `dtype`.

        DataError where that is more than `dtype` can hold.
        """
        if self.shift.ndim and X.shape[-1:] != self.shift.shape:
            got = f"shape {X.shape}"
            raise fault(
                "Scaling.apply", f"{self.shift.size} features", got, "give the columns it was fitted to"
            )
        with np.errstate(over="ignore"):
            scaled: np.ndarray = ((X.astype(np.float64) - self.shift) / self.scale).astype(dtype)
        odd = ~np.isfinite(scaled)
        if odd.any():
            column = int(np.argwhere(odd)[0][-1])
            got = f"{X[odd][0]:g} in column {column} (counted from 0)"
            remedy = "correct it, or scale the data down first"
            raise fault("Scaling.apply", f"numbers that {np.dtype(dtype)} holds once scaled", got, remedy)
        return scaled
