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
    own = {"output", "pullback_0", "pullback_1", "_sigmoid_losses_and_dz", "_sign_of_real"}
    own |= {rule.__name__ for rule, _, _ in RULES.values()}
    return kernels.sources(own)


@pytest.mark.parametrize("architecture", [75, 90])
def test_nvrtc_compiles_every_kernel(sources, architecture):
    from cupy_on_cpu.nvrtc import complaint

    assert len(sources) > 2 * (len(RULES) + 2 * len(GATES))
    assert {source: said for source in sources if (said := complaint(Path(source), architecture))} == {}
