"""vmap beside jax.vmap: every row of the contract's table, batched in each argument and in all, orders 0, 1 and 2.

The rows that JAX cannot do, with the reasons, are in WITHOUT of `test_jax.py`; for them a loop over the batch is the
reference, in tests/batching. It needs the extra `peers` and is skipped by name without it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from tests.batching.test_functions import batches, subsets
from tests.contract.operations import Operation

jax = pytest.importorskip("jax", reason="jax is in the extra `peers`")
from tests.peers.test_jax import SHARED, Jax, total  # noqa: E402

STEP_BY_STEP = ("repeat-counts",)  # jax.jit takes no counts that are made inside
CASES = [(o, mapped) for o in SHARED for mapped in subsets(o)]


def of_batch(operation: Operation, peer: Any, xp: Any, space: Any, axes: Any) -> Callable[..., Any]:
    """The function that gives the results for a batch, and the gradients at orders 1 and 2 inside and outside vmap."""
    numbers = tuple(range(len(axes)))

    def results(*xs: Any) -> Any:
        return pytree.flat(operation.f(space, *map(space.asarray, xs)))

    def cost(*xs: Any) -> Any:
        return total(operation.f, space)(*map(space.asarray, xs))

    def slope(*xs: Any) -> Any:
        return sum(xp.sum(xp.sin(g)) for g in peer.grad(cost, numbers)(*xs))

    def every(*xs: Any) -> dict[str, Any]:
        found = {"vmap": peer.vmap(results, axes)(*xs)}
        for order, f in enumerate((cost, slope), 1):
            found[f"vmap(grad), order {order}"] = peer.vmap(peer.grad(f, numbers), axes)(*xs)
            summed = peer.grad(lambda *xs, f=f: xp.sum(peer.vmap(f, axes)(*xs)), numbers)
            found[f"grad(vmap), order {order}"] = summed(*xs)
        return found

    return every


@pytest.mark.parametrize(("operation", "mapped"), CASES, ids=[f"{o.id}-{m}" for o, m in CASES])
def test_batches_agree(operation: Operation, mapped: tuple[int, ...]):
    arrays = batches(operation, mapped)
    axes = tuple(0 if k in mapped else None for k in range(len(arrays)))
    ours = of_batch(operation, cr, np, cr.differentiable(np), axes)(*arrays)
    reference = of_batch(operation, jax, jax.numpy, Jax(), axes)
    if operation.id not in STEP_BY_STEP:
        reference = jax.jit(reference)
    theirs = reference(*map(jax.numpy.asarray, arrays))
    assert ours.keys() == theirs.keys()
    for what, expected in theirs.items():
        rtol, atol = (1e-10, 1e-10) if what == "vmap" else (1e-8, 1e-9)
        for a, b in zip(ours[what], expected, strict=True):
            assert type(a) is np.ndarray
            scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol * scale, err_msg=what)
