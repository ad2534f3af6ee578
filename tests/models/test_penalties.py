"""Penalties: their formulas, their slopes, what they spare and what they refuse."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule import pytree
from tests.helpers.networks import PENALTIES, agree, parameters

KINDS = {name: penalty for name, penalty in PENALTIES.items() if penalty and not penalty.biases}


@pytest.mark.parametrize("penalty", KINDS.values(), ids=KINDS)
class TestFormula:
    def test_equal_to_the_engines_and_to_differences(self, device, dtype, penalty):
        ((W, _),) = parameters(cr.MLP((3, 4)), device, dtype)
        W, space = device.asarray(W, dtype), cr.differentiable(device.xp)
        got = penalty.gradient(device.xp, W)
        assert (type(got), got.shape, got.dtype, got.device) == (type(W), W.shape, W.dtype, W.device)
        cost, wanted = cr.value_and_grad(lambda W: penalty.cost(space, W))(W)
        agree(device, (penalty.cost(device.xp, W), got), (cost, wanted), 1e-6)
        cr.check_gradients(lambda W: penalty.cost(space, W), W)
        cr.check_gradients(lambda W: penalty.gradient(space, W), W)

    def test_0_costs_nothing_and_is_not_moved(self, device, dtype, penalty):
        W = device.xp.zeros_like(device.asarray(np.ones((2, 3)), dtype))
        assert float(penalty.cost(device.xp, W)) == 0
        assert device.to_numpy(penalty.gradient(device.xp, W)).any() is np.False_


def test_values_by_hand(device, dtype):
    W, xp = device.asarray([[1.0, -2.0], [0.0, 4.0]], dtype), device.xp
    for penalty, cost, gradient in (
        (cr.L1(0.5), 3.5, [[0.5, -0.5], [0, 0.5]]),
        (cr.L2(0.5), 5.25, [[0.5, -1.0], [0, 2.0]]),
        (cr.ElasticNet(0.5, 0.25), 0.25 * 3.5 + 0.75 * 5.25, [[0.5, -0.875], [0, 1.625]]),
        (cr.ElasticNet(2.0), 7.0 + 10.5, [[2.0, -3.0], [0, 5.0]]),
    ):
        assert float(penalty.cost(xp, W)) == cost
        assert device.to_numpy(penalty.gradient(xp, W)).tolist() == gradient


@given(hnp.arrays("float64", hnp.array_shapes(max_dims=2), elements=st.floats(-1e4, 1e4)), st.floats(0, 100))
def test_an_elastic_net_of_one_kind_is_that_kind(W, strength):
    for ratio, kind in ((1.0, cr.L1), (0.0, cr.L2)):
        mixed, pure = cr.ElasticNet(strength, ratio), kind(strength)
        np.testing.assert_array_equal(mixed.cost(np, W), pure.cost(np, W))
        np.testing.assert_array_equal(mixed.gradient(np, W), pure.gradient(np, W))


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("kind", [cr.L1, cr.L2, cr.ElasticNet], ids=lambda kind: kind.__name__)
def test_biases_are_spared_unless_asked_for(device, kind, biases):
    penalty = kind(0.5, biases=biases)
    without, net = (cr.MLP((3, 2, 1), penalty=p) for p in (None, penalty))
    params = parameters(net, device, "float64")
    X, y = device.asarray(np.ones((4, 3))), device.asarray(np.array([0, 1, 1, 0]))
    (J, gradients), (J0, plain) = (n.cost_and_gradients(params, X, y) for n in (net, without))
    xp = device.xp
    kept = [x for W, b in params for x in ((W, b) if biases else (W,))]
    assert float(J) == pytest.approx(float(J0) + sum(float(penalty.cost(xp, x)) for x in kept), rel=1e-14)
    wanted = [
        g + penalty.gradient(xp, x) if biases or x.ndim == 2 else g
        for x, g in zip(pytree.flat(params), pytree.flat(plain), strict=True)
    ]
    agree(device, gradients, wanted, 1e-15)
    # A penalty is no mean over samples: twice the samples, the same penalty.
    twice = net.cost_and_gradients(params, xp.concat([X, X]), xp.concat([y, y]))
    agree(device, twice, (J, gradients), 1e-14)


def test_none_and_a_strength_of_0_are_alike(device, dtype):
    params = parameters(cr.MLP((3, 2, 1)), device, dtype)
    X, y = device.asarray(np.ones((4, 3)), dtype), device.asarray(np.array([0, 1, 1, 0]))
    wanted = cr.MLP((3, 2, 1)).cost_and_gradients(params, X, y)
    for penalty in (cr.L1(0), cr.L2(0.0, biases=True), cr.ElasticNet(0)):
        agree(device, cr.MLP((3, 2, 1), penalty=penalty).cost_and_gradients(params, X, y), wanted, 0)


@pytest.mark.parametrize("number", [np.float64, np.float32, int])
def test_a_strength_of_any_kind_of_number_leaves_the_dtype(device, number):
    for penalty in (
        cr.L1(number(1)),
        cr.L2(number(1), biases=True),
        cr.ElasticNet(number(1), number(1)),
        cr.ElasticNet(number(1), np.float64(0.5), biases=True),
    ):
        net = cr.MLP((3, 1), penalty=penalty)
        params = parameters(net, device, "float32")
        X, y = device.asarray(np.ones((4, 3)), "float32"), device.asarray(np.array([0, 1, 1, 0]))
        cost, gradients = net.cost_and_gradients(params, X, y)
        assert all(x.dtype == device.xp.float32 for x in (cost, *pytree.flat(gradients)))


class TestRefusals:
    @pytest.mark.parametrize("kind", [cr.L1, cr.L2, cr.ElasticNet], ids=lambda kind: kind.__name__)
    @pytest.mark.parametrize("strength", [-1, -1e-9, math.nan, math.inf])
    def test_strength(self, kind, strength):
        match = rf"^{kind.__name__}: strength must be a finite number from 0 up, got {strength}"
        with pytest.raises(ValueError, match=match.replace("-1,", "-1")):
            kind(strength)

    @pytest.mark.parametrize("ratio", [-0.1, 1.1, math.nan])
    def test_l1_ratio(self, ratio):
        with pytest.raises(ValueError, match=f"^ElasticNet: l1_ratio must be from 0 to 1, got {ratio}$"):
            cr.ElasticNet(1.0, ratio)

    def test_a_setting_is_not_changed_after(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            cr.L2(0.1).strength = 2
