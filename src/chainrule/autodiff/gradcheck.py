"""check_gradients: backward proved right by numbers that it had no part in."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import plain_namespace, space_of
from chainrule.autodiff.traced import plain_value
from chainrule.autodiff.transforms import jvp, vjp
from chainrule.gates.types import Array
from chainrule.validation import check_function, whole_number

_MODES = ("reverse", "forward")
_EVERY_ELEMENT = (
    64  # arrays up to this size are checked element by element, larger ones in a random direction only
)
# Central differences err by h^2 from the curve and by eps / h from rounding: least at the cube root of eps.
_STEP = float(np.finfo(np.float64).eps) ** (1 / 3)


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
    device of args. Its results are weighed with random numbers; each small argument is moved element by
    element, and all arguments together in a random direction. With order=2 the gradient itself is checked
    too, and so on.

    Raises AssertionError that names the worst element, its numeric and its analytic value, and says where
    f has a kink. A NaN on either side is a failure. A kink at which the gradient is the mean of both
    slopes is not found.
    """
    check_function("check_gradients", f)
    if not isinstance(modes, tuple | list) or not modes or not all(mode in _MODES for mode in modes):
        raise ValueError(
            f"check_gradients: modes are 'reverse' and 'forward', in a tuple of one or both; got {modes!r}"
        )
    order, seed = (
        whole_number("check_gradients", "order", order, 1),
        whole_number("check_gradients", "seed", seed),
    )
    for name, number in (("rtol", rtol), ("atol", atol)):
        if number is not None and not (isinstance(number, int | float | np.number) and number >= 0):
            raise ValueError(f"check_gradients: {name} must be a number from 0 up, got {number!r}")
    args = pytree.mapped(_float64, args)
    moving = [i for i, arg in enumerate(args) if any(map(_is_floating, pytree.flat(arg)))]
    if not moving:
        kinds = ", ".join(str(getattr(x, "dtype", type(x).__name__)) for x in pytree.flat(args))
        raise TypeError(
            f"check_gradients: expected an argument with an array of a real floating dtype; got {kinds or 'none'}. "
            "Write 3.0 for 3"
        )
    if len(moving) < len(args):
        given, whole = args, f
        args = tuple(args[i] for i in moving)

        def f(*xs: Any) -> Any:
            values = dict(zip(moving, xs, strict=True))
            return whole(*(values.get(i, arg) for i, arg in enumerate(given)))

    check = _Check(f, args, 1e-5 if rtol is None else rtol, 1e-7 if atol is None else atol, seed)
    if "reverse" in modes:
        check.reverse()
    if "forward" in modes:
        check.forward()
    if order > 1:
        # Forward mode moves the result's gradient too; without it the next order does.
        seeds = () if "forward" in modes or not all(map(_is_floating, check.seeds)) else (check.weights,)
        check_gradients(
            check.gradient, *args, *seeds, order=order - 1, modes=modes, rtol=rtol, atol=atol, seed=seed + 1
        )


class _Check:
    def __init__(self, f: Callable[..., Any], args: Any, rtol: float, atol: float, seed: int) -> None:
        self.f, self.args, self.rtol, self.atol = f, args, rtol, atol
        self.random = np.random.default_rng(seed)
        self.names = [name for name, _ in pytree.leaves(args, "args")]
        self.arrays = [x for _, x in pytree.leaves(args, "args")]
        out, _ = vjp(f, *args)
        self.weights = pytree.mapped(self._random_like, pytree.mapped(_plain, out))
        self.seeds = list(_leaves(self.weights))

    def gradient(self, *args: Any) -> Any:
        """Return the gradients of the weighed result, by given weights or its own: what the next order checks."""
        args, seeds = args[: len(self.args)], args[len(self.args) :]
        return vjp(self.f, *args)[1](*(seeds or (self.weights,)))

    def reverse(self) -> None:
        analytic = [g for _, g in pytree.leaves(self.gradient(*self.args), "")]
        for which, (x, g) in enumerate(zip(self.arrays, analytic, strict=True)):
            if g.shape != x.shape or g.dtype != x.dtype:
                raise AssertionError(
                    f"check_gradients: {self.names[which]} has shape {x.shape} and dtype {x.dtype}; "
                    f"its gradient came with shape {g.shape} and dtype {g.dtype}"
                )
            if x.size <= _EVERY_ELEMENT:
                self._every_element(which, x, g)
        direction = [self._random_like(x) for x in self.arrays]
        pairs = zip(direction, analytic, strict=True)
        self._compare("reverse, in a random direction", direction, sum(_dot(d, g) for d, g in pairs))

    def forward(self) -> None:
        direction = [self._random_like(x) for x in self.arrays]
        _, rate = jvp(self.f, self.args, pytree.rebuilt(self.args, iter(direction)))
        self._compare("forward, in a random direction", direction, self._weighed(rate))

    def _every_element(self, which: int, x: Array, g: Array) -> None:
        worst: tuple[float, str] = (0.0, "")
        for i, index in enumerate(np.ndindex(*x.shape)):
            unit = _one_at(x, i)
            direction = [unit if j == which else None for j in range(len(self.arrays))]
            excess, text = self._difference(direction, float(g[index]))
            if not excess <= 0 and (not worst[1] or not excess <= worst[0]):
                worst = excess, f"reverse, {self.names[which]}{list(index)}: {text}"
        if worst[1]:
            raise AssertionError(f"check_gradients: {worst[1]}")

    def _compare(self, what: str, direction: list[Any], analytic: float) -> None:
        excess, text = self._difference(direction, analytic)
        if not excess <= 0:
            raise AssertionError(f"check_gradients: {what}: {text}")

    def _difference(self, direction: list[Any], analytic: float) -> tuple[float, str]:
        """Return by how much the disagreement exceeds what is allowed, and what there is to say about it."""
        here, (left, right) = self._along(direction, 0.0), self._slopes(direction, _STEP)
        numeric = (left + right) / 2
        allowed = self.atol * (1 + abs(here)) + self.rtol * max(abs(numeric), abs(analytic))
        excess = abs(numeric - analytic) - allowed
        if excess <= 0:
            return excess, ""
        text = f"numeric {numeric:.10g}, analytic {analytic:.10g}"
        # On a smooth curve both slopes approach each other as the step shrinks; at a kink they stay apart.
        nearer = self._slopes(direction, _STEP / 10)
        if abs(right - left) > 10 * allowed and abs(nearer[1] - nearer[0]) > abs(right - left) / 2:
            text += f"; there is a kink here, slope {left:.10g} on the left and {right:.10g} on the right"
        return excess, text

    def _slopes(self, direction: list[Any], h: float) -> tuple[float, float]:
        here = self._along(direction, 0.0)
        return (here - self._along(direction, -h)) / h, (self._along(direction, h) - here) / h

    def _along(self, direction: list[Any], h: float) -> float:
        moved = [x if d is None or h == 0 else x + d * h for x, d in zip(self.arrays, direction, strict=True)]
        return self._weighed(self.f(*pytree.rebuilt(self.args, iter(moved))))

    def _weighed(self, out: Any) -> float:
        pairs = zip(_leaves(self.weights), _leaves(out), strict=True)
        return sum(_dot(w, y) for w, y in pairs)

    def _random_like(self, x: Array) -> Array:
        values = self.random.standard_normal(tuple(x.shape))
        return plain_namespace(x).asarray(values, dtype=x.dtype, device=x.device)


def _leaves(tree: Any) -> Iterator[Any]:
    return (_plain(leaf) for _, leaf in pytree.leaves(tree, ""))


def _plain(x: Any) -> Any:
    """Return the array under every level, and a number of Python's as one."""
    return np.asarray(x) if isinstance(x, int | float) else plain_value(x)


def _dot(a: Array, b: Array) -> float:
    return float(plain_namespace(a).sum(a * b))


def _one_at(x: Array, i: int) -> Array:
    xp = plain_namespace(x)
    hot = xp.reshape(xp.arange(x.size, device=x.device) == i, x.shape)
    return xp.astype(hot, x.dtype)


def _is_floating(x: Any) -> bool:
    return hasattr(x, "dtype") and space_of(x)._is_floating(x.dtype)


def _float64(x: Any) -> Any:
    if isinstance(x, float):
        return np.asarray(x)
    xp = plain_namespace(x) if _is_floating(x) else None
    return xp.astype(x, xp.float64) if xp else x
