"""The functions of cuSOLVER that CuPy's decompositions call, by LAPACK; a failure is a number in `info`, no error."""

from types import ModuleType
from typing import Any

import numpy as np
from cupy_on_cpu.blas import LETTERS, TYPES, solved_by_lu
from cupy_on_cpu.machine import asked_library
from cupy_on_cpu.views import at, columns, of, pointers
from scipy.linalg import lapack

VERSION = 11704


def _say(info: int, value: int, i: int = 0) -> None:
    at(info + 4 * i, (1,), np.int32)[...] = value


def _potrf(letter: str, of: Any) -> dict[str, Any]:
    def factored(A: int, n: int, lda: int, uplo: int) -> int:
        matrix = columns(A, n, n, of, lda)
        found, info = getattr(lapack, f"{letter}potrf")(matrix, lower=uplo == 0, clean=0)
        matrix[...] = found
        return int(info)

    def potrf(handle: int, uplo: int, n: int, A: int, lda: int, work: int, lwork: int, info: int) -> None:
        asked_library(f"{letter}potrf")
        _say(info, factored(A, n, lda, uplo))

    def potrf_batched(handle: int, uplo: int, n: int, A: int, lda: int, info: int, count: int) -> None:
        asked_library(f"{letter}potrfBatched")
        for i, a in enumerate(pointers(A, count)):
            _say(info, factored(a, n, lda, uplo), i)

    return {"potrf": potrf, "potrf_bufferSize": lambda *_: 1, "potrfBatched": potrf_batched}


def _getrf(letter: str, of: Any) -> dict[str, Any]:
    def getrf(handle: int, m: int, n: int, A: int, lda: int, work: int, pivots: int, info: int) -> None:
        asked_library(f"{letter}getrf")
        matrix = columns(A, m, n, of, lda)
        lu, piv, found = getattr(lapack, f"{letter}getrf")(matrix)
        matrix[...] = lu
        at(pivots, piv.shape, np.int32)[...] = piv + 1
        _say(info, found)

    def getrs(
        handle: int, trans: int, n: int, nrhs: int, A: int, lda: int, pivots: int, B: int, ldb: int, info: int
    ) -> None:
        asked_library(f"{letter}getrs")
        right = columns(B, n, nrhs, of, ldb)
        piv = at(pivots, (n,), np.int32) - 1
        right[...] = solved_by_lu(letter, columns(A, n, n, of, lda), piv, right, trans)
        _say(info, 0)

    return {"getrf": getrf, "getrf_bufferSize": lambda *_: 1, "getrs": getrs}


def _geqrf(letter: str, of: Any) -> dict[str, Any]:
    def geqrf(
        handle: int, m: int, n: int, A: int, lda: int, tau: int, work: int, lwork: int, info: int
    ) -> None:
        asked_library(f"{letter}geqrf")
        matrix = columns(A, m, n, of, lda)
        found, factors, _, code = getattr(lapack, f"{letter}geqrf")(matrix)
        matrix[...] = found
        at(tau, factors.shape, of)[...] = factors
        _say(info, code)

    def orgqr(
        handle: int, m: int, n: int, k: int, A: int, lda: int, tau: int, work: int, lwork: int, info: int
    ) -> None:
        name = "orgqr" if letter in "sd" else "ungqr"
        asked_library(letter + name)
        matrix = columns(A, m, n, of, lda)
        found, _, code = getattr(lapack, letter + name)(matrix, at(tau, (k,), of))
        matrix[...] = found
        _say(info, code)

    name = "orgqr" if letter in "sd" else "ungqr"
    return {
        "geqrf": geqrf,
        "geqrf_bufferSize": lambda *_: 1,
        name: orgqr,
        f"{name}_bufferSize": lambda *_: 1,
    }


def _gesvd(letter: str, of: Any) -> dict[str, Any]:
    real = np.dtype(of).type(0).real.dtype

    def gesvd(
        handle: int, jobu: int, jobvt: int, m: int, n: int, A: int, lda: int, S: int, U: int, ldu: int, VT: int,
        ldvt: int, work: int, lwork: int, rwork: int, info: int,
    ) -> None:  # fmt: skip
        asked_library(f"{letter}gesvd")
        if m < n:
            _say(info, -5)
            return
        matrix = columns(A, m, n, of, lda)
        k = min(m, n)
        u, s, vt, code = getattr(lapack, f"{letter}gesvd")(np.array(matrix), compute_uv=1, full_matrices=1)
        at(S, (k,), real)[...] = s
        for job, part, where in ((chr(jobu), u, (U, m, ldu)), (chr(jobvt), vt, (VT, n, ldvt))):
            short = part[:, :k] if part is u else part[:k, :]
            if job == "A":
                columns(where[0], *part.shape, of, where[2])[...] = part
            elif job == "S":
                columns(where[0], *short.shape, of, where[2])[...] = short
            elif job == "O":
                matrix[: short.shape[0], : short.shape[1]] = short
        _say(info, code)

    return {"gesvd": gesvd, "gesvd_bufferSize": lambda *_: 1}


def xsyevd(
    handle: int, params: int, jobz: int, uplo: int, n: int, type_a: int, A: int, lda: int, type_w: int, W: int,
    compute: int, work: int, lwork: int, host: int, lhost: int, info: int,
) -> None:  # fmt: skip
    """Find eigenvalues, and vectors where jobz says so."""
    asked_library("xsyevd")
    matrix = columns(A, n, n, TYPES[type_a], lda)
    name = {0: "ssyevd", 1: "dsyevd", 4: "cheevd", 5: "zheevd"}[type_a]
    w, v, code = getattr(lapack, name)(np.array(matrix), compute_v=jobz, lower=uplo == 0)
    at(W, (n,), TYPES[type_w])[...] = w
    if jobz:
        matrix[...] = v
    _say(info, code)


def module() -> ModuleType:
    """Return the module that stands for cupy_backends.cuda.libs.cusolver."""
    made = ModuleType("cupy_backends.cuda.libs.cusolver")
    made.CUSOLVER_EIG_MODE_NOVECTOR, made.CUSOLVER_EIG_MODE_VECTOR = 0, 1
    made.create, made.destroy, made.spCreate, made.spDestroy = (
        (lambda: 1),
        (lambda handle: None),
        (lambda: 1),
        (lambda handle: None),
    )
    made._getVersionNumber = lambda: VERSION
    made._getVersion = lambda: (VERSION // 1000, VERSION % 1000 // 100, VERSION % 100)
    made.setStream, made.getStream = (lambda handle, stream: None), (lambda handle: 0)
    made.createParams, made.destroyParams = (lambda: 1), (lambda params: None)
    made.xsyevd, made.xsyevd_bufferSize = xsyevd, lambda *_: (1, 1)
    for letter, dtype in LETTERS.items():
        for make in (_potrf, _getrf, _geqrf, _gesvd):
            for name, function in make(letter, dtype).items():
                setattr(made, letter + name, function)
    return made


# cupyx._cusolver is compiled, and calls cuSOLVER directly: it is replaced as a whole.


def above() -> ModuleType:
    """Return the module that stands for cupyx._cusolver."""
    made = ModuleType("cupyx._cusolver")
    made._available_cuda_version = made._available_hip_version = made._available_compute_capability = {}
    made.check_availability = lambda name: True
    made._gesvdj_batched = lambda a, full, vectors, overwrite: _svd_batched("gesvdjBatched", a, full, vectors)
    made._gesvd_batched = lambda a, char, full, vectors, overwrite: _svd_batched(
        "gesvd", a, full, vectors, char
    )
    made._geqrf_orgqr_batched = _qr_batched
    made.syevj = _syevj
    made._syevj_batched = _syevj
    for name in ("csrlsvqr", "gels", "gesv", "gesvda", "gesvdj"):
        setattr(made, name, _missing(name))
    return made


def _missing(name: str) -> Any:
    def function(*arguments: Any, **settings: Any) -> Any:
        raise NotImplementedError(f"cupy_on_cpu: {name} is not among the functions of cupy_on_cpu.solver")

    return function


def _svd_batched(name: str, a: Any, full: bool, vectors: bool, char: str | None = None) -> Any:
    import cupy

    count = a.shape[0] if name == "gesvd" else 1
    for _ in range(count):
        asked_library(name)
    host = of(a).astype(char or a.dtype)
    u, s, vt = np.linalg.svd(host, full_matrices=full)
    there = [_there(cupy, x) for x in (u, s, np.swapaxes(vt, -1, -2).conj())]
    return tuple(there) if vectors else there[1]


def _qr_batched(a: Any, mode: str) -> Any:
    import cupy

    asked_library("geqrf")
    asked_library("orgqr")
    host = of(a)
    host = host.astype(host.dtype if host.dtype.char in "fdFD" else np.float64)
    result = np.linalg.qr(host, mode=mode)
    return _there(cupy, result) if mode == "r" else tuple(_there(cupy, x) for x in result)


def _syevj(a: Any, UPLO: str = "L", with_eigen_vector: bool = True) -> Any:
    import cupy

    asked_library("syevjBatched" if a.ndim > 2 else "syevj")
    host = of(a)
    host = host.astype(host.dtype if host.dtype.char in "fdFD" else np.float64)
    w, v = np.linalg.eigh(host, UPLO)
    return (_there(cupy, w), _there(cupy, v)) if with_eigen_vector else _there(cupy, w)


def _there(cupy: Any, x: np.ndarray[Any, Any]) -> Any:
    made = cupy.empty(x.shape, x.dtype)
    of(made)[...] = x
    return made
