"""CuPy's functions on traced arrays: the rule of the same name, or an error with its remedy."""

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.devices import device_asked_for


@pytest.fixture
def cupy():
    device_asked_for("cuda")
    return pytest.importorskip("cupy")


@pytest.mark.parametrize(
    "f",
    [
        lambda np, x: np.tanh(x),
        lambda np, x: np.arctan(x),
        lambda np, x: np.add(x, x),
        lambda np, x: np.power(x, 3.0),
        lambda np, x: np.maximum(x, 0.5),
        lambda np, x: np.where(x > 0, x, 0.0),
        lambda np, x: x - np.sqrt(np.absolute(x)),
        lambda np, x: np.sum(x * x),
        lambda np, x: np.sum(x[None], axis=1, keepdims=True),
        lambda np, x: np.mean(x),
        lambda np, x: np.prod(x),
        lambda np, x: np.max(x) - np.min(x),
        lambda np, x: np.std(x) + np.var(x, ddof=1),
        lambda np, x: np.reshape(x, (3, 1)) ** 2,
    ],
)
def test_a_function_of_cupy_is_that_of_numpy(cupy, f):
    x = np.array([0.3, -1.2, 0.8])
    expected = cr.grad(lambda x: f(np, x).sum())(x)
    np.testing.assert_allclose(
        cr.grad(lambda x: f(cupy, x).sum())(cupy.asarray(x)).get(), expected, rtol=1e-14
    )


def test_an_array_tells_its_namespace_though_cupys_arrays_have_none(cupy):
    x = cupy.asarray([1.0, 2.0])
    g = cr.grad(lambda x: x.__array_namespace__(api_version="2025.12").sum(x * x))(x)
    np.testing.assert_array_equal(g.get(), [2.0, 4.0])
    with pytest.raises(ValueError, match="version"):
        cr.grad(lambda x: x.__array_namespace__(api_version="1999.12").sum(x))(x)


def test_a_constant_as_an_index_is_the_error_of_cupy(cupy):
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        cr.grad(lambda x: x[range(3)[np.argmax(x)]])(cupy.asarray([1.0, 3.0, 2.0]))


@pytest.mark.parametrize("f", [lambda cupy, x, t: cupy.add(x, t, x), lambda cupy, x, t: x.__iadd__(t)])
def test_what_changes_a_plain_array_in_place_says_what_to_write(cupy, f):
    x = cupy.asarray([1.0, 3.0])
    with pytest.raises(TypeError, match=r"change an array in place.*Write z = z \+ a"):
        cr.grad(lambda t: f(cupy, x, t).sum())(x)
    np.testing.assert_array_equal(x.get(), [1.0, 3.0])


def test_a_kernel_of_another_of_a_name_of_ours_is_refused(cupy):
    double = cupy.ElementwiseKernel("T x", "T y", "y = 2 * x", "cupy_tanh")
    with pytest.raises(TypeError, match="expected a function of NumPy, SciPy or CuPy"):
        cr.grad(lambda x: double(x).sum())(cupy.asarray([1.0, 3.0]))


def test_new_arrays_of_any_way_of_writing_a_shape(cupy):
    xp = cr.get_device("cuda").xp
    made = [
        xp.zeros(shape=(3,)),
        xp.full(shape=3, fill_value=0.0),
        xp.arange(np.int64(3)) * 0.0,
        xp.zeros(np.int64(3)),
    ]
    assert [x.get().tolist() for x in made] == [[0.0] * 3] * 4


def test_a_complex_factor_and_a_complex_sign(cupy):
    xp = cr.get_device("cuda").xp
    A = np.array([[2, 1j], [-1j, 2]], "complex64")
    L = xp.linalg.cholesky(cupy.asarray(A))
    assert L.dtype == "complex64"
    np.testing.assert_allclose(L.get(), np.linalg.cholesky(A), rtol=1e-6)
    z = np.array([3 + 4j, 0, -2j], "complex64")
    signs = xp.sign(cupy.asarray(z))
    assert signs.dtype == "complex64"
    np.testing.assert_allclose(signs.get(), np.sign(z), rtol=1e-6)
    x = np.array([-np.inf, -2, -0.0, 0, 5, np.inf, np.nan], "float32")
    np.testing.assert_array_equal(xp.sign(cupy.asarray(x)).get(), np.sign(x))


def test_no_factor_is_nan(cupy):
    space = cr.differentiable(cupy)
    A = cupy.asarray(np.stack([np.eye(2), -np.eye(2), [[1.0, 2.0], [2.0, 1.0]]]))
    L = space.linalg.cholesky(A).value.get()
    np.testing.assert_array_equal(L[0], np.eye(2))
    assert np.isnan(L[1:]).all()
    g = cr.grad(lambda A: space.sum(space.linalg.cholesky(A)))(A).get()
    assert np.isnan(g[1:]).all()
    assert np.isfinite(g[0]).all()
