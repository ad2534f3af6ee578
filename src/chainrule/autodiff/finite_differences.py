"""Central differences, (f(x + h d) - f(x - h d)) / 2h: a numeric slope to hold an analytic one against."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from chainrule.backend.namespaces import namespace
from chainrule.gates.types import Array

# A central difference errs by h^2 through the curve and by eps / h through rounding: least at the cube root of eps.
STEP = float(np.finfo(np.float64).eps) ** (1 / 3)
# What rounding makes of a slope at that step, for a function of size 1: eps / STEP is 4e-11, and f is often a long sum.
ROUNDING = 1e-9

Direction = dict[
    int, Array
]  # which arrays move, and for each the direction in which it does, shaped as the array


class Slopes(NamedTuple):
    """The slopes of a function to the left and to the right of a point."""

    left: float
    right: float

    @property
    def mean(self) -> float:
        """The central difference."""
        return (self.left + self.right) / 2

    @property
    def gap(self) -> float:
        """How far apart both slopes are."""
        return abs(self.right - self.left)


class Difference(NamedTuple):
    """A numeric and an analytic slope that disagree.

    name   which array the element is of, or what was compared
    where  the index of the element; None for a random direction
    kink   the slopes on both sides where the function has a kink, else None
    """

    name: str
    where: tuple[int, ...] | None
    numeric: float
    analytic: float
    kink: Slopes | None = None

    def __str__(self) -> str:
        place = ", in a random direction" if self.where is None else f"[{', '.join(map(str, self.where))}]"
        text = f"{self.name}{place}: numeric {self.numeric:.10g}, analytic {self.analytic:.10g}"
        if self.kink is None:
            return text
        left, right = self.kink
        return f"{text}; there is a kink here, slope {left:.10g} on the left and {right:.10g} on the right"

    @property
    def size(self) -> float:
        """|numeric - analytic|, and infinity where it is NaN."""
        apart = abs(self.numeric - self.analytic)
        return apart if apart == apart else np.inf


class Tolerance(NamedTuple):
    """How far a numeric and an analytic slope may be apart: atol (1 + |f|) + rtol max(|numeric|, |analytic|)."""

    rtol: float
    atol: float

    def allows(self, value: float, numeric: float, analytic: float, shorter: float = 1) -> bool:
        """Return whether slopes of a function of this value agree; NaN and infinity agree with nothing.

        Rounding weighs more at a step that is `shorter` times shorter than STEP, and so does atol.
        """
        apart = abs(numeric - analytic)
        allowed = shorter * self.atol * (1 + abs(value)) + self.rtol * max(abs(numeric), abs(analytic))
        return bool(apart <= allowed and apart < np.inf)


class FiniteDifferences:
    """Slopes of f at given arrays, float64 on one device, compared with analytic ones.

    f takes a list of arrays shaped as `arrays` and returns a number. With `kinks_pass`, a slope also agrees where it
    lies between the slopes on both sides of a kink, or equals the slope at a shorter step.
    """

    def __init__(
        self,
        f: Callable[[list[Array]], float],
        arrays: Sequence[Array],
        tolerance: Tolerance,
        kinks_pass: bool = False,
    ) -> None:
        self.f, self.arrays, self.tolerance, self.kinks_pass = f, list(arrays), tolerance, kinks_pass
        self.value = f(self.arrays)

    def rounding(self, shorter: float = 1) -> float:
        """Return what rounding makes of a slope at a step that is `shorter` times shorter than STEP."""
        return shorter * ROUNDING * (1 + abs(self.value))

    def compare_element(self, name: str, which: int, i: int, analytic: float) -> Difference | None:
        """Return how the slopes by element i, counted in C order, of an array disagree; None where they agree."""
        where = tuple(int(k) for k in np.unravel_index(i, self.arrays[which].shape))
        return self.compare(name, self.elements(which, np.array([i]), np.ones(1)), analytic, where)

    def elements(self, which: int, chosen: np.ndarray, signs: np.ndarray) -> Direction:
        """Return the direction in which the chosen elements of one array move by given signs."""
        x = self.arrays[which]
        d = np.zeros(x.size)
        d[chosen] = signs
        return {which: namespace(x).asarray(d.reshape(x.shape), dtype=x.dtype, device=x.device)}

    def compare(
        self, name: str, direction: Direction, analytic: float, where: tuple[int, ...] | None = None
    ) -> Difference | None:
        """Return how the slopes along a direction disagree; None where they agree."""
        slopes = self.slopes(direction, STEP)
        if self.tolerance.allows(self.value, slopes.mean, analytic):
            return None
        near = self.slopes(direction, STEP / 10)
        # On a smooth curve both slopes approach each other as the step shrinks; at a kink they stay apart.
        is_kink = near.gap > max(slopes.gap / 2, self.rounding(100))
        difference = Difference(name, where, slopes.mean, analytic, slopes if is_kink else None)
        return self._unless_kinks_explain(difference, direction, near) if self.kinks_pass else difference

    def slopes(self, direction: Direction, h: float) -> Slopes:
        """Return the slopes on both sides at step h."""
        below, above = (
            self.f([x + direction[i] * step if i in direction else x for i, x in enumerate(self.arrays)])
            for step in (-h, h)
        )
        return Slopes((self.value - below) / h, (above - self.value) / h)

    def _unless_kinks_explain(
        self, difference: Difference, direction: Direction, near: Slopes
    ) -> Difference | None:
        """Return a difference that neither a kink at the point nor kinks beside it explain, else None."""
        numeric, analytic = difference.numeric, difference.analytic
        nearest = self.slopes(direction, STEP / 100)
        # Several kinks beside the point can look like none, until a step is short enough to stay between them.
        is_smooth = abs(near.mean - numeric) <= difference.size / 2 and difference.kink is None
        if is_smooth and abs(nearest.mean - analytic) > difference.size / 10:
            return difference
        # A shorter step does not reach a kink beside the point; at a kink, it finds the mean of both slopes again.
        for slopes, shorter in ((near, 10), (nearest, 100)):
            if self.tolerance.allows(self.value, slopes.mean, analytic, shorter):
                return None
        # `not >`, so that NaN is a difference too.
        if not nearest.gap > 100 * self.rounding(100):
            return difference._replace(kink=None)
        # Of many elements, each may lie on its own side of a kink, so that no slope is ruled out.
        slack = self.rounding(100) + nearest.gap / 100
        low, high = sorted(nearest)
        if difference.where is None or low - slack <= analytic <= high + slack:
            return None
        return difference._replace(kink=nearest)


def worst(differences: Iterable[Difference | None]) -> Difference | None:
    """Return the largest of the differences; None where there is none."""
    return max((d for d in differences if d is not None), key=lambda d: d.size, default=None)
