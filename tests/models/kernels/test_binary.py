"""The compiled logistic step against the array API path, and by_tiles with and without it."""

import os
import subprocess
import sys
import tracemalloc
from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.backend import hardware
from chainrule.models import logistic
from chainrule.models.kernels import tiles
from tests.helpers.arrays import read_only
from tests.helpers.callers import callers_agree
from tests.models.test_logistic import TOLERANCE, agrees, problem

N = tiles.KERNEL_FROM


@pytest.fixture(scope="module")
def kernel():
    return pytest.importorskip(
        "chainrule.models.kernels.binary", reason="numba, of the extra fast, is not installed"
    )


def of_dtype(dtype, X, y, w, b):
    return X.astype(dtype), y.astype(dtype), w.astype(dtype), b


@given(
    fours=st.integers(1, 80),
    n=st.integers(1, 600),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(list(TOLERANCE)),
    gap=st.integers(0, 3),
)
@settings(max_examples=25)
def test_it_sums_what_tiles_sum(kernel, fours, n, seed, dtype, gap):
    X, _, w, b = problem(4 * fours, n + gap, seed)
    y = np.random.default_rng(seed).random(4 * fours)
    X, y, w, b = of_dtype(dtype, X, y, w[:n], b)
    X = read_only(X)[:, :n]
    assert kernel.takes(X)
    got = kernel.sums(X, y, w, b)
    assert [(part.dtype, part.shape) for part in got] == [(X.dtype, ()), (X.dtype, (n,)), (X.dtype, ())]
    wide = [np.asarray(part, "float64") for part in (X, y, w)]
    agrees(
        cr.get_device("cpu"),
        [part / X.shape[0] for part in got],
        logistic.by_matmul(*wide, b),
        TOLERANCE[dtype],
    )


@pytest.mark.parametrize("m", [2, 3, 4, 5, 11, 1031])
def test_by_tiles_takes_it_for_all_rows_but_the_last_few(calls, m, dtype):
    X, y, w, b = (read_only(x) if isinstance(x, np.ndarray) else x for x in of_dtype(dtype, *problem(m, N)))
    step = logistic.by_tiles(X, y, w, b)
    assert sum(rows for rows, _ in calls) == m - m % 4
    assert len(calls) == min(2, m // 4)
    agrees(cr.get_device("cpu"), step, logistic.by_matmul(X, y, w, b), TOLERANCE[dtype])
    assert [(part.dtype, part.shape) for part in step] == [(X.dtype, ()), (X.dtype, (N,)), (X.dtype, ())]


def test_a_step_of_one_worker(calls):
    arrays = problem(40, N)
    agrees(cr.get_device("cpu"), logistic.by_tiles(*arrays, workers=1), logistic.by_matmul(*arrays), 1e-12)
    assert calls == [(40, N)]


@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: X[::-1],
        lambda X: X[:, : N - 1],
    ],
    ids=["Fortran's order", "every other column", "from the last row", "few features"],
)
def test_what_it_does_not_take_goes_through_tiles(calls, view):
    X, y, w, b = problem(40, N)
    X = view(X)
    w = w[: X.shape[1]]
    agrees(cr.get_device("cpu"), logistic.by_tiles(X, y, w, b), logistic.by_matmul(X, y, w, b), 1e-12)
    assert calls == []


def test_tiles_that_are_asked_for_are_tiles(calls):
    arrays = problem(40, N)
    agrees(cr.get_device("cpu"), logistic.by_tiles(*arrays, rows=8), logistic.by_matmul(*arrays), 1e-12)
    assert calls == []


@pytest.mark.parametrize("z", [0.0, 1e-3, 20.0, 88.8, 104.0, 710.0, 1e4])
@pytest.mark.parametrize(("sign", "y"), [(1, 0), (1, 1), (-1, 0), (-1, 1)])
def test_large_logits_give_finite_right_costs(kernel, z, sign, y, dtype):
    X, w = np.ones((4, 1), dtype), np.asarray([sign * z], dtype)
    cost, dw, db = (float(part.sum()) / 4 for part in kernel.sums(X, np.full(4, y, dtype), w, 0.0))
    getcontext().prec = 60
    logit = Decimal(float(w[0]))
    right = float((1 + (-logit if y else logit).exp()).ln()), float(1 / (1 + (-logit).exp()) - y)
    tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(cost, right[0], rtol=tolerance, atol=float(np.finfo(dtype).tiny))
    np.testing.assert_allclose([dw, db], right[1], rtol=tolerance, atol=np.finfo(dtype).eps)


@pytest.mark.parametrize("place", [(0, 0), (7, N - 1)])
def test_nan_in_X_reaches_every_result(calls, place, dtype):
    X, y, w, b = of_dtype(dtype, *problem(8, N))
    X[place] = np.nan
    cost, dw, db = logistic.by_tiles(X, y, w, b)
    assert np.isnan([cost, db]).all()
    assert np.isnan(dw).all()
    assert calls


def test_sums_of_many_rows_keep_their_digits(calls):
    X = np.broadcast_to(np.linspace(-1, 1, N, dtype="float32"), (400_003, N))
    y, w = np.full(len(X), 0.3, "float32"), np.zeros(N, "float32")
    cost, dw, db = logistic.by_tiles(X, y, w, 0.0)
    np.testing.assert_allclose(dw, 0.2 * X[0], rtol=1e-5)
    np.testing.assert_allclose([cost, db], [np.log(2), 0.2], rtol=3e-7)
    assert calls


def test_memory_beyond_the_data_is_a_few_gradients(calls):
    for m in (2_000, 200_000):
        X, y, w = np.broadcast_to(np.ones(N), (m, N)), np.ones(m), np.zeros(N)
        logistic.by_tiles(X, y, w, 0.0)
        tracemalloc.start()
        logistic.by_tiles(X, y, w, 0.0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * 3 * N * 8 + 20_000


def test_several_callers_at_once(calls):
    callers_agree(problem(400, N))
    assert len(calls) == 16


STEP = f"""
import numpy as np
from chainrule.backend import hardware, threads
from chainrule.models import logistic
from chainrule.models.kernels import tiles
hardware.cache_bytes, threads.blas_threads = (lambda level: 1000), (lambda: 2)
X, y, w = np.ones((400, {N})), np.ones(400), np.zeros({N})
step = lambda: abs(logistic.by_tiles(X, y, w, 0.0)[0] - np.log(2)) < 1e-12
"""


def run(code, **variables):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", STEP + code],
        env=os.environ | variables,
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.usefixtures("kernel")
class TestProcesses:
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_fork(self):
        run(
            "import os, signal, sys, warnings; warnings.simplefilter('ignore')\n"
            "assert step()\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    signal.alarm(20)\n"
            "    os._exit(0 if step() else 1)\n"
            "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )

    def test_a_thread_that_outlives_the_main_one(self):
        run(
            "import concurrent.futures.thread as pools, threading, time\n"
            "def late():\n"
            "    assert step()\n"
            "    ready.set()\n"
            "    while not pools._shutdown: time.sleep(0.01)\n"
            "    assert step()\n"
            "ready = threading.Event()\n"
            "threading.Thread(target=late).start()\n"
            "ready.wait()\n"
        )

    def test_a_disk_that_takes_nothing(self, tmp_path):
        pytest.importorskip("resource", reason="this system has no limit on the size of files")
        run(
            "import resource, sys\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
            "assert step() and step()\n"
            "assert 'chainrule.models.kernels.binary' in sys.modules\n",
            NUMBA_CACHE_DIR=str(tmp_path),
        )

    def test_a_numba_that_cannot_be_loaded(self, tmp_path):
        (tmp_path / "numba.py").write_text("raise OSError('Could not find/load shared object file')")
        run(
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
            "assert step() and step()\n"
            "assert tiles.compiled_kernel(1) is None\n"
        )

    def test_what_was_compiled_is_kept_for_the_next_process(self, tmp_path):
        run("assert step()", NUMBA_CACHE_DIR=str(tmp_path))
        kept = sorted(tmp_path.rglob("*.nbc"))
        assert kept
        run(
            "from chainrule.models.kernels import binary\nassert step() and binary._kernel.stats.cache_hits",
            NUMBA_CACHE_DIR=str(tmp_path),
        )
        assert sorted(tmp_path.rglob("*.nbc")) == kept


def test_no_folder_to_keep_it_in(kernel, monkeypatch):
    from chainrule.models.kernels import jit

    asked, njit = [], jit.njit

    def without_folder(*, cache=False, **settings):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**settings)

    monkeypatch.setattr(jit, "njit", without_folder)
    assert jit.compiled(lambda x: x + 1, kept=True)(2) == 3
    assert asked == [True, False]


def test_without_numba_it_is_tiles(monkeypatch):
    monkeypatch.setattr(hardware, "cache_bytes", lambda level: 1000)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "chainrule.models.kernels.binary", raising=False)
    monkeypatch.delattr("chainrule.models.kernels.binary", raising=False)
    tiles.compiled_kernel.cache_clear()
    try:
        arrays = problem(40, N)
        agrees(cr.get_device("cpu"), logistic.by_tiles(*arrays), logistic.by_matmul(*arrays), 1e-12)
        assert tiles.compiled_kernel(1) is None
    finally:
        tiles.compiled_kernel.cache_clear()


def test_a_step_that_the_cache_holds_does_not_load_it():
    run(
        "import sys; hardware.cache_bytes = lambda level: 1 << 30\nassert step() and 'numba' not in sys.modules"
    )


@pytest.mark.parametrize(
    ("m", "n", "k", "cache", "asked"),
    [
        (400, 300, 1, 400_000, True),
        (400, 300, 1, 700_000, False),
        (40, 3000, 1, 400_000, False),
        (40, 3000, 1, 200_000, True),
        (40, 3000, 3, 400_000, True),
    ],
)
def test_a_cached_x_of_long_rows_is_for_the_blas(m, n, k, cache, asked, monkeypatch):
    seen = []
    monkeypatch.setattr(hardware, "cache_bytes", lambda level: cache)
    monkeypatch.setattr(tiles, "compiled_kernel", seen.append)
    X, y = np.ones((m, n), "float32"), np.zeros(m, "float32")
    w = np.zeros((n, k) if k > 1 else n, "float32")
    logistic.by_tiles(X, y, w, np.zeros(w.shape[1:], "float32"))
    assert seen == ([k] if asked else [])
