"""Special functions, functions beyond the standard and gates of users for a batch: a loop over it is the reference."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from tests.special.test_special import CALLS, NAMES, ONCE, UFUNCS, WITH_SLOPES, total

N = 3
X = np.random.default_rng(0).uniform(0.2, 0.8, (N, 2, 4))
Axes = tuple[int | None, ...]
PAIRS = ("hinge", "multiclass_hinge", "safe_divide", "sigmoid_cross_entropy", "softmax_cross_entropy")


def of_one(name: str) -> Callable[..., Any]:
    """A function beyond the standard as a function of one array."""
    f = getattr(cr.functions, name)
    if name == "maxout":
        return lambda x: f(x, pieces=2)
    return (lambda x: f(x, 1 - x)) if name in PAIRS else f


@cr.gate
def cube(xp: Any, x: Any) -> Any:
    """x^3."""
    return x * x * x, (lambda g: g * 3 * x * x,)


# Functions of one array.
OF_ONE = {
    **{f"functions.{name}": of_one(name) for name in cr.functions.__all__},
    **{f"special.{name}": getattr(cr.special, name) for name in ("logsumexp", "softmax", "log_softmax")},
    "special.multigammaln": lambda x: cr.special.multigammaln(x + 2, 3),
    "cube": cube,
}


def batch(name: str) -> tuple[list[np.ndarray], Axes]:
    """The arguments of a special function: a batch of each that has a slope, the others the same for all."""
    given = [np.asarray(x) for x in CALLS[name]]
    axes = tuple(0 if i in WITH_SLOPES[name] else None for i in range(len(given)))
    arrays = [x if a is None else np.stack([x, 0.9 * x, 0.8 * x]) for x, a in zip(given, axes, strict=True)]
    return arrays, axes


def assert_as_in_a_loop(f: Callable[..., Any], arrays: Sequence[np.ndarray], axes: Axes) -> None:
    got = cr.vmap(f, axes)(*arrays)
    looped = [f(*(x if a is None else x[i] for x, a in zip(arrays, axes, strict=True))) for i in range(N)]
    several = isinstance(got, tuple | list)
    for k, y in enumerate(got if several else [got]):
        assert type(y) is np.ndarray
        np.testing.assert_allclose(y, np.stack([one[k] if several else one for one in looped]), rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_special_functions_and_their_gradients(name: str):
    f, (arrays, axes) = getattr(cr.special, name), batch(name)
    assert_as_in_a_loop(f, arrays, axes)
    numbers = WITH_SLOPES[name]
    slope = cr.grad(lambda *xs: total(f(*xs)), numbers)
    assert_as_in_a_loop(slope, arrays, axes)
    outside = cr.grad(lambda *xs: total(cr.vmap(f, axes)(*xs)), numbers)(*arrays)
    for y, wanted in zip(outside, cr.vmap(slope, axes)(*arrays), strict=True):
        np.testing.assert_allclose(y, wanted, rtol=1e-13)
    twice = [i for i in numbers if i not in ONCE.get(name, ())]
    first = cr.grad(lambda *xs: total(f(*xs)), twice)
    assert_as_in_a_loop(cr.grad(lambda *xs: total(tuple(first(*xs))), twice), arrays, axes)


@pytest.mark.parametrize("name", UFUNCS)
def test_scipys_functions_in_a_mapped_function(name: str):
    f, (arrays, axes) = getattr(scipy.special, name), batch(name)
    assert_as_in_a_loop(lambda *xs: f(*xs), arrays, axes)


@pytest.mark.parametrize("name", OF_ONE)
def test_functions_of_one_array_handed_to_vmap_as_they_are(name: str):
    f = OF_ONE[name]
    assert_as_in_a_loop(f, [X], (0,))
    assert_as_in_a_loop(cr.grad(lambda x: np.sum(f(x) ** 2)), [X], (0,))
    assert_as_in_a_loop(cr.vmap(f), [X], (0,))
    assert_as_in_a_loop(cr.jacobian(f), [X], (0,))
