"""Random graphs, compiled: value and gradient equal to those of the function itself, bit for bit.

CHAINRULE_GRAPHS says how many.
"""

import os
import random

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from chainrule.backend.namespaces import namespace
from chainrule.program import code
from tests.helpers import graphs

GRAPHS = int(os.environ.get("CHAINRULE_GRAPHS", "40"))
OPERATIONS = len(graphs.UNARY) + len(graphs.BINARY)


@pytest.mark.parametrize("large", [1, code.LARGE, "loops"], ids=["written-over", "usual", "loops"])
@pytest.mark.parametrize("start", range(0, GRAPHS, 10))
def test_a_compiled_graph_gives_the_bits_of_the_graph(
    start: int, large: int | str, monkeypatch: pytest.MonkeyPatch
):
    fused = None
    if large == "loops":
        # Python runs the loops as they are written; compiling them all would take minutes.
        monkeypatch.setattr(pytest.importorskip("numba").config, "DISABLE_JIT", True)
        large, fused = 1, True
    monkeypatch.setattr(code, "LARGE", large)
    monkeypatch.setattr(code, "HUGE", large)
    for seed in range(start, start + 10):
        draw = random.Random(seed)
        length = draw.randint(2, 30)
        program = [
            (draw.randrange(OPERATIONS), draw.randrange(10), draw.randrange(10)) for _ in range(length)
        ]
        shapes = [draw.choice(graphs.SHAPES) for _ in range(draw.randint(1, 3))]
        leaves = graphs.arrays((shapes, seed))

        def total(*xs, program=program):
            space = cr.differentiable(namespace(*xs))
            return graphs.run(space, program, *map(space.asarray, xs))

        f = cr.value_and_grad(total, tuple(range(len(leaves))))
        compiled, before = cr.compile(f, fused=fused), [x.copy() for x in leaves]
        with np.errstate(all="ignore"):
            expected, first, second = f(*leaves), compiled(*leaves), compiled(*leaves)
            compiled(*[x + 1 for x in leaves])
        for results in (first, second):
            for x, y in zip(pytree.flat(expected), pytree.flat(results), strict=True):
                assert (x.dtype, x.shape) == (y.dtype, y.shape)
                np.testing.assert_array_equal(x, y)
        for x, y in zip(leaves, before, strict=True):
            np.testing.assert_array_equal(x, y)
