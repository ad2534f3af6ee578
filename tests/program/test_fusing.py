"""Chains of elementwise calls: on CuPy one kernel each, to rounding; on NumPy one loop each, bit for bit."""

import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from chainrule.program import build, code, fusing
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


@pytest.fixture
def uncompiled(monkeypatch):
    """Let Python itself run the loops, of arrays of any size: compiling one takes Numba a good part of a second."""
    monkeypatch.setattr(pytest.importorskip("numba").config, "DISABLE_JIT", True)
    monkeypatch.setattr(code, "LARGE", 1)
    monkeypatch.setattr(code, "HUGE", 1)


def training():
    """Return some steps of Adam, and what they take."""
    rule, random = cr.optim.adam(0.01), np.random.default_rng(0)

    def cost(params, X):
        H = X
        for W, b in params:
            H = np.maximum(H @ W + b, 0)
        return np.mean(np.where(H > 1, H, H / 3) * H)

    def f(params, X, steps):
        state = rule.init(params)
        for _ in range(steps):
            params, state = rule.update(cr.grad(cost)(params, X), state, params)
        return params, state["square"]

    params = [(random.normal(size=(4, 4)).astype("float32"), np.zeros(4, "float32")) for _ in range(2)]
    return f, params, random.normal(size=(4, 4)).astype("float32")


def bits(tree):
    return [(x.dtype, x.shape, x.tobytes()) for x in pytree.flat(tree)]


def test_a_program_of_loops_has_the_bits_of_one_without_and_writes_over_nothing_of_the_callers(uncompiled):
    f, params, X = training()
    plain, looped, before = cr.compile(f), cr.compile(f, fused=True), bits((params, X))
    first = looped(params, X, 3)
    kept = bits(first)
    assert kept == bits(plain(params, X, 3))
    assert bits(looped(params, -X, 3)) == bits(plain(params, -X, 3)) != kept
    assert (bits(first), bits((params, X))) == (kept, before)
    assert "numba" not in plain.source(params, X, 3)


def test_a_loop_does_not_write_over_what_it_reads_by_a_view(uncompiled):
    def f(a):
        x = a * a + 1
        v = x.T
        s = v.sum(axis=0)
        return (x - v) * (v + x), s

    a = np.arange(16.0).reshape(4, 4)
    assert bits(cr.compile(f, fused=True)(a)) == bits(f(a))


def test_making_masks_is_left_to_numpy(uncompiled):
    x = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)
    looped = cr.compile(lambda x: ((x * x - x).astype(bool), (x * x - x) * (x > 0)), fused=True)
    assert looped.source(x).count(".astype(") == 1
    assert bits(looped(x)) == bits(((x * x - x).astype(bool), (x * x - x) * (x > 0)))


def test_the_code_of_loops_runs_in_an_empty_session(uncompiled):
    f, params, X = training()
    looped, session = cr.compile(f, fused=True), {}
    source = looped.source(params, X, 1)
    exec(source, session)
    assert bits(session["f"](params, X, 1)) == bits(looped(params, X, 1))
    # Layers share loops: some are called more than once.
    assert source.count("loop") > 2 * source.count("def loop")


def test_a_compiled_loop_takes_rows_columns_any_order_and_what_is_not_finite():
    pytest.importorskip("numba")

    def f(x, y, row, column, rate):
        z = np.maximum((x * 0.1 - row) / (y * y - column), y) * rate
        return z, np.where(z >= np.abs(x), np.sqrt(x), -z) + 0.3, (z > 0).astype(x.dtype) * x

    x = np.linspace(-2, 2, 256 * 64, dtype="float32").reshape(256, 64)
    x[3, :5] = np.nan, np.inf, -np.inf, 0.0, -0.0
    args = x, np.asfortranarray(x[::-1]), x[5], x[:, 6:7], 0.7
    looped = cr.compile(f, fused=True)
    with np.errstate(all="ignore"):
        for mine, its in zip(looped(*args), f(*args), strict=True):
            np.testing.assert_array_equal(mine, its)
            assert mine.dtype == its.dtype
    assert looped.source(*args).count("loop") == 2  # the one loop, and its call


def test_without_numba_loops_are_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(build, "numba", fusing.numba.__wrapped__)
    with pytest.raises(ImportError, match=r"fused=True needs Numba .*chainrule\[fast\]"):
        cr.compile(lambda x: (x * x + 1) / x, fused=True)(np.ones(10000))
