"""Gradients written by hand: those of networks agree with finite differences, and planted errors are found."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff import gradcheck
from chainrule.models.activations import ACTIVATIONS
from chainrule.models.mlp import MLP


def problem(device, net, m=9, seed=0):
    params = net.init(seed, device, "float64")
    rng = np.random.default_rng(seed)
    X = device.asarray(rng.standard_normal((m, net.sizes[0])))
    k = net.sizes[-1]
    y = device.asarray(np.eye(k)[rng.integers(k, size=m)] if k > 1 else rng.integers(2, size=m), "float64")
    return params, X, y


def checks(net, params, X, y, *, cost_and_gradients=None, **settings):
    own = cost_and_gradients or net.cost_and_gradients
    return list(
        gradcheck.check_handwritten_gradients(
            lambda params: net.cost_of(params, X, y), lambda params: own(params, X, y), params, **settings
        )
    )


def faults(*arguments, **settings):
    return [checked.worst for checked in checks(*arguments, **settings) if checked.worst]


@pytest.mark.parametrize("penalty", [None, cr.L1(0.1), cr.ElasticNet(0.2, biases=True)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradients_of_networks_are_found_right(device, activation, penalty):
    net = MLP((4, 5, 3), activation, "softmax", penalty=penalty)
    found = checks(net, *problem(device, net))
    assert [(f.name, f.shape) for f in found[2:]] == [("params[1][0]", (5, 3)), ("params[1][1]", (3,))]
    assert [f.worst for f in found] == [None] * 4


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_slope_wrong_by_a_thousandth_is_found_below_it(monkeypatch, activation):
    device = cr.get_device("cpu")

    row = ACTIVATIONS[activation]

    def wrong(xp, *arguments, **static):
        value, (pullback, *others) = row.gate(xp, *arguments, **static)
        return value, (lambda g: pullback(g) * 1.001, *others)

    net = MLP((4, 30, 1), activation)
    params, X, y = problem(device, net)
    assert not faults(net, params, X, y)
    monkeypatch.setitem(ACTIVATIONS, activation, row._replace(gate=wrong))
    found = checks(net, params, X, y, names=["W0", "b0", "W1", "b1"])
    assert [checked.worst is None for checked in found] == [False, False, True, True]
    for checked in found[:2]:
        worst = checked.worst
        assert worst.name == checked.name
        assert worst.analytic == pytest.approx(1.001 * worst.numeric, rel=1e-5)
        assert str(worst).startswith(f"{worst.name}[{', '.join(map(str, worst.where))}]: numeric ")


@pytest.mark.parametrize("element", [(0, 0), (57, 3), (99, 7)])
def test_a_single_wrong_element_of_many_is_found(device, element):
    net = MLP((100, 8, 1), "tanh")
    params, X, y = problem(device, net)

    def wrong(params, X, y):
        cost, gradients = net.cost_and_gradients(params, X, y)
        dW = device.to_numpy(gradients[0][0]).copy()
        dW[element] += 1e-4
        return cost, [(device.asarray(dW), gradients[0][1]), *gradients[1:]]

    (worst,) = faults(net, params, X, y, cost_and_gradients=wrong)
    assert (worst.name, worst.where) == ("params[0][0]", element)
    assert worst.analytic - worst.numeric == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_no_number_is_wrong(bad):
    device = cr.get_device("cpu")
    net = MLP((3, 1))
    params, X, y = problem(device, net)
    gradients = [(np.full((3, 1), bad), np.zeros(1))]
    assert len(faults(net, params, X, y, cost_and_gradients=lambda *_: (0.0, gradients))) == 2


def test_a_gradient_of_another_shape_or_type_is_refused():
    device = cr.get_device("cpu")
    net = MLP((3, 1))
    params, X, y = problem(device, net)
    for dW in (np.zeros(3), np.zeros((3, 1), "float32")):
        with pytest.raises(
            ValueError, match=r"expected a gradient of shape \(3, 1\) and type float64 for params"
        ):
            checks(net, params, X, y, cost_and_gradients=lambda *_, dW=dW: (0.0, [(dW, np.zeros(1))]))


def cost_and_slope(f, slope):
    return lambda params: f(params[0]), lambda params: (f(params[0]), [slope(params[0])])


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.5, 1.0])
def test_at_a_kink_any_slope_between_those_of_its_sides_is_right(slope):
    cost, own = cost_and_slope(lambda x: np.sum(np.abs(x)), lambda x: np.where(x == 0, slope, np.sign(x)))
    (checked,) = gradcheck.check_handwritten_gradients(cost, own, [np.array([0.0, 2.0])])
    assert checked.worst is None


@pytest.mark.parametrize("slope", [-1.05, 1.05, 3.0])
def test_at_a_kink_a_slope_outside_is_wrong(slope):
    cost, own = cost_and_slope(lambda x: np.sum(np.abs(x)), lambda x: np.where(x == 0, slope, np.sign(x)))
    (checked,) = gradcheck.check_handwritten_gradients(cost, own, [np.array([0.0, 2.0])])
    assert checked.worst.where == (0,)
    assert "; there is a kink here, slope -" in str(checked.worst)


@pytest.mark.parametrize("distance", [1e-7, 3e-7, 1e-6, 5e-6])
def test_a_kink_beside_the_place_does_not_disturb(distance):
    x = np.array([distance, 1.0])
    cost, own = cost_and_slope(lambda x: np.sum(np.abs(x)), np.sign)
    (checked,) = gradcheck.check_handwritten_gradients(cost, own, [x])
    assert checked.worst is None
    cost, own = cost_and_slope(lambda x: np.sum(np.abs(x)), lambda x: np.sign(x) * 1.001)
    (checked,) = gradcheck.check_handwritten_gradients(cost, own, [x])
    assert checked.worst is not None


def test_kinks_beside_the_place_that_look_like_none_do_not_disturb():
    kinks = ((1.2e-7, 3e-7), (3e-6, 4e-7), (-5e-7, 1.26e-7), (-3e-6, 1.9e-7))

    def f(x):
        return x[0] * 1e-3 + sum(c * max(x[0] * np.sign(t) - abs(t), 0) for t, c in kinks)

    for slope, right in ((1e-3, True), (1.001e-3, False)):
        cost, own = cost_and_slope(f, lambda x, slope=slope: np.full(1, slope))
        (checked,) = gradcheck.check_handwritten_gradients(cost, own, [np.zeros(1)])
        assert (checked.worst is None) == right


def test_a_direction_across_thousands_of_kinks_is_no_fault():
    device = cr.get_device("cpu")
    for seed in range(2):
        net = MLP((64, 300, 150, 10), "relu", "softmax")
        params, X, y = problem(device, net, m=32, seed=seed)
        assert not faults(net, params, X, y, seed=seed)


def test_a_direction_from_thousands_of_kinks_is_no_fault():
    device = cr.get_device("cpu")
    net = MLP((8, 108, 9), "relu", "softmax")
    for seed in range(10):
        params, X, y = problem(device, net, m=32, seed=seed)
        # Biases are 0 at first, so that for a row of zeros every unit is at its kink.
        X[::4] = 0
        assert not faults(net, params, X, y, seed=seed)


@pytest.mark.parametrize("size", [1.0, 1e-2, 5e-5])
def test_a_small_gradient_wrong_by_a_thousandth_is_found(size):
    for error, wrong in ((1.0, False), (1.001, True)):
        cost, own = cost_and_slope(lambda x: np.sum(x**2) * size / 2, lambda x, error=error: x * size * error)
        (checked,) = gradcheck.check_handwritten_gradients(cost, own, [np.ones(2)])
        assert (checked.worst is not None) == wrong


def test_a_cost_that_is_nan_along_a_direction_alone_is_a_fault():
    x = np.linspace(1, 2, 100)

    def f(moved):
        return np.sum(moved**2) if np.count_nonzero(moved != x) < 2 else np.nan

    cost, own = cost_and_slope(f, lambda x: 2 * x)
    (checked,) = gradcheck.check_handwritten_gradients(cost, own, [x])
    assert checked.worst.where is None
    assert "params[0], in a random direction: numeric nan, analytic" in str(checked.worst)
