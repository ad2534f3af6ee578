"""scipy.integrate with gradients: integrals of samples, and differential equations by both methods."""

import numpy as np
import pytest
import scipy.integrate

import chainrule as cr
from chainrule.scipy import integrate

rng = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["trapezoid", "simpson", "cumulative_trapezoid"])
def test_integrals_of_samples(name):
    ours, theirs = getattr(integrate, name), getattr(scipy.integrate, name)
    for n in (2, 3, 4, 5):
        y, x = rng.normal(size=(2, n)), np.sort(rng.normal(size=n))
        np.testing.assert_allclose(ours(y, x), theirs(y, x), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(ours(y.T, dx=0.3, axis=0), theirs(y.T, dx=0.3, axis=0), rtol=1e-12)
        if n in (4, 5):
            cr.check_gradients(lambda y, x: np.sum(np.sin(ours(y, x))), y, x, order=2)
            cr.check_gradients(lambda y, d: np.sum(np.sin(ours(y, dx=d))), y, np.asarray(0.3))
    with pytest.raises(ValueError, match="as many places"):
        ours(y, x[1:])


def test_there_is_no_parabola_through_two_values_at_one_place():
    with np.errstate(divide="ignore", invalid="ignore"):
        assert np.isnan(integrate.simpson([1.0, 2.0, 3.0], [0.0, 1.0, 1.0]))
    # The last of an even number of intervals may have no length.
    assert integrate.simpson([1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 3.0, 3.0]) == 5.25


def predators(y, t, p):
    return np.stack([p[0] * y[0] - p[1] * y[0] * y[1] + 0.1 * np.sin(t), p[3] * y[0] * y[1] - p[2] * y[1]])


Y0, T, RATES = np.array([1.0, 2.0]), np.array([0.0, 0.4, 1.0]), np.array([1.1, 0.4, 0.9, 0.3])


def cost(y0, t, p, **settings):
    return np.sum(np.cos(integrate.odeint(predators, y0, t, (p,), **settings)))


@pytest.fixture(scope="module")
def exact():
    return cr.grad(lambda y0, t, p: cost(y0, t, p, rtol=1e-11, atol=1e-11), (0, 1, 2))(Y0, T, RATES)


def test_values_of_odeint():
    want = scipy.integrate.solve_ivp(
        lambda t, y: predators(y, t, RATES), (0, 1), Y0, t_eval=T, rtol=1e-12, atol=1e-12, method="DOP853"
    ).y.T
    np.testing.assert_allclose(integrate.odeint(predators, Y0, T, (RATES,)), want, atol=1e-7)
    np.testing.assert_allclose(integrate.odeint(predators, Y0, T, (RATES,), steps=20), want, atol=1e-7)
    back = integrate.odeint(predators, want[-1], T[::-1], (RATES,))
    np.testing.assert_allclose(back[-1], Y0, atol=1e-6)
    ours = integrate.odeint(lambda t, y: [-y[0]], 1.0, [0, 1], tfirst=True)
    np.testing.assert_allclose(ours, [[1], [np.exp(-1)]], atol=1e-7)


def test_gradients_through_the_steps_are_those_of_the_computed_values():
    cr.check_gradients(lambda *args: cost(*args, steps=1), Y0, T[1:], RATES, order=2)


def test_both_methods_agree(exact):
    # d/dy0 of the flow, by the equation of the sensitivities.
    def with_sensitivities(t, z):
        y, J = z[:2], z[2:].reshape(2, 2)
        (a, b, c, d), (u, v) = RATES, y
        F = np.array([[a - b * v, -b * u], [d * v, d * u - c]])
        return np.concatenate([predators(y, t, RATES), (F @ J).ravel()])

    z = scipy.integrate.solve_ivp(
        with_sensitivities, (0, 1), [*Y0, 1, 0, 0, 1], t_eval=T, rtol=1e-12, atol=1e-12, method="DOP853"
    ).y.T
    want = sum(-np.sin(row[:2]) @ row[2:].reshape(2, 2) for row in z)
    np.testing.assert_allclose(exact[0], want, rtol=1e-8)
    adjoint = cr.grad(lambda *args: cost(*args, adjoint=True), (0, 1, 2))(Y0, T, RATES)
    for a, b in zip(adjoint, exact, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_small_gradient_keeps_its_digits_by_the_adjoint_method(exact):
    small = cr.grad(lambda y0: 1e-12 * cost(y0, T, RATES, adjoint=True))(Y0)
    np.testing.assert_allclose(small * 1e12, exact[0], rtol=1e-5)


def test_complex_numbers():
    def f(y, k, adjoint):
        ys = integrate.odeint(
            lambda y, t, k: 1j * k * y, y, T[:2], (k,), adjoint=adjoint, rtol=1e-9, atol=1e-9
        )
        return np.sum(np.real(ys) ** 2)

    for adjoint in (False, True):
        cr.check_gradients(
            lambda y, k, a=adjoint: f(y, k, a), np.array([1.0 + 0.5j]), np.asarray(1.3), rtol=1e-5
        )


def test_the_adjoint_method_at_the_second_order_forward_and_in_batches():
    short = T[:2]

    def f(p):
        return cost(Y0, short, p, adjoint=True, rtol=1e-5, atol=1e-5)

    slope = cr.grad(lambda p: cost(Y0, short, p, steps=4))
    v = np.array([1.0, -1.0, 0.5, 2.0])
    np.testing.assert_allclose(cr.hvp(f, RATES, v), cr.jvp(slope, (RATES,), (v,))[1], atol=1e-3)
    np.testing.assert_allclose(cr.jvp(f, (RATES,), (v,))[1], slope(RATES) @ v, atol=1e-3)
    slopes = cr.vmap(cr.grad(f))(np.stack([RATES, 1.5 * RATES]))
    np.testing.assert_allclose(slopes, [slope(RATES), slope(1.5 * RATES)], atol=1e-3)


def test_odeint_in_batches_compiled_and_on_every_device(device):
    y0, t = device.asarray(Y0, dtype="float32"), device.asarray(T[:2], dtype="float32")
    ys = cr.vmap(lambda k: integrate.odeint(lambda y, t: -k * y, y0, t, rtol=1e-4, atol=1e-4))(
        device.asarray([1.0, 2.0], dtype="float32")
    )
    assert str(ys.dtype).endswith("float32")
    want = Y0 * np.exp(-np.array([[[1.0]], [[2.0]]]) * T[:2, None])
    np.testing.assert_allclose(device.to_numpy(ys), want, rtol=1e-3)
    if device.name == "cpu":
        slope = cr.grad(lambda p: cost(Y0, T[:2], p, steps=1))
        np.testing.assert_allclose(cr.compile(slope)(RATES), slope(RATES), rtol=1e-12)


def test_what_odeint_refuses():
    with pytest.raises(RuntimeError, match="stiff"):
        integrate.odeint(lambda y, t: -1e9 * (y - np.cos(t)), [0.0], [0, 1], mxstep=100)
    with pytest.raises(RuntimeError, match="came to 0"):
        integrate.odeint(lambda y, t: y * np.nan, [1.0], [0, 1], mxstep=20)
    with pytest.raises(ValueError, match="shape of y"):
        integrate.odeint(lambda y, t: y[:1], [1.0, 2.0], [0, 1])
    with pytest.raises(TypeError, match="pass it in by args"):
        cr.grad(
            lambda p: np.sum(
                integrate.odeint(lambda y, t, q: -p * y, np.ones(1), T, (p,), adjoint=True, rtol=1e-3)
            )
        )(np.asarray(1.0))
    with pytest.raises(RuntimeError, match="departs by"):
        cr.grad(
            lambda k: np.sum(
                integrate.odeint(lambda y, t, k: -k * y, [1.0], T, (k,), adjoint=True, rtol=1e-4)
            )
        )(np.asarray(30.0))
    # One of a batch that is NaN leaves the others as they are.
    ys = cr.vmap(lambda y: integrate.odeint(lambda y, t: -y, y, [0, 1]))(np.array([[1.0], [np.nan]]))
    np.testing.assert_allclose(ys[0, 1], np.exp(-1), atol=1e-7)
    assert np.isnan(ys[1]).all()
