"""Masks: what a selection left out has the gradient 0, whatever the slopes before it; all else follows the formula."""

import numpy as np
import pytest

import chainrule as cr

# Functions whose slope, or the slope of it, is infinite or NaN at a bad element; and a selection that leaves it out.
# Each takes x with a good element and gives a number whose gradient at the bad element is 0.
SLOPES = {
    "sqrt": (lambda np_, x: np_.sqrt(x), 0.0),
    "log": (lambda np_, x: np_.log(x), 0.0),
    "x log x": (lambda np_, x: x * np_.log(x), 0.0),
    "1 / x": (lambda np_, x: 1.0 / x, 0.0),
    "x / x": (lambda np_, x: x / x, 0.0),
    "x ** 0.5": (lambda np_, x: x**0.5, 0.0),
    "x ** 1.5": (lambda np_, x: x**1.5, 0.0),
    "x ** x": (lambda np_, x: x**x, 0.0),
    "0.5 ** (1 / x)": (lambda np_, x: 0.5 ** (1.0 / x), 0.0),
    "log of sqrt": (lambda np_, x: np_.log(np_.sqrt(x)), 0.0),
    "log of a product": (lambda np_, x: np_.log(3.0 * x + x * x), 0.0),
    "arcsin": (lambda np_, x: np_.asin(1.0 - x), 0.0),
    "arccos": (lambda np_, x: np_.acos(1.0 - x), 0.0),
    "arccosh": (lambda np_, x: np_.acosh(1.0 + x), 0.0),
    "arctanh": (lambda np_, x: np_.atanh(1.0 - x), 0.0),
    "sin": (lambda np_, x: np_.sin(x), np.inf),
    "exp": (lambda np_, x: np_.exp(x), np.inf),
    "hypot": (lambda np_, x: np_.hypot(x, 1.0 / x), np.inf),
    "abs": (lambda np_, x: np_.abs(x * x), np.inf),
    "tanh of NaN": (lambda np_, x: np_.tanh(x), np.nan),
    "x x of NaN": (lambda np_, x: x * x, np.nan),
    "maximum of NaN": (lambda np_, x: np_.maximum(np_.log(x), 0.5), np.nan),
    "minimum of the square of NaN": (lambda np_, x: np_.minimum(x * x, 0.5), np.nan),
    "clip of NaN": (lambda np_, x: np_.sqrt(np_.clip(np_.sqrt(x), 0.1, 2.0)), np.nan),
}
EVERY = pytest.mark.parametrize("name", SLOPES)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def good(xp, x):
    return xp.logical_and(x > 0, x < np.inf)


def selected(name, xp):
    """Return x -> the sum of a function where x is good, in a namespace."""
    f, _ = SLOPES[name]
    return lambda x: xp.sum(xp.where(good(xp, x), f(xp, x), 0.0))


@EVERY
def test_it_holds_for_arrays_on_every_device(device, name):
    xp = cr.differentiable(device.xp)
    x = device.asarray([SLOPES[name][1], 0.5])
    dx = device.to_numpy(cr.grad(selected(name, xp))(x))
    alone = device.to_numpy(cr.grad(selected(name, xp))(device.asarray([0.5])))
    np.testing.assert_array_equal(dx, [0.0, alone[0]])


@EVERY
@pytest.mark.parametrize("kind", [float, np.float64, np.asarray], ids=["float", "float64", "0-d"])
def test_it_holds_for_numbers(name, kind):
    f, bad = SLOPES[name]
    dx = cr.grad(lambda x: np.where(good(np, x), f(np, x), 0.0))(kind(bad))
    np.testing.assert_array_equal(dx, 0.0)


@EVERY
def test_it_holds_in_forward_mode_and_to_the_second_order(device, name):
    xp = cr.differentiable(device.xp)
    x = device.asarray([SLOPES[name][1], 0.5])
    f = selected(name, xp)
    _, rate = cr.jvp(f, (x,), (device.asarray([1.0, 0.0]),))
    assert device.to_numpy(rate) == 0
    H = device.to_numpy(cr.hessian(f)(x))
    h = device.to_numpy(cr.hessian(f)(device.asarray([0.5])))
    np.testing.assert_allclose(H, [[0.0, 0.0], [0.0, h[0, 0]]], rtol=1e-12)


SELECTIONS = {
    "where": lambda y: np.where(np.isfinite(y), y, 0.0),
    "maximum": lambda y: np.maximum(y, 0.1),
    "minimum": lambda y: -np.minimum(-y, -0.1),
    "clip": lambda y: np.clip(y, 0.1, 9.0),
    "max": lambda y: np.max(y),
    "min": lambda y: -np.min(-y),
    "relu": lambda y: cr.functions.relu(y - 0.1),
    "an index": lambda y: y[1],
    "a slice": lambda y: y[1:],
    "a mask": lambda y: y[np.asarray([False, True])],
    "an index array": lambda y: y[np.asarray([1, 1])],
    "take": lambda y: np.take(y, np.asarray([1])),
    "take_along_axis": lambda y: np.take_along_axis(y, np.asarray([1]), 0),
    "tril": lambda y: np.tril(np.stack([y[::-1], y]))[0],
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_every_selection_masks(name):
    # sqrt has an infinite slope at 0, the element that is not selected.
    x = np.asarray([0.0, 4.0])
    dx = cr.grad(lambda x: np.sum(SELECTIONS[name](np.sqrt(x))) if name != "where" else wheres(x))(x)
    assert dx[0] == 0
    assert dx[1] != 0


def wheres(x):
    return np.sum(np.where(x > 0, np.sqrt(x), 0.0))


MOVES = {
    "reshape": lambda y: y.reshape(1, 2).ravel(),
    "a transpose": lambda y: np.stack([y, y]).T[:, 0],
    "a flip": lambda y: np.flip(np.flip(y)),
    "a roll": lambda y: np.roll(np.roll(y, 1), -1),
    "concat": lambda y: np.concatenate([y, y])[:2],
    "repeat": lambda y: np.repeat(y, 2)[::2],
    "broadcast": lambda y: np.broadcast_to(y, (3, 2))[0],
    "a sum": lambda y: np.sum(y[None, :], axis=0),
    "a mean": lambda y: np.mean(np.stack([y, y]), axis=0),
    "float32": lambda y: y.astype(np.float32).astype(np.float64),
    "negative": lambda y: 0.0 - (-y),
    "sort": lambda y: np.sort(y),
    "a cumulative sum": lambda y: np.concatenate([y[:1], np.cumsum(y[::-1])[:1]]),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_mask_moves_with_the_elements(name):
    x = np.asarray([0.0, 4.0])
    dx = cr.grad(lambda x: np.sum(np.where(x > 0, MOVES[name](np.sqrt(x)), 0.0)))(x)
    np.testing.assert_allclose(dx, [0.0, 0.25])


def test_a_masked_sum_of_zeros_masks_what_it_was_made_of():
    def shares(x):
        s = np.sum(x)
        return np.sum(np.where(s > 0, x / s, 0.0) ** 2)

    np.testing.assert_array_equal(cr.grad(shares)(np.zeros(3)), np.zeros(3))


def test_a_use_that_is_not_masked_ends_the_mask():
    x = np.asarray([0.0, 4.0])

    def f(x):
        s = np.sqrt(x)
        return np.sum(np.where(x > 0, s, 0.0)) + s[0]

    np.testing.assert_array_equal(cr.grad(f)(x), [np.inf, 0.25])


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda v: np.sqrt(v) ** 2, 0.0),
        (lambda v: np.exp(np.log(v)), 0.0),
        (lambda v: 1 / (1 / v), 0.0),
        (lambda v: np.arccos(v) ** 2, 1.0),
        (lambda v: (np.sqrt(v) - np.sqrt(v * 1.0)) ** 2, 0.0),
    ],
    ids=["sqrt squared", "exp log", "1 / (1 / v)", "arccos squared", "Hellinger"],
)
def test_what_is_not_masked_follows_the_formula(f, x):
    # 0 times an infinite slope: the limit is a number that the formula does not see, and 0 would be a wrong one.
    assert np.isnan(cr.grad(lambda v: np.sum(f(v)))(np.full(1, x))).all()


def test_a_mask_goes_through_twenty_thousand_gates():
    def f(x):
        y = np.sqrt(x)
        for _ in range(20_000):
            y = -y
        return np.sum(np.where(x > 0, y, 0.0))

    np.testing.assert_allclose(cr.grad(f)(np.asarray([0.0, 4.0])), [0.0, 0.25])


def test_the_rows_of_a_jacobian_do_not_meet():
    np.testing.assert_array_equal(cr.jacobian(np.sqrt)(np.asarray([0.0, 1.0])), [[np.inf, 0.0], [0.0, 0.5]])
    H = cr.hessian(lambda v: np.sum(v**1.5))(np.asarray([0.0, 4.0]))
    np.testing.assert_array_equal(H, [[np.inf, 0.0], [0.0, 0.375]])
