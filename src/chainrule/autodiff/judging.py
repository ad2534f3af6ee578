"""Analytic slopes held against numeric ones: right, wrong at an element, or not to be told."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from chainrule.autodiff.finite_differences import QUICK, Direction, FiniteDifferences, Sides

# A kink that is nearer than this share of an array's typical size counts as one at the point.
_NEAR = 2.0**-18
# What an analytic slope along many elements may lose by rounding of its own.
_SUMMED = 1e-11

# The analytic slope along chosen elements with given weights.
Analytic = Callable[[np.ndarray, np.ndarray], float]


class Difference(NamedTuple):
    """A numeric and an analytic slope that disagree, or of which values of f cannot tell whether they do.

    name   which array the element is of, or what was compared
    where  the index of the element; None for a random direction
    error  how far from the numeric slope the slope may be
    kink   the slopes on both sides where the function has a kink, else None
    told   False where values of f cannot tell
    """

    name: str
    where: tuple[int, ...] | None
    numeric: float
    analytic: float
    error: float
    kink: Sides | None = None
    told: bool = True
    led: bool = False

    def __str__(self) -> str:
        place = "" if self.where is None else f"[{', '.join(map(str, self.where))}]"
        way = ", in a random direction" if self.where is None else ", found in a random direction" * self.led
        text = f"{self.name}{place}{way}: numeric {self.numeric:.10g}, analytic {self.analytic:.10g}"
        if not self.told:
            return f"{text}; cannot tell: rounding makes the numeric slope uncertain by {self.error:.1e}"
        if self.kink is None:
            return text
        left, right, _ = self.kink
        return f"{text}; there is a kink here, slope {left:.10g} on the left and {right:.10g} on the right"


class Judge:
    """Finds where analytic slopes are not those of f.

    A slope may be off by rtol of the larger one, by atol, and by the error of the numeric one. With `kinks_pass`, a
    slope between those on both sides of a kink is right too. `names` are those of the arrays.
    """

    def __init__(
        self,
        differences: FiniteDifferences,
        names: Sequence[str],
        rng: "np.random.Generator",
        rtol: float,
        atol: float,
        kinks_pass: bool,
    ) -> None:
        self.differences, self.names, self.rng, self.kinks_pass = differences, names, rng, kinks_pass
        self.rtol, self.atol = rtol, atol

    def array(self, which: int, slopes: np.ndarray, every: int, more: int) -> tuple[int, Difference | None]:
        """Return how many elements of an array were moved one by one, and a difference, None where there is none.

        Of more than `every` elements `more` are moved one by one, half of them the largest; then all in a direction.
        """
        start, n = int(self.differences.starts[which]), slopes.size
        shares, chosen = slopes * self.differences.sizes[start : start + n], np.arange(n)
        if n > every:
            largest = np.argsort(-np.abs(slopes), kind="stable")[: more // 2]
            chosen = np.union1d(largest, self.rng.choice(n, more - more // 2, replace=False)).astype(int)
        found = self._elements(which, start + chosen, shares[chosen])
        if n > every and (found is None or not found.told):

            def analytic(chosen: np.ndarray, weights: np.ndarray) -> float:
                return float(shares[chosen - start] @ weights)

            norm = float(np.linalg.norm(shares))
            found = self._together(self.names[which], start + np.arange(n), analytic, norm)
        return len(chosen), found

    def direction(self, name: str, rate: Callable[[Direction], float], every: int) -> Difference | None:
        """Return how slopes along directions of all arrays, as forward mode gives them, disagree.

        Of more than `every` elements a single one is looked for.
        """
        f, along = self.differences, self.differences.along
        chosen = np.arange(f.sizes.size)
        if chosen.size <= every:
            direction = along(chosen, self._weights(chosen.size))
            numeric, analytic = f.quick(direction), rate(direction)
            apart, size = abs(numeric - analytic), max(abs(numeric), abs(analytic))
            if apart <= self.rtol * size and (size or not f.hides(direction)):
                return None
        return self._together(name, chosen, lambda chosen, weights: rate(along(chosen, weights)), 0.0)

    def _elements(self, which: int, chosen: np.ndarray, shares: np.ndarray) -> Difference | None:
        """Return the worst of the chosen elements, of one array, whose analytic shares are not those of f."""
        f = self.differences
        quick = np.array([f.quick(self._one(i)) for i in chosen])
        apart, size = np.abs(quick - shares), np.maximum(np.abs(quick), np.abs(shares))
        agree = apart <= self.rtol * size + self.atol * f.sizes[chosen]
        agree &= np.isfinite(size)
        if agree.all() and (size.any() or not size.size):
            return None
        weights = self._weights(chosen.size)
        direction = f.along(chosen, weights)
        if agree.all() and not f.hides(direction):
            return None
        rounding, whole = 4 * f.noise / QUICK, None
        if np.all(size <= rounding):
            # That step shows nothing. What all elements do together at others says more than each.
            whole = self._judged(self.names[which], direction, float(shares @ weights))
            if whole is None or not whole.told:
                return whole
        largest = float(np.max(np.abs(quick[np.isfinite(quick)]), initial=0))
        for i in np.argsort(np.where(np.isnan(apart), -np.inf, -apart), kind="stable"):
            if agree[i] or apart[i] <= rounding <= largest / 10:
                continue
            found = self._element(int(chosen[i]), float(shares[i]), largest)
            if found and found.told:
                return found
            whole = whole or found
        return whole

    def _together(self, name: str, chosen: np.ndarray, analytic: Analytic, size: float) -> Difference | None:
        """Return how the slopes along a random direction of chosen elements disagree, at an element if one is found.

        `size` is the root of the sum of the squares of all shares, what errors of all elements would add up to.
        """
        f, weights = self.differences, self._weights(chosen.size)
        direction, slope = f.along(chosen, weights), analytic(chosen, weights)
        numeric, error, kink, at = f.slope(direction, slope, _SUMMED)
        difference = Difference(name, None, numeric, slope, error, kink if at else None)
        apart, size = numeric - slope, max(size, abs(numeric), abs(slope))
        if abs(apart) <= error + _SUMMED * size and not at:
            hidden = error > size / 10 and f.hides(direction)
            return difference._replace(told=False) if hidden else None
        found = self._narrowed(chosen, weights, analytic, apart)
        if found or (at and self.kinks_pass):
            return found
        return None if abs(apart) <= error + self.rtol * size else difference

    def _narrowed(
        self, chosen: np.ndarray, weights: np.ndarray, analytic: Analytic, apart: float
    ) -> Difference | None:
        """Return the difference at an element, to which halves of a direction lead by what they differ by."""
        f = self.differences
        while chosen.size > 1:
            middle = chosen.size // 2
            slope = analytic(chosen[:middle], weights[:middle])
            direction = f.along(chosen[:middle], weights[:middle])
            first = f.slope(direction, slope, 0.0, enough=abs(apart) / 8).numeric - slope
            half = slice(middle) if abs(first) > abs(apart - first) else slice(middle, None)
            apart = first if half.stop else apart - first
            chosen, weights = chosen[half], weights[half]
        found = self._element(int(chosen[0]), analytic(chosen, np.ones(1)), abs(apart))
        return found._replace(led=True) if found and found.told else None

    def _element(self, i: int, share: float, largest: float) -> Difference | None:
        """Return how the slopes by an element differ; `largest` is the largest share that it is judged beside."""
        f, which = self.differences, int(np.searchsorted(self.differences.starts, i, side="right")) - 1
        where = tuple(int(k) for k in np.unravel_index(i - f.starts[which], f.arrays[which].shape))
        at, unit, typical = self._one(i), float(f.sizes[i]), float(f.typical[i])
        return self._judged(self.names[which], at, share, where, unit, typical / unit, largest)

    def _judged(
        self,
        name: str,
        direction: Direction,
        analytic: float,
        where: tuple[int, ...] | None = None,
        unit: float = 1.0,
        typical: float = 1.0,
        largest: float = 0.0,
    ) -> Difference | None:
        """Return how an analytic slope differs from the numeric one, None where it is right."""
        numeric, error, kink, at = self.differences.slope(direction, analytic, self.rtol)
        near = kink and (at or kink.t <= _NEAR * typical)
        shown = Sides(kink.left / unit, kink.right / unit, kink.t) if kink and near else None
        difference = Difference(name, where, numeric / unit, analytic / unit, error / unit, shown)
        size, slack = max(abs(numeric), abs(analytic)), self.atol * unit
        if kink and at:
            low, high = sorted(kink[:2]) if self.kinks_pass else (numeric, numeric)
            return None if low - kink.gap / 100 <= analytic <= high + kink.gap / 100 else difference
        if near and not self.kinks_pass:
            return difference
        if not abs(numeric - analytic) <= self.rtol * size + slack + error < np.inf:
            return difference
        if error <= max(size / 2, largest / 10, slack) or not self.differences.hides(direction):
            return None
        return difference._replace(told=False)

    def _one(self, i: int) -> Direction:
        return self.differences.along(np.array([i]), np.ones(1))

    def _weights(self, n: int) -> np.ndarray:
        """Return signs of a random direction, of sizes that let no two elements cancel."""
        return self.rng.choice([-1.0, 1.0], n) * self.rng.uniform(0.5, 1.0, n)
