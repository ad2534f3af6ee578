"""Numeric slopes with a bound of their error: central differences, (f(x + t d) - f(x - t d)) / 2t, at several steps.

A step is relative: d moves each number by its own size, so t = 1/16 changes it by a sixteenth. The slope along d is
then in the unit of f: the sum of each element's share, its gradient times its size.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from math import comb, inf, isfinite, nan
from typing import NamedTuple

import numpy as np

from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.helpers import device_of
from chainrule.gates.types import Array

_EPS = float(np.finfo(np.float64).eps)
# The steps of a search are 1/16, 1/64, ...; `quick` takes one, which errs by 2^-24 / 6 of the third derivative.
_FIRST, _SHRINK, _STEPS, QUICK = 2.0**-4, 4.0, 24, 2.0**-12
# An element far below the typical size of its array moves by this share of that size.
_LEAST = 2.0**-20

# Which arrays move, and for each by how much at t = 1, shaped as the array.
Direction = dict[int, Array]


class Sides(NamedTuple):
    """The slopes of a function to the left and to the right of a point, at a step t."""

    left: float
    right: float
    t: float

    @property
    def mean(self) -> float:
        """The central difference."""
        return (self.left + self.right) / 2

    @property
    def gap(self) -> float:
        """How far apart both slopes are."""
        return abs(self.right - self.left)


class Slope(NamedTuple):
    """A numeric slope.

    error  how far from it the slope may be; infinite where no step says
    kink   the slopes on both sides of a kink inside the steps, else None
    at     whether that kink lies at the point itself, as far as steps can tell
    """

    numeric: float
    error: float
    kink: Sides | None = None
    at: bool = False


class FiniteDifferences:
    """Slopes of f at given arrays, float64 on one device; f takes a list of arrays shaped as these, returns a number.

    Elements are counted through all arrays, each in C order; `starts[i]` is the first of array i. `sizes` are what
    elements move by at t = 1, `typical` the median size in each element's array.
    """

    def __init__(self, f: Callable[[list[Array]], float], arrays: Sequence[Array]) -> None:
        self.f, self.arrays = f, list(arrays)
        self.value = f(self.arrays)
        self.starts = np.cumsum([0, *(x.size for x in arrays)])
        sizes = [_sizes(to_numpy(x).ravel()) for x in arrays]
        self.sizes, self.typical = (np.concatenate(parts) for parts in zip(*sizes, strict=True))

    def along(self, chosen: np.ndarray, signs: np.ndarray) -> Direction:
        """Return the direction in which the chosen elements move by their sizes, with given signs."""
        moves = np.zeros(self.sizes.size)
        moves[chosen] = signs * self.sizes[chosen]
        return {
            i: namespace(x).asarray(d.reshape(x.shape), dtype=x.dtype, device=device_of(x))
            for i, (x, d) in enumerate(zip(self.arrays, np.split(moves, self.starts[1:-1]), strict=True))
            if d.any()
        }

    def at(self, direction: Direction, t: float) -> float:
        """Return f at a step t along a direction, and NaN where f refuses it, as large steps may leave its domain."""
        moved = [x + direction[i] * t if i in direction else x for i, x in enumerate(self.arrays)]
        try:
            with np.errstate(all="ignore"):
                return self.f(moved)
        except (ArithmeticError, ValueError, RuntimeError):
            return nan

    def sides(self, direction: Direction, t: float) -> Sides:
        """Return the slopes on both sides at a step."""
        below, above = self.at(direction, -t), self.at(direction, t)
        return Sides((self.value - below) / t, (above - self.value) / t, t)

    def quick(self, direction: Direction) -> float:
        """Return the central difference at one step."""
        return self.sides(direction, QUICK).mean

    @cached_property
    def noise(self) -> float:
        """The standard deviation of f's rounding around the point."""
        n, rng = self.sizes.size, np.random.default_rng(0)
        return self.noise_at(self.along(np.arange(n), rng.choice([-1, 1], n) * rng.uniform(0.5, 1, n)), 0.0)

    def noise_at(self, direction: Direction, start: float) -> float:
        """Return the standard deviation of f's rounding at a step, by high differences of f at close points.

        ECnoise of Moré and Wild, Estimating computational noise (2011), at two spacings: the digits that float64 rounds
        off, and those of float32, should f compute in it. Where f takes few values, and they differ by few digits,
        points are put further apart.
        """
        here = abs(self.at(direction, start))
        found = [_EPS * here]
        for spacing in (2.0**-44, 2.0**-25, 2.0**-18, 2.0**-12, 2.0**-7):
            values = [self.at(direction, start + k * spacing * max(start, 1.0)) for k in range(1, 21)]
            if spacing > 2.0**-18 and not max(values) - min(values) < 2.0**-10 * here:
                break
            found.append(_noise_of(values))
            if len(found) > 2 and len(set(values)) > 6:
                break
        return max(found)

    def slope(self, direction: Direction, analytic: float, rtol: float, enough: float = 0.0) -> Slope:
        """Return the slope along a direction, extrapolated from shrinking steps (Ridders 1982; Numerical Recipes 5.7).

        Steps shrink until the slope is known to rtol and agrees with the analytic one, or is known well enough, or
        until rounding hides what they differ by. Where the slopes on both sides keep apart, there is a kink, and
        shorter steps alone count.
        """
        best, row, seen = Slope(nan, inf), list[float](), list[Sides]()
        for k in range(_STEPS):
            both = self.sides(direction, _FIRST * _SHRINK**-k)
            if not isfinite(both.mean):
                row, seen = [], []
                continue
            rounding = 4 * (self.noise / both.t + _EPS * max(abs(both.left), abs(both.right)))
            if rounding > max(best.error, abs(best.numeric - analytic) / 8):
                break
            seen = [*seen[-2:], both]
            if len(seen) == 3 and _keep_apart(seen, rounding):
                nearest = self.sides(direction, min(2**10 * rounding / both.gap, 2.0**-6) * both.t)
                if _keep_apart([both, nearest], 0.0):
                    return Slope(nearest.mean, nearest.gap / 8, nearest, at=True)
                row, best = [], Slope(both.mean, both.gap / 8, seen[1]._replace(t=both.t))
                continue
            row, (numeric, error) = _extrapolated(row, both.mean, rounding)
            # Where long and short steps say otherwise, f has waves in between, and the short ones are right; or it
            # computes in steps of its own, as float32 does, and the long ones are, if the analytic slope says so too.
            apart = abs(numeric - best.numeric) > error + best.error
            is_backed = abs(best.numeric - analytic) <= best.error <= abs(analytic) / 8
            if not is_backed if apart else error < best.error:
                best = Slope(numeric, error, best.kink)
            size = max(abs(best.numeric), abs(analytic))
            agrees = abs(best.numeric - analytic) <= rtol * size + best.error <= 2 * rtol * size
            if agrees or best.error <= enough:
                break
        return best

    def hides(self, direction: Direction) -> bool:
        """Return whether rounding may hide a slope of f: f changes at larger steps, and by little at first.

        A function that is constant around the point never changes by more than rounding at the place of the step, or
        jumps where steps leave that part.
        """
        if all(self.at(direction, t) == self.value for t in (-1.0, 2.0**60)):
            return False
        for t in (4.0**k for k in range(-1, 31)):
            changes = (abs(self.at(direction, step) - self.value) for step in (-t, t))
            change = max(c if c == c else inf for c in changes)
            if change > 64 * self.noise and not change <= 64 * self.noise_at(direction, t):
                # Up to some units of float32, should f compute in it.
                return change < max(2**14 * self.noise, 2.0**-20 * abs(self.value))
        return False


def _sizes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = np.where(np.isfinite(x), np.abs(x), 0)
    typical = float(np.median(size[size > 0])) if size.any() else 1.0
    return np.where(size > 0, np.maximum(size, typical * _LEAST), typical), np.full(x.size, typical)


def _noise_of(values: list[float]) -> float:
    """Return what values at evenly spaced points vary by beyond a smooth curve, whose higher differences die out.

    The median of differences leaves out a kink, which few of them reach across.
    """
    table = np.asarray(values)
    fourth, sixth = (
        float(np.median(np.abs(np.diff(table, k)))) / (0.67 * comb(2 * k, k) ** 0.5) for k in (4, 6)
    )
    return float(sixth if sixth < fourth / 8 else max(fourth, sixth))


def _keep_apart(seen: list[Sides], rounding: float) -> bool:
    """Return whether the slopes on both sides stay as far apart as steps shrink; on a smooth curve they approach."""
    gaps = [both.gap for both in seen]
    return gaps[-1] > 64 * rounding and all(b / 2 < a < 2 * b for a, b in pairwise(gaps))


def _extrapolated(
    row: list[float], middle: float, rounding: float
) -> tuple[list[float], tuple[float, float]]:
    """Return the next row of Ridders' table, each entry of which loses one more even power of t, and the best entry.

    That is (entry, error): the error is what the entry differs by from those that it is made of, and rounding.
    """
    new, best = [middle], (middle, inf)
    for j, longer in enumerate(row[:3], 1):
        new.append(new[-1] + (new[-1] - longer) / (_SHRINK ** (2 * j) - 1))
        error = 2 * max(abs(new[j] - new[j - 1]), abs(new[j] - longer)) + rounding
        best = min(best, (new[j], error), key=lambda pair: pair[1])
    return new, best
