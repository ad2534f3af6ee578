"""Gradients compared with finite differences: the engine's gradients of a function, and gradients written by hand."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule import pytree
from chainrule.autodiff.finite_differences import ROUNDING, Difference, FiniteDifferences, Tolerance, worst
from chainrule.autodiff.traced import plain_value
from chainrule.autodiff.transforms import jvp, vjp
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.types import Array
from chainrule.numpy.coercion import is_array
from chainrule.validation import check_function, whole_number

_MODES = ("reverse", "forward")
# Arrays up to this size are checked element by element, larger ones in a random direction only.
_EVERY_ELEMENT = 64


def check_gradients(
    f: Callable[..., Any],
    *args: Any,
    order: int = 1,
    modes: Sequence[str] = ("reverse", "forward"),
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the gradients of f at args with central differences, (f(x + h) - f(x - h)) / 2h.

    f takes and returns arrays or nested lists, tuples and dicts of them; it is run in float64 on the
    device of args. Its results are summed with random weights; each array of up to 64 elements is moved
    element by element, and all arrays together in a random direction. With order=2 the gradient itself
    is checked too, and so on. rtol is 1e-5 and atol 1e-7 unless given.

    Raises AssertionError that names the worst element, its numeric and its analytic value, and says where
    f has a kink. A NaN on either side is a failure. A kink at which the gradient is the mean of both
    slopes is not found.
    """
    check_function("check_gradients", f)
    if not isinstance(modes, tuple | list) or not modes or not all(mode in _MODES for mode in modes):
        raise ValueError(
            f"check_gradients: modes are 'reverse' and 'forward', in a tuple of one or both; got {modes!r}"
        )
    order = whole_number("check_gradients", "order", order, 1)
    seed = whole_number("check_gradients", "seed", seed)
    tolerance = Tolerance(_bound("rtol", rtol, 1e-5), _bound("atol", atol, 1e-7))
    f, args = _of_floating_arguments(f, pytree.mapped(_float64, args))
    check = _FunctionCheck(f, args, tolerance, seed)
    if "reverse" in modes:
        check.reverse()
    if "forward" in modes:
        check.forward()
    if order > 1:
        # Forward mode moves the weights of the results too; without it, the check of the next order moves them.
        weights = (
            () if "forward" in modes or not all(map(_is_floating, check.flat_weights)) else (check.weights,)
        )
        check_gradients(
            check.gradient, *args, *weights, order=order - 1, modes=modes, rtol=rtol, atol=atol, seed=seed + 1
        )


class ParameterCheck(NamedTuple):
    """What a comparison with finite differences says of the gradient of one parameter array.

    elements  how many elements were moved one by one
    worst     the largest difference; None where there is none
    largest   the largest |gradient|
    faint     whether an error of a thousandth of `largest` would be lost in rounding
    """

    name: str
    shape: tuple[int, ...]
    elements: int
    worst: Difference | None
    largest: float
    faint: bool


def check_handwritten_gradients(
    cost: Callable[[Any], Array],
    cost_and_gradients: Callable[[Any], tuple[Array, Any]],
    params: Any,
    *,
    names: Sequence[str] | None = None,
    most: int = 64,
    seed: int = 0,
) -> Iterator[ParameterCheck]:
    """Compare gradients of a cost, written by hand, with central differences: yield one result for each parameter.

    params are arrays, float64 on one device, or nested lists, tuples and dicts of them; the gradients are shaped as
    they are. `names` are what messages call the arrays. Of an array of up to `most` elements each is moved. Of a larger
    one `most` are moved, half of them where the gradient is largest and half at random; then all in a random direction,
    and where only that fails, halves of the direction lead to an element. `cost_and_gradients` is called once.
    Where the cost has a kink, any slope between those on both sides is right.

    Raises ValueError for a gradient of another shape or dtype than its parameter.
    """
    _, gradients = cost_and_gradients(params)
    leaves = list(pytree.leaves(params, "params"))
    arrays = [x for _, x in leaves]

    def value(moved: list[Array]) -> float:
        return float(cost(pytree.rebuilt(params, iter(moved))))

    differences = FiniteDifferences(value, arrays, Tolerance(1e-5, ROUNDING), kinks_pass=True)
    called = names or [name for name, _ in leaves]
    given = pytree.along(gradients, params, "gradients")
    for which, (name, x, g) in enumerate(zip(called, arrays, given, strict=True)):
        if tuple(g.shape) != tuple(x.shape) or g.dtype != x.dtype:
            raise ValueError(
                f"check_handwritten_gradients: expected a gradient of shape {tuple(x.shape)} and type {x.dtype} "
                f"for {name}, got {tuple(g.shape)} {g.dtype}"
            )
        yield _Parameter(differences, name, which, to_numpy(g)).check(most, np.random.default_rng(seed))


class _Parameter:
    """One parameter array, `arrays[which]` of the differences, and its gradient."""

    def __init__(self, differences: FiniteDifferences, name: str, which: int, gradient: np.ndarray) -> None:
        self.differences, self.name, self.which, self.gradient = differences, name, which, gradient

    def check(self, most: int, rng: "np.random.Generator") -> ParameterCheck:
        sizes, chosen = np.abs(self.gradient).ravel(), np.arange(self.gradient.size)
        if sizes.size > most:
            largest = np.argsort(-sizes, kind="stable")[: most // 2]
            chosen = np.unique(
                np.concatenate([largest, rng.choice(sizes.size, most - most // 2, replace=False)])
            )
        difference = worst(map(self._element, chosen.tolist()))
        if sizes.size > most and difference is None:
            difference = self._search(np.arange(sizes.size), rng.choice([-1.0, 1.0], sizes.size))
        height = float(np.max(sizes))
        faint = height / 1000 <= self.differences.rounding()
        return ParameterCheck(self.name, self.gradient.shape, len(chosen), difference, height, faint)

    def _element(self, i: int) -> Difference | None:
        return self.differences.compare_element(self.name, self.which, i, float(self.gradient.ravel()[i]))

    def _search(self, chosen: np.ndarray, signs: np.ndarray) -> Difference | None:
        """Return a difference along a direction of +1 and -1, narrowed by halves down to an element that has one."""
        if len(chosen) == 1:
            return self._element(int(chosen[0]))
        analytic = float(self.gradient.ravel()[chosen] @ signs)
        direction = self.differences.elements(self.which, chosen, signs)
        difference = self.differences.compare(self.name, direction, analytic)
        if difference is None:
            return None
        middle = len(chosen) // 2
        halves = ((chosen[:middle], signs[:middle]), (chosen[middle:], signs[middle:]))
        return next((found for half in halves if (found := self._search(*half))), difference)


class _FunctionCheck:
    """The check of one function: its results are summed with random weights, so that they are one number."""

    def __init__(self, f: Callable[..., Any], args: Any, tolerance: Tolerance, seed: int) -> None:
        self.f, self.args = f, args
        self.random = np.random.default_rng(seed)
        self.names = [name for name, _ in pytree.leaves(args, "args")]
        self.arrays = pytree.flat(args)
        out, _ = vjp(f, *args)
        self.weights = pytree.mapped(self._random_like, pytree.mapped(_plain, out))
        self.flat_weights = pytree.flat(self.weights)
        self.differences = FiniteDifferences(self._value, self.arrays, tolerance)

    def gradient(self, *args: Any) -> Any:
        """Return the gradients of the weighed results, by weights among args or its own: what the next order checks."""
        args, weights = args[: len(self.args)], args[len(self.args) :]
        return vjp(self.f, *args)[1](*(weights or (self.weights,)))

    def reverse(self) -> None:
        analytic = pytree.flat(self.gradient(*self.args))
        for which, (name, x, g) in enumerate(zip(self.names, self.arrays, analytic, strict=True)):
            if g.shape != x.shape or g.dtype != x.dtype:
                raise AssertionError(
                    f"check_gradients: {name} has shape {x.shape} and dtype {x.dtype}; "
                    f"its gradient came with shape {g.shape} and dtype {g.dtype}"
                )
            if x.size <= _EVERY_ELEMENT:
                slopes = to_numpy(g).ravel()
                compare = self.differences.compare_element
                _fail_at(worst(compare(f"reverse, {name}", which, i, float(d)) for i, d in enumerate(slopes)))
        direction = self._random_direction()
        slope = sum(_dot(direction[i], g) for i, g in enumerate(analytic))
        _fail_at(self.differences.compare("reverse", direction, slope))

    def forward(self) -> None:
        direction = self._random_direction()
        _, rate = jvp(self.f, self.args, pytree.rebuilt(self.args, iter(direction.values())))
        _fail_at(self.differences.compare("forward", direction, self._weighed(rate)))

    def _value(self, arrays: list[Array]) -> float:
        return self._weighed(self.f(*pytree.rebuilt(self.args, iter(arrays))))

    def _weighed(self, out: Any) -> float:
        return sum(_dot(w, _plain(y)) for w, y in zip(self.flat_weights, pytree.flat(out), strict=True))

    def _random_direction(self) -> dict[int, Array]:
        return {i: self._random_like(x) for i, x in enumerate(self.arrays)}

    def _random_like(self, x: Array) -> Array:
        values = self.random.standard_normal(tuple(x.shape))
        return namespace(x).asarray(values, dtype=x.dtype, device=x.device)


def _fail_at(difference: Difference | None) -> None:
    if difference is not None:
        raise AssertionError(f"check_gradients: {difference}")


def _bound(name: str, given: Any, default: float) -> float:
    if given is None:
        return default
    if not (isinstance(given, int | float | np.number) and given >= 0):
        raise ValueError(f"check_gradients: {name} must be a number from 0 up, got {given!r}")
    return float(given)


def _of_floating_arguments(f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Callable[..., Any], Any]:
    """Return f as a function of those arguments alone that hold an array to differentiate by, and these."""
    moving = [i for i, arg in enumerate(args) if any(map(_is_floating, pytree.flat(arg)))]
    if not moving:
        kinds = ", ".join(str(getattr(x, "dtype", type(x).__name__)) for x in pytree.flat(args))
        raise TypeError(
            f"check_gradients: expected an argument with an array of a real floating dtype; got {kinds or 'none'}. "
            "Write 3.0 for 3"
        )

    def of_moving(*xs: Any) -> Any:
        values = dict(zip(moving, xs, strict=True))
        return f(*(values.get(i, arg) for i, arg in enumerate(args)))

    return f if len(moving) == len(args) else of_moving, tuple(args[i] for i in moving)


def _plain(x: Any) -> Any:
    """Return the array under every level, and a number of Python's as an array."""
    return np.asarray(x) if isinstance(x, int | float) else plain_value(x)


def _dot(a: Array, b: Array) -> float:
    return float(namespace(a).sum(a * b))


def _is_floating(x: Any) -> bool:
    return is_array(x) and bool(namespace(x).isdtype(x.dtype, "real floating"))


def _float64(x: Any) -> Any:
    if isinstance(x, float):
        return np.asarray(x)
    xp = namespace(x) if _is_floating(x) else None
    return xp.astype(x, xp.float64) if xp else x
