"""Random expression graphs against central differences: no peer is needed."""

import os

import numpy as np
from hypothesis import assume, given, settings

import chainrule as cr
from tests.helpers.graphs import arrays, inputs, programs, run


@settings(max_examples=int(os.environ.get("CHAINRULE_GRAPHS", "150")), derandomize=True)
@given(programs, inputs)
def test_graphs_agree_with_central_differences(program, chosen):
    space = cr.differentiable(np)
    leaves = arrays(chosen)
    # Near a kink a difference says nothing: two steps of different length then disagree.
    coarse, fine = (slope(program, leaves, h) for h in (1e-5, 5e-6))
    assume(np.allclose(coarse, fine, rtol=1e-4, atol=1e-5))
    grads = cr.grad(lambda *xs: run(space, program, *xs), tuple(range(len(leaves))))(*leaves)
    for x, g in zip(leaves, grads, strict=True):
        assert (g.shape, g.dtype) == (x.shape, x.dtype)
    along = sum(np.sum(g * d) for g, d in zip(grads, directions(leaves), strict=True))
    np.testing.assert_allclose(along, fine, rtol=1e-4, atol=1e-5)


def directions(leaves):
    random = np.random.default_rng(1)
    return [random.standard_normal(x.shape) for x in leaves]


def slope(program, leaves, h):
    space = cr.differentiable(np)
    ends = [
        float(
            run(
                space,
                program,
                *(space.asarray(x + s * h * d) for x, d in zip(leaves, directions(leaves), strict=True)),
            )
        )
        for s in (1, -1)
    ]
    return (ends[0] - ends[1]) / (2 * h)
