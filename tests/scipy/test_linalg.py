"""scipy.linalg with gradients: SciPy's values, gradients to the second order, batches, programs and devices."""

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

import chainrule as cr
from chainrule.scipy import linalg

rng = np.random.default_rng(0)
A, B, b = rng.normal(size=(3, 3)) + 3 * np.eye(3), rng.normal(size=(3, 2)), rng.normal(size=3)
S, P = A @ A.T, A.T @ A + np.eye(3)


def symmetric(X):
    return (X + X.T) / 2


def squared(result):
    """Return what does not depend on the signs of vectors."""
    w, V = result
    return w, V * V


# For each function: what to do with a module that has it, and the arrays.
CALLS = {
    "solve_triangular": (lambda la, A, b: la.solve_triangular(A, b), A, b),
    "solve_triangular lower": (lambda la, A, b: la.solve_triangular(A, b, lower=True), A, B),
    "solve_triangular trans": (lambda la, A, b: la.solve_triangular(A, b, trans=1), A, B),
    "solve_triangular C": (lambda la, A, b: la.solve_triangular(A, b, "C", lower=True), A, b),
    "solve_triangular unit": (lambda la, A, b: la.solve_triangular(A, b, unit_diagonal=True), A, B),
    "solve_triangular all": (lambda la, A, b: la.solve_triangular(A, b, 1, True, True), A, b),
    "cho_solve": (lambda la, A, b: la.cho_solve(la.cho_factor(symmetric(A)), b), S, b),
    "cho_solve lower": (lambda la, A, b: la.cho_solve(la.cho_factor(symmetric(A), lower=True), b), S, B),
    "lu_solve": (lambda la, A, b: la.lu_solve(la.lu_factor(A[::-1]), b), A, b),
    "lu_solve trans": (lambda la, A, b: la.lu_solve(la.lu_factor(A[::-1]), b, trans=1), A, B),
    "lu_factor": (lambda la, A: la.lu_factor(A[::-1])[0], A),
    "solve": (lambda la, A, b: la.solve(A, b), A, b),
    "solve sym": (lambda la, A, b: la.solve(A, b, assume_a="sym", lower=True), A, B),
    "solve pos": (lambda la, A, b: la.solve(A, b, assume_a="pos"), S, b),
    "solve transposed": (lambda la, A, b: la.solve(A, b, transposed=True), A, B),
    "inv": (lambda la, A: la.inv(A), A),
    "det": (lambda la, A: la.det(A), A),
    "pinv": (lambda la, A: la.pinv(A), B),
    "pinv of fewer": (lambda la, A: la.pinv(A, rtol=0.5), A @ np.diag([9.0, 3.0, 1.0])),
    "cholesky": (lambda la, A: la.cholesky(symmetric(A)), S),
    "cholesky lower": (lambda la, A: la.cholesky(symmetric(A), lower=True), S),
    "qr": (lambda la, A: la.qr(A), A),
    "qr economic": (lambda la, A: la.qr(A, mode="economic"), B),
    "qr r": (lambda la, A: la.qr(A, mode="r")[0], A),
    "svd": (lambda la, A: la.svd(A, full_matrices=False)[1], B),
    "svdvals": (lambda la, A: la.svdvals(A), A),
    "eigh": (lambda la, A: squared(la.eigh(A, lower=False)), S),
    "eigh b": (lambda la, A, B: squared(la.eigh(A, B)), S, P),
    "eigvalsh": (lambda la, A, B: la.eigvalsh(A, B), S, P),
    "norm": (lambda la, A: la.norm(A, 1), A),
    "expm": (lambda la, A: la.expm(A), A / 3),
    "sqrtm": (lambda la, A: la.sqrtm(A), S),
    "logm": (lambda la, A: la.logm(A), S),
    "block_diag": (lambda la, A, b: la.block_diag(A, b, 2.0), A, b),
    "toeplitz": (lambda la, b: la.toeplitz(b), b),
    "toeplitz r": (lambda la, b, r: la.toeplitz(b, r), b, B[0]),
}


def total(result):
    return sum(np.sum(np.sin(x)) for x in (result if isinstance(result, tuple) else (result,)))


@pytest.mark.parametrize("name", CALLS)
def test_values_are_those_of_scipy_and_gradients_those_of_differences(name):
    f, *arrays = CALLS[name]
    ours, theirs = f(linalg, *arrays), f(scipy.linalg, *arrays)
    for x, y in zip(*((r if isinstance(r, tuple) else (r,)) for r in (ours, theirs)), strict=True):
        np.testing.assert_allclose(
            x, y if "cho" not in name or "solve" in name else np.asarray(y), atol=1e-12
        )
    cr.check_gradients(lambda *xs: total(f(linalg, *xs)), *arrays, order=2)


def test_every_function_has_a_row():
    assert {name.split()[0] for name in CALLS} | {"cho_factor"} == set(linalg.__all__)


@pytest.mark.parametrize("name", ["solve_triangular unit", "cho_solve", "expm", "logm", "toeplitz"])
def test_batches_and_programs(name):
    f, *arrays = CALLS[name]
    slope = cr.grad(lambda *xs: total(f(linalg, *xs)))
    batch = [np.stack([x, 2 * x]) for x in arrays]
    each = np.stack([slope(*arrays), slope(*(2 * x for x in arrays))])
    np.testing.assert_allclose(cr.vmap(slope)(*batch), each, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cr.compile(slope)(*arrays), each[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["solve_triangular trans", "expm", "logm", "toeplitz r"])
def test_on_every_device_in_float32(name, device):
    f, *arrays = CALLS[name]
    slopes = cr.grad(lambda *xs: xs[0].__array_namespace__().sum(f(linalg, *xs)), argnums=(0,))
    (g,) = slopes(*(device.asarray(x, dtype="float32") for x in arrays))
    assert str(g.dtype).endswith("float32")
    want = cr.grad(lambda *xs: np.sum(f(linalg, *xs)))(*arrays)
    np.testing.assert_allclose(device.to_numpy(g), want, rtol=2e-4, atol=2e-4)


def test_functions_of_matrices_at_singular_ones():
    N = np.diag([0.0, 1.0])
    with pytest.warns(match="singular"):
        assert np.isnan(linalg.logm(N)).all()
    with pytest.warns(match="singular"):
        assert np.isnan(cr.grad(lambda X: np.sum(linalg.sqrtm(X)))(N)).all()
    np.testing.assert_allclose(cr.grad(lambda X: np.sum(linalg.expm(X)))(N * 0), np.ones((2, 2)))
    # Eigenvalues that coincide, also of matrices without a basis of eigenvectors.
    J = np.array([[4.0, 1.0], [0.0, 4.0]])
    for f in (linalg.sqrtm, linalg.logm, linalg.expm):
        cr.check_gradients(lambda X, f=f: np.sum(np.sin(f(X))), J)


# Of real matrices with negative eigenvalues, on the cut; also beside the cut on both sides, and a tiny one.
ON_THE_CUT = {
    "two": np.array([[1.0, 2.0], [2.0, 1.0]]),
    "three": np.array([[-1.0, 2.0, 0.5], [2.0, 1.0, 1.0], [0.5, 1.0, -2.0]]),
    "not symmetric": np.array([[1.0, 2.0], [4.0, -1.0]]),
    "two alike, complex": np.diag([-2.0 + 0j, -2.0]),
    "tiny": 1e-20 * np.array([[1.0, 2.0], [2.0, 1.0]]),
    "complex": np.array([[1.0, 2j], [-2j, 1.0]]),
}


def rate(name, A, E):
    """Return the rate along E by the vectors of A: divided differences of the function between its eigenvalues."""
    w, V = np.linalg.eig(A)
    s = np.sqrt(w.astype(complex))
    gaps = w[:, None] - w + (equal := np.isclose(w[:, None], w, atol=0))
    slopes = (np.log(w.astype(complex))[:, None] - np.log(w.astype(complex))) / gaps
    F = 1 / (s[:, None] + s) if name == "sqrtm" else np.where(equal, 1 / w, slopes)
    return V @ (F * (np.linalg.inv(V) @ E @ V)) @ np.linalg.inv(V)


@pytest.mark.parametrize(
    # The logarithm of a tiny matrix makes SciPy warn.
    ("name", "label"),
    [(f, label) for f in ("sqrtm", "logm") for label in ON_THE_CUT if (f, label) != ("logm", "tiny")],
)
def test_rates_on_the_cut(name, label):
    A, f = ON_THE_CUT[label], getattr(linalg, name)
    E, G, H = np.random.default_rng(1).normal(size=(3, *A.shape))
    want = rate(name, A, E)
    near = 1e-10 * np.max(np.abs(want))
    np.testing.assert_allclose(cr.jvp(f, (A,), (E.astype(A.dtype),))[1], want, atol=near, rtol=1e-9)
    y, pullback = cr.vjp(f, A)
    np.testing.assert_allclose(y, getattr(scipy.linalg, name)(A))
    (slope,) = pullback(G + 1j * H)
    np.testing.assert_allclose(np.vdot(slope, E).real, np.vdot(G + 1j * H, want).real, rtol=1e-9)
    if label in ("two", "not symmetric"):
        cr.check_gradients(lambda A: np.sum(np.abs(np.sin(f(A))) ** 2), A, order=2)


@pytest.mark.parametrize("A", [-np.eye(2), np.array([[-1.0, 1.0], [0.0, -1.0]]), np.diag([-2.0, 3.0, -2.0])])
def test_where_negative_eigenvalues_of_a_real_matrix_coincide_there_is_no_gradient(A):
    # A rotation of these two by any angle moves one to each side of the cut, and the value jumps.
    stack = np.stack([A, A + np.diag(np.arange(len(A)) * 4.0)])
    for f in (linalg.sqrtm, linalg.logm):
        values, slopes = cr.value_and_grad(lambda A, f=f: np.sum(np.real(f(A))))(stack)
        assert np.isfinite(values)
        assert np.isnan(slopes[0]).all()
        assert np.isfinite(slopes[1]).all()


def test_roots_and_logarithms_at_negative_eigenvalues():
    # Rounding moves the double eigenvalue of the block matrix to both sides of the cut.
    X = np.array([[300.0, 100.0], [50.0, -400.0]])
    for f in (linalg.sqrtm, linalg.logm):
        cr.check_gradients(lambda X, f=f: np.sum(np.abs(f(X)) ** 2), X)
        cr.check_gradients(lambda X, f=f: np.sum(np.imag(f(X))), X / 100, order=2)
        right = cr.grad(lambda X, f=f: np.real(f(X)[0, 1]))(X)
        g = np.real(cr.grad(lambda X, f=f: np.real(f(X)[0, 1]))(X + 0j))
        np.testing.assert_array_equal(np.isnan(g) | np.isclose(g, right), True)
        stack = np.stack([X, np.eye(2)])
        np.testing.assert_allclose(f(stack)[0], f(X))
        cr.check_gradients(lambda X, f=f: np.sum(np.sin(np.real(f(X)))), np.stack([X / 100, np.eye(2)]))
        assert f(X[:0, :0]).shape == (0, 0)
        # A gradient that overflows on its way through the block matrix is NaN, and no error.
        Y = np.array([[-1.0, 1e-4, 0.3], [0.2, 0.5, 2.0], [0.1, 0.4, 3.0]], dtype=complex)
        cr.grad(lambda Y, f=f: np.real(f(Y)[0, 1]))(Y)


def test_a_large_or_small_gradient_leaves_the_digits_of_a_rate():
    for scale in (1e-9, 1e9):
        rate = cr.grad(lambda X, s=scale: s * np.sum(linalg.expm(X)))(A) / scale
        np.testing.assert_allclose(rate, scipy.linalg.expm_frechet(A.T, np.ones((3, 3)))[1], rtol=1e-12)


def test_stacks_and_empty_vectors():
    stack, factors = np.stack([B, 2 * B]), linalg.lu_factor(A[::-1])
    for trans in (0, 1):
        x = linalg.lu_solve(factors, B, trans=trans)
        np.testing.assert_allclose(linalg.lu_solve(factors, stack, trans=trans), [x, 2 * x], rtol=1e-12)
    assert linalg.toeplitz(b[:0]).shape == (0, 0)


def test_what_is_refused():
    for call, says in {
        (lambda: linalg.solve_triangular(A, b, trans=3)): "trans must be",
        (lambda: linalg.solve_triangular(A, b[:2])): r"\(3, 3\) and \(2,\)",
        (lambda: linalg.solve_triangular(A, b * np.nan)): "check_finite=False",
        (lambda: linalg.expm(B)): "square matrix",
        (lambda: linalg.lu_factor(np.stack([A, A]))): "one matrix",
        (lambda: linalg.solve(A, b, assume_a="banded")): "assume_a",
        (lambda: linalg.qr(A, pivoting=True)): "pivoting",
        (lambda: linalg.toeplitz(A)): "vectors",
    }.items():
        with pytest.raises(ValueError, match=says):
            call()
    assert np.isnan(linalg.solve_triangular(A, b * np.nan, check_finite=False)).all()


COMPLEX = rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2)) + 3 * np.eye(2)
HERMITIAN = COMPLEX @ COMPLEX.conj().T
IN_COMPLEX = {
    "solve_triangular C": (lambda la, A, b: la.solve_triangular(A, b, "C"), COMPLEX, COMPLEX[0]),
    "cho_solve": (lambda la, A, b: la.cho_solve(la.cho_factor((A + A.conj().T) / 2), b), HERMITIAN, COMPLEX),
    "lu_solve": (lambda la, A, b: la.lu_solve(la.lu_factor(A), b, trans=2), COMPLEX, COMPLEX[0]),
    "solve her": (lambda la, A, b: la.solve(A, b, assume_a="her"), HERMITIAN, COMPLEX[0]),
    "eigvalsh": (lambda la, A, B: la.eigvalsh(A, B), HERMITIAN, HERMITIAN + np.eye(2)),
    "expm": (lambda la, A: la.expm(A), COMPLEX / 3),
    "sqrtm of real": (lambda la, A: la.sqrtm(A), np.array([[1.0, 2.0], [0.5, -1.0]])),
    "logm": (lambda la, A: la.logm(A), COMPLEX),
    "toeplitz": (lambda la, c: la.toeplitz(c), COMPLEX[0]),
}


@pytest.mark.parametrize("name", IN_COMPLEX)
def test_complex_numbers(name):
    f, *arrays = IN_COMPLEX[name]
    np.testing.assert_allclose(f(linalg, *arrays), f(scipy.linalg, *arrays), rtol=1e-11)
    cr.check_gradients(lambda *xs: np.sum(np.abs(np.sin(f(linalg, *xs))) ** 2), *arrays)


def test_scipys_own_functions_say_what_to_write():
    for f in (scipy.linalg.expm, scipy.linalg.inv, lambda A: scipy.integrate.trapezoid(A[0])):
        with pytest.raises(TypeError, match=r"chainrule\.scipy\.linalg\.expm"):
            cr.grad(lambda A, f=f: np.sum(f(A)))(A)
