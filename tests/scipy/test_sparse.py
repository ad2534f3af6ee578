"""A constant sparse matrix beside traced arrays."""

import numpy as np
import pytest
import scipy.sparse

import chainrule as cr
from chainrule.scipy import sparse

rng = np.random.default_rng(0)
D = rng.normal(size=(4, 3)) * (rng.random((4, 3)) < 0.6)
OPERANDS = (rng.normal(size=3), rng.normal(size=(3, 2)), rng.normal(size=4), rng.normal(size=(2, 4)))
KINDS = ("csr_matrix", "csc_array", "coo_array")


@pytest.mark.parametrize("kind", KINDS)
def test_products(kind):
    A = getattr(scipy.sparse, kind)(D)
    for x in OPERANDS:
        left = x.shape[0] == 3
        f, dense = (lambda x, M: sparse.matmul(M, x)) if left else sparse.matmul, (D @ x if left else x @ D)
        np.testing.assert_allclose(f(x, A), dense, rtol=1e-13)
        cr.check_gradients(lambda x, f=f: np.sum(np.sin(f(x, A))), x, order=2)
        batch = np.stack([x, 2 * x])
        np.testing.assert_allclose(cr.vmap(lambda x, f=f: f(x, A))(batch), [dense, 2 * dense], rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_operators(kind):
    A = getattr(scipy.sparse, kind)(D)
    v, X, w, Y = OPERANDS
    forms = [(lambda x: A @ x, v), (lambda x: A @ x, X), (lambda x: x @ A, w), (lambda x: x @ A, Y)]
    forms += [(lambda x: A.T @ x, w), (lambda x: A.dot(x), v), (lambda x: A.dot(x), X)]
    if kind.endswith("matrix"):
        forms += [(lambda x: A * x, v), (lambda x: x * A, Y)]
    for f, x in forms:
        dense = f(x)
        value, slope = cr.value_and_grad(lambda x, f=f: np.sum(np.sin(f(x))))(x)
        np.testing.assert_allclose(value, np.sum(np.sin(dense)), rtol=1e-13)
        cr.check_gradients(lambda x, f=f: np.sum(np.sin(f(x))), x)
        batch = cr.vmap(cr.grad(lambda x, f=f: np.sum(np.sin(f(x)))))(np.stack([x, 2 * x]))
        np.testing.assert_allclose(batch[0], slope, rtol=1e-12)
    if kind.endswith("array"):
        with pytest.raises(TypeError, match="traced"):
            cr.grad(lambda x: (A * x).sum())(v)
    with pytest.raises(TypeError, match="traced"):
        cr.grad(lambda x: np.asarray(x).sum())(v)


def test_systems():
    A = scipy.sparse.csc_array(D[:3] + 3 * np.eye(3))
    for b in OPERANDS[:2]:
        np.testing.assert_allclose(A @ sparse.linalg.spsolve(A, b), b, atol=1e-14)
        cr.check_gradients(lambda b: np.sum(np.sin(sparse.linalg.spsolve(A, b))), b, order=2)
        slope = cr.grad(lambda b: np.sum(np.sin(sparse.linalg.spsolve(A, b))))
        batch = np.stack([b, 2 * b])
        np.testing.assert_allclose(cr.vmap(slope)(batch), [slope(b), slope(2 * b)], rtol=1e-12)


def test_on_every_device(device):
    A, x = scipy.sparse.csr_array(D), device.asarray(OPERANDS[0], dtype="float32")
    g = cr.grad(lambda x: (sparse.matmul(A, x) ** 2).sum())(x)
    assert str(g.dtype).endswith("float32")
    np.testing.assert_allclose(device.to_numpy(g), 2 * D.T @ (D @ OPERANDS[0]), rtol=1e-5)


def test_shapes_that_do_not_fit():
    A = scipy.sparse.csr_array(D)
    for x1, x2 in ((A, OPERANDS[2]), (OPERANDS[0], A), (A, np.zeros((2, 3, 2)))):
        with pytest.raises(ValueError, match="that fits it"):
            sparse.matmul(x1, x2)
    with pytest.raises(TypeError, match="one sparse matrix and one array"):
        sparse.matmul(A, A)
    with pytest.raises(ValueError, match="square matrix"):
        sparse.linalg.spsolve(A, OPERANDS[2])
