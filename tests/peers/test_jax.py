"""chainrule beside JAX: every operation of the contract's table, the edges, and random expression graphs.

It needs the extra `peers` and is skipped by name without it.
"""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import chainrule as cr
from chainrule import pytree
from tests.contract.operations import OPERATIONS, Operation
from tests.helpers import graphs

jax = pytest.importorskip("jax", reason="jax is in the extra `peers`")
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy

# Functions that JAX names otherwise or lacks: our own adjoints, and functions beyond the standard.
ELSEWHERE: dict[str, Any] = {
    "sigmoid": jax.nn.sigmoid,
    "log_sigmoid": jax.nn.log_sigmoid,
    "softplus": jax.nn.softplus,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "logsumexp": jax.scipy.special.logsumexp,
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
    "norm": jnp.linalg.vector_norm,
    "safe_divide": lambda x, y: jnp.where(y == 0, 0, x / jnp.where(y == 0, 1, y)),
    "sigmoid_cross_entropy": lambda z, y: jax.nn.softplus(z) - y * z,
    "softmax_cross_entropy": lambda z, y: -jnp.sum(y * jax.nn.log_softmax(z), axis=-1),
    "hinge": lambda z, t: jax.nn.relu(1 - t * z),
    "multiclass_hinge": lambda z, y: jnp.sum(
        (1 - y) * jax.nn.relu(1 + z - jnp.sum(y * z, axis=-1, keepdims=True)), axis=-1
    ),
    "maxout": lambda z, pieces: jnp.max(jnp.reshape(z, (*z.shape[:-1], -1, pieces)), axis=-1),
    "_logaddexp2": jnp.logaddexp2,
    "_cbrt": jnp.cbrt,
    "_convolve_vectors": jnp.convolve,
    "linalg": jnp.linalg,
}
SLOPES = ("complement", "direction", "over", "power_log", "sech_squared", "unit")
WITHOUT = {
    **dict.fromkeys(SLOPES, "ours alone: the slope of another gate, as a gate"),
    "put": "ours alone: the adjoint of take",
    "scatter": "ours alone: the adjoint of indexing",
    "to_device": "its devices are not the standard's strings",
    "linalg.qr-wide": "has no rule for more columns than rows",
    "linalg.eig": "asks for an opt-in to the gradients of vectors",
    "getitem-mask": "cannot trace a boolean mask",
}
# Where the two differ on purpose: {name: (f, x, ours, JAX's, why)}.
DIFFERENT = {
    "abs": (
        lambda xp, x: xp.abs(x),
        [0.0],
        [0.0],
        [1.0],
        "JAX takes the slope from the right; we take the mean",
    ),
    "norm": (
        lambda xp, x: xp.linalg.vector_norm(x),
        [0.0, 0.0],
        [0.0, 0.0],
        [np.nan, np.nan],
        "0 / 0 in JAX",
    ),
    "hypot": (lambda xp, x: xp.hypot(x, x), [0.0], [0.0], [1.0], "JAX takes the slope from the right"),
    "std": (lambda xp, x: xp.std(x), [1.0, 1.0], [0.0, 0.0], [np.nan, np.nan], "0 / 0 in JAX"),
    "where-sqrt": (
        lambda xp, x: xp.where(x > 0, xp.sqrt(x), 0),
        [0.0],
        [0.0],
        [np.nan],
        "0 times infinity in JAX",
    ),
    "sort": (
        lambda xp, x: xp.sort(x)[:1],
        [1.0, 1.0],
        [0.5, 0.5],
        [1.0, 0.0],
        "JAX follows the order; we share",
    ),
    "clip": (
        lambda xp, x: xp.clip(x, 0.0, 1.0),
        [0.0, 1.0],
        [1.0, 1.0],
        [0.5, 0.5],
        "JAX composes max and min",
    ),
}


class Jax:
    def __getattr__(self, name: str) -> Any:
        return ELSEWHERE.get(name) or getattr(jnp, name)


def total(f: Any, xp: Any) -> Any:
    def value(*arrays: Any) -> Any:
        parts = pytree.flat(f(xp, *arrays))
        return sum((xp.sum(y * y) for y in parts[1:]), xp.sum(parts[0] * parts[0]))

    return value


def shared(operation: Operation) -> bool:
    return operation.gate not in WITHOUT and operation.id not in WITHOUT


SHARED = [operation for operation in OPERATIONS if shared(operation)]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("operation", SHARED, ids=[o.id for o in SHARED])
def test_operations_agree(operation: Operation, seed: int):
    arrays = operation.arrays(seed)
    numbers = tuple(range(len(arrays)))
    ours, g = cr.value_and_grad(total(operation.f, cr.differentiable(np)), numbers)(*arrays)
    theirs, h = jax.value_and_grad(total(operation.f, Jax()), numbers)(*map(jnp.asarray, arrays))
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    for a, b in zip(g, h, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


EMPTY = [(o, s) for o in SHARED if o.empty for s in ([o.empty] if len(o.draws) > 1 else o.empty)]


@pytest.mark.parametrize(("operation", "shape"), EMPTY, ids=[f"{o.id}-{s}" for o, s in EMPTY])
def test_axes_of_length_0_agree(operation: Operation, shape: Any):
    arrays = [np.ones(s) for s in (shape if len(operation.draws) > 1 else [shape])]
    numbers = tuple(range(len(arrays)))
    with np.errstate(all="ignore"):
        ours, g = cr.value_and_grad(total(operation.f, cr.differentiable(np)), numbers)(*arrays)
        theirs, h = jax.value_and_grad(total(operation.f, Jax()), numbers)(*map(jnp.asarray, arrays))
    np.testing.assert_allclose(ours, theirs)
    for a, b in zip(g, h, strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("name", DIFFERENT)
def test_the_edges_differ_where_we_say_they_do(name: str):
    f, x, ours, theirs, _ = DIFFERENT[name]
    space = cr.differentiable(np)
    g = cr.grad(lambda x: space.sum(f(space, x)))(np.array(x))
    h = jax.grad(lambda x: jnp.sum(f(jnp, x)))(jnp.array(x))
    np.testing.assert_array_equal(g, ours)
    np.testing.assert_array_equal(h, theirs)


@settings(max_examples=int(os.environ.get("CHAINRULE_GRAPHS", "50")), database=None)
@given(graphs.programs, graphs.inputs)
def test_graphs_agree(program, chosen):
    arrays = graphs.arrays(chosen)
    numbers, space = tuple(range(len(arrays))), cr.differentiable(np)
    ours, g = cr.value_and_grad(lambda *xs: graphs.run(space, program, *xs), numbers)(*arrays)
    theirs, h = jax.value_and_grad(lambda *xs: graphs.run(jnp, program, *xs), numbers)(
        *map(jnp.asarray, arrays)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    for a, b in zip(g, h, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
