"""Gradients compared with finite differences: the engine's gradients of a function, and gradients written by hand."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule import pytree
from chainrule.autodiff.finite_differences import Direction, FiniteDifferences
from chainrule.autodiff.judging import Difference, Judge
from chainrule.autodiff.traced import plain_value
from chainrule.autodiff.transforms import jvp, vjp
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.helpers import device_of, is_complex, real_product
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import is_array
from chainrule.validation import check_function, whole_number

_MODES = ("reverse", "forward")
# Arrays up to this size are checked element by element, larger ones in a random direction only.
_EVERY_ELEMENT = 64
_RTOL = 1e-5


class CannotTellError(AssertionError):
    """The values of a function do not tell whether its gradients are right: its rounding hides its slopes."""


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

    f takes and returns arrays or nested lists, tuples and dicts of them; it is run in float64 and complex128 on the
    device of args. Its results are summed with random weights; each array of up to 64 elements is moved element by
    element. A larger one is moved in a random direction, and where the slopes along that differ by more than rounding,
    halves of the direction lead to an element. Forward mode is checked in one random direction of all arrays. With
    order=2 the gradient itself is checked too, and so on. A complex array is one of real and imaginary parts, along a
    new last axis.

    Each element moves in proportion to its size, a 0 to the median size of its array, by several steps that are
    extrapolated where one does not do. Slopes may differ by rtol of the larger one, 1e-5 unless given, by the error
    that steps and f's measured rounding leave to the numeric slope, and by atol, 0 unless given.

    Raises AssertionError that names the worst element, its numeric and its analytic value, and says where
    f has a kink, at args or nearer to them than 4e-6 of the typical size. A NaN on either side is a failure.
    Raises CannotTellError, an AssertionError, where rounding hides all slopes by an array, as of x**2 + 1e20. Slopes
    far below the largest of their array are judged against that. A slope of 0 is right where f is constant
    around args, to its own precision. A kink at which the gradient is the mean of both slopes is not found.
    """
    check_function("check_gradients", f)
    if not isinstance(modes, tuple | list) or not modes or not all(mode in _MODES for mode in modes):
        raise ValueError(
            f"check_gradients: modes are 'reverse' and 'forward', in a tuple of one or both; got {modes!r}"
        )
    order = whole_number("check_gradients", "order", order, 1)
    seed = whole_number("check_gradients", "seed", seed)
    f, args = _of_floating_arguments(_of_kinds(f, args), pytree.mapped(_float64, args))
    check = _FunctionCheck(f, args, _bound("rtol", rtol, _RTOL), _bound("atol", atol, 0.0), seed)
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
    worst     where the gradient is wrong; None where it is not found so
    untold    where the cost's rounding hides whether it is right, else None
    """

    name: str
    shape: tuple[int, ...]
    elements: int
    worst: Difference | None
    untold: Difference | None


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
    and where that differs, halves of the direction lead to an element. `cost_and_gradients` is called once.
    Steps and tolerance are those of check_gradients, with its rtol of 1e-5. Where the cost has a kink, any slope
    between those on both sides is right, and beside a kink the slope at steps that do not reach it.

    Raises ValueError for a gradient of another shape or dtype than its parameter.
    """
    _, gradients = cost_and_gradients(params)
    leaves = list(pytree.leaves(params, "params"))
    arrays = [x for _, x in leaves]

    def value(moved: list[Array]) -> float:
        return float(cost(pytree.rebuilt(params, iter(moved))))

    differences = FiniteDifferences(value, arrays)
    called = names or [name for name, _ in leaves]
    given = pytree.along(gradients, params, "gradients")
    for which, (name, x, g) in enumerate(zip(called, arrays, given, strict=True)):
        if tuple(g.shape) != tuple(x.shape) or g.dtype != x.dtype:
            raise ValueError(
                f"check_handwritten_gradients: expected a gradient of shape {tuple(x.shape)} and type {x.dtype} "
                f"for {name}, got {tuple(g.shape)} {g.dtype}"
            )
        judge = Judge(differences, called, np.random.default_rng(seed), _RTOL, 0.0, kinks_pass=True)
        moved, found = judge.array(which, to_numpy(g).ravel(), most, most)
        wrong, untold = (found, None) if found is None or found.told else (None, found)
        yield ParameterCheck(name, tuple(g.shape), moved, wrong, untold)


class _FunctionCheck:
    """The check of one function: its results are summed with random weights, so that they are one number."""

    def __init__(self, f: Callable[..., Any], args: Any, rtol: float, atol: float, seed: int) -> None:
        self.f, self.args = f, args
        self.random = np.random.default_rng(seed)
        self.leaves = pytree.flat(args)
        self.arrays = list(map(_as_pairs, self.leaves))
        self.names = [
            name if pairs is x else f"{name} as (real, imag)"
            for (name, x), pairs in zip(pytree.leaves(args, "args"), self.arrays, strict=True)
        ]
        out, _ = vjp(f, *args)
        self.weights = pytree.mapped(self._random_like, pytree.mapped(_plain, out))
        self.flat_weights = pytree.flat(self.weights)
        self.differences = FiniteDifferences(self._value, self.arrays)
        self.rtol, self.atol = rtol, atol

    def gradient(self, *args: Any) -> Any:
        """Return the gradients of the weighed results, by weights among args or its own: what the next order checks."""
        args, weights = args[: len(self.args)], args[len(self.args) :]
        return vjp(self.f, *args)[1](*(weights or (self.weights,)))

    def reverse(self) -> None:
        judge, analytic = self._judge("reverse"), pytree.flat(self.gradient(*self.args))
        for which, (name, x, g) in enumerate(zip(self.names, self.leaves, analytic, strict=True)):
            if g.shape != x.shape or g.dtype != x.dtype:
                raise AssertionError(
                    f"check_gradients: {name} has shape {x.shape} and dtype {x.dtype}; "
                    f"its gradient came with shape {g.shape} and dtype {g.dtype}"
                )
            _fail_at(judge.array(which, to_numpy(_as_pairs(g)).ravel(), _EVERY_ELEMENT, 0)[1])

    def forward(self) -> None:
        _fail_at(self._judge("forward").direction("forward", self._rate, _EVERY_ELEMENT))

    def _judge(self, mode: str) -> Judge:
        names = [f"{mode}, {name}" for name in self.names]
        return Judge(self.differences, names, self.random, self.rtol, self.atol, kinks_pass=False)

    def _rate(self, direction: Direction) -> float:
        tangents = self._as_args([direction.get(i, x * 0) for i, x in enumerate(self.arrays)])
        return self._weighed(jvp(self.f, self.args, tangents)[1])

    def _value(self, arrays: list[Array]) -> float:
        return self._weighed(self.f(*self._as_args(arrays)))

    def _as_args(self, arrays: list[Array]) -> Any:
        leaves = (
            _of_pairs(x) if like.dtype != x.dtype else x for like, x in zip(self.leaves, arrays, strict=True)
        )
        return pytree.rebuilt(self.args, leaves)

    def _weighed(self, out: Any) -> float:
        return sum(_dot(w, _plain(y)) for w, y in zip(self.flat_weights, pytree.flat(out), strict=True))

    def _random_like(self, x: Array) -> Array:
        xp = namespace(x)
        values = self.random.standard_normal(tuple(x.shape))
        if is_complex(xp, x):
            values = values + 1j * self.random.standard_normal(tuple(x.shape))
        return xp.asarray(values, dtype=x.dtype, device=device_of(x))


def _fail_at(difference: Difference | None) -> None:
    if difference is not None:
        raise (AssertionError if difference.told else CannotTellError)(f"check_gradients: {difference}")


def _bound(name: str, given: Any, default: float) -> float:
    if given is None:
        return default
    if not (isinstance(given, int | float | np.number) and given >= 0):
        raise ValueError(f"check_gradients: {name} must be a number from 0 up, got {given!r}")
    return float(given)


def _of_kinds(f: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any]:
    """Return f, given numbers of NumPy's where args has numbers, and arrays of shape () where it has such.

    Code that asks by isinstance then takes the branch that it takes for args, followed or moved.
    """
    numbers = [isinstance(x, float | complex) or issubclass(type(x), np.generic) for x in pytree.flat(args)]

    def of_kinds(*xs: Any) -> Any:
        leaves = (
            x[()] if is_number else np.asarray(x) if issubclass(type(x), np.generic) else x
            for x, is_number in zip(pytree.flat(xs), numbers, strict=True)
        )
        return f(*pytree.rebuilt(xs, leaves))

    return of_kinds


def _of_floating_arguments(f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Callable[..., Any], Any]:
    """Return f as a function of those arguments alone that hold an array to differentiate by, and these."""
    moving = [i for i, arg in enumerate(args) if any(map(_is_floating, pytree.flat(arg)))]
    if not moving:
        kinds = ", ".join(str(getattr(x, "dtype", type(x).__name__)) for x in pytree.flat(args))
        raise TypeError(
            f"check_gradients: expected an argument with an array of a floating dtype; got {kinds or 'none'}. "
            "Write 3.0 for 3"
        )
    for i in moving:
        for name, leaf in pytree.leaves(args[i], f"args[{i}]"):
            if not _is_floating(leaf):
                raise TypeError(
                    f"check_gradients: expected {name} to be an array of a floating dtype; got {type(leaf).__name__}. "
                    "Give what does not move in an argument of its own, or by a closure"
                )

    def of_moving(*xs: Any) -> Any:
        values = dict(zip(moving, xs, strict=True))
        return f(*(values.get(i, arg) for i, arg in enumerate(args)))

    return f if len(moving) == len(args) else of_moving, tuple(args[i] for i in moving)


def _plain(x: Any) -> Any:
    """Return the array under every level, and a number of Python's as an array."""
    x = plain_value(x)
    return np.asarray(x) if isinstance(x, int | float | complex) else x


def _dot(a: Array, b: Array) -> float:
    xp = namespace(a, b)
    return float(xp.sum(real_product(xp, a, b)))


def _as_pairs(x: Array) -> Array:
    """Return complex numbers as pairs (real, imag) along a new last axis, and real ones as they are."""
    xp = namespace(x)
    return xp.stack([xp.real(x), xp.imag(x)], axis=-1) if is_complex(xp, x) else x


def _of_pairs(x: Array) -> Array:
    xp = namespace(x)
    x = xp.astype(x, xp.complex128)
    return x[..., 0] + x[..., 1] * 1j


def _is_floating(x: Any) -> bool:
    return is_array(x) and bool(namespace(x).isdtype(x.dtype, ("real floating", "complex floating")))


def _float64(x: Any) -> Any:
    if isinstance(x, float | complex):
        return np.asarray(x)
    xp = namespace(x) if _is_floating(x) else None
    return xp.astype(x, xp.complex128 if is_complex(xp, x) else xp.float64) if xp else x
