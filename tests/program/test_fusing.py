"""On CuPy chains of elementwise calls are one kernel each: fewer launches, the same numbers to rounding."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from tests.helpers.devices import device_asked_for


@pytest.fixture
def gpu():
    return device_asked_for("cuda")


def network(xp):
    def cost(params, X):
        H = X
        for W, b in params:
            H = xp.tanh(H @ W + b)
        return (H * H).sum()

    return cr.value_and_grad(cost)


def step(xp, dtype, rate):
    def f(w, x):
        def cost(w):
            return (xp.where(x > 0, xp.exp(-w * x) / (1 + x * x), 2 * w) ** 2).sum()

        J, dw = cr.value_and_grad(cost)(w)
        return J, w - rate * 2 * dw * (1 + w * w), xp.sqrt(w * w + 1) > x

    w = np.linspace(-1, 1, 5, dtype=dtype)
    return f, w, w[::-1] * 2


def test_a_fused_program_has_the_numbers_of_numpy(gpu):
    f, *args = step(gpu.xp, "float32", 0.3)
    compiled = cr.compile(f)
    mine = compiled(*map(gpu.asarray, args))
    its = step(np, "float32", 0.3)[0](*args)
    assert ".fuse()" in compiled.source(*map(gpu.asarray, args))
    for a, b in zip(mine, its, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(gpu.to_numpy(a), b, rtol=1e-6)


def test_a_fused_program_launches_fewer_kernels(gpu):
    counts = pytest.importorskip(
        "cupy_on_cpu", reason="launches are counted on the device that tests/cupy_on_cpu pretends"
    ).counts
    random = np.random.default_rng(0)
    params = [
        (gpu.asarray(random.normal(size=(4, 4)), dtype="float32"), gpu.asarray(np.zeros(4), dtype="float32"))
        for _ in range(4)
    ]
    X, f = gpu.asarray(np.eye(4), dtype="float32"), network(gpu.xp)
    launches, results = {}, {}
    for name, g in {"eager": f, "compiled": cr.compile(f, fused=False), "fused": cr.compile(f)}.items():
        g(params, X)
        counts.clear()
        results[name] = list(map(gpu.to_numpy, pytree.flat(g(params, X))))
        launches[name] = counts.kernels
    for a, b in zip(results["fused"], results["eager"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert launches == {"eager": 33, "compiled": 37, "fused": 26}


def test_numpys_names_are_followed_on_cupy(gpu):
    x = gpu.asarray(np.linspace(-1, 1, 6).reshape(2, 3))
    f = cr.compile(lambda x: np.sum(np.tanh(x) * x, axis=0))
    np.testing.assert_allclose(gpu.to_numpy(f(x)), gpu.to_numpy(np.sum(np.tanh(x) * x, axis=0)), rtol=1e-12)


def test_on_numpy_there_is_no_kernel():
    f, *args = step(np, "float64", 0.3)
    assert "fuse" not in cr.compile(f).source(*args)
