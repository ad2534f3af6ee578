import itertools
import os
import subprocess
import sys
from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.backend import hardware, threads
from chainrule.models import logistic
from chainrule.models.kernels import loops, tiles
from chainrule.models.logistic import SPELLINGS
from tests.helpers.arrays import read_only
from tests.helpers.callers import callers_agree

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def problem(m, n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, (rng.random(m) < 0.5).astype(np.float64), rng.standard_normal(n) / np.sqrt(n), 0.3


def on(device, dtype, X, y, w, b):
    return *(read_only(device.asarray(part, dtype)) for part in (X, y, w)), b


def witness(X, y, w, b):
    """Cost and gradient by 50-digit decimals and central differences: no line in common with the spellings."""
    getcontext().prec = 50
    rows = [[Decimal(float(x)) for x in row] for row in X]
    targets = [Decimal(float(value)) for value in y]

    def cost(parameters):
        total = Decimal(0)
        for row, target in zip(rows, targets, strict=True):
            z = sum((x * p for x, p in zip(row, parameters, strict=False)), parameters[-1])
            y_hat = 1 / (1 + (-z).exp())
            total -= target * y_hat.ln() + (1 - target) * (1 - y_hat).ln()
        return total / len(rows)

    at = [Decimal(float(value)) for value in (*w, b)]
    h = Decimal("1e-15")
    slopes = []
    for j in range(len(at)):
        up, down = list(at), list(at)
        up[j] += h
        down[j] -= h
        slopes.append(float((cost(up) - cost(down)) / (2 * h)))
    return float(cost(at)), np.array(slopes[:-1]), slopes[-1]


def agrees(device, step, expected, tolerance):
    for got, want in zip(step, expected, strict=True):
        np.testing.assert_allclose(device.to_numpy(got), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 6), (6, 1), (5, 4), (23, 7)])
def test_every_spelling_agrees_with_a_witness(name, m, n, device, dtype):
    X, y, w, b = (np.float32(part).astype(np.float64) for part in problem(m, n))
    step = SPELLINGS[name](*on(device, dtype, X, y, w, float(b)))
    agrees(device, step, witness(X, y, w, b), TOLERANCE[dtype])


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_agrees_with_autograd(name):
    autograd = pytest.importorskip("autograd", reason="autograd, of the extra peers, is not installed")
    anp = pytest.importorskip("autograd.numpy")
    X, y, w, b = problem(40, 9)

    def cost(w, b):
        y_hat = 1 / (1 + anp.exp(-(anp.dot(X, w) + b)))
        return -anp.mean(y * anp.log(y_hat) + (1 - y) * anp.log(1 - y_hat))

    expected = cost(w, b), *autograd.grad(cost, (0, 1))(w, b)
    agrees(cr.get_device("cpu"), SPELLINGS[name](X, y, w, b), expected, 1e-12)


@pytest.mark.parametrize("name", sorted({*SPELLINGS} - {"by_loops"}))
@pytest.mark.parametrize("followed", ["w", "b", "X"])
def test_a_cost_is_followed_where_some_of_its_arrays_are(name, followed):
    X, y, w, b = problem(7, 3)
    given = {"X": X, "y": y, "w": w, "b": np.asarray(b)}
    dx = cr.grad(lambda x: SPELLINGS[name](**given | {followed: x})[0])(given[followed])
    _, dw, db = SPELLINGS[name](X, y, w, b)
    dX = logistic.forward(X, y, w, b)[1][:, None] * w[None, :] / 7
    agrees(cr.get_device("cpu"), (dx,), ({"w": dw, "b": db, "X": dX}[followed],), 1e-12)


@given(
    m=st.integers(1, 40),
    n=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(list(TOLERANCE)),
)
@settings(max_examples=60)
def test_the_spellings_agree_with_each_other(m, n, seed, dtype):
    device = cr.get_device("cpu")
    arrays = on(device, dtype, *problem(m, n, seed))
    expected = by_name = {name: spelling(*arrays) for name, spelling in SPELLINGS.items()}
    expected = by_name["by_loops"]
    for step in by_name.values():
        agrees(device, step, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("name", SPELLINGS)
def test_results_are_of_the_input_s_dtype_shape_and_device(name, device, dtype):
    X, y, w, b = on(device, dtype, *problem(4, 3))
    for part, shape in zip(SPELLINGS[name](X, y, w, b), [(), (3,), ()], strict=True):
        assert part.shape == shape
        assert part.dtype == X.dtype
        assert getattr(part, "device", X.device) == X.device


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("z", [0.0, 1e-3, 20.0, 88.8, 104.0, 710.0, 1e4])
@pytest.mark.parametrize(("sign", "y"), [(1, 0), (1, 1), (-1, 0), (-1, 1)])
def test_large_logits_give_finite_right_costs_and_no_warning(name, z, sign, y, device, dtype):
    X, targets, w, b = on(device, dtype, [[1.0], [1.0]], [y, y], [sign * z], 0.0)
    cost, dw, db = (float(device.to_numpy(part).sum()) for part in SPELLINGS[name](X, targets, w, b))
    getcontext().prec = 60
    logit = Decimal(float(np.dtype(dtype).type(sign * z)))
    y_hat = 1 / (1 + (-logit).exp())
    # -log s(z) = log(1 + e^-z) and -log(1 - s(z)) = log(1 + e^z), which no number of digits rounds to log 0.
    right = float((1 + (-logit if y else logit).exp()).ln()), float(y_hat - y)
    tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype]
    tiny = float(np.finfo(dtype).tiny)
    np.testing.assert_allclose(cost, right[0], rtol=tolerance, atol=tiny)
    np.testing.assert_allclose([dw, db], right[1], rtol=tolerance, atol=np.finfo(dtype).eps)


@pytest.mark.parametrize("y_dtype", ["bool", "int64", "uint8"])
def test_targets_may_be_integers_or_booleans(y_dtype, device):
    X, y, w, b = problem(6, 3)
    expected = logistic.by_matmul(X, y, w, b)
    for spelling in SPELLINGS.values():
        step = spelling(device.asarray(X), device.asarray(y.astype(y_dtype)), device.asarray(w), b)
        agrees(device, step, expected, 1e-12)


def test_b_may_be_an_array(device):
    X, y, w, b = problem(6, 3)
    arrays = device.asarray(X), device.asarray(y), device.asarray(w)
    expected = logistic.by_matmul(X, y, w, b)
    for spelling in SPELLINGS.values():
        agrees(device, spelling(*arrays, device.asarray(b)), expected, 1e-12)


class TestTiles:
    @given(m=st.integers(1, 50), rows=st.integers(1, 60), workers=st.integers(1, 9), seed=st.integers(0, 9))
    @settings(max_examples=60)
    def test_any_tiling_gives_the_same_numbers(self, m, rows, workers, seed):
        X, y, w, b = problem(m, 5, seed)
        step = logistic.by_tiles(X, y, w, b, rows=rows, workers=workers)
        agrees(cr.get_device("cpu"), step, logistic.by_matmul(X, y, w, b), 1e-12)

    def test_any_device(self, device, dtype):
        arrays = on(device, dtype, *problem(11, 3))
        step = logistic.by_tiles(*arrays, rows=4, workers=3)
        agrees(
            device, step, [device.to_numpy(part) for part in logistic.by_matmul(*arrays)], TOLERANCE[dtype]
        )

    def test_the_default_tiles_what_the_cache_cannot_hold(self, monkeypatch):
        X, y, w, b = problem(64, 5)
        heights = []
        of_tiles = tiles._of_tiles

        def counted(sums_of, X, y, rows):
            heights.append((X.shape[0], rows))
            return of_tiles(sums_of, X, y, rows)

        monkeypatch.setattr(tiles, "_of_tiles", counted)
        expected = logistic.by_matmul(X, y, w, b)
        agrees(cr.get_device("cpu"), logistic.by_tiles(X, y, w, b), expected, 1e-12)
        assert heights == []
        monkeypatch.setattr(hardware, "cache_bytes", lambda level: 1000)
        monkeypatch.setattr(threads, "blas_threads", lambda: 2)
        agrees(cr.get_device("cpu"), logistic.by_tiles(X, y, w, b), expected, 1e-12)
        assert heights == [(32, 1000 // (21 * 8))] * 2

    def test_without_threadpoolctl_one_worker_does_it(self, monkeypatch):
        monkeypatch.setattr(threads, "_controller", lambda: None)
        X, y, w, b = problem(20, 3)
        step = logistic.by_tiles(X, y, w, b, rows=3, workers=4)
        agrees(cr.get_device("cpu"), step, logistic.by_matmul(X, y, w, b), 1e-12)

    def test_several_callers_at_once_leave_the_threads_as_they_were(self):
        before = threads.blas_threads()
        callers_agree(problem(200, 3), rows=9, workers=2)
        assert threads.blas_threads() == before

    def test_rows_and_workers_fix_the_bits_whatever_other_threads_do(self):
        arrays = problem(20_000, 30)
        step = logistic.by_tiles(*arrays, rows=999, workers=2)
        with threads.one_blas_thread():
            again = logistic.by_tiles(*arrays, rows=999, workers=2)
        assert [x.tobytes() for x in step] == [x.tobytes() for x in again]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_fork_while_another_thread_is_at_it(self):
        code = """
import os, signal, sys, threading
import numpy as np
from chainrule import logistic
from chainrule.models.kernels import tiles

X, y, w = np.ones((4000, 50)), np.ones(4000), np.zeros(50)
inside, go_on = threading.Event(), True
of_tiles = tiles._of_tiles

def told(*arguments):
    inside.set()
    return of_tiles(*arguments)

def busy():
    while go_on:
        logistic.by_tiles(X, y, w, 0.0, rows=10, workers=2)

tiles._of_tiles = told
thread = threading.Thread(target=busy)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    cost = logistic.by_tiles(X, y, w, 0.0, rows=500, workers=2)[0]
    os._exit(0 if abs(cost - np.log(2)) < 1e-12 else 1)
go_on = False
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False)
        assert done.returncode == 0

    @pytest.mark.parametrize("setting", ["rows", "workers"])
    @pytest.mark.parametrize("kind", [np.int64, np.uint8, np.array], ids=["int64", "uint8", "array"])
    def test_whole_numbers_of_numpy_count(self, setting, kind):
        numbers = problem(7, 2)
        for mine, python in zip(
            logistic.by_tiles(*numbers, **{setting: kind(2)}),
            logistic.by_tiles(*numbers, **{setting: 2}),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, python)

    @pytest.mark.parametrize("setting", ["rows", "workers"])
    @pytest.mark.parametrize("value", [0, -1, 2.5, True, "2", np.float64(2.0)])
    def test_rows_and_workers_are_whole_numbers_from_1_up(self, setting, value):
        kind = ValueError if type(value) is int else TypeError
        with pytest.raises(kind, match=f"by_tiles: {setting} must be a whole number from 1 up, got"):
            logistic.by_tiles(*problem(3, 2), **{setting: value})


class TestParts:
    def test_a_single_sample(self, device, dtype):
        X, y, w, b = problem(1, 5)
        X, y, w, b = on(device, dtype, X, y, w, b)
        expected = [device.to_numpy(part) for part in logistic.by_matmul(X, y, w, b)]
        agrees(device, logistic.one_sample(X[0, :], y[0], w, b), expected, TOLERANCE[dtype])
        lists = device.to_numpy(X)[0].tolist(), float(y[0]), device.to_numpy(w).tolist(), b
        agrees(
            device, [device.asarray(part) for part in loops.one_sample(*lists)], expected, TOLERANCE[dtype]
        )

    def test_the_dot_product_by_loop_and_by_matmul(self, device):
        x, w = device.standard_normal((30,), seed=1), device.standard_normal((30,), seed=2)
        by_loop = loops.dot(device.to_numpy(x).tolist(), device.to_numpy(w).tolist())
        np.testing.assert_allclose(by_loop, float(x @ w), rtol=1e-13)

    def test_backward_kept_and_recomputed(self, device, dtype):
        X, y, w, b = on(device, dtype, *problem(12, 4))
        cost, dz = logistic.forward(X, y, w, b)
        kept = logistic.backward(X, dz)
        recomputed = logistic.backward_recomputed(X, y, w, b)
        expected = logistic.by_matmul(X, y, w, b)
        assert float(cost) == float(expected[0])
        for one, two, three in zip(kept, recomputed, expected[1:], strict=True):
            np.testing.assert_array_equal(device.to_numpy(one), device.to_numpy(three))
            np.testing.assert_array_equal(device.to_numpy(two), device.to_numpy(three))

    def test_forward_by_loops_is_the_cost(self):
        X, y, w, b = problem(12, 4)
        lists = X.tolist(), y.tolist(), w.tolist(), b
        assert loops.forward(*lists) == loops.forward_backward(*lists)[0]
        np.testing.assert_allclose(loops.forward(*lists), logistic.forward(X, y, w, b)[0], rtol=1e-13)

    def test_backward_by_loops_is_the_gradient(self):
        X, y, w, b = problem(12, 4)
        dw, db = loops.backward(X.tolist(), logistic.forward(X, y, w, b)[1].tolist())
        expected = logistic.by_matmul(X, y, w, b)
        np.testing.assert_allclose(dw, expected[1], rtol=1e-13)
        np.testing.assert_allclose(db, expected[2], rtol=1e-13)

    def test_predict_is_a_probability(self, device, dtype):
        X, _, w, _ = on(device, dtype, [[0.0], [1e4], [-1e4], [1.0]], [0] * 4, [1.0], 0.0)
        p = device.to_numpy(logistic.predict(X, w, 0.0))
        np.testing.assert_allclose(p, [0.5, 1, 0, 1 / (1 + np.exp(-1))], rtol=1e-6)
        assert p.dtype == dtype

    def test_the_bound_on_the_learning_rate_is_its_formula(self, device, dtype):
        for rows, bound in (
            ([[0.0, 0.0]], 4.0),
            ([[3.0, 4.0], [0.0, 1.0]], 4 / (26 / 2 + 1)),
            ([[1e19, 0.0]], 4e-38),
        ):
            assert logistic.learning_rate_bound(device.asarray(rows, dtype)) == pytest.approx(bound, rel=1e-6)

    def test_the_bound_on_the_learning_rate_refuses_what_it_cannot_bound(self):
        with pytest.raises(ValueError, match=r"learning_rate_bound: .*got up to 1e\+200; scale X down"):
            logistic.learning_rate_bound(np.full((2, 2), 1e200))
        with pytest.raises(TypeError, match=r"learning_rate_bound: .*uint8"):
            logistic.learning_rate_bound(np.ones((2, 2), np.uint8))

    def test_the_bound_on_the_learning_rate_holds(self):
        for seed in range(5):
            X, y, w, b = problem(30, 6, seed)
            rate = logistic.learning_rate_bound(X)
            ones = np.concatenate([X, np.ones((30, 1))], axis=1)
            assert rate <= 4 * 30 / np.linalg.eigvalsh(ones.T @ ones)[-1]
            costs = []
            for _ in range(200):
                cost, dw, db = logistic.by_matmul(X, y, w, b)
                costs.append(cost)
                w, b = w - rate * dw, b - rate * db
            assert all(after <= before for before, after in itertools.pairwise(costs))


class TestRefusals:
    @pytest.mark.parametrize("name", SPELLINGS)
    @pytest.mark.parametrize(
        ("change", "error", "words"),
        [
            (
                {"X": np.ones((3, 2), np.uint8)},
                TypeError,
                "float32 or both float64, got uint8.*divided by 255",
            ),
            ({"w": np.ones(2, np.float32)}, TypeError, "got float64 and float32"),
            (
                {"X": np.ones((3, 2), complex), "w": np.ones(2, complex)},
                TypeError,
                "got complex128",
            ),
            ({"X": np.ones((3, 2), np.float16), "w": np.ones(2, np.float16)}, TypeError, "got float16"),
            ({"X": np.ones((3, 0)), "w": np.ones(0)}, ValueError, "m, n >= 1"),
            ({"y": np.ones(3, complex)}, TypeError, "y must hold real numbers.*complex128"),
            ({"X": [[1.0, 2.0]]}, TypeError, "arrays of one library, got list.*get_device"),
            ({"w": np.ones(3)}, ValueError, r"got X \(3, 2\) and w \(3,\)"),
            ({"w": np.ones((2, 1))}, ValueError, r"w \(2, 1\)"),
            ({"X": np.ones(2)}, ValueError, r"expected X \(m, n\)"),
            ({"X": np.ones((0, 2)), "y": np.ones(0)}, ValueError, "m, n >= 1"),
            ({"y": np.ones(4)}, ValueError, r"expected y \(3,\).*got \(4,\)"),
            ({"y": np.ones((3, 1))}, ValueError, r"got \(3, 1\)"),
            ({"y": np.asarray(1.0)}, ValueError, r"got \(\)"),
            ({"b": np.ones(1)}, ValueError, r"b must be one number, got shape \(1,\)"),
            (
                {"y": np.asarray([1, -1, 1])},
                ValueError,
                r"needs targets from 0 to 1, got -1 \.\. 1; give 0 and 1",
            ),
            ({"y": np.asarray([0, 2, 1])}, ValueError, r"got 0 \.\. 2;"),
            ({"y": np.asarray([0, np.nan, 1])}, ValueError, r"got nan \.\. nan;"),
        ],
    )
    def test_each_says_who_what_came_and_what_was_expected(self, name, change, error, words):
        arguments = {"X": np.ones((3, 2)), "y": np.ones(3), "w": np.ones(2), "b": 0.0} | change
        with pytest.raises(error, match=f"{name}: .*{words}"):
            SPELLINGS[name](**arguments)

    def test_arrays_of_two_libraries(self):
        X, y, w, b = problem(3, 2)
        with pytest.raises(TypeError, match=r"by_matmul: .*one library, got ndarray, ndarray, Array"):
            logistic.by_matmul(X, y, cr.get_device("strict").asarray(w), b)


def test_descending_by_three_nested_loops_is_descending_by_matmul():
    X, y, w, b = problem(9, 4)
    by_loops_w, by_loops_b, costs = loops.descend(
        X.tolist(), y.tolist(), w.tolist(), b, learning_rate=0.1, steps=25
    )
    seen = []
    for _ in range(25):
        cost, dw, db = logistic.by_matmul(X, y, w, b)
        seen.append(cost)
        w, b = w - 0.1 * dw, b - 0.1 * db
    np.testing.assert_allclose(costs, seen, rtol=1e-12)
    np.testing.assert_allclose(by_loops_w, w, rtol=1e-12)
    np.testing.assert_allclose(by_loops_b, b, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda X, y, w: logistic.one_sample(X, y, w, 0.0),
            r"one_sample: .* x \(n,\), no size 0, got \(4, 3\)",
        ),
        (lambda X, y, w: logistic.one_sample([1.0], 0.0, w, 0.0), r"one_sample: .* x \(n,\).* got list"),
        (lambda X, y, w: logistic.backward(X, y[:2]), r"backward: expected dz \(4,\).* got \(2,\); forward"),
        (lambda X, y, w: logistic.backward(w, y), r"backward: .* X \(m, n\).* got \(3,\)"),
        (lambda X, y, w: logistic.learning_rate_bound(X[:0]), r"learning_rate_bound: .* got \(0, 3\)"),
        (
            lambda X, y, w: logistic.learning_rate_bound([[1.0]]),
            r"learning_rate_bound: .* got list; make one",
        ),
    ],
)
def test_what_is_no_sample_no_slope_or_no_samples(call, said):
    with pytest.raises(ValueError, match=said):
        call(np.ones((4, 3)), np.zeros(4), np.ones(3))
