"""Networks inside the engine: what is followed may be all parameters, some of them, or the data."""

import itertools

import numpy as np

import chainrule as cr
from chainrule import pytree
from tests.helpers.networks import (
    ACTIVATIONS,
    COSTS,
    EVERY_ACTIVATION,
    EVERY_COST,
    agree,
    network,
    parameters,
    samples,
    slopes_agree,
)


def problem(device, activation, output, cost):
    net = network(activation, output, cost, "ElasticNet-biases")
    X, y, _, weight = samples(net, device, "float64")
    return net, parameters(net, device, "float64"), X, y, weight


@EVERY_ACTIVATION
@EVERY_COST
def test_the_engine_walks_the_same_gates(device, activation, output, cost):
    net, params, X, y, weight = problem(device, activation, output, cost)
    got = cr.value_and_grad(lambda p: net.cost_of(p, X, y, sample_weight=weight))(params)
    by_hand = net.cost_and_gradients(params, X, y, sample_weight=weight)
    agree(device, got, by_hand, 1e-13)
    dX = cr.grad(lambda X: net.cost_of(params, X, y, sample_weight=weight))(X)
    agree(device, dX, net.input_gradient(params, X, y, sample_weight=weight), 1e-12)


@EVERY_COST
def test_one_array_alone(device, output, cost):
    net, params, X, y, weight = problem(device, "maxout", output, cost)
    _, gradients = net.cost_and_gradients(params, X, y, sample_weight=weight)
    leaves = pytree.flat(params)
    for i, g in enumerate(pytree.flat(gradients)):

        def cost_of(x, i=i):
            moved = pytree.rebuilt(params, iter([*leaves[:i], x, *leaves[i + 1 :]]))
            return net.cost_of(moved, X, y, sample_weight=weight)

        agree(device, cr.grad(cost_of)(leaves[i]), g, 1e-13)


@EVERY_COST
def test_sample_weights(device, output, cost):
    net, params, X, y, weight = problem(device, "tanh", output, cost)

    def cost_of(weight):
        return net.cost_of(params, X, y, sample_weight=weight)

    slopes_agree(cost_of, device, weight, cr.grad(cost_of)(weight))


@EVERY_ACTIVATION
@EVERY_COST
def test_second_derivatives(device, activation, output, cost):
    net, params, X, y, weight = problem(device, activation, output, cost)
    random = np.random.default_rng(2)
    v = pytree.mapped(lambda p: device.asarray(random.standard_normal(p.shape)), params)
    got = cr.hvp(lambda p: net.cost_of(p, X, y, sample_weight=weight), params, v)
    up, down = (
        net.cost_and_gradients(
            pytree.rebuilt(
                params, (p + d * h for p, d in zip(pytree.flat(params), pytree.flat(v), strict=True))
            ),
            X,
            y,
            sample_weight=weight,
        )[1]
        for h in (1e-6, -1e-6)
    )
    pairs = zip(pytree.flat(up), pytree.flat(down), strict=True)
    agree(device, got, [(a - b) / 2e-6 for a, b in pairs], 1e-7)


def test_gradients_by_hand_of_followed_parameters(device):
    net, params, X, y, weight = problem(device, "tanh", "softmax", "cross_entropy")
    space = cr.differentiable(device.xp)

    def steepness(p):
        _, gradients = net.cost_and_gradients(p, X, y, sample_weight=weight)
        return sum(space.sum(g * g) for g in pytree.flat(gradients)[1:])

    cr.check_gradients(steepness, params)


def test_the_checker_agrees_at_first_and_second_order():
    device = cr.get_device("cpu")
    for (output, cost), activation in zip(COSTS, itertools.cycle(ACTIVATIONS), strict=False):
        net = network(activation, output, cost, "L2-biases", (2, 2, 2))
        X, y, _, weight = samples(net, device, "float64", m=3)
        params = parameters(net, device, "float64")
        cr.check_gradients(
            lambda p, X, net=net, y=y, w=weight: net.cost_of(p, X, y, sample_weight=w), params, X, order=2
        )


@EVERY_ACTIVATION
def test_the_gradient_by_hand_is_followed_where_the_network_is_plain(device, activation):
    net, params, X, y, weight = problem(device, activation, "softmax", "cross_entropy")
    space = cr.differentiable(device.xp)

    def squares(weight):
        _, gradients = net.cost_and_gradients(params, X, y, sample_weight=weight)
        return sum(space.sum(g * g) for g in pytree.flat(gradients))

    slopes_agree(squares, device, weight, cr.grad(squares)(weight))
