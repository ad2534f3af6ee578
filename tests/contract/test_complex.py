"""Complex numbers in every gate that takes them: gradients are dL/dRe + i dL/dIm."""

import sys
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.contract.operations import beside
from tests.helpers.devices import Place

Z = np.array([[0.6 + 0.8j, -1.1 + 0.3j], [0.4 - 0.9j, 1.2 + 0.5j]])
W = np.array([[1.3 - 0.2j, 0.7 + 0.4j], [-0.5 + 1.1j, 0.8 - 0.6j]])
X = np.array([[0.5, -1.5], [2.0, 0.75]])
D = np.array([[3, 1 - 1j], [1 + 1j, 5]])
TALL = np.array([[1, 2j], [0.5 - 1j, 1], [1j, 1.5 + 0.5j]])


def hermitian(f: Any) -> Any:
    """A function of matrices that reads one triangle, as a function of both."""
    return lambda xp, z: f(xp, (xp.asarray(z) + xp.conj(xp.matrix_transpose(xp.asarray(z)))) / 2)


def unary(name: str) -> Any:
    return lambda xp, z: getattr(xp, name)(z)


def binary(name: str) -> Any:
    return lambda xp, z, w: getattr(xp, name)(z, w)


def exponential(xp: Any, w: Any, V: Any) -> Any:
    return xp.matmul(V * xp.exp(w)[..., None, :], xp.linalg.inv(V))


def svd_part(i: int) -> Any:
    return lambda xp, z: xp.abs(xp.linalg.svd(z, full_matrices=False)[i]) ** 2


def svd_product(xp: Any, z: Any) -> Any:
    U, _, Vh = xp.linalg.svd(z, full_matrices=False)
    return xp.matmul(U[:, :1], Vh[:1, :])


UNARY = (
    "abs acos acosh asin asinh atan atanh conj cos cosh exp expm1 imag log log10 log1p log2 negative positive real "
    "reciprocal sigmoid sign sin sinh sqrt square tan tanh"
)
BINARY = "add divide matmul multiply pow subtract vecdot"
KINDS = {"complex": (Z, W), "real-complex": (np.abs(X), W), "complex-real": (Z, X)}

ROWS: dict[str, tuple[Any, ...]] = {
    **{name: (unary(name), Z) for name in UNARY.split()},
    **{
        f"{name}-{kind}": (binary(name), *arrays) for name in BINARY.split() for kind, arrays in KINDS.items()
    },
    "divide-of-number": (lambda xp, z: (1 - 2j) / xp.asarray(z), Z),
    "pow-of-number": (lambda xp, z: xp.pow(-2.5, z), Z),
    "pow-of-complex-number": (lambda xp, z: xp.pow(1 - 2j, z), Z),
    "pow-complex-number": (lambda xp, z: xp.pow(z, 0.5 + 2j), Z),
    "pow-integer": (lambda xp, z: xp.pow(z, 3), Z),
    "prod": (lambda xp, z: xp.prod(z, axis=0), Z),
    "prod-zero": (lambda xp, z: xp.prod(z), Z * (np.abs(Z) > 1.1)),
    "cumulative_prod": (lambda xp, z: xp.cumulative_prod(z, axis=1), Z),
    "cumulative_sum": (lambda xp, z: xp.cumulative_sum(z, axis=1), Z),
    "mean": (lambda xp, z: xp.mean(z, axis=0), Z),
    "where-real": (lambda xp, z, x: xp.where(xp.asarray(x) > 0, z, x), Z, X),
    "concat-real": (lambda xp, z, x: xp.concat([xp.asarray(z), xp.asarray(x)]), Z, X),
    "take": (lambda xp, z: xp.take(z, beside(xp, z, [0, 0]), axis=0), Z),
    "getitem": (lambda xp, z: xp.asarray(z)[0, :] * xp.asarray(z)[1, 0], Z),
    "astype": (lambda xp, x: xp.astype(x, xp.complex128) * 1j, X),
    "linalg.inv": (lambda xp, z: xp.linalg.inv(z), Z),
    "linalg.solve": (lambda xp, z, x: xp.linalg.solve(z, x), Z, X),
    "linalg.det": (lambda xp, z: xp.linalg.det(z), Z),
    "linalg.det-singular": (lambda xp, z: xp.linalg.det(z), np.array([[1 + 1j, 2], [2 + 2j, 4]])),
    "linalg.slogdet": (lambda xp, z: tuple(xp.linalg.slogdet(z)), Z),
    "linalg.pinv": (lambda xp, z: xp.linalg.pinv(z), TALL),
    "linalg.pinv-truncated": (lambda xp, z: xp.linalg.pinv(z, rtol=0.9), TALL),
    **{
        f"linalg.vector_norm-{p}": (lambda xp, z, p=p: xp.linalg.vector_norm(z, axis=0, ord=p), Z)
        for p in (0.5, 1, 2, 3, float("inf"))
    },
    "linalg.matrix_norm": (lambda xp, z: xp.linalg.matrix_norm(z, ord="nuc"), Z),
    "linalg.cholesky": (hermitian(lambda xp, z: xp.linalg.cholesky(z)), D),
    "linalg.cholesky-upper": (hermitian(lambda xp, z: xp.linalg.cholesky(z, upper=True)), D),
    "linalg.eigh-values": (hermitian(lambda xp, z: xp.linalg.eigh(z)[0]), D),
    "linalg.eigh-vectors": (hermitian(lambda xp, z: xp.abs(xp.linalg.eigh(z)[1]) ** 2), D),
    "linalg.eigh-both": (hermitian(lambda xp, z: exponential(xp, *xp.linalg.eigh(z))), D),
    "linalg.eigvalsh": (hermitian(lambda xp, z: xp.linalg.eigvalsh(z)), D),
    "linalg.qr-tall": (lambda xp, z: tuple(xp.linalg.qr(z)), TALL),
    "linalg.qr-wide": (lambda xp, z: tuple(xp.linalg.qr(z)), TALL.T),
    **{f"linalg.svd-{i}": (svd_part(i), TALL) for i in range(3)},
    "linalg.svd-product": (svd_product, TALL),
    "linalg.svd-product-wide": (svd_product, TALL.T),
    "linalg.eigvals": (lambda xp, z: xp.linalg.eigvals(z), Z),
    "linalg.eig-vectors": (lambda xp, z: xp.abs(xp.linalg.eig(z)[1]) ** 2, Z),
    "linalg.eig-both": (lambda xp, z: exponential(xp, *xp.linalg.eig(z)), Z),
    "linalg.eig-both-real": (lambda xp, z: exponential(xp, *xp.linalg.eig(z)), X),
}
# Gates with complex rules of their own: their second derivatives are those rules' as well.
OWN = (
    "abs", "imag", "sign", "asinh", "atan", "sigmoid", "pow-complex", "prod", "linalg.det-singular", "linalg.slogdet",
    "linalg.vector_norm-3", "linalg.eigh-both", "linalg.svd-product", "linalg.eig-both", "linalg.qr-tall",
    "linalg.cholesky", "linalg.pinv", "linalg.pinv-truncated",
)  # fmt: skip


ON_THE_PRETENDED_GPU = ("abs", "multiply-real-complex", "linalg.inv", "take")


@pytest.mark.parametrize("name", ROWS)
def test_gradients_agree_with_central_differences_along_both_parts(name: str):
    f, *arrays = ROWS[name]
    space = cr.differentiable(np)
    cr.check_gradients(lambda *zs: f(space, *zs), *arrays, order=2 if name in OWN else 1)


@pytest.mark.parametrize("name", ROWS)
def test_a_gradient_in_single_precision_has_its_inputs_dtype_on_every_device(here: Place, name: str):
    if here.device.name == "strict":
        pytest.skip("as strict:device1")
    if (
        here.device.name.startswith("cuda")
        and "cupy_on_cpu" in sys.modules
        and name not in ON_THE_PRETENDED_GPU
    ):
        pytest.skip("g++ takes seconds for each complex kernel")
    f, *arrays = ROWS[name]
    space = cr.differentiable(here.xp)

    def cost(*zs: Any) -> Any:
        ys = f(space, *zs)
        return sum(space.sum(space.abs(y + 0.5) ** 2) for y in (ys if isinstance(ys, tuple) else (ys,)))

    numbers = tuple(range(len(arrays)))
    wide = cr.grad(cost, numbers)(*(here.array(z, z.dtype) for z in arrays))
    narrow = [here.array(z, "complex64" if np.iscomplexobj(z) else "float32") for z in arrays]
    for z, g, expected in zip(narrow, cr.grad(cost, numbers)(*narrow), wide, strict=True):
        assert (g.shape, g.dtype, g.device) == (z.shape, z.dtype, z.device)
        scale = np.max(np.abs(here.numpy(expected)))
        np.testing.assert_allclose(here.numpy(g), here.numpy(expected), rtol=2e-3, atol=2e-3 * scale)


def test_the_gradient_is_the_direction_of_steepest_ascent():
    assert cr.grad(lambda z: abs(z) ** 2)(3 + 4j) == 6 + 8j
    assert cr.grad(lambda z: np.real(z * z))(1 + 2j) == 2 - 4j
    assert cr.grad(lambda z: np.imag(z))(1 + 2j) == 1j
    assert cr.grad(lambda x: np.imag(x) + 2 * np.angle(x) + 3 * np.sign(x) + x)(0.5) == 1
    assert cr.grad(lambda x: np.abs(np.exp(x * 1j) + x))(0.0) == 1.0


def test_a_complex_result_has_no_gradient_and_has_a_pullback_and_a_rate():
    z = np.array([1 + 2j, 0.5 - 1j])
    with pytest.raises(
        TypeError, match=r"expected .* to return a real number; got complex128\. Take its real part"
    ):
        cr.grad(lambda z: np.sum(z * z))(z)
    with pytest.raises(TypeError, match="expected a real number"):
        cr.backward(cr.variable(2j) * 3)
    with pytest.raises(TypeError, match=r"elementwise_grad: expected .* real number; got complex128"):
        cr.elementwise_grad(np.exp)(z)
    y, pullback = cr.vjp(lambda z: z * z, z)
    np.testing.assert_allclose(pullback(y)[0], y * np.conj(2 * z))
    np.testing.assert_allclose(cr.jvp(lambda z: z * z, (z,), (y,))[1], 2 * z * y)


def test_what_depends_on_a_phase_that_can_be_chosen_is_nan():
    for f in (
        lambda z: np.linalg.eigh(z)[1][1, 0],
        lambda z: np.linalg.eig(z)[1][1, 0],
        lambda z: np.linalg.svd(z)[0][1, 0],
        lambda z: np.linalg.svd(z)[2][1, 0],
    ):
        assert np.isnan(cr.grad(lambda z, f=f: np.real(f(z)) + np.imag(f(z)))(D + Z * 0.1)).all()


def test_eigenvalues_without_as_many_vectors_have_no_gradient():
    for z in (np.array([[1.0, 1], [0, 1]]), np.array([[1j, 1], [0, 1j]])):
        assert np.isnan(cr.grad(lambda z: np.sum(np.abs(np.linalg.eigvals(z))))(z)).all()


def test_the_branch_that_was_not_taken_gives_zero():
    z = np.array([0j, 4j])
    with np.errstate(all="ignore"):
        g = cr.grad(lambda z: np.sum(np.abs(np.where(z != 0, np.sqrt(z) / z, 1j))))(z)
    assert g[0] == 0
    assert np.isfinite(g).all()


def test_what_is_known_for_real_numbers_alone_says_so():
    for name in ("softplus", "logsumexp", "relu"):
        with pytest.raises(
            TypeError, match=f"{name}: its gradient is known for real numbers alone; got complex128"
        ):
            cr.vjp(lambda z, name=name: getattr(cr.differentiable(np), name)(z), Z)


def test_a_checkpoint_of_complex_numbers():
    f = cr.checkpoint(lambda z, x: z * np.conj(z) * np.exp(z) + x)
    cr.check_gradients(f, Z, X, order=2)


def test_a_gate_of_a_user_is_holomorphic_and_two_kinds_of_results_are_an_error():
    @cr.gate
    def cube(xp: Any, z: Any) -> Any:
        return z**3, (lambda g: g * (3 * z * z),)

    @cr.gate
    def both(xp: Any, z: Any) -> Any:
        return (z * z, xp.abs(z)), (lambda g: g[0] * 2 * z + g[1],)

    cr.check_gradients(cube, Z)
    with pytest.raises(TypeError, match="both: expected its results to be all real or all complex; got both"):
        cr.vjp(both, Z)


def test_the_checker_finds_an_error_in_either_part():
    for wrong in (lambda g: g * 1.001, lambda g: g * (1 + 0.001j), lambda g: np.conj(g)):

        @cr.gate
        def off(xp: Any, z: Any, wrong: Any = wrong) -> Any:
            return z * z, (lambda g: wrong(g * 2 * z),)

        for mode in ("reverse", "forward"):
            with pytest.raises(AssertionError, match=rf"{mode}, args\[0\] as \(real, imag\)\[|{mode}"):
                cr.check_gradients(lambda z: off(z), Z, modes=(mode,))


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_a_jacobian_is_the_derivative_of_a_holomorphic_function_and_else_an_error(mode: str):
    z, M = np.array([1 + 2j, 0.3 - 1j]), Z
    expected = np.diag(z @ M.T) + np.diag(z) @ M
    np.testing.assert_allclose(cr.jacobian(lambda z: (z @ M.T) * z, mode=mode)(z), expected)
    turning = cr.jacobian(lambda x: np.exp(x * 1j), mode=mode)(X[0])
    np.testing.assert_allclose(turning, np.diag(1j * np.exp(1j * X[0])), atol=1e-15)
    np.testing.assert_allclose(cr.jacobian(lambda z: np.abs(z) ** 2, mode=mode)(z), np.diag(2 * z))
    np.testing.assert_allclose(cr.jacobian(np.fft.fft, mode=mode)(z), [[1, 1], [1, -1]])
    for f in (np.conj, lambda z: z * np.abs(z)):
        with pytest.raises(TypeError, match="depends on the conjugate"):
            cr.jacobian(f, mode=mode)(z)
    beside_nan = {
        "reverse": lambda z: np.sum(z * np.abs(z), keepdims=True),
        "forward": lambda z: z * np.abs(z[1]),
    }
    with pytest.raises(TypeError, match="depends on the conjugate"):
        cr.jacobian(beside_nan[mode], mode=mode)(np.array([np.nan, 1 + 2j]))


def test_products_with_the_hessian_batches_and_programs():
    def f(z: Any) -> Any:
        return np.sum(np.abs(z * z) + np.real(np.exp(z)))

    z, v, h = np.array([1 + 2j, 0.3 - 1j]), np.array([1j, 2.0]), 1e-6
    expected = (cr.grad(f)(z + h * v) - cr.grad(f)(z - h * v)) / (2 * h)
    np.testing.assert_allclose(cr.hvp(f, z, v), expected, rtol=1e-8)
    np.testing.assert_allclose(cr.vmap(cr.grad(lambda z: np.abs(z * z)))(z), 2 * z, rtol=1e-14)
    for each in (f, lambda z: np.sum(np.abs(z[[0, 0, 1]] + np.take(z, [1, 1, 0])))):
        np.testing.assert_array_equal(cr.compile(cr.grad(each))(z), cr.grad(each)(z))
    np.testing.assert_allclose(cr.hessian(lambda z: np.sum(np.abs(z) ** 2))(z), 2 * np.eye(2))


def test_methods_that_divide_by_squares_take_real_parameters():
    z = np.array([1 + 2j, 0.3 - 1j])
    p, _ = cr.optim.gradient_descent(0.5).update(2 * z, cr.optim.gradient_descent(0.5).init(z), z)
    assert not p.any()
    for run in (
        lambda: cr.optim.adam().init(z),
        lambda: cr.optim.rmsprop().init([z]),
        lambda: cr.optim.clipped(cr.optim.gradient_descent(0.1), 1.0).update(z, {"step": 0}, z),
        lambda: cr.optim.lbfgs(lambda z: (np.sum(np.abs(z) ** 2), 2 * z), z, steps=3),
    ):
        with pytest.raises(TypeError, match=r"expected params.* to be real, got complex128"):
            run()


def test_an_element_that_is_taken_twice_gets_both_gradients(here: Place):
    space, z = cr.differentiable(here.xp), here.array(Z[0], "complex128")
    places = here.xp.asarray([0, 0, 1], device=z.device)
    for gather in (lambda z: space.take(z, places), lambda z: z[places]):
        g = cr.grad(lambda z, f=gather: space.sum(space.real(f(z) * 1j)))(z)
        np.testing.assert_array_equal(here.numpy(g), [-2j, -1j])


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
@pytest.mark.parametrize("settings", [{"axes": (0, 0)}, {"s": (2, 3, 2), "axes": (1, -1, 0)}])
def test_an_axis_that_is_transformed_twice(name: str, settings: dict[str, Any]):
    f = getattr(np.fft, name)
    z = X if name == "rfftn" else Z
    np.testing.assert_array_equal(cr.vjp(lambda z: f(z, **settings), z)[0], f(z, **settings))
    cr.check_gradients(lambda z: f(z, norm="ortho", **settings), z)


def test_programs_of_a_complex_factor_and_of_eigenvalues():
    assert cr.compile(lambda x: 1j * x + x * 2j)(2.0) == 6j
    with pytest.raises(TypeError, match=r"compile: the dtype of linalg.eigvals"):
        cr.compile(cr.grad(lambda x: np.sum(np.real(np.linalg.eigvals(x)))))(np.diag([1.0, 2.0]))
