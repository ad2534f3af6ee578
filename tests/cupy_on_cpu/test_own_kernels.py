"""The kernels that this project has CuPy make: their numbers are NumPy's, and the real NVRTC compiles them."""

from pathlib import Path

import numpy as np
import pytest

from tests.backend.test_fusion import EVERY_GATE, EVERY_RULE, GATES, RULES, arrays
from tests.cupy_on_cpu import IN_FRONT

if not IN_FRONT:
    pytest.skip(
        "CuPy on the CPU was not asked for (PYTHONPATH=$PWD/tests/cupy_on_cpu asks)", allow_module_level=True
    )

import cupy
from cupy_on_cpu import kernels

import chainrule as cr
from chainrule.models import logistic

XP = cr.get_device("cuda").xp
Z = np.array([[-1000, -87.5, -2, -0.1, -0.0], [0, 0.1, 2, 87.5, 1000]])


def by_rule(name, dtype):
    rule, count, numbers = RULES[name]
    given = arrays(count, (33, 5), dtype)
    return rule(np, *given, *numbers), rule(XP, *map(cupy.asarray, given), *numbers)


def by_gate(name, dtype):
    gate, count = GATES[name]
    given = [x.astype(dtype) for x in [Z, *arrays(1)][:count]]
    g = arrays(1, seed=3)[0].astype(dtype)
    found = []
    for xp, put in ((np, np.asarray), (XP, cupy.asarray)):
        y, pullbacks = gate(xp, *map(put, given))
        found.append([y, *(pullback(put(g)) for pullback in pullbacks)])
    return found


def ulps(one, other):
    """Return the largest distance of two arrays in units of the last place, and 0 where it is itself nearly subnormal.

    A float32 kernel flushes subnormal numbers to 0, also on the way to a result.
    """
    distance, tiny = np.abs(one - other), np.finfo(one.dtype).smallest_normal
    unit = np.spacing(np.maximum(np.abs(one), tiny))
    return float(np.max(np.where(distance <= 4 * tiny, 0, distance / unit)))


@EVERY_RULE
def test_a_rule_computes_what_numpy_computes(name, dtype):
    for expected, got in zip(*by_rule(name, dtype), strict=True):
        np.testing.assert_array_equal(got.get(), expected)


@EVERY_GATE
def test_a_gate_computes_what_numpy_computes(name, dtype):
    for expected, got in zip(*by_gate(name, dtype), strict=True):
        assert ulps(expected, got.get()) <= 4


# The kernels of a step of a network that are neither a gate's nor an optimiser's rule.
OF_A_STEP = {
    *("one_hot", "softmax_cross_entropy", "_sum_of_shares", "_add_penalty"),
    *("_scale", "_square_of_share", "_factor"),
}


def take_a_step(dtype):
    net = cr.MLP((5, 3), output="softmax", penalty=cr.ElasticNet(0.1))
    rule = cr.optimizers.clipped(cr.optimizers.adam(), 1.0)
    params = net.init(0, "cuda", dtype)
    for y in (np.array([0, 2]), np.array([0, 2], dtype)):
        _, gradients = net.cost_and_gradients(params, cupy.asarray(Z.astype(dtype)), cupy.asarray(y))
        rule.update(gradients, rule.init(params), params)


@pytest.fixture(scope="module")
def sources():
    """Return the sources of all kernels that rules, gates, costs and signs are made of."""
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc")
    try:
        nvrtc.getVersion()
    except Exception as error:
        pytest.skip(f"NVRTC is missing, which nvidia-cuda-nvrtc and nvidia-cuda-runtime bring ({error})")
    for dtype in ("float32", "float64"):
        for name in RULES:
            by_rule(name, dtype)
        for name in GATES:
            by_gate(name, dtype)
        X, y, w = (cupy.asarray(x.astype(dtype)) for x in (Z, np.ones(2), np.ones(5)))
        logistic.by_matmul(X, y, w, 0.5)
        XP.sign(X)
        take_a_step(dtype)
    own = {"output", "pullback_0", "pullback_1", "_sigmoid_losses_and_dz", "_sign_of_real"}
    own |= OF_A_STEP
    own |= {rule.__name__ for rule, _, _ in RULES.values()}
    return kernels.sources(own)


@pytest.mark.parametrize("architecture", [75, 90])
def test_nvrtc_compiles_every_kernel(sources, architecture):
    from cupy_on_cpu.nvrtc import complaint

    assert len(sources) > 2 * (len(RULES) + 2 * len(GATES) + len(OF_A_STEP))
    assert {source: said for source in sources if (said := complaint(Path(source), architecture))} == {}
