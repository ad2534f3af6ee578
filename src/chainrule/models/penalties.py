"""Penalties: lambda Omega(theta), which large weights add to the cost of the samples."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, final

from chainrule.gates.types import Array
from chainrule.models.types import Params
from chainrule.validation import real_number


@dataclass(frozen=True)
class Penalty(ABC):
    """strength * Omega of the weights, and of the biases where `biases` is true; not divided by m.

    Raises TypeError for a strength that is no number, ValueError for one that is negative or not finite.
    """

    strength: float
    biases: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        # A np.float64, which is a float too, would make the gradients of float32 weights float64.
        name = type(self).__name__
        object.__setattr__(self, "strength", real_number(name, "strength", self.strength))
        if not (self.strength >= 0 and math.isfinite(self.strength)):
            raise ValueError(f"{name}: strength must be a finite number from 0 up, got {self.strength}")

    def added(self, xp: Any, params: Params, cost: Array, gradients: Params) -> tuple[Array, Params]:
        """Return the cost () and the gradients, shaped as params, with the penalty and its gradient added to them."""
        new = []
        for (W, b), (dW, db) in zip(params, gradients, strict=True):
            dW = dW + self.gradient(xp, W)
            db = db + self.gradient(xp, b) if self.biases else db
            new.append((dW, db))
        return self.added_cost(xp, params, cost), new

    def added_cost(self, xp: Any, params: Params, cost: Array) -> Array:
        """Return the cost () with the penalty of all layers added to it."""
        for W, b in params:
            cost = cost + self.cost(xp, W)
            cost = cost + self.cost(xp, b) if self.biases else cost
        return cost

    @property
    @abstractmethod
    def shares(self) -> tuple[float | None, float | None]:
        """The strengths of |W| and of W^2 / 2 within Omega, None for none."""

    @abstractmethod
    def cost(self, xp: Any, W: Array) -> Array:
        """Return strength times Omega(W), ()."""

    @abstractmethod
    def gradient(self, xp: Any, W: Array) -> Array:
        """Return strength times dOmega/dW, shaped as W."""


@final
@dataclass(frozen=True)
class L1(Penalty):
    """strength * sum |W|; the slope at 0 is 0 (Tibshirani, J. R. Statist. Soc. B 58, 1996)."""

    @property
    def shares(self) -> tuple[float | None, float | None]:
        """The strengths of |W| and of W^2 / 2."""
        return self.strength, None

    def cost(self, xp: Any, W: Array) -> Array:
        """Return strength * sum |W|."""
        return self.strength * xp.sum(xp.abs(W))

    def gradient(self, xp: Any, W: Array) -> Array:
        """Return strength * sign(W)."""
        return self.strength * xp.sign(W)


@final
@dataclass(frozen=True)
class L2(Penalty):
    """strength / 2 * sum W^2 (Hoerl and Kennard, Technometrics 12, 1970)."""

    @property
    def shares(self) -> tuple[float | None, float | None]:
        """The strengths of |W| and of W^2 / 2."""
        return None, self.strength

    def cost(self, xp: Any, W: Array) -> Array:
        """Return strength / 2 * sum W^2."""
        return self.strength / 2 * xp.sum(xp.square(W))

    def gradient(self, xp: Any, W: Array) -> Array:
        """Return strength * W."""
        return self.strength * W


@final
@dataclass(frozen=True)
class ElasticNet(Penalty):
    """strength * (l1_ratio * sum |W| + (1 - l1_ratio) / 2 * sum W^2).

    Raises ValueError for an l1_ratio that is not from 0 to 1. Source: Zou and Hastie, J. R. Statist. Soc. B 67 (2005),
    with the shares of scikit-learn's ElasticNet.
    """

    l1_ratio: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "l1_ratio", real_number("ElasticNet", "l1_ratio", self.l1_ratio))
        if not 0 <= self.l1_ratio <= 1:
            raise ValueError(f"ElasticNet: l1_ratio must be from 0 to 1, got {self.l1_ratio}")

    @property
    def shares(self) -> tuple[float | None, float | None]:
        """The strengths of |W| and of W^2 / 2."""
        return self.strength * self.l1_ratio, self.strength * (1 - self.l1_ratio)

    def cost(self, xp: Any, W: Array) -> Array:
        """Return the sum of the costs of L1 and L2, each times its share."""
        one, two = self._parts
        return one.cost(xp, W) + two.cost(xp, W)

    def gradient(self, xp: Any, W: Array) -> Array:
        """Return the sum of the gradients of L1 and L2, each times its share."""
        one, two = self._parts
        return one.gradient(xp, W) + two.gradient(xp, W)

    @property
    def _parts(self) -> tuple[L1, L2]:
        return L1(self.strength * self.l1_ratio), L2(self.strength * (1 - self.l1_ratio))
