"""vmap and the gradients in both orders, orders 1 and 2: a loop over the batch is the reference."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from tests.batching.test_functions import N, batches, subsets
from tests.contract.operations import OPERATIONS, Operation
from tests.helpers.devices import Place, place

CASES = [
    (o, mapped) for o in OPERATIONS if o.id not in ("getitem-mask", "assigned-mask") for mapped in subsets(o)
]
EVERY = pytest.mark.parametrize(("operation", "mapped"), CASES, ids=[f"{o.id}-{m}" for o, m in CASES])


def total(operation: Operation, at: Place) -> Any:
    """The operation followed by a sum of squares, so that no gradient is a constant."""
    space = cr.differentiable(at.xp)

    def f(*arrays: Any) -> Any:
        parts = [y for _, y in pytree.leaves(operation.f(space, *map(space.asarray, arrays)), "")]
        return sum((space.sum(y * y) for y in parts[1:]), space.sum(parts[0] * parts[0]))

    return f


def given(operation: Operation, mapped: tuple[int, ...], at: Place) -> list[Any]:
    return [at.array(x) for x in batches(operation, mapped)]


def row(arrays: list[Any], mapped: tuple[int, ...], i: int) -> list[Any]:
    return [x[i, ...] if k in mapped else x for k, x in enumerate(arrays)]


def assert_same(at: Place, got: Any, expected: list[Any], rtol: float = 1e-10) -> None:
    for k, g in enumerate(got):
        wanted = np.stack([at.numpy(e[k]) for e in expected])
        assert type(g) is type(expected[0][k])
        scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
        np.testing.assert_allclose(at.numpy(g), wanted, rtol=rtol, atol=rtol * scale)


@EVERY
@pytest.mark.parametrize("name", ["cpu", "strict:device1"])
def test_the_gradient_for_each_element(operation: Operation, mapped: tuple[int, ...], name: str):
    at = place(name)
    arrays = given(operation, mapped, at)
    gradient = cr.grad(total(operation, at), tuple(range(len(arrays))))
    axes = tuple(0 if k in mapped else None for k in range(len(arrays)))
    got = cr.vmap(gradient, axes)(*arrays)
    assert_same(at, got, [gradient(*row(arrays, mapped, i)) for i in range(N)])


@EVERY
@pytest.mark.parametrize("name", ["cpu", "strict:device1"])
def test_the_gradient_of_a_sum_over_the_batch(operation: Operation, mapped: tuple[int, ...], name: str):
    at = place(name)
    arrays, numbers = given(operation, mapped, at), tuple(range(len(operation.draws)))
    f, space = total(operation, at), cr.differentiable(at.xp)
    axes = tuple(0 if k in mapped else None for k in numbers)
    got = cr.grad(lambda *xs: space.sum(cr.vmap(f, axes)(*xs)), numbers)(*arrays)
    looped = cr.grad(lambda *xs: sum(f(*row(list(xs), mapped, i)) for i in range(N)), numbers)(*arrays)
    for g, wanted in zip(got, looped, strict=True):
        assert type(g) is type(wanted)
        wanted = at.numpy(wanted)
        scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
        np.testing.assert_allclose(at.numpy(g), wanted, rtol=1e-10, atol=1e-10 * scale)


@EVERY
def test_second_derivatives_in_both_orders(operation: Operation, mapped: tuple[int, ...]):
    at = place("cpu")
    arrays, numbers = given(operation, mapped, at), tuple(range(len(operation.draws)))
    f, axes = total(operation, at), tuple(0 if k in mapped else None for k in range(len(operation.draws)))

    def slope(*xs: Any) -> Any:
        return sum(np.sum(np.sin(g)) for g in cr.grad(f, numbers)(*xs))

    second = cr.grad(slope, numbers)
    expected = [second(*row(arrays, mapped, i)) for i in range(N)]
    assert_same(at, cr.vmap(second, axes)(*arrays), expected, 1e-8)
    outside = cr.grad(lambda *xs: np.sum(cr.vmap(slope, axes)(*xs)), numbers)(*arrays)
    for k, g in enumerate(outside):
        wanted = np.stack([e[k] for e in expected])
        wanted = wanted if k in mapped else wanted.sum(0)
        scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
        np.testing.assert_allclose(g, wanted, rtol=1e-8, atol=1e-8 * scale)
