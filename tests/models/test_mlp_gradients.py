"""Gradients put together by hand against the engine's of a plain function, and against differences."""

import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from chainrule.models.activations import ACTIVATIONS
from chainrule.models.kernels import numpy as kernels
from tests.helpers.networks import (
    COSTS,
    EVERY_ACTIVATION,
    EVERY_COST,
    PENALTIES,
    agree,
    network,
    parameters,
    plain_cost,
    samples,
    slopes_agree,
)

TOLERANCE = {"float32": 2e-5, "float64": 1e-13}


@EVERY_ACTIVATION
@EVERY_COST
def test_equal_to_the_engines_of_a_plain_function_and_to_differences(device, dtype, activation, output, cost):
    for penalty in PENALTIES:
        _equal(network(activation, output, cost, penalty), device, dtype, penalty)


def _equal(net, device, dtype, penalty):
    params, space = parameters(net, device, dtype), cr.differentiable(device.xp)
    X, y, _, weight = samples(net, device, dtype)
    wanted = cr.value_and_grad(lambda p: plain_cost(net, space, p, X, y, weight))(params)
    J, gradients = net.cost_and_gradients(params, X, y, sample_weight=weight)
    agree(device, (J, gradients), wanted, TOLERANCE[dtype], penalty)
    # On a GPU the cost alone and the cost beside the gradients are summed by kernels of their own.
    rounding = 8 * float(np.finfo(dtype).eps) if device.name.startswith("cuda") else 0
    assert float(net.cost_of(params, X, y, sample_weight=weight)) == pytest.approx(
        float(J), rel=rounding, abs=0
    )
    for x, g in zip(pytree.flat(params), pytree.flat(gradients), strict=True):
        assert (type(g), g.shape, g.dtype, g.device) == (type(x), x.shape, x.dtype, x.device)
    if dtype == "float64":
        slopes_agree(lambda p: net.cost_of(p, X, y, sample_weight=weight), device, params, gradients, penalty)


# No hidden layer, one, and three; one output where the cost is made for it.
DEPTHS = [(3, 3), (3, 1), (2, 4, 2), (2, 4, 1), (3, 2, 4, 3, 4)]
ONE_OUTPUT = [(o, c) for o, c in COSTS if o != "softmax" and c != "multiclass_hinge"]
DEEP = [
    (sizes, output, cost) for sizes in DEPTHS for output, cost in (COSTS if sizes[-1] > 1 else ONE_OUTPUT)
]


@pytest.mark.parametrize("activation", ["tanh", "maxout"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("sizes", "output", "cost"), DEEP, ids=str)
def test_any_depth_and_every_way_to_give_targets(device, sizes, output, cost, weighted, activation):
    net, space = network(activation, output, cost, "L2-biases", sizes), cr.differentiable(device.xp)
    params = parameters(net, device, "float64")
    X, rows, numbers, weight = samples(net, device, "float64", m=4)
    given = {"sample_weight": weight} if weighted else {}
    wanted = cr.value_and_grad(lambda p: plain_cost(net, space, p, X, rows, *given.values()))(params)
    got = net.cost_and_gradients(params, X, rows, **given)
    agree(device, got, wanted, 1e-13)
    slopes_agree(lambda p: net.cost_of(p, X, rows, **given), device, params, got[1])
    alike = [device.asarray(rows, "int32"), device.asarray(rows, "bool")]
    if sizes[-1] == 1:
        alike += [numbers, numbers == 1, device.asarray(numbers, "uint8")]
    elif output == "softmax" or cost in ("hinge", "multiclass_hinge"):
        alike += [numbers, device.asarray(numbers, "uint8"), device.asarray(numbers, "float32")]
    for y in alike:
        agree(device, net.cost_and_gradients(params, X, y, **given), got, 0, f"{y.dtype}")


@pytest.mark.parametrize(("output", "cost"), [pair for pair in COSTS if "hinge" not in pair[1]])
def test_targets_that_are_shares(device, output, cost):
    net, space = network("tanh", output, cost), cr.differentiable(device.xp)
    params = parameters(net, device, "float64")
    X, _, _, weight = samples(net, device, "float64")
    # A row of shares need not sum to 1.
    largest = 2.0 if output == "softmax" else 0.9
    sums = [[1.0], [0.5], [largest], [1.0], [0.2]]
    y = device.asarray(np.random.default_rng(1).dirichlet(np.ones(3), 5) * sums)
    got = net.cost_and_gradients(params, X, y, sample_weight=weight)
    if (output, cost) == ("softmax", "cross_entropy"):

        def f(p):
            Z = space.matmul(space.tanh(space.matmul(X, p[0][0]) + p[0][1]), p[1][0]) + p[1][1]
            log_p = Z - space.log(space.sum(space.exp(Z), axis=1, keepdims=True))
            return -space.sum(space.sum(log_p * y, axis=1) * weight) / space.sum(weight)
    else:

        def f(p):
            return plain_cost(net, space, p, X, y, weight)

    agree(device, got, cr.value_and_grad(f)(params), 1e-13)


@EVERY_ACTIVATION
@EVERY_COST
def test_input_gradient(device, dtype, activation, output, cost):
    net, space = network(activation, output, cost, "ElasticNet"), cr.differentiable(device.xp)
    params = parameters(net, device, dtype)
    X, y, _, weight = samples(net, device, dtype)
    dX = net.input_gradient(params, X, y, sample_weight=weight)
    assert (type(dX), dX.shape, dX.dtype, dX.device) == (type(X), X.shape, X.dtype, X.device)
    agree(
        device, dX, cr.grad(lambda X: plain_cost(net, space, params, X, y, weight))(X), 5 * TOLERANCE[dtype]
    )
    if dtype == "float64":
        slopes_agree(lambda X: net.cost_of(params, X, y, sample_weight=weight), device, X, dX)


@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 2), (3, 5, 4, 2)], ids=str)
class TestWhatNobodyAskedForIsNotComputed:
    def problem(self, sizes):
        net, device = network("relu", "softmax", "cross_entropy", sizes=sizes), cr.get_device("cpu")
        return net, parameters(net, device, "float64"), *samples(net, device, "float64")[:2]

    def watched(self, monkeypatch):
        """Let every matrix product note under its number, from 0, which of its pullbacks were called."""
        layer, called, made = kernels.NumpyOps.dense, [], itertools.count()

        def noting(*arguments, **settings):
            Z, dense = layer(*arguments, **settings)
            number = next(made)

            def noted(name, pullback):
                return lambda g: called.append((name, number)) or pullback(g)

            return Z, dense._make(map(noted, dense._fields, dense))

        monkeypatch.setattr(kernels.NumpyOps, "dense", noting)
        return called

    def test_the_gradient_of_the_samples(self, monkeypatch, sizes):
        net, params, X, y = self.problem(sizes)
        called = self.watched(monkeypatch)
        net.cost_and_gradients(params, X, y)
        layers = range(len(params))
        assert sorted(called) == [
            *(("to_biases", i) for i in layers),
            *(("to_input", i) for i in layers if i > 0),
            *(("to_weights", i) for i in layers),
        ]

    def test_gradients_of_weights_with_those_of_samples(self, monkeypatch, sizes):
        net, params, X, y = self.problem(sizes)
        called = self.watched(monkeypatch)
        net.input_gradient(params, X, y)
        assert sorted(called) == [("to_input", i) for i in range(len(params))]

    def test_any_gradient_with_a_cost(self, monkeypatch, sizes):
        net, params, X, y = self.problem(sizes)
        called = self.watched(monkeypatch)
        net.cost_of(params, X, y)
        net.forward(params, X)
        assert called == []


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("order", "CF")
def test_wide_layers_lie_transposed_and_give_the_same(monkeypatch, activation, order):
    net, device = network(activation, "softmax", "cross_entropy", sizes=(3, 40, 30, 2)), cr.get_device("cpu")
    params = [(np.asarray(W, order=order), b) for W, b in parameters(net, device, "float64")]
    X, y = samples(net, device, "float64")[:2]
    cost, gradients = net.cost_and_gradients(params, X, y)
    dX = net.input_gradient(params, X, y)
    monkeypatch.setattr(kernels, "_WIDE", 1)
    layer, turned = kernels.NumpyOps.dense, []

    def noting(*arguments, **settings):
        result = layer(*arguments, **settings)
        turned.append(result[0].flags.fnc)
        return result

    monkeypatch.setattr(kernels.NumpyOps, "dense", noting)
    wide_cost, wide_gradients = net.cost_and_gradients(params, X, y)
    hidden = activation != "maxout"
    assert turned == [hidden, hidden, False]
    assert np.allclose(wide_cost, cost, rtol=1e-12)
    assert np.allclose(net.input_gradient(params, X, y), dX, rtol=1e-9, atol=1e-15)
    for p, g, wide in zip(
        pytree.flat(params), pytree.flat(gradients), pytree.flat(wide_gradients), strict=True
    ):
        assert np.allclose(wide, g, rtol=1e-9, atol=1e-15)
        assert wide.flags.fnc == p.flags.fnc
