"""The functions of cuBLAS that CuPy's products, transposes, triangles and batched LU call, by NumPy and LAPACK."""

from types import ModuleType
from typing import Any

import numpy as np
from cupy_on_cpu.machine import IDLE, asked_library
from cupy_on_cpu.views import at, columns, pointers, scalar
from scipy.linalg import lapack

CONSTANTS = {
    "CUBLAS_OP_N": 0,
    "CUBLAS_OP_T": 1,
    "CUBLAS_OP_C": 2,
    "CUBLAS_FILL_MODE_LOWER": 0,
    "CUBLAS_FILL_MODE_UPPER": 1,
    "CUBLAS_SIDE_LEFT": 0,
    "CUBLAS_SIDE_RIGHT": 1,
    "CUBLAS_DIAG_NON_UNIT": 0,
    "CUBLAS_DIAG_UNIT": 1,
    "CUBLAS_POINTER_MODE_HOST": 0,
    "CUBLAS_POINTER_MODE_DEVICE": 1,
    "CUBLAS_DEFAULT_MATH": 0,
    "CUBLAS_TENSOR_OP_MATH": 1,
    "CUBLAS_GEMM_DEFAULT": -1,
    "CUBLAS_GEMM_DEFAULT_TENSOR_OP": 99,
    "CUBLAS_COMPUTE_16F": 64,
    "CUBLAS_COMPUTE_32F": 68,
    "CUBLAS_COMPUTE_32F_PEDANTIC": 69,
    "CUBLAS_COMPUTE_32F_FAST_TF32": 77,
    "CUBLAS_COMPUTE_64F": 70,
    "CUBLAS_COMPUTE_64F_PEDANTIC": 71,
}
TYPES = {0: np.float32, 1: np.float64, 2: np.float16, 4: np.complex64, 5: np.complex128}
LETTERS = {"s": np.float32, "d": np.float64, "c": np.complex64, "z": np.complex128}


def turned(x: np.ndarray[Any, Any], operation: int) -> np.ndarray[Any, Any]:
    """Return x, its transpose or its adjoint, as CUBLAS_OP_N, T and C say."""
    return x if operation == 0 else x.T if operation == 1 else x.conj().T


def _product(
    of: Any, alpha: Any, beta: Any, A: int, lda: int, B: int, ldb: int, C: int, ldc: int, m: int, n: int, k: int,
    ta: int, tb: int, types: tuple[Any, Any, Any],
) -> None:  # fmt: skip
    a = turned(columns(A, *((m, k) if ta == 0 else (k, m)), types[0], lda), ta)
    b = turned(columns(B, *((k, n) if tb == 0 else (n, k)), types[1], ldb), tb)
    c = columns(C, m, n, types[2], ldc)
    with np.errstate(all="ignore"):
        value = alpha * (a.astype(of) @ b.astype(of))
        c[...] = value if beta == 0 else value + beta * c


def gemmEx(
    handle: int, ta: int, tb: int, m: int, n: int, k: int, alpha: int, A: int, Atype: int, lda: int, B: int,
    Btype: int, ldb: int, beta: int, C: int, Ctype: int, ldc: int, computeType: int, algo: int,
) -> None:  # fmt: skip
    """Multiply two matrices."""
    asked_library("gemmEx")
    if IDLE:
        return
    types = TYPES[Atype], TYPES[Btype], TYPES[Ctype]
    # cuBLAS multiplies float16 in float32.
    of = np.float32 if TYPES[Ctype] is np.float16 else TYPES[Ctype]
    _product(of, scalar(alpha, of), scalar(beta, of), A, lda, B, ldb, C, ldc, m, n, k, ta, tb, types)


def gemmStridedBatchedEx(
    handle: int, ta: int, tb: int, m: int, n: int, k: int, alpha: int, A: int, Atype: int, lda: int, strideA: int,
    B: int, Btype: int, ldb: int, strideB: int, beta: int, C: int, Ctype: int, ldc: int, strideC: int,
    batchCount: int, computeType: int, algo: int,
) -> None:  # fmt: skip
    """Multiply matrices that follow one another at equal distances."""
    asked_library("gemmStridedBatchedEx")
    types = TYPES[Atype], TYPES[Btype], TYPES[Ctype]
    of, sizes = types[2], [np.dtype(t).itemsize for t in types]
    for i in range(batchCount):
        a, b, c = (
            p + i * stride * size
            for p, stride, size in zip((A, B, C), (strideA, strideB, strideC), sizes, strict=True)
        )
        _product(of, scalar(alpha, of), scalar(beta, of), a, lda, b, ldb, c, ldc, m, n, k, ta, tb, types)


def _gemm(name: str, of: Any) -> Any:
    def gemm(
        handle: int, ta: int, tb: int, m: int, n: int, k: int, alpha: int, A: int, lda: int, B: int, ldb: int,
        beta: int, C: int, ldc: int,
    ) -> None:  # fmt: skip
        asked_library(name)
        _product(
            of, scalar(alpha, of), scalar(beta, of), A, lda, B, ldb, C, ldc, m, n, k, ta, tb, (of, of, of)
        )

    return gemm


def _gemm_batched(name: str, of: Any) -> Any:
    def gemm_batched(
        handle: int, ta: int, tb: int, m: int, n: int, k: int, alpha: int, A: int, lda: int, B: int, ldb: int,
        beta: int, C: int, ldc: int, count: int,
    ) -> None:  # fmt: skip
        asked_library(name)
        one, other = scalar(alpha, of), scalar(beta, of)
        for a, b, c in zip(pointers(A, count), pointers(B, count), pointers(C, count), strict=True):
            _product(of, one, other, a, lda, b, ldb, c, ldc, m, n, k, ta, tb, (of, of, of))

    return gemm_batched


def _geam(name: str, of: Any) -> Any:
    def geam(
        handle: int, ta: int, tb: int, m: int, n: int, alpha: int, A: int, lda: int, beta: int, B: int, ldb: int,
        C: int, ldc: int,
    ) -> None:  # fmt: skip
        asked_library(name)
        a = turned(columns(A, *((m, n) if ta == 0 else (n, m)), of, lda), ta)
        b = turned(columns(B, *((m, n) if tb == 0 else (n, m)), of, ldb), tb)
        value = scalar(alpha, of) * a
        columns(C, m, n, of, ldc)[...] = value if scalar(beta, of) == 0 else value + scalar(beta, of) * b

    return geam


def _getrf_batched(letter: str, of: Any) -> Any:
    def getrf_batched(handle: int, n: int, A: int, lda: int, pivots: int, info: int, count: int) -> None:
        asked_library(f"{letter}getrfBatched")
        for i, a in enumerate(pointers(A, count)):
            matrix = columns(a, n, n, of, lda)
            lu, piv, found = getattr(lapack, f"{letter}getrf")(matrix)
            matrix[...] = lu
            if pivots:
                at(pivots + 4 * n * i, (n,), np.int32)[...] = piv + 1
            at(info + 4 * i, (1,), np.int32)[...] = found

    getrf_batched.__name__ = f"{letter}getrfBatched"
    return getrf_batched


def _getri_batched(letter: str, of: Any) -> Any:
    def getri_batched(
        handle: int, n: int, A: int, lda: int, pivots: int, C: int, ldc: int, info: int, count: int
    ) -> None:
        asked_library(f"{letter}getriBatched")
        for i, (a, c) in enumerate(zip(pointers(A, count), pointers(C, count), strict=True)):
            piv = at(pivots + 4 * n * i, (n,), np.int32) - 1
            lu = np.array(columns(a, n, n, of, lda), order="F")
            found = solved_by_lu(letter, lu, piv, np.eye(n, dtype=of), 0)
            columns(c, n, n, of, ldc)[...] = found
            singular = np.flatnonzero(np.diag(lu) == 0)
            at(info + 4 * i, (1,), np.int32)[...] = singular[0] + 1 if singular.size else 0

    getri_batched.__name__ = f"{letter}getriBatched"
    return getri_batched


def _getrs_batched(letter: str, of: Any) -> Any:
    def getrs_batched(
        handle: int, trans: int, n: int, nrhs: int, A: int, lda: int, pivots: int, B: int, ldb: int, info: int,
        count: int,
    ) -> None:  # fmt: skip
        asked_library(f"{letter}getrsBatched")
        for i, (a, b) in enumerate(zip(pointers(A, count), pointers(B, count), strict=True)):
            piv = at(pivots + 4 * n * i, (n,), np.int32) - 1
            right = columns(b, n, nrhs, of, ldb)
            right[...] = solved_by_lu(letter, columns(a, n, n, of, lda), piv, right, trans)
        at(info, (1,), np.int32)[...] = 0

    getrs_batched.__name__ = f"{letter}getrsBatched"
    return getrs_batched


def _trsm(letter: str, of: Any) -> Any:
    def trsm(
        handle: int, side: int, uplo: int, trans: int, diag: int, m: int, n: int, alpha: int, A: int, lda: int, B: int,
        ldb: int,
    ) -> None:  # fmt: skip
        asked_library(f"{letter}trsm")
        assert side == 0, "on the left alone, as CuPy calls it"
        b = columns(B, m, n, of, ldb)
        right = scalar(alpha, of) * b
        settings = {"lower": int(uplo == 0), "trans": trans, "unitdiag": diag}
        # LAPACK leaves the right side as it is where the triangle is singular; cuBLAS divides by 0.
        x, singular = getattr(lapack, f"{letter}trtrs")(columns(A, m, m, of, lda), right, **settings)
        b[...] = np.full_like(x, np.nan) if singular else x

    trsm.__name__ = f"{letter}trsm"
    return trsm


def solved_by_lu(letter: str, lu: Any, piv: Any, right: Any, trans: int) -> Any:
    """Return A^-1 right from the LU of A; a singular one gives infinities and NaN, and no error."""
    with np.errstate(all="ignore"):
        return getattr(lapack, f"{letter}getrs")(lu, piv, right, trans=trans)[0]


def module() -> ModuleType:
    """Return the module that stands for cupy_backends.cuda.libs.cublas."""
    made = ModuleType("cupy_backends.cuda.libs.cublas")
    vars(made).update(CONSTANTS)
    modes = {"pointer": 0}
    made.create, made.destroy = (lambda: 1), (lambda handle: None)
    made.getVersion = lambda handle: 120800
    made.setStream, made.getStream = (lambda handle, stream: None), (lambda handle: 0)
    made.setMathMode, made.getMathMode = (lambda handle, mode: None), (lambda handle: 0)
    made.getPointerMode = lambda handle: modes["pointer"]
    made.setPointerMode = lambda handle, mode: modes.update(pointer=mode)
    made.gemmEx, made.gemmStridedBatchedEx = gemmEx, gemmStridedBatchedEx
    for letter, of in LETTERS.items():
        for name, make in (("gemm", _gemm), ("gemmBatched", _gemm_batched), ("geam", _geam)):
            setattr(made, letter + name, make(letter + name, of))
        for name, make in (
            ("getrfBatched", _getrf_batched),
            ("getriBatched", _getri_batched),
            ("getrsBatched", _getrs_batched),
            ("trsm", _trsm),
        ):
            setattr(made, letter + name, make(letter, of))
    return made
