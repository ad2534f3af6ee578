"""Every row of the contract's table, compiled: the numbers of the function itself, bit for bit."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from chainrule.backend.namespaces import namespace
from tests.contract.operations import OPERATIONS, Operation
from tests.helpers.devices import place

# The shape of x[mask] depends on the values of x.
REPLAYABLE = [o for o in OPERATIONS if not o.id.endswith("-mask")]
EVERY = pytest.mark.parametrize("operation", REPLAYABLE, ids=[o.id for o in REPLAYABLE])


def of(operation: Operation) -> Any:
    """The operation as a function of plain arrays, traced ones or recorded ones."""

    def f(*arrays: Any) -> Any:
        space = cr.differentiable(namespace(*arrays))
        out = operation.f(space, *map(space.asarray, arrays))
        return tuple(out) if isinstance(out, tuple) else out

    return f


def total(operation: Operation) -> Any:
    def f(*arrays: Any) -> Any:
        parts = pytree.flat(of(operation)(*arrays))
        return sum(((y * y).sum() for y in parts[1:]), (parts[0] * parts[0]).sum())

    return f


def value(operation: Operation) -> Any:
    def f(*arrays: Any) -> Any:
        return pytree.mapped(lambda y: y.value, of(operation)(*arrays))

    return f


def gradients(operation: Operation) -> Any:
    return cr.value_and_grad(total(operation), tuple(range(len(operation.draws))))


def second_order(operation: Operation) -> Any:
    inner = cr.grad(total(operation), tuple(range(len(operation.draws))))

    def f(*arrays: Any) -> Any:
        return sum((g * g).sum() for g in inner(*arrays))

    return cr.grad(f, tuple(range(len(operation.draws))))


def forward_mode(operation: Operation) -> Any:
    f = of(operation)
    return lambda *xs: cr.jvp(f, xs, tuple(x * 0 + 0.5 for x in xs))


KINDS = {"value": value, "gradient": gradients, "second": second_order, "jvp": forward_mode}


def same(a: Any, b: Any) -> None:
    first, second = pytree.flat(a), pytree.flat(b)
    assert len(first) == len(second)
    for x, y in zip(first, second, strict=True):
        assert type(y) is np.ndarray
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        np.testing.assert_array_equal(x, y)


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_row_gives_the_bits_of_the_row(operation: Operation, kind: str, dtype: str):
    f = KINDS[kind](operation)
    compiled = cr.compile(f)
    for seed in (0, 1):
        arrays = [x.astype(dtype) for x in operation.arrays(seed)]
        before = [x.copy() for x in arrays]
        with np.errstate(all="ignore"):
            expected = f(*arrays)
            same(expected, compiled(*arrays))
            same(expected, compiled(*arrays))
        same(before, arrays)


@pytest.mark.parametrize("operation", REPLAYABLE[::3], ids=[o.id for o in REPLAYABLE[::3]])
def test_on_a_device_of_another_library(operation: Operation):
    at = place("strict:device1")
    arrays = [at.array(x) for x in operation.arrays()]

    def f(*xs: Any) -> Any:
        space = cr.differentiable(namespace(*xs))
        parts = pytree.flat(of(operation)(*xs))
        return sum((space.sum(y * y) for y in parts[1:]), space.sum(parts[0] * parts[0]))

    both = cr.value_and_grad(f, tuple(range(len(arrays))))
    compiled = cr.compile(both)
    compiled(*arrays)
    for x, y in zip(pytree.flat(both(*arrays)), pytree.flat(compiled(*arrays)), strict=True):
        assert type(y) is type(x)
        assert (y.dtype, y.shape, y.device) == (x.dtype, x.shape, x.device)
        np.testing.assert_array_equal(at.numpy(x), at.numpy(y))
