"""The pretended device computes what NumPy computes, and counts."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.cupy_on_cpu import IN_FRONT

if not IN_FRONT:
    pytest.skip(
        "CuPy on the CPU was not asked for (PYTHONPATH=$PWD/tests/cupy_on_cpu asks)", allow_module_level=True
    )

import cupy
from cupy_on_cpu import counts

RNG = np.random.default_rng(0)
SHAPES = [(7,), (1000,), (5, 700), (3, 4, 5), (70000,), (2, 0)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scans_and_reductions(shape):
    a = RNG.standard_normal(shape)
    b = cupy.asarray(a)
    for axis in [None, *range(len(shape))]:
        for name in ("cumsum", "sum", "std", "max", "argmax"):
            if 0 in shape and name in ("std", "max", "argmax"):
                continue
            got, want = getattr(b, name)(axis=axis).get(), getattr(a, name)(axis=axis)
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
    # Where rows lie in columns, other kernels do it.
    np.testing.assert_allclose(b.T.sum(axis=0).get(), a.T.sum(axis=0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_masks_and_order(shape):
    a = np.round(RNG.standard_normal(shape), 1)
    b = cupy.asarray(a)
    np.testing.assert_array_equal(b[b > 0].get(), a[a > 0])
    np.testing.assert_array_equal(cupy.sort(b, axis=-1).get(), np.sort(a, axis=-1))
    np.testing.assert_array_equal(cupy.argsort(b, kind="stable").get(), np.argsort(a, kind="stable"))
    np.testing.assert_array_equal(cupy.unique(b).get(), np.unique(a))
    ordered = np.sort(a.ravel())
    if a.size:
        got = cupy.searchsorted(cupy.asarray(ordered), b).get()
        np.testing.assert_array_equal(got, np.searchsorted(ordered, a))


@pytest.mark.parametrize("shape", [(3, 3), (4, 3, 3)], ids=str)
def test_square_matrices(shape):
    A, B = RNG.standard_normal(shape), RNG.standard_normal((*shape[:-1], 2))
    S = A @ np.swapaxes(A, -1, -2) + np.eye(3)
    for name in ("inv", "det"):
        got = getattr(cupy.linalg, name)(cupy.asarray(A)).get()
        np.testing.assert_allclose(got, getattr(np.linalg, name)(A), rtol=1e-9)
    got = cupy.linalg.solve(cupy.asarray(A), cupy.asarray(B)).get()
    np.testing.assert_allclose(got, np.linalg.solve(A, B), rtol=1e-9)
    for name in ("cholesky", "eigvalsh"):
        got = getattr(cupy.linalg, name)(cupy.asarray(S)).get()
        np.testing.assert_allclose(got, getattr(np.linalg, name)(S), rtol=1e-9)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 4, 2), (3, 2, 4), (40, 35)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_factors(shape, dtype):
    M, k = RNG.standard_normal(shape).astype(dtype), min(shape[-2:])
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-12}
    for full in (True, False):
        u, s, v = (x.get() for x in cupy.linalg.svd(cupy.asarray(M), full_matrices=full))
        assert u.shape == np.linalg.svd(M, full_matrices=full)[0].shape
        np.testing.assert_allclose((u[..., :k] * s[..., None, :]) @ v[..., :k, :], M, **tolerance)
    q, r = (x.get() for x in cupy.linalg.qr(cupy.asarray(M)))
    np.testing.assert_allclose(q @ r, M, **tolerance)


@pytest.mark.parametrize(
    "shapes", [((3, 4), (4, 2)), ((4,), (4,)), ((2, 1, 3, 4), (5, 4, 2)), ((4,), (2, 4, 3))], ids=str
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex128", "int64"])
def test_products(shapes, dtype):
    a, b = ((RNG.standard_normal(shape) * 5).astype(dtype) for shape in shapes)
    got, want = (cupy.asarray(a) @ cupy.asarray(b)).get(), a @ b
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-2 if dtype == "float16" else 1e-5)


def test_a_raw_kernel_whose_threads_wait_for_one_another():
    source = r"""extern "C" __global__ void total(const real* x, int n, real* out) {
        __shared__ real parts[THREADS];
        real mine = 0;
        for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) mine += x[i];
        for (int d = 16; d > 0; d /= 2) mine += __shfl_xor_sync(0xffffffff, mine, d);
        parts[threadIdx.x] = mine;
        __syncthreads();
        if (threadIdx.x == 0) for (int i = 0; i < THREADS; i += 32) atomicAdd(out, parts[i]);
    }"""
    kernel = cupy.RawKernel(source, "total", options=("-Dreal=double", "-DTHREADS=96"))
    x, out = RNG.standard_normal(1001), cupy.zeros(1)
    kernel((5,), (96,), (cupy.asarray(x), cupy.int32(x.size), out))
    assert float(out[0]) == pytest.approx(x.sum())


def test_a_fused_function_is_one_kernel():
    f = cupy.fuse(kernel_name="f")(lambda x, y: cupy.maximum(x * 2 + y, 0))
    x, y = RNG.standard_normal((2, 3, 4))
    counts.clear()
    got = f(cupy.asarray(x), cupy.asarray(y))
    assert counts.launches == {"f": 1}
    np.testing.assert_allclose(got.get(), np.maximum(x * 2 + y, 0))


def test_what_is_counted():
    x = cupy.asarray(RNG.standard_normal((3, 4)))
    counts.clear()
    y = (x + 1) @ x.T
    assert counts.log == ["cupy_add__float64_float_float64", "gemmEx"]
    assert (counts.kernels, counts.to_host) == (2, 0)
    float(y[0, 0])
    x[x > 0] = 0
    assert counts.to_host == 2


def test_floats_that_are_too_small_to_be_normal_are_flushed_and_doubles_are_not():
    assert float(cupy.asarray([1e-39], "float32")[0]) != 0
    assert float((cupy.asarray([1e-39], "float32") * 1)[0]) == 0
    assert float((cupy.asarray([1e-310]) * 1)[0]) != 0


def test_what_cupy_refuses():
    x = cupy.ones(3)
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(x)
    with pytest.raises(TypeError, match="Unsupported type"):
        x + np.ones(3)
    with pytest.raises(AttributeError):
        x.to_device("cpu")
    assert (x + np.float64(1)).dtype == "float64"
    assert (x.astype("float32") + 1.0).dtype == "float32"


@pytest.mark.parametrize(
    ("options", "path", "words"),
    [(["-S"], os.environ["PATH"], "CuPy itself is not installed"), ([], "", r"g++ is not installed")],
)
def test_what_is_missing_is_named(options, path, words):
    done = subprocess.run(
        [sys.executable, *options, "-c", "import cupy"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"ImportError: cupy_on_cpu: {words}" in done.stderr
