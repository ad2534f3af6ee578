"""Are gradients that were written by hand those of their cost? Differences of the cost say so, or say where not.

`check_gradients` of the room `checking` asks this of the engine, which derives its gradients from the cost; here they
come from elsewhere, and the question is about each element of each parameter.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule import pytree
from chainrule.backend.namespaces import namespace, to_numpy

Array = Any
Params = Any

# Central differences err by h^2 from the curve and by eps / h from rounding: least at the cube root of eps.
_STEP = float(np.finfo(np.float64).eps) ** (1 / 3)
_RTOL, _ATOL = 1e-5, 1e-9


class Difference(NamedTuple):
    """A place at which numeric and analytic gradient do not agree; `where` is None for a direction in `name`.

    `kink` has the slopes on the left and on the right where these differ.
    """

    name: str
    where: tuple[int, ...] | None
    numeric: float
    analytic: float
    kink: tuple[float, float] | None = None

    def __str__(self) -> str:
        place = (
            f"{self.name}[{', '.join(map(str, self.where))}]"
            if self.where is not None
            else (f"{self.name}, in a random direction")
        )
        text = f"{place}: numeric {self.numeric:.10g}, analytic {self.analytic:.10g}"
        if self.kink is None:
            return text
        left, right = self.kink
        return f"{text}; there is a kink here, slope {left:.10g} on the left and {right:.10g} on the right"


class Finding(NamedTuple):
    """What was found out about one parameter: of how many elements, and the worst difference if there is one.

    `largest` is the largest |gradient|; where it is `faint`, an error of a thousandth of it drowns in rounding.
    """

    name: str
    shape: tuple[int, ...]
    elements: int
    worst: Difference | None
    largest: float
    faint: bool


def check(
    cost: Callable[[Params], Array],
    cost_and_gradients: Callable[[Params], tuple[Array, Params]],
    params: Params,
    *,
    names: Sequence[str] | None = None,
    most: int = 64,
    seed: int = 0,
) -> Iterator[Finding]:
    """Yield a Finding for each array of params, all of them float64 on one device; `names` are what they are called.

    Each element of an array of up to `most` is moved by itself; of a larger one so many, half of them where the
    gradient is largest and half at random, and then all together in a random direction; where only that fails, halves
    of it lead to the element. `cost_and_gradients` is asked once, everything else is `cost`.
    Where the cost has a kink, any slope between those on its two sides is right.
    """
    _, gradients = cost_and_gradients(params)
    leaves = list(pytree.leaves(params, "params"))
    called = names or [name for name, _ in leaves]
    given = pytree.along(gradients, params, "gradients")
    for which, ((_, x), g) in enumerate(zip(leaves, given, strict=True)):
        if tuple(g.shape) != tuple(x.shape) or g.dtype != x.dtype:
            raise ValueError(
                f"check: expected a gradient of shape {tuple(x.shape)} and type {x.dtype} for {called[which]}, got "
                f"{tuple(g.shape)} {g.dtype}"
            )
        probe = _Probe(cost, params, [leaf for _, leaf in leaves], which, to_numpy(g), called[which])
        yield probe.finding(most, np.random.default_rng(seed))


class _Probe:
    """Moves one array of the parameters while the others stand."""

    def __init__(
        self,
        cost: Callable[[Params], Array],
        params: Params,
        arrays: list[Array],
        which: int,
        gradient: np.ndarray,
        name: str,
    ) -> None:
        self.cost, self.params, self.arrays, self.which = cost, params, arrays, which
        self.gradient, self.name = gradient, name
        self.here = float(cost(params))

    def finding(self, most: int, rng: np.random.Generator) -> Finding:
        size = self.gradient.size
        if size <= most:
            chosen = np.arange(size)
        else:
            largest = np.argsort(-np.abs(self.gradient).ravel(), kind="stable")[: most // 2]
            chosen = np.unique(np.concatenate([largest, rng.choice(size, most - most // 2, replace=False)]))
        found = [self._difference(np.array([i]), np.ones(1)) for i in chosen]
        if size > most and not any(found):
            found.append(self._search(np.arange(size), rng.choice([-1.0, 1.0], size)))
        differences = [d for d in found if d is not None]
        worst = max(differences, key=_badness) if differences else None
        height = float(np.max(np.abs(self.gradient)))
        faint = height / 1000 <= _ATOL * (1 + abs(self.here))
        return Finding(self.name, self.gradient.shape, len(chosen), worst, height, faint)

    def _search(self, chosen: np.ndarray, signs: np.ndarray) -> Difference | None:
        if len(chosen) == 1:
            return self._difference(chosen, np.ones(1))
        difference = self._difference(chosen, signs)
        if difference is None:
            return None
        middle = len(chosen) // 2
        for half in (slice(None, middle), slice(middle, None)):
            nearer = self._search(chosen[half], signs[half])
            if nearer is not None:
                return nearer
        return difference

    def _difference(self, chosen: np.ndarray, signs: np.ndarray) -> Difference | None:
        """Return the disagreement along these signs of the chosen elements, or None where there is none."""
        analytic = float(self.gradient.ravel()[chosen] @ signs)
        where = None
        if len(chosen) == 1:
            where = tuple(int(i) for i in np.unravel_index(chosen[0], self.gradient.shape))
        left, right = self._slopes(chosen, signs, _STEP)
        numeric = (left + right) / 2
        difference = Difference(self.name, where, numeric, analytic)
        if self._agree(numeric, analytic, 1):
            return None
        near = self._slopes(chosen, signs, _STEP / 10)
        steady = abs(sum(near) / 2 - numeric) <= abs(numeric - analytic) / 2
        # On a smooth curve the slopes of the two sides approach each other as the step shrinks.
        noise = 100 * _ATOL * (1 + abs(self.here))
        kink = abs(near[1] - near[0]) > max(abs(right - left) / 2, noise)
        nearest = self._slopes(chosen, signs, _STEP / 100)
        # Several kinks beside the place can look like none, until a step is short enough to stay between them.
        if steady and not kink and abs(sum(nearest) / 2 - analytic) > abs(numeric - analytic) / 10:
            return difference
        # A kink beside the place is left behind by shorter steps; one at the place itself stays between both slopes.
        for slopes, times in ((near, 10), (nearest, 100)):
            if self._agree(sum(slopes) / 2, analytic, times):
                return None
        low, high = sorted(nearest)
        if high - low <= 100 * noise:
            return difference
        # Along many elements each may be on its own side of a kink, so that no slope is ruled out.
        slack = noise + (high - low) / 100
        if where is None or low - slack <= analytic <= high + slack:
            return None
        return difference._replace(kink=nearest)

    def _agree(self, numeric: float, analytic: float, times: int) -> bool:
        # Rounding weighs more, the shorter the step.
        allowed = times * _ATOL * (1 + abs(self.here)) + _RTOL * max(abs(numeric), abs(analytic))
        return bool(abs(numeric - analytic) <= allowed < np.inf)

    def _slopes(self, chosen: np.ndarray, signs: np.ndarray, h: float) -> tuple[float, float]:
        below, above = (self._moved(chosen, signs * step) for step in (-h, h))
        return (self.here - below) / h, (above - self.here) / h

    def _moved(self, chosen: np.ndarray, by: np.ndarray) -> float:
        x = self.arrays[self.which]
        xp = namespace(x)
        step = np.zeros(self.gradient.size)
        step[chosen] = by
        moved = x + xp.asarray(step.reshape(self.gradient.shape), dtype=x.dtype, device=x.device)
        arrays = [moved if i == self.which else other for i, other in enumerate(self.arrays)]
        return float(self.cost(pytree.rebuilt(self.params, iter(arrays))))


def _badness(difference: Difference) -> float:
    apart = abs(difference.numeric - difference.analytic)
    return apart if apart == apart else np.inf
