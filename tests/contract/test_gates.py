"""The gradient contract, over every gate, place and dtype."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from chainrule.autodiff.gradcheck import check_gradients
from chainrule.gates import standard
from tests.contract.operations import OPERATIONS, Operation
from tests.helpers.devices import Place, place

EVERY = pytest.mark.parametrize("operation", OPERATIONS, ids=[o.id for o in OPERATIONS])
ELEMENTWISE = [o for o in OPERATIONS if o.elementwise]


def function(operation: Operation, at: Place) -> Any:
    space = cr.differentiable(at.xp)
    return lambda *arrays: operation.f(space, *map(space.asarray, arrays))


def test_every_gate_has_a_row():
    names = {
        f"{part}.{name}" if part in ("linalg", "fft") else name
        for part in ("main", "linalg", "fft", "beyond", "internal")
        for name, kind, _ in standard.functions(part)
        if kind in ("gate", "composed")
    }
    assert names == {operation.gate for operation in OPERATIONS}


@EVERY
@pytest.mark.parametrize("name", ["cpu", "strict:device1"])
def test_first_and_second_order_agree_with_central_differences(operation: Operation, name: str):
    at = place(name)
    arrays = [at.array(x) for x in operation.arrays()]
    check_gradients(function(operation, at), *arrays, order=2)


def total(operation: Operation, at: Place) -> Any:
    """The operation followed by a sum of squares, so that no gradient is a constant."""
    space = cr.differentiable(at.xp)

    def f(*arrays: Any) -> Any:
        parts = [y for _, y in pytree.leaves(operation.f(space, *arrays), "")]
        return sum((space.sum(y * y) for y in parts[1:]), space.sum(parts[0] * parts[0]))

    return f


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_has_its_inputs_shape_dtype_and_device(operation: Operation, here: Place, dtype: str):
    arrays = [here.array(x, dtype) for x in operation.arrays()]
    f = total(operation, here)
    if operation.gate == "astype":
        dtype = "float64"
    value, grads = cr.value_and_grad(f, tuple(range(len(arrays))))(*arrays)
    assert value.dtype == getattr(here.xp, dtype)
    for x, g in zip(arrays, grads, strict=True):
        assert type(g) is type(x)
        assert (g.shape, g.dtype, g.device) == (x.shape, x.dtype, x.device)


@EVERY
def test_an_outer_gradient_passes_through_the_pullback_of_a_plain_array(operation: Operation, here: Place):
    arrays = [here.array(x) for x in operation.arrays()]
    f, numbers = total(operation, here), tuple(range(len(arrays)))
    space = cr.differentiable(here.xp)

    def scaled(t: Any) -> Any:
        grads = cr.grad(lambda *xs: f(*xs) * t, numbers)(*arrays)
        return sum((space.sum(g) for g in grads[1:]), space.sum(grads[0]))

    slope = float(cr.grad(scaled)(here.array(2.0)))
    expected = sum(float(here.xp.sum(g)) for g in cr.grad(f, numbers)(*arrays))
    assert slope == pytest.approx(expected, rel=1e-12, abs=1e-12)


SEVERAL = [o for o in OPERATIONS if len(o.draws) > 1]


@pytest.mark.parametrize("operation", SEVERAL, ids=[o.id for o in SEVERAL])
def test_one_argument_may_belong_to_an_outer_transform(operation: Operation, here: Place):
    arrays = [here.array(x) for x in operation.arrays()]
    f, space = total(operation, here), cr.differentiable(here.xp)
    for inner in range(len(arrays)):

        def slope(t: Any, inner: int = inner) -> Any:
            t = space.asarray(t)
            g = cr.grad(f, inner)(*(x if i == inner else t * x for i, x in enumerate(arrays)))
            return space.sum(g * g)  # the sum of g itself is 0 for softmax, whatever t is

        cr.check_gradients(slope, here.array(1.0))


@EVERY
def test_what_one_value_gets_from_two_uses_adds_up(operation: Operation, here: Place):
    arrays = [here.array(x, "float32") for x in operation.arrays()]
    f, numbers = total(operation, here), tuple(range(len(arrays)))
    once = cr.grad(f, numbers)(*arrays)
    twice = cr.grad(lambda *xs: f(*xs) + f(*xs), numbers)(*arrays)
    for g, h in zip(once, twice, strict=True):
        np.testing.assert_allclose(here.numpy(h), 2 * here.numpy(g), rtol=1e-6)


@EVERY
def test_the_value_is_that_of_the_namespace_below(operation: Operation):
    at = place("cpu")
    names = operation.gate.split(".")
    plain = np.linalg if names[0] == "linalg" else np
    if not hasattr(plain, names[-1]) or operation.gate == "put":
        pytest.skip("beyond the standard")
    arrays = [at.array(x) for x in operation.arrays()]
    space = cr.differentiable(np)
    followed = cr.vjp(function(operation, at), *arrays)[0]
    constant = operation.f(space, *(space.asarray(x) for x in arrays))
    pairs = zip(pytree.leaves(followed, ""), pytree.leaves(constant, ""), strict=True)
    for (_, a), (_, b) in pairs:
        np.testing.assert_allclose(a, b.value, rtol=1e-12)


@pytest.mark.parametrize("operation", ELEMENTWISE, ids=[o.id for o in ELEMENTWISE])
def test_a_masked_element_gets_0_wherever_it_lies(operation: Operation, here: Place):
    space = cr.differentiable(here.xp)
    points = np.array([-1000.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 1000.0])
    grid = np.meshgrid(*[points] * len(operation.draws))
    arrays = [here.array(x) for x in grid]
    off = here.array(np.zeros(grid[0].shape), "bool")

    def masked(*xs: Any) -> Any:
        return space.sum(space.where(off, operation.f(space, *xs), 0))

    with np.errstate(all="ignore"):
        grads = cr.grad(masked, tuple(range(len(arrays))))(*arrays)
    for g in grads:
        assert np.all(here.numpy(g) == 0)


BINARY = [o for o in ELEMENTWISE if len(o.draws) == 2]


@pytest.mark.parametrize("operation", BINARY, ids=[o.id for o in BINARY])
@pytest.mark.parametrize(
    "shapes",
    [((3, 1), (1, 4)), ((4,), (3, 4)), ((), (2,)), ((1, 1), ()), ((2, 1), (2, 0)), ((0,), (1,))],
    ids=str,
)
def test_broadcasting_is_undone(operation: Operation, here: Place, shapes: Any):
    arrays = []
    for x, shape in zip(operation.arrays(), shapes, strict=True):
        arrays.append(here.array(np.resize(x, shape)))
    f = total(operation, here)
    grads = cr.grad(f, (0, 1))(*arrays)
    full = np.broadcast_arrays(*(here.numpy(x) for x in arrays))
    whole = cr.grad(f, (0, 1))(*(here.array(x) for x in full))
    for g, h, shape in zip(grads, whole, shapes, strict=True):
        assert g.shape == shape
        padded = (1,) * (full[0].ndim - len(shape)) + shape
        axes = tuple(i for i, n in enumerate(padded) if n != full[0].shape[i])
        np.testing.assert_allclose(
            here.numpy(g), here.numpy(h).sum(axes, keepdims=True).reshape(shape), rtol=1e-12
        )


EMPTY = [(o, shape) for o in OPERATIONS if o.empty for shape in ([o.empty] if len(o.draws) > 1 else o.empty)]


@pytest.mark.parametrize(("operation", "shape"), EMPTY, ids=[f"{o.id}-{s}" for o, s in EMPTY])
def test_axes_of_length_0(operation: Operation, shape: Any, here: Place):
    shapes = shape if len(operation.draws) > 1 else [shape]
    arrays = [here.array(np.ones(s)) for s in shapes]
    with np.errstate(all="ignore"):
        grads = cr.grad(total(operation, here), tuple(range(len(arrays))))(*arrays)
    assert [g.shape for g in grads] == list(shapes)


@EVERY
def test_gradients_are_the_callers_own(operation: Operation):
    at = place("cpu")
    arrays = [at.array(x) for x in operation.arrays()]
    _, pullback = cr.vjp(function(operation, at), *arrays)
    out = function(operation, at)(*arrays)
    g = pytree.mapped(lambda y: np.ones(y.shape), out)
    grads = pullback(g)
    others = [g for _, g in pytree.leaves(g, "")]
    for i, one in enumerate(grads):
        assert one.flags.writeable
        assert not any(np.shares_memory(one, other) for other in (*grads[:i], *others, *arrays))
